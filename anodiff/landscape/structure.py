"""What exponent do losses around a point give?

The structure function is S(r) = <|L(w + ru) − L(w)|²>, a mean over directions u. S ~ r^(2H), with
the roughness exponent H; along a line the loss then has the fractal dimension 2 − H. A smooth loss
has 2H = 2 because of its slope, whatever its curvature. So there is a second structure function, of
the even part: <|L(w + ru) + L(w − ru) − 2L(w)|²>. The slope drops out of it. Its exponent is 4 for
a smooth loss, and again 2H for a rough one, whose second-order increments scale alike.

Losses are known only to rounding. The variance of the rounding error gives each structure function
a floor, 2 Var (6 Var for the even part); differences below it say nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from anodiff.diffusion.intervals import COVERAGE, DRAWS, UNKNOWN, Interval
from anodiff.storage.types import FloatArray

#: A structure function is fitted where it is above this multiple of its floor.
ABOVE_FLOOR = 10.0

#: Fewest radii of a fit.
FEWEST_RADII = 4

#: The smallest H at which the correlation of directions is judged.
LEAST_HURST = 0.05

#: The structure function of rounding errors alone, in variances of one error, by part.
FLOORS = {"difference": 2.0, "even": 6.0}


@dataclass(frozen=True)
class StructureFit:
    """An exponent of a structure function.

    Attributes
    ----------
    exponent
        Slope of ln S against ln r with its 95 % interval, from a bootstrap over directions, widened
        if they are few; NaN if ``reason`` says why.
    fitted
        Which radii were fitted, shape (radii,).
    reason
        Why there is no exponent; empty if there is one.
    """

    exponent: Interval
    fitted: NDArray[np.bool_]
    reason: str = ""

    @property
    def hurst(self) -> Interval:
        """H, half of the exponent."""
        return Interval(self.exponent.value / 2, self.exponent.low / 2, self.exponent.high / 2)


def squared_increments(losses: FloatArray, centre: float) -> dict[str, FloatArray]:
    """Return the squared differences and squared even parts of losses at ±r.

    Shapes: (directions, 2, radii) → (directions, radii). If one of the two losses is not finite,
    the other's difference counts alone, and there is no even part.
    """
    squared = (losses - centre) ** 2
    known = np.isfinite(squared)
    total = np.where(known, squared, 0).sum(axis=1)
    difference = np.divide(total, known.sum(axis=1), out=np.full(total.shape, np.nan), where=known.any(axis=1))
    return {"difference": difference, "even": (losses.sum(axis=1) - 2 * centre) ** 2}


def structure_function(squared: FloatArray) -> FloatArray:
    """Return the mean over directions, shape (directions, radii) → (radii,).

    It is NaN where no direction has a finite loss.
    """
    known = np.isfinite(squared)
    total = np.where(known, squared, 0).sum(axis=0)
    return np.divide(total, known.sum(axis=0), out=np.full(total.shape, np.nan), where=known.any(axis=0))


def cosines(vectors: FloatArray) -> FloatArray:
    """Return the cosines of the angles between vectors, shape (n, P) → (n, n); NaN for a vector of zeros."""
    lengths = np.linalg.norm(vectors, axis=1)
    products = np.outer(lengths, lengths)
    return np.divide(vectors @ vectors.T, products, out=np.full(products.shape, np.nan), where=products > 0)


def independent_directions(angles: FloatArray, hurst: float, part: str = "difference") -> float:
    """Return how many independent directions are worth as much as these: n² / Σ_ij ρ_ij.

    ρ_ij is the correlation of their squares. The correlations are those of a fractional Brownian
    field of exponent H. With c the cosine between u and v, L(ru) − L(0) and L(rv) − L(0) correlate
    as 1 − (2 − 2c)^H / 2, and even parts as (4 − (2 − 2c)^H − (2 + 2c)^H) / (4 − 4^H). Squares of
    Gaussian numbers correlate as the square of that.

    For a smooth loss, H = 1, the correlation is c²: random directions in many dimensions count
    fully. For a rough one they do not, since L(w) is in all differences. The directions
    w_{t+k} − w_t for several k are nested: those of a random walk have c² = k/k', and those of a
    straight path are one direction.

    Parameters
    ----------
    angles
        Cosines of the angles between the directions, shape (n, n).
    hurst
        H; larger values count as 1, and for the even part as 0.98.
    part
        ``difference``, the mean of both sides' squares, or ``even``.
    """
    c = np.clip(angles, -1, 1)
    if part == "difference":
        h = min(max(hurst, LEAST_HURST), 1.0)
        same = 1 + (1 - 4**h / 2) ** 2
        correlations = ((1 - (2 - 2 * c) ** h / 2) ** 2 + (1 - (2 + 2 * c) ** h / 2) ** 2) / same
    else:
        h = min(max(hurst, LEAST_HURST), 0.98)
        correlations = ((4 - (2 - 2 * c) ** h - (2 + 2 * c) ** h) / (4 - 4**h)) ** 2
    return float(c.size / np.sum(correlations))


def fit_structure(
    radii: FloatArray,
    squared: FloatArray,
    floor: float,
    seed: int,
    *,
    angles: FloatArray | None = None,
    part: str = "difference",
) -> StructureFit:
    """Fit the exponent over all radii from which on S stays well above its floor.

    Radii at the far end where no direction has a finite loss are left out.

    For n directions worth m independent ones, the bootstrap's deviations are multiplied by
    sqrt(n / (m − 1)) t / z. Here t and z are the 97.5 % quantiles of Student's t distribution with
    m − 1 degrees of freedom and of the normal distribution (for m = n: Hesterberg, Am. Stat. 69
    (2015) 371). Without this factor, 8 independent directions cover about 89 %, and 4 about 79 %.
    If m is below 2, there is no interval.

    Parameters
    ----------
    radii
        Rising, shape (radii,).
    squared
        One of `squared_increments`, shape (directions, radii).
    floor
        The structure function of rounding errors alone.
    seed
        Seed of the bootstrap.
    angles
        `cosines` between the directions, shape (directions, directions); m is then
        `independent_directions` at the fitted H. By default the directions count as independent.
    part
        Which of `squared_increments` it is.
    """
    mean = structure_function(squared)
    known = np.flatnonzero(np.isfinite(mean))
    above = np.isfinite(mean) & (mean > ABOVE_FLOOR * floor) & (mean > 0)
    fitted = np.zeros(len(radii), bool)
    if not len(known):
        return StructureFit(UNKNOWN, fitted, "no finite difference of losses")
    stop = known[-1] + 1
    fitted[:stop] = np.logical_and.accumulate(above[:stop][::-1])[::-1]
    if not above.any():
        return StructureFit(UNKNOWN, fitted, "no difference stands above rounding")
    if fitted.sum() < FEWEST_RADII:
        return StructureFit(UNKNOWN, fitted, f"fewer than {FEWEST_RADII} radii in a row stand above rounding")
    random = np.random.default_rng(seed)
    logs = np.log(radii[fitted])
    value = float(np.polyfit(logs, np.log(mean[fitted]), 1)[0])
    having = np.isfinite(squared[:, fitted]).any(axis=1)
    squared = squared[having]
    worth = float(len(squared))
    if angles is not None:
        worth = independent_directions(angles[np.ix_(having, having)], value / 2, part)
    if len(squared) < 3 or worth < 2:
        return StructureFit(Interval(value, math.nan, math.nan), fitted)
    chosen = random.integers(len(squared), size=(DRAWS, len(squared)))
    drawn = np.array([structure_function(squared[rows][:, fitted]) for rows in chosen])
    slopes = np.polyfit(logs, np.log(np.maximum(drawn, 1e-300)).T, 1)[0]
    low, high = value + _widening(len(squared), worth) * (np.quantile(slopes, ((1 - COVERAGE) / 2, (1 + COVERAGE) / 2)) - value)
    return StructureFit(Interval(value, float(low), float(high)), fitted)


def _widening(count: int, worth: float) -> float:
    """Return the factor by which a bootstrap over directions is too narrow; see `fit_structure`."""
    end = (1 + COVERAGE) / 2
    return float(math.sqrt(count / (worth - 1)) * scipy.special.stdtrit(worth - 1, end) / scipy.special.ndtri(end))
