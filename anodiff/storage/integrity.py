"""Is a finished store still what its writer wrote?

The root attribute ``checksums`` of a finished store says so. Its ``files`` are all chunk files, each
with its size and its last four bytes as a number: the CRC32C of the chunk, or of the index of a
shard, whose chunks each end with their own. Its ``metadata`` is a digest of the root metadata, of
which the consolidated metadata of all arrays and ``files`` itself are part. So a file that is lost,
cut, changed or another array's is found as it is read (`anodiff.storage.checked`), and a chunk that
nobody wrote is told from one that was lost. Nothing reads a store as a whole: to record its files
costs their last bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anodiff.errors import StoreDamagedError, StoreFormatError, StoreMissingError

#: File of the root metadata, and its attribute that records all files.
ROOT, CHECKSUMS = "zarr.json", "checksums"

#: Status of a store that is not finished, whose record, if it has one, no longer counts.
RUNNING = "running"

#: Bytes of a CRC32C.
CRC_BYTES = 4


@dataclass(frozen=True)
class RootMetadata:
    """The root metadata of a Zarr group, as read from its file.

    Attributes
    ----------
    content
        The file's bytes.
    attributes
        The root attributes.
    arrays
        Metadata of each array by name, if consolidated.
    """

    path: Path
    content: bytes
    attributes: dict[str, Any]
    arrays: dict[str, dict[str, Any]]

    @property
    def files(self) -> dict[str, tuple[int, int]] | None:
        """Size and last four bytes of each chunk file; None if the store was never finished."""
        recorded = self.attributes.get(CHECKSUMS)
        return None if recorded is None else {name: (size, end) for name, (size, end) in recorded["files"].items()}


def seal(path: Path, attributes: Mapping[str, Any]) -> None:
    """Replace the root attributes of a store, record all its files in them, and protect them by a
    digest. One rename writes all of it.

    Raises
    ------
    StoreDamagedError
        If a chunk file is too short to be one.
    """
    metadata = json.loads((path / ROOT).read_bytes())
    files = {name: list(_size_and_end(path, name)) for array in _arrays(metadata) for name in _chunk_files(path, array)}
    metadata["attributes"] = {**attributes, CHECKSUMS: {"files": files}}
    metadata["attributes"][CHECKSUMS]["metadata"] = _digest(metadata)
    partial = path / f"{ROOT}.partial"
    partial.write_text(json.dumps(metadata, indent=2), encoding="utf-8")
    partial.replace(path / ROOT)


def read_root(path: str | Path, *, check: bool = True) -> RootMetadata:
    """Return the root metadata of a Zarr group; if its store is finished, they are checked, unless
    ``check`` is false.

    Raises
    ------
    StoreMissingError
        If there is nothing at ``path``.
    StoreFormatError
        If it is something other than a Zarr group.
    StoreDamagedError
        If the metadata cannot be read, or are not what was written.
    """
    path = Path(path)
    try:
        content = (path / ROOT).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        if not os.path.lexists(path):
            raise StoreMissingError(f"{path}: no such store") from None
        raise StoreFormatError(f"{path}: not a Zarr group of version 3") from None
    except OSError as error:
        raise StoreDamagedError(path, chunk=ROOT, reason=f"it cannot be read: {error.strerror or error}") from None
    try:
        metadata = json.loads(content)
        attributes = metadata.get("attributes", {})
        if metadata["node_type"] == "group" and metadata["zarr_format"] == 3:
            recorded = attributes.get(CHECKSUMS) if attributes.get("status") != RUNNING else None
            if check and recorded is not None and recorded["metadata"] != _digest(metadata):
                raise StoreDamagedError(path, chunk=ROOT, reason="its digest is another")
            return RootMetadata(path, content, dict(attributes), _arrays(metadata))
    except StoreDamagedError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise StoreDamagedError(path, chunk=ROOT, reason="it is not the metadata of a Zarr group") from None
    raise StoreFormatError(f"{path}: not a Zarr group of version 3")


def check_files(root: RootMetadata) -> None:
    """Check that all recorded files are there and have their size; this reads none of them.

    Raises
    ------
    StoreDamagedError
        If not; the first is named.
    """
    files = root.files or {}
    damaged = [name for name, (size, _) in files.items() if _size(root.path / name) != size]
    if damaged:
        reason = f"it is missing or cut; {len(damaged)} of the store's {len(files)} files are"
        raise StoreDamagedError(root.path, *array_and_chunk(damaged[0]), reason)


def array_and_chunk(file: str) -> tuple[str, str]:
    """Return the array that a chunk file belongs to, and its name there, such as ``c/0/0``."""
    array = file.rpartition("/c")[0]
    return array, file[len(array) + 1 :]


def content_digest(root: RootMetadata) -> str:
    """Return a digest of what a finished store's arrays hold, whatever its attributes say of where
    and when it was made.
    """
    return hashlib.sha256(json.dumps(sorted((root.files or {}).items())).encode()).hexdigest()


def _digest(metadata: Mapping[str, Any]) -> str:
    """Return the digest of the metadata without the digest in them."""
    attributes = metadata["attributes"]
    files = {key: value for key, value in attributes[CHECKSUMS].items() if key != "metadata"}
    covered = {**metadata, "attributes": {**attributes, CHECKSUMS: files}}
    text = json.dumps(covered, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _arrays(metadata: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    consolidated = (metadata.get("consolidated_metadata") or {}).get("metadata", {})
    return {name: about for name, about in consolidated.items() if about["node_type"] == "array"}


def _chunk_files(path: Path, array: str) -> Iterator[str]:
    """Yield the names of an array's chunk files, sorted; what a killed writer left is not one."""
    chunks = path / array / "c"
    found = [chunks] if chunks.is_file() else [file for file in chunks.rglob("*") if file.is_file()]
    yield from sorted(file.relative_to(path).as_posix() for file in found if file.suffix != ".partial")


def _size_and_end(path: Path, name: str) -> tuple[int, int]:
    with (path / name).open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - CRC_BYTES))
        end = file.read()
    if len(end) < CRC_BYTES:
        raise StoreDamagedError(path, chunk=name, reason=f"it has {size} bytes")
    return size, int.from_bytes(end, "little")


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return -1
