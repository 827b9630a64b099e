"""Is one path like the others? Time averages of single paths against averages over an ensemble.

- The ergodicity-breaking parameter EB(τ) = ⟨δ²(τ)²⟩ / ⟨δ²(τ)⟩² − 1 is the variance of the paths'
  time-averaged MSDs δ² over their squared mean (He, Burov, Metzler & Barkai, PRL 101 (2008)
  058101). If time averages are ergodic, it falls to 0 as the window gets longer: for Brownian
  motion in d dimensions it is 4τ/(3Td). If they are not, as for continuous-time random walks, it
  stays finite.
- The ageing ratio is the ensemble's squared displacement from the window's first point over the
  mean time average at the same lag. Stationary increments make it 1; motion that slows down within
  the window makes it larger.

The pitfall: with a handful of seeds the variance is hardly known, and the interval is wide. Ergodic
paths have EB > 0 too. Compare it with that of a Gaussian path of the same law, 2 over the effective
number of samples.
"""

from __future__ import annotations

import math

import numpy as np
import scipy
from numpy.typing import ArrayLike

from anodiff.diffusion.intervals import LOWER, UNKNOWN, UPPER, Interval, jackknife_ratio
from anodiff.storage.numbers import real_numbers


def ensemble_mean(values: ArrayLike) -> Interval:
    """Return the mean over paths, NaNs left out, with Student's interval.

    The ends are NaN for fewer than two values.

    Examples
    --------
    >>> ensemble_mean([1.0, 1.2, 1.1]).value.round(3)
    np.float64(1.1)
    """
    known = real_numbers(values, "values", finite=False)
    known = known[np.isfinite(known)]
    if not len(known):
        return UNKNOWN
    mean = known.mean()
    if len(known) < 2:
        return Interval(float(mean), math.nan, math.nan)
    error = float(scipy.special.stdtrit(len(known) - 1, UPPER)) * known.std(ddof=1) / math.sqrt(len(known))
    return Interval(mean, mean - error, mean + error)


def ergodicity_breaking(time_averaged: ArrayLike) -> Interval:
    """Return EB of time-averaged MSDs at one lag, shape (paths,); NaN for fewer than two paths.

    The variance is the unbiased one. The interval is that of a normal variance (χ²), because the
    mean is known far better.
    """
    msd = real_numbers(time_averaged, "time_averaged", finite=False)
    msd = msd[np.isfinite(msd)]
    if len(msd) < 2 or not msd.mean() > 0:
        return UNKNOWN
    freedom = len(msd) - 1
    breaking = float(msd.var(ddof=1) / msd.mean() ** 2)
    quantiles = (2 * float(scipy.special.gammaincinv(freedom / 2, p)) for p in (UPPER, LOWER))  # of chi-square
    return Interval(breaking, *(breaking * freedom / quantile for quantile in quantiles))


def ageing_ratio(from_first: ArrayLike, time_averaged: ArrayLike) -> Interval:
    """Return the mean squared displacement from the first point over the mean time average.

    Both are at one lag, shape (paths,). The interval is a jackknife's over paths, of the logarithm.
    """
    displacement = real_numbers(from_first, "from_first", finite=False)
    msd = real_numbers(time_averaged, "time_averaged", finite=False)
    known = np.isfinite(displacement) & np.isfinite(msd)
    displacement, msd = displacement[known], msd[known]
    if not len(msd) or not (displacement.sum() > 0 and msd.sum() > 0):
        return UNKNOWN
    return jackknife_ratio(float(displacement.sum() / msd.sum()), displacement, msd)
