"""How heavy is a tail? Tail indices of steps, gradients and their noise.

- Hill's estimator takes the largest |values| for a Pareto tail, P(|x| > y) ~ y^(−α) (Hill, Ann. Stat. 3 (1975) 1163).
- The log-moment estimator takes all values for Lévy-stable: the sum of K of them is then K^(1/α) times one of them (Mohammadi,
  Mohammadpour & Ogata, Metrika 78 (2015) 549; for gradient noise Simsekli et al., arXiv 1901.06053).

A power law with its own beginning, and whether it describes a tail better than other laws: `anodiff.diffusion.power_law`.

The pitfalls: every estimator returns an index, of whatever values. That of Hill is a tail's only where it does not change with
``tail``. Below 2, the log-moment index of values that are not stable says only that their sums are not yet normal. Gaussian
values of different variances, such as gradient entries pooled over parameters, look heavy-tailed to all of them: standardise
each parameter first. Entries of one step, and of steps near each other, are not independent: where ``block`` is not given,
intervals count them as if they were, and are too narrow.

Zeros (entries that had no gradient) and values that are not finite are left out; too few values give NaN.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaincinv, stdtrit

from anodiff.diffusion.intervals import COVERAGE, UNKNOWN, Interval
from anodiff.errors import ConfigError
from anodiff.storage.types import FloatArray

#: No interval is given from fewer blocks or block sums.
FEWEST_BLOCKS = 5

#: Logarithms that differ by no more than this are of values that are the same but for rounding.
ROUNDING = 1e-10

#: Share of pairs of values that may coincide, since they are rounded.
MOST_COINCIDING = 0.01

UPPER = (1 + COVERAGE) / 2


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
    sizes = magnitudes(rows)
    if len(sizes) <= tail:
        return UNKNOWN
    threshold = np.partition(sizes, len(sizes) - tail - 1)[len(sizes) - tail - 1]
    excess = float(np.log(sizes[sizes > threshold] / threshold).sum())  # those equal to it count with 0
    if excess <= tail * ROUNDING:
        return UNKNOWN
    index = tail / excess
    if block is None:
        return Interval(index, *(index * float(gammaincinv(tail, p)) / tail for p in (1 - UPPER, UPPER)))
    tails = [part[part > threshold] for part in map(magnitudes, _blocks(rows, block))]
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


def _jackknifed(value: float, numerators: FloatArray, denominators: FloatArray) -> Interval:
    """Return the interval of a value proportional to Σ numerators / Σ denominators, leaving out one of each at a time."""
    number = len(numerators)
    above, below = numerators.sum() - numerators, denominators.sum() - denominators
    if number < FEWEST_BLOCKS or (above <= 0).any() or (below <= 0).any():
        return Interval(value, math.nan, math.nan)
    without = np.log(above / below)
    error = float(stdtrit(number - 1, UPPER)) * math.sqrt((number - 1) * without.var())
    return Interval(value, value * math.exp(-error), value * math.exp(error))


def magnitudes(values: ArrayLike) -> FloatArray:
    """Return the absolute values that are finite and not zero, flat."""
    sizes = np.abs(np.asarray(values, np.float64)).ravel()
    return sizes[np.isfinite(sizes) & (sizes > 0)]


def _blocks(rows: FloatArray, block: int) -> list[FloatArray]:
    if block < 1:
        raise ConfigError(f"block: got {block}, expected 1 or more")
    return np.array_split(rows, max(1, len(rows) // block))


def _symmetrised(values: FloatArray, generator: np.random.Generator) -> FloatArray:
    """Return differences of values drawn in pairs, each value once; few that are 0, by rounding, are left out."""
    kept = generator.permutation(values[np.isfinite(values) & (values != 0)])
    half = len(kept) // 2
    differences = kept[:half] - kept[half : 2 * half]
    apart = differences[differences != 0]
    return apart if len(apart) >= (1 - MOST_COINCIDING) * half else differences


def _log_gains(parts: FloatArray) -> FloatArray:
    """Return ln|sum| − mean ln|x| of each row."""
    return np.log(np.abs(parts.sum(axis=1))) - np.log(np.abs(parts)).mean(axis=1)
