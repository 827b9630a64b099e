"""What does a network at a recorded point hold beside the trained weights? Frozen ones, and buffers."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from anodiff.errors import ConfigError, StoreFormatError
from anodiff.training.recorded.points import split_point
from anodiff.trajectory.buffers import forward_buffers
from anodiff.trajectory.store import Trajectory

#: Images on which it is tried whether outputs depend on the buffers.
TRIED = 8


def set_constants(trajectory: Trajectory, step: int, model: nn.Module, images: Tensor) -> None:
    """Set the frozen parameters and buffers of a run's network to those of a recorded step.

    Parameters
    ----------
    model
        The network that the run's settings build; batch-norm statistics stay as they are.
    images
        Samples to find out on whether outputs depend on buffers that are not known.

    Raises
    ------
    StoreFormatError
        If the network has other parameters or buffers than the recorded one.
    ConfigError
        If the buffers are not known at the step, and the outputs depend on them.
    """
    attributes: dict[str, Any] = dict(trajectory.group.attrs)
    named = list(model.named_parameters())
    trainable = [(name, parameter) for name, parameter in named if parameter.requires_grad]
    frozen = [(name, parameter) for name, parameter in named if not parameter.requires_grad]
    _check(trajectory, "parameters", attributes["parameters"], trainable)
    _check(trajectory, "frozen parameters", attributes.get("frozen", {}).get("parameters", []), frozen)
    if frozen:
        flat = torch.from_numpy(np.asarray(trajectory.array("frozen")[:]))
        with torch.no_grad():
            for (_, parameter), piece in zip(frozen, split_point(flat, [parameter for _, parameter in frozen]), strict=True):
                parameter.copy_(piece)
    known = trajectory.buffers(step)
    buffers = forward_buffers(model)
    if known is None:
        if buffers and outputs_depend_on(model, buffers, images[:TRIED]):
            raise ConfigError(
                f"{trajectory.path}: the network's outputs depend on its buffers, such as {next(iter(buffers))}, and those of "
                f"step {step} were not stored; train it again with recording.buffers_every: 1"
            )
        return
    _check(trajectory, "buffers", attributes["buffers"], list(buffers.items()))
    with torch.no_grad():
        for name, values in known.items():
            stored = torch.from_numpy(values)
            buffers[name].copy_(torch.view_as_complex(stored) if buffers[name].is_complex() else stored)


def outputs_depend_on(model: nn.Module, buffers: dict[str, Tensor], images: Tensor) -> bool:
    """Return whether a network's outputs in evaluation mode change if its buffers do.

    A forward pass that fails with other buffers, such as indices, depends on them too.
    """
    before = {name: buffer.clone() for name, buffer in buffers.items()}
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with torch.no_grad(), torch.random.fork_rng():
            expected = model(images)
            torch.manual_seed(0)
            for buffer in buffers.values():
                _perturb(buffer)
            return not torch.equal(model(images), expected)
    except (RuntimeError, ValueError, IndexError):
        return True
    finally:
        with torch.no_grad():
            for name, buffer in buffers.items():
                buffer.copy_(before[name])
        for module, training in modes.items():
            module.training = training


def _perturb(buffer: Tensor) -> None:
    if buffer.dtype == torch.bool:
        buffer.logical_not_()
    elif buffer.is_floating_point() or buffer.is_complex():
        buffer.add_((buffer.abs() + 0.1) * torch.randn_like(buffer))
    else:
        buffer.add_(1)


def _check(trajectory: Trajectory, what: str, table: list[dict[str, Any]], named: list[tuple[str, Any]]) -> None:
    stored = [(entry["name"], tuple(entry["shape"])) for entry in table]
    built = [(name, tuple(tensor.shape)) for name, tensor in named]
    if stored != built:
        first = next((a or b for a, b in zip([*stored, None], [*built, None], strict=False) if a != b), None)
        raise StoreFormatError(
            f"{trajectory.path}: its {what} are not those of the network that its settings build"
            f"{f'; the first that differs is {first[0]}' if first else ''}; was the model's code changed?"
        )
