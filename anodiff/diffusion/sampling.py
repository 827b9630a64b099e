"""How far can a measured MSD be from the truth? The sampling error of time-averaged MSDs.

Displacements over a lag overlap, and a window holds few that do not. So the scatter between
starting points says little about the error at long lags. For a Gaussian process with stationary
increments and mean squared displacement M(τ), the error is known exactly (Qian, Sheetz & Elson,
Biophys. J. 60 (1991) 910 for Brownian motion; Grebenkov, Phys. Rev. E 84 (2011) 031124). Lag a has
N_a = T − a + 1 starting points. In d dimensions that are alike,

    Cov(Δr²(a), Δr²(b)) = 2 / (d N_a N_b) · Σ_{i<N_a, j<N_b} C_ab(j − i)²,
    C_ab(m) = ½ [M(m + b) + M(m − a) − M(m) − M(m + b − a)].

Directions in weight space are not alike. There, d is the effective dimension (tr Σ)² / tr Σ² of the
displacements over a lag, measured from their inner products. Where it is small, the MSD is far from
normal, and paths are simulated instead.

The pitfall: this is theory for Gaussian paths. Walks with heavy-tailed waiting times scatter more
from seed to seed.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.fft import fft
from scipy.linalg import eigh

from anodiff.diffusion.regimes import Regimes
from anodiff.geometry import PathGeometry
from anodiff.storage.types import FloatArray

#: Up to this effective dimension, curves are drawn from simulated paths; above it, the logarithm of
#: the MSD is normal.
FEW_DIMENSIONS = 10

#: Number of simulated one-dimensional paths, and the most that one curve averages. A curve averages
#: the MSDs of as many paths as there are effective dimensions; beyond the maximum, more dimensions
#: only reduce the scatter.
SIMULATED, MAX_AVERAGED = 1000, 20

#: Number of starting points for the inner products of displacements.
STARTS = 200


def relative_covariance(lags: NDArray[np.int64], law: Regimes, updates: int) -> FloatArray:
    """Return Cov(Δr²(a), Δr²(b)) / (M(a) M(b)) in one dimension, shape (lags, lags), in updates.

    Cost: O(L² T) for L lags.
    """
    spread = law.msd(np.abs(np.arange(-2 * updates, 2 * updates + 1)))
    msd = law.msd(lags)
    covariance = np.zeros((len(lags), len(lags)))
    for a, first in enumerate(lags):
        for b, second in enumerate(lags[a:], a):
            starts, others, gap = updates - first + 1, updates - second + 1, second - first
            lowest = -(gap // 2)  # the sum is even about m = -gap/2, so twice its upper half is enough
            zero, count = 2 * updates + lowest, others - lowest
            products = spread[zero + second : zero + second + count] + spread[zero - first : zero - first + count]
            products = 0.5 * (products - spread[zero : zero + count] - spread[zero + gap : zero + gap + count])
            common = 2.0 * (others - np.maximum(0, np.arange(lowest, others)))
            if gap % 2 == 0:
                common[0] /= 2
            covariance[a, b] = covariance[b, a] = 2 * (common * products**2).sum() / (starts * others * msd[a] * msd[b])
    values, vectors = eigh(covariance)  # no stationary process has exactly the kink of a crossover
    return (vectors * np.maximum(values, 0)) @ vectors.T


def effective_dimension(path: PathGeometry, lags: NDArray[np.int64]) -> FloatArray:
    """Return in how many directions, effectively, the path moves over each lag, shape (lags,).

    For Gaussian displacements r_i, r_j with covariance Σ and mean product C,

        Var <r_i, r_j> = (M² + C²)/d  and  <|r_i|² |r_j|²> = M² + 2C²/d,  with 1/d = tr Σ² / (tr Σ)².

    Both are taken over pairs of equal separation, which have the same mean product; the variance is
    enlarged because the pairs are few. Their ratio gives d, so in one dimension d is 1 whatever the
    lengths of this window's displacements.

    Lags above a tenth of the window get the value there, because the window holds too few of their
    displacements without overlap. Where |r_i|² scatters more along the path than for Gaussian
    displacements, d is smaller and the errors are larger.
    """
    squares = path.squared_displacements
    points = len(squares)
    measured = lags <= max(1, (points - 1) // 10)
    inverse = np.array([_inverse_dimension(squares, int(lag)) for lag in lags[measured]])
    width = max(1, len(inverse) // 6)
    smooth = np.array([inverse[max(0, n - width) : n + width + 1].mean() for n in range(len(inverse))])
    smooth = np.concatenate([smooth, np.full(len(lags) - len(smooth), smooth[-1])])
    return 1 / np.clip(smooth, 1e-12, 1.0)


def _inverse_dimension(squares: FloatArray, lag: int) -> float:
    last = len(squares) - 1 - lag
    starts = np.arange(0, last + 1, max(1, (last + 1) // STARTS))
    ends = starts + lag
    products = squares[np.ix_(starts, ends)] + squares[np.ix_(ends, starts)]
    products = 0.5 * (products - squares[np.ix_(starts, starts)] - squares[np.ix_(ends, ends)])
    squared_lengths = np.diagonal(products)
    first, second = np.nonzero(np.subtract.outer(starts, starts) <= -lag)  # without overlap
    separation, pairs = second - first, products[first, second]
    number = np.bincount(separation, minlength=len(starts))

    def mean(values: FloatArray) -> FloatArray:
        return np.bincount(separation, values, len(starts)) / np.maximum(number, 1)  # by separation

    centre, norms = mean(pairs), mean(squared_lengths[first] * squared_lengths[second])
    independent = np.minimum(number, 1 + (last - starts) / lag)
    used = (independent >= 2) & (norms > 0)  # norm 0: one displacement of each pair is zero
    scatter, squared = mean((pairs - centre[separation]) ** 2)[used], mean(pairs**2)[used]
    number, norms, independent = number[used], norms[used], independent[used]
    aligned, cosine = centre[used] ** 2 / norms, squared / norms
    variance = (number * scatter / (1 - 1 / independent)).sum()
    weight = (number * norms * (1 + aligned - 2 * aligned * cosine)).sum()
    amplitude = float(squared_lengths.var() / (2 * squared_lengths.mean() ** 2))
    return max(float(variance / weight), amplitude) if weight > 0 else amplitude


def draw_log_msd(
    lags: NDArray[np.int64],
    law: Regimes,
    updates: int,
    covariance: FloatArray,
    dimension: FloatArray,
    draws: int,
    generator: np.random.Generator,
) -> FloatArray:
    """Draw ln Δr², shape (lags, draws), about the law with this window's sampling error.

    Parameters
    ----------
    covariance
        From `relative_covariance`.
    dimension
        From `effective_dimension`.
    """
    expected = np.log(law.msd(lags))[:, None]
    if dimension.min() > FEW_DIMENSIONS:
        values, vectors = eigh(covariance)
        root = vectors * np.sqrt(np.maximum(values, 0))
        return expected + root @ generator.normal(size=(len(lags), draws)) / np.sqrt(dimension)[:, None]
    paths = _gaussian_paths(law, updates, SIMULATED, generator)
    ratios = np.array([((paths[lag:] - paths[: len(paths) - lag]) ** 2).mean(axis=0) for lag in lags])
    ratios /= law.msd(lags)[:, None]
    chosen = generator.integers(SIMULATED, size=(draws, math.ceil(min(dimension.max(), MAX_AVERAGED))))
    drawn = np.empty((len(lags), draws))
    for row, ratios_at_lag, d in zip(drawn, ratios, dimension, strict=True):
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


def _gaussian_paths(law: Regimes, updates: int, count: int, generator: np.random.Generator) -> FloatArray:
    """Return one-dimensional Gaussian paths with the law's MSD, shape (updates + 1, count).

    They come from circulant embedding. The kink of a crossover can give negative eigenvalues, which
    are set to zero.
    """
    lag = np.arange(updates + 1)
    covariance = 0.5 * (law.msd(lag + 1) + law.msd(np.abs(lag - 1)) - 2 * law.msd(lag))
    ring = np.concatenate([covariance, covariance[-2:0:-1]])
    spectrum = np.maximum(fft(ring).real, 0)
    half = -(-count // 2)
    noise = generator.normal(size=(len(ring), half)) + 1j * generator.normal(size=(len(ring), half))
    noise *= np.sqrt(spectrum / len(ring))[:, None]
    waves = fft(noise, axis=0)[:updates]
    steps = np.hstack([waves.real, waves.imag])[:, :count]
    return np.vstack([np.zeros(count), np.cumsum(steps, axis=0)])
