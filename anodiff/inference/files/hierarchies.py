"""Which arrays and tables does a NumPy, HDF5 or Zarr file hold, and which of them are the tracks?

Without a key, the one array or table that is there. With the key of an array or table, this one; with
that of a group, all arrays in it.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from anodiff.errors import ConfigError, StoreFormatError, did_you_mean
from anodiff.inference.files.hdf_tables import pandas_table, stacked_tables, structured_table
from anodiff.inference.files.table import Table, is_track_table

#: Names of the tables that trackpy writes, one for each frame.
FRAME_TABLE = re.compile(r"Frame_\d+")

#: Arrays that a message names.
MOST_NAMED = 12


@dataclass
class Content:
    """What a file holds.

    Attributes
    ----------
    arrays, tables
        By name, such as ``group/array``; the only array of a file without names is called "".
    notes
        What of it was never written.
    """

    arrays: dict[str, Any] = field(default_factory=dict)
    tables: dict[str, Table] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, name: str, array: Any) -> None:
        """Add an array, or, if its entries have named fields, a table."""
        if array.dtype.names:
            self.tables[name] = structured_table(array)
        else:
            self.arrays[name] = array


def chosen(
    content: Content, name: str, key: str | None, renamed: Mapping[str, str], *, all_arrays: bool = False
) -> Table | dict[str, Any]:
    """Return the table or the arrays that are meant.

    Parameters
    ----------
    name
        What the file is called in a message.
    key
        Name of an array, table or group; default: the only one, or with ``all_arrays`` all arrays.

    Raises
    ------
    ConfigError
        If there is no such array, table or group, or it is not clear which is meant.
    """
    if key is not None:
        return _named(content, name, key.strip("/"), renamed)
    if content.tables and not content.arrays and all(FRAME_TABLE.fullmatch(each) for each in content.tables):
        in_order = sorted(content.tables, key=lambda each: int(each.removeprefix("Frame_")))
        return stacked_tables([content.tables[each] for each in in_order])
    columns = _as_columns(content.arrays, name, renamed)
    if columns and not content.tables:
        return columns
    everything = [*content.tables, *content.arrays]
    if not everything:
        raise ConfigError(f"{name}: it holds no array and no table")
    if all_arrays and not content.tables:
        return dict(content.arrays)
    if len(everything) > 1:
        raise ConfigError(f"{name}: which are the tracks? Name with --key one of {_listed(content)}; or a group, / for all")
    return content.tables[everything[0]] if content.tables else {"": content.arrays[everything[0]]}


def read_numpy(path: Path) -> Content:
    """Return the arrays of a .npy or .npz file; nothing in it is run."""
    content = Content()
    single = path.suffix.lower() == ".npy"
    with path.open("rb") as start:
        if not start.read(6).startswith(b"\x93NUMPY" if single else b"PK"):
            raise StoreFormatError(f"{path}: no {path.suffix.lower()} file of NumPy's")
    if single:
        content.add("", np.load(path, allow_pickle=False))
        return content
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:  # np.load leaves a broken one open
        for name in archive.files:
            content.add(name, archive[name])
    return content


def read_hdf5(file: Any) -> Content:
    """Return the data sets and tables of an open HDF5 file."""
    content = Content()

    def visit(group: Any, prefix: str) -> None:
        table = pandas_table(group)
        if table is not None:
            content.tables[prefix.strip("/")] = table
            return
        for name, node in group.items():
            if hasattr(node, "items"):
                visit(node, f"{prefix}{name}/")
            elif getattr(node, "shape", None) is not None:
                content.add(f"{prefix}{name}", node)

    visit(file, "")
    return content


def read_zarr(path: Path) -> Content:
    """Return the arrays of a Zarr store of version 2 or 3; those of a store of anodiff's are checked
    as they are read.
    """
    import zarr

    from anodiff.storage.integrity import CHECKSUMS
    from anodiff.storage.stores import open_group

    content = Content()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of files that are not Zarr's, and of data types without a specification
        node = zarr.open(path, mode="r")
        if isinstance(node, zarr.Array):
            members = [("", node)]
        else:
            if CHECKSUMS in node.attrs:
                node = open_group(path)
            members = [(name, each) for name, each in node.members(max_depth=None) if isinstance(each, zarr.Array)]
        for name, array in sorted(members):
            content.add(name, array)
            written, chunks = array.nchunks_initialized, array.nchunks
            if written < chunks:
                where = f" of {name}" if name else ""
                content.notes.append(f"{chunks - written} of {chunks} chunks{where} are not there: read as {array.fill_value}")
    return content


def _named(content: Content, name: str, key: str, renamed: Mapping[str, str]) -> Table | dict[str, Any]:
    if key in content.tables:
        return content.tables[key]
    if key in content.arrays and key:
        return {"": content.arrays[key]}
    prefix = f"{key}/" if key else ""
    below = {each.removeprefix(prefix): array for each, array in content.arrays.items() if each.startswith(prefix)}
    tables = [table for each, table in content.tables.items() if each.startswith(prefix)]
    if len(tables) == 1 and not below:
        return tables[0]
    if not below:
        known = [*content.tables, *content.arrays]
        raise ConfigError(f"{name}: --key {key}: no such array, table or group; {did_you_mean(key, known[:MOST_NAMED])}")
    return _as_columns(below, name, renamed) or below


def _as_columns(arrays: Mapping[str, Any], name: str, renamed: Mapping[str, str]) -> Table | None:
    """Return arrays that are the columns of one table as such; None for others."""
    series = {each: array for each, array in arrays.items() if len(array.shape) == 1}
    if not is_track_table(list(series), renamed):
        return None

    def load(wanted: list[str]) -> dict[str, Any]:
        columns = {each: np.asarray(series[each][()]) for each in wanted}
        lengths = {each: len(column) for each, column in columns.items()}
        if len(set(lengths.values())) > 1:
            listed = ", ".join(f"{each} {length}" for each, length in lengths.items())
            raise ConfigError(f"{name}: columns have different lengths: {listed}")
        return columns

    return Table(list(series), load)


def _listed(content: Content) -> str:
    shapes = {name: array.shape for name, array in content.arrays.items()}
    words = [*content.tables, *(f"{name or '/'} {shape}" for name, shape in shapes.items())]
    return ", ".join(words[:MOST_NAMED]) + (f" and {len(words) - MOST_NAMED} more" if len(words) > MOST_NAMED else "")
