"""How does a shard become a file while a training runs beside it? By few, large calls that leave the interpreter free.

zarr-python's own writing takes thousands of small steps for a shard, each of which may hold up the training's thread: it cost
a small network 40 % of its speed. What is written here is what zarr would write, after Zarr's specification: each chunk through
the array's codecs (transposition, Blosc, CRC32C), the chunks one after another, then an index of their offsets and lengths with
a checksum of its own. A file appears under its name whole or not at all.
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
    """Writes the shards of an array that `anodiff.trajectory.format.sample_layout` has laid out: a row of shards, time fastest.

    Parameters
    ----------
    array
        Two-dimensional, shards as wide as the array.
    folder
        Where its files lie.
    """

    def __init__(self, array: zarr.Array, folder: Path) -> None:
        shard = array.shards or array.chunks
        self.rows, self.columns = shard[0], array.shape[1]
        self._folder = folder
        self._width = array.chunks[1]
        self._codec = Blosc(cname=BLOSC["cname"], clevel=BLOSC["clevel"], shuffle=Blosc.BITSHUFFLE)
        self._chunk = np.empty((self._width, self.rows), array.dtype)  # turned: time fastest

    def write(self, shard: int, rows: NDArray[np.floating]) -> None:
        """Write the shard of that number, shape (up to ``self.rows``, columns); what is missing of its rows becomes NaN."""
        file = self.path(shard)
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_suffix(f".{uuid.uuid4().hex}.partial")
        index, offset = [], 0
        try:
            with partial.open("wb") as opened:
                for first in range(0, self.columns, self._width):
                    chunk = self._codec.encode(self._turned(rows[:, first : first + self._width]))
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
        """Remove the files of that shard and all later ones, whole or torn."""
        for folder in self._folder.glob("c/*"):
            if folder.name.isdecimal() and int(folder.name) >= shard:
                for file in folder.iterdir():
                    file.unlink()
                folder.rmdir()

    def _turned(self, part: NDArray[np.floating]) -> NDArray[np.floating]:
        import torch

        rows, columns = part.shape
        if rows < self.rows or columns < self._width:
            self._chunk.fill(np.nan)
        turned = torch.from_numpy(self._chunk)[:columns, :rows]
        turned.copy_(torch.from_numpy(part).T)  # three times as fast as numpy, which goes along rows of one side alone
        return self._chunk


def _checksum(content: bytes) -> bytes:
    return google_crc32c.value(content).to_bytes(4, "little")
