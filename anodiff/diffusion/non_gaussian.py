"""Are the displacements of a window Gaussian? Their non-Gaussian parameter at each lag.

For Gaussian displacements r with covariance Σ and mean square M = tr Σ,

    ⟨|r|⁴⟩ = M² (1 + 2/d),   d = (tr Σ)² / tr Σ²,

where d is the effective dimension. So

    α₂(τ) = ⟨|r|⁴⟩ / (⟨|r|²⟩² (1 + 2/d)) − 1

is 0 for them (Rahman, Phys. Rev. 136 (1964) A405, for d = 3, where it is 3⟨r⁴⟩ / 5⟨r²⟩² − 1). The
average is over the starting points in the window. d comes from the angles between displacements that
do not overlap, 1/d = ⟨(r_i·r_j − C)²⟩ / ⟨|r_i|² |r_j|²⟩ with C their mean product at that
separation. So it does not change if the lengths fluctuate.

Only G is known, so only lengths are: in many dimensions α₂ is the relative variance of |r|² from start
to start. It measures a scale that all directions share and that changes in time, such as jumps, bursts
or a falling learning rate. Heavy tails that are independent from direction to direction average out in
|r|², by 1/d: α₂ does not see them. The gradients' tails (`anodiff.diffusion.jumps`) do.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anodiff.storage.types import FloatArray

#: Number of starting points of displacements whose angles are taken.
STARTS = 100

#: The largest lag, as a fraction of the window; beyond it too few displacements do not overlap.
LONGEST = 0.1


def non_gaussian_parameter(squared_displacements: FloatArray, lags: NDArray[np.int64]) -> FloatArray:
    """Return α₂ at each lag, shape (lags,); NaN above a tenth of the window and for a path that rests.

    Parameters
    ----------
    squared_displacements
        D, shape (T+1, T+1).
    lags
        In updates.

    Examples
    --------
    >>> from anodiff.simulation.processes import brownian
    >>> points = brownian(2000, 5, seed=0)
    >>> squares = ((points[:, None] - points) ** 2).sum(axis=2)
    >>> bool(abs(non_gaussian_parameter(squares, np.array([1]))[0]) < 0.1)
    True
    """
    found = np.full(len(lags), np.nan)
    for number, lag in enumerate(lags):
        if lag > LONGEST * (len(squared_displacements) - 1):
            break
        squares = np.diagonal(squared_displacements, lag)
        inverse = _inverse_dimension(squared_displacements, int(lag))
        if squares.mean() > 0 and np.isfinite(inverse):
            found[number] = (squares**2).mean() / (squares.mean() ** 2 * (1 + 2 * inverse)) - 1
    return found


def _inverse_dimension(squares: FloatArray, lag: int) -> float:
    """Return 1/d of displacements over a lag, from the angles between those that do not overlap."""
    last = len(squares) - 1 - lag
    stride = max(1, -(-(last + 1) // STARTS))
    begin = np.arange(0, last + 1, stride)
    end = begin + lag
    products = squares[np.ix_(begin, end)] + squares[np.ix_(end, begin)]
    products = 0.5 * (products - squares[np.ix_(begin, begin)] - squares[np.ix_(end, end)])
    lengths = np.diagonal(products)
    scatter = norms = 0.0
    for apart in range(-(-lag // stride), len(begin) - 1):
        pairs = np.diagonal(products, apart)
        # The variance of n products about their own mean is too small by (n − 1)/n; neighbours overlap.
        independent = max(1.0, (len(pairs) - 1) * stride / lag + 1) if lag > stride else float(len(pairs))
        if independent < 2:
            continue
        scatter += pairs.var() * len(pairs) / (1 - 1 / independent)
        norms += float(lengths[:-apart] @ lengths[apart:])
    return min(1.0, scatter / norms) if norms > 0 else np.nan
