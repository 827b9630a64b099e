"""Does the MSD follow one power of lag, two or three? A single or a continuous broken power law.

ln Δr² = a + α₁ x + Σ_k (α_{k+1} − α_k) max(0, x − ln τ_k), x = ln τ, at logarithmically spaced lags.
The crossovers τ_k are searched for among the lags.

The pitfall: MSDs at neighbouring lags share most of their displacements, so their errors are
strongly correlated. Least squares and an information criterion that assume independent errors find
regimes everywhere. With the covariance of ln Δr² (`anodiff.diffusion.sampling`), the fit uses
generalised least squares and the Bayesian information criterion is valid.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from anodiff.storage.numbers import real_numbers
from anodiff.storage.types import FloatArray

#: Relative accuracy to which a measured MSD can be a power law: fits that agree within it are
#: equally good.
RESOLUTION = 0.02

#: The smallest span of a regime in ln τ (half a decade).
SHORTEST_REGIME = math.log(10) / 2

#: The smallest number of lags that is fitted.
MIN_LAGS = 5

#: The largest number of regimes; without a covariance, which could not tell more apart, one less.
MOST_REGIMES = 3


@dataclass(frozen=True)
class Regimes:
    """A continuous power law of one or more regimes.

    Attributes
    ----------
    exponents
        Exponent of each regime; none if nothing could be fitted.
    crossovers
        Lags τ_k at which one regime ends and the next begins, one fewer than exponents.
    fit_from, fit_to
        Smallest and largest lag of the fit.
    prefactor
        MSD of the first regime at lag 1.
    """

    exponents: tuple[float, ...]
    crossovers: tuple[float, ...]
    fit_from: float
    fit_to: float
    prefactor: float = math.nan

    @property
    def count(self) -> int:
        """Number of regimes; 0 if nothing could be fitted."""
        return len(self.exponents)

    def msd(self, lags: ArrayLike) -> FloatArray:
        """Return the law's MSD at some lags; 0 at lag 0."""
        tau = np.asarray(lags, float)
        with np.errstate(divide="ignore"):
            x = np.log(tau)
        y = math.log(self.prefactor) + self.exponents[0] * x
        for crossover, change in zip(self.crossovers, np.diff(self.exponents), strict=True):
            y = y + change * np.maximum(0.0, x - math.log(crossover))
        return np.where(tau > 0, np.exp(y), 0.0)

    def within(self, smallest: float, largest: float) -> Regimes:
        """Return the law with its exponents kept within a range."""
        return replace(self, exponents=tuple(min(max(exponent, smallest), largest) for exponent in self.exponents))


NOTHING_FITTED = Regimes((), (), math.nan, math.nan)


@dataclass(frozen=True)
class RegimeFit:
    """Power laws of a given number of regimes, fitted to several curves.

    Attributes
    ----------
    log_prefactor
        Shape (curves,).
    exponents
        Shape (regimes, curves).
    crossovers
        Shape (regimes − 1, curves).
    misfit
        Sum of squared residuals in units of their error, shape (curves,).
    """

    log_prefactor: FloatArray
    exponents: FloatArray
    crossovers: FloatArray
    misfit: FloatArray

    def law(self, curve: int, ends: tuple[float, float]) -> Regimes:
        """Return the law of one of the curves, fitted between two lags."""
        exponents, crossovers = (tuple(map(float, found[:, curve])) for found in (self.exponents, self.crossovers))
        return Regimes(exponents, crossovers, *ends, math.exp(self.log_prefactor[curve]))


def fit_regimes(lags: ArrayLike, msd: ArrayLike, covariance: FloatArray | None = None) -> Regimes:
    """Fit power laws of each number of regimes and select one of them.

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
    return select_regimes(
        tau[usable], np.log(displacement[usable]), None if covariance is None else covariance[np.ix_(usable, usable)]
    )


def select_regimes(
    lags: FloatArray, log_msd: FloatArray, covariance: FloatArray | None = None, most: int = MOST_REGIMES
) -> Regimes:
    """Fit one curve ln Δr², (lags,), and select the number of regimes by the Bayesian information criterion.

    Every regime counts as two parameters, its exponent and its crossover. Three regimes are only
    selected if their crossovers are found, and not at an end of the search.

    Parameters
    ----------
    most
        The largest number of regimes; see `MOST_REGIMES`.
    """
    most = min(most, MOST_REGIMES if covariance is not None else MOST_REGIMES - 1)
    fits = [fit for number in range(1, most + 1) if (fit := fit_law(lags, log_msd[:, None], number, covariance)) is not None]
    fits = [fit for fit in fits if len(fit.exponents) < 3 or found_inside(fit.crossovers[:, 0], lags)]
    sizes, misfits = 2 * np.array([len(fit.exponents) for fit in fits]), np.array([fit.misfit[0] for fit in fits])
    if covariance is None:
        count = max(2.0, math.log2(lags[-1] / lags[0]))
        misfits = count * np.log(misfits + len(lags) * RESOLUTION**2)
    else:
        count = float(len(lags))
    return fits[int(np.argmin(misfits + sizes * math.log(count)))].law(0, (float(lags[0]), float(lags[-1])))


def fit_law(lags: FloatArray, log_msd: FloatArray, regimes: int, covariance: FloatArray | None = None) -> RegimeFit | None:
    """Fit power laws of a number of regimes to curves ln Δr², (lags, curves), by least squares.

    With a covariance, the least squares are generalised. There is no fit of so many regimes, and
    the result is None, if the lags are too few for them.
    """
    x = np.log(lags)
    identity = np.eye(len(x))
    factor = identity if covariance is None else scipy.linalg.cholesky(covariance + RESOLUTION**2 * identity, lower=True)
    line = _whitened(factor, np.stack([np.ones_like(x), x], axis=1))
    target = _whitened(factor, log_msd)
    if regimes == 1:
        return _fit_at(np.empty((0, log_msd.shape[1])), factor, x, line, target)
    knots = x[(x >= x[0] + SHORTEST_REGIME) & (x <= x[-1] - SHORTEST_REGIME)]
    places = _places(knots, regimes - 1)
    if not len(places):
        return None
    chosen, between = _lowest(knots, places, _reductions(factor, x, knots, places, line, target))
    on_lags, closer = (_fit_at(at, factor, x, line, target) for at in (chosen, between))
    better = closer.misfit < on_lags.misfit
    pairs = zip(
        (closer.log_prefactor, closer.exponents, closer.crossovers, closer.misfit),
        (on_lags.log_prefactor, on_lags.exponents, on_lags.crossovers, on_lags.misfit),
        strict=True,
    )
    return RegimeFit(*(np.where(better, near, far) for near, far in pairs))


def search_range(lags: ArrayLike) -> tuple[float, float]:
    """Return the smallest and largest crossover that can be found in a fit over some lags."""
    tau = np.asarray(lags, np.float64)
    x = np.log(tau)
    inside = tau[(x >= x[0] + SHORTEST_REGIME) & (x <= x[-1] - SHORTEST_REGIME)]
    return (float(inside[0]), float(inside[-1])) if len(inside) else (math.nan, math.nan)


def found_inside(crossovers: ArrayLike, lags: ArrayLike) -> bool:
    """Return whether crossovers of a fit over some lags are inside of the range searched, and not as close as they may be."""
    smallest, largest = search_range(lags)
    found = np.asarray(crossovers)
    pinned = (found <= smallest * (1 + 1e-9)) | (found >= largest * (1 - 1e-9))
    return not pinned.any() and bool((np.diff(np.log(found)) > 1.1 * SHORTEST_REGIME).all())


def _places(knots: FloatArray, count: int) -> NDArray[np.int64]:
    """Return the indices of one or two knots that leave each regime long enough, shape (places, count)."""
    if count == 1:
        return np.arange(len(knots))[:, None]
    return np.argwhere(knots - knots[:, None] >= SHORTEST_REGIME * (1 - 1e-9))


def _reductions(
    factor: FloatArray, x: FloatArray, knots: FloatArray, places: NDArray[np.int64], line: FloatArray, target: FloatArray
) -> FloatArray:
    """Return by how much crossovers at ``places`` reduce the misfit of a straight line, shape (places, curves)."""
    inverse = np.linalg.pinv(line)
    hinges = _whitened(factor, np.maximum(0.0, x[:, None] - knots))
    free = hinges - line @ (inverse @ hinges)  # the parts that a straight line cannot describe, (lags, knots)
    products, along = free.T @ free, free.T @ target
    if places.shape[1] == 1:
        return np.asarray(along**2 / np.diagonal(products)[:, None])
    first, second = places.T
    own, other, both = (products[one, two][:, None] for one, two in ((first, first), (second, second), (first, second)))
    one, two = along[first], along[second]
    return np.asarray((other * one**2 - 2 * both * one * two + own * two**2) / (own * other - both**2))


def _lowest(knots: FloatArray, places: NDArray[np.int64], reductions: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the best of the places, and the top of the parabolas through it and its neighbours, (count, curves) each."""
    best = places[reductions.argmax(axis=0)].T
    table = np.full((len(knots),) * len(best), np.nan)
    number = np.full(table.shape, -1)
    number[tuple(places.T)] = np.arange(len(places))
    columns = np.arange(reductions.shape[1])
    chosen = knots[best]
    between = chosen.copy()
    if len(knots) < 3:
        return chosen, between
    for axis, middle in enumerate(best):
        inner = np.clip(middle, 1, len(knots) - 2)
        sides = []
        for shift in (-1, 0, 1):
            at = number[tuple(inner + shift if other == axis else best[other] for other in range(len(best)))]
            sides.append(np.where(at >= 0, reductions[at, columns], np.nan))
        left, centre, right = sides
        x_left, x, x_right = (knots[inner + shift] for shift in (-1, 0, 1))
        with np.errstate(divide="ignore", invalid="ignore"):
            rising, falling = (right - centre) / (x_right - x), (centre - left) / (x - x_left)
            curvature = (rising - falling) / (x_right - x_left)
            top = x - (falling + curvature * (x - x_left)) / (2 * curvature)
        between[axis] = np.where(curvature < 0, np.clip(top, x_left, x_right), chosen[axis])
    return chosen, between


def _fit_at(knots: FloatArray, factor: FloatArray, x: FloatArray, line: FloatArray, target: FloatArray) -> RegimeFit:
    """Fit a broken power law with its crossovers at ln τ_k = knots, (count, curves), to each curve.

    ``line``, the design matrix of a straight line, and ``target`` are whitened.
    """
    inverse = np.linalg.pinv(line)
    hinges = np.array([_whitened(factor, np.maximum(0.0, x[:, None] - knot)) for knot in knots]).reshape(
        len(knots), *target.shape
    )
    free = hinges - line @ (inverse @ hinges)  # the parts that a straight line cannot describe, (count, lags, curves)
    products = np.einsum("ilc,jlc->cij", free, free)
    changes = np.linalg.solve(products, np.einsum("ilc,lc->ci", free, target)[..., None])[..., 0].T
    rest = target - np.einsum("ic,ilc->lc", changes, hinges)
    log_prefactor, first = inverse @ rest
    exponents = first + np.concatenate([np.zeros((1, len(first))), np.cumsum(changes, axis=0)])
    misfit = ((rest - line @ np.stack([log_prefactor, first])) ** 2).sum(axis=0)
    return RegimeFit(log_prefactor, exponents, np.exp(knots), misfit)


def _whitened(factor: FloatArray, values: FloatArray) -> FloatArray:
    return np.asarray(scipy.linalg.solve_triangular(factor, values, lower=True))
