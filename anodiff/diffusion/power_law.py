"""Is there a power law? Fits p(x) ~ x^(−a) above an x_min.

Source: Clauset, Shalizi & Newman, SIAM Rev. 51 (2009) 661. The exponent of a density is one more
than the tail index.

The pitfalls: a fit always exists, so read with it the size of the tail and the comparison with
other laws (`anodiff.diffusion.tail_comparison`). All values count as independent; if they are not,
intervals are too narrow. The fit uses absolute values; zeros and values that are not finite are left
out.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import ArrayLike

from anodiff.diffusion.intervals import LOWER, UNKNOWN, UPPER, Interval
from anodiff.diffusion.tails import ROUNDING, magnitudes
from anodiff.errors import ConfigError
from anodiff.storage.types import FloatArray

#: The smallest number of values in a fitted tail.
MIN_TAIL = 10

#: Number of values, about, at which a candidate for x_min is first compared with its law.
COARSE = 1000


@dataclass(frozen=True)
class PowerLaw:
    """A power law p(x) ~ x^(−exponent) from ``x_min`` on.

    Attributes
    ----------
    exponent
        Exponent of the density. Its interval is for independent values and an x_min known
        beforehand.
    x_min
        Where the law begins.
    tail
        Number of values of at least x_min.
    distance
        Largest difference between P(X < x) of the tail and of the law, at the values of the tail.
    discrete
        Whether the law is for whole numbers, x^(−a) / ζ(a, x_min), or for real ones.
    """

    exponent: Interval
    x_min: float
    tail: int
    distance: float
    discrete: bool


def fit_power_law(
    values: ArrayLike, discrete: bool = False, x_min: float | None = None, candidates: int = 200, min_tail: int = MIN_TAIL
) -> PowerLaw:
    """Fit a power law by maximum likelihood, from the x_min at which it is closest to the values.

    For real numbers a = 1 + n / Σ ln(x / x_min). For whole numbers a maximises
    −n ln ζ(a, x_min) − a Σ ln x. x_min is the candidate with the smallest Kolmogorov–Smirnov
    distance. The cumulative distribution counts values below x, as in the programs of Clauset et
    al. and the package powerlaw. The interval does not allow for the choice of x_min.

    Parameters
    ----------
    values
        Any shape.
    discrete
        Whether the values are whole numbers.
    x_min
        Where the law begins, if known.
    candidates
        The largest number of values tried as x_min. If there are more distinct values, the
        candidates are evenly spaced in the logarithm of the number of values above.
    min_tail
        The smallest number of values of at least x_min.

    Raises
    ------
    ConfigError
        If discrete values or their ``x_min`` are not whole numbers, if ``x_min`` is not positive,
        if ``min_tail`` is below 2, or if ``candidates`` is below 1.

    Examples
    --------
    >>> law = fit_power_law((np.arange(1000) + 0.5) ** -0.5)  # P(X > y) ~ y^(−2)
    >>> round(law.exponent.value, 1), law.tail
    (3.0, 1000)
    """
    if x_min is not None and not (x_min > 0 and math.isfinite(x_min) and (not discrete or x_min == round(x_min))):
        raise ConfigError(f"x_min: got {x_min}, expected a positive {'whole number' if discrete else 'number'}")
    if min_tail < 2 or candidates < 1:
        raise ConfigError(f"min_tail, candidates: got {min_tail}, {candidates}, expected at least 2 and 1")
    distinct, counts = np.unique(magnitudes(values), return_counts=True)
    if discrete and (distinct != np.round(distinct)).any():
        raise ConfigError("values: expected whole numbers for a discrete power law; fit with discrete=False")
    above = counts[::-1].cumsum()[::-1]  # number of values of at least this one
    if x_min is None:
        usable = np.flatnonzero(above[:-1] >= min_tail)  # a single distinct value has no exponent
        if len(usable) > candidates:
            targets = np.geomspace(above[usable[0]], above[usable[-1]], candidates)
            nearest = np.searchsorted(-above[usable], -targets).clip(max=len(usable) - 1)
            usable = usable[np.unique(nearest)]
        bounds = distinct[usable]
    else:
        usable = np.searchsorted(distinct, [x_min])
        usable = usable[usable < len(distinct) - 1]
        usable, bounds = usable[above[usable] >= min_tail], np.full(1, float(x_min))
    means = (counts * np.log(distinct))[::-1].cumsum()[::-1][usable] / above[usable]  # mean ln x of each tail
    exponents = _zeta_exponents(bounds, means) if discrete else 1 + 1 / np.maximum(means - np.log(bounds), ROUNDING)
    known = exponents < 1 / ROUNDING
    usable, bounds, exponents = usable[known], bounds[known], exponents[known]
    if not len(usable):
        return PowerLaw(UNKNOWN, math.nan, 0, math.nan, discrete)

    def distance(candidate: int, every: int) -> float:
        """Return the distance from a candidate on, over every so many of the distinct values."""
        at = slice(usable[candidate], None, every)
        law = _at_least(distinct[at], exponents[candidate], bounds[candidate], discrete)
        return float(np.abs(above[at] / above[usable[candidate]] - law).max())

    best, smallest = _smallest(distance, len(usable), max(1, len(distinct) // COARSE))
    start, tail = float(bounds[best]), int(above[usable[best]])
    exponent = _exponent_interval(float(exponents[best]), start, tail, discrete)
    return PowerLaw(exponent, start, tail, smallest, discrete)


def _smallest(distance: Callable[[int, int], float], candidates: int, every: int) -> tuple[int, float]:
    """Return the first candidate with the smallest distance, and that distance.

    The largest difference over some of the values is at most that over all. So candidates that
    already differ more there than another one does over all values are not measured in full.
    """
    at_least = np.array([distance(candidate, every) for candidate in range(candidates)])
    best, smallest = candidates, math.inf
    for candidate in np.argsort(at_least, kind="stable").tolist():
        if at_least[candidate] > smallest:
            break
        found = distance(candidate, 1)
        if (found, candidate) < (smallest, best):
            best, smallest = candidate, found
    return best, smallest


def _zeta_exponents(starts: FloatArray, means: FloatArray) -> FloatArray:
    """Return the exponents a that minimise ln ζ(a, start) + a · mean ln x, by golden section.

    The function is convex. The exponent is infinite if it still falls where ζ underflows.
    """
    limits = 600 / np.log(np.maximum(starts, 2))
    low, high = np.full(len(starts), 1 + 1e-9), limits
    golden = (math.sqrt(5) - 1) / 2
    for _ in range(70):
        first, second = high - golden * (high - low), low + golden * (high - low)
        cost_first = np.log(scipy.special.zeta(first, starts)) + first * means
        falls = cost_first > np.log(scipy.special.zeta(second, starts)) + second * means
        low, high = np.where(falls, first, low), np.where(falls, high, second)
    return np.where(high < limits * (1 - 1e-6), high, np.inf)


def _at_least(x: FloatArray, exponent: float, start: float, discrete: bool) -> FloatArray:
    """Return P(X ≥ x) of a power law from ``start`` on."""
    return scipy.special.zeta(exponent, x) / scipy.special.zeta(exponent, start) if discrete else (x / start) ** (1 - exponent)


def _exponent_interval(exponent: float, start: float, tail: int, discrete: bool) -> Interval:
    """Return an exponent's interval: exact, or from Fisher's information for whole numbers."""
    if not discrete:
        quantiles = (float(scipy.special.gammaincinv(tail, p)) for p in (LOWER, UPPER))
        return Interval(exponent, *(1 + (exponent - 1) * quantile / tail for quantile in quantiles))
    step = min(1e-3, (exponent - 1) / 2)
    below, here, above = np.log(scipy.special.zeta(exponent + step * np.array([-1, 0, 1]), start))
    error = float(scipy.special.ndtri(UPPER)) * step / math.sqrt(tail * (above - 2 * here + below))
    return Interval(exponent, max(1.0, exponent - error), exponent + error)
