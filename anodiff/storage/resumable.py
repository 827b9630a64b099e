"""How does a long measurement survive an interruption?

Its store is written in parts, in a scratch folder. Each finished part is marked. After an
interruption the same call does the parts without a mark, and publishes the store when all are done.
An unfinished store of another measurement is discarded. A process killed between writing a part and
marking it repeats that part.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from anodiff.errors import AnodiffError
from anodiff.storage.arrays import create_array
from anodiff.storage.lock import run_lock
from anodiff.storage.stores import (
    COMPLETE,
    create_store,
    finish_store,
    open_group,
    publish,
    refuse_existing,
    remove,
    storage_errors,
)

#: Array that marks the parts that are done; a finished store has none.
DONE = "part_done"


@dataclass(frozen=True)
class Layout:
    """An array of a resumable store: dimensions, shape, type, meaning, and its values if they are
    known from the start.

    Values not yet written are NaN, or -1 in arrays of integers. It is best if one part writes whole
    ``chunks``.
    """

    dimensions: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: str
    meaning: str
    units: str | None = None
    chunks: tuple[int, ...] | None = None
    values: NDArray[Any] | None = None


@dataclass
class ResumableStore:
    """An unfinished store, and the attributes to add when it is finished."""

    group: zarr.Group
    attributes: dict[str, Any] = field(default_factory=dict)

    @property
    def pending(self) -> list[tuple[int, ...]]:
        """Indices of the parts that are not done, in order."""
        if DONE not in self.group:
            return []
        return [tuple(int(number) for number in index) for index in np.argwhere(self[DONE] == 0)]

    def __getitem__(self, name: str) -> NDArray[Any]:
        return np.asarray(self.group[name][...])  # type: ignore[index]

    def write(self, name: str, index: Any, values: Any) -> None:
        """Write part of an array."""
        self.group[name][index] = values

    def note(self, name: str, key: str, text: str) -> None:
        """Add ``key``: ``text`` to the attribute ``name``, a mapping, now; an interruption keeps it."""
        self.group.attrs[name] = {**self.group.attrs.get(name, {}), key: text}  # type: ignore[dict-item]

    def mark_done(self, part: tuple[int, ...]) -> None:
        """Mark a part as done: everything in it has been written."""
        self.write(DONE, part, 1)


@contextmanager
def resumable_store(
    output: str | Path,
    kind: str,
    version: int,
    identity: str,
    layouts: Mapping[str, Layout],
    parts: Sequence[int],
    attributes: Mapping[str, Any],
    *,
    scratch: str | Path | None = None,
    overwrite: bool = False,
    reuse: bool = False,
) -> Iterator[ResumableStore]:
    """Begin or resume a store, and publish it at ``output`` when the block ends without an error.

    Parameters
    ----------
    identity
        Hash of everything that the numbers depend on, see `identity_hash`. Only a store with the
        same hash is resumed.
    layouts
        The arrays, by name.
    parts
        Number of parts along each axis of their numbering.
    scratch
        Folder of the unfinished store; by default one beside ``output``.
    reuse
        If ``output`` is a finished store with this identity, yield it with nothing pending; replace
        any other.

    Raises
    ------
    OutputExistsError, StorageError
    RunLockedError
        If another process works on this measurement.
    """
    output = Path(output)
    scratch = Path(scratch) if scratch is not None else scratch_folder(output)
    refuse_existing(output, overwrite=overwrite or reuse)
    if reuse and (finished := _find_store(output, identity)) is not None:
        yield ResumableStore(finished)
        return
    with storage_errors(scratch), run_lock(scratch):
        working = scratch / output.name
        group = _find_store(working, identity)
        if group is None:
            group = create_store(working, kind, version, {**attributes, "identity": identity})
            _create_arrays(group, layouts, parts)
        store = ResumableStore(group)
        yield store
        if group.attrs["status"] != COMPLETE:
            if DONE in group:
                del group[DONE]
            finish_store(group, **store.attributes)
        if overwrite or reuse:
            remove(output)
        publish(working, output)


def scratch_folder(output: str | Path) -> Path:
    """Return the default folder of a store that is not finished."""
    return Path(output).with_name(f".{Path(output).name}.scan")


def array_layouts(arrays: Mapping[str, tuple[tuple[str, ...], str, str]], sizes: Mapping[str, int]) -> dict[str, Layout]:
    """Return layouts from (dimensions, type, meaning) by name and the sizes of the dimensions."""
    return {
        name: Layout(dimensions, tuple(sizes[dimension] for dimension in dimensions), dtype, meaning)
        for name, (dimensions, dtype, meaning) in arrays.items()
    }


def identity_hash(*values: Any, arrays: Iterable[NDArray[Any]] = ()) -> str:
    """Return a hash of ``values``, by their `repr`, and of the bytes of ``arrays``."""
    digest = hashlib.sha256(repr(values).encode())
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _find_store(path: Path, identity: str) -> zarr.Group | None:
    """Return the store at ``path`` if it has this identity and all its arrays can be read, else None."""
    try:
        group = open_group(path)
        if not group.attrs.get("ready") or group.attrs["identity"] != identity:
            return None
        for _, array in group.arrays():
            array[...]
    except (AnodiffError, OSError, ValueError, KeyError, TypeError, RuntimeError):  # what zarr raises of an unfinished one
        return None
    return group if group.attrs["status"] == COMPLETE else zarr.open_group(path, mode="r+")


def _create_arrays(group: zarr.Group, layouts: Mapping[str, Layout], parts: Sequence[int]) -> None:
    marks = Layout(("part", "of_part", "of_those")[: len(parts)], tuple(parts), "int8", "1 where done", values=np.zeros(parts))
    for name, layout in {**layouts, DONE: marks}.items():
        attributes: dict[str, Any] = {"long_name": layout.meaning} | ({"units": layout.units} if layout.units else {})
        create_array(
            group, name, layout.dimensions, attributes, shape=layout.shape, dtype=layout.dtype, chunks=layout.chunks or "auto",
            data=None if layout.values is None else layout.values.astype(layout.dtype),
        )  # fmt: skip
    group.attrs["ready"] = True
