"""What grows with the distance between two points? Means over all pairs of points of a window, in logarithmic bins.

- Squared displacement against contour length s: Δr² ~ s^(2/D_f), D_f the path dimension; 1 for a straight path, 2 for Brownian
  motion. Where step lengths are constant s ∝ τ, and this repeats the MSD: read it with the step-length variation.
- Mean squared loss difference against distance, MSL(Δr) ~ Δr^(2H), H the roughness exponent of the loss along the path.

The pitfalls: contour lengths of a few steps say what a step is like, not how steps add up, and are left out. A bin holds few
independent pairs however many it counts, since neighbouring pairs nearly coincide. So the error of a slope is found by leaving
out one stretch of the window after the other (a jackknife, Student's t); what is common to the whole window escapes it.

Cost O(T²).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from anodiff.diffusion.exponents import slope
from anodiff.diffusion.intervals import COVERAGE, SHORTEST, UNKNOWN, Interval
from anodiff.storage.types import FloatArray

#: A bin with fewer pairs is left out.
FEWEST_PAIRS = 10

#: The loss roughness is fitted up to the distance that the path goes in this fraction of the window, root mean square: over
#: longer stretches there are few that do not overlap.
LONGEST = 0.1

#: Stretches of the window that are left out in turn.
STRETCHES = 10


@dataclass(frozen=True)
class Binned:
    """Means in logarithmic bins.

    Attributes
    ----------
    centres
        Geometric mean of what was binned, rising, shape (bins,).
    means
        Mean of the other quantity, shape (bins,).
    pairs
        How many pairs each bin holds, shape (bins,).
    fitted
        Whether a bin enters the exponent, shape (bins,).
    without
        Slope of ln mean against ln centre without one stretch of the window, shape (stretches,).
    """

    centres: FloatArray
    means: FloatArray
    pairs: NDArray[np.int64]
    fitted: NDArray[np.bool_]
    without: FloatArray

    @property
    def exponent(self) -> Interval:
        """Slope of ln mean against ln centre, weighted by 1/centre, about as errors go; NaN of fewer than two bins."""
        return jackknife(slope(self.centres[self.fitted], self.means[self.fitted]), self.without)


def jackknife(value: float, without: FloatArray) -> Interval:
    """Return a value with the interval that follows from its values without one stretch of the window each (n of them).

    Student's t with n − 1 degrees of freedom times √((n−1)/n Σ(θ_i − θ̄)²) (Efron & Stein, Ann. Stat. 9 (1981) 586).
    """
    if not math.isfinite(value) or len(without) < 2 or not np.isfinite(without).all():
        return Interval(value, math.nan, math.nan)
    error = float(stdtrit(len(without) - 1, (1 + COVERAGE) / 2)) * math.sqrt((len(without) - 1) * without.var())
    return Interval(value, value - error, value + error)


def bin_pairs(distances: FloatArray, values: FloatArray, per_decade: int, longest: float = math.inf) -> Binned:
    """Return the mean of ``values`` over pairs of points, by logarithmic bins of ``distances``; distance 0 is left out.

    Parameters
    ----------
    distances, values
        Of points i and j, shape (points, points); what stands above the diagonal counts.
    longest
        Bins whose centre lies beyond this distance do not enter the exponent.
    """
    first, second = np.triu_indices(len(distances), 1)
    stretch = np.arange(len(distances)) * STRETCHES // len(distances)
    distance, value = distances[first, second], values[first, second]
    usable = (distance > 0) & np.isfinite(distance) & np.isfinite(value)
    logs, value = np.log10(distance[usable]), value[usable]
    if not len(logs):
        return Binned(np.empty(0), np.empty(0), np.empty(0, np.int64), np.empty(0, bool), np.empty(0))
    number = np.floor((logs - logs.min()) * per_decade).astype(np.int64)
    shape = (int(number.max()) + 1, STRETCHES, STRETCHES)
    place = (number * STRETCHES + stretch[first[usable]]) * STRETCHES + stretch[second[usable]]
    counts, sums, log_sums = (
        np.bincount(place, weights, math.prod(shape)).reshape(shape) for weights in (None, value, logs)
    )  # by bin and by the stretches of both points
    whole = counts.sum((1, 2))
    kept = whole >= FEWEST_PAIRS

    def curve(points: NDArray[np.bool_]) -> tuple[FloatArray, FloatArray]:
        pairs, total, log_total = (part[kept][:, points][:, :, points].sum((1, 2)) for part in (counts, sums, log_sums))
        enough = pairs >= FEWEST_PAIRS
        return 10 ** (log_total[enough] / pairs[enough]), total[enough] / pairs[enough]

    centres, means = curve(np.ones(STRETCHES, bool))
    curves = [curve(np.arange(STRETCHES) != left) for left in range(STRETCHES)]
    without = [slope(x[x <= longest], y[x <= longest]) for x, y in curves]
    return Binned(centres, means, whole[kept].astype(np.int64), centres <= longest, np.array(without))


def displacement_by_contour(squared_displacements: FloatArray, contour_length: FloatArray, per_decade: int = 10) -> Binned:
    """Return Δr² against contour length s_ij = |s_0j − s_0i| over all pairs of points (T+1, T+1) and (T+1,).

    From `SHORTEST` mean steps on: below, s and Δr² are those of single steps, long or short, and grow together as s².
    """
    contour = np.abs(contour_length[:, None] - contour_length)
    shortest = SHORTEST * contour_length[-1] / (len(contour_length) - 1)
    return bin_pairs(np.where(contour >= shortest * (1 - 1e-9), contour, 0), squared_displacements, per_decade)


def path_dimension(binned: Binned, overall: Interval) -> Interval:
    """Return D_f of Δr² ~ s^(2/D_f); NaN where Δr² does not grow with s, an infinite end where it might not.

    The slope's error is that of the slope of the MSD against lag, ``overall`` (`anodiff.diffusion.intervals.Measured`): exact
    as far as s ∝ τ. A jackknife would not see the error at long lags, where displacements overlap.
    """
    grows = binned.exponent.value
    if not grows > 0:
        return UNKNOWN
    low, high = (grows + end - overall.value for end in (overall.low, overall.high))
    return Interval(2 / grows, 2 / high, 2 / low if not low <= 0 else math.inf)


def loss_roughness(binned: Binned) -> Interval:
    """Return H of MSL ~ Δr^(2H)."""
    doubled = binned.exponent
    return Interval(doubled.value / 2, doubled.low / 2, doubled.high / 2)


def loss_difference_by_distance(squared_displacements: FloatArray, losses: FloatArray, per_decade: int = 10) -> Binned:
    """Return the mean squared loss difference MSL against distance Δr over all pairs of points, (T+1, T+1) and (T+1,).

    Points without a loss (NaN) are left out. Mini-batch losses differ by the batches' noise even where the points coincide:
    MSL levels off at twice its variance, and H is then that of the noise, near 0.
    """
    lag = max(1, int(LONGEST * (len(losses) - 1)))
    longest = math.sqrt(np.diagonal(squared_displacements, lag).mean()) if len(losses) > 1 else math.inf
    return bin_pairs(np.sqrt(squared_displacements), (losses[:, None] - losses) ** 2, per_decade, longest)
