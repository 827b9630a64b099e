"""How does the path move within the Hessian's top eigenspace, and is it at the edge of stability?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anodiff.geometry.path import PathGeometry
from anodiff.landscape.directions import PARAMETERS_PER_READ
from anodiff.settings.optimiser import OptimiserSettings
from anodiff.storage.types import FloatArray
from anodiff.trajectory.store import Trajectory


@dataclass(frozen=True)
class SubspaceMSD:
    """The time-averaged MSD of a window, split into a subspace and the rest; shapes (lags,).

    Attributes
    ----------
    lags
        In updates.
    total, within, outside
        Squared weight units; ``within`` (the subspace) and ``outside`` it add up to ``total``.
    dimensions, parameters
        Dimensions of the subspace and of the whole space. Motion without a preferred direction has
        the fraction ``dimensions / parameters`` of its MSD within the subspace.
    """

    lags: NDArray[np.int64]
    total: FloatArray
    within: FloatArray
    outside: FloatArray
    dimensions: int
    parameters: int


def subspace_msd(trajectory: Trajectory, geometry: PathGeometry, vectors: FloatArray, lags: ArrayLike) -> SubspaceMSD:
    """Split a window's MSD into the span of orthonormal ``vectors`` (k, P) and the rest.

    With c = Δw Vᵀ, shape (T, k), the Gram matrix within the span is c cᵀ, and the one outside it
    G − c cᵀ. Their MSDs follow from them as the whole follows from G. This takes one streaming pass
    over the stored points.
    """
    updates = len(geometry.gram)
    coordinates = np.zeros((updates, len(vectors)))
    for first in range(0, vectors.shape[1], PARAMETERS_PER_READ):
        columns = slice(first, min(first + PARAMETERS_PER_READ, vectors.shape[1]))
        steps = np.diff(trajectory.points(geometry.window, columns), axis=0).astype(np.float64)
        coordinates += steps @ vectors[:, columns].T
    gram = coordinates @ coordinates.T
    lags = np.asarray(lags, np.int64)
    total = geometry.mean_squared_displacement(lags)
    within = PathGeometry(gram, geometry.window).mean_squared_displacement(lags)
    outside = PathGeometry(geometry.gram - gram, geometry.window).mean_squared_displacement(lags)
    return SubspaceMSD(lags, total, within, outside, *vectors.shape)


def stability_threshold(optimiser: OptimiserSettings, learning_rate: ArrayLike) -> FloatArray:
    """Return the largest curvature at which full-batch descent is stable: the edge of stability.

    It is 2/η for gradient descent, 2(1 + μ)/η with (heavy-ball) momentum μ (Cohen et al., ICLR
    2021), and 2(1 + μ)/(η(1 + 2μ)) with Nesterov's. Weight decay adds to the curvature, so it is
    subtracted from the threshold. The threshold is NaN where η is 0, and for adaptive optimisers,
    for which it would depend on their preconditioner.

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
