"""What does a path look like within a window? All its geometry follows from G_kl = <Δw_k, Δw_l>.

Update k leads from point k to point k+1. Updates are numbered 0 … T−1, points 0 … T.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from anodiff.errors import ConfigError
from anodiff.geometry.gram import MEMORY, Points, as_path, refuse_non_finite, update_gram
from anodiff.geometry.msd import msd_at_lags
from anodiff.storage.numbers import whole_numbers
from anodiff.storage.types import FloatArray
from anodiff.trajectory.windows import Window


@dataclass(frozen=True)
class PrincipalCoordinates:
    """The path in the frame of its own principal components.

    Attributes
    ----------
    coordinates
        Centred coordinates of each point, largest variance first, shape (T+1, components).
    explained_variance
        Fraction of the points' variance along each component, shape (components,). For a random
        walk in many dimensions the k-th explains 6/(π²k²) (Antognini & Sohl-Dickstein, arXiv
        1806.08805), so a plane that explains 76 % proves nothing.
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
        The part of the run that it covers.
    """

    gram: FloatArray
    window: Window

    @cached_property
    def _prefix(self) -> FloatArray:
        """Prefix sums P_ij = Σ_{k<i, l<j} G_kl = <w_i − w_0, w_j − w_0>, shape (T+1, T+1)."""
        updates = len(self.gram)
        prefix = np.zeros((updates + 1, updates + 1))
        inner = prefix[1:, 1:]
        with np.errstate(invalid="ignore", over="ignore"):  # the analysis reports weights that are not finite
            np.cumsum(self.gram, axis=0, out=inner)
            np.cumsum(inner, axis=1, out=inner)
        return prefix

    @cached_property
    def squared_displacements(self) -> FloatArray:
        """D_ij = |w_j − w_i|² = Σ_{k,l ∈ [i,j)} G_kl, shape (T+1, T+1).

        D_{i,j+1} = D_ij + 2 Σ_{k ∈ [i,j)} G_kj + G_jj. So each D is a sum over its own updates alone,
        and keeps its precision after a jump that is longer than the other updates by any factor. As
        a difference of prefix sums it would lose the digits of the jump.
        """
        squares = np.zeros((len(self.gram) + 1,) * 2)
        inner = squares[:-1, 1:]
        with np.errstate(invalid="ignore", over="ignore"):
            inner[:] = np.triu(self.gram, 1)
            np.cumsum(inner[::-1], axis=0, out=inner[::-1])  # Σ_{k ∈ [i,j)} G_kj
            inner *= 2
            inner += np.triu(np.broadcast_to(np.diagonal(self.gram), self.gram.shape))
            np.cumsum(inner, axis=1, out=inner)
            np.maximum(inner, 0.0, out=inner)
        return squares + squares.T

    def mean_squared_displacement(self, lags: ArrayLike) -> FloatArray:
        """Return the time-averaged MSD at some lags in updates, shape (lags,), without D.

        Cost: O(T²) for the prefix sums and O(T) per lag.

        Raises
        ------
        ConfigError
            If a lag is no whole number from 0 to T.
        """
        return msd_at_lags(self._prefix, lags)

    @property
    def step_lengths(self) -> FloatArray:
        """|Δw_k| = sqrt(G_kk), shape (T,)."""
        return np.sqrt(np.diagonal(self.gram))

    @property
    def contour_length(self) -> FloatArray:
        """Length of the path up to each point, s_0j = Σ_{k<j} |Δw_k|, shape (T+1,)."""
        return np.concatenate([[0.0], np.cumsum(self.step_lengths)])

    def update_autocorrelation(self, lags: ArrayLike) -> FloatArray:
        """Return C(m) = (mean of G_{k,k+m}) / (mean of G_kk), shape (lags,); 0 if independent.

        NaN for a path that does not move.

        Raises
        ------
        ConfigError
            If a lag is no whole number from 0 to T − 1.
        """
        whole = whole_numbers(lags, "lags", 0, len(self.gram) - 1)
        square = np.diagonal(self.gram).mean()
        products = np.array([np.diagonal(self.gram, lag).mean() for lag in whole])
        return products / square if square > 0 else np.full(len(whole), np.nan)

    def update_angles(self, lag: int = 1) -> FloatArray:
        """Return the angle between updates k and k+lag in radians, 0 … π, shape (T − lag,).

        NaN if one of the two is zero. In many dimensions, independent updates are at right angles.

        Raises
        ------
        ConfigError
            If the lag is no whole number from 0 to T − 1.
        """
        (lag,) = whole_numbers(lag, "lag", 0, len(self.gram) - 1).tolist()
        lengths = self.step_lengths
        norms = lengths[: len(lengths) - lag] * lengths[lag:]
        cosine = np.divide(np.diagonal(self.gram, lag), norms, out=np.full(len(norms), np.nan), where=norms > 0)
        return np.arccos(np.clip(cosine, -1, 1))

    def principal_coordinates(self, components: int = 2) -> PrincipalCoordinates:
        """Return the PCA of the points, by classical scaling of D. Cost: O(T²) per component.

        The coordinates of a path that stands still are 0, and what they explain is NaN.

        Raises
        ------
        ConfigError
            If there are not more points than components, or no component is asked for.
        """
        prefix = self._prefix
        size = len(prefix)
        if not 1 <= components < size:
            raise ConfigError(f"{components} principal components of {size} points; ask for 1 to {size - 1}")
        centred = prefix - prefix.mean(0)
        centred -= centred.mean(1, keepdims=True)
        if not centred.any():
            return PrincipalCoordinates(np.zeros((size, components)), np.full(components, np.nan))
        start = np.random.default_rng(0).normal(size=size)  # a fixed start for Lanczos's method repeats the same bits
        values, vectors = scipy.sparse.linalg.eigsh(centred, k=components, v0=start)
        order = np.argsort(values)[::-1]
        values, vectors = np.maximum(values[order], 0), vectors[:, order]
        signs = np.where(vectors[0] > 0, -1.0, 1.0)  # the sign of an eigenvector is free: the path starts on the left
        total = np.trace(centred)
        explained = values / total if total > 0 else np.full(components, np.nan)
        return PrincipalCoordinates(vectors * signs * np.sqrt(values), explained)

    def shuffled(self, generator: np.random.Generator) -> PathGeometry:
        """Return the null of shuffled updates: the same steps in random order.

        It keeps the step lengths, the total displacement and the drift, and destroys all
        correlation in time.
        """
        return self._permuted(generator.permutation(len(self.gram)))

    def permuted_within_epoch(self, steps_per_epoch: int, generator: np.random.Generator) -> PathGeometry:
        """Return the null of updates shuffled within each epoch; slower change remains.

        Batches drawn without replacement make the updates of an epoch sum to a constant. This null
        keeps that sum.
        """
        return self._permuted(self.epoch_order(steps_per_epoch, generator))

    def epoch_order(self, steps_per_epoch: int, generator: np.random.Generator) -> NDArray[np.int64]:
        """Return numbers of the updates, shuffled within each epoch, shape (T,)."""
        epoch = (self.window.start + self.window.stride * np.arange(len(self.gram))) // steps_per_epoch
        return np.lexsort((generator.random(len(epoch)), epoch))

    def sign_randomised(self, generator: np.random.Generator) -> PathGeometry:
        """Return the null of random signs: the same step lengths, no drift, no correlation."""
        signs = generator.choice([-1.0, 1.0], len(self.gram))
        return PathGeometry(self.gram * signs[:, None] * signs, self.window)

    def detrended(self) -> PathGeometry:
        """Return the path minus its mean update (G double-centred); it ends where it began."""
        centred = self.gram - self.gram.mean(0)
        return PathGeometry(centred - centred.mean(1, keepdims=True), self.window)

    def _permuted(self, order: NDArray[np.int64]) -> PathGeometry:
        return PathGeometry(self.gram[np.ix_(order, order)], self.window)


def path_geometry(points: Points, *, memory: float = MEMORY, device: str = "cpu") -> PathGeometry:
    """Return the geometry of any path (T+1, P): an array of numpy, Zarr, HDF5, xarray, torch or
    pandas, a memory map, or nested lists.

    Raises
    ------
    ConfigError
        If the shape is not that of a path, or a coordinate is no real number or not finite.

    Examples
    --------
    >>> corner = np.array([[0.0, 0.0], [3.0, 0.0], [3.0, 4.0]])
    >>> path_geometry(corner).squared_displacements
    array([[ 0.,  9., 25.],
           [ 9.,  0., 16.],
           [25., 16.,  0.]])
    """
    points = as_path(points)
    gram = update_gram(points, memory=memory, device=device)
    if not np.isfinite(gram).all():
        refuse_non_finite(points, memory)
        raise ConfigError("the squares of the path's updates overflow float32; give its points in float64")
    return PathGeometry(gram, Window(0, len(gram)))
