"""Which tables does the page hold, what do their columns mean, and how do they get into it?

As JSON, from which the browser makes a table when it is opened: a long table costs nothing until then.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from anodiff.diffusion.columns import COLUMNS as WINDOW_COLUMNS
from anodiff.diffusion.jumps import TAIL_COLUMNS
from anodiff.errors import ConfigError
from anodiff.landscape.roughness_store import COLUMNS as ROUGHNESS_COLUMNS
from anodiff.simulation.surfaces.ensemble import COLUMNS as MODEL_COLUMNS
from anodiff.sweep.columns import RUN_COLUMNS
from anodiff.sweep.connections import COLUMNS as CONNECTION_COLUMNS
from anodiff.sweep.seeds import CONFIGURATION_COLUMNS, ENSEMBLE_COLUMNS
from anodiff.sweep.tables import NAMING

#: A table of more rows would make the page too large: then it shows the first and the last window of each run.
MOST_ROWS = 10_000

#: The tables of a sweep that the page shows: title, what a row is, columns with their meanings.
TABLES: dict[str, tuple[str, str, Mapping[str, str]]] = {
    "exponents": ("Exponents", "each window of each run", WINDOW_COLUMNS),
    "ensembles": (
        "Means over seeds",
        "each window of each configuration (runs that differ in their seed alone)",
        ENSEMBLE_COLUMNS,
    ),
    "configurations": (
        "Configurations",
        "each configuration (runs that differ in their seed alone): means over its seeds early, late and at the end",
        CONFIGURATION_COLUMNS,
    ),
    "tails": ("Tails and jumps", "each window of each run and each quantity", WINDOW_COLUMNS | TAIL_COLUMNS),
    "landscape": (
        "Landscape",
        "each run, point of its path and kind of directions",
        WINDOW_COLUMNS | CONNECTION_COLUMNS | ROUGHNESS_COLUMNS,
    ),
    "simplified_model": ("Simplified model", "each generated surface", MODEL_COLUMNS),
}


@dataclass(frozen=True)
class PageTable:
    """A table as the page holds it."""

    kind: str
    title: str
    row_is: str
    columns: list[dict[str, Any]]
    rows: int
    all_rows: int
    data: Markup


def read_page_table(path: Path) -> pd.DataFrame:
    """Read a table of the sweep; `ConfigError` if it is none."""
    try:
        return pd.read_csv(path, low_memory=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError):
        raise ConfigError(f"{path}: no table; write it with: anodiff tables --kind {path.stem}") from None


def page_table(kind: str, table: pd.DataFrame) -> PageTable:
    """Return one of `TABLES` for the page; intervals stand behind their values."""
    title, row_is, meanings = TABLES[kind]
    shown = table if len(table) <= MOST_ROWS else table[_ends(table)]
    ends = {f"{name}{end}" for name in table for end in ("_low", "_high")} & set(table)
    names = [name for name in _ordered(shown, meanings) if name not in ends]
    columns = [
        {"title": name, "meaning": meaning_of(name, meanings), "numeric": bool(pd.api.types.is_numeric_dtype(shown[name]))}
        for name in names
    ]
    cells = [_cells(shown, name) for name in names]
    data = as_json({"columns": columns, "rows": [list(row) for row in zip(*cells, strict=True)]})
    return PageTable(kind, title, row_is, columns, len(shown), len(table), Markup(data))


def as_json(value: Any) -> str:
    """Return JSON that may stand within a script element."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def meaning_of(name: str, meanings: Mapping[str, str]) -> str:
    """Return what a column holds."""
    known = RUN_COLUMNS | dict(meanings)
    return known.get(name) or f"the run's setting {NAMING.get(name, name)}"


def shown_number(value: float, digits: int = 4) -> str:
    """Return a number as the eye wants it: some digits, whole ones whole."""
    return f"{value:,.0f}" if float(value).is_integer() and abs(value) < 1e15 else f"{value:.{digits}g}"


def _ordered(table: pd.DataFrame, meanings: Mapping[str, str]) -> list[str]:
    """Put what names a row first, what was measured next, and the settings and endings, which the name tells already, last."""
    names = [str(name) for name in table]
    first = [name for name in ("run", "group") if name in names][:1]
    measured = [name for name in names if name in meanings and name not in first]
    return [*first, *measured, *(name for name in names if name not in (*first, *measured))]


def _cells(table: pd.DataFrame, name: str) -> list[Any]:
    """Return a column's cells: a number, a text, None, or a number with its interval."""
    low, high = table.get(f"{name}_low"), table.get(f"{name}_high")
    values = [_plain(value) for value in table[name]]
    if low is None or high is None:
        return values
    return [
        value if value is None or pd.isna(start) or pd.isna(end) else [value, float(f"{start:.6g}"), float(f"{end:.6g}")]
        for value, start, end in zip(values, low, high, strict=True)
    ]


def _plain(value: Any) -> Any:
    if pd.isna(value) or (isinstance(value, float) and not np.isfinite(value)):
        return None
    if isinstance(value, (bool, np.bool_)):
        return str(bool(value))
    if isinstance(value, (int, np.integer)):
        return int(value)
    return float(value) if isinstance(value, (float, np.floating)) else str(value)


def _ends(table: pd.DataFrame) -> np.ndarray:
    """Return which rows are of the first or the last window of their run or group; all where there are no windows."""
    if "window" not in table:
        return np.ones(len(table), bool)
    windows = table.groupby("run" if "run" in table else "group")["window"]
    return ((table["window"] == windows.transform("min")) | (table["window"] == windows.transform("max"))).to_numpy()
