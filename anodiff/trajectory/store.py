"""How is a trajectory.zarr read? After checking that all its files are there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anodiff.errors import ConfigError, StoreDamagedError, StoreFormatError
from anodiff.storage.integrity import ROOT, check_files, content_digest
from anodiff.storage.stores import open_store
from anodiff.trajectory.completeness import check_complete
from anodiff.trajectory.format import FULL, KIND, NONE, VERSION, columns_of, is_complex
from anodiff.trajectory.windows import Window, read_windows

if TYPE_CHECKING:
    import zarr


@dataclass(frozen=True)
class Trajectory:
    """A finished path, opened for reading.

    Attributes
    ----------
    steps, steps_completed
        Optimiser steps planned and taken; fewer are taken if the run diverged.
    status
        ``complete`` or ``diverged``.
    windows
        The windows whose points are kept.
    content
        Digest of the arrays' content, the same for runs that are equal.
    fingerprint
        Inode, time of change and size of the root metadata, which differ if the store is replaced.
    """

    path: Path
    group: zarr.Group
    status: str
    steps: int
    steps_completed: int
    windows: tuple[Window, ...]
    content: str
    fingerprint: tuple[int, int, int]

    @property
    def weights(self) -> zarr.Array:
        """The points, (samples, numbers), float32 or float64; of a sketch (samples, components), float64.

        Raises
        ------
        ConfigError
            If the run stored none.
        """
        if self.representation == NONE:
            raise ConfigError(f"{self.path}: recorded with weights: none, so it holds Gram matrices and no points")
        return self.array("weights")

    @property
    def representation(self) -> str:
        """What is stored of each point: every parameter (``full``), a ``sketch``, or ``none``."""
        return str(self.group.attrs.get("representation", FULL))

    @property
    def parameters(self) -> int:
        """How many numbers the model's trainable parameters are; a complex one is two."""
        last: dict[str, Any] = self.group.attrs["parameters"][-1]  # type: ignore[index, assignment]
        return int(columns_of(last).stop)

    @cached_property
    def kept_steps(self) -> NDArray[np.int64]:
        """Optimiser step of each sample, increasing, shape (samples,)."""
        return np.asarray(self.array("step")[:], np.int64)

    def parameter_name(self, column: int) -> str:
        """Return the name of a column of the weights, such as ``layer.weight[3, 0]``."""
        if self.representation != FULL:
            return f"component {column} of the sketch"
        table: list[dict[str, Any]] = self.group.attrs["parameters"]  # type: ignore[assignment]
        tensor = next(entry for entry in reversed(table) if entry["offset"] <= column)
        part = ""
        column -= tensor["offset"]
        if is_complex(tensor):
            column, imaginary = divmod(column, 2)
            part = ".imag" if imaginary else ".real"
        index = np.unravel_index(column, tensor["shape"]) if tensor["shape"] else ()
        return f"{tensor['name']}[{', '.join(map(str, index))}]{part}"

    def array(self, name: str) -> zarr.Array:
        """Return one of the store's arrays by name."""
        import zarr

        found = self.group[name]
        if not isinstance(found, zarr.Array):
            raise StoreFormatError(f"{self.path}: {name} is a group, not an array")
        return found

    def dimensions(self, name: str) -> tuple[str, ...]:
        """Return the names of an array's dimensions."""
        return tuple(str(dimension) for dimension in self.array(name).metadata.to_dict()["dimension_names"])  # type: ignore

    def series(self, name: str) -> NDArray[Any]:
        """Return a per-step or per-epoch series, float32 or float64, see docs/format.md."""
        return np.asarray(self.array(name)[:])

    def points(self, window: Window, columns: slice = slice(None)) -> NDArray[Any]:
        """Return the window's points, shape (updates + 1, columns), float32 or float64.

        Time runs fastest (Fortran order), as in the store.

        Raises
        ------
        StoreDamagedError
            If a chunk is damaged or missing. The message names its file and its steps.
        """
        return self._samples("weights", window.steps, columns)

    def gradient_sample(self, window: Window) -> NDArray[Any]:
        """Return the sampled gradient at each of the window's points, (updates + 1, coordinates).

        Raises
        ------
        KeyError
            If the run stored none.
        StoreDamagedError
            If a chunk is damaged or missing.
        """
        return self._samples("gradient_sample", window.steps, slice(None))

    def gram(self, number: int) -> NDArray[np.float64]:
        """Return the update Gram matrix of a window, by its number, shape (updates, updates).

        A run has these if it stored no weights.

        Raises
        ------
        KeyError
            If the run stored none.
        StoreDamagedError
            If a chunk is damaged or missing.
        """
        updates = self.windows[number].updates
        return np.asarray(self.array("gram")[number, :updates, :updates], np.float64)

    @property
    def groups(self) -> list[dict[str, Any]]:
        """The groups of parameters that have Gram matrices of their own: name, parameters, size."""
        return list(self.group.attrs.get("groups", []))  # type: ignore[arg-type]

    @property
    def walks(self) -> list[str]:
        """The walks beside the path that have Gram matrices, see `anodiff.trajectory.optimiser_walks`."""
        return list(self.group.attrs.get("walks", []))  # type: ignore[arg-type]

    def part_gram(self, array: str, part: int, number: int) -> NDArray[np.float64]:
        """Return a window's matrix from ``group_gram`` or ``walk_gram``, by the part's number, as `gram` does."""
        updates = self.windows[number].updates
        return np.asarray(self.array(array)[part, number, :updates, :updates], np.float64)

    def check_unchanged(self) -> None:
        """Check that the store is still the one that was opened, from one file's metadata.

        Raises
        ------
        StoreFormatError
            If it was replaced, rewritten or removed.
        """
        try:
            same = _fingerprint(self.path) == self.fingerprint
        except FileNotFoundError:
            same = False
        if not same:
            raise StoreFormatError(f"{self.path}: the store changed while it was being read; run this again")

    def point(self, step: int) -> NDArray[Any]:
        """Return the point that is stored for a step, shape (P,), as `points` does."""
        return self._samples("weights", np.array([step]), slice(None))[0]

    def points_at(self, steps: Iterable[int]) -> Iterator[tuple[int, NDArray[Any]]]:
        """Yield rising steps with the points stored for them, as `point` does, reading each file once."""
        rows = (self.weights.shards or self.weights.chunks)[0]
        for _, together in groupby(steps, key=lambda step: int(np.searchsorted(self.kept_steps, step)) // rows):
            own = np.array(list(together), dtype=np.int64)
            yield from zip(own.tolist(), self._samples("weights", own, slice(None)), strict=True)

    def buffers(self, step: int) -> dict[str, NDArray[np.float64]] | None:
        """Return the buffers of the model's forward pass at a stored point, by name and in their
        shape; a complex one as (…, 2).

        They are known where they were stored, and between the ends of a window where they were the
        same. There are none if the model has none. None if they are not known.

        Raises
        ------
        StoreDamagedError
            If a chunk is damaged or missing.
        """
        table: list[dict[str, Any]] | None = self.group.attrs.get("buffers")  # type: ignore[assignment]
        if not table:
            return None if table is None else {}
        row = self._buffers_at(step)
        for window in self.windows:
            last = window.start + window.length
            if row is None and window.start < step < last and window.reached(self.steps_completed):
                begin, end = self._buffers_at(window.start), self._buffers_at(last)
                if begin is not None and end is not None and np.array_equal(begin, end, equal_nan=True):
                    row = begin
        if row is None:
            return None
        shapes = {entry["name"]: (*entry["shape"], 2) if is_complex(entry) else tuple(entry["shape"]) for entry in table}
        return {entry["name"]: row[columns_of(entry)].reshape(shapes[entry["name"]]) for entry in table}

    def _buffers_at(self, step: int) -> NDArray[np.float64] | None:
        """Return the buffers stored for a step, shape (buffers,); None if there are none."""
        row = self._samples("buffers", np.array([step]), slice(None))[0]
        return None if np.isnan(row).all() else row

    def _samples(self, name: str, steps: NDArray[np.int64], columns: slice) -> NDArray[Any]:
        stored = self.weights if name == "weights" else self.array(name)
        array = stored.with_config({"order": "F"})  # as stored, so nothing is transposed
        rows = np.searchsorted(self.kept_steps, steps)
        first, last = int(rows[0]), int(rows[-1])
        try:
            block = np.asarray(array[first : last + 1, columns])
        except StoreDamagedError as error:
            self.check_unchanged()
            shard = int(error.chunk.split("/")[1]) * (array.shards or array.chunks)[0]
            held = self.kept_steps[shard : shard + (array.shards or array.chunks)[0]]
            reason = f"{error.reason}; it holds the steps {held[0]}–{held[-1]}"
            raise StoreDamagedError(self.path, error.array, error.chunk, reason) from None
        return block if len(block) == len(rows) else block[rows - first]


def open_trajectory(path: str | Path) -> Trajectory:
    """Open a trajectory, after checking that the files of all its points are there.

    Raises
    ------
    StoreMissingError, StoreFormatError, IncompleteStoreError, StoreDamagedError
        With a message of one line.
    """
    from anodiff.storage.checked import root_metadata

    path = Path(path)
    fingerprint = _fingerprint(path) if (path / ROOT).is_file() else (0, 0, 0)
    group = open_store(path, KIND, VERSION)
    root = root_metadata(group)
    check_files(root)
    attributes: dict[str, Any] = dict(group.attrs)
    steps, completed = int(attributes["steps"]), int(attributes["steps_completed"])
    trajectory = Trajectory(
        path, group, str(attributes["status"]), steps, completed, read_windows(group), content_digest(root), fingerprint
    )
    check_complete(path, group, trajectory.windows, completed, root.files or {})
    return trajectory


def _fingerprint(path: Path) -> tuple[int, int, int]:
    root = (path / ROOT).stat()
    return root.st_ino, root.st_mtime_ns, root.st_size
