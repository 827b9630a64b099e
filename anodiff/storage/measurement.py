"""How does a long measurement survive an interruption?

Its store lies in a scratch folder until it is whole, and a part of it is marked when it has been written; the same call after
an interruption does the parts that have no mark, and publishes. What is found of another measurement, or of the same of
something else, is discarded. A kill between a part and its mark repeats the part.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from anodiff.errors import AnodiffError
from anodiff.storage.compression import compressors
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
    """An array of a measurement's store: dimensions, shape, type, meaning, and what is known of it from the beginning.

    Unknown values are NaN, of whole numbers -1. ``chunks`` are best what one part writes.
    """

    dimensions: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: str
    meaning: str
    units: str | None = None
    chunks: tuple[int, ...] | None = None
    values: NDArray[Any] | None = None


@dataclass
class Measurement:
    """An unfinished store, and what its attributes shall say at the end beside those from its beginning."""

    group: zarr.Group
    attributes: dict[str, Any] = field(default_factory=dict)

    @property
    def todo(self) -> list[tuple[int, ...]]:
        """Indices of the parts that are not done, in their order."""
        if DONE not in self.group:
            return []
        return [tuple(int(place) for place in index) for index in np.argwhere(self[DONE] == 0)]

    def __getitem__(self, name: str) -> NDArray[Any]:
        return np.asarray(self.group[name][...])  # type: ignore[index]

    def put(self, name: str, index: Any, values: Any) -> None:
        """Write some of an array."""
        self.group[name][index] = values

    def finish(self, part: tuple[int, ...]) -> None:
        """Mark a part as done: all of it has been written."""
        self.put(DONE, part, 1)


@contextmanager
def measuring(
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
) -> Iterator[Measurement]:
    """Give a measurement to go on with, new or begun before; published at ``output`` when all has been done.

    Parameters
    ----------
    identity
        What the numbers depend on, see `identity_of`.
    layouts
        The arrays, by name.
    parts
        How many parts there are along each axis of their numbering.
    scratch
        Folder of the unfinished store; by default one beside ``output``.
    reuse
        Give a finished store of this identity at ``output`` as it is, with nothing to do; replace another.

    Raises
    ------
    OutputExistsError, StorageError
    RunLockedError
        If another process works on this measurement.
    """
    output = Path(output)
    scratch = Path(scratch) if scratch is not None else scratch_of(output)
    refuse_existing(output, overwrite=overwrite or reuse)
    if reuse and (found := _begun(output, identity)) is not None:
        yield Measurement(found)
        return
    with storage_errors(scratch), run_lock(scratch):
        working = scratch / output.name
        group = _begun(working, identity)
        if group is None:
            group = create_store(working, kind, version, {**attributes, "identity": identity})
            _create(group, layouts, parts)
        measurement = Measurement(group)
        yield measurement
        if group.attrs["status"] != COMPLETE:
            if DONE in group:
                del group[DONE]
            finish_store(group, **measurement.attributes)
        if overwrite or reuse:
            remove(output)
        publish(working, output)


def scratch_of(output: str | Path) -> Path:
    """Return the folder in which a measurement lies until it is whole, unless another is given."""
    return Path(output).with_name(f".{Path(output).name}.scan")


def layouts_of(arrays: Mapping[str, tuple[tuple[str, ...], str, str]], sizes: Mapping[str, int]) -> dict[str, Layout]:
    """Return the layouts of arrays given by dimensions, type and meaning, with the sizes of these dimensions."""
    return {
        name: Layout(dimensions, tuple(sizes[dimension] for dimension in dimensions), dtype, meaning)
        for name, (dimensions, dtype, meaning) in arrays.items()
    }


def identity_of(*what: Any, arrays: Iterable[NDArray[Any]] = ()) -> str:
    """Return a hash of what is given; texts and numbers count as they are printed."""
    digest = hashlib.sha256(repr(what).encode())
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _begun(working: Path, identity: str) -> zarr.Group | None:
    """Return the store of a measurement that was interrupted, or None where there is none of this identity."""
    try:
        attributes = open_group(working).attrs
    except AnodiffError:
        return None
    return zarr.open_group(working, mode="r+") if attributes.get("ready") and attributes["identity"] == identity else None


def _create(group: zarr.Group, layouts: Mapping[str, Layout], parts: Sequence[int]) -> None:
    marks = Layout(("part", "of_part", "of_those")[: len(parts)], tuple(parts), "uint8", "1 where done", values=np.zeros(parts))
    for name, layout in {**layouts, DONE: marks}.items():
        about: dict[str, Any] = {"long_name": layout.meaning} | ({"units": layout.units} if layout.units else {})
        array = group.create_array(
            name, shape=layout.shape, chunks=layout.chunks or "auto", dtype=layout.dtype, compressors=compressors(),
            fill_value={"f": math.nan, "i": -1, "u": 0}[np.dtype(layout.dtype).kind], dimension_names=layout.dimensions,
            attributes=about,
        )  # fmt: skip
        if layout.values is not None and layout.values.size:
            array[...] = layout.values
    group.attrs["ready"] = True
