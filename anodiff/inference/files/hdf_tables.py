"""How does HDF5 hold a table that pandas or trackpy wrote? Read without running what a file brings.

pandas writes HDF5 by PyTables, which keeps the names of columns as pickles. To read these by pickle
would run any program that a file brings. Here only the words in them are read. The layouts are those
of `pandas.DataFrame.to_hdf`, fixed and table, of pandas 2 and 3.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anodiff.inference.files.table import Table

#: Reads a column.
Column = Callable[[], NDArray[Any]]


def pandas_table(group: Any) -> Table | None:
    """Return the table of a group that pandas wrote; None for another group."""
    kind = _text(group.attrs.get("pandas_type", b""))
    if kind == "frame_table" and "table" in group:
        return _table(_columns_of_table(group["table"]))
    return _table(_columns_of_blocks(group)) if kind == "frame" else None


def structured_table(records: Any) -> Table:
    """Return the table of an array whose entries have named fields, each a column."""
    values: list[NDArray[Any]] = []

    def load(wanted: list[str]) -> Mapping[str, NDArray[Any]]:
        if not values:
            values.append(np.asarray(records[()]))
        return {name: np.atleast_1d(values[0][name]) for name in wanted}

    return Table(list(records.dtype.names), load)


def stacked_tables(tables: Sequence[Table]) -> Table:
    """Return one table below the other."""

    def load(wanted: list[str]) -> Mapping[str, NDArray[Any]]:
        read = [table.load(wanted) for table in tables]
        return {name: np.concatenate([each[name] for each in read]) for name in wanted}

    return Table([name for name in tables[0].names if all(name in table.names for table in tables)], load)


def _table(columns: Mapping[str, Column]) -> Table:
    return Table(list(columns), lambda wanted: {name: columns[name]() for name in wanted})


def _columns_of_table(records: Any) -> dict[str, Column]:
    """Return the columns of a compound data set, of which a field ``values_block_0`` holds several."""
    columns: dict[str, Column] = {}
    for field in records.dtype.names:
        if not field.startswith("values_block_"):
            columns[field] = _reader(records, field)
            continue
        for number, name in enumerate(_words(records.attrs[f"{field}_kind"])):
            columns[name] = _reader(records, field, number)
    return columns


def _columns_of_blocks(group: Any) -> dict[str, Column]:
    """Return the columns of arrays ``block0_values``, (rows, columns), and ``block0_items``, their names."""
    columns: dict[str, Column] = {}
    for block in range(int(group.attrs["nblocks"])):
        items, values = group[f"block{block}_items"], group[f"block{block}_values"]
        if items.dtype.kind != "S" or values.dtype.kind not in "iuf":  # words, which PyTables pickles
            continue
        for number, name in enumerate(items[()]):
            columns[_text(name)] = _reader(values, np.s_[:, number])
    return columns


def _reader(values: Any, *places: Any) -> Column:
    def read() -> NDArray[Any]:
        found = np.asarray(values[places[0]])
        return found[:, places[1]] if len(places) > 1 else found

    return read


def _words(pickled: Any) -> list[str]:
    """Return the words of a pickle, which is not run."""
    content = pickled if isinstance(pickled, bytes) else bytes(pickled)
    return [word for _, word, _ in pickletools.genops(content) if isinstance(word, str)]


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
