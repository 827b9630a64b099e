"""How is a trajectory.zarr read? After checking that all its files are there."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from anodiff.errors import ConfigError, IncompleteStoreError, StoreFormatError
from anodiff.storage.stores import open_store
from anodiff.trajectory.format import FULL, KIND, NONE, VERSION
from anodiff.trajectory.windows import Window, read_windows

if TYPE_CHECKING:
    import zarr

#: Errors of reading a damaged chunk: a wrong checksum, or a codec that cannot decode it.
DAMAGE = (ValueError, RuntimeError)


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
    fingerprint
        Inode, time of change and size of the root metadata, which differ if the store is replaced.
    """

    path: Path
    group: zarr.Group
    status: str
    steps: int
    steps_completed: int
    windows: tuple[Window, ...]
    fingerprint: tuple[int, int, int]

    @property
    def weights(self) -> zarr.Array:
        """The points, (samples, parameters), float32; of a sketch (samples, components), float64.

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
        """Number of the model's parameters."""
        last: dict[str, Any] = self.group.attrs["parameters"][-1]  # type: ignore[index, assignment]
        return int(last["offset"]) + math.prod(last["shape"])

    @cached_property
    def kept_steps(self) -> NDArray[np.int64]:
        """Optimiser step of each sample, increasing, shape (samples,)."""
        with _damage_errors(self.path, "step"):
            return np.asarray(self.array("step")[:], np.int64)

    def parameter_name(self, column: int) -> str:
        """Return the name of a column of the weights, such as ``layer.weight[3, 0]``."""
        if self.representation != FULL:
            return f"component {column} of the sketch"
        table: list[dict[str, Any]] = self.group.attrs["parameters"]  # type: ignore[assignment]
        tensor = next(entry for entry in reversed(table) if entry["offset"] <= column)
        index = np.unravel_index(column - tensor["offset"], tensor["shape"]) if tensor["shape"] else ()
        return f"{tensor['name']}[{', '.join(map(str, index))}]"

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

    def series(self, name: str) -> NDArray[np.float32]:
        """Return a per-step or per-epoch series, see docs/format.md."""
        with _damage_errors(self.path, name):
            return np.asarray(self.array(name)[:], np.float32)

    def points(self, window: Window, columns: slice = slice(None)) -> NDArray[Any]:
        """Return the window's points, shape (updates + 1, columns), float32; of a sketch float64.

        Time runs fastest (Fortran order), as in the store.

        Raises
        ------
        StoreFormatError
            If a chunk is damaged: its checksum is wrong. The message names it.
        """
        return self._samples("weights", window, columns)

    def gradient_sample(self, window: Window) -> NDArray[np.float32]:
        """Return the sampled gradient at each of the window's points, (updates + 1, coordinates).

        Raises
        ------
        KeyError
            If the run stored none.
        StoreFormatError
            If a chunk is damaged.
        """
        return self._samples("gradient_sample", window, slice(None))

    def gram(self, number: int) -> NDArray[np.float64]:
        """Return the update Gram matrix of a window, by its number, shape (updates, updates).

        A run has these if it stored no weights.

        Raises
        ------
        KeyError
            If the run stored none.
        StoreFormatError
            If a chunk is damaged.
        """
        updates = self.windows[number].updates
        with _damage_errors(self.path, f"gram of window {number}"):
            return np.asarray(self.array("gram")[number, :updates, :updates], np.float64)

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

    def _samples(self, name: str, window: Window, columns: slice) -> NDArray[Any]:
        stored = self.weights if name == "weights" else self.array(name)
        array = stored.with_config({"order": "F"})  # as stored, so nothing is transposed
        rows = np.searchsorted(self.kept_steps, window.steps)
        first, last = int(rows[0]), int(rows[-1])
        try:
            block = np.asarray(array[first : last + 1, columns])
        except DAMAGE as error:
            self.check_unchanged()
            self._name_damage(array, slice(first, last + 1), columns, error)
        return block if len(block) == len(rows) else block[rows - first]

    def _name_damage(self, array: zarr.Array, rows: slice, columns: slice, error: Exception) -> NoReturn:
        """Raise an error that names the first chunk of a selection that cannot be read."""
        reason, where = error, "some chunk"
        for chunk in _chunks(array, rows, columns):
            try:
                array[tuple(slice(c * n, (c + 1) * n) for c, n in zip(chunk, array.chunks, strict=True))]
            except DAMAGE as found:
                steps = self.kept_steps[chunk[0] * array.chunks[0] : (chunk[0] + 1) * array.chunks[0]]
                shard = (c * n // m for c, n, m in zip(chunk, array.chunks, array.shards or array.chunks, strict=True))
                file = "/".join(map(str, (array.basename, "c", *shard)))
                reason, where = found, f"chunk {chunk} in the file {file}, of steps {steps[0]}–{steps[-1]},"
                break
        raise StoreFormatError(
            f"{self.path}: {array.basename}: {where} is damaged: {one_line(reason)}; train the run again"
        ) from None


def open_trajectory(path: str | Path) -> Trajectory:
    """Open a trajectory, after checking that the files of all its points are there.

    Raises
    ------
    StoreMissingError, StoreFormatError, IncompleteStoreError
        With a message of one line.
    """
    path = Path(path)
    fingerprint = _fingerprint(path) if (path / "zarr.json").is_file() else (0, 0, 0)
    group = open_store(path, KIND, VERSION)
    attributes: dict[str, Any] = dict(group.attrs)
    with _damage_errors(path, "windows"):
        windows = read_windows(group)
    steps, completed = int(attributes["steps"]), int(attributes["steps_completed"])
    trajectory = Trajectory(path, group, str(attributes["status"]), steps, completed, windows, fingerprint)
    missing = _missing_files(trajectory)
    if missing:
        raise IncompleteStoreError(
            f"{path}: {len(missing)} of its files are missing or empty, the first is {missing[0]}; train the run again"
        )
    _check_steps(trajectory)
    return trajectory


def _missing_files(trajectory: Trajectory) -> list[str]:
    """Return the files of all arrays except the series that are missing or empty."""
    steps, completed = trajectory.kept_steps, trajectory.steps_completed
    tables, samples = ["windows", "step"], {}
    if trajectory.representation != NONE:
        samples["weights"] = np.count_nonzero(steps <= completed)
    if "gradient_sample" in trajectory.group:
        tables.append("coordinate")
        samples["gradient_sample"] = np.count_nonzero(steps < completed)  # the last point has no gradient
    chunks = [(name, chunk) for name in tables for chunk in np.ndindex(trajectory.array(name).cdata_shape)]
    for name, count in samples.items():
        array = trajectory.array(name)
        rows = (array.shards or array.chunks)[0]
        chunks += [(name, (shard, 0)) for shard in range(math.ceil(count / rows))]
    if trajectory.representation == NONE:
        height = trajectory.array("gram").chunks[1]
        for number, window in enumerate(trajectory.windows):
            rows = math.ceil(window.updates / height) if window.reached(completed) else 0
            chunks += [("gram", (number, row, 0)) for row in range(rows)]
    files = ["/".join(map(str, (name, "c", *chunk))) for name, chunk in chunks]
    paths = [trajectory.path / file for file in files]
    return [file for file, path in zip(files, paths, strict=True) if not path.exists() or not path.stat().st_size]


def _check_steps(trajectory: Trajectory) -> None:
    steps = trajectory.kept_steps
    samples = len(steps) if trajectory.representation == NONE else trajectory.weights.shape[0]
    if len(steps) != samples:
        raise StoreFormatError(f"{trajectory.path}: {len(steps)} steps for {samples} samples; train the run again")
    not_increasing = np.flatnonzero(np.diff(steps) <= 0)
    if len(not_increasing):
        before, after = steps[not_increasing[0]], steps[not_increasing[0] + 1]
        kind = "duplicate" if before == after else "decreasing"
        raise StoreFormatError(
            f"{trajectory.path}: {kind} steps: sample {not_increasing[0] + 1} has step {after}, the one before {before}; "
            "train the run again"
        )


def _fingerprint(path: Path) -> tuple[int, int, int]:
    root = (path / "zarr.json").stat()
    return root.st_ino, root.st_mtime_ns, root.st_size


def _chunks(array: zarr.Array, rows: slice, columns: slice) -> Iterator[tuple[int, int]]:
    """Return the indices of the chunks that a selection touches, row by row."""
    spans = (range(*part.indices(length)) for part, length in zip((rows, columns), array.shape, strict=True))
    touched = [range(span[0] // n, span[-1] // n + 1) for span, n in zip(spans, array.chunks, strict=True)]
    yield from itertools.product(*touched)


@contextmanager
def _damage_errors(path: Path, name: str) -> Iterator[None]:
    """Turn errors of reading a damaged array into one that names it."""
    try:
        yield
    except DAMAGE as error:
        raise StoreFormatError(f"{path}: {name} is damaged: {one_line(error)}; train the run again") from None


def one_line(error: Exception) -> str:
    """Return an error's message as one line, or its type if it has no message."""
    return " ".join(str(error).split()) or type(error).__name__
