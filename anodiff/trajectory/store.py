"""Reads trajectory.zarr, after checking that it is whole."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from anodiff.errors import IncompleteStoreError, StoreFormatError
from anodiff.stores import open_store
from anodiff.trajectory.format import KIND, VERSION
from anodiff.trajectory.windows import Window


@dataclass(frozen=True)
class Trajectory:
    """A finished path, opened for reading.

    Attributes
    ----------
    steps, steps_completed
        Optimiser steps planned and taken; fewer are taken where the run diverged.
    status
        ``complete`` or ``diverged``.
    windows
        The stretches whose points were to be kept.
    """

    path: Path
    group: zarr.Group
    status: str
    steps: int
    steps_completed: int
    windows: tuple[Window, ...]

    @property
    def weights(self) -> zarr.Array:
        """The points, shape (samples, parameters), float32."""
        return self.array("weights")

    def array(self, name: str) -> zarr.Array:
        """Return one of the store's arrays by name."""
        found = self.group[name]
        if not isinstance(found, zarr.Array):
            raise StoreFormatError(f"{self.path}: {name} is a group, not an array")
        return found

    def dimensions(self, name: str) -> tuple[str, ...]:
        """Return the names of an array's dimensions."""
        return tuple(str(dimension) for dimension in self.array(name).metadata.to_dict()["dimension_names"])  # type: ignore

    def series(self, name: str) -> NDArray[np.float32]:
        """Return a per-step or per-epoch series, see docs/format.md."""
        return np.asarray(self.array(name)[:], np.float32)

    def reached(self, window: Window) -> bool:
        """Return whether the run went on until the window's end."""
        return window.start + window.length <= self.steps_completed

    def points(self, window: Window, columns: slice = slice(None)) -> NDArray[np.float32]:
        """Return the window's points, shape (updates + 1, parameters in ``columns``).

        Raises
        ------
        StoreFormatError
            If a chunk is damaged: its checksum differs.
        """
        rows = np.searchsorted(np.asarray(self.array("step")[:]), window.steps)
        first, last = int(rows[0]), int(rows[-1])
        try:
            block = np.asarray(self.weights[first : last + 1, columns], np.float32)
        except ValueError as error:
            reason = " ".join(str(error).split())
            raise StoreFormatError(
                f"{self.path}: weights of steps {window.start}–{window.start + window.length} are damaged: {reason}; "
                "train the run again"
            ) from None
        return block if len(block) == len(rows) else block[rows - first]


def open_trajectory(path: str | Path) -> Trajectory:
    """Open a trajectory and check that its files hold all the points that it says it has.

    Raises
    ------
    StoreMissingError, StoreFormatError, IncompleteStoreError
        In one line.
    """
    group = open_store(path, KIND, VERSION)
    attributes: dict[str, Any] = dict(group.attrs)
    windows = tuple(Window(*(int(value) for value in row)) for row in np.asarray(group["windows"][:]))  # type: ignore[index]
    trajectory = Trajectory(
        Path(path), group, str(attributes["status"]), int(attributes["steps"]), int(attributes["steps_completed"]), windows
    )
    missing = missing_files(trajectory)
    if missing:
        raise IncompleteStoreError(
            f"{path}: {len(missing)} of its files are missing, the first is {missing[0]}; train the run again"
        )
    return trajectory


def missing_files(trajectory: Trajectory) -> list[str]:
    """Return the files of windows, steps and weights that should be there and are not, as paths in the store."""
    weights = trajectory.weights
    rows = (weights.shards or weights.chunks)[0]
    samples = int(np.searchsorted(np.asarray(trajectory.array("step")[:]), trajectory.steps_completed, side="right"))
    chunks = [(name, chunk) for name in ("windows", "step") for chunk in np.ndindex(trajectory.array(name).cdata_shape)]
    chunks += [("weights", (shard, 0)) for shard in range(math.ceil(samples / rows))]
    files = ["/".join(map(str, (name, "c", *chunk))) for name, chunk in chunks]
    return [file for file in files if not (trajectory.path / file).exists()]
