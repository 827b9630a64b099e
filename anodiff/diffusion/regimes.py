"""One power of lag or two? A continuous piecewise power law of the MSD, its crossover, and how many regimes there are.

ln Δr² = a + α₁ x + (α₂ − α₁) max(0, x − ln τ_0), x = ln τ, at logarithmically spaced lags; τ_0 is searched for among the lags.

The pitfall: MSDs at neighbouring lags share most of their displacements, so their errors are strongly correlated; least
squares and an information criterion that take them for independent find regimes everywhere. With the covariance of ln Δr²
(`anodiff.diffusion.sampling`) the fit is by generalised least squares and the Bayesian information criterion is what it says.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import cholesky, solve_triangular

from anodiff.storage.types import FloatArray

#: Relative accuracy below which no MSD is an exact power law: fits within it are equally good.
RESOLUTION = 0.02

#: Each regime spans at least so many natural-log units of lag (half a decade).
SHORTEST_REGIME = math.log(10) / 2

#: A fit needs at least so many lags.
FEWEST_LAGS = 5


@dataclass(frozen=True)
class Regimes:
    """A continuous power law of one or two regimes.

    Attributes
    ----------
    count
        1 or 2, chosen by the Bayesian information criterion; 0 where nothing could be fitted.
    first, second
        Exponents before and after the crossover; equal where there is one regime.
    crossover
        Crossover lag τ_0; NaN where there is one regime.
    fit_from, fit_to
        The lags between which was fitted.
    prefactor
        The law's value at lag 1, from its first regime.
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
class Fits:
    """Both fits of several curves at once.

    Attributes
    ----------
    line, line_misfit
        ln prefactor and exponent of one regime, shape (2, curves); sum of squared residuals, in units of their error.
    bent, crossover, bent_misfit
        ln prefactor, first exponent and change of exponent, shape (3, curves); τ_0, NaN where there are too few lags; misfit,
        infinite there.
    """

    line: FloatArray
    line_misfit: FloatArray
    bent: FloatArray
    crossover: FloatArray
    bent_misfit: FloatArray


def fit_regimes(lags: ArrayLike, msd: ArrayLike, covariance: FloatArray | None = None) -> Regimes:
    """Fit one and two regimes and choose between them.

    Parameters
    ----------
    covariance
        Of ln Δr² at the lags, shape (lags, lags). Without, all lags weigh the same, and the information criterion counts one
        independent value per octave of lag.
    """
    tau, displacement = np.asarray(lags, float), np.asarray(msd, float)
    usable = np.isfinite(displacement) & (displacement > 0)
    if usable.sum() < FEWEST_LAGS:
        return NOTHING_FITTED
    tau, y = tau[usable], np.log(displacement[usable])
    fits = fit_both(tau, y[:, None], None if covariance is None else covariance[np.ix_(usable, usable)])
    return choose(tau, fits, weighted=covariance is not None)


def fit_both(lags: FloatArray, log_msd: FloatArray, covariance: FloatArray | None = None) -> Fits:
    """Fit both laws to several curves ln Δr², shape (lags, curves), by (generalised) least squares."""
    x = np.log(lags)
    design = np.stack([np.ones_like(x), x], axis=1)
    factor = None if covariance is None else cholesky(covariance + RESOLUTION**2 * np.eye(len(x)), lower=True)
    target = _whitened(factor, log_msd)
    straight = _whitened(factor, design)
    line, line_misfit = _least_squares(straight, target)
    curves = log_msd.shape[1]
    places = np.flatnonzero((x >= x[0] + SHORTEST_REGIME) & (x <= x[-1] - SHORTEST_REGIME))
    if not len(places):
        nothing = np.full(curves, np.nan)
        return Fits(line, line_misfit, np.full((3, curves), np.nan), nothing, np.full(curves, math.inf))
    on_grid = [_bent(factor, straight, x, x[place], target) for place in places]
    misfits = np.array([misfit for _, misfit in on_grid])  # (places, curves)
    knot = x[places][misfits.argmin(axis=0)]
    bent, bent_misfit = _bent(factor, straight, x, knot, target)
    between = _lowest_between(x[places], misfits)
    closer, closer_misfit = _bent(factor, straight, x, between, target)
    better = closer_misfit < bent_misfit
    bent, knot = np.where(better, closer, bent), np.where(better, between, knot)
    return Fits(line, line_misfit, bent, np.exp(knot), np.minimum(closer_misfit, bent_misfit))


def _bent(
    factor: FloatArray | None, straight: FloatArray, x: FloatArray, knot: FloatArray | float, target: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Fit two regimes with the crossover at ln τ_0 = knot, one for all curves or one for each; line and target are whitened."""
    hinge = _whitened(factor, np.maximum(0.0, x[:, None] - knot))
    inverse = np.linalg.pinv(straight)
    free = hinge - straight @ (inverse @ hinge)  # what a line does not describe
    change = (free * target).sum(axis=0) / (free * free).sum(axis=0)
    line = inverse @ (target - change * hinge)
    misfit = ((target - change * hinge - straight @ line) ** 2).sum(axis=0)
    return np.vstack([line, change]), misfit


def _lowest_between(knots: FloatArray, misfits: FloatArray) -> FloatArray:
    """Return where the parabola through each curve's three lowest neighbours has its lowest point, shape (curves,)."""
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


def choose(lags: FloatArray, fits: Fits, *, weighted: bool) -> Regimes:
    """Choose between the two fits of the first curve by the Bayesian information criterion."""
    one, two = float(fits.line_misfit[0]), float(fits.bent_misfit[0])
    ends = (float(lags[0]), float(lags[-1]))
    if weighted:
        gain, count = one - two, float(len(lags))
    else:
        count = max(2.0, math.log2(lags[-1] / lags[0]))
        floor = len(lags) * RESOLUTION**2
        gain = count * (math.log(one + floor) - math.log(two + floor))
    if np.isfinite(fits.crossover[0]) and gain > 2 * math.log(count):
        prefactor, first, change = (float(value) for value in fits.bent[:, 0])
        return Regimes(2, first, first + change, float(fits.crossover[0]), *ends, math.exp(prefactor))
    prefactor, exponent = (float(value) for value in fits.line[:, 0])
    return Regimes(1, exponent, exponent, math.nan, *ends, math.exp(prefactor))


def _whitened(factor: FloatArray | None, values: FloatArray) -> FloatArray:
    return values if factor is None else solve_triangular(factor, values, lower=True)


def _least_squares(design: FloatArray, target: FloatArray) -> tuple[FloatArray, FloatArray]:
    orthogonal, triangle = np.linalg.qr(design)
    projected = orthogonal.T @ target
    residual = target - orthogonal @ projected
    return solve_triangular(triangle, projected), (residual**2).sum(axis=0)
