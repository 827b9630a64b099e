"""How far does the path get in τ steps? Every form of the mean squared displacement of a window.

Lags and waiting times are in optimiser steps throughout. The pitfall: the time-averaged MSD at a lag near the window's length
averages few, strongly overlapping pairs; hence ``largest_lag``.

The forms differ in what they start from and in what they cost for T updates of P parameters:

- `time_averaged_msd` and `ageing_msd` from all squared displacements D: O(T²), every lag;
- `msd_at_lags` from prefix sums of the Gram matrix: O(T) a lag, for the many draws of a null;
- `fourier_msd` from the points themselves: O(P T log T), for paths of 10⁵ steps, whose T × T matrix is too large.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.fft import irfft, next_fast_len, rfft

from anodiff.geometry.gram import MEMORY, Points, column_blocks


def time_averaged_msd(squared_displacements: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Δr²(τ) = mean over i of D_{i, i+τ}, for τ = 0 … T, shape (T+1,). Cost O(T²).

    Examples
    --------
    >>> path = np.arange(4.0)  # straight, unit steps
    >>> time_averaged_msd((path[:, None] - path[None, :]) ** 2)
    array([0., 1., 4., 9.])
    """
    points = len(squared_displacements)
    return np.array([np.diagonal(squared_displacements, lag).mean() for lag in range(points)])


def ageing_msd(squared_displacements: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Δr²(t_w, τ) = D_{0τ}, from the window's first point only, for τ = 0 … T, shape (T+1,)."""
    return squared_displacements[0].copy()


def msd_at_lags(prefix_sums: NDArray[np.float64], lags: ArrayLike) -> NDArray[np.float64]:
    """Return the time-averaged MSD at some lags, shape (lags,), from prefix sums P_ij = <w_i − w_0, w_j − w_0>, (T+1, T+1).

    Δr²(τ) = mean over i of P_{i+τ, i+τ} + P_ii − 2 P_{i, i+τ}. Cost O(T) a lag.
    """
    diagonal = np.diagonal(prefix_sums)
    values = [
        (diagonal[lag:] + diagonal[: len(diagonal) - lag] - 2 * np.diagonal(prefix_sums, lag)).mean()
        for lag in np.asarray(lags)
    ]
    return np.maximum(np.array(values, float), 0.0)


def logarithmic_lags(updates: int, per_decade: int, largest: float) -> NDArray[np.int64]:
    """Return whole lags from 1 to ``largest``·``updates``, evenly in log τ as far as whole numbers allow, each once.

    Examples
    --------
    >>> logarithmic_lags(100, 4, 1.0)
    array([  1,   2,   3,   6,  10,  18,  32,  56, 100])
    """
    end = max(1, int(largest * updates))
    count = int(np.ceil(per_decade * np.log10(end))) + 1
    return np.unique(np.round(np.geomspace(1, end, count)).astype(np.int64))


def fourier_msd(points: Points, *, memory: float = MEMORY) -> NDArray[np.float64]:
    """Return the time-averaged MSD of points (T+1, P) at lags 0 … T, shape (T+1,), by Fourier transform.

    For each coordinate, Σ_i (x_{i+τ} − x_i)² = Σ_i (x_{i+τ}² + x_i²) − 2 Σ_i x_i x_{i+τ}; the last sum, an autocorrelation,
    comes from one transform (Wiener-Khinchin; Calandrini et al., Collection SFN 12 (2011) 201, as in nMOLDYN and tidynamics).

    The pitfall: both terms are as large as the points are far from the origin, and their difference at short lags is small;
    with float32 points and an offset the relative error at lag 1 reaches 10. So each coordinate is centred and transformed in
    float64, and what is lost is 10⁻¹⁶ of the path's extent squared.

    Cost O(P T log T), each parameter read once; memory O(T) and what ``memory`` allows.

    Parameters
    ----------
    memory
        Bytes held at a time, the transforms included.

    Examples
    --------
    >>> fourier_msd(np.arange(4.0)[:, None]).round(9)  # straight, unit steps
    array([0., 1., 4., 9.])
    """
    rows = points.shape[0]
    size = next_fast_len(2 * rows, real=True)
    squares, correlation = np.zeros(rows), np.zeros(rows)
    at_once = max(1, int(memory / 4 // (16 * size)))  # transforms: 16 bytes a value, some of them at a time
    for _, block in column_blocks(points, memory / 4):
        for first in range(0, block.shape[1], at_once):
            part = np.ascontiguousarray(block[:, first : first + at_once].T, dtype=np.float64)  # (columns, T+1)
            part -= part.mean(axis=1, keepdims=True)
            squares += (part**2).sum(axis=0)
            spectrum = rfft(part, size, axis=1)
            power = (spectrum.real**2 + spectrum.imag**2).sum(axis=0)
            correlation += irfft(power, size)[:rows]
    starts = np.arange(rows, 0, -1)
    from_first = np.cumsum(squares)[::-1]  # Σ_{i ≤ T−τ} |x_i|²
    from_last = np.cumsum(squares[::-1])[::-1]  # Σ_{i ≥ τ} |x_i|²
    msd = (from_first + from_last - 2 * correlation) / starts
    msd[0] = 0.0
    return np.maximum(msd, 0.0)
