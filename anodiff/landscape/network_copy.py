"""How is a network copied, if Python's `copy.deepcopy` cannot?

Some of what a network holds besides its weights cannot be copied, or need not be: results of its
last forward pass (as with ``torch.nn.utils.weight_norm``), locks, generators, open files. Such
results are copied without their history; what cannot be copied is shared.

The pitfall: a function kept in an attribute, such as ``self.act = lambda x: self.layer(x)``, still
calls the layers of the original. So a copy is tried: with other weights it must give what the
original gives with them.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from anodiff.errors import ConfigError, reason_of
from anodiff.models.wrappers import named_parameters


def copy_network(network: nn.Module, images: Tensor) -> nn.Module:
    """Return a copy of a network, tried on a few inputs.

    For the trial, the original's weights and mode are changed and restored.

    Raises
    ------
    ConfigError
        If it cannot be copied, or its copy still uses the original.
    """
    kind = type(network).__name__
    named_parameters(network)  # refuses lazy layers
    try:
        copied = copy.deepcopy(network)
    except Exception:  # whatever a user's class does when it is copied
        memo: dict[int, Any] = {}
        _prepare(vars(network).values(), memo, set())
        try:
            copied = copy.deepcopy(network, memo)
        except Exception as error:
            raise ConfigError(f"{kind} cannot be copied: {reason_of(error)}") from None
    if not _independent(network, copied, images):
        raise ConfigError(f"{kind} cannot be copied: its copy uses layers of the original, such as in a lambda")
    return copied


def _prepare(values: Iterable[Any], memo: dict[int, Any], seen: set[int]) -> None:
    """Enter into ``memo`` the copies of what `copy.deepcopy` cannot copy."""
    for value in values:
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, Tensor):
            if not value.is_leaf:
                memo[id(value)] = value.detach().clone()
        elif isinstance(value, nn.Module):
            _prepare(vars(value).values(), memo, seen)  # also one in a plain list
        elif isinstance(value, Mapping):
            _prepare(value.values(), memo, seen)
        elif isinstance(value, list | tuple | set | frozenset):
            _prepare(value, memo, seen)
        elif not _can_be_copied(value, memo):
            _prepare(getattr(value, "__dict__", {}).values(), memo, seen)
            if not _can_be_copied(value, memo):
                memo[id(value)] = value


def _can_be_copied(value: object, memo: Mapping[int, Any]) -> bool:
    try:
        copy.deepcopy(value, dict(memo))
    except Exception:  # whatever a user's class does when it is copied
        return False
    return True


def _independent(network: nn.Module, copied: nn.Module, images: Tensor) -> bool:
    """Return whether the copy with other weights gives what the original gives with them."""
    expected = _outputs_elsewhere(network, images)
    found = _outputs_elsewhere(copied, images)
    if expected is None or found is None:
        return True  # it does not take these inputs, as a network on another device
    return torch.allclose(expected, found, rtol=1e-3, atol=1e-3 * float(expected.abs().max()), equal_nan=True)


def _outputs_elsewhere(network: nn.Module, images: Tensor) -> Tensor | None:
    """Return the outputs in evaluation mode with other weights, which are restored; None if there are none."""
    parameters, modes = list(network.parameters()), {module: module.training for module in network.modules()}
    weights = [parameter.detach().clone() for parameter in parameters]
    network.eval()
    try:
        with torch.no_grad(), torch.random.fork_rng([images.device] if images.device.type == "cuda" else []):
            for parameter in parameters:
                parameter.mul_(1.25).add_(0.01)
            outputs = network(images.clone())
    except (RuntimeError, TypeError, ValueError):
        return None
    finally:
        with torch.no_grad():
            for parameter, before in zip(parameters, weights, strict=True):
                parameter.copy_(before)
        for module, training in modes.items():
            module.training = training
    return outputs if isinstance(outputs, Tensor) and len(outputs) else None
