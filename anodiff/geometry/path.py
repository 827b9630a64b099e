"""What does a path look like? All of its geometry within a window, from the update Gram matrix G_kl = <Δw_k, Δw_l> alone.

Updates are numbered k = 0 … T−1 and lead from point k to point k+1; points are numbered 0 … T.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse.linalg import eigsh

from anodiff.errors import ConfigError
from anodiff.geometry.gram import MEMORY, Points, find_fault, update_gram
from anodiff.geometry.msd import msd_at_lags
from anodiff.storage.types import FloatArray
from anodiff.trajectory.windows import Window


@dataclass(frozen=True)
class PrincipalCoordinates:
    """The path in the frame of its own principal components.

    Attributes
    ----------
    coordinates
        Of each point, centred, by falling variance, shape (T+1, components).
    explained_variance
        Fraction of the points' variance along each component, shape (components,). A random walk in many dimensions has
        6/(π²k²) in the k-th (Antognini & Sohl-Dickstein, arXiv 1806.08805): a plane that explains 76 % says nothing.
    """

    coordinates: FloatArray
    explained_variance: FloatArray


@dataclass(frozen=True)
class PathGeometry:
    """The geometry of a window of T updates.

    Attributes
    ----------
    gram
        Update Gram matrix, shape (T, T), float64.
    window
        The stretch of the run.
    """

    gram: FloatArray
    window: Window

    @cached_property
    def _prefix(self) -> FloatArray:
        """Two-dimensional prefix sums of G, shape (T+1, T+1): P_ij = Σ_{k<i, l<j} G_kl = <w_i − w_0, w_j − w_0>."""
        updates = len(self.gram)
        prefix = np.zeros((updates + 1, updates + 1))
        inner = prefix[1:, 1:]
        with np.errstate(invalid="ignore", over="ignore"):  # of weights that are not finite, the analysis tells
            np.cumsum(self.gram, axis=0, out=inner)
            np.cumsum(inner, axis=1, out=inner)
        return prefix

    @cached_property
    def squared_displacements(self) -> FloatArray:
        """D_ij = |w_j − w_i|² = Σ_{k,l ∈ [i,j)} G_kl, shape (T+1, T+1)."""
        prefix = self._prefix
        with np.errstate(invalid="ignore", over="ignore"):
            diagonal = np.diagonal(prefix)
            squares = diagonal[:, None] + diagonal[None, :]
            squares -= prefix + prefix.T  # together, so that D is exactly symmetric
            return np.maximum(squares, 0.0, out=squares)

    def mean_squared_displacement(self, lags: ArrayLike) -> FloatArray:
        """Return the time-averaged MSD at some lags, in updates, without D: for the many draws of a null.

        Shape (lags,). Cost O(T²) for the prefix sums and O(T) a lag.
        """
        return msd_at_lags(self._prefix, lags)

    @property
    def step_lengths(self) -> FloatArray:
        """|Δw_k| = sqrt(G_kk), shape (T,)."""
        return np.sqrt(np.diagonal(self.gram))

    @property
    def contour_length(self) -> FloatArray:
        """Length of the path from its first point to each point, s_0j = Σ_{k<j} |Δw_k|, shape (T+1,)."""
        return np.concatenate([[0.0], np.cumsum(self.step_lengths)])

    def update_autocorrelation(self, lags: ArrayLike) -> FloatArray:
        """Return C(m) = mean over k of G_{k,k+m}, over that of G_kk, shape (lags,); independent updates have 0."""
        return np.array([np.diagonal(self.gram, lag).mean() for lag in np.asarray(lags)]) / np.diagonal(self.gram).mean()

    def update_angles(self, lag: int = 1) -> FloatArray:
        """Return the angle between update k and update k+lag, in radians, 0 … π, shape (T − lag,); NaN where one is zero.

        In many dimensions independent updates are at right angles.
        """
        lengths = self.step_lengths
        norms = lengths[: len(lengths) - lag] * lengths[lag:]
        cosine = np.divide(np.diagonal(self.gram, lag), norms, out=np.full(len(norms), np.nan), where=norms > 0)
        return np.arccos(np.clip(cosine, -1, 1))

    def principal_coordinates(self, components: int = 2) -> PrincipalCoordinates:
        """Return the path's principal components: classical scaling of D, so the PCA of its points. Cost O(T²) a component."""
        prefix = self._prefix
        size = len(prefix)
        if not 1 <= components < size:
            raise ConfigError(f"{components} principal components of {size} points; ask for 1 to {size - 1}")
        centred = prefix - prefix.mean(0)
        centred -= centred.mean(1, keepdims=True)
        start = np.random.default_rng(0).normal(size=size)  # Lanczos's start: fixed, so that the same bits come again
        values, vectors = eigsh(centred, k=components, v0=start)
        order = np.argsort(values)[::-1]
        values, vectors = np.maximum(values[order], 0), vectors[:, order]
        signs = np.where(vectors[0] > 0, -1.0, 1.0)  # an eigenvector has no sign of its own: the path starts on the left
        total = np.trace(centred)
        explained = values / total if total > 0 else np.full(components, np.nan)
        return PrincipalCoordinates(vectors * signs * np.sqrt(values), explained)

    def shuffled(self, generator: np.random.Generator) -> PathGeometry:
        """Return the null of shuffled updates: the same steps in random order, so G with rows and columns permuted.

        It keeps the step lengths and the total displacement, and destroys all correlation in time. The drift stays.
        """
        return self._permuted(generator.permutation(len(self.gram)))

    def permuted_within_epoch(self, steps_per_epoch: int, generator: np.random.Generator) -> PathGeometry:
        """Return the null of updates shuffled within each epoch only: slower change than an epoch stays.

        Batches drawn without replacement make the updates of an epoch sum to a constant; this null keeps that.
        """
        epoch = (self.window.start + self.window.stride * np.arange(len(self.gram))) // steps_per_epoch
        return self._permuted(np.lexsort((generator.random(len(epoch)), epoch)))

    def sign_randomised(self, generator: np.random.Generator) -> PathGeometry:
        """Return the null of updates with random signs: the same lengths, no drift and no correlation in time."""
        signs = generator.choice([-1.0, 1.0], len(self.gram))
        return PathGeometry(self.gram * signs[:, None] * signs, self.window)

    def detrended(self) -> PathGeometry:
        """Return the path without drift: the mean update subtracted from each, so G double-centred; it ends where it began."""
        centred = self.gram - self.gram.mean(0)
        return PathGeometry(centred - centred.mean(1, keepdims=True), self.window)

    def _permuted(self, order: NDArray[np.int64]) -> PathGeometry:
        return PathGeometry(self.gram[np.ix_(order, order)], self.window)


def path_geometry(points: Points, *, memory: float = MEMORY, device: str = "cpu") -> PathGeometry:
    """Return the geometry of any path of shape (T+1, P): a numpy, Zarr or HDF5 array, a memory map.

    Raises
    ------
    ConfigError
        If the shape is not that of a path, or a coordinate is not finite.

    Examples
    --------
    >>> corner = np.array([[0.0, 0.0], [3.0, 0.0], [3.0, 4.0]])
    >>> path_geometry(corner).squared_displacements
    array([[ 0.,  9., 25.],
           [ 9.,  0., 16.],
           [25., 16.,  0.]])
    """
    gram = update_gram(points, memory=memory, device=device)
    if not np.isfinite(gram).all():
        fault = find_fault(points, memory=memory)
        if fault is None:
            raise ConfigError("a path with updates whose squares overflow float32; give its points in float64")
        raise ConfigError(f"a path with {fault.value} at point {fault.point}, parameter {fault.parameter}; only finite points")
    return PathGeometry(gram, Window(0, len(gram)))
