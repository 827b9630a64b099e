"""Is one path like the others? Time averages of single paths against averages over an ensemble of them, such as seeds.

- The ergodicity-breaking parameter EB(τ) = ⟨δ²(τ)²⟩ / ⟨δ²(τ)⟩² − 1 of the paths' time-averaged MSDs δ²: the variance of what
  single paths say, over its squared mean (He, Burov, Metzler & Barkai, PRL 101 (2008) 058101). It falls to 0 with the window's
  length where time averages are ergodic, as for Brownian motion in d dimensions, 4τ/(3Td), and stays where they are not, as for
  continuous-time random walks.
- The ageing ratio: the ensemble's displacement from the window's first point over the mean time average, at the same lag.
  Stationary increments make it 1; motion that slows down within the window makes it more than 1.

The pitfall: with a handful of seeds the variance is hardly known; the interval says so. Ergodic paths have EB > 0 too: compare
with what a Gaussian path of the same law would have (2 over the effective number of samples).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit
from scipy.stats import chi2

from anodiff.diffusion.intervals import COVERAGE, UNKNOWN, Interval

UPPER = (1 + COVERAGE) / 2


def over_ensemble(values: ArrayLike) -> Interval:
    """Return the mean of an exponent over paths, NaNs left out, with Student's interval: NaN ends for fewer than two.

    Examples
    --------
    >>> over_ensemble([1.0, 1.2, 1.1]).value.round(3)
    np.float64(1.1)
    """
    known = np.asarray(values, np.float64)
    known = known[np.isfinite(known)]
    if not len(known):
        return UNKNOWN
    mean = known.mean()
    if len(known) < 2:
        return Interval(float(mean), math.nan, math.nan)
    error = float(stdtrit(len(known) - 1, UPPER)) * known.std(ddof=1) / math.sqrt(len(known))
    return Interval(mean, mean - error, mean + error)


def ergodicity_breaking(time_averaged: ArrayLike) -> Interval:
    """Return EB of time-averaged MSDs at one lag, shape (paths,); the variance is the unbiased one.

    The interval is that of a normal variance (χ²), the mean being known far better. NaN for fewer than two paths.
    """
    msd = np.asarray(time_averaged, np.float64)
    msd = msd[np.isfinite(msd)]
    if len(msd) < 2 or not msd.mean() > 0:
        return UNKNOWN
    freedom = len(msd) - 1
    breaking = float(msd.var(ddof=1) / msd.mean() ** 2)
    return Interval(breaking, *(breaking * freedom / float(chi2.ppf(p, freedom)) for p in (UPPER, 1 - UPPER)))


def ageing_ratio(from_first: ArrayLike, time_averaged: ArrayLike) -> Interval:
    """Return the ensemble's squared displacement from the first point over its mean time average, at one lag.

    Both of shape (paths,). The interval is a jackknife's over paths, of the logarithm.
    """
    displacement, msd = np.asarray(from_first, np.float64), np.asarray(time_averaged, np.float64)
    known = np.isfinite(displacement) & np.isfinite(msd)
    displacement, msd = displacement[known], msd[known]
    if not len(msd) or not (displacement.sum() > 0 and msd.sum() > 0):
        return UNKNOWN
    ratio = float(displacement.sum() / msd.sum())
    number = len(msd)
    with np.errstate(divide="ignore"):
        without = np.log((displacement.sum() - displacement) / np.maximum(msd.sum() - msd, 1e-300))
    if number < 2 or not np.isfinite(without).all():
        return Interval(ratio, math.nan, math.nan)
    error = float(stdtrit(number - 1, UPPER)) * math.sqrt((number - 1) * without.var())
    return Interval(ratio, ratio * math.exp(-error), ratio * math.exp(error))
