"""How heavy is a tail? Tail indices of steps, gradients and their noise.

- Hill's estimator assumes that the largest |values| have a Pareto tail, P(|x| > y) ~ y^(−α) (Hill,
  Ann. Stat. 3 (1975) 1163).
- The log-moment estimator assumes that all values are Lévy-stable. A sum of K of them then has the
  law of K^(1/α) times one of them (Mohammadi, Mohammadpour & Ogata, Metrika 78 (2015) 549; for
  gradient noise Simsekli et al., arXiv 1901.06053).

`anodiff.diffusion.power_law` fits power laws that begin at some x_min, and compares them with other
laws.

The pitfalls: any values give an index. Hill's is a tail index only if it does not change with
``tail``. A log-moment index below 2 of values that are not stable means only that their sums are
not yet normal. Gaussian values of different variances, such as gradient entries pooled over
parameters, look heavy-tailed to both: standardise each parameter first. The entries of one step, or
of neighbouring steps, are not independent: without ``block``, intervals treat them as independent
and are too narrow.

Zeros (entries that had no gradient) and values that are not finite are left out. Too few values
give NaN.
"""

from __future__ import annotations

import math

import numpy as np
import scipy
from numpy.typing import ArrayLike

from anodiff.diffusion.intervals import LOWER, UNKNOWN, UPPER, Interval, jackknife_ratio
from anodiff.storage.numbers import real_numbers, whole_number
from anodiff.storage.types import FloatArray

#: The smallest number of blocks, or of block sums, that gets an interval.
MIN_BLOCKS = 5

#: Values whose logarithms differ by no more than this are the same except for rounding.
ROUNDING = 1e-10

#: Fraction of the pairs of values that may coincide because of rounding.
MAX_COINCIDING = 0.01


def hill(values: ArrayLike, tail: int, block: int | None = None) -> Interval:
    """Return Hill's tail index of the ``tail`` largest |values|.

        α = 1 / mean ln(|x_(i)| / |x_(tail+1)|)

    For an exact Pareto tail of independent values, its inverse is unbiased and the interval exact
    (a Gamma law). With ``block``, the interval is a jackknife's over blocks of consecutive rows,
    Student's t for ln α, with the threshold held fixed.

    Parameters
    ----------
    values
        Shape (n,), or (T, m) for m values at each of T steps.
    tail
        Number of values in the tail; a few per cent of n.
    block
        Number of rows in a block; more than the number of rows that depend on each other.

    Raises
    ------
    ConfigError
        If values are not finite real numbers, or ``tail`` or ``block`` is no whole number from 1 on.

    Examples
    --------
    >>> round(hill(1 / np.arange(1.0, 10_001), 1000).value, 2)  # P(x > y) ~ 1 / y
    1.0
    """
    rows = real_numbers(values, "values")
    tail = whole_number(tail, "tail", 1)
    sizes = magnitudes(rows)
    if len(sizes) <= tail:
        return UNKNOWN
    threshold = np.partition(sizes, len(sizes) - tail - 1)[len(sizes) - tail - 1]
    excess = float(np.log(sizes[sizes > threshold] / threshold).sum())  # values equal to the threshold add 0
    if excess <= tail * ROUNDING:
        return UNKNOWN
    index = tail / excess
    if block is None:
        return Interval(index, *(index * float(scipy.special.gammaincinv(tail, p)) / tail for p in (LOWER, UPPER)))
    tails = [part[part > threshold] for part in map(magnitudes, _blocks(rows, block))]
    counts = np.array([len(part) for part in tails], np.float64)
    return jackknife_ratio(index, counts, np.array([np.log(part / threshold).sum() for part in tails]), MIN_BLOCKS)


def log_moment_index(values: ArrayLike, size: int | None = None, block: int | None = None, seed: int = 0) -> Interval:
    """Return the stable index from sums Y of ``size`` values X.

        1/α = (mean ln|Y| − mean ln|X|) / ln(size)

    The formula is for independent values that are symmetric about 0. So the values are put in
    random order, and X are differences of two of them. Whatever the location and skewness of a
    stable law, such differences are symmetric with the same index; values minus their median are
    not. An index above 2 is sampling error, or the law is not stable. It is not clipped, because
    clipping would bias a mean over windows. The interval is a jackknife's over sums, Student's t
    for ln α. With ``block``, sums are taken within blocks of consecutive rows and the jackknife is
    over blocks. Values that often coincide, such as whole numbers, give NaN.

    Parameters
    ----------
    values
        Values with their sign, shape (n,), or (T, m) for m values at each of T steps.
    size
        Number of values in a sum. Default: the square root of the number of differences (in a
        block). A smaller size gives a narrower interval. If the values are not stable but their
        sums become so, a larger one gives an index nearer the limit's.
    block
        Number of rows in a block; more than the number of rows that depend on each other.
    seed
        Seed of the random order.

    Raises
    ------
    ConfigError
        If values are not finite real numbers, ``size`` is no whole number from 2 on, or ``block``
        none from 1 on.

    Examples
    --------
    >>> cauchy = np.tan(np.pi * (np.random.default_rng(0).random(100_000) - 0.5))
    >>> round(log_moment_index(cauchy).value, 1)
    1.0
    """
    size = size if size is None else whole_number(size, "size", 2)
    rows = real_numbers(values, "values")
    generator = np.random.default_rng(seed)
    drawn = [_symmetrised(part, generator) for part in ([rows] if block is None else _blocks(rows, block))]
    used = size or max(2, math.isqrt(int(np.median([len(part) for part in drawn]))))
    drawn = [part for part in drawn if len(part) >= used]
    if not drawn:
        return UNKNOWN
    with np.errstate(divide="ignore", invalid="ignore"):  # coinciding values give ln 0
        gains = [_log_gains(part[: len(part) // used * used].reshape(-1, used)) for part in drawn]
    sums = gains[0] if block is None else np.array([gain.sum() for gain in gains])
    counts = np.ones(len(sums)) if block is None else np.array([float(len(gain)) for gain in gains])
    total = float(sums.sum())
    if not (math.isfinite(total) and total > 0):
        return UNKNOWN
    return jackknife_ratio(math.log(used) * float(counts.sum()) / total, counts, sums, MIN_BLOCKS)


def magnitudes(values: ArrayLike) -> FloatArray:
    """Return the absolute values of all values that are not zero, flattened.

    Raises
    ------
    ConfigError
        If values are not finite real numbers.
    """
    sizes = np.abs(real_numbers(values, "values")).ravel()
    return sizes[sizes > 0]


def _blocks(rows: FloatArray, block: int) -> list[FloatArray]:
    return np.array_split(rows, max(1, len(rows) // whole_number(block, "block", 1)))


def _symmetrised(values: FloatArray, generator: np.random.Generator) -> FloatArray:
    """Return differences of values drawn in pairs, each used once, without a few zeros."""
    kept = generator.permutation(values[values != 0])
    half = len(kept) // 2
    differences = kept[:half] - kept[half : 2 * half]
    nonzero = differences[differences != 0]
    return nonzero if len(nonzero) >= (1 - MAX_COINCIDING) * half else differences


def _log_gains(parts: FloatArray) -> FloatArray:
    """Return ln|sum| − mean ln|x| of each row."""
    return np.log(np.abs(parts.sum(axis=1))) - np.log(np.abs(parts)).mean(axis=1)
