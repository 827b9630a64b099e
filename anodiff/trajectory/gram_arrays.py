"""Where are Gram matrices written that a recorder has summed? One window at a time, of all its groups."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anodiff.storage.stores import remove

if TYPE_CHECKING:
    import zarr


class GramArrays:
    """The arrays ``gram`` and ``group_gram`` of a store, or one walk's part of ``walk_gram``.

    Parameters
    ----------
    group, path
        The store.
    walk
        Number of a walk other than the path itself.
    """

    def __init__(self, group: zarr.Group, path: Path, walk: int | None = None) -> None:
        names = ("gram", "group_gram") if walk is None else ("walk_gram",)
        # a matrix of NaN was computed; it must not look missing
        self._arrays: dict[str, Any] = {
            name: group[name].with_config({"write_empty_chunks": True})  # type: ignore[union-attr]
            for name in names
            if name in group
        }
        self._path, self._walk = path, walk

    def write(self, number: int, matrices: NDArray[np.float64]) -> None:
        """Write a window's matrices, (groups, updates, updates): each group's, and their sum."""
        updates = matrices.shape[-1]
        whole = np.zeros(matrices.shape[1:])
        for matrix in matrices:  # in order; numpy's own sum takes another one for some shapes
            whole += matrix
        for name, array in self._arrays.items():
            axis = array.ndim - 3
            if number >= array.shape[axis]:
                array.resize((*array.shape[:axis], number + 1, *array.shape[axis + 1 :]))
            if name == "group_gram":
                array[:, number, :updates, :updates] = matrices
            elif self._walk is None:
                array[number, :updates, :updates] = whole
            else:
                array[self._walk, number, :updates, :updates] = whole

    def write_missing(self, number: int, shape: tuple[int, int, int]) -> None:
        """Write NaN for a window whose matrices, of that shape, cannot be known."""
        self.write(number, np.full(shape, np.nan))

    def set_length(self, windows: int, updates: int) -> None:
        """Give the arrays the length of a run that has ended."""
        for array in self._arrays.values():
            array.resize((*array.shape[: array.ndim - 3], windows, updates, updates))

    def keep_only(self, finished: set[int]) -> None:
        """Remove the files of all windows but these."""
        for name in self._arrays:
            chunks = {"gram": "*", "group_gram": "*/*"}.get(name, f"{self._walk}/*")
            for folder in (self._path / name / "c").glob(chunks):
                if folder.name not in map(str, finished):
                    remove(folder)
