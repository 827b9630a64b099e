"""How far does a path get in τ updates? Every form of the mean squared displacement (MSD).

The pitfall: near the window's length, the time-averaged MSD averages few pairs of points, and these
overlap strongly. So curves end at ``analysis.largest_lag``.

The forms differ in their input and in their cost for T updates of P parameters:

- `time_averaged_msd` and `ageing_msd`, from all squared displacements D: O(T) per lag;
- `msd_at_lags`, from prefix sums of the Gram matrix: O(T) per lag without D, for the many draws of
  a null;
- `msd_of_walkers`, from the positions of many walkers in few dimensions;
- `fourier_msd`, from the points themselves: O(P T log T), for paths of 10⁵ updates, whose T × T
  matrix is too large.
"""

from __future__ import annotations

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from anodiff.errors import ConfigError
from anodiff.geometry.gram import MEMORY, Points, as_path, column_blocks, refuse_non_finite
from anodiff.storage.numbers import whole_numbers


def time_averaged_msd(squared_displacements: NDArray[np.float64], lags: ArrayLike | None = None) -> NDArray[np.float64]:
    """Return Δr²(τ) = mean over i of D_{i, i+τ}, shape (lags,); by default for τ = 0 … T.

    Examples
    --------
    >>> path = np.arange(4.0)  # straight, unit steps
    >>> time_averaged_msd((path[:, None] - path[None, :]) ** 2)
    array([0., 1., 4., 9.])
    """
    points = len(squared_displacements)
    if lags is not None:
        whole = whole_numbers(lags, "lags", 0, points - 1)
        return np.array([np.diagonal(squared_displacements, lag).mean() for lag in whole])
    sums = np.zeros(points)
    for start, row in enumerate(squared_displacements):
        sums[: points - start] += row[start:]
    return sums / np.arange(points, 0, -1)


def ageing_msd(squared_displacements: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Δr²(t_w, τ) = D_{0τ}, from the window's first point only, for τ = 0 … T."""
    return squared_displacements[0].copy()


def msd_at_lags(prefix_sums: NDArray[np.float64], lags: ArrayLike) -> NDArray[np.float64]:
    """Return the time-averaged MSD, shape (lags,), from P_ij = <w_i − w_0, w_j − w_0>, (T+1, T+1).

    Δr²(τ) = mean over i of P_{i+τ, i+τ} + P_ii − 2 P_{i, i+τ}.
    """
    diagonal = np.diagonal(prefix_sums)
    values = [
        (diagonal[lag:] + diagonal[: len(diagonal) - lag] - 2 * np.diagonal(prefix_sums, lag)).mean()
        for lag in whole_numbers(lags, "lags", 0, len(diagonal) - 1)
    ]
    return np.maximum(np.array(values, float), 0.0)


def msd_of_walkers(positions: NDArray[np.float64], lags: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the mean time-averaged MSD of walkers, (lags,), from (T+1, walkers, dimensions)."""
    walkers = positions.shape[1]
    squares = []
    for lag in lags:
        moved = (positions[lag:] - positions[: len(positions) - lag]).ravel()
        squares.append(moved @ moved / ((len(positions) - lag) * walkers))
    return np.array(squares)


def logarithmic_lags(updates: int, per_decade: int, largest: float) -> NDArray[np.int64]:
    """Return distinct whole lags from 1 to ``largest``·``updates``, about evenly spaced in log τ.

    Examples
    --------
    >>> logarithmic_lags(100, 4, 1.0)
    array([  1,   2,   3,   6,  10,  18,  32,  56, 100])
    """
    end = max(1, int(largest * updates))
    count = int(np.ceil(per_decade * np.log10(end))) + 1
    return np.unique(np.round(np.geomspace(1, end, count)).astype(np.int64))


def fourier_msd(points: Points, *, memory: float = MEMORY) -> NDArray[np.float64]:
    """Return the time-averaged MSD of points (T+1, P) at lags 0 … T by Fourier transform.

    For each coordinate, Σ_i (x_{i+τ} − x_i)² = Σ_i (x_{i+τ}² + x_i²) − 2 Σ_i x_i x_{i+τ}. The last
    sum is an autocorrelation and comes from one transform (Wiener-Khinchin; Calandrini et al.,
    Collection SFN 12 (2011) 201, as in nMOLDYN and tidynamics).

    The pitfall: both terms grow with the distance from the origin, and their difference at short
    lags is small. With float32 points and an offset, the relative error at lag 1 reaches 10. So
    each coordinate is centred and transformed in float64; the loss is then 10⁻¹⁶ of the path's
    squared extent.

    Cost: O(P T log T); each parameter is read once. Memory: O(T) plus ``memory``.

    Parameters
    ----------
    memory
        Bytes in memory at once, including the transforms.

    Raises
    ------
    ConfigError
        If the shape is not that of a path, or a coordinate is no real number or not finite.

    Examples
    --------
    >>> fourier_msd(np.arange(4.0)[:, None]).round(9)  # straight, unit steps
    array([0., 1., 4., 9.])
    """
    points = as_path(points)
    rows = points.shape[0]
    size = scipy.fft.next_fast_len(2 * rows, real=True)
    squares, correlation = np.zeros(rows), np.zeros(rows)
    batch = max(1, int(memory / 4 // (16 * size)))  # coordinates transformed at once; a transform has 16 bytes per value
    with np.errstate(invalid="ignore", over="ignore"):  # what is not finite is looked for below
        for _, block in column_blocks(points, memory / 4):
            for first in range(0, block.shape[1], batch):
                part = np.ascontiguousarray(block[:, first : first + batch].T, dtype=np.float64)  # (columns, T+1)
                part -= part.mean(axis=1, keepdims=True)
                squares += (part**2).sum(axis=0)
                spectrum = scipy.fft.rfft(part, size, axis=1)
                power = (spectrum.real**2 + spectrum.imag**2).sum(axis=0)
                correlation += scipy.fft.irfft(power, size)[:rows]
    starts = np.arange(rows, 0, -1)
    from_first = np.cumsum(squares)[::-1]  # Σ_{i ≤ T−τ} |x_i|²
    from_last = np.cumsum(squares[::-1])[::-1]  # Σ_{i ≥ τ} |x_i|²
    msd = (from_first + from_last - 2 * correlation) / starts
    msd[0] = 0.0
    if not np.isfinite(msd).all():
        refuse_non_finite(points, memory)
        raise ConfigError("the squares of the path's coordinates overflow float64; give its points in another unit")
    return np.maximum(msd, 0.0)
