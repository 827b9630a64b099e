"""Where does a recorder write? Into the store of one process, or of several that share it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from anodiff.storage.stores import finish_store, storage_errors
from anodiff.trajectory.background import BackgroundThread
from anodiff.trajectory.gram_arrays import GramArrays
from anodiff.trajectory.layout import set_lengths
from anodiff.trajectory.rows import RowWriter
from anodiff.trajectory.shards import ShardFiles

if TYPE_CHECKING:
    import torch
    import zarr

    from anodiff.trajectory.series import RunSeries
    from anodiff.trajectory.windows import WindowPlan


class Output:
    """A store that this process writes alone.

    Parameters
    ----------
    group, path
        The store, unfinished.

    Attributes
    ----------
    background
        The thread that writes.
    """

    def __init__(self, group: zarr.Group | None, path: Path) -> None:
        self._group, self._path = group, path
        self.background = BackgroundThread(path)

    def row_writer(self, name: str, device: torch.device) -> RowWriter | None:
        """Return the writer of an array with a row per sample, whose rows are filled on a device;
        None if the store has no such array.
        """
        if self._group is None or name not in self._group:
            return None
        array: Any = self._group[name]
        return RowWriter(ShardFiles(array, self._path / name), row_type(array.dtype), device, self.background)

    def gram_arrays(self, walk: int | None = None) -> GramArrays:
        """Return where the Gram matrices of the path are written, or those of a walk."""
        assert self._group is not None
        return GramArrays(self._group, self._path, walk)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Do something that fails on all ranks if it fails on one."""
        yield

    def meet(self, what: str) -> None:
        """Wait until all ranks call a function of the recorder together."""

    def packed(self, state: dict[str, Any], *, on_first: bool) -> dict[str, Any]:
        """Return the state of a recorder as it goes into a checkpoint, which rank 0 alone may save."""
        return state

    def unpacked(self, state: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return what `packed` got.

        Raises
        ------
        ConfigError
            If it is of a recording by other processes.
        """
        if "ranks" in state:
            from anodiff.trajectory.sharded.state import unpack_replicated

            return unpack_replicated(self._path, state)
        return state

    def note_lost(self, walk: str, windows: Sequence[int]) -> None:
        """Note in the store that windows have no matrices, as they were open when other ranks took over."""
        if self._group is None or not windows:
            return
        noted: dict[str, list[int]] = dict(self._group.attrs.get("windows_without_gram", {}))  # type: ignore[arg-type]
        noted[walk] = sorted({*noted.get(walk, []), *windows})
        listed = ", ".join(map(str, windows))
        warnings.warn(
            f"{self._path}: the state is of other shards, so the windows {listed}, open at the time, have no Gram matrix (NaN)",
            stacklevel=4,
        )
        self._group.attrs["windows_without_gram"] = noted

    def finish(self, plan: WindowPlan, series: RunSeries, completed: int, status: str, attributes: Mapping[str, Any]) -> None:
        """Write the lengths and series, and mark the store as finished."""
        windows, kept, steps = plan.final(completed)
        assert self._group is not None
        with storage_errors(self._path):
            if plan.steps is None or not series.planned:
                set_lengths(self._group, windows, kept, steps, series.epochs)
            series.write(self._group, completed)
            finish_store(self._group, status, **attributes)

    def stop(self, *, failed: bool) -> None:
        """End the background thread."""
        self.background.stop()


def row_type(dtype: Any) -> torch.dtype:
    """Return torch's type of the numbers of an array."""
    import torch

    return torch.float64 if dtype == np.float64 else torch.float32
