"""Writes an array row by row, whole shards at a time."""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray


class RowWriter:
    """Hold the rows of one shard of a two-dimensional array, and write them when the next shard begins.

    Rows are filled in rising order; one that is left out stays NaN.
    """

    def __init__(self, array: zarr.Array) -> None:
        self._array = array.with_config(
            {"write_empty_chunks": True}
        )  # rows of NaN were recorded; their file must not look missing
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

    def state(self) -> dict[str, Any]:
        """Return what is held and not yet in a file: number of the first row, and the rows, shape (rows, columns)."""
        import torch

        return {"start": self._start, "rows": torch.from_numpy(self._held[: self._stop - self._start].copy())}

    def restore(self, state: Mapping[str, Any], folder: Path) -> None:
        """Go on from a state; shards of the array in ``folder`` from there on, whole or torn, are removed."""
        self._start = int(state["start"])
        self._stop = self._start + len(state["rows"])
        self._held[: len(state["rows"])] = state["rows"].numpy()
        for shard in folder.glob("c/*"):
            if not shard.name.isdecimal() or int(shard.name) >= self._start // len(self._held):
                shutil.rmtree(shard)
