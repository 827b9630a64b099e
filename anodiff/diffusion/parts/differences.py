"""By how much do two exponents of one window differ, and how sure is that?

Both come from the same steps, so their errors depend on each other, and how much is not known: the
window is too short for blocks that are longer than the long lags. So nothing is assumed of it. If
each of two intervals holds its true value in 97.5 % of cases, then both do in at least 95 %, however
they depend on each other (Bonferroni), and with them every difference of two values within them.
The 95 % intervals are widened to 97.5 % as for a normal error. Errors that go together, as those of a
walk and of the path that it is part of, make the interval wider than it need be, never too narrow.
"""

from __future__ import annotations

import scipy

from anodiff.diffusion.intervals import COVERAGE, Interval

#: Half-widths of 97.5 % intervals in units of those of 95 % intervals, for a normal error.
WIDER = float(scipy.special.ndtri((3 + COVERAGE) / 4) / scipy.special.ndtri((1 + COVERAGE) / 2))


def difference(one: Interval, other: Interval) -> Interval:
    """Return one minus the other, with an interval that holds whatever their errors have in common.

    Examples
    --------
    >>> difference(Interval(1.5, 1.4, 1.6), Interval(1.0, 0.9, 1.1)).value
    0.5
    >>> found = difference(Interval(1.5, 1.4, 1.6), Interval(1.0, 0.9, 1.1))
    >>> round(found.low, 3), round(found.high, 3)
    (0.271, 0.729)
    """
    first, second = (_widened(each) for each in (one, other))
    return Interval(one.value - other.value, first.low - second.high, first.high - second.low)


def _widened(each: Interval) -> Interval:
    """Return the interval about the same value at the larger coverage; a value outside its own interval counts as its end."""
    middle = min(max(each.value, each.low), each.high)
    return Interval(each.value, middle - WIDER * (middle - each.low), middle + WIDER * (each.high - middle))
