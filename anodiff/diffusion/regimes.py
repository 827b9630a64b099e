"""Does the MSD follow one power of lag or two? A single or a continuous broken power law.

ln Δr² = a + α₁ x + (α₂ − α₁) max(0, x − ln τ_0), x = ln τ, at logarithmically spaced lags. τ_0 is
searched for among the lags.

The pitfall: MSDs at neighbouring lags share most of their displacements, so their errors are
strongly correlated. Least squares and an information criterion that assume independent errors find
regimes everywhere. With the covariance of ln Δr² (`anodiff.diffusion.sampling`), the fit uses
generalised least squares and the Bayesian information criterion is valid.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import ArrayLike

from anodiff.storage.numbers import real_numbers
from anodiff.storage.types import FloatArray

#: Relative accuracy to which a measured MSD can be a power law: fits that agree within it are
#: equally good.
RESOLUTION = 0.02

#: The smallest span of a regime in ln τ (half a decade).
SHORTEST_REGIME = math.log(10) / 2

#: The smallest number of lags that is fitted.
MIN_LAGS = 5


@dataclass(frozen=True)
class Regimes:
    """A continuous power law of one or two regimes.

    Attributes
    ----------
    count
        1 or 2, chosen by the Bayesian information criterion; 0 if nothing could be fitted.
    first, second
        Exponents before and after the crossover; equal if there is one regime.
    crossover
        Crossover lag τ_0; NaN if there is one regime.
    fit_from, fit_to
        Smallest and largest lag of the fit.
    prefactor
        MSD of the first regime at lag 1.
    """

    count: int
    first: float
    second: float
    crossover: float
    fit_from: float
    fit_to: float
    prefactor: float = math.nan

    def msd(self, lags: ArrayLike) -> FloatArray:
        """Return the law's MSD at some lags; 0 at lag 0."""
        tau = np.asarray(lags, float)
        with np.errstate(divide="ignore"):
            x = np.log(tau)
        y = math.log(self.prefactor) + self.first * x
        if self.count == 2:
            y = y + (self.second - self.first) * np.maximum(0.0, x - math.log(self.crossover))
        return np.where(tau > 0, np.exp(y), 0.0)


NOTHING_FITTED = Regimes(0, math.nan, math.nan, math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class RegimeFits:
    """A single and a broken power law fitted to each of several curves.

    Attributes
    ----------
    single, single_misfit
        ln prefactor and exponent of the single power law, shape (2, curves); sum of squared
        residuals in units of their error.
    broken, crossover, broken_misfit
        ln prefactor, first exponent and change of exponent of the broken power law, shape (3,
        curves); τ_0; misfit. With too few lags for two regimes, the misfit is infinite and the
        others are NaN.
    """

    single: FloatArray
    single_misfit: FloatArray
    broken: FloatArray
    crossover: FloatArray
    broken_misfit: FloatArray


def fit_regimes(lags: ArrayLike, msd: ArrayLike, covariance: FloatArray | None = None) -> Regimes:
    """Fit one and two regimes and select one of the two.

    Parameters
    ----------
    covariance
        Covariance of ln Δr² at the lags, shape (lags, lags). Without it, all lags have the same
        weight, and the information criterion counts one independent value per octave of lag.
    """
    tau, displacement = real_numbers(lags, "lags", "(n,)"), real_numbers(msd, "msd", "(n,)", finite=False)
    usable = np.isfinite(displacement) & (displacement > 0)
    if usable.sum() < MIN_LAGS:
        return NOTHING_FITTED
    tau, y = tau[usable], np.log(displacement[usable])
    fits = fit_both_laws(tau, y[:, None], None if covariance is None else covariance[np.ix_(usable, usable)])
    return select_regimes(tau, fits, weighted=covariance is not None)


def fit_both_laws(lags: FloatArray, log_msd: FloatArray, covariance: FloatArray | None = None) -> RegimeFits:
    """Fit a single and a broken power law to curves ln Δr², (lags, curves), by least squares.

    With a covariance, the least squares are generalised.
    """
    x = np.log(lags)
    design = np.stack([np.ones_like(x), x], axis=1)
    factor = None if covariance is None else scipy.linalg.cholesky(covariance + RESOLUTION**2 * np.eye(len(x)), lower=True)
    target = _whitened(factor, log_msd)
    line = _whitened(factor, design)
    single, single_misfit = _least_squares(line, target)
    curves = log_msd.shape[1]
    knots = x[(x >= x[0] + SHORTEST_REGIME) & (x <= x[-1] - SHORTEST_REGIME)]
    if not len(knots):
        nothing = np.full(curves, np.nan)
        return RegimeFits(single, single_misfit, np.full((3, curves), np.nan), nothing, np.full(curves, math.inf))
    misfits = _misfits(factor, line, x, knots, target)
    knot = knots[misfits.argmin(axis=0)]
    broken, broken_misfit = _fit_broken(factor, line, x, knot, target)
    between = _lowest_between(knots, misfits)
    closer, closer_misfit = _fit_broken(factor, line, x, between, target)
    better = closer_misfit < broken_misfit
    broken, knot = np.where(better, closer, broken), np.where(better, between, knot)
    return RegimeFits(single, single_misfit, broken, np.exp(knot), np.minimum(closer_misfit, broken_misfit))


def _misfits(factor: FloatArray | None, line: FloatArray, x: FloatArray, knots: FloatArray, target: FloatArray) -> FloatArray:
    """Return the misfits of broken power laws with each of ``knots``, shape (knots, curves)."""
    inverse = np.linalg.pinv(line)
    hinges = _whitened(factor, np.maximum(0.0, x[:, None] - knots))
    free = hinges - line @ (inverse @ hinges)  # the parts that a straight line cannot describe, (lags, knots)
    rest = target - line @ (inverse @ target)
    changes = free.T @ rest / (free * free).sum(axis=0)[:, None]
    misfits = np.empty_like(changes)
    for misfit, part, change in zip(misfits, free.T, changes, strict=True):
        residual = rest - part[:, None] * change
        np.einsum("lc,lc->c", residual, residual, out=misfit)
    return misfits


def _fit_broken(
    factor: FloatArray | None, line: FloatArray, x: FloatArray, knot: FloatArray, target: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Fit a broken power law with its crossover at ln τ_0 = knot, one for each curve.

    ``line``, the design matrix of a straight line, and ``target`` are whitened. Return the
    parameters and the misfit.
    """
    hinge = _whitened(factor, np.maximum(0.0, x[:, None] - knot))
    inverse = np.linalg.pinv(line)
    free = hinge - line @ (inverse @ hinge)  # the part that a straight line cannot describe
    change = (free * target).sum(axis=0) / (free * free).sum(axis=0)
    parameters = inverse @ (target - change * hinge)
    misfit = ((target - change * hinge - line @ parameters) ** 2).sum(axis=0)
    return np.vstack([parameters, change]), misfit


def _lowest_between(knots: FloatArray, misfits: FloatArray) -> FloatArray:
    """Return the lowest point of the parabola through the smallest misfit and its neighbours.

    Its shape is (curves,).
    """
    if len(knots) < 3:
        return knots[misfits.argmin(axis=0)]
    middle = np.clip(misfits.argmin(axis=0), 1, len(knots) - 2)
    columns = np.arange(misfits.shape[1])
    left, centre, right = (misfits[middle + shift, columns] for shift in (-1, 0, 1))
    x_left, x, x_right = (knots[middle + shift] for shift in (-1, 0, 1))
    rising, falling = (right - centre) / (x_right - x), (centre - left) / (x - x_left)
    curvature = (rising - falling) / (x_right - x_left)
    at_middle = falling + curvature * (x - x_left)  # slope of the parabola there
    with np.errstate(divide="ignore", invalid="ignore"):
        lowest = x - at_middle / (2 * curvature)
    return np.where(curvature > 0, np.clip(lowest, x_left, x_right), x)


def select_regimes(lags: FloatArray, fits: RegimeFits, *, weighted: bool) -> Regimes:
    """Select one of the two fits of the first curve by the Bayesian information criterion."""
    one, two = float(fits.single_misfit[0]), float(fits.broken_misfit[0])
    ends = (float(lags[0]), float(lags[-1]))
    if weighted:
        gain, count = one - two, float(len(lags))
    else:
        count = max(2.0, math.log2(lags[-1] / lags[0]))
        floor = len(lags) * RESOLUTION**2
        gain = count * (math.log(one + floor) - math.log(two + floor))
    chosen = 2 if np.isfinite(fits.crossover[0]) and gain > 2 * math.log(count) else 1
    return _law(fits, chosen, ends)


def regimes_of(lags: ArrayLike, msd: ArrayLike, covariance: FloatArray, count: int) -> Regimes:
    """Fit a given number of regimes, 1 or 2, to an MSD at some lags, all positive."""
    tau = np.asarray(lags, np.float64)
    fits = fit_both_laws(tau, np.log(np.asarray(msd, np.float64))[:, None], covariance)
    return _law(fits, count, (float(tau[0]), float(tau[-1])))


def search_range(lags: ArrayLike) -> tuple[float, float]:
    """Return the smallest and largest crossover that can be found in a fit over some lags."""
    tau = np.asarray(lags, np.float64)
    x = np.log(tau)
    inside = tau[(x >= x[0] + SHORTEST_REGIME) & (x <= x[-1] - SHORTEST_REGIME)]
    return (float(inside[0]), float(inside[-1])) if len(inside) else (math.nan, math.nan)


def _law(fits: RegimeFits, count: int, ends: tuple[float, float]) -> Regimes:
    if count == 2:
        prefactor, first, change = (float(value) for value in fits.broken[:, 0])
        return Regimes(2, first, first + change, float(fits.crossover[0]), *ends, math.exp(prefactor))
    prefactor, exponent = (float(value) for value in fits.single[:, 0])
    return Regimes(1, exponent, exponent, math.nan, *ends, math.exp(prefactor))


def _whitened(factor: FloatArray | None, values: FloatArray) -> FloatArray:
    return values if factor is None else scipy.linalg.solve_triangular(factor, values, lower=True)


def _least_squares(design: FloatArray, target: FloatArray) -> tuple[FloatArray, FloatArray]:
    orthogonal, triangle = np.linalg.qr(design)
    projected = orthogonal.T @ target
    residual = target - orthogonal @ projected
    return scipy.linalg.solve_triangular(triangle, projected), (residual**2).sum(axis=0)
