"""How are rows written that several ranks hold parts of? Together, many rows at once.

What is written of a recorder's state is in the store's files, not in the state. So any number of
ranks can resume from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anodiff.trajectory.rows import RowWriter
from anodiff.trajectory.sharded.columns import Columns, Copies
from anodiff.trajectory.shards import ShardFiles

if TYPE_CHECKING:
    import zarr

    from anodiff.trajectory.sharded.ranks import Ranks


class SharedRowWriter(RowWriter):
    """A `RowWriter` whose state is only the number of its rows: they are written as it is taken."""

    def state_dict(self) -> dict[str, Any]:
        """Write all rows so far, and return how many there are."""
        if self._stop > self._start + self._skipped:
            self._send_staged()
            self._background.wait(self._submit_rows())
        return {"rows": self._stop}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Resume after the rows of a state; files of later shards are removed."""
        self._stop = int(state["rows"])
        self._skipped = self._stop % self._files.rows
        self._start = self._stop - self._skipped
        self._files.discard_from(self._start // self._files.rows + (self._skipped > 0))


class SummedFiles:
    """Rows that are the sums of all ranks' rows, written by rank 0.

    Parameters
    ----------
    files
        Where rank 0 writes; None on the others.
    rows, columns
        Of a shard.
    """

    def __init__(self, files: ShardFiles | None, rows: int, columns: int, ranks: Ranks) -> None:
        self._files, self._ranks = files, ranks
        self.rows, self.columns = rows, columns

    def write(self, shard: int, rows: NDArray[np.floating], first: int = 0) -> None:
        """Add up the ranks' rows and write them."""
        total = self._ranks.sum_on_first(torch.from_numpy(rows.astype(np.float64).ravel()))
        if total is not None and self._files is not None:
            self._files.write(shard, total.numpy().reshape(rows.shape).astype(rows.dtype), first)

    def discard_from(self, shard: int) -> None:
        """Remove the files of a shard and all later ones."""
        if self._files is not None:
            self._files.discard_from(shard)


class ExchangedFiles:
    """Rows of which each rank holds its own columns, and writes whole shards of adjacent columns.

    The ranks exchange what they hold when a shard's rows are complete. The shards across an array
    are dealt to the ranks in turn.

    Parameters
    ----------
    array, folder
        The array and its folder, which all ranks see.
    by_rank
        The columns that each rank holds, in its order.
    """

    def __init__(self, array: zarr.Array, folder: Path, by_rank: Sequence[Columns], ranks: Ranks) -> None:
        self.rows, width = array.shards or array.chunks
        self.columns = by_rank[ranks.rank].size
        self._ranks = ranks
        shards = range(-(-array.shape[1] // width))
        self._files = {number: ShardFiles(array, folder, number) for number in shards[ranks.rank :: ranks.size]}
        self._sent = [_parts(by_rank[ranks.rank], shards[rank :: ranks.size], width) for rank in range(ranks.size)]
        self._received = [_parts(theirs, list(self._files), width) for theirs in by_rank]

    def write(self, shard: int, rows: NDArray[np.floating], first: int = 0) -> None:
        """Exchange rows, (up to ``self.rows``, columns), and write this rank's shards."""
        held = torch.from_numpy(rows)
        sizes = [[len(rows) * sum(part.size for part in parts) for parts in each] for each in (self._sent, self._received)]
        message = torch.empty(sum(sizes[0]), dtype=held.dtype)
        for part, block in _blocks(self._sent, message, len(rows)):
            for target, source in zip(*part.copies.views(block, held), strict=True):
                target.copy_(source)
        received = self._ranks.exchange(message, *sizes)
        shards = {number: torch.empty((len(rows), one.columns), dtype=held.dtype) for number, one in self._files.items()}
        for part, block in _blocks(self._received, received, len(rows)):
            for target, source in zip(*part.inside.views(shards[part.shard], block), strict=True):
                target.copy_(source)
        for number, block in shards.items():
            self._files[number].write(shard, block.numpy(), first)

    def discard_from(self, shard: int) -> None:
        """Remove the files of a shard and all later ones: rank 0 removes everybody's."""
        if self._ranks.is_first:
            self._files[0].discard_from(shard)


@dataclass(frozen=True)
class _Part:
    """The columns of one shard that a rank holds: how they get into a block from all that it holds,
    and from the block into the shard.
    """

    shard: int
    size: int
    copies: Copies
    inside: Copies


def _parts(held: Columns, shards: Sequence[int], width: int) -> list[_Part]:
    found = []
    for shard in shards:
        columns, places = held.between(shard * width, (shard + 1) * width)
        copies = Copies.between(columns.positions, places, columns.lengths)
        inside = Copies.between(columns.starts - shard * width, columns.positions, columns.lengths)
        found.append(_Part(shard, columns.size, copies, inside))
    return found


def _blocks(by_rank: Sequence[list[_Part]], message: Tensor, rows: int) -> Iterator[tuple[_Part, Tensor]]:
    """Yield the parts of a message, each with its block, (rows, columns)."""
    start = 0
    for part in (part for parts in by_rank for part in parts):
        stop = start + rows * part.size
        yield part, message[start:stop].view(rows, part.size)
        start = stop
