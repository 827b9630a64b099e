"""Is a network in evaluation mode a function of its weights and inputs, and of nothing else?

The pitfalls: ``functional.dropout(x)`` drops in evaluation mode too, unless it is told not to; the
losses around a point are then noise. And a network that changes its inputs in place, such as by
``x -= mean``, sees others the next time.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn

from anodiff.errors import ConfigError, reason_of

#: Makes a context in which passes keep nothing for a derivative.
Mode = Callable[[], AbstractContextManager[None]]

#: Relative difference of outputs that is more than rounding.
TOLERANCE = 1e-3


def make_function(network: nn.Module, inputs: Tensor) -> Mode:
    """Let a network in evaluation mode work on copies of its inputs if it changes them.

    Parameters
    ----------
    inputs
        A few inputs, on the network's device and of its type; they are not changed.

    Returns
    -------
    `torch.inference_mode`, or `torch.no_grad` for a network that does not work in it, such as a
    scripted one, or one that differentiates within its forward pass.

    Raises
    ------
    ConfigError
        If the network fails, or two passes over the same inputs differ.
    """
    kind = type(network).__name__
    try:
        first, second, mode = _two_passes(network, inputs)
    except (RuntimeError, TypeError) as error:
        precision = str(inputs.dtype).removeprefix("torch.")
        raise ConfigError(f"{kind} fails in {precision}: {reason_of(error)}; does its forward pass fix a type?") from None
    if not (isinstance(first, Tensor) and isinstance(second, Tensor)):
        return mode  # what else it may return is for the criterion
    close = {"rtol": TOLERANCE, "atol": TOLERANCE * float(first.abs().max())}
    if first.shape != second.shape or not torch.allclose(first, second, **close, equal_nan=True):
        raise ConfigError(
            f"{kind} has other outputs for the same inputs in evaluation mode, so it has no loss surface; it draws random "
            "numbers (functional.dropout needs training=self.training), or remembers former inputs"
        )
    return mode


def _two_passes(network: nn.Module, inputs: Tensor) -> tuple[Any, Any, Mode]:
    """Return the outputs of two passes over copies of the same inputs, and the mode in which the network works.

    The first is without that mode, whose results could not be saved for a derivative: the network
    may keep some, such as tables of positions.
    """
    given = [inputs.clone() for _ in range(3)]
    versions = [each._version for each in given]
    mode: Mode = torch.inference_mode
    with torch.random.fork_rng([inputs.device] if inputs.device.type == "cuda" else []):
        with torch.no_grad():
            first = network(given[0])
        try:
            with mode():
                second = network(given[1])
        except RuntimeError:
            mode = torch.no_grad
            with mode():
                second = network(given[2])
    if [each._version for each in given] != versions:
        network.register_forward_pre_hook(copy_inputs)
    return first, second, mode


def copy_inputs(_: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return copies of a network's inputs; a forward pre-hook."""
    return tuple(each.clone() if isinstance(each, Tensor) else each for each in inputs)
