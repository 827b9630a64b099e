"""Do two numbers agree within both their errors, one of them published without an interval?

A published exponent p counts as p ± 0.1 and a published crossover lag as right within a factor of
1.5. Both errors contribute to the difference in quadrature (see `anodiff.sweep.comparison`). An
exponent agrees if the interval of the difference holds 0. Crossover lags are compared by their
ratio, in the logarithm, and agree if its interval holds 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from anodiff.diffusion.intervals import Interval
from anodiff.sweep.comparison import difference_interval
from anodiff.sweep.published.rows import CROSSOVER_FACTOR, EXPONENT_TOLERANCE

#: The numbers that are compared.
EXPONENTS, CROSSOVER = ("exponent_first", "exponent_second"), "crossover_lag"
QUANTITIES = (*EXPONENTS, CROSSOVER)


def beside_published(value: Interval, published: float, quantity: str) -> Interval:
    """Return the difference from a published exponent, or the ratio to a published crossover lag, with both errors.

    Examples
    --------
    >>> difference = beside_published(Interval(1.5, 1.5, 1.5), 1.25, "exponent_first")
    >>> difference.value, round(difference.low, 3), round(difference.high, 3)
    (0.25, 0.15, 0.35)
    """
    theirs = tolerance(published, quantity)
    if quantity != CROSSOVER:
        return difference_interval(theirs, value)
    ratio = difference_interval(of_ends(_log, theirs), of_ends(_log, value))
    return of_ends(math.exp, ratio)


def tolerance(published: float, quantity: str) -> Interval:
    """Return a published number with the bounds of its reading by eye."""
    if quantity != CROSSOVER:
        return Interval(published, published - EXPONENT_TOLERANCE, published + EXPONENT_TOLERANCE)
    return Interval(published, published / CROSSOVER_FACTOR, published * CROSSOVER_FACTOR)


def agreement(between: Interval, quantity: str) -> bool | None:
    """Return whether what `beside_published` returns is an agreement; None without an interval."""
    if not (math.isfinite(between.low) and math.isfinite(between.high)):
        return None
    return bool(between.low <= (1 if quantity == CROSSOVER else 0) <= between.high)


def of_ends(function: Callable[[float], float], interval: Interval) -> Interval:
    """Return a rising function of a value and of both ends of its interval."""
    return Interval(*(float(function(end)) for end in (interval.value, interval.low, interval.high)))


def _log(value: float) -> float:
    return math.log(value) if value > 0 else math.nan
