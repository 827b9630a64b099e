"""Writes an array row by row, whole shards at a time."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray


class RowWriter:
    """Hold the rows of one shard of a two-dimensional array, and write them when the next shard begins.

    Rows are filled in rising order; one that is left out stays NaN.
    """

    def __init__(self, array: zarr.Array) -> None:
        self._array = array
        held = (array.shards or array.chunks)[0]
        self._held: NDArray[Any] = np.full((held, array.shape[1]), math.nan, array.dtype)
        self._start = self._stop = 0

    def row(self, number: int) -> NDArray[Any]:
        """Return the memory of a row, to be filled at once."""
        if number >= self._start + len(self._held):
            self.flush()
            self._held[:] = math.nan
            self._start = number - number % len(self._held)
        self._stop = number + 1
        return self._held[number - self._start]

    def flush(self) -> None:
        """Write what is held."""
        if self._stop > self._start:
            self._array[self._start : self._stop] = self._held[: self._stop - self._start]
