"""How sure is an exponent? A window's exponents, each with its 95 % interval.

Curves are drawn with the sampling error of one window (`anodiff.diffusion.sampling`) about the fitted law, and about the same
law with its exponents shifted up and down; each is measured as the window was. The interval holds the values under which what
was measured lies within the central 95 % of the draws (Neyman, Phil. Trans. R. Soc. A 236 (1937) 333). That removes bias, such
as that of the largest of many local exponents, and knows that the error itself depends on the exponent: persistent paths
scatter more than the subdiffusive ones that a window of them may look like.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from anodiff.diffusion.exponents import local_slopes, slope
from anodiff.diffusion.inversion import invert
from anodiff.diffusion.regimes import FEWEST_LAGS, NOTHING_FITTED, Fits, Regimes, fit_both, fit_regimes
from anodiff.diffusion.sampling import draw_log_msd, effective_dimension, relative_covariance
from anodiff.geometry import PathGeometry
from anodiff.storage.types import FloatArray

#: Curves drawn for the intervals of a window, and the intervals' nominal coverage.
DRAWS, COVERAGE = 400, 0.95

#: A law is fitted up to the lag at which the local exponent's standard error exceeds this: beyond, few samples are left in the
#: window, and their MSDs are far from normal.
LARGEST_ERROR = 0.25

#: Lags, or steps of contour, that are too short for one exponent over all: there, discrete steps are seen.
SHORTEST = 3

#: How often law and covariance are found from each other.
ROUNDS = 3

#: The laws drawn about: exponents shifted by so many standard errors of the least certain local one,
#: taken for at most the second number.
SHIFTS, LARGEST_SHIFT = (-3.0, -1.5, -0.75, 0.0, 0.75, 1.5, 3.0), 0.6


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

    def statistics(curves: FloatArray) -> FloatArray:
        """Return all that gets an interval, of curves of shape (lags, curves), shape (quantities, curves)."""
        return np.vstack(
            [
                *_exponents(law.count, fit_both(lags[fitted].astype(float), curves[fitted], errors[np.ix_(fitted, fitted)])),
                _slopes(lags, curves, in_range.astype(float)),
                _slopes(lags, curves, np.where(lags >= SHORTEST, lags**-0.5, 0.0)),  # polyfit squares the weights
                (operator @ curves).max(axis=0),
                operator @ curves,
            ]
        )

    uncertain = np.sqrt(np.diagonal(operator @ errors @ operator.T)).max()
    truths, draws = [], []
    for shifted in _shifted(law, float(uncertain)):
        covariance = relative_covariance(lags, shifted, updates)
        curves = draw_log_msd(lags, shifted, updates, covariance, dimension, DRAWS, np.random.default_rng(seed))
        truths.append(statistics(np.log(shifted.msd(lags))[:, None])[:, 0])
        draws.append(statistics(curves))
    values = np.concatenate([[law.first, law.second, math.log(law.crossover), long_slope, overall, np.nanmax(beta)], beta])
    low, high = invert(values, np.array(truths), np.array(draws), COVERAGE)
    first, second, knot, stretch, whole, peak = (Interval(*each) for each in zip(values[:6], low[:6], high[:6], strict=True))
    crossover = Interval(law.crossover, math.exp(knot.low), math.exp(knot.high))
    samples = 2 / np.diagonal(errors)
    return Measured(law, first, second, crossover, low[6:], high[6:], peak, stretch, whole, dimension, samples)


def _exponents(count: int, fits: Fits) -> list[FloatArray]:
    """Return first and second exponent and logarithm of the crossover of several curves."""
    if count == 2:
        return [fits.bent[1], fits.bent[1] + fits.bent[2], np.log(fits.crossover)]
    return [fits.line[1], fits.line[1], np.full_like(fits.line[1], np.nan)]


def _slopes(lags: NDArray[np.int64], curves: FloatArray, weights: FloatArray) -> FloatArray:
    """Return slopes over the lags of some weight; NaN where there are fewer than two."""
    if (weights > 0).sum() < 2:
        return np.full(curves.shape[1], np.nan)
    return np.polynomial.polynomial.polyfit(np.log(lags), curves, 1, w=weights)[1]


def _shifted(law: Regimes, error: float) -> list[Regimes]:
    """Return the law with its exponents shifted by `SHIFTS` standard errors, as far as stationary increments go."""
    shifts = [shift * min(error, LARGEST_SHIFT) for shift in SHIFTS]
    laws = [_stationary(replace(law, first=law.first + shift, second=law.second + shift)) for shift in shifts]
    return list(dict.fromkeys(laws))


def _first_guess(lags: NDArray[np.int64], msd: FloatArray, updates: int) -> Regimes:
    """Fit one regime as if the path were one-dimensional Brownian motion, so that short lags, which are sure, count most."""
    brownian = Regimes(1, 1.0, 1.0, math.nan, 1.0, 1.0, 1.0)
    fits = fit_both(lags.astype(float), np.log(msd)[:, None], relative_covariance(lags, brownian, updates))
    prefactor, exponent = (float(value) for value in fits.line[:, 0])
    return Regimes(1, exponent, exponent, math.nan, float(lags[0]), float(lags[-1]), math.exp(prefactor))


def _stationary(law: Regimes) -> Regimes:
    """Return the law with exponents that a process with stationary increments can have, between 0 and 2."""
    first, second = (min(max(exponent, 0.02), 1.98) for exponent in (law.first, law.second))
    return replace(law, first=first, second=second)
