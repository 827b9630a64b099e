"""What does each batch count in the mean loss of all samples?

A criterion gives the mean over a batch of what it counts: samples, tokens, samples by the weight of
their class, those whose label is not ignored. A mean of these means, weighted by samples, would be
another loss. So the criterion is asked: its sum over a batch divided by its mean is what it counts.
Whether the weights give the loss of one large batch is then tried.
"""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from anodiff.errors import ConfigError
from anodiff.storage.types import FloatArray

Criterion = Callable[[Any, Any], Tensor]

#: Relative error with which weights must give the loss of one large batch.
TOLERANCE = 1e-5


def batch_weights(criterion: Criterion, outputs: Sequence[Tensor], labels: Sequence[Tensor]) -> FloatArray | None:
    """Return what the loss of each batch counts in that of all samples, shape (batches,).

    Parameters
    ----------
    criterion
        Loss of a batch, from outputs and labels.
    outputs, labels
        A network's, for each batch. The outputs are changed at random, so that losses differ.

    Returns
    -------
    numpy.ndarray or None
        0 for a batch in which nothing counts. None if no weights give the loss of one large batch.

    Raises
    ------
    ConfigError
        If the criterion does not return one number.
    """
    generator = torch.Generator().manual_seed(0)
    exact, tried = _in_double(criterion, outputs)
    tried = [_disturbed(each, generator) for each in tried]
    with torch.no_grad():
        if not np.isfinite(_loss(exact, torch.cat(tried), torch.cat(list(labels)))):
            exact, tried = _in_double(criterion, outputs)  # outputs that this criterion is not made for
        whole = _loss(exact, torch.cat(tried), torch.cat(list(labels)))
        parts = np.array([_loss(exact, *batch) for batch in zip(tried, labels, strict=True)])
        sizes = np.array([float(len(each)) for each in labels])
        candidates = [sizes / sizes.sum(), np.ones(len(parts))]
        summed = _summed(exact)
        if summed is not None:
            sums = np.array([_loss(summed, *batch) for batch in zip(tried, labels, strict=True)])
            with np.errstate(divide="ignore", invalid="ignore"):
                counted = np.where(sums == 0, 0.0, sums / parts)
            candidates.insert(0, counted / counted.sum())
    for weights in candidates:
        total = float((weights[weights > 0] * parts[weights > 0]).sum())
        if abs(total - whole) <= TOLERANCE * abs(whole):
            return weights
    return None


def _loss(criterion: Criterion, outputs: Tensor, labels: Tensor) -> float:
    loss = criterion(outputs, labels)
    if not isinstance(loss, Tensor) or loss.numel() != 1:
        got = f"shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else type(loss).__name__
        raise ConfigError(f"the criterion returns {got}; expected one number, such as with reduction='mean'")
    return float(loss)


def _disturbed(outputs: Tensor, generator: torch.Generator) -> Tensor:
    if not outputs.is_floating_point():
        return outputs
    noise = torch.randn(outputs.shape, generator=generator, dtype=torch.float64).to(outputs)
    return outputs + noise * (outputs.std(correction=0) + 1)


def criterion_in_double(criterion: Criterion) -> Criterion | None:
    """Return a criterion whose own numbers are float64, or None if it cannot be brought there."""
    if isinstance(criterion, nn.Module):
        return copy.deepcopy(criterion).double()
    if isinstance(criterion, functools.partial):
        keywords = {
            name: value.double() if isinstance(value, Tensor) and value.is_floating_point() else value
            for name, value in criterion.keywords.items()
        }
        return functools.partial(criterion.func, *criterion.args, **keywords)
    return None


def _in_double(criterion: Criterion, outputs: Sequence[Tensor]) -> tuple[Criterion, list[Tensor]]:
    """Return a criterion and outputs in float64, if the criterion can be brought there."""
    exact = criterion_in_double(criterion)
    return (criterion, list(outputs)) if exact is None else (exact, [each.double() for each in outputs])


def _summed(criterion: Criterion) -> Criterion | None:
    """Return the sum that a criterion is the mean of, if it has PyTorch's ``reduction``."""
    if isinstance(criterion, nn.Module):
        if getattr(criterion, "reduction", None) != "mean":
            return None
        summed: Any = copy.copy(criterion)
        summed.reduction = "sum"
        return summed
    try:
        reduction = inspect.signature(criterion).parameters.get("reduction")
    except (TypeError, ValueError):
        return None
    if reduction is None or reduction.default != "mean":
        return None
    keywords: Any = {"reduction": "sum"}
    return functools.partial(criterion, **keywords)
