"""How heavy is a tail? Tail indices of steps, gradients and their noise, and whether a power law describes them at all.

- Hill's estimator takes the largest |values| for a Pareto tail, P(|x| > y) ~ y^(−α) (Hill, Ann. Stat. 3 (1975) 1163).
- The log-moment estimator takes all values for Lévy-stable: the sum of K of them is then K^(1/α) times one of them (Mohammadi,
  Mohammadpour & Ogata, Metrika 78 (2015) 549; for gradient noise Simsekli et al., arXiv 1901.06053).
- A power law p(x) ~ x^(−a) above an x_min that the values choose (Clauset, Shalizi & Newman, SIAM Rev. 51 (2009) 661), and
  Vuong's likelihood ratio against an exponential and a log-normal there. Its exponent is one more than the tail index.

The pitfalls: every estimator returns an index, of whatever values. That of Hill is a tail's only where it does not change with
``tail``. Below 2, the log-moment index of values that are not stable says only that their sums are not yet normal. Gaussian
values of different variances, such as gradient entries pooled over parameters, look heavy-tailed to all of them: standardise
each parameter first. Entries of one step, and of steps near each other, are not independent: where ``block`` is not given,
intervals count them as if they were, and are too narrow.

All functions take magnitudes, but for `log_moment_index`; zeros (entries that had no gradient) and values that are not finite
are left out, and too few values give NaN.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq, minimize
from scipy.special import erfc, erfcx, gammaincinv, ndtri, stdtrit, zeta

from anodiff.diffusion.intervals import COVERAGE, UNKNOWN, Interval
from anodiff.errors import ConfigError

FloatArray = NDArray[np.float64]

#: No interval is given from fewer blocks or block sums, no power law from fewer values.
FEWEST_BLOCKS, FEWEST_VALUES = 5, 10

#: Logarithms that differ by no more than this are of values that are the same but for rounding.
ROUNDING = 1e-10

#: Log-normals cut further above their median than this, in standard deviations of ln x, count as power laws, their limit.
FURTHEST_CUT = 100.0

UPPER = (1 + COVERAGE) / 2


@dataclass(frozen=True)
class PowerLaw:
    """A power law p(x) ~ x^(−exponent) from ``x_min`` on.

    Attributes
    ----------
    exponent
        Of the density, with its interval for independent values and an x_min known beforehand.
    x_min
        Where it begins.
    tail
        How many values are x_min or more.
    distance
        Largest difference between P(X < x) of the tail and of the law, at the values of the tail.
    discrete
        Whether it is a law for whole numbers, x^(−a) / ζ(a, x_min), or for real ones.
    """

    exponent: Interval
    x_min: float
    tail: int
    distance: float
    discrete: bool


@dataclass(frozen=True)
class Ratio:
    """Vuong's statistic, positive where it favours the power law, and its two-sided p-value."""

    ratio: float
    p_value: float


@dataclass(frozen=True)
class Comparison:
    """A power law against other laws for the same tail."""

    exponential: Ratio
    log_normal: Ratio


NOT_COMPARED = Comparison(Ratio(math.nan, math.nan), Ratio(math.nan, math.nan))


def hill(values: ArrayLike, tail: int, block: int | None = None) -> Interval:
    """Return Hill's tail index of the ``tail`` largest |values|, α = 1 / mean ln(|x_(i)| / |x_(tail+1)|).

    Its inverse is unbiased for an exact Pareto tail of independent values, and the interval then exact (a Gamma law). With
    ``block`` it is that of a jackknife over blocks of consecutive rows, Student's t for ln α, with the threshold held fixed.

    Parameters
    ----------
    values
        Shape (n,) or (T, m): m values at each of T steps.
    tail
        Number of values in the tail; a few per cent of n.
    block
        Rows in a block, more than the rows that depend on each other.

    Raises
    ------
    ConfigError
        If ``tail`` or ``block`` is below 1.

    Examples
    --------
    >>> round(hill(1 / np.arange(1.0, 10_001), 1000).value, 2)  # P(x > y) ~ 1 / y
    1.0
    """
    if tail < 1:
        raise ConfigError(f"tail: got {tail}, expected 1 or more")
    rows = np.asarray(values, np.float64)
    sizes = _magnitudes(rows)
    if len(sizes) <= tail:
        return UNKNOWN
    threshold = np.partition(sizes, len(sizes) - tail - 1)[len(sizes) - tail - 1]
    excess = float(
        np.log(sizes[sizes > threshold] / threshold).sum()
    )  # values equal to the threshold may be of the tail, with 0
    if excess <= tail * ROUNDING:
        return UNKNOWN
    index = tail / excess
    if block is None:
        return Interval(index, *(index * float(gammaincinv(tail, p)) / tail for p in (1 - UPPER, UPPER)))
    tails = [part[part > threshold] for part in map(_magnitudes, _blocks(rows, block))]
    counts = np.array([len(part) for part in tails], np.float64)
    return _jackknifed(index, counts, np.array([np.log(part / threshold).sum() for part in tails]))


def log_moment_index(values: ArrayLike, size: int | None = None, block: int | None = None, seed: int = 0) -> Interval:
    """Return the stable index from sums Y of ``size`` values X, 1/α = (mean ln|Y| − mean ln|X|) / ln(size).

    The formula is for values that are independent and symmetric about 0. So the values are put in random order, and X are
    differences of two: whatever location and skewness a stable law has, these are symmetric with the same index, which values
    less their median are not. A value above 2 is sampling error, or no stable law; it is not clipped, as a mean over windows
    would then be biased. The interval is that of a jackknife over sums, Student's t for ln α; with ``block``, sums are taken
    within blocks of consecutive rows and the jackknife is over blocks. Values that often coincide, such as whole numbers, give
    NaN.

    Parameters
    ----------
    values
        With sign, shape (n,) or (T, m): m values at each of T steps.
    size
        Values in a sum; the square root of the number of differences (in a block) where not given. Fewer give a narrower
        interval; more a value nearer the limit's where values are not stable, but their sums become so.
    block
        Rows in a block, more than the rows that depend on each other.
    seed
        Of the random order.

    Raises
    ------
    ConfigError
        If ``size`` is below 2 or ``block`` below 1.

    Examples
    --------
    >>> cauchy = np.tan(np.pi * (np.random.default_rng(0).random(100_000) - 0.5))
    >>> round(log_moment_index(cauchy).value, 1)
    1.0
    """
    if size is not None and size < 2:
        raise ConfigError(f"size: got {size}, expected 2 or more")
    rows = np.asarray(values, np.float64)
    generator = np.random.default_rng(seed)
    drawn = [_symmetrised(part, generator) for part in ([rows] if block is None else _blocks(rows, block))]
    used = size or max(2, math.isqrt(int(np.median([len(part) for part in drawn]))))
    drawn = [part for part in drawn if len(part) >= used]  # where training diverged, blocks are empty
    if not drawn:
        return UNKNOWN
    with np.errstate(divide="ignore", invalid="ignore"):  # ln 0 where values coincide
        gains = [_log_gains(part[: len(part) // used * used].reshape(-1, used)) for part in drawn]
    sums = gains[0] if block is None else np.array([gain.sum() for gain in gains])
    counts = np.ones(len(sums)) if block is None else np.array([float(len(gain)) for gain in gains])
    total = float(sums.sum())
    if not (math.isfinite(total) and total > 0):
        return UNKNOWN
    return _jackknifed(math.log(used) * float(counts.sum()) / total, counts, sums)


def fit_power_law(
    values: ArrayLike, discrete: bool = False, x_min: float | None = None, candidates: int = 200, fewest: int = FEWEST_VALUES
) -> PowerLaw:
    """Fit a power law by maximum likelihood, from the x_min that brings it nearest to the values.

    For real numbers a = 1 + n / Σ ln(x / x_min); for whole ones a maximises −n ln ζ(a, x_min) − a Σ ln x. Of the candidates for
    x_min that with the smallest Kolmogorov–Smirnov distance is taken, the cumulative distribution counting values below x as
    in the programs of Clauset et al. and the package powerlaw. The interval does not know that x_min was chosen.

    Parameters
    ----------
    values
        Any shape.
    discrete
        For values that are whole numbers.
    x_min
        Where the law begins, if known.
    candidates
        At most so many values are tried as x_min: all that differ, or else evenly in the logarithm of the number above.
    fewest
        No x_min leaves fewer values.

    Raises
    ------
    ConfigError
        If discrete values or their ``x_min`` are not whole numbers, if ``x_min`` is not positive, if ``fewest`` is below 2 or
        ``candidates`` below 1.

    Examples
    --------
    >>> law = fit_power_law((np.arange(1000) + 0.5) ** -0.5)  # P(X > y) ~ y^(−2)
    >>> round(law.exponent.value, 1), law.tail
    (3.0, 1000)
    """
    if x_min is not None and not (x_min > 0 and math.isfinite(x_min) and (not discrete or x_min == round(x_min))):
        raise ConfigError(f"x_min: got {x_min}, expected a positive {'whole number' if discrete else 'number'}")
    if fewest < 2 or candidates < 1:
        raise ConfigError(f"fewest, candidates: got {fewest}, {candidates}, expected at least 2 and 1")
    distinct, counts = np.unique(_magnitudes(values), return_counts=True)
    if discrete and (distinct != np.round(distinct)).any():
        raise ConfigError("values: expected whole numbers for a discrete power law; fit with discrete=False")
    above = counts[::-1].cumsum()[::-1]  # as many values are this one or more
    if x_min is None:
        usable = np.flatnonzero(above[:-1] >= fewest)  # one value alone has no exponent
        if len(usable) > candidates:
            targets = np.geomspace(above[usable[0]], above[usable[-1]], candidates)
            nearest = np.searchsorted(-above[usable], -targets).clip(max=len(usable) - 1)
            usable = usable[np.unique(nearest)]
        bounds = distinct[usable]
    else:
        usable = np.searchsorted(distinct, [x_min])
        usable = usable[usable < len(distinct) - 1]
        usable, bounds = usable[above[usable] >= fewest], np.full(1, float(x_min))
    means = (counts * np.log(distinct))[::-1].cumsum()[::-1][usable] / above[usable]  # of ln x from there on
    exponents = _zeta_exponents(bounds, means) if discrete else 1 + 1 / np.maximum(means - np.log(bounds), ROUNDING)
    known = exponents < 1 / ROUNDING
    usable, bounds, exponents = usable[known], bounds[known], exponents[known]
    if not len(usable):
        return PowerLaw(UNKNOWN, math.nan, 0, math.nan, discrete)
    distances = np.empty(len(usable))
    for place, first in enumerate(usable):
        law = _at_least(distinct[first:], exponents[place], bounds[place], discrete)
        distances[place] = np.abs(above[first:] / above[first] - law).max()
    best = int(distances.argmin())
    start, tail = float(bounds[best]), int(above[usable[best]])
    exponent = _exponent_interval(float(exponents[best]), start, tail, discrete)
    return PowerLaw(exponent, start, tail, float(distances[best]), discrete)


def compare_tails(values: ArrayLike, power_law: PowerLaw) -> Comparison:
    """Compare a fitted power law with an exponential and a log-normal of largest likelihood for the same tail.

    With l_i the difference of two laws' log-likelihoods of value i, the ratio is Σ l_i / (√n σ), σ the standard deviation of
    l_i, and standard normal if both laws are equally near the truth (Vuong, Econometrica 57 (1989) 307). All laws are cut off
    at x_min. For whole numbers the exponential is geometric, and the log-normal integrated over x ± ½.

    The pitfalls: a power law is the limit of log-normals cut ever further above their median, so that, but for the rounding of
    whole numbers, no values favour it. A ratio near 0 is the best that it can have against them; where the best log-normal is
    that limit, the ratio is 0 and the p-value 1. Against the exponential, l_i grows as x: below a tail index of 2 its variance
    is infinite, and even a pure power law may have a small ratio. An x_min chosen high leaves too few values to refuse any law.

    Parameters
    ----------
    values
        Those that the law was fitted to, any shape.

    Raises
    ------
    ConfigError
        If the values are others.

    Examples
    --------
    >>> waits = np.repeat(np.arange(1, 8), [640, 320, 160, 80, 40, 20, 10])  # geometric
    >>> compare_tails(waits, fit_power_law(waits, discrete=True, x_min=1)).exponential.ratio < -5
    True
    """
    start, exponent = power_law.x_min, power_law.exponent.value
    if not math.isfinite(exponent):
        return NOT_COMPARED
    sizes = _magnitudes(values)
    x, counts = np.unique(sizes[sizes >= start], return_counts=True)
    if counts.sum() != power_law.tail:
        raise ConfigError(f"values: {counts.sum()} reach x_min, but the power law was fitted to {power_law.tail}")
    excess = float(np.average(x - start, weights=counts))
    logs = np.log(x / start)
    if power_law.discrete:
        law = -exponent * np.log(x) - math.log(zeta(exponent, start))
        exponential = -math.log1p(excess) - (x - start) * math.log1p(1 / excess)
        log_normal = _discrete_log_normal(x, counts, start)
    else:
        law = math.log((exponent - 1) / start) - exponent * logs
        exponential = -math.log(excess) - (x - start) / excess
        log_normal = _log_normal(logs, counts) - np.log(x)
    return Comparison(_vuong(law - exponential, counts), _vuong(law - log_normal, counts))


def _vuong(differences: FloatArray, counts: NDArray[np.int64]) -> Ratio:
    mean = float(np.average(differences, weights=counts))
    deviation = math.sqrt(np.average((differences - mean) ** 2, weights=counts))
    if deviation < 1e-9:  # the same law, but for rounding
        return Ratio(0.0, 1.0)
    ratio = math.sqrt(counts.sum()) * mean / deviation
    return Ratio(ratio, float(erfc(abs(ratio) / math.sqrt(2))))


def _log_normal(z: FloatArray, counts: NDArray[np.int64]) -> FloatArray:
    """Return the log-density of z = ln(x / x_min) for the normal law cut at 0 of largest likelihood, exp(−a z − b z²/2).

    An exponential family: it has the mean and mean square of z, of which mean z² / (mean z)² depends on t = a/√b alone.
    """
    mean, square = np.average(z, weights=counts), np.average(z * z, weights=counts)

    def spread(t: float) -> float:
        return (1 - t * _cut_mean(t)) / _cut_mean(t) ** 2

    target = square / mean**2
    if target >= spread(FURTHEST_CUT):
        return -math.log(mean) - z / mean
    t = brentq(lambda t: spread(t) - target, -1e6, FURTHEST_CUT) if target > spread(-1e6) else -1e6
    root = _cut_mean(t) / mean  # √b
    return math.log(root * math.sqrt(2 / math.pi)) - root * z * (t + root * z / 2) - float(_log_erfcx(t / math.sqrt(2)))


def _discrete_log_normal(x: FloatArray, counts: NDArray[np.int64], start: float) -> FloatArray:
    """Return ln P(X = x) for a log-normal rounded to whole numbers, cut at start − ½, of largest likelihood."""
    low, high = np.log((x - 0.5) / (start - 0.5)), np.log((x + 0.5) / (start - 0.5))

    def log_probabilities(parameters: FloatArray) -> FloatArray:
        t = float(np.sinh(parameters[0]))
        root = _cut_mean(t) / math.exp(parameters[1])
        below, beyond = (
            _log_erfcx((t + root * z) / math.sqrt(2)) - root * z * (t + root * z / 2) - _log_erfcx(t / math.sqrt(2))
            for z in (low, high)
        )
        return below + np.log(np.maximum(-np.expm1(beyond - below), 1e-300))  # 0 where rounding hides the difference

    limits = [(-math.asinh(1e3), math.asinh(FURTHEST_CUT)), (None, None)]
    middle = np.log(x / (start - 0.5))
    guess = [0.0, math.log(np.average(middle, weights=counts))]

    def cost(parameters: FloatArray) -> float:
        return -float(np.average(log_probabilities(parameters), weights=counts))

    found = minimize(cost, guess, method="Nelder-Mead", bounds=limits, tol=1e-9)
    return log_probabilities(found.x)


def _cut_mean(t: float) -> float:
    """Return the mean excess over t of a standard normal variable known to exceed t."""
    return math.sqrt(2 / math.pi) / float(erfcx(t / math.sqrt(2))) - t


def _log_erfcx(x: ArrayLike) -> FloatArray:
    """Return ln(exp(x²) erfc(x)) without overflow at negative x."""
    x = np.asarray(x, np.float64)
    return np.where(x > 0, np.log(erfcx(np.maximum(x, 0))), x * x + np.log(erfc(np.minimum(x, 0))))


def _zeta_exponents(starts: FloatArray, means: FloatArray) -> FloatArray:
    """Return the exponents a that minimise ln ζ(a, start) + a · mean ln x, which is convex, all by golden section.

    Infinite where it still falls as ζ underflows.
    """
    limits = 600 / np.log(np.maximum(starts, 2))
    low, high = np.full(len(starts), 1 + 1e-9), limits
    golden = (math.sqrt(5) - 1) / 2
    for _ in range(70):
        first, second = high - golden * (high - low), low + golden * (high - low)
        falls = np.log(zeta(first, starts)) + first * means > np.log(zeta(second, starts)) + second * means
        low, high = np.where(falls, first, low), np.where(falls, high, second)
    return np.where(high < limits * (1 - 1e-6), high, np.inf)


def _at_least(x: FloatArray, exponent: float, start: float, discrete: bool) -> FloatArray:
    """Return P(X ≥ x) of a power law from ``start`` on."""
    return zeta(exponent, x) / zeta(exponent, start) if discrete else (x / start) ** (1 - exponent)


def _exponent_interval(exponent: float, start: float, tail: int, discrete: bool) -> Interval:
    """Return an exponent's interval: exact for real numbers, from Fisher's information for whole ones."""
    if not discrete:
        return Interval(exponent, *(1 + (exponent - 1) * float(gammaincinv(tail, p)) / tail for p in (1 - UPPER, UPPER)))
    step = min(1e-3, (exponent - 1) / 2)
    below, here, above = np.log(zeta(exponent + step * np.array([-1, 0, 1]), start))
    error = float(ndtri(UPPER)) * step / math.sqrt(tail * (above - 2 * here + below))
    return Interval(exponent, max(1.0, exponent - error), exponent + error)


def _jackknifed(value: float, numerators: FloatArray, denominators: FloatArray) -> Interval:
    """Return the interval of a value proportional to Σ numerators / Σ denominators, leaving out one of each at a time."""
    number = len(numerators)
    above, below = numerators.sum() - numerators, denominators.sum() - denominators
    if number < FEWEST_BLOCKS or (above <= 0).any() or (below <= 0).any():
        return Interval(value, math.nan, math.nan)
    without = np.log(above / below)
    error = float(stdtrit(number - 1, UPPER)) * math.sqrt((number - 1) * without.var())
    return Interval(value, value * math.exp(-error), value * math.exp(error))


def _magnitudes(values: ArrayLike) -> FloatArray:
    sizes = np.abs(np.asarray(values, np.float64)).ravel()
    return sizes[np.isfinite(sizes) & (sizes > 0)]


def _blocks(rows: FloatArray, block: int) -> list[FloatArray]:
    if block < 1:
        raise ConfigError(f"block: got {block}, expected 1 or more")
    return np.array_split(rows, max(1, len(rows) // block))


def _symmetrised(values: FloatArray, generator: np.random.Generator) -> FloatArray:
    """Return differences of values drawn in pairs, each value once."""
    kept = generator.permutation(values[np.isfinite(values) & (values != 0)])
    half = len(kept) // 2
    return kept[:half] - kept[half : 2 * half]


def _log_gains(parts: FloatArray) -> FloatArray:
    """Return ln|sum| − mean ln|x| of each row."""
    return np.log(np.abs(parts.sum(axis=1))) - np.log(np.abs(parts)).mean(axis=1)
