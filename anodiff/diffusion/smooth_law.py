"""Which smooth laws could a measured MSD follow? Local exponents that change smoothly with ln τ.

ln Δr² = a + b x + g(x), x = ln τ. Either the local exponent is a random walk in x, so that the best g
is a cubic smoothing spline (Wahba, J. R. Stat. Soc. B 40 (1978) 364), or its derivative is one: then
a bend goes on where the curve says no more about it. The errors of ln Δr² at the lags have a known
covariance (`anodiff.diffusion.sampling`). How fast the exponent changes is weighed by restricted
likelihood: where the errors explain all bends, a power law is the most probable. So there are many
laws, each with its probability, and a mean of them.

The pitfall: a law has no kinks. Where a curve has one, such as between the first two lags of
mini-batches without replacement, the law rounds it over about one spacing of the lags.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import scipy
from numpy.typing import ArrayLike

from anodiff.storage.types import FloatArray

#: Stationary increments need local exponents of the MSD within (0, 2); these are the ends used.
SMALLEST, LARGEST = 0.02, 1.98

#: Variance of a random walk per unit of ln τ: of β, from a power law to a kink within an octave; and
#: of dβ/d ln τ.
RATES = np.geomspace(1e-5, 10.0, 25)

#: Variance of dβ/d ln τ at lag 1, in units of that per unit of ln τ.
INITIAL = 3.0

#: Spacing in ln τ of the points between which a law is a power law.
SPACING = 0.05

#: Relative rounding of a measured MSD. It keeps the covariance of the errors positive definite.
ROUNDING = 1e-4


class Law(Protocol):
    """Anything that has a mean squared displacement."""

    def msd(self, lags: ArrayLike) -> FloatArray:
        """Return the MSD at some lags; 0 at lag 0."""
        ...


@dataclass(frozen=True)
class SmoothLaw:
    """A law by its local exponent.

    Attributes
    ----------
    log_lags
        ln τ at evenly spaced points, from 0 on, shape (points,).
    exponents
        Local exponent from each point to the next, shape (points,); beyond the last it holds.
    log_first
        ln Δr² at lag 1.
    """

    log_lags: FloatArray
    exponents: FloatArray
    log_first: float

    def msd(self, lags: ArrayLike) -> FloatArray:
        """Return the law's MSD at some lags; 0 at lag 0."""
        tau = np.asarray(lags, np.float64)
        x = np.log(np.maximum(tau, 1e-300))
        within = np.clip(((x - self.log_lags[0]) / SPACING).astype(np.int64), 0, len(self.log_lags) - 1)
        rises = np.concatenate([[0.0], np.cumsum(self.exponents[:-1] * np.diff(self.log_lags))])
        y = self.log_first + rises[within] + self.exponents[within] * (x - self.log_lags[within])
        return np.where(tau > 0, np.exp(y), 0.0)

    def tilted(self, change: float) -> SmoothLaw:
        """Return the law with all its exponents changed, but kept within (0, 2)."""
        return SmoothLaw(self.log_lags, np.clip(self.exponents + change, SMALLEST, LARGEST), self.log_first)

    def shifted(self, change: float) -> SmoothLaw:
        """Return the law moved by a distance in ln τ; the exponent at its ends holds beyond them."""
        moved = np.interp(self.log_lags - change, self.log_lags, self.exponents)
        return SmoothLaw(self.log_lags, moved, self.log_first)


@dataclass(frozen=True)
class SmoothFit:
    """The laws that a measured MSD is compatible with.

    Attributes
    ----------
    law
        Their mean.
    probabilities
        Probability of each kind of law: a power law, then both kinds of walks at each of `RATES`,
        shape (kinds,). The power law is as probable beforehand as all others together.
    curves
        ln Δr² at the lags for each kind, shape (kinds, lags).
    covariances
        Posterior covariance of ln Δr² at the lags for each kind, shape (kinds, lags, lags).
    """

    law: SmoothLaw
    probabilities: FloatArray
    curves: FloatArray
    covariances: FloatArray

    def draw_deviations(self, draws: int, generator: np.random.Generator, *, straight: bool = False) -> FloatArray:
        """Draw laws from their distribution, or power laws alone; return ln Δr² minus that of the mean law, (lags, draws)."""
        probabilities = np.eye(len(self.probabilities))[0] if straight else self.probabilities
        kinds = generator.choice(len(probabilities), size=draws, p=probabilities)
        normal = generator.normal(size=(self.curves.shape[1], draws))
        away = (self.curves - self.probabilities @ self.curves)[kinds].T
        for kind in np.unique(kinds):
            chosen = kinds == kind
            away[:, chosen] += symmetric_root(self.covariances[kind]) @ normal[:, chosen]
        return away


def fit_smooth_law(lags: FloatArray, log_msd: FloatArray, covariance: FloatArray, longest: float) -> SmoothFit:
    """Fit laws to ln Δr² at some lags, (lags,), with the covariance of its errors, (lags, lags).

    Parameters
    ----------
    longest
        The largest lag of the law; beyond the largest of ``lags``, its exponent holds.

    Examples
    --------
    >>> lags = np.array([1.0, 2.0, 4.0, 8.0, 16.0])
    >>> law = fit_smooth_law(lags, np.log(3 * lags**1.5), 1e-4 * np.eye(5), 20).law
    >>> law.msd([1, 4, 20]).round(3).tolist()
    [3.0, 24.0, 268.328]
    """
    x = np.log(lags)
    points = np.arange(0.0, math.log(longest) + 2 * SPACING, SPACING)
    inside = np.clip(points, x[0], x[-1]) - x[0]
    line = np.stack([np.ones_like(x), x], axis=1)
    noise = covariance + ROUNDING**2 * np.eye(len(x))
    likelihoods, laws, curves, covariances = [], [], [], []
    kinds = [(_integrated_walk, 0.0), *((walk, rate) for walk in (_integrated_walk, _twice_integrated_walk) for rate in RATES)]
    for walk, rate in kinds:
        kernel, beyond = walk(x - x[0], x - x[0]), walk(inside, x - x[0])
        factor = scipy.linalg.cho_factor(noise + rate * kernel, lower=True)
        weighed = scipy.linalg.cho_solve(factor, np.column_stack([line, log_msd, rate * kernel]))
        information = line.T @ weighed[:, :2]
        inverse = np.linalg.inv(information)
        straight = inverse @ line.T @ weighed[:, 2]
        weights = weighed[:, 2] - weighed[:, :2] @ straight
        likelihood = -np.log(np.diagonal(factor[0])).sum() - 0.5 * np.linalg.slogdet(information)[1]
        likelihoods.append(likelihood - 0.5 * (log_msd - line @ straight) @ weights)
        laws.append(straight[0] + straight[1] * points + rate * beyond @ weights)
        curves.append(line @ straight + rate * kernel @ weights)
        free = line - rate * kernel @ weighed[:, :2]
        covariances.append(rate * kernel - rate * kernel @ weighed[:, 3:] + free @ inverse @ free.T)
    probabilities = np.exp(np.array(likelihoods) - max(likelihoods)) / (len(kinds) - 1)
    probabilities[0] *= len(kinds) - 1
    probabilities /= probabilities.sum()
    curve = probabilities @ np.array(laws)
    exponents = np.diff(curve) / SPACING
    held = points[1:] > x[-1]
    exponents[held] = exponents[~held][-1] if (~held).any() else exponents[0]
    law = SmoothLaw(points[:-1], np.clip(exponents, SMALLEST, LARGEST), float(curve[0]))
    return SmoothFit(law, probabilities, np.array(curves), np.array(covariances))


def symmetric_root(covariances: FloatArray) -> FloatArray:
    """Return symmetric roots, (..., n, n): they do not depend on the signs of eigenvectors, which are arbitrary."""
    values, vectors = np.linalg.eigh(covariances)
    return np.asarray((vectors * np.sqrt(np.maximum(values, 0))[..., None, :]) @ np.swapaxes(vectors, -1, -2))


def _integrated_walk(one: FloatArray, other: FloatArray) -> FloatArray:
    """Return the covariance min²(3 max − min)/6 of the integral of a random walk, (ones, others)."""
    low, high = np.minimum(one[:, None], other), np.maximum(one[:, None], other)
    return np.asarray(low**2 * (3 * high - low) / 6)


def _twice_integrated_walk(one: FloatArray, other: FloatArray) -> FloatArray:
    """Return the covariance of the second integral of a random walk that begins at random, (ones, others)."""
    low, apart = np.minimum(one[:, None], other), np.abs(one[:, None] - other)
    begun = INITIAL * np.outer(one**2, other**2) / 4
    return np.asarray(low**5 / 20 + apart * low**4 / 8 + apart**2 * low**3 / 12 + begun)
