"""What grows with the distance between two points? Means over all pairs of a window, in bins.

- Squared displacement against contour length s: Δr² ~ s^(2/D_f). The path dimension D_f is 1 for a
  straight path and 2 for Brownian motion. If step lengths are constant, s ∝ τ and this repeats the
  MSD: read it with the step-length variation.
- Mean squared loss difference against distance: MSL(Δr) ~ Δr^(2H). H is the roughness exponent of
  the loss along the path.

The pitfalls: contour lengths of a few steps show what a step is like, not how steps add up, so they
are left out. A bin holds few independent pairs however many it counts, because neighbouring pairs
nearly coincide. So the error of a slope is a jackknife's: one stretch of the window after the other
is left out. It misses what is common to the whole window.

Cost: O(T²).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anodiff.diffusion.exponents import slope
from anodiff.diffusion.intervals import UNKNOWN, Interval, jackknife
from anodiff.diffusion.procedure import SHORTEST
from anodiff.geometry.msd import time_averaged_msd
from anodiff.storage.types import FloatArray

#: The smallest number of pairs in a bin.
MIN_PAIRS = 10

#: Bins per decade of the distance.
PER_DECADE = 10

#: The loss roughness is fitted up to the root mean square distance that the path covers in this
#: fraction of the window: few longer stretches are without overlap.
LONGEST = 0.1

#: Number of stretches of the window that are left out in turn.
STRETCHES = 10


@dataclass(frozen=True)
class Binned:
    """Means over pairs of points in logarithmic bins of their distance.

    Attributes
    ----------
    centres
        Geometric mean of the distances in each bin, rising, shape (bins,).
    means
        Mean of the other quantity in each bin, shape (bins,).
    pairs
        Number of pairs in each bin, shape (bins,).
    fitted
        Whether a bin is used for the exponent, shape (bins,).
    without
        Slope of ln mean against ln centre without one stretch of the window each, shape
        (stretches,).
    """

    centres: FloatArray
    means: FloatArray
    pairs: NDArray[np.int64]
    fitted: NDArray[np.bool_]
    without: FloatArray

    @property
    def exponent(self) -> Interval:
        """Slope of ln mean against ln centre; NaN for fewer than two bins.

        The weights are 1/centre, which is roughly how the errors grow.
        """
        return jackknife(slope(self.centres[self.fitted], self.means[self.fitted]), self.without)


def bin_pairs(distances: FloatArray, values: FloatArray, longest: float = math.inf) -> Binned:
    """Return the mean of ``values`` over pairs of points, in logarithmic bins of ``distances``.

    Pairs at distance 0 are left out.

    Parameters
    ----------
    distances, values
        Of points i and j, shape (points, points); only the part above the diagonal is used.
    longest
        Bins whose centre is beyond this distance are not used for the exponent.
    """
    stretch = np.arange(len(distances)) * STRETCHES // len(distances)
    usable = np.triu((distances > 0) & np.isfinite(distances) & np.isfinite(values), 1)
    logs, value = np.log10(distances[usable]), values[usable]
    if not len(logs):
        return Binned(np.empty(0), np.empty(0), np.empty(0, np.int64), np.empty(0, bool), np.empty(0))
    number = ((logs - logs.min()) * PER_DECADE).astype(np.int64)
    shape = (int(number.max()) + 1, STRETCHES, STRETCHES)
    cell = number * STRETCHES**2 + (stretch[:, None] * STRETCHES + stretch)[usable]
    counts, sums, log_sums = (
        np.bincount(cell, weights, math.prod(shape)).reshape(shape) for weights in (None, value, logs)
    )  # by bin and by the stretches of both points
    totals = counts.sum((1, 2))
    kept = totals >= MIN_PAIRS

    def curve(stretches: NDArray[np.bool_]) -> tuple[FloatArray, FloatArray]:
        """Return the bins' centres and means from pairs with both points in some stretches."""
        pairs, total, log_total = (part[kept][:, stretches][:, :, stretches].sum((1, 2)) for part in (counts, sums, log_sums))
        enough = pairs >= MIN_PAIRS
        return 10 ** (log_total[enough] / pairs[enough]), total[enough] / pairs[enough]

    centres, means = curve(np.ones(STRETCHES, bool))
    curves = [curve(np.arange(STRETCHES) != left_out) for left_out in range(STRETCHES)]
    without = [slope(x[x <= longest], y[x <= longest]) for x, y in curves]
    return Binned(centres, means, totals[kept].astype(np.int64), centres <= longest, np.array(without))


def displacement_by_contour(squared_displacements: FloatArray, contour_length: FloatArray) -> Binned:
    """Return Δr² against contour length s_ij = |s_0j − s_0i|, from (T+1, T+1) and (T+1,).

    The bins begin at `SHORTEST` mean steps. Below, s and Δr² are those of single steps, long or
    short, and grow together as s².
    """
    contour = np.abs(contour_length[:, None] - contour_length)
    shortest = SHORTEST * contour_length[-1] / (len(contour_length) - 1)
    return bin_pairs(np.where(contour >= shortest * (1 - 1e-9), contour, 0), squared_displacements)


def path_dimension(
    squared_displacements: FloatArray, contour_length: FloatArray, overall: Interval, single_steps: float = 0.0
) -> Interval:
    """Return D_f of Δr² ~ s^(2/D_f), from (T+1, T+1) and (T+1,); NaN if Δr² does not grow with s.

    The upper end is infinite if Δr² might not grow. The error of the slope is that of the MSD
    against lag; this is exact if s ∝ τ. A jackknife would miss the error at long lags, where
    displacements overlap. But it finds what single long steps change: the difference of the slopes
    against s and against τ. As much of its variance is added as single steps make steps unequal.

    Parameters
    ----------
    overall, single_steps
        See `anodiff.diffusion.window_exponents.WindowExponents`.
    """
    binned = displacement_by_contour(squared_displacements, contour_length)
    slope_by_contour, steps = binned.exponent.value, 0.0
    if not slope_by_contour > 0:
        return UNKNOWN
    if single_steps > 0:
        times = np.arange(len(contour_length), dtype=float)
        by_lag = displacement_by_contour(squared_displacements, times)
        difference = jackknife(slope_by_contour - by_lag.exponent.value, binned.without - by_lag.without)
        steps = math.sqrt(single_steps) * (difference.high - difference.low) / 2
    low = slope_by_contour - math.hypot(overall.value - overall.low, steps)
    high = slope_by_contour + math.hypot(overall.high - overall.value, steps)
    return Interval(2 / slope_by_contour, 2 / high, 2 / low if not low <= 0 else math.inf)


def loss_roughness(binned: Binned) -> Interval:
    """Return H of MSL ~ Δr^(2H)."""
    doubled = binned.exponent
    return Interval(doubled.value / 2, doubled.low / 2, doubled.high / 2)


def loss_difference_by_distance(squared_displacements: FloatArray, losses: FloatArray) -> Binned:
    """Return the mean squared loss difference MSL against distance Δr over all pairs.

    The shapes are (T+1, T+1) and (T+1,); points without a loss (NaN) are left out. Mini-batch
    losses differ by the noise of their batches even if the points coincide: MSL levels off at twice
    the variance of the noise, and H is then near 0.
    """
    lag = max(1, int(LONGEST * (len(losses) - 1)))
    longest = math.sqrt(time_averaged_msd(squared_displacements, [lag])[0]) if len(losses) > 1 else math.inf
    return bin_pairs(np.sqrt(squared_displacements), (losses[:, None] - losses) ** 2, longest)
