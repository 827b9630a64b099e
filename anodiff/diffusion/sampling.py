"""How far may a measured MSD be from the truth? The sampling error of time-averaged MSDs of one window.

Displacements over a lag overlap, and a window holds few that do not: the scatter between starting points says little of the
error at long lags. For a Gaussian process with stationary increments and mean squared displacement M(τ) the error is known
exactly (Qian, Sheetz & Elson, Biophys. J. 60 (1991) 910 for Brownian motion; Grebenkov, Phys. Rev. E 84 (2011) 031124): with
N_a = T − a + 1 starting points at lag a, in d dimensions that are alike,

    Cov(Δr²(a), Δr²(b)) = 2 / (d N_a N_b) · Σ_{i<N_a, j<N_b} C_ab(j − i)²,
    C_ab(m) = ½ [M(m + b) + M(m − a) − M(m) − M(m + b − a)].

Directions in weight space are not alike; d is then the effective dimension (tr Σ)² / tr Σ² of displacements over a
lag, measured from their inner products. Where it is small the MSD is far from normal, and paths are simulated.

The pitfall: this is theory for Gaussian paths. Walks with heavy-tailed waiting times scatter more, from seed to seed, than it
says.
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

#: Up to so many effective dimensions curves are drawn from simulated paths; above, the logarithm of the MSD is normal.
FEW_DIMENSIONS = 10

#: So many paths in one dimension are simulated; the MSD of a curve is the mean over as many of them as there are effective
#: dimensions, up to the second number. More dimensions only make the scatter smaller.
SIMULATED, MOST_COPIES = 1000, 20

#: Starting points at which the inner products of displacements are taken.
STARTS = 200


def relative_covariance(lags: NDArray[np.int64], law: Regimes, updates: int) -> FloatArray:
    """Return Cov(Δr²(a), Δr²(b)) / (M(a) M(b)) in one dimension, shape (lags, lags); ``lags`` and the law's in updates.

    Cost O(L² T) for L lags.
    """
    spread = law.msd(np.abs(np.arange(-2 * updates, 2 * updates + 1)))
    own = law.msd(lags)
    covariance = np.zeros((len(lags), len(lags)))
    for a, first in enumerate(lags):
        for b, second in enumerate(lags[a:], a):
            starts, others, gap = updates - first + 1, updates - second + 1, second - first
            lowest = -(gap // 2)  # the sum is even about m = -gap/2: twice its upper half is all of it
            zero, count = 2 * updates + lowest, others - lowest
            products = spread[zero + second : zero + second + count] + spread[zero - first : zero - first + count]
            products = 0.5 * (products - spread[zero : zero + count] - spread[zero + gap : zero + gap + count])
            common = 2.0 * (others - np.maximum(0, np.arange(lowest, others)))
            if gap % 2 == 0:
                common[0] /= 2
            covariance[a, b] = covariance[b, a] = 2 * (common * products**2).sum() / (starts * others * own[a] * own[b])
    values, vectors = eigh(covariance)  # the kink of a crossover is not quite the law of any stationary process
    return (vectors * np.maximum(values, 0)) @ vectors.T


def effective_dimension(path: PathGeometry, lags: NDArray[np.int64]) -> FloatArray:
    """Return in how many directions the path moves over each lag, as far as the scatter of its MSD goes, shape (lags,).

    For Gaussian displacements r_i, r_j with covariance Σ and mean product C, Var <r_i, r_j> = (M² + C²)/d and
    <|r_i|² |r_j|²> = M² + 2C²/d, 1/d = tr Σ² / (tr Σ)². Both are taken over pairs of the same separation, whose mean product
    is the same, the variance enlarged for their being few: it is their ratio that tells d, so in one dimension d is 1 however
    far this window's displacements happen to go.
    Lags above a tenth of the window take the value there: it holds too few of their displacements that do not overlap. Where
    |r_i|² scatters more along the path than that of Gaussian displacements, the dimension is smaller and errors are larger.
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
    own = np.diagonal(products)
    first, second = np.nonzero(np.subtract.outer(starts, starts) <= -lag)  # without overlap
    apart, pairs = second - first, products[first, second]
    number = np.bincount(apart, minlength=len(starts))

    def mean(values: FloatArray) -> FloatArray:
        return np.bincount(apart, values, len(starts)) / np.maximum(number, 1)  # by separation

    centre, norms = mean(pairs), mean(own[first] * own[second])
    independent = np.minimum(number, 1 + (last - starts) / lag)
    used = (independent >= 2) & (norms > 0)  # else one of each pair rests
    scatter, squared = mean((pairs - centre[apart]) ** 2)[used], mean(pairs**2)[used]
    number, norms, independent = number[used], norms[used], independent[used]
    aligned, cosine = centre[used] ** 2 / norms, squared / norms
    variance = (number * scatter / (1 - 1 / independent)).sum()
    weight = (number * norms * (1 + aligned - 2 * aligned * cosine)).sum()
    amplitude = float(own.var() / (2 * own.mean() ** 2))
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
    """Draw ln Δr² as windows like this one would give it, about the law, shape (lags, draws).

    Parameters
    ----------
    covariance
        `relative_covariance`.
    dimension
        `effective_dimension`.
    """
    expected = np.log(law.msd(lags))[:, None]
    if dimension.min() > FEW_DIMENSIONS:
        values, vectors = eigh(covariance)
        root = vectors * np.sqrt(np.maximum(values, 0))
        return expected + root @ generator.normal(size=(len(lags), draws)) / np.sqrt(dimension)[:, None]
    paths = _gaussian_paths(law, updates, SIMULATED, generator)
    ratios = np.array([((paths[lag:] - paths[: len(paths) - lag]) ** 2).mean(axis=0) for lag in lags])
    ratios /= law.msd(lags)[:, None]
    chosen = generator.integers(SIMULATED, size=(draws, math.ceil(min(dimension.max(), MOST_COPIES))))
    drawn = np.empty((len(lags), draws))
    for row, own, d in zip(drawn, ratios, dimension, strict=True):
        weights = _weights(min(d, MOST_COPIES))
        mean = own[chosen[:, : len(weights)]] @ weights
        row[:] = 1 + math.sqrt(min(1.0, MOST_COPIES / d)) * (mean - 1)
    return expected + np.log(drawn)


def _weights(dimension: float) -> FloatArray:
    """Return weights of sum 1 whose squares sum to 1/dimension: of directions that are alike but for the last, a lesser one.

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
    """Return one-dimensional Gaussian paths with the law's MSD, shape (updates + 1, count), by circulant embedding.

    Negative eigenvalues, which the kink of a crossover can leave, are set to zero.
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
