"""With which power of the lag does the displacement grow? Local exponents β(τ) = d ln Δr² / d ln τ.

Brownian motion has β = 1 and a straight path β = 2. β > 1 is superdiffusion, β < 1 subdiffusion.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anodiff.storage.numbers import real_numbers


def slope(lags: ArrayLike, msd: ArrayLike) -> float:
    """Return the least-squares slope of ln MSD against ln τ, all octaves of τ counting the same.

    The weights are 1/τ. NaN if fewer than two different lags have a positive, finite MSD.
    """
    tau, displacement = real_numbers(lags, "lags", "(n,)"), real_numbers(msd, "msd", "(n,)", finite=False)
    usable = (tau > 0) & np.isfinite(displacement) & (displacement > 0)
    if usable.sum() < 2:
        return math.nan
    x, y, weight = np.log(tau[usable]), np.log(displacement[usable]), 1 / tau[usable]
    x = x - np.average(x, weights=weight)
    spread = float((weight * x * x).sum())
    return float((weight * x * y).sum()) / spread if spread > 0 else math.nan


def local_exponents(msd: NDArray[np.float64], lags: NDArray[np.int64], width: float) -> NDArray[np.float64]:
    """Return β at each of ``lags``: the slope over the lags within ``width`` decades around it.

    The slope is over τ−1 … τ+1 at least.

    Parameters
    ----------
    msd
        MSD at lags 0, 1, 2 … T in units of the recorded stride, shape (T+1,).
    lags
        Lags in the same units, shape (n,).

    Examples
    --------
    >>> local_exponents(np.arange(101.0) ** 1.5, np.array([1, 10, 100]), 0.25).round(6)
    array([1.5, 1.5, 1.5])
    """
    half = 10 ** (width / 2)
    first = np.maximum(1, np.minimum(np.ceil(lags / half).astype(np.int64), lags - 1))
    last = np.minimum(len(msd) - 1, np.maximum(np.floor(lags * half).astype(np.int64), lags + 1))
    tau = np.arange(1, len(msd))
    usable = np.isfinite(msd[1:]) & (msd[1:] > 0)
    x, y, weight = np.log(tau), np.log(np.where(usable, msd[1:], 1.0)), usable / tau
    products = np.array([usable, weight, weight * x, weight * x * x, weight * y, weight * x * y])
    products = np.pad(products, ((0, 0), (0, 1)))
    number, total, along, square, height, product = np.add.reduceat(
        products, np.column_stack([first - 1, last]).ravel(), axis=1
    )[:, ::2]
    with np.errstate(divide="ignore", invalid="ignore"):
        exponents = (product * total - along * height) / (square * total - along**2)
    return np.where(number > 1.5, exponents, np.nan)


def local_slopes(lags: NDArray[np.int64], width: float) -> NDArray[np.float64]:
    """Return the matrix from ln Δr² at logarithmically spaced lags to local exponents there.

    Its shape is (lags, lags).
    """
    x = np.log(lags)
    half = width / 2 * math.log(10) + 1e-9
    matrix = np.zeros((len(x), len(x)))
    for row, centre in enumerate(x):
        near = np.flatnonzero(np.abs(x - centre) <= half)
        near = np.arange(max(0, min(near[0], row - 1)), min(len(x), max(near[-1], row + 1) + 1))
        if len(near) > 1:
            offset = x[near] - x[near].mean()
            matrix[row, near] = offset / (offset**2).sum()
        else:
            matrix[row] = np.nan
    return matrix
