"""How is a finished store read? Through one door, which checks every file that it reads.

A `CheckedStore` is what zarr reads files from, whoever asks: an array's selection, xarray, an
export. It compares each file with the record of `anodiff.storage.integrity` and the CRC32C of its
chunks. Damage is a `StoreDamagedError` that names the file. A chunk that nobody wrote is the fill
value; one that was lost is not.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

import google_crc32c
import numpy as np
import zarr
from zarr.abc.store import RangeByteRequest, SuffixByteRequest
from zarr.core.buffer import default_buffer_prototype
from zarr.storage import LocalStore

from anodiff.errors import StoreDamagedError
from anodiff.storage.integrity import CRC_BYTES, ROOT, RootMetadata, array_and_chunk

if TYPE_CHECKING:
    from zarr.abc.store import ByteRequest
    from zarr.core.buffer import Buffer, BufferPrototype

#: Bytes of the offset and length of a chunk in the index of a shard.
INDEX_ENTRY = 16


def open_checked(root: RootMetadata) -> zarr.Group:
    """Open a finished store for reading."""
    return zarr.open_group(CheckedStore(root), mode="r", zarr_format=3)


def root_metadata(group: zarr.Group) -> RootMetadata:
    """Return the root metadata that a finished store was opened with."""
    assert isinstance(group.store, CheckedStore)
    return group.store.metadata


class CheckedStore(LocalStore):
    """The files of a finished store, each checked as it is read.

    Raises
    ------
    StoreDamagedError
        At any read, if a file is missing, unreadable, or not what was written.
    """

    def __init__(self, metadata: RootMetadata) -> None:
        super().__init__(metadata.path, read_only=True)
        self.metadata = metadata
        self._files = metadata.files or {}
        self._chunks_of_shard = {name: _chunks_of_shard(about) for name, about in metadata.arrays.items()}

    def with_read_only(self, read_only: bool = False) -> CheckedStore:
        """Return the same store, which can only be read."""
        return type(self)(self.metadata)

    async def get(
        self, key: str, prototype: BufferPrototype | None = None, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Return the bytes of a file, or a range of them; None if nobody wrote it."""
        if key not in self._files:
            return self._unrecorded(key, prototype)
        with self._named(key):
            return self._checked(key, byte_range, await super().get(key, prototype, byte_range))

    def get_sync(
        self, key: str, *, prototype: BufferPrototype | None = None, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Do as `get`."""
        if key not in self._files:
            return self._unrecorded(key, prototype)
        with self._named(key):
            return self._checked(key, byte_range, super().get_sync(key, prototype=prototype, byte_range=byte_range))

    def _unrecorded(self, key: str, prototype: BufferPrototype | None) -> Buffer | None:
        """Return the root metadata, which were read and checked before; None for anything else."""
        if key != ROOT:
            return None
        return (prototype or default_buffer_prototype()).buffer.from_bytes(self.metadata.content)

    @contextmanager
    def _named(self, key: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._refuse(key, f"it cannot be read: {error.strerror or error}")

    def _checked(self, key: str, byte_range: ByteRequest | None, found: Buffer | None) -> Buffer:
        if found is None:
            self._refuse(key, "it is missing")
        content = found.as_numpy_array()
        size, end = self._files[key]
        if byte_range is None and len(content) != size:
            self._refuse(key, f"it has {len(content)} bytes, and was written with {size}")
        if byte_range is None or isinstance(byte_range, SuffixByteRequest):
            if _last_number(content) != end:
                self._refuse(key, "its checksum is not the one that was written")
            self._check_content(key, content, whole=byte_range is None)
        elif isinstance(byte_range, RangeByteRequest) and not _is_intact(content):
            self._check_content(key, np.fromfile(self.root / key, np.uint8), whole=True)
        return found

    def _check_content(self, key: str, content: np.ndarray[Any, np.dtype[np.uint8]], *, whole: bool) -> None:
        """Check a chunk, the index of a shard, or a shard with its index and chunks."""
        chunks = self._chunks_of_shard[array_and_chunk(key)[0]]
        index = content if not chunks else content[-(INDEX_ENTRY * chunks + CRC_BYTES) :]
        if not _is_intact(index):
            self._refuse(key, "its checksum does not fit its content")
        if not chunks or not whole:
            return
        for offset, length in np.frombuffer(index[:-CRC_BYTES].tobytes(), "<u8").reshape(-1, 2).tolist():
            empty = offset == length == 2**64 - 1
            if not empty and not _is_intact(content[offset : offset + length]):
                self._refuse(key, f"the checksum of its chunk at byte {offset} does not fit its content")

    def _refuse(self, key: str, reason: str) -> NoReturn:
        raise StoreDamagedError(self.metadata.path, *array_and_chunk(key), reason)


def _chunks_of_shard(array: dict[str, Any]) -> int:
    """Return how many chunks a file of an array holds, if it is a shard with an index; else 0."""
    codec = array["codecs"][0]
    if codec["name"] != "sharding_indexed":
        return 0
    shard, chunk = array["chunk_grid"]["configuration"]["chunk_shape"], codec["configuration"]["chunk_shape"]
    return math.prod(-(-outer // inner) for outer, inner in zip(shard, chunk, strict=True))


def _is_intact(content: np.ndarray[Any, np.dtype[np.uint8]]) -> bool:
    """Return whether the last four bytes are the CRC32C of the bytes before them."""
    if len(content) <= CRC_BYTES:
        return False
    return google_crc32c.value(content[:-CRC_BYTES]) == _last_number(content)


def _last_number(content: np.ndarray[Any, np.dtype[np.uint8]]) -> int:
    return int.from_bytes(content[-CRC_BYTES:].tobytes(), "little")
