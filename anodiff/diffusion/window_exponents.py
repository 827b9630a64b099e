"""How sure is an exponent? All exponents of a window, each with its 95 % interval.

Curves are drawn about the fitted law with the sampling error of one window
(`anodiff.diffusion.sampling`). More are drawn about the same law with its exponents shifted up and
down. Each curve is measured as the window was, and the interval inverts the test
(`anodiff.diffusion.intervals.invert`). This removes bias, such as that of the largest of many local
exponents. It also allows for an error that depends on the exponent: persistent paths scatter more
than the subdiffusive ones that a window of them may resemble.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from anodiff.diffusion.exponents import local_slopes, slope
from anodiff.diffusion.intervals import DRAWS, UNKNOWN, Interval, invert
from anodiff.diffusion.regimes import MIN_LAGS, NOTHING_FITTED, RegimeFits, Regimes, fit_both_laws, fit_regimes
from anodiff.diffusion.sampling import draw_log_msd, effective_dimension, relative_covariance, relative_covariances
from anodiff.storage.types import FloatArray

if TYPE_CHECKING:
    from anodiff.geometry.path import PathGeometry

#: The fit ends at the lag at which the local exponent's standard error exceeds this. Beyond it the
#: window holds few samples, and their MSDs are far from normal.
MAX_ERROR = 0.25

#: The shortest lag, or number of steps of contour, in one exponent over all. Below it single steps
#: show.
SHORTEST = 3

#: Number of iterations in which law and covariance are found from each other.
ROUNDS = 3

#: Shifts of the exponents, in standard errors of the least certain local exponent; that error
#: counts as at most MAX_SHIFT.
SHIFTS, MAX_SHIFT = (-3.0, -1.5, -0.75, 0.0, 0.75, 1.5, 3.0), 0.6


@dataclass(frozen=True)
class WindowExponents:
    """The exponents of a window.

    Attributes
    ----------
    regimes
        The fitted law, with lags in updates.
    first, second, crossover
        Its parameters with intervals.
    beta_low, beta_high
        Ends of the intervals of the local exponents, shape (lags,).
    largest, long
        The largest local exponent, and the slope over the long lags.
    overall
        The slope over all lags from `SHORTEST` on, with weights 1/τ, like the slope against contour
        length (`path_dimension`).
    dimension
        Effective dimension at each lag, shape (lags,).
    samples
        Effective number of independent samples in the MSD at each lag, 2 Δr⁴ / Var(Δr²), shape
        (lags,): the MSD of this many independent displacements in one dimension would be as
        certain.
    """

    regimes: Regimes
    first: Interval
    second: Interval
    crossover: Interval
    beta_low: FloatArray
    beta_high: FloatArray
    largest: Interval
    long: Interval
    overall: Interval
    dimension: FloatArray
    samples: FloatArray


def measure_exponents(
    path: PathGeometry,
    every_msd: FloatArray,
    lags: NDArray[np.int64],
    beta: FloatArray,
    width: float,
    long: tuple[float, float],
    seed: int,
) -> WindowExponents:
    """Measure the exponents of a window with their intervals.

    Parameters
    ----------
    every_msd
        Time-averaged MSD at lags 0 … T, shape (T+1,).
    lags
        Logarithmically spaced lags in updates, shape (L,).
    beta
        Local exponents at these lags, shape (L,).
    width
        Width of the local slope in decades.
    long
        Smallest and largest of the long lags, in updates.
    seed
        Seed of the drawn curves.
    """
    updates = len(path.gram)
    msd = every_msd[lags]
    law = fit_regimes(lags, msd)
    in_range = (lags >= long[0]) & (lags <= long[1])
    long_lags = np.arange(math.ceil(long[0]), math.floor(long[1]) + 1)
    long_slope = slope(long_lags, every_msd[long_lags]) if updates >= long[1] else math.nan
    usable = np.isfinite(msd) & (msd > 0)
    overall = slope(lags[lags >= SHORTEST], msd[lags >= SHORTEST])
    if law is NOTHING_FITTED or not usable.all():
        return _without_intervals(law, beta, long_slope, overall)
    operator = local_slopes(lags, width)
    dimension = effective_dimension(path, lags)
    law, fitted = _initial_law(lags, msd, updates), lags >= 1
    for _ in range(ROUNDS):  # the covariance needs the law, and the law the covariance
        covariance = relative_covariance(lags, _with_allowed_exponents(law), updates)
        errors = covariance / np.sqrt(dimension[:, None] * dimension)
        uncertain = np.sqrt(np.diagonal(operator @ errors @ operator.T)) > MAX_ERROR
        fitted = np.logical_and.accumulate(~uncertain)
        fitted[:MIN_LAGS] = True
        law = fit_regimes(lags[fitted], msd[fitted], errors[np.ix_(fitted, fitted)])

    def statistics(curves: FloatArray) -> FloatArray:
        """Return all quantities that get an interval, (quantities, curves), from (lags, curves)."""
        return np.vstack(
            [
                *_law_parameters(
                    law.count, fit_both_laws(lags[fitted].astype(float), curves[fitted], errors[np.ix_(fitted, fitted)])
                ),
                _slopes(lags, curves, in_range.astype(float)),
                _slopes(lags, curves, np.where(lags >= SHORTEST, lags**-0.5, 0.0)),  # polyfit squares the weights
                (operator @ curves).max(axis=0),
                operator @ curves,
            ]
        )

    largest_error = np.sqrt(np.diagonal(operator @ errors @ operator.T)).max()
    laws = _shifted_laws(law, float(largest_error))
    covariances = relative_covariances(lags, laws, updates)
    curves = draw_log_msd(lags, laws, updates, covariances, dimension, DRAWS, np.random.default_rng(seed))
    truths = [statistics(np.log(shifted.msd(lags))[:, None])[:, 0] for shifted in laws]
    draws = [statistics(of_law) for of_law in curves]
    values = np.concatenate([[law.first, law.second, math.log(law.crossover), long_slope, overall, np.nanmax(beta)], beta])
    low, high = invert(values, np.array(truths), np.array(draws))
    first, second, log_crossover, long_interval, overall_interval, largest = (
        Interval(*ends) for ends in zip(values[:6], low[:6], high[:6], strict=True)
    )
    crossover = Interval(law.crossover, math.exp(log_crossover.low), math.exp(log_crossover.high))
    samples = 2 / np.diagonal(errors)
    return WindowExponents(
        law, first, second, crossover, low[6:], high[6:], largest, long_interval, overall_interval, dimension, samples
    )


def _without_intervals(law: Regimes, beta: FloatArray, long_slope: float, overall: float) -> WindowExponents:
    """Return the exponents of a window whose MSD is not positive at all lags, or has too few."""
    nothing = np.full(len(beta), np.nan)
    largest = Interval(float(np.nanmax(beta)), math.nan, math.nan) if np.isfinite(beta).any() else UNKNOWN
    first, second, crossover, long_interval, overall_interval = (
        Interval(value, math.nan, math.nan) for value in (law.first, law.second, law.crossover, long_slope, overall)
    )
    return WindowExponents(
        law, first, second, crossover, nothing, nothing, largest, long_interval, overall_interval, nothing, nothing
    )


def _law_parameters(count: int, fits: RegimeFits) -> list[FloatArray]:
    """Return first and second exponent, and the logarithm of the crossover, of several curves."""
    if count == 2:
        return [fits.broken[1], fits.broken[1] + fits.broken[2], np.log(fits.crossover)]
    return [fits.single[1], fits.single[1], np.full_like(fits.single[1], np.nan)]


def _slopes(lags: NDArray[np.int64], curves: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the curves' slopes over lags with a positive weight; NaN for fewer than two lags."""
    if (weights > 0).sum() < 2:
        return np.full(curves.shape[1], np.nan)
    return np.polynomial.polynomial.polyfit(np.log(lags), curves, 1, w=weights)[1]


def _shifted_laws(law: Regimes, error: float) -> list[Regimes]:
    """Return the law with its exponents shifted by `SHIFTS` standard errors, within bounds."""
    shifts = [shift * min(error, MAX_SHIFT) for shift in SHIFTS]
    laws = [_with_allowed_exponents(replace(law, first=law.first + shift, second=law.second + shift)) for shift in shifts]
    return list(dict.fromkeys(laws))


def _initial_law(lags: NDArray[np.int64], msd: FloatArray, updates: int) -> Regimes:
    """Fit one regime with the errors of one-dimensional Brownian motion: short lags dominate."""
    brownian = Regimes(1, 1.0, 1.0, math.nan, 1.0, 1.0, 1.0)
    fits = fit_both_laws(lags.astype(float), np.log(msd)[:, None], relative_covariance(lags, brownian, updates))
    prefactor, exponent = (float(value) for value in fits.single[:, 0])
    return Regimes(1, exponent, exponent, math.nan, float(lags[0]), float(lags[-1]), math.exp(prefactor))


def _with_allowed_exponents(law: Regimes) -> Regimes:
    """Return the law with its exponents kept within (0, 2), which stationary increments require."""
    first, second = (min(max(exponent, 0.02), 1.98) for exponent in (law.first, law.second))
    return replace(law, first=first, second=second)
