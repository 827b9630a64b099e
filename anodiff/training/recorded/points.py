"""How is a point, a vector of real numbers, laid over a network's trainable parameters?

Complex parameters are pairs of real numbers, as in a recorded path: |.|² is the same, and torch's
gradient of a real loss with respect to a complex number is the pair of its derivatives.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from anodiff.errors import ConfigError
from anodiff.trajectory.flat_parameters import as_reals, count_numbers, exact_type


def trainable_parameters(network: nn.Module) -> list[nn.Parameter]:
    """Return the parameters that are trained, in the network's order."""
    return [parameter for parameter in network.parameters() if parameter.requires_grad]


def own_type(network: nn.Module) -> torch.dtype:
    """Return float64 for a network with parameters of that type, else float32."""
    return exact_type(list(network.parameters()))


def converted(network: nn.Module, device: torch.device, dtype: torch.dtype) -> nn.Module:
    """Return the network itself, moved to a device, its real and complex tensors of a precision."""
    network = network.to(device)
    for tensor in (*network.parameters(), *network.buffers()):
        if tensor.is_floating_point():
            tensor.data = tensor.data.to(dtype)
        elif tensor.is_complex():
            tensor.data = tensor.data.to(dtype.to_complex())
    return network


def flatten_in_place(network: nn.Module) -> Tensor:
    """Copy the trainable parameters into one vector (P,), make the real ones views of it, and
    return it.

    Raises
    ------
    ConfigError
        If all parameters are frozen.
    """
    parameters = trainable_parameters(network)
    if not parameters:
        raise ConfigError("all parameters of the network are frozen, so it has no landscape; let one require a gradient")
    flat = join_point([parameter.detach() for parameter in parameters])
    for parameter, view in zip(parameters, split_point(flat, parameters), strict=True):
        if not parameter.is_complex():
            parameter.data = view
    return flat


def set_point(flat: Tensor, point: Tensor, parameters: Sequence[Tensor]) -> None:
    """Copy a point (P,) into the vector of `flatten_in_place` and into the complex parameters."""
    with torch.no_grad():
        flat.copy_(point)
        if any(parameter.is_complex() for parameter in parameters):
            for parameter, piece in zip(parameters, split_point(flat, parameters), strict=True):
                if parameter.is_complex():
                    parameter.copy_(piece)


def join_point(tensors: Sequence[Tensor]) -> Tensor:
    """Return tensors shaped like the trainable parameters as one vector, shape (P,)."""
    return torch.cat([as_reals(tensor).reshape(-1) for tensor in tensors])


def split_point(points: Tensor, parameters: Sequence[Tensor]) -> list[Tensor]:
    """Return a vector (P,), or several (points, P), as tensors shaped like the parameters.

    Real ones of one vector are views of it; complex ones are copies, as memory may not be aligned.
    """
    sizes = [count_numbers(parameter) for parameter in parameters]
    pieces = []
    for part, parameter in zip(points.split(sizes, dim=-1), parameters, strict=True):
        leading = part.shape[:-1]
        if parameter.is_complex():
            pairs = part.reshape(*leading, *parameter.shape, 2)
            pieces.append(torch.complex(pairs[..., 0], pairs[..., 1]))
        else:
            pieces.append(part.reshape(*leading, *parameter.shape))
    return pieces


def real_shape(parameter: Tensor) -> tuple[int, ...]:
    """Return the shape of a parameter in real numbers; a complex vector stays a vector."""
    shape = tuple(parameter.shape)
    if not parameter.is_complex():
        return shape
    return (*shape, 2) if len(shape) > 1 else (2 * math.prod(shape),)
