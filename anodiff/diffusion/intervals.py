"""How sure is a number? A value with its 95 % interval, and the usual ways to find one.

`jackknife` and `jackknife_ratio` repeat an estimate without one part of the data at a time.

`invert` inverts a test. For several true values of a quantity, it is simulated what would be
measured. The interval holds the true values under which the measured value is within the central
95 % of the simulated ones (Neyman, Phil. Trans. R. Soc. A 236 (1937) 333). Unlike the scatter about
one fitted value, this removes bias and allows for an error that depends on the truth.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from anodiff.storage.columns import Column
from anodiff.storage.types import FloatArray

#: Nominal coverage of all intervals, and the quantiles at their ends.
COVERAGE = 0.95
LOWER, UPPER = (1 - COVERAGE) / 2, (1 + COVERAGE) / 2

#: Default number of simulated or resampled draws behind an interval.
DRAWS = 400

#: True values that differ by less are at a bound of the quantity, and their laws say nothing of it.
SAME = 1e-3


@dataclass(frozen=True)
class Interval:
    """A value and the ends of its interval; an end is NaN where it is unknown."""

    value: float
    low: float
    high: float

    def columns(self, name: str) -> dict[str, float]:
        """Return the three columns of a table that hold it, see `interval_columns`."""
        return {name: self.value, f"{name}_low": self.low, f"{name}_high": self.high}


UNKNOWN = Interval(math.nan, math.nan, math.nan)


def interval_columns(name: str, meaning: str, unit: str = "1") -> dict[str, Column]:
    """Return the three columns that hold a value and its interval."""
    ends = {"low": "lower", "high": "upper"}
    return {name: Column(meaning, unit)} | {
        f"{name}_{end}": Column(f"{words} end of the 95 % interval of {name}", unit) for end, words in ends.items()
    }


def jackknife(value: float, without: FloatArray) -> Interval:
    """Return a value with its interval, from n values ``without`` one part of the data each, (n,).

    The error is Student's t with n − 1 degrees of freedom times √((n−1)/n Σ(θ_i − θ̄)²) (Efron &
    Stein, Ann. Stat. 9 (1981) 586). The ends are NaN for fewer than two parts.
    """
    if not math.isfinite(value) or len(without) < 2 or not np.isfinite(without).all():
        return Interval(value, math.nan, math.nan)
    error = _jackknife_error(without)
    return Interval(value, value - error, value + error)


def jackknife_ratio(value: float, numerators: FloatArray, denominators: FloatArray, min_parts: int = 2) -> Interval:
    """Return the interval of a positive value proportional to Σ numerators / Σ denominators.

    The logarithm is jackknifed: one numerator and its denominator are left out at a time. The ends
    are NaN for fewer than ``min_parts`` of them.
    """
    number = len(numerators)
    above, below = numerators.sum() - numerators, denominators.sum() - denominators
    if number < min_parts or (above <= 0).any() or (below <= 0).any():
        return Interval(value, math.nan, math.nan)
    error = _jackknife_error(np.log(above / below))
    return Interval(value, value * math.exp(-error), value * math.exp(error))


def _jackknife_error(without: FloatArray) -> float:
    return float(scipy.special.stdtrit(len(without) - 1, UPPER)) * math.sqrt((len(without) - 1) * without.var())


def invert(measured: FloatArray, truths: FloatArray, drawn: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the lower and upper ends of the intervals of several quantities, shape (quantities,).

    The quantiles of the error are interpolated linearly between the simulated true values and are
    constant beyond them.

    Parameters
    ----------
    measured
        The measured values, shape (quantities,).
    truths
        The true values that were simulated, shape (laws, quantities), rising from law to law.
    drawn
        What was measured under each law, shape (laws, quantities, draws).
    """
    low, high = np.quantile(drawn, (LOWER, UPPER), axis=2)
    ends = []
    for value, truth, below, above in zip(measured, truths.T, low.T, high.T, strict=True):
        apart = _apart(truth)
        t, below, above = truth[apart], below[apart], above[apart]
        ends.append((_crossing(value, t, above), -_crossing(-value, -t[::-1], -below[::-1])))
    lower, upper = np.array(ends).T
    return lower, upper


def median_unbiased(measured: FloatArray, truths: FloatArray, drawn: FloatArray) -> FloatArray:
    """Return the true values under which the measured ones are the median of the simulated ones.

    The arguments are those of `invert`, and so are the rules between and beyond the simulated truths.
    These values lie within the intervals. Shape (quantities,).
    """
    pairs = zip(measured, truths.T, np.median(drawn, axis=2).T, strict=True)
    return np.array([_crossing(value, truth[_apart(truth)], median[_apart(truth)]) for value, truth, median in pairs])


def _apart(truths: FloatArray) -> NDArray[np.bool_]:
    """Return which laws' true values differ, shape (laws,); of those at a bound, the one nearest to the middle law counts."""
    middle, rises = len(truths) // 2, ~(np.abs(np.diff(truths)) <= SAME)
    return np.concatenate([rises[:middle], [True], rises[middle:]])


def _crossing(measured: float, truths: FloatArray, quantiles: FloatArray) -> float:
    """Return the smallest truth whose quantile reaches the measured value; both rise."""
    if not np.isfinite(quantiles).all() or not np.isfinite(measured):
        return math.nan
    reached = np.flatnonzero(quantiles >= measured)
    if not len(reached):
        return float(measured - (quantiles[-1] - truths[-1]))
    k = int(reached[0])
    if k == 0:
        return float(measured - (quantiles[0] - truths[0]))
    fraction = (measured - quantiles[k - 1]) / (quantiles[k] - quantiles[k - 1])
    return float(truths[k - 1] + fraction * (truths[k] - truths[k - 1]))
