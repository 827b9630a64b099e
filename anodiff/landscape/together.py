"""What are the losses of a network at several points at once? One call of `torch.func.vmap`.

This pays on a GPU that one network leaves idle. Not every operation can be part of such a call; a
recurrent layer cannot.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor, nn

from anodiff.training.recorded.points import split_point


def losses_together(
    network: nn.Module,
    criterion: Callable[[Tensor, Tensor], Tensor],
    parameters: Mapping[str, Tensor],
    batches: Iterable[tuple[float, Tensor, Tensor]],
    rows: Tensor,
) -> Tensor | None:
    """Return the losses at rows of weights, (points, P) → (points,), or None if vmap cannot do that.

    Parameters
    ----------
    parameters
        The network's parameters that a row sets, by name, in its order.
    batches
        (weight, images, labels); a loss is Σ weight · criterion.
    """
    buffers = dict(network.named_buffers())
    stacked = dict(zip(parameters, split_point(rows, list(parameters.values())), strict=True))

    def loss(at: dict[str, Tensor], images: Tensor, labels: Tensor) -> Tensor:
        return criterion(torch.func.functional_call(network, (at, buffers), (images,)), labels)

    total = torch.zeros(len(rows), dtype=torch.float64, device=rows.device)
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "There is a performance drop")  # an operation is done row by row
            for weight, images, labels in batches:
                total += torch.func.vmap(loss, in_dims=(0, None, None))(stacked, images, labels).double() * weight
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, ValueError, TypeError):  # whatever an operation raises that vmap does not know
        return None
    return total
