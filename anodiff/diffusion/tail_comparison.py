"""Is a power law nearer to the truth than other laws for the same tail? Likelihood ratios.

Source: Vuong, Econometrica 57 (1989) 307; Clauset, Shalizi & Newman, SIAM Rev. 51 (2009) 661.

The pitfall: all values count as independent. If they are not, p-values are too small.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from anodiff.diffusion.power_law import PowerLaw
from anodiff.diffusion.tails import magnitudes
from anodiff.errors import ConfigError
from anodiff.storage.types import FloatArray

#: A log-normal cut further above its median than this, in standard deviations of ln x, counts as
#: its limit, a power law.
MAX_CUT = 100.0


@dataclass(frozen=True)
class Ratio:
    """Vuong's statistic, positive if it favours the power law, and its two-sided p-value."""

    ratio: float
    p_value: float


@dataclass(frozen=True)
class Comparison:
    """A power law against other laws for the same tail."""

    exponential: Ratio
    log_normal: Ratio


NOT_COMPARED = Comparison(Ratio(math.nan, math.nan), Ratio(math.nan, math.nan))


def compare_tails(values: ArrayLike, power_law: PowerLaw) -> Comparison:
    """Compare a power law with the most likely exponential and log-normal for the same tail.

    Let l_i be the difference of two laws' log-likelihoods of value i, and σ its standard deviation.
    The ratio is Σ l_i / (√n σ). It is standard normal if both laws are equally near the truth
    (Vuong, Econometrica 57 (1989) 307). All laws are cut off at x_min. For whole numbers the
    exponential is geometric, and the log-normal is integrated over x ± ½.

    The pitfalls: a power law is the limit of log-normals cut ever further above their median. So no
    values favour it against them, except through the rounding of whole numbers, and a ratio near 0
    is its best result. If the best log-normal is that limit, the ratio is 0 and the p-value 1.
    Against the exponential, l_i grows as x: below a tail index of 2 its variance is infinite, and
    even a pure power law may have a small ratio. A high x_min leaves too few values to reject any
    law.

    Parameters
    ----------
    values
        The values that the law was fitted to, any shape.

    Raises
    ------
    ConfigError
        If the power law was fitted to other values.

    Examples
    --------
    >>> from anodiff.diffusion.power_law import fit_power_law
    >>> waits = np.repeat(np.arange(1, 8), [640, 320, 160, 80, 40, 20, 10])  # geometric
    >>> compare_tails(waits, fit_power_law(waits, discrete=True, x_min=1)).exponential.ratio < -5
    True
    """
    start, exponent = power_law.x_min, power_law.exponent.value
    if not math.isfinite(exponent):
        return NOT_COMPARED
    sizes = magnitudes(values)
    x, counts = np.unique(sizes[sizes >= start], return_counts=True)
    if counts.sum() != power_law.tail:
        raise ConfigError(f"values: {counts.sum()} reach x_min, but the power law was fitted to {power_law.tail}")
    excess = float(np.average(x - start, weights=counts))
    logs = np.log(x / start)
    if power_law.discrete:
        law = -exponent * np.log(x) - math.log(scipy.special.zeta(exponent, start))
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
    if deviation < 1e-9:  # the same law except for rounding
        return Ratio(0.0, 1.0)
    ratio = math.sqrt(counts.sum()) * mean / deviation
    return Ratio(ratio, float(scipy.special.erfc(abs(ratio) / math.sqrt(2))))


def _log_normal(z: FloatArray, counts: NDArray[np.int64]) -> FloatArray:
    """Return the log-density of z = ln(x / x_min) for the most likely normal law cut at 0.

    Its density is ∝ exp(−a z − b z²/2), an exponential family. So its means of z and z² are those
    of the values, and mean z² / (mean z)² depends only on t = a/√b.
    """
    mean, square = np.average(z, weights=counts), np.average(z * z, weights=counts)

    def spread(t: float) -> float:
        return (1 - t * _cut_mean(t)) / _cut_mean(t) ** 2

    target = square / mean**2
    if target >= spread(MAX_CUT):
        return -math.log(mean) - z / mean
    t = scipy.optimize.brentq(lambda t: spread(t) - target, -1e6, MAX_CUT) if target > spread(-1e6) else -1e6
    root = _cut_mean(t) / mean  # √b
    return math.log(root * math.sqrt(2 / math.pi)) - root * z * (t + root * z / 2) - float(_log_erfcx(t / math.sqrt(2)))


def _discrete_log_normal(x: FloatArray, counts: NDArray[np.int64], start: float) -> FloatArray:
    """Return ln P(X = x) for the most likely rounded log-normal, cut at start − ½."""
    low, high = np.log((x - 0.5) / (start - 0.5)), np.log((x + 0.5) / (start - 0.5))

    def log_probabilities(parameters: FloatArray) -> FloatArray:
        t = float(np.sinh(parameters[0]))
        root = _cut_mean(t) / math.exp(parameters[1])
        below, beyond = (
            _log_erfcx((t + root * z) / math.sqrt(2)) - root * z * (t + root * z / 2) - _log_erfcx(t / math.sqrt(2))
            for z in (low, high)
        )
        return below + np.log(np.maximum(-np.expm1(beyond - below), 1e-300))  # rounding can make the difference 0

    limits = [(-math.asinh(1e3), math.asinh(MAX_CUT)), (None, None)]
    middle = np.log(x / (start - 0.5))
    guess = [0.0, math.log(np.average(middle, weights=counts))]

    def cost(parameters: FloatArray) -> float:
        return -float(np.average(log_probabilities(parameters), weights=counts))

    found = scipy.optimize.minimize(cost, guess, method="Nelder-Mead", bounds=limits, tol=1e-9)
    return log_probabilities(found.x)


def _cut_mean(t: float) -> float:
    """Return the mean excess over t of a standard normal variable known to exceed t."""
    return math.sqrt(2 / math.pi) / float(scipy.special.erfcx(t / math.sqrt(2))) - t


def _log_erfcx(x: ArrayLike) -> FloatArray:
    """Return ln(exp(x²) erfc(x)) without overflow at negative x."""
    x = np.asarray(x, np.float64)
    return np.where(x > 0, np.log(scipy.special.erfcx(np.maximum(x, 0))), x * x + np.log(scipy.special.erfc(np.minimum(x, 0))))
