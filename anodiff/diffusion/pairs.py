"""What grows with the distance between two points? Means over all pairs of points of a window, in logarithmic bins.

- Squared displacement against contour length s: Δr² ~ s^(2/D_f), D_f the path dimension; 1 for a straight path, 2 for Brownian
  motion. Where step lengths are constant s ∝ τ, and this repeats the MSD: read it with the step-length variation.
- Mean squared loss difference against distance, MSL(Δr) ~ Δr^(2H), H the roughness exponent of the loss along the path.

The pitfall: a bin holds few independent pairs however many it counts, since neighbouring pairs nearly coincide.

Cost O(T²).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anodiff.diffusion.exponents import slope

FloatArray = NDArray[np.float64]

#: A bin with fewer pairs is left out.
FEWEST_PAIRS = 10


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
    """

    centres: FloatArray
    means: FloatArray
    pairs: NDArray[np.int64]

    @property
    def exponent(self) -> float:
        """Slope of ln mean against ln centre, all octaves alike; NaN where there are fewer than two bins."""
        return slope(self.centres, self.means)


def bin_pairs(distances: FloatArray, values: FloatArray, per_decade: int) -> Binned:
    """Return the mean of ``values`` over pairs, by logarithmic bins of ``distances``; pairs at distance 0 are left out.

    Parameters
    ----------
    distances, values
        One of each for every pair, shape (pairs,).
    """
    usable = (distances > 0) & np.isfinite(distances) & np.isfinite(values)
    logs, values = np.log10(distances[usable]), values[usable]
    if not len(logs):
        return Binned(np.empty(0), np.empty(0), np.empty(0, np.int64))
    number = np.floor((logs - logs.min()) * per_decade).astype(np.int64)
    counts = np.bincount(number)
    kept = counts >= FEWEST_PAIRS
    centres = np.bincount(number, logs)[kept] / counts[kept]
    return Binned(10**centres, np.bincount(number, values)[kept] / counts[kept], counts[kept])


def displacement_by_contour(squared_displacements: FloatArray, contour_length: FloatArray, per_decade: int = 10) -> Binned:
    """Return Δr² against contour length s_ij = |s_0j − s_0i| over all pairs of points (T+1, T+1) and (T+1,)."""
    first, second = np.triu_indices(len(contour_length), 1)
    return bin_pairs(contour_length[second] - contour_length[first], squared_displacements[first, second], per_decade)


def path_dimension(binned: Binned) -> float:
    """Return D_f of Δr² ~ s^(2/D_f); NaN where Δr² does not grow with s."""
    return 2 / binned.exponent if binned.exponent > 0 else math.nan


def loss_difference_by_distance(squared_displacements: FloatArray, losses: FloatArray, per_decade: int = 10) -> Binned:
    """Return the mean squared loss difference MSL against distance Δr over all pairs of points, (T+1, T+1) and (T+1,).

    Points without a loss (NaN) are left out. Mini-batch losses differ by the batches' noise even where the points coincide:
    MSL levels off at twice its variance, and H is then that of the noise, near 0.
    """
    first, second = np.triu_indices(len(losses), 1)
    return bin_pairs(np.sqrt(squared_displacements[first, second]), (losses[second] - losses[first]) ** 2, per_decade)
