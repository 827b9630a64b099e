"""Which modes are learned within a window, and how much of its displacement goes along them?

To first order, a step Δw changes a mode by ∇a_k · Δw. The share of |Δw|² in the span of these
gradients says how much of the motion it takes to learn the modes that are being learned.

The pitfall: gradients are taken at the window's first point, and a window is long. Whether they still
hold at its end, `first_order` says: what they predict over what is learned, 1 if they do.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anodiff.learning.recorded_outputs import RecordedNetwork, Samples, predictions
from anodiff.storage.types import FloatArray
from anodiff.training.recorded.points import join_point

#: Gradients are dependent if their correlation matrix has eigenvalues below this: float32 rounds so.
DEPENDENT = 1e-6

#: An optimiser step, and the point stored for it, (P,).
Point = tuple[int, NDArray[Any]]


@dataclass(frozen=True)
class ModeMotion:
    """How a window's displacement goes with the gradients of modes; see `LEARNING_WINDOW_COLUMNS`."""

    share: float
    share_chance: float
    first_order: float


@dataclass(frozen=True)
class ModeValues:
    """The value of some modes on a batch, as a function of the network's point.

    Attributes
    ----------
    samples
        One batch.
    directions
        u_k of the modes, shape (K, C).
    along
        v_k · (x − x̄) of each sample, shape (N, K).
    """

    network: RecordedNetwork
    samples: Samples
    loss: str
    directions: FloatArray
    along: FloatArray

    def of(self, modes: NDArray[np.int64]) -> ModeValues:
        """Return the same function of some of the modes, by their numbers."""
        return replace(self, directions=self.directions[modes], along=self.along[:, modes])

    def values(self) -> Tensor:
        """Return (1/N) Σ (u_k · prediction) (v_k · (x − x̄)) at the network's point, shape (K,)."""
        with self.network.batch_statistics():
            outputs = self.network.network(self.samples[0])
        parts = predictions(self.loss, outputs) @ self._tensor(self.directions.T, outputs)
        return (parts * self._tensor(self.along, outputs)).mean(0)

    def values_and_gradients(self) -> tuple[FloatArray, list[Tensor]]:
        """Return the values, and the gradient (P,) of each."""
        with torch.enable_grad():
            values = self.values()
            gradients = []
            for number, value in enumerate(values):
                parts = torch.autograd.grad(
                    value,
                    self.network.parameters,
                    retain_graph=number + 1 < len(values),
                    materialize_grads=True,
                    allow_unused=True,
                )
                gradients.append(join_point(parts))
        return values.detach().cpu().double().numpy(), gradients

    @staticmethod
    def _tensor(array: FloatArray, outputs: Tensor) -> Tensor:
        return torch.as_tensor(np.ascontiguousarray(array), dtype=outputs.dtype, device=outputs.device)


def mode_motion(function: ModeValues, start: Point, end: Point, scale: FloatArray) -> ModeMotion | None:
    """Return how the displacement of a window goes with the gradients of its modes.

    Parameters
    ----------
    start, end
        Both ends of the window.
    scale
        What each mode is when it is learned, minus what it was at first, shape (K,).

    Returns
    -------
    ModeMotion or None
        None if a point is not finite.
    """
    network = function.network
    if not network.set(*start, function.samples, statistics=False):
        return None
    before, gradients = function.values_and_gradients()
    if not network.set(*end, function.samples, statistics=False):
        return None
    with torch.no_grad():
        after = function.values().cpu().double().numpy()
    displacement = torch.from_numpy(end[1].astype(np.float64) - start[1])
    products, overlaps = _inner_products(gradients, displacement)
    share, dimensions = share_in_span(products, overlaps, float(displacement @ displacement))
    rise, predicted = float(((after - before) / scale).sum()), float((overlaps / scale).sum())
    return ModeMotion(share, dimensions / network.size, predicted / rise if rise else math.nan)


def share_in_span(products: FloatArray, overlaps: FloatArray, squared: float) -> tuple[float, int]:
    """Return the share of a vector's squared length in the span of others, and the dimensions of that span.

    Parameters
    ----------
    products, overlaps
        Inner products of these others with one another (K, K), and with the vector (K,).
    squared
        The vector's squared length.
    """
    lengths = np.sqrt(np.diag(products))
    lengths = np.where(lengths > 0, lengths, 1.0)
    values, vectors = np.linalg.eigh(products / np.outer(lengths, lengths))
    kept = values > DEPENDENT
    along = (overlaps / lengths) @ vectors[:, kept] / np.sqrt(values[kept])
    return float(along @ along) / squared if squared else math.nan, int(kept.sum())


def _inner_products(vectors: Sequence[Tensor], other: Tensor) -> tuple[FloatArray, FloatArray]:
    """Return the inner products of vectors (P,) with one another, and with another one, in float64."""
    products, overlaps = np.empty((len(vectors), len(vectors))), np.empty(len(vectors))
    for row, vector in enumerate(vectors):
        wide = vector.cpu().double()
        overlaps[row] = float(wide @ other)
        for column in range(row + 1):
            products[row, column] = products[column, row] = float(wide @ vectors[column].cpu().double())
    return products, overlaps
