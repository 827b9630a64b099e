"""Writes an array row by row, whole shards at a time, while the next rows are being filled."""

from __future__ import annotations

import math
from collections.abc import Mapping
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr

from anodiff.trajectory.background import Background
from anodiff.trajectory.shards import ShardFiles

if TYPE_CHECKING:
    import torch
    from torch import Tensor

#: Bound on the rows that are gathered on another device before they travel to the host, in bytes; there are two such blocks.
STAGED_BYTES = 2**26


class RowWriter:
    """Take rows in rising order; one that is left out is NaN.

    Two shards in the host's memory change places: one is filled, the other compressed and written. Whoever fills faster than
    the disk takes it waits. Rows of another device are gathered there and travel in blocks, and hold nothing up.

    Parameters
    ----------
    files
        Where shards go.
    dtype
        Of the rows, that of the array.
    device
        Where rows are filled.
    background
        Compresses and writes.
    """

    def __init__(self, files: ShardFiles, dtype: torch.dtype, device: torch.device, background: Background) -> None:
        import torch

        self._files, self._background = files, background
        pinned = device.type == "cuda"
        self._shards = [torch.empty((files.rows, files.columns), dtype=dtype, pin_memory=pinned) for _ in range(2)]
        self._jobs: list[Future[None] | None] = [None, None]
        self._filling = 0
        self._start = self._stop = 0
        self._staged = None
        if device.type != "cpu":
            self._staged = _Staged(files.rows, files.columns, dtype, device)
        self._rows = [shard.unbind(0) for shard in self._shards]  # views made once: slicing costs as much as a copy

    @classmethod
    def of(cls, group: zarr.Group, name: str, path: Path, device: torch.device, background: Background) -> RowWriter:
        """Return the writer of an array of the store at ``path``."""
        import torch

        array: Any = group[name]
        dtype = torch.float64 if array.dtype == np.float64 else torch.float32
        return cls(ShardFiles(array, path / name), dtype, device, background)

    def row(self, number: int) -> Tensor:
        """Return the memory of a row, on the device, to be filled before the next call."""
        if number >= self._start + self._files.rows:
            self._hand_over()
            self._start = self._stop = number - number % self._files.rows
        place = number - self._start
        if number > self._stop:
            self._land()
            self._shards[self._filling][self._stop - self._start : place] = math.nan
        self._stop = number + 1
        if self._staged is None:
            return self._rows[self._filling][place]
        return self._staged.row(self._shards[self._filling], place)

    def flush(self) -> None:
        """Hand over what is held; it is in its file when the background has been waited for."""
        if self._stop > self._start:
            self._hand_over()
            self._start = self._stop

    def state(self) -> dict[str, Any]:
        """Return what is held and not yet handed over: number of the first row, and the rows, shape (rows, columns)."""
        self._land()
        if self._staged is not None:
            self._staged.wait()
        return {"start": self._start, "rows": self._shards[self._filling][: self._stop - self._start].clone()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state; what is in the files from its first row on is removed, whole or torn."""
        self._start = int(state["start"])
        self._stop = self._start + len(state["rows"])
        self._shards[self._filling][: len(state["rows"])] = state["rows"]
        self._files.discard_from(self._start // self._files.rows)

    def _land(self) -> None:
        if self._staged is not None:
            self._staged.send()

    def _hand_over(self) -> None:
        """Give the shard to the background and take the other one, as soon as that is written."""
        self._land()
        rows = self._shards[self._filling][: self._stop - self._start].numpy()
        arrived = self._staged.arrival() if self._staged is not None else None
        job = partial(self._write, self._start // self._files.rows, rows, arrived)
        self._jobs[self._filling] = self._background.submit(job)
        self._filling = 1 - self._filling
        before = self._jobs[self._filling]
        if before is not None:
            self._background.wait(before)

    def _write(self, shard: int, rows: Any, arrived: torch.cuda.Event | None) -> None:
        if arrived is not None:
            arrived.synchronize()
        self._files.write(shard, rows)


class _Staged:
    """Two blocks of rows on a device: one is filled while the other travels."""

    def __init__(self, rows: int, columns: int, dtype: torch.dtype, device: torch.device) -> None:
        import torch

        size = max(1, min(rows, STAGED_BYTES // (columns * dtype.itemsize)))
        self._blocks = [torch.empty((size, columns), dtype=dtype, device=device) for _ in range(2)]
        self._rows = [block.unbind(0) for block in self._blocks]
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        self._sent: list[torch.cuda.Event | None] = [None, None]
        self._filling = self._count = self._place = 0
        self._shard: Tensor | None = None

    def row(self, shard: Tensor, place: int) -> Tensor:
        """Return the memory of the row that will travel to ``shard[place]``."""
        import torch

        if self._count == len(self._rows[0]) or (self._count and place != self._place + self._count):
            self.send()
        if not self._count:
            self._shard, self._place = shard, place
            sent = self._sent[self._filling]
            if sent is not None:
                torch.cuda.current_stream(self._blocks[0].device).wait_event(sent)
        self._count += 1
        return self._rows[self._filling][self._count - 1]

    def send(self) -> None:
        """Let the filled rows travel."""
        import torch

        if not self._count or self._shard is None:
            return
        target = self._shard[self._place : self._place + self._count]
        block = self._blocks[self._filling][: self._count]
        if self._stream is None:
            target.copy_(block)
        else:
            self._stream.wait_stream(torch.cuda.current_stream(block.device))
            with torch.cuda.stream(self._stream):
                target.copy_(block, non_blocking=True)
                self._sent[self._filling] = self._stream.record_event()
        self._filling, self._count = 1 - self._filling, 0

    def arrival(self) -> torch.cuda.Event | None:
        """Return what has happened when all that was sent has arrived; None where it has."""
        return None if self._stream is None else self._stream.record_event()

    def wait(self) -> None:
        """Wait until all that was sent has arrived."""
        if self._stream is not None:
            self._stream.synchronize()
