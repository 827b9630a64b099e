"""What is the MSD of a window whose updates come in another order, or with other signs?

The nulls draw hundreds of such paths, and only their time-averaged MSD at some lags is wanted. With
G the Gram matrix in the new order, the MSD at lag τ is the sum of G_kl over all τ × τ squares along
the diagonal, divided by their number T − τ + 1. Updates k ≤ l are in

    τ − (l − k) − max(0, τ − 1 − l) − max(0, k − (T − τ))

of the squares (none if l − k ≥ τ). So three vectors of sums give all lags: over pairs of equal
separation l − k, over all k ≤ l, and over all l ≥ k. The new matrix is never formed.

Cost: T²/2 numbers are read, in rows that stay in the cache.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anodiff.storage.types import FloatArray

#: Number of rows of the new matrix in memory at once.
ROWS = 64


def reordered_msd(gram: FloatArray, order: NDArray[np.int64], lags: ArrayLike) -> FloatArray:
    """Return the time-averaged MSD if update ``order[k]`` comes as number k, shape (lags,).

    Parameters
    ----------
    gram
        Update Gram matrix, shape (T, T).
    order
        A permutation of 0 … T − 1.
    lags
        In updates, 0 … T.

    Examples
    --------
    >>> reordered_msd(np.outer([1.0, 2.0], [1.0, 2.0]), np.array([1, 0]), [1, 2])  # 0, 2, 3 on a line
    array([2.5, 9. ])
    """
    return _msd(lambda first, last: gram[order[first:last]].take(order[first:], axis=1), len(gram), lags)


def signed_msd(gram: FloatArray, signs: FloatArray, lags: ArrayLike) -> FloatArray:
    """Return the time-averaged MSD if update k is multiplied by ``signs[k]``, shape (lags,).

    Parameters
    ----------
    gram
        Update Gram matrix, shape (T, T).
    signs
        Factors, ±1, shape (T,).
    lags
        In updates, 0 … T.
    """
    return _msd(lambda first, last: gram[first:last, first:] * signs[first:] * signs[first:last, None], len(gram), lags)


def signed_msd_at_short_lags(gram: FloatArray, signs: FloatArray, lags: ArrayLike) -> FloatArray:
    """Return `signed_msd` for several choices of signs, (draws, T), at lags L far below T, (draws, lags).

    Only products of updates less than the largest lag apart count. Cost: O(T L) for each draw.
    """
    lag = np.asarray(lags, np.int64)
    reach, updates = int(lag.max()), len(gram)
    padded = np.pad(gram, ((0, 0), (0, reach)))
    band = np.ndarray((updates, reach), buffer=padded, strides=(padded.strides[0] + padded.strides[1], padded.strides[1]))
    band = band.copy()  # (k, m): the product of updates k and k + m, 0 beyond the last update
    band[:, 0] /= 2
    found = np.empty((len(signs), len(lag)))
    edge = np.maximum(lag - 1, 0)
    for msd, own in zip(found, signs, strict=True):
        later = np.lib.stride_tricks.sliding_window_view(np.pad(own, (0, reach - 1)), reach)
        products = band * later
        products *= own[:, None]
        separated = 2 * products.sum(axis=0)
        before = np.array([np.trace(products[:reach, ::-1], reach - 1 - last) for last in range(reach)])
        after = products[::-1][:reach].sum(axis=1)
        total = _weighted(separated)[lag] - _weighted(2 * before)[edge] - _weighted(2 * after)[edge]
        msd[:] = np.maximum(total / (updates + 1 - lag), 0.0)
    return found


def _msd(rows: Callable[[int, int], FloatArray], updates: int, lags: ArrayLike) -> FloatArray:
    """Return the MSD at lags; ``rows(first, last)`` are those rows of G, from column ``first``."""
    separated, before, after = np.zeros(updates), np.zeros(updates), np.zeros(updates)
    buffer, upper = np.empty((ROWS, updates + ROWS)), np.triu(np.ones((ROWS, ROWS)))
    for first in range(0, updates, ROWS):
        last = min(first + ROWS, updates)
        size, width = last - first, updates - first
        block = buffer[:size, : width + size]
        block[:, :width] = rows(first, last)
        block[:, width:] = 0  # where the diagonals end
        block[:, :size] *= upper[:size, :size]
        diagonals = np.ndarray((size, width), buffer=buffer, strides=(block.strides[0] + block.strides[1], block.strides[1]))
        separated[:width] += diagonals.sum(axis=0)
        before[first:] += block[:, :width].sum(axis=0)
        after[first:last] = block[:, :width].sum(axis=1)
        own = np.diagonal(block)
        before[first:last] -= own / 2
        after[first:last] -= own / 2
    separated[1:] *= 2  # pairs k, l and l, k
    lag = np.asarray(lags, np.int64)
    edge = np.maximum(lag - 1, 0)
    total = _weighted(separated)[lag] - _weighted(2 * before)[edge] - _weighted(2 * after[::-1])[edge]
    return np.maximum(total / (updates + 1 - lag), 0.0)


def _weighted(values: FloatArray) -> FloatArray:
    """Return Σ_{m<τ} (τ − m) values[m] for τ = 0 … T, shape (T+1,)."""
    return np.concatenate([[0.0], np.cumsum(np.cumsum(values))])
