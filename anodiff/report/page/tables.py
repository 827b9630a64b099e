"""How do the tables of a sweep get into the page?

As JSON, from which the browser makes a table when it is opened. Until then a long table costs
nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from anodiff.storage.tables import read_table
from anodiff.sweep.tables import TABLES

#: Largest number of rows. A table with more would make the page too large, and shows only the first and the last window.
MAX_ROWS = 10_000


@dataclass(frozen=True)
class PageTable:
    """A table as the page holds it: of ``all_rows`` rows, it shows ``rows``."""

    kind: str
    title: str
    row: str
    holds: str
    columns: list[dict[str, Any]]
    rows: int
    all_rows: int
    data: Markup


def read_page_table(path: Path) -> pd.DataFrame:
    """Read a table of the sweep; raises what `anodiff.storage.tables.read_table` raises."""
    return read_table(path, make=f"anodiff tables --kind {path.stem}", low_memory=False)


def page_table(kind: str, table: pd.DataFrame) -> PageTable:
    """Return a table of one of the kinds `TABLES` for the page; a value and its interval share a cell."""
    about = TABLES[kind]
    shown = table if len(table) <= MAX_ROWS else table[_first_and_last_windows(table)]
    columns = about.describe(shown)
    ends = {f"{name}{end}" for name in columns for end in ("_low", "_high")}
    names = [name for name in _ordered(list(columns), list(about.columns)) if name not in ends]
    headings = [
        {"title": name, "meaning": columns[name].meaning, "numeric": bool(pd.api.types.is_numeric_dtype(shown[name]))}
        for name in names
    ]
    cells = [_cells(shown, name) for name in names]
    data = as_json({"columns": headings, "rows": [list(row) for row in zip(*cells, strict=True)]})
    return PageTable(kind, about.title, about.row, about.holds, headings, len(shown), len(table), Markup(data))


def as_json(value: Any) -> str:
    """Return JSON that can be put inside a script element."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def shown_number(value: float, digits: int = 4) -> str:
    """Return a number with some significant digits; whole numbers have all of theirs."""
    return f"{value:,.0f}" if float(value).is_integer() and abs(value) < 1e15 else f"{value:.{digits}g}"


def _ordered(names: list[str], measured: list[str]) -> list[str]:
    """Put the row's name first, then what was measured, then settings and endings, which the name tells already."""
    first = [name for name in ("run", "group") if name in names][:1]
    behind = [name for name in names if name in measured and name not in first]
    return [*first, *behind, *(name for name in names if name not in (*first, *behind))]


def _cells(table: pd.DataFrame, name: str) -> list[Any]:
    """Return a column's cells: a number, a text, None, or a number with its interval, if that is finite."""
    low, high = table.get(f"{name}_low"), table.get(f"{name}_high")
    values = [_json_value(value) for value in table[name]]
    if low is None or high is None:
        return values
    return [
        value if value is None or not np.isfinite([start, end]).all() else [value, float(f"{start:.6g}"), float(f"{end:.6g}")]
        for value, start, end in zip(values, low, high, strict=True)
    ]


def _json_value(value: Any) -> Any:
    if pd.isna(value) or (isinstance(value, float) and not np.isfinite(value)):
        return None
    if isinstance(value, (bool, np.bool_)):
        return str(bool(value))
    if isinstance(value, (int, np.integer)):
        return int(value)
    return float(value) if isinstance(value, (float, np.floating)) else str(value)


def _first_and_last_windows(table: pd.DataFrame) -> np.ndarray:
    """Return which rows are of the first or the last window of their run or group; all if the table has no windows."""
    if "window" not in table:
        return np.ones(len(table), bool)
    windows = table.groupby("run" if "run" in table else "group")["window"]
    return ((table["window"] == windows.transform("min")) | (table["window"] == windows.transform("max"))).to_numpy()
