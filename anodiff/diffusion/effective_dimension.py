"""In how many directions, effectively, does a path move over a lag?

The effective dimension of displacements with covariance Σ is d = (tr Σ)² / tr Σ². It says how much
the MSD scatters (`anodiff.diffusion.sampling`), and follows from inner products of displacements.

The pitfall: displacements over long lags are few. There d is extrapolated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import scipy
from numpy.typing import NDArray

from anodiff.storage.types import FloatArray

if TYPE_CHECKING:
    from anodiff.geometry.path import PathGeometry

#: An effective dimension that rises with the lag by less than this factor counts as constant.
CLEARLY = 2.0

#: Number of starting points for the inner products of displacements.
STARTS = 200


def effective_dimension(path: PathGeometry, lags: NDArray[np.int64]) -> FloatArray:
    """Return in how many directions, effectively, the path moves over each lag, shape (lags,).

    For Gaussian displacements r_i, r_j with covariance Σ and mean product C,

        Var <r_i, r_j> = (M² + C²)/d  and  <|r_i|² |r_j|²> = M² + 2C²/d,  with 1/d = tr Σ² / (tr Σ)².

    Both are taken over pairs of equal separation, which have the same mean product; the variance is
    enlarged because the pairs are few. Their ratio gives d, so in one dimension d is 1 whatever the
    lengths of this window's displacements.

    Above a tenth of the window there are too few displacements without overlap. There d goes on as
    over the decade before, unless it rises: relaxing directions stop one after another. Where |r_i|²
    scatters more along the path than for Gaussian displacements, d is smaller and the errors are
    larger.
    """
    squares = path.squared_displacements
    points = len(squares)
    measured = lags <= max(1, (points - 1) // 10)
    inverse = np.array([_inverse_dimension(squares, int(lag)) for lag in lags[measured]])
    width = max(1, len(inverse) // 6)
    smooth = np.array([inverse[max(0, n - width) : n + width + 1].mean() for n in range(len(inverse))])
    smooth = _monotone(np.clip(smooth, 1e-12, 1.0), ((points - 1) / lags[measured]) ** 2)  # by the pairs without overlap
    return 1 / np.concatenate([smooth, _beyond(lags[measured], smooth, lags[~measured])])


def _beyond(lags: NDArray[np.int64], inverse: FloatArray, longer: NDArray[np.int64]) -> FloatArray:
    """Return 1/d at longer lags: it goes on rising as over the last decade of ``lags``, but does not fall."""
    last = lags * 10 >= lags[-1]
    x, y = np.log(lags[last] / lags[-1]), np.log(inverse[last])
    spread = float((x - x.mean()) @ (x - x.mean()))
    rise = max(0.0, float((x - x.mean()) @ y) / spread) if spread > 0 else 0.0
    return np.asarray(np.minimum(1.0, inverse[-1] * (longer / lags[-1]) ** rise))


def _monotone(inverse: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the closest values of 1/d that only rise with the lag, or only fall where that is clear.

    A persistent path holds few independent displacements over long lags, and their d comes out too
    large. So a rise of d by less than `CLEARLY` is not believed; it would make intervals too narrow.
    """
    rising, falling = (scipy.optimize.isotonic_regression(inverse, weights=weights, increasing=up).x for up in (True, False))
    misfits = [float(weights @ (values - inverse) ** 2) for values in (rising, falling)]
    clear = misfits[1] < misfits[0] and falling[0] > CLEARLY * falling[-1]
    return np.asarray(falling if clear else rising)


def _inverse_dimension(squares: FloatArray, lag: int) -> float:
    last = len(squares) - 1 - lag
    stride = max(1, (last + 1) // STARTS)
    begin, end = slice(0, last + 1, stride), slice(lag, None, stride)
    products = squares[begin, end] + squares[end, begin]
    products = 0.5 * (products - squares[begin, begin] - squares[end, end])
    squared_lengths = np.diagonal(products)
    starts = len(products)
    closest = -(-lag // stride)  # separation in starting points from which on there is no overlap
    separation = np.arange(closest, starts)
    number = starts - separation
    inside = np.arange(starts)[:, None] < number  # (first point of a pair, separation)
    pairs = _diagonals(products)[:, closest:]

    def mean(values: FloatArray) -> FloatArray:
        return np.where(inside, values, 0).sum(axis=0) / number  # by separation

    centre, norms = mean(pairs), mean(_diagonals(np.outer(squared_lengths, squared_lengths))[:, closest:])
    independent = np.minimum(number, 1 + (last - stride * separation) / lag)
    used = (independent >= 2) & (norms > 0)  # norm 0: one displacement of each pair is zero
    scatter, squared = mean((pairs - centre) ** 2)[used], mean(pairs**2)[used]
    number, norms, independent = number[used], norms[used], independent[used]
    aligned, cosine = centre[used] ** 2 / norms, squared / norms
    variance = (number * scatter / (1 - 1 / independent)).sum()
    weight = (number * norms * (1 + aligned - 2 * aligned * cosine)).sum()
    if not weight > 0:
        return 0.0 if used.any() else 1.0  # displacements that are all the same do not scatter
    return float(variance / weight)


def _diagonals(matrix: FloatArray) -> FloatArray:
    """Return the array of matrix[i, i + m] at i, m; 0 beyond the end of a row."""
    size = len(matrix)
    padded = np.zeros((size, 2 * size))
    padded[:, :size] = matrix
    return np.ndarray((size, size), buffer=padded, strides=(padded.strides[0] + padded.strides[1], padded.strides[1]))
