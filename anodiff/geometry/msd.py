"""How far does the path get in τ steps? Mean squared displacements of a window, from its squared displacements D.

Lags and waiting times are in optimiser steps throughout. The pitfall: the time-averaged MSD at a lag near the window's length
averages few, strongly overlapping pairs; hence ``largest_lag``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


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
