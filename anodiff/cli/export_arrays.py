"""Which arrays of a store are exported, which part of each, and in which blocks are they read?"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from anodiff.errors import ConfigError

#: Bytes that are held at a time, unless a chunk is larger.
BLOCK_BYTES = 2**26

#: Slices of a block on each axis, and its values.
Block = tuple[tuple[slice, ...], NDArray[Any]]


@dataclass(frozen=True)
class ExportedArray:
    """An array of a store, and what of one of its axes is exported, ascending; None for all of it."""

    array: zarr.Array
    rows: NDArray[np.int64] | None
    axis: int = 0

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of what is exported."""
        shape = self.array.shape
        return shape if self.rows is None else (*shape[: self.axis], len(self.rows), *shape[self.axis + 1 :])

    @property
    def nbytes(self) -> int:
        """Bytes of what is exported."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.array.dtype.itemsize

    @property
    def dimensions(self) -> list[str]:
        """Names of the dimensions."""
        return [str(name) for name in getattr(self.array.metadata, "dimension_names", None) or ()]

    def blocks(self) -> Iterator[Block]:
        """Yield the values block by block, with the place of each in what is exported; every chunk
        is read once.
        """
        array, rows = self.array, self.rows
        if not array.shape:
            yield (), np.asarray(array[()])
            return
        extent = _block_extent(array)
        for corner in itertools.product(*(range(0, length, step) for length, step in zip(array.shape, extent, strict=True))):
            source = tuple(slice(c, min(c + n, end)) for c, n, end in zip(corner, extent, array.shape, strict=True))
            if rows is None:
                yield source, np.asarray(array[source])
                continue
            along = source[self.axis]
            target = slice(*np.searchsorted(rows, [along.start, along.stop]).tolist())
            if target.start < target.stop:
                block = np.take(np.asarray(array[source]), rows[target] - along.start, axis=self.axis)
                yield (*source[: self.axis], target, *source[self.axis + 1 :]), block


def exported_arrays(group: zarr.Group, windows: Sequence[int]) -> dict[str, ExportedArray]:
    """Return the arrays of a store by name, with the rows that belong to the windows, or all rows
    if none is given.

    Raises
    ------
    ConfigError
        If the store has no such window.
    """
    arrays = dict(sorted(group.arrays()))
    rows: dict[str, NDArray[np.int64]] = {}
    if windows:
        count = next(array.shape[0] for name, array in arrays.items() if name in ("windows", "waiting_time"))
        unknown = [number for number in windows if not 0 <= number < count]
        if unknown:
            raise ConfigError(f"--window {unknown[0]}: the run has the windows 0 to {count - 1}")
        rows["window"] = np.unique(np.asarray(windows, np.int64))
        if "step" in arrays and "sample" in ExportedArray(arrays["step"], None).dimensions:
            table = np.asarray(arrays["windows"][:])[rows["window"]]
            steps = np.unique(np.concatenate([np.arange(start, start + length + 1, by) for start, length, by in table]))
            rows["sample"] = np.flatnonzero(np.isin(np.asarray(arrays["step"][:]), steps))
    exported = {}
    for name, array in arrays.items():
        dimensions = ExportedArray(array, None).dimensions
        axis = next((axis for axis, dimension in enumerate(dimensions[:2]) if dimension in rows), 0)
        exported[name] = ExportedArray(array, rows.get(dimensions[axis]) if dimensions else None, axis)
    return exported


def _block_extent(array: zarr.Array) -> list[int]:
    """Return the extent of a block: a chunk, enlarged along the last axes as far as `BLOCK_BYTES`
    allows.
    """
    extent = list(array.chunks)
    for axis in reversed(range(len(extent))):
        spare = BLOCK_BYTES // max(1, int(np.prod(extent, dtype=np.int64)) * array.dtype.itemsize)
        if spare > 1:
            extent[axis] = min(extent[axis] * spare, max(1, array.shape[axis]))
    return extent
