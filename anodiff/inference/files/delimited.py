"""How is a table in a text file read? Separated by commas, tabs or semicolons, perhaps compressed.

TrackMate's export has three more lines below the names of the columns: labels, short labels, and
units.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import itertools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from anodiff.errors import ConfigError, StoreFormatError
from anodiff.inference.files.table import TRACKMATE, Table

SEPARATORS = (",", "\t", ";")

#: Lines that are looked at to see how a file is written, and bytes of each.
HEAD_LINES, HEAD_BYTES = 6, 1 << 20

#: A number with a decimal comma.
DECIMAL_COMMA = re.compile(r"\s*[-+]?\d*,\d+([eE][-+]?\d+)?\s*")


def read_delimited(path: Path) -> Table:
    """Return a table of a text file, whose first line has the names of its columns.

    Separator and decimal comma are told from the first lines. Two columns may have one name if they
    are equal: trackpy's tables have ``frame`` as index and as column.

    Raises
    ------
    StoreFormatError
        If the file is no text.
    """
    encoding = _encoding(path)
    with _opened(path, "rt", encoding=encoding, errors="replace") as file:
        lines = iter(lambda: file.readline(HEAD_BYTES), "")
        blank = 0
        for first in lines:
            if first.strip():
                break
            blank += 1
        else:
            raise StoreFormatError(f"{path}: the file is blank")
        head = [first, *itertools.islice(lines, HEAD_LINES)]
    if any(letter < " " and not letter.isspace() for letter in first):
        raise StoreFormatError(f"{path}: no text; expected a table whose first line has the names of its columns")
    separator = max(SEPARATORS, key=lambda each: len(_cells(head[0], each)))
    if len(_cells(head[0], separator)) == 1 and len(head[0].split()) > 1:
        separator = r"\s+"
    names, *rows = (_cells(line, separator) for line in head)
    labels, unit = _labels(names, rows)
    comma = separator != "," and any(DECIMAL_COMMA.fullmatch(cell) for row in rows[labels:] for cell in row)

    def load(wanted: list[str]) -> Mapping[str, NDArray[Any]]:
        import pandas as pd

        places = {name: [place for place, each in enumerate(names) if each == name] for name in wanted}
        try:  # all columns, since pandas does not count those of a line if it is to read some
            table = pd.read_csv(
                path,
                sep=separator,
                header=None,
                skiprows=blank + 1 + labels,
                decimal="," if comma else ".",
                compression="gzip" if _is_compressed(path) else None,
                encoding=encoding,
                encoding_errors="replace",
                skipinitialspace=True,
                low_memory=False,
            )
        except pd.errors.EmptyDataError:  # nothing behind the names
            return {name: np.empty(0) for name in wanted}
        spare = table.columns[len(names) :]
        if table[spare].notna().any(axis=None):
            raise ConfigError(
                f"{path}: {len(names)} columns have a name, but rows have {len(table.columns)} values; are numbers written "
                "with a comma? Then separate them by semicolons"
            )
        table = table.reindex(columns=range(len(names)))
        for name, (first, *others) in places.items():
            if not all(table[first].equals(table[other]) for other in others):
                raise ConfigError(f"{path}: columns of the same name {name!r} differ; rename one of them")
        return {name: table[first].to_numpy() for name, (first, *_) in places.items()}

    return Table(list(dict.fromkeys(names)), load, unit)


def _opened(path: Path, mode: str, **options: Any) -> IO[Any]:
    if _is_compressed(path):
        return cast("IO[Any]", gzip.open(path, mode, **options))
    return path.open(mode, **options)


def _encoding(path: Path) -> str:
    """Return how letters are written: UTF-8, or UTF-16 as in a "Unicode text" of a spreadsheet."""
    with _opened(path, "rb") as file:
        return "utf-16" if file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"


def _is_compressed(path: Path) -> bool:
    return path.suffix.lower() == ".gz"


def _cells(line: str, separator: str) -> list[str]:
    if separator not in SEPARATORS:
        return line.split()
    return [cell.strip() for cell in next(csv.reader([line.rstrip("\r\n")], delimiter=separator, skipinitialspace=True), [])]


def _labels(names: list[str], rows: list[list[str]]) -> tuple[int, str]:
    """Return how many lines of labels TrackMate's table has below its names, and the unit that the last gives."""
    if TRACKMATE["x"] not in names:
        return 0, ""
    place, count, unit = names.index(TRACKMATE["x"]), 0, ""
    for row in rows[:3]:
        if len(row) <= place or not re.search(r"[^\W\d]", row[place]) or row[place].lower() in ("nan", "inf", "-inf"):
            break
        count, unit = count + 1, row[place]
    return count, unit.strip("()[] ") if unit.startswith(("(", "[")) else ""
