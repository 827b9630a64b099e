"""How far can a measured MSD be from the truth? The sampling error of time-averaged MSDs.

Displacements over a lag overlap, and a window holds few that do not. So the scatter between
starting points says little about the error at long lags. For a Gaussian process with stationary
increments and mean squared displacement M(τ), the error is known exactly (Qian, Sheetz & Elson,
Biophys. J. 60 (1991) 910 for Brownian motion; Grebenkov, Phys. Rev. E 84 (2011) 031124). Lag a has
N_a = T − a + 1 starting points. In d dimensions that are alike,

    Cov(Δr²(a), Δr²(b)) = 2 / (d N_a N_b) · Σ_{i<N_a, j<N_b} C_ab(j − i)²,
    C_ab(m) = ½ [M(m + b) + M(m − a) − M(m) − M(m + b − a)].

Directions in weight space are not alike. There, d is the effective dimension (tr Σ)² / tr Σ² of the
displacements over a lag (`anodiff.diffusion.effective_dimension`). Where it is small, the MSD is far from
normal, and paths are simulated instead.

The pitfall: this is theory for Gaussian paths. Walks with heavy-tailed waiting times scatter more
from seed to seed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from anodiff.diffusion.energies import Energies
from anodiff.diffusion.smooth_law import Law, symmetric_root
from anodiff.storage.types import FloatArray

#: Up to this effective dimension, curves are drawn from simulated paths; above it, the logarithm of
#: the MSD is normal.
FEW_DIMENSIONS = 10

#: Number of simulated one-dimensional paths, and the most that one curve averages. A curve averages
#: the MSDs of as many paths as there are effective dimensions; beyond the maximum, more dimensions
#: only reduce the scatter.
SIMULATED, MAX_AVERAGED = 1000, 20

#: Number of paths whose MSD is taken at once, so that they stay in the cache.
PATHS_AT_ONCE = 32


@dataclass(frozen=True)
class Participating:
    """The root of tr M(τ)², a law of its own, from a law tr M(τ) and the effective dimension at some lags.

    Directions that still move at long lags are fewer, and remember more. Where the MSD matrices M
    of different lags are not proportional, it is tr M² = Δr⁴/d that the scatter follows.
    """

    law: Law
    lags: NDArray[np.int64]
    dimension: FloatArray

    def msd(self, lags: ArrayLike) -> FloatArray:
        """Return Δr²/√d at some lags; d is interpolated in ln τ and ln d."""
        tau = np.maximum(np.abs(np.asarray(lags, np.float64)), 1)
        root = np.exp(-0.5 * np.interp(np.log(tau), np.log(self.lags), np.log(self.dimension)))
        return self.law.msd(lags) * root


def relative_covariance(lags: NDArray[np.int64], law: Law, updates: int) -> FloatArray:
    """Return Cov(Δr²(a), Δr²(b)) / (M(a) M(b)) in one dimension, shape (lags, lags), in updates.

    Cost: O(L² T) for L lags.
    """
    return relative_covariances(lags, [law], updates)[0]


def relative_covariances(lags: NDArray[np.int64], laws: Sequence[Law], updates: int) -> FloatArray:
    """Return `relative_covariance` of several laws, shape (laws, lags, lags)."""
    points = np.abs(np.arange(-2 * updates, 2 * updates + 1))
    spreads = [law.msd(points) for law in laws]
    covariances = np.zeros((len(laws), len(lags), len(lags)))
    for a, first in enumerate(lags):
        starts, others, half = updates - first + 1, updates - lags[a:] + 1, (lags[a:] - first) // 2
        # The sum over m = j - i is even about -gap/2, so twice its upper half is enough. Half the number of pairs i, j:
        common = np.minimum(others[:, None], (others + half)[:, None] - np.arange(starts, dtype=float))
        np.maximum(common, 0, out=common)
        common[:, 0] /= 2 - (lags[a:] - first) % 2
        begin = 2 * updates - first - half
        for covariance, spread in zip(covariances, spreads, strict=True):
            rise = spread[first:] - spread[: len(spread) - first]  # M(m) − M(m − a), from m = −2T + a on
            windows = np.ndarray((len(rise) - starts + 1, starts), buffer=rise, strides=(rise.itemsize, rise.itemsize))
            products = windows[begin + lags[a:]]  # (b, m)
            products -= windows[begin]  # 2 C_ab(m)
            products *= products
            covariance[a, a:] = np.einsum("bm,bm->b", products, common) / (starts * others)
    norms = np.array([law.msd(lags) for law in laws])
    covariances /= norms[:, :, None] * norms[:, None]
    covariances += np.triu(covariances, 1).transpose(0, 2, 1)
    values, vectors = np.linalg.eigh(covariances)  # no stationary process has exactly the kink of a crossover
    return (vectors * np.maximum(values, 0)[:, None]) @ vectors.transpose(0, 2, 1)


def with_energies(relative: FloatArray, lags: NDArray[np.int64], dimension: FloatArray, energies: Energies) -> FloatArray:
    """Return the covariance of ln Δr², (lags, lags), from that of one direction with equal steps.

    Directions that still move over the longer of two lags are among those that move over the
    shorter one. So what both lags have in common is the scatter of as many directions as the more
    dimensional of the two has: 1 / max(d_a, d_b).
    """
    worth = dimension / energies.inequality(lags)
    return relative / np.maximum(worth[:, None], worth) + energies.covariance(lags)


def draw_log_msd(
    lags: NDArray[np.int64],
    laws: Sequence[Law],
    updates: int,
    covariances: FloatArray,
    dimension: FloatArray,
    draws: int,
    generator: np.random.Generator,
    energies: Energies | None = None,
) -> FloatArray:
    """Draw ln Δr², shape (laws, lags, draws), about each law with this window's sampling error.

    The laws share their random numbers.

    Parameters
    ----------
    covariances
        From `relative_covariances`, shape (laws, lags, lags).
    dimension
        From `anodiff.diffusion.effective_dimension`.
    energies
        How the energies of the steps differ; by default not.
    """
    energies = energies or Energies(np.ones(updates), 0.0)
    expected = np.log([law.msd(lags) for law in laws])[:, :, None]
    if dimension.min() > FEW_DIMENSIONS:
        normal = generator.normal(size=(len(lags), draws))
        return (
            expected
            + symmetric_root(np.array([with_energies(each, lags, dimension, energies) for each in covariances])) @ normal
        )
    expected = expected + symmetric_root(energies.covariance(lags)) @ generator.normal(size=(len(lags), draws))
    noise = _complex_noise(2 * updates, SIMULATED, generator)
    chosen = generator.integers(SIMULATED, size=(draws, math.ceil(min(dimension.max(), MAX_AVERAGED))))
    drawn = np.empty((len(laws), len(lags), draws))
    for law, drawn_from_law in zip(laws, drawn, strict=True):
        found = _msd_of_paths(_gaussian_paths(law, noise, energies.profile), lags)
        ratios = found / (law.msd(lags) if (energies.profile == 1).all() else found.mean(axis=1))[:, None]
        for row, ratios_at_lag, d in zip(drawn_from_law, ratios, dimension, strict=True):
            weights = _weights(min(d, MAX_AVERAGED))
            mean = ratios_at_lag[chosen[:, : len(weights)]] @ weights
            row[:] = 1 + math.sqrt(min(1.0, MAX_AVERAGED / d)) * (mean - 1)
    return expected + np.log(drawn)


def _weights(dimension: float) -> FloatArray:
    """Return weights of sum 1, equal except a smaller last one, whose squares sum to 1/dimension.

    Examples
    --------
    >>> _weights(2.5).round(3).tolist()
    [0.439, 0.439, 0.123]
    """
    whole = math.ceil(dimension) - 1
    if not whole:
        return np.ones(1)
    last = (whole - math.sqrt(max(0.0, whole**2 - (dimension - 1) * whole * (dimension - whole)))) / (dimension - 1)
    return np.append(np.ones(whole), last) / (whole + last)


def _complex_noise(length: int, count: int, generator: np.random.Generator) -> NDArray[np.complex128]:
    """Return the noise of ``count`` paths, two in a row, shape (count / 2, length)."""
    noise = generator.normal(size=(length, count // 2)) + 1j * generator.normal(size=(length, count // 2))
    return np.ascontiguousarray(noise.T)


def _gaussian_paths(law: Law, noise: NDArray[np.complex128], profile: FloatArray) -> FloatArray:
    """Return one-dimensional Gaussian paths with the law's MSD, shape (paths, updates + 1).

    They come from circulant embedding. A law that no stationary process has can give negative
    eigenvalues, which are set to zero. The steps are multiplied by the root of the profile of their
    energies, shape (updates,).
    """
    updates = len(profile)
    lag = np.arange(updates + 1)
    covariance = 0.5 * (law.msd(lag + 1) + law.msd(np.abs(lag - 1)) - 2 * law.msd(lag))
    ring = np.concatenate([covariance, covariance[-2:0:-1]])
    spectrum = np.maximum(scipy.fft.fft(ring).real, 0)
    waves = scipy.fft.fft(noise * np.sqrt(spectrum / len(ring)), axis=1, overwrite_x=True)[:, :updates]
    waves *= np.sqrt(profile)
    paths = np.zeros((2 * len(noise), updates + 1))
    np.cumsum(waves.real, axis=1, out=paths[: len(noise), 1:])
    np.cumsum(waves.imag, axis=1, out=paths[len(noise) :, 1:])
    return paths


def _msd_of_paths(paths: FloatArray, lags: NDArray[np.int64]) -> FloatArray:
    """Return the time-averaged MSD of each path, shape (lags, paths): Σ x_i² + x_{i+τ}² − 2 x_i x_{i+τ}, products by FFT."""
    points = paths.shape[1]
    size = scipy.fft.next_fast_len(points + int(lags[-1]), real=True)
    found = np.empty((len(lags), len(paths)))
    for first in range(0, len(paths), PATHS_AT_ONCE):
        part = paths[first : first + PATHS_AT_ONCE]
        waves = scipy.fft.rfft(part, size, axis=1)
        products = scipy.fft.irfft(waves.real**2 + waves.imag**2, size, axis=1)[:, lags]
        squares = np.cumsum(part**2, axis=1)
        ends = squares[:, points - 1 - lags] + squares[:, -1:] - squares[:, lags - 1]
        found[:, first : first + PATHS_AT_ONCE] = ((ends - 2 * products) / (points - lags)).T
    return found
