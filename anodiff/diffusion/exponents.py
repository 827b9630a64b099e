"""With what power does the displacement grow? Local exponents β(τ) = d ln Δr² / d ln τ, and a fit of one or two regimes.

Brownian motion has β = 1, a straight path 2; above 1 is superdiffusion, below 1 subdiffusion.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


def slope(lags: ArrayLike, msd: ArrayLike) -> float:
    """Return the least-squares slope of ln MSD against ln τ, all octaves of τ weighing the same (weights 1/τ).

    NaN where fewer than two lags have a positive, finite MSD.
    """
    tau, displacement = np.asarray(lags, float), np.asarray(msd, float)
    usable = (tau > 0) & np.isfinite(displacement) & (displacement > 0)
    if usable.sum() < 2:
        return math.nan
    x, y, weight = np.log(tau[usable]), np.log(displacement[usable]), 1 / tau[usable]
    x = x - np.average(x, weights=weight)
    return float((weight * x * y).sum() / (weight * x * x).sum())


def local_exponents(msd: NDArray[np.float64], lags: NDArray[np.int64], width: float) -> NDArray[np.float64]:
    """Return β at each of ``lags``, from the slope over lags within ``width`` decades around it, at least τ−1 … τ+1.

    Parameters
    ----------
    msd
        MSD at all lags 0, 1, 2 … in units of the recorded stride, shape (T+1,).
    lags
        Where β is wanted, in the same units, shape (n,).

    Examples
    --------
    >>> local_exponents(np.arange(101.0) ** 1.5, np.array([1, 10, 100]), 0.25).round(6)
    array([1.5, 1.5, 1.5])
    """
    half = 10 ** (width / 2)
    exponents = np.full(len(lags), np.nan)
    for position, lag in enumerate(lags):
        first = max(1, min(math.ceil(lag / half), lag - 1))
        last = min(len(msd) - 1, max(math.floor(lag * half), lag + 1))
        exponents[position] = slope(np.arange(first, last + 1), msd[first : last + 1])
    return exponents


@dataclass(frozen=True)
class Regimes:
    """A continuous power law of one or two regimes, fitted to ln MSD at logarithmically spaced lags.

    Attributes
    ----------
    count
        1 or 2, chosen by the Bayesian information criterion; 0 where nothing could be fitted.
    first, second
        Exponents before and after the crossover; equal where there is one regime.
    crossover
        Crossover lag τ_0; NaN where there is one regime.
    fit_from, fit_to
        The lags between which was fitted.
    """

    count: int
    first: float
    second: float
    crossover: float
    fit_from: float
    fit_to: float


NOTHING_FITTED = Regimes(0, math.nan, math.nan, math.nan, math.nan, math.nan)

#: Relative accuracy of an MSD below which two fits are equally good: sampling errors of a window are of this order.
RESOLUTION = 0.02

#: Each regime spans at least so many natural-log units of lag (half a decade).
SHORTEST_REGIME = math.log(10) / 2


def fit_regimes(lags: ArrayLike, msd: ArrayLike) -> Regimes:
    """Fit ln Δr² = a + α₁ x + (α₂ − α₁) max(0, x − ln τ_0), x = ln τ, by least squares, τ_0 by search over the lags.

    Neighbouring lags share most of their displacements, so the information criterion counts one independent value per octave
    of lag, not one per lag; and fits within `RESOLUTION` of the MSD count as equally good.
    """
    tau, displacement = np.asarray(lags, float), np.asarray(msd, float)
    usable = np.isfinite(displacement) & (displacement > 0)
    if usable.sum() < 5:
        return NOTHING_FITTED
    x, y = np.log(tau[usable]), np.log(displacement[usable])
    line = np.stack([np.ones_like(x), x], axis=1)
    (_, single), single_residual = _least_squares(line, y)
    ends = (float(tau[usable][0]), float(tau[usable][-1]))
    best, best_residual = None, math.inf
    inner = (x >= x[0] + SHORTEST_REGIME) & (x <= x[-1] - SHORTEST_REGIME)
    for knot in tau[usable][inner]:
        bent = np.column_stack([line, np.maximum(0.0, x - math.log(knot))])
        (_, first, change), residual = _least_squares(bent, y)
        if residual < best_residual:
            best, best_residual = Regimes(2, first, first + change, float(knot), *ends), residual
    independent = max(2.0, (x[-1] - x[0]) / math.log(2))
    floor = len(x) * RESOLUTION**2
    gain = independent * (math.log(single_residual + floor) - math.log(best_residual + floor))  # -inf without a crossover
    if best is not None and gain > 2 * math.log(independent):
        return best
    return Regimes(1, single, single, math.nan, *ends)


def _least_squares(design: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[list[float], float]:
    coefficients = np.linalg.lstsq(design, y, rcond=None)[0]
    return [float(value) for value in coefficients], float(((y - design @ coefficients) ** 2).sum())
