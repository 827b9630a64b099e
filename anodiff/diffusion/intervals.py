"""How sure is an exponent? A window's exponents, each with its 95 % interval.

Intervals are of the basic bootstrap: curves are drawn about the fitted law with the sampling error of one window
(`anodiff.diffusion.sampling`), each is measured as the window was, and the distribution of measured minus true is
turned round. That removes bias as well, such as that of the largest of many local exponents.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anodiff.diffusion.exponents import local_slopes, slope
from anodiff.diffusion.regimes import FEWEST_LAGS, NOTHING_FITTED, Regimes, fit_both, fit_regimes
from anodiff.diffusion.sampling import draw_log_msd, effective_dimension, relative_covariance
from anodiff.geometry import PathGeometry

FloatArray = NDArray[np.float64]

#: Curves drawn for the intervals of a window, and the intervals' nominal coverage.
DRAWS, COVERAGE = 400, 0.95

#: A law is fitted up to the lag at which the local exponent's standard error exceeds this: beyond, few samples are left in the
#: window, and their MSDs are far from normal. No interval is given where the error is twice as large.
LARGEST_ERROR = 0.25

#: Lags, or steps of contour, that are too short for one exponent over all: there, discrete steps are seen.
SHORTEST = 3

#: How often law and covariance are found from each other.
ROUNDS = 3


@dataclass(frozen=True)
class Interval:
    """A value and the ends of its interval."""

    value: float
    low: float
    high: float

    def columns(self, name: str) -> dict[str, float]:
        """Return the three columns of a table that hold it, see `interval_columns`."""
        return dict(zip(interval_columns(name, ""), (self.value, self.low, self.high), strict=True))


def interval_columns(name: str, meaning: str) -> dict[str, str]:
    """Return the names of the three columns that hold a value and its interval, each with its meaning."""
    return {name: meaning, f"{name}_low": f"lower end of the 95 % interval of {name}", f"{name}_high": "its upper end"}


UNKNOWN = Interval(math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class Measured:
    """A window's exponents.

    Attributes
    ----------
    regimes
        The fitted law, lags in updates.
    first, second, crossover
        Its parameters with intervals.
    beta_low, beta_high
        Band of the local exponents, shape (lags,).
    largest, long
        The largest local exponent, and the slope over the long lags.
    overall
        The slope over all lags from `SHORTEST` on, weighted by 1/τ, as is that against contour length (`path_dimension`).
    dimension
        Effective dimension at each lag, shape (lags,).
    samples
        Effective number of independent samples in the MSD at each lag, 2 Δr⁴ / Var(Δr²), shape (lags,): that many independent
        displacements in one dimension would give it as well.
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


def measure(
    path: PathGeometry,
    every_msd: FloatArray,
    lags: NDArray[np.int64],
    beta: FloatArray,
    width: float,
    long: tuple[float, float],
    seed: int,
) -> Measured:
    """Measure a window's exponents with their intervals.

    Parameters
    ----------
    every_msd
        Time-averaged MSD at lags 0 … T, shape (T+1,).
    lags
        Logarithmically spaced, in updates, shape (L,).
    beta
        Local exponents there.
    width
        Width of the local slope in decades.
    long
        Smallest and largest of the long lags, in updates.
    """
    updates = len(path.gram)
    msd = every_msd[lags]
    law = fit_regimes(lags, msd)
    nothing = np.full(len(lags), np.nan)
    in_range = (lags >= long[0]) & (lags <= long[1])
    every = np.arange(math.ceil(long[0]), math.floor(long[1]) + 1)
    long_slope = slope(every, every_msd[every]) if updates >= long[1] else math.nan
    usable = np.isfinite(msd) & (msd > 0)
    overall = slope(lags[lags >= SHORTEST], msd[lags >= SHORTEST])
    if law is NOTHING_FITTED or not usable.all():
        largest = Interval(float(np.nanmax(beta)), math.nan, math.nan) if np.isfinite(beta).any() else UNKNOWN
        first, second, crossover_lag, slope_long, slope_overall = (
            Interval(value, math.nan, math.nan) for value in (law.first, law.second, law.crossover, long_slope, overall)
        )
        return Measured(
            law, first, second, crossover_lag, nothing, nothing, largest, slope_long, slope_overall, nothing, nothing
        )
    operator = local_slopes(lags, width)
    dimension = effective_dimension(path, lags)
    law, fitted = _first_guess(lags, msd, updates), lags >= 1
    for _ in range(ROUNDS):  # the covariance needs the law, and the law the covariance
        tame = _stationary(law)
        covariance = relative_covariance(lags, tame, updates)
        errors = covariance / np.sqrt(dimension[:, None] * dimension)
        unknown = np.sqrt(np.diagonal(operator @ errors @ operator.T)) > LARGEST_ERROR
        fitted = np.logical_and.accumulate(~unknown)
        fitted[:FEWEST_LAGS] = True
        law = fit_regimes(lags[fitted], msd[fitted], errors[np.ix_(fitted, fitted)])
    tame = _stationary(law)
    generator = np.random.default_rng(seed)
    drawn = draw_log_msd(lags, tame, updates, covariance, dimension, DRAWS, generator)
    true = np.log(tame.msd(lags))[:, None]
    curves = np.hstack([true, drawn])
    fits = fit_both(lags[fitted].astype(float), curves[fitted], errors[np.ix_(fitted, fitted)])
    if law.count == 2:
        firsts, seconds = fits.bent[1], fits.bent[1] + fits.bent[2]
        crossover = np.log(fits.crossover)
    else:
        firsts = seconds = fits.line[1]
        crossover = np.full(DRAWS + 1, np.nan)
    local = operator @ curves
    low, high = _ends(beta, local[:, :1], local[:, 1:])
    stretch = (
        np.polynomial.polynomial.polyfit(np.log(lags[in_range]), curves[in_range], 1)[1]
        if (in_range.sum() > 1)
        else np.full(DRAWS + 1, np.nan)
    )
    peaks = local.max(axis=0)
    weights = np.where(lags >= SHORTEST, lags**-0.5, 0.0)  # polyfit squares them
    whole = np.polynomial.polynomial.polyfit(np.log(lags), curves, 1, w=weights)[1]
    return Measured(
        law,
        _interval(law.first, firsts),
        _interval(law.second, seconds),
        _crossover_interval(law.crossover, crossover),
        low,
        high,
        _interval(float(np.nanmax(beta)), peaks),
        _interval(long_slope, stretch),
        _interval(overall, whole),
        dimension,
        2 / np.diagonal(errors),
    )


def _first_guess(lags: NDArray[np.int64], msd: FloatArray, updates: int) -> Regimes:
    """Fit one regime as if the path were one-dimensional Brownian motion, so that short lags, which are sure, count most."""
    brownian = Regimes(1, 1.0, 1.0, math.nan, 1.0, 1.0, 1.0)
    fits = fit_both(lags.astype(float), np.log(msd)[:, None], relative_covariance(lags, brownian, updates))
    prefactor, exponent = (float(value) for value in fits.line[:, 0])
    return Regimes(1, exponent, exponent, math.nan, float(lags[0]), float(lags[-1]), math.exp(prefactor))


def _stationary(law: Regimes) -> Regimes:
    """Return the law with exponents that a process with stationary increments can have, between 0 and 2."""
    first, second = (min(max(exponent, 0.02), 1.98) for exponent in (law.first, law.second))
    return Regimes(law.count, first, second, law.crossover, law.fit_from, law.fit_to, law.prefactor)


def _interval(value: float, measured: FloatArray) -> Interval:
    """Return the basic bootstrap's interval; ``measured`` holds the value without error first, then the draws."""
    low, high = _ends(np.array([value]), measured[None, :1], measured[None, 1:])
    return Interval(value, float(low[0]), float(high[0]))


def _ends(values: FloatArray, true: FloatArray, drawn: FloatArray) -> tuple[FloatArray, FloatArray]:
    tail = (1 - COVERAGE) / 2
    low, high = np.quantile(drawn - true, [tail, 1 - tail], axis=1)
    known = drawn.std(axis=1) <= 2 * LARGEST_ERROR
    return np.where(known, values - high, np.nan), np.where(known, values - low, np.nan)


def _crossover_interval(value: float, positions: FloatArray) -> Interval:
    """Return the interval of a crossover lag, from draws of its logarithm."""
    low, high = np.quantile(positions[1:] - positions[0], [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2])
    return Interval(value, value * math.exp(-high), value * math.exp(-low))
