"""How do several ranks write one store? Rank 0 what there is once, each rank what only it holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from anodiff.errors import ConfigError
from anodiff.storage.stores import storage_errors
from anodiff.trajectory.format import FULL
from anodiff.trajectory.gram_arrays import GramArrays
from anodiff.trajectory.layout import create_trajectory, reopen_trajectory
from anodiff.trajectory.output import Output, row_type
from anodiff.trajectory.rows import RowWriter
from anodiff.trajectory.sharded.rows import ExchangedFiles, SharedRowWriter, SummedFiles
from anodiff.trajectory.sharded.state import pack, unpack
from anodiff.trajectory.shards import ShardFiles

if TYPE_CHECKING:
    import zarr

    from anodiff.trajectory.point_parts import PointParts
    from anodiff.trajectory.series import RunSeries
    from anodiff.trajectory.sharded.distribution import Distribution
    from anodiff.trajectory.sharded.ranks import Ranks
    from anodiff.trajectory.windows import WindowPlan


def begin_output(
    path: Path,
    plan: WindowPlan,
    parts: PointParts,
    attributes: Mapping[str, Any],
    *,
    epochs: int | None,
    overwrite: bool,
    resumes: bool,
) -> Output:
    """Create the store of a recording, or reopen an unfinished one; see `create_trajectory`."""

    def opened() -> zarr.Group:
        with storage_errors(path):
            if resumes:
                return reopen_trajectory(path, plan, parts, epochs=epochs)
            return create_trajectory(path, plan, parts, attributes, epochs=epochs, overwrite=overwrite)

    if parts.distribution is None:
        return Output(opened(), path)
    return SharedOutput.begin(opened, path, parts)


class SharedOutput(Output):
    """This rank's part of a store.

    Parameters
    ----------
    group
        The store; None on a rank that writes nothing.
    arrays
        Rows of a shard, columns and type of each array with a row per sample.
    """

    def __init__(
        self, group: zarr.Group | None, path: Path, parts: PointParts, arrays: Mapping[str, tuple[int, int, str]]
    ) -> None:
        super().__init__(group, path)
        assert parts.distribution is not None
        self._distribution: Distribution = parts.distribution
        self._ranks: Ranks = parts.distribution.ranks
        self._parts, self._arrays = parts, arrays

    @classmethod
    def begin(cls, opened: Callable[[], zarr.Group], path: Path, parts: PointParts) -> SharedOutput:
        """Let rank 0 make the store, and the others open it if they write weights."""
        assert parts.distribution is not None
        ranks, group = parts.distribution.ranks, None
        with ranks.together():
            if ranks.is_first:
                group = opened()
        with ranks.together():
            if parts.distribution.is_sharded and parts.representation == FULL and not ranks.is_first:
                group = _seen(path, ranks)
        arrays = {}
        if group is not None and ranks.is_first:
            found: dict[str, Any] = {name: group[name] for name in ("weights", "buffers", "gradient_sample") if name in group}
            arrays = {name: ((one.shards or one.chunks)[0], one.shape[1], one.dtype.name) for name, one in found.items()}
        return cls(group, path, parts, ranks.gathered(arrays)[0])

    def row_writer(self, name: str, device: torch.device) -> RowWriter | None:
        """Return the writer of an array; of buffers, which all ranks hold, on rank 0 alone."""
        ranks = self._ranks
        if name not in self._arrays or not self._distribution.is_sharded:
            return super().row_writer(name, device)
        rows, columns, kind = self._arrays[name]
        array: Any = None if self._group is None else self._group[name]
        files: ExchangedFiles | SummedFiles | ShardFiles
        if name == "buffers":
            if not ranks.is_first:
                return None
            files = ShardFiles(array, self._path / name)
        elif name == "weights" and self._parts.representation == FULL:
            trainable = self._parts.model.trainable
            by_rank = [self._distribution.columns(trainable, rank) for rank in range(ranks.size)]
            files = ExchangedFiles(array, self._path / name, by_rank, ranks)
        else:
            own = ShardFiles(array, self._path / name) if ranks.is_first else None
            files = SummedFiles(own, rows, columns, ranks)
        return SharedRowWriter(files, row_type(np.dtype(kind)), device, self.background)

    def gram_arrays(self, walk: int | None = None) -> GramArrays:
        """Return where matrices are written: the sums of all ranks' matrices, by rank 0."""
        own = super().gram_arrays(walk) if self._ranks.is_first else None
        if own is not None and not self._distribution.is_sharded:
            return own
        return SummedGrams(own, self._ranks)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Do something that fails on all ranks if it fails on one."""
        with self._ranks.together():
            yield

    def meet(self, what: str) -> None:
        """Wait until all ranks that record call a function of the recorder together."""
        if self._distribution.is_sharded:
            self._ranks.meet(f"{self._path}: rank {{}} does not call {what}; call it on every rank")

    def packed(self, state: dict[str, Any], *, on_first: bool) -> dict[str, Any]:
        """Return this rank's part of the state, under names that no other rank uses; or all parts on rank 0."""
        own = pack(state, self._distribution, self._parts.flat)
        if not on_first:
            return own
        gathered = self._ranks.gathered_on_first(own)
        return {name: part for each in gathered for name, part in each.items()} if gathered else own

    def unpacked(self, state: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return this rank's state; without the sums of open windows if they are of other shards."""
        return unpack(self._path, state, self._distribution, self._parts.flat)

    def note_lost(self, walk: str, windows: Sequence[int]) -> None:
        """Note in the store that windows have no matrices, on rank 0."""
        if self._ranks.is_first:
            super().note_lost(walk, windows)

    def finish(self, plan: WindowPlan, series: RunSeries, completed: int, status: str, attributes: Mapping[str, Any]) -> None:
        """Let rank 0 finish the store once all ranks have written their parts."""
        steps = self._ranks.gathered(completed)
        with self._ranks.together():
            other = next((rank for rank, count in enumerate(steps) if count != steps[0]), None)
            if other is not None:
                raise ConfigError(
                    f"{self._path}: rank 0 recorded {steps[0]} steps and rank {other} {steps[other]}; "
                    "call record() on every rank"
                )
            if self._ranks.is_first:
                super().finish(plan, series, completed, status, attributes)

    def stop(self, *, failed: bool) -> None:
        """End the background thread and this rank's part in the messages."""
        if failed:
            self._ranks.leave()
        super().stop(failed=failed)
        self._ranks.close()


class SummedGrams(GramArrays):
    """Gram matrices that are the sums of all ranks' matrices, written by rank 0.

    Parameters
    ----------
    arrays
        Where rank 0 writes; None on the others.
    """

    def __init__(self, arrays: GramArrays | None, ranks: Ranks) -> None:
        self._own, self._ranks = arrays, ranks

    def write(self, number: int, matrices: NDArray[np.float64]) -> None:
        """Add up the ranks' matrices of a window and write them; they are symmetric, so half is sent."""
        groups, updates, _ = matrices.shape
        rows, columns = np.tril_indices(updates)
        total = self._ranks.sum_on_first(torch.from_numpy(matrices[:, rows, columns].ravel()))
        if total is not None and self._own is not None:
            whole = np.empty_like(matrices)
            whole[:, rows, columns] = whole[:, columns, rows] = total.numpy().reshape(groups, -1)
            self._own.write(number, whole)

    def write_missing(self, number: int, shape: tuple[int, int, int]) -> None:
        """Write NaN for a window whose matrices cannot be known."""
        if self._own is not None:
            self._own.write_missing(number, shape)

    def set_length(self, windows: int, updates: int) -> None:
        """Give the arrays the length of a run that has ended."""
        if self._own is not None:
            self._own.set_length(windows, updates)

    def keep_only(self, finished: set[int]) -> None:
        """Remove the files of all windows but these."""
        if self._own is not None:
            self._own.keep_only(finished)


def _seen(path: Path, ranks: Ranks) -> zarr.Group:
    """Return the store that rank 0 has made."""
    import zarr

    try:
        return zarr.open_group(path, mode="r+", use_consolidated=False)
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(
            f"{path}: rank {ranks.rank} does not see the store that rank 0 made; full weights need a file system that all "
            "ranks share; give such a path, or record a sketch or none"
        ) from error
