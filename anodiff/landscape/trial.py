"""Is a network in evaluation mode a function of its weights and inputs, and of nothing else?

The pitfalls: ``functional.dropout(x)`` drops in evaluation mode too, unless it is told not to; the
losses around a point are then noise. And a network that changes its inputs in place, such as by
``x -= mean``, sees others the next time.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from anodiff.errors import ConfigError

#: Relative difference of outputs that is more than rounding.
TOLERANCE = 1e-3


def make_function(network: nn.Module, inputs: Tensor) -> None:
    """Let a network in evaluation mode work on copies of its inputs if it changes them.

    Parameters
    ----------
    inputs
        A few inputs, on the network's device and of its type; they are not changed.

    Raises
    ------
    ConfigError
        If two passes over the same inputs differ.
    """
    outputs = []
    devices = [inputs.device] if inputs.device.type == "cuda" else []
    with torch.no_grad(), torch.random.fork_rng(devices):
        for _ in range(2):
            given = inputs.clone()
            version = given._version
            outputs.append(network(given))
    if given._version != version:
        network.register_forward_pre_hook(copy_inputs)
    first, second = outputs
    if not (isinstance(first, Tensor) and first.shape == second.shape):
        return  # what else it may return is for the criterion
    if not torch.allclose(first, second, rtol=TOLERANCE, atol=TOLERANCE * float(first.abs().max()), equal_nan=True):
        raise ConfigError(
            f"{type(network).__name__} draws random numbers in evaluation mode, so it has no loss surface; "
            "a functional.dropout needs training=self.training"
        )


def copy_inputs(_: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return copies of a network's inputs; a forward pre-hook."""
    return tuple(each.clone() if isinstance(each, Tensor) else each for each in inputs)
