"""By how much do two exponents of one window differ, and how sure is that?

Both come from the same steps, so their errors depend on each other, and a window shows too little of
how: its long lags leave no blocks to resample. The interval is that of two independent values whose
intervals are known and need not be symmetric (method of variance estimates recovery: Zou & Donner,
Stat. Med. 27 (2008) 1693). Errors that go together, as those of a path and of a walk of the same
gradients, or of a part of it, cancel in the difference. Then the interval is wider than it need be,
never too narrow. It would be too narrow only for errors that go against each other.
"""

from __future__ import annotations

import math

from anodiff.diffusion.intervals import Interval


def difference(one: Interval, other: Interval) -> Interval:
    """Return one minus the other, with the interval of independent errors; see the module.

    Examples
    --------
    >>> found = difference(Interval(1.5, 1.2, 1.9), Interval(1.0, 0.6, 1.4))
    >>> round(found.value, 3), round(found.low, 3), round(found.high, 3)
    (0.5, 0.0, 1.066)
    """
    (below, above), (other_below, other_above) = (_distances(each) for each in (one, other))
    middle = one.value - other.value
    return Interval(middle, middle - math.hypot(below, other_above), middle + math.hypot(above, other_below))


def _distances(each: Interval) -> tuple[float, float]:
    """Return how far the ends are from the value; an end that the value has passed is as far on its side."""
    return abs(each.value - each.low), abs(each.high - each.value)
