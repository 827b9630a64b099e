"""How is an array written row by row? Whole shards at a time, while the next rows are filled."""

from __future__ import annotations

import math
from collections.abc import Mapping
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from anodiff.trajectory.background import BackgroundThread

if TYPE_CHECKING:
    import torch
    from torch import Tensor

#: Most bytes of rows that are collected on another device before they are copied to the host; there are two such blocks.
STAGING_BYTES = 2**26


class RowFiles(Protocol):
    """Where rows are written, many at once."""

    rows: int
    columns: int

    def write(self, shard: int, rows: NDArray[np.floating], first: int = 0) -> None:
        """Write rows of a shard, from its row ``first`` on."""

    def discard_from(self, shard: int) -> None:
        """Remove the files of a shard and all later ones."""


class RowWriter:
    """Write rows in increasing order; rows that are left out are NaN.

    The host's memory holds two shards: one is filled while the other is compressed and written. If
    writing is slower, filling waits. Rows of another device are collected there and copied in
    blocks, without waiting.

    Parameters
    ----------
    files
        Where shards are written.
    dtype
        Of the rows and the array.
    device
        Where rows are filled.
    background
        Compresses and writes.
    """

    def __init__(self, files: RowFiles, dtype: torch.dtype, device: torch.device, background: BackgroundThread) -> None:
        import torch

        self._files, self._background = files, background
        pinned = device.type == "cuda"
        self._shards = [torch.empty((files.rows, files.columns), dtype=dtype, pin_memory=pinned) for _ in range(2)]
        self._jobs: list[Future[None] | None] = [None, None]
        self._filling = 0
        self._start = self._stop = self._skipped = 0
        self._staging = None
        if device.type != "cpu":
            self._staging = _StagingBuffer(files.rows, files.columns, dtype, device)
        self._rows = [shard.unbind(0) for shard in self._shards]  # views made once: slicing takes as long as a copy

    def row(self, number: int) -> Tensor:
        """Return the memory of a row, on the device, to be filled before the next call."""
        if number >= self._start + self._files.rows:
            self._submit_shard()
            self._start = self._stop = number - number % self._files.rows
        index = number - self._start
        if number > self._stop:
            self._send_staged()
            self._shards[self._filling][self._stop - self._start : index] = math.nan
        self._stop = number + 1
        if self._staging is None:
            return self._rows[self._filling][index]
        return self._staging.row(self._shards[self._filling], index)

    def flush(self) -> None:
        """Submit all rows for writing; wait for the background thread before reading them."""
        if self._stop > self._start:
            self._submit_shard()
            self._start = self._stop

    def state_dict(self) -> dict[str, Any]:
        """Return the number of the first row not submitted yet, and all such rows."""
        self._send_staged()
        if self._staging is not None:
            self._staging.wait()
        return {"start": self._start, "rows": self._shards[self._filling][: self._stop - self._start].clone()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Resume from a state; files of its first row and later ones are removed."""
        self._start = int(state["start"])
        self._stop = self._start + len(state["rows"])
        self._shards[self._filling][: len(state["rows"])] = state["rows"]
        self._files.discard_from(self._start // self._files.rows)

    def _send_staged(self) -> None:
        if self._staging is not None:
            self._staging.send()

    def _submit_shard(self) -> None:
        """Submit the filled shard for writing, and switch to the other once that is written."""
        self._send_staged()
        self._jobs[self._filling] = self._submit_rows()
        self._skipped = 0
        self._filling = 1 - self._filling
        previous = self._jobs[self._filling]
        if previous is not None:
            self._background.wait(previous)

    def _submit_rows(self) -> Future[None]:
        """Submit the rows of the shard so far."""
        rows = self._shards[self._filling][self._skipped : self._stop - self._start].numpy()
        copied = self._staging.copied() if self._staging is not None else None
        return self._background.submit(partial(self._write, self._start // self._files.rows, rows, copied, self._skipped))

    def _write(self, shard: int, rows: Any, copied: torch.cuda.Event | None, first: int) -> None:
        if copied is not None:
            copied.synchronize()
        if first:
            self._files.write(shard, rows, first)
        else:
            self._files.write(shard, rows)


class _StagingBuffer:
    """Two blocks of rows on a device: one is filled while the other is copied to the host."""

    def __init__(self, rows: int, columns: int, dtype: torch.dtype, device: torch.device) -> None:
        import torch

        size = max(1, min(rows, STAGING_BYTES // (max(1, columns) * dtype.itemsize)))
        self._blocks = [torch.empty((size, columns), dtype=dtype, device=device) for _ in range(2)]
        self._rows = [block.unbind(0) for block in self._blocks]
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        self._sent: list[torch.cuda.Event | None] = [None, None]
        self._filling = self._count = self._first = 0
        self._shard: Tensor | None = None

    def row(self, shard: Tensor, index: int) -> Tensor:
        """Return the memory of the row that will be copied to ``shard[index]``."""
        import torch

        if self._count == len(self._rows[0]) or (self._count and index != self._first + self._count):
            self.send()
        if not self._count:
            self._shard, self._first = shard, index
            sent = self._sent[self._filling]
            if sent is not None:
                torch.cuda.current_stream(self._blocks[0].device).wait_event(sent)
        self._count += 1
        return self._rows[self._filling][self._count - 1]

    def send(self) -> None:
        """Start copying the filled rows."""
        import torch

        if not self._count or self._shard is None:
            return
        target = self._shard[self._first : self._first + self._count]
        block = self._blocks[self._filling][: self._count]
        if self._stream is None:
            target.copy_(block)
        else:
            self._stream.wait_stream(torch.cuda.current_stream(block.device))
            with torch.cuda.stream(self._stream):
                target.copy_(block, non_blocking=True)
                self._sent[self._filling] = self._stream.record_event()
        self._filling, self._count = 1 - self._filling, 0

    def copied(self) -> torch.cuda.Event | None:
        """Return the event that all rows sent so far are copied; None if they already are."""
        return None if self._stream is None else self._stream.record_event()

    def wait(self) -> None:
        """Wait until all rows sent so far are copied."""
        if self._stream is not None:
            self._stream.synchronize()
