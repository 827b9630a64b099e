"""How is a shard written while a run trains? By few, large calls that release the interpreter.

zarr-python takes thousands of small steps to write a shard, each of which may delay the training
thread: that cost a small network 40 % of its speed. The files are those that zarr would write,
following Zarr's specification: each chunk through the array's codecs (transpose, Blosc, CRC32C),
the chunks one after another, then an index of their offsets and lengths with its own checksum. A
file appears under its name whole or not at all.
"""

from __future__ import annotations

import uuid
from pathlib import Path

import google_crc32c
import numpy as np
import zarr
from numcodecs.blosc import Blosc
from numpy.typing import NDArray

from anodiff.storage.compression import BLOSC


class ShardFiles:
    """Writes the shards of an array with the layout of `anodiff.trajectory.format.sample_layout`.

    Parameters
    ----------
    array
        Two-dimensional, with shards as wide as the array.
    folder
        The array's folder.
    """

    def __init__(self, array: zarr.Array, folder: Path) -> None:
        shard = array.shards or array.chunks
        self.rows, self.columns = shard[0], array.shape[1]
        self._folder = folder
        self._width = array.chunks[1]
        self._codec = Blosc(cname=BLOSC["cname"], clevel=BLOSC["clevel"], shuffle=Blosc.BITSHUFFLE)
        self._chunk = np.empty((self._width, self.rows), array.dtype)  # transposed: time runs fastest

    def write(self, shard: int, rows: NDArray[np.floating]) -> None:
        """Write a shard, shape (up to ``self.rows``, columns); missing rows become NaN."""
        file = self.path(shard)
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_suffix(f".{uuid.uuid4().hex}.partial")
        index, offset = [], 0
        try:
            with partial.open("wb") as opened:
                for first in range(0, self.columns, self._width):
                    chunk = self._codec.encode(self._transposed(rows[:, first : first + self._width]))
                    opened.write(chunk)
                    opened.write(_checksum(chunk))
                    index.append((offset, len(chunk) + 4))
                    offset += len(chunk) + 4
                table = np.array(index, "<u8").tobytes()
                opened.write(table + _checksum(table))
            partial.replace(file)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise

    def path(self, shard: int) -> Path:
        """Return the file of a shard."""
        return self._folder / "c" / str(shard) / "0"

    def discard_from(self, shard: int) -> None:
        """Remove the files of that shard and all later ones, damaged or not."""
        for folder in self._folder.glob("c/*"):
            if folder.name.isdecimal() and int(folder.name) >= shard:
                for file in folder.iterdir():
                    file.unlink()
                folder.rmdir()

    def _transposed(self, block: NDArray[np.floating]) -> NDArray[np.floating]:
        import torch

        rows, columns = block.shape
        if rows < self.rows or columns < self._width:
            self._chunk.fill(np.nan)
        transposed = torch.from_numpy(self._chunk)[:columns, :rows]
        transposed.copy_(torch.from_numpy(block).T)  # three times as fast as numpy, which copies along one axis only
        return self._chunk


def _checksum(content: bytes) -> bytes:
    return google_crc32c.value(content).to_bytes(4, "little")
