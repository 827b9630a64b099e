"""How does the path move within the directions of largest curvature, and how outside them? Is it at the edge of stability?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anodiff.geometry.path import PathGeometry
from anodiff.landscape.directions import COLUMNS
from anodiff.settings.run import OptimiserSettings
from anodiff.storage.types import FloatArray
from anodiff.trajectory.store import Trajectory


@dataclass(frozen=True)
class MotionSplit:
    """The time-averaged MSD of a window, split; shapes (lags,).

    Attributes
    ----------
    lags
        In updates.
    total, within, outside
        Squared weight units; ``within`` the subspace plus ``outside`` it are the ``total``.
    dimensions, parameters
        Of the subspace and of the space: motion without preference has ``dimensions / parameters`` of its MSD within.
    """

    lags: NDArray[np.int64]
    total: FloatArray
    within: FloatArray
    outside: FloatArray
    dimensions: int
    parameters: int


def split_motion(trajectory: Trajectory, geometry: PathGeometry, vectors: FloatArray, lags: ArrayLike) -> MotionSplit:
    """Split a window's motion into that within the span of orthonormal ``vectors`` (k, P) and the rest.

    With c_k = V Δw_k, the Gram matrix within is c cᵀ and that outside G − c cᵀ; their MSDs follow as that of G does.
    One streaming pass over the stored points.
    """
    updates = len(geometry.gram)
    inside = np.zeros((updates, len(vectors)))
    for first in range(0, vectors.shape[1], COLUMNS):
        columns = slice(first, min(first + COLUMNS, vectors.shape[1]))
        steps = np.diff(trajectory.points(geometry.window, columns), axis=0).astype(np.float64)
        inside += steps @ vectors[:, columns].T
    gram = inside @ inside.T
    lags = np.asarray(lags, np.int64)
    total = geometry.mean_squared_displacement(lags)
    within = PathGeometry(gram, geometry.window).mean_squared_displacement(lags)
    outside = PathGeometry(geometry.gram - gram, geometry.window).mean_squared_displacement(lags)
    return MotionSplit(lags, total, within, outside, *vectors.shape)


def stability_threshold(optimiser: OptimiserSettings, learning_rate: ArrayLike) -> FloatArray:
    """Return the largest curvature at which full-batch descent is stable: the edge of stability.

    2/η for gradient descent, 2(1 + μ)/η with (heavy-ball) momentum μ (Cohen et al., ICLR 2021),
    2(1 + μ)/(η(1 + 2μ)) with Nesterov's. The curvature includes the weight decay, so this is the threshold less it. NaN for
    adaptive optimisers, whose preconditioner it would depend on, and where η is 0.

    Examples
    --------
    >>> stability_threshold(OptimiserSettings(momentum=0.9), [0.1]).round(6).tolist()
    [38.0]
    """
    rate = np.asarray(learning_rate, np.float64)
    if optimiser.name != "sgd":
        return np.full(rate.shape, np.nan)
    momentum = optimiser.momentum
    edge = 2 * (1 + momentum) / (1 + 2 * momentum if optimiser.nesterov else 1)
    return np.divide(edge, rate, out=np.full(rate.shape, np.nan), where=rate > 0) - optimiser.weight_decay
