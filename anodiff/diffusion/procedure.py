"""Which numbers are taken of a curve? The same ones of a measured, a drawn and an exactly known one.

An interval inverts a test, so it needs to know what would have been measured if another law were
true. And a calibration needs the true value: what the exact curve gives by the same slopes, over
the same lags, with the same weights. All three come from here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from anodiff.diffusion.exponents import local_exponents, local_slopes, slope
from anodiff.diffusion.intervals import UNKNOWN, Interval
from anodiff.diffusion.regimes import MOST_REGIMES, RegimeFit, Regimes, fit_law, search_range
from anodiff.storage.types import FloatArray

#: The largest local exponent is searched for up to the lag of which this many displacements fit
#: into the window without overlap.
MIN_DISPLACEMENTS = 5

#: The shortest lag, or number of steps of contour, in one exponent over all. Below it single steps
#: show.
SHORTEST = 3

#: Names of the first values of `Procedure.of_curve` and `Procedure.of_draws`; the local exponents
#: follow.
NAMES = ("first", "second", "third", "log_crossover", "log_second_crossover", "long", "overall", "largest")


@dataclass(frozen=True)
class Procedure:
    """How a window's exponents are taken, whatever the curve.

    Attributes
    ----------
    lags
        Lags in updates, shape (lags,).
    updates
        Length T of the window.
    width
        Width of the local slope in decades.
    long
        Smallest and largest of the long lags, in updates.
    fitted
        Whether a lag is used to fit the regimes, shape (lags,).
    weights
        The fit's covariance: that of Brownian motion of this window's length and effective
        dimension, shape (fitted lags, fitted lags). So it does not depend on the curve.
    regimes
        Number of regimes.
    """

    lags: NDArray[np.int64]
    updates: int
    width: float
    long: tuple[float, float]
    fitted: NDArray[np.bool_]
    weights: FloatArray
    regimes: int

    @cached_property
    def searched(self) -> NDArray[np.bool_]:
        """Whether a lag is searched for the largest local exponent, shape (lags,)."""
        return self.lags <= max(self.lags[0], self.updates / MIN_DISPLACEMENTS)

    @cached_property
    def _operator(self) -> FloatArray:
        return local_slopes(self.lags, self.width)

    def law(self, every_msd: FloatArray) -> Regimes:
        """Return the law of this many regimes that fits an MSD at lags 0 … T best."""
        used = self.lags[self.fitted]
        return self._fit(np.log(every_msd[used])[:, None]).law(0, (float(used[0]), float(used[-1])))

    def of_curve(self, every_msd: FloatArray) -> FloatArray:
        """Return the values of an MSD at lags 0 … T, shape (quantities,): `NAMES`, then β."""
        within = self.lags >= SHORTEST
        named = self._of_fit(self._fit(np.log(every_msd[self.lags[self.fitted]])[:, None]))[:, 0]
        beta = local_exponents(every_msd, self.lags, self.width)
        overall = slope(self.lags[within], every_msd[self.lags[within]])
        largest = float(np.nanmax(beta[self.searched], initial=-math.inf))
        return np.concatenate([named, [self.long_slope(every_msd), overall, largest], beta])

    def long_slope(self, every_msd: FloatArray) -> float:
        """Return the slope over the long lags; NaN if the window is shorter."""
        long_lags = np.arange(math.ceil(self.long[0]), math.floor(self.long[1]) + 1)
        return slope(long_lags, every_msd[long_lags]) if self.updates >= self.long[1] else math.nan

    def of_draws(self, curves: FloatArray, every_msd: FloatArray) -> FloatArray:
        """Return the values of curves ln Δr², (lags, draws), about the law of an MSD at lags 0 … T.

        The result is (quantities, draws). The curves are known at the logarithmically spaced lags
        alone, so slopes over all lags between are the law's own plus the slopes of what was drawn.
        """
        away = curves - np.log(every_msd[self.lags])[:, None]
        named = self._of_fit(self._fit(curves[self.fitted]))
        exact = self.of_curve(every_msd)
        beta = exact[len(NAMES) :, None] + self._operator @ away
        in_range = (self.lags >= self.long[0]) & (self.lags <= self.long[1])
        long = exact[NAMES.index("long")] + self._slopes(away, in_range.astype(float))
        overall = exact[NAMES.index("overall")] + self._slopes(away, np.where(self.lags >= SHORTEST, self.lags**-0.5, 0.0))
        return np.vstack([*named, long, overall, beta[self.searched].max(axis=0), beta])

    def largest_of_draws(self, curves: FloatArray) -> FloatArray:
        """Return the largest local exponents of curves ln Δr², (lags, draws), shape (draws,)."""
        return np.asarray((self._operator[self.searched] @ curves).max(axis=0))

    def errors(self, covariance: FloatArray) -> FloatArray:
        """Return the standard errors of the local exponents, from the covariance of ln Δr²."""
        return np.asarray(np.sqrt(np.diagonal(self._operator @ covariance @ self._operator.T)))

    def _fit(self, curves: FloatArray) -> RegimeFit:
        """Return the fit to curves ln Δr² at the fitted lags, (fitted lags, curves)."""
        fit = fit_law(self.lags[self.fitted].astype(float), curves, self.regimes, self.weights)
        assert fit is not None, "as many regimes as were selected for these lags"
        return fit

    def _of_fit(self, fit: RegimeFit) -> FloatArray:
        """Return the exponents and ln crossovers among `NAMES`, (names, curves); one regime counts as first and second."""
        values = np.full((2 * MOST_REGIMES - 1, len(fit.misfit)), np.nan)
        values[:2] = fit.exponents[0]
        values[: len(fit.exponents)] = fit.exponents
        values[MOST_REGIMES : MOST_REGIMES + len(fit.crossovers)] = np.log(fit.crossovers)
        return values

    def _slopes(self, curves: FloatArray, weights: FloatArray) -> FloatArray:
        """Return slopes over lags with a positive weight, which polyfit squares; NaN for fewer than two."""
        if (weights > 0).sum() < 2:
            return np.full(curves.shape[1], np.nan)
        return np.polynomial.polynomial.polyfit(np.log(self.lags), curves, 1, w=weights)[1]


def within_search(procedure: Procedure, log_crossover: Interval) -> tuple[Interval, tuple[str, float] | None]:
    """Return the crossover, from its logarithm, within the range that is searched, or why there is none."""
    if math.isnan(log_crossover.value):
        return UNKNOWN, None
    smallest, largest = search_range(procedure.lags[procedure.fitted])
    value, low, high = (math.exp(end) for end in (log_crossover.value, log_crossover.low, log_crossover.high))
    if value >= largest * (1 - 1e-9):
        return UNKNOWN, ("above", largest)
    if value <= smallest * (1 + 1e-9):
        return UNKNOWN, ("below", smallest)
    if low <= smallest and high >= largest:
        return UNKNOWN, ("undetermined", math.nan)
    return Interval(value, max(low, smallest), min(high, largest)), None
