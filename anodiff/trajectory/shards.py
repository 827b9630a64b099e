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

from anodiff.errors import StoreDamagedError
from anodiff.storage.compression import BLOSC


class ShardFiles:
    """Writes the shards of an array with the layout of `anodiff.trajectory.format.sample_layout`.

    Parameters
    ----------
    array
        Two-dimensional.
    folder
        The array's folder.
    column
        Number of the shard across, if several ranks write the array's columns.

    Attributes
    ----------
    rows, columns
        Those of a shard that are in the array.
    """

    def __init__(self, array: zarr.Array, folder: Path, column: int = 0) -> None:
        shard = array.shards or array.chunks
        self.rows, self.columns = shard[0], min(shard[1], array.shape[1] - column * shard[1])
        self._folder, self._column, self._chunks = folder, column, shard[1] // array.chunks[1]
        self._width = array.chunks[1]
        self._codec = Blosc(cname=BLOSC["cname"], clevel=BLOSC["clevel"], shuffle=Blosc.BITSHUFFLE)
        self._chunk = np.empty((self._width, self.rows), array.dtype)  # transposed: time runs fastest

    def write(self, shard: int, rows: NDArray[np.floating], first: int = 0) -> None:
        """Write a shard, shape (up to ``self.rows``, columns); missing rows become NaN.

        The rows before ``first`` stay as they are in the file.
        """
        file = self.path(shard)
        if first:
            rows = np.concatenate([self.read(shard, first), rows])
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
                index += [(2**64 - 1, 2**64 - 1)] * (self._chunks - len(index))  # beyond the array
                table = np.array(index, "<u8").tobytes()
                opened.write(table + _checksum(table))
            partial.replace(file)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise

    def path(self, shard: int) -> Path:
        """Return the file of a shard."""
        return self._folder / "c" / str(shard) / str(self._column)

    def read(self, shard: int, rows: int) -> NDArray[np.floating]:
        """Return the first rows of a shard that was written, shape (rows, columns).

        Raises
        ------
        StoreDamagedError
            If its file is missing or damaged.
        """
        file = self.path(shard)
        reason = "it is missing, or its checksum does not fit its content"
        damaged = StoreDamagedError(self._folder.parent, self._folder.name, f"c/{shard}/{self._column}", reason)
        content = file.read_bytes() if file.is_file() else b""
        table, chunks = content[-16 * self._chunks - 4 : -4], []
        if len(table) != 16 * self._chunks or _checksum(table) != content[-4:]:
            raise damaged
        for offset, length in np.frombuffer(table, "<u8").reshape(-1, 2)[: -(-self.columns // self._width)].tolist():
            chunk = content[offset : offset + length - 4]
            if _checksum(chunk) != content[offset + length - 4 : offset + length]:
                raise damaged
            decoded = np.frombuffer(self._codec.decode(chunk), self._chunk.dtype)
            chunks.append(decoded.reshape(self._chunk.shape)[:, :rows].T)
        return np.concatenate(chunks, axis=1)[:, : self.columns]

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
