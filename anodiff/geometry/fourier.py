"""The lag-averaged MSD of very long paths, 10⁵ steps and more, for which a T × T matrix is too large: by Fourier transform.

For each coordinate, Σ_i (x_{i+τ} − x_i)² = Σ_i (x_{i+τ}² + x_i²) − 2 Σ_i x_i x_{i+τ}; the last sum, an autocorrelation, comes
from one transform (Wiener-Khinchin; Calandrini et al., Collection SFN 12 (2011) 201, as in nMOLDYN and tidynamics).

The pitfall: both terms are as large as the points are far from the origin, and their difference at short lags is small; with
float32 points and an offset the relative error at lag 1 reaches 10. So each coordinate is centred and transformed in float64,
and what is lost is 10⁻¹⁶ of the path's extent squared.

Cost O(P T log T), each parameter read once; memory O(T) and what ``memory`` allows. It yields only the average over starts:
where T is up to some thousands the Gram matrix gives everything, and costs no more.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft

from anodiff.geometry.gram import MEMORY, Points, column_blocks


def fourier_msd(points: Points, *, memory: float = MEMORY) -> NDArray[np.float64]:
    """Return the time-averaged MSD of points (T+1, P) at lags 0 … T, shape (T+1,).

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
