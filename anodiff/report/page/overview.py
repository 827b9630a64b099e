"""What runs does the sweep have, and what does each say? The table of runs, the sheet of each, and the models in short."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from anodiff.diffusion.columns import COLUMNS as WINDOW_COLUMNS
from anodiff.errors import ConfigError
from anodiff.report.page.tables import shown_number
from anodiff.sweep.columns import RUN_COLUMNS
from anodiff.sweep.tables import NAMING


@dataclass(frozen=True)
class ModelSummary:
    """What the runs of a model say: ranges over the runs, and of how many runs each kind of motion holds."""

    model: str
    runs: int
    seeds: int
    early: str
    late: str
    accuracy: str
    early_judged: str
    late_judged: str


@dataclass(frozen=True)
class Column:
    """A column of the table of runs: heading, meaning, and whether it holds numbers."""

    heading: str
    meaning: str
    numeric: bool


@dataclass(frozen=True)
class Cell:
    """What a cell shows, and by what it is sorted and filtered."""

    text: str
    key: str


@dataclass(frozen=True)
class RunTable:
    """A row for each run; the first column is its name."""

    columns: list[Column]
    rows: list[list[Cell]]
    diverged: list[bool]


#: Columns of the table of runs behind the settings: heading, meaning, which window of the run, column of the table.
MEASURED = (
    ("β early", "exponent over the long lags of the first window, with its 95 % interval", "first", "beta_long"),
    ("β late", "the same of the last window", "last", "beta_long"),
    ("largest β", "largest local exponent of the first window, with its 95 % interval", "first", "beta_max"),
    ("path dimension", "path dimension D_f of the last window; 1: straight, 2: Brownian", "last", "path_dimension"),
    ("test accuracy", RUN_COLUMNS["test_accuracy"], "last", "test_accuracy"),
    ("steps", RUN_COLUMNS["steps_completed"], "last", "steps_completed"),
    ("status", "complete, or diverged: stopped since the loss was not finite", "last", "status"),
)

#: Columns of a run's table of windows: heading, column of the table of exponents.
WINDOW_HEADINGS = {
    "t_w": "waiting_time",
    "β largest": "beta_max",
    "above shuffled": "beta_max_above_shuffled",
    "β at long lags": "beta_long",
    "crossover lag": "crossover_lag",
    "path dimension": "path_dimension",
    "note": "note",
}

#: The same with what each means.
WINDOWS = [(heading, WINDOW_COLUMNS[name]) for heading, name in WINDOW_HEADINGS.items()]


def read_table(path: str | Path) -> pd.DataFrame:
    """Read the table of a sweep; `ConfigError` if it is something else."""
    try:
        rows = pd.read_csv(path)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError):
        rows = pd.DataFrame()
    lacking = [column for column in (*NAMING, *RUN_COLUMNS, *WINDOW_COLUMNS) if column not in rows]
    if lacking:
        raise ConfigError(f"{path}: no table of a sweep, it has no column {lacking[0]!r}; write it with: anodiff tables")
    return rows


def run_rows(rows: pd.DataFrame) -> RunTable:
    """Return the table of runs: settings that tell runs of one model apart, how the run ended, its first and last window."""
    ends = _ends(rows)
    first = ends["first"]
    settings = ["model", *(["data"] if first["data"].nunique() > 1 else []), "batch_size", "learning_rate"]
    settings += [*_telling(first), "seed"]
    columns = [Column("run", "name of the run; opens its figures", False)]
    columns += [Column(_words(name), _setting(name), pd.api.types.is_numeric_dtype(first[name])) for name in settings]
    columns += [Column(head, meaning, name != "status") for head, meaning, _, name in MEASURED]
    cells = []
    for run in first.index:
        of_run = [Cell(str(run), str(run))] + [_cell(first.loc[run], name) for name in settings]
        cells.append(of_run + [_cell(ends[end].loc[run], name) for _, _, end, name in MEASURED])
    return RunTable(columns, cells, (first["status"] == "diverged").tolist())


def run_sheets(rows: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Return what the sheet of each run says: settings, ending, and the exponents of its windows."""
    sheets = {}
    varying = [name for name in rows.columns[: rows.columns.get_loc("parameters")] if name not in ("run", "group")]
    shown = [*varying, "parameters", *list(RUN_COLUMNS)[3:]]
    for run, of_run in rows.groupby("run", sort=False):
        row = of_run.iloc[-1]
        facts = [[_words(name), _text(row[name])] for name in shown if not pd.isna(row[name])]
        table = [[_cell(window, name).text for name in WINDOW_HEADINGS.values()] for _, window in of_run.iterrows()]
        sheets[str(run)] = {"facts": facts, "windows": table}
    return sheets


def model_summaries(rows: pd.DataFrame) -> list[ModelSummary]:
    """Return for each model what its runs say: the exponent over the long lags early and late, accuracy, seeds.

    The last window is the last that was planned: a run that diverged before its end has no value there, and is not counted.
    """
    ends = _ends(rows)
    summaries = []
    for model in rows["model"].astype(str).unique():
        of_model = rows[rows["model"].astype(str) == model]
        first, last = (ends[end][ends[end]["model"].astype(str) == model] for end in ("first", "last"))
        summaries.append(
            ModelSummary(
                model=model,
                runs=len(first),
                seeds=of_model["seed"].nunique(),
                early=_range(first["beta_long"]),
                late=_range(last["beta_long"]),
                accuracy=_range(first["test_accuracy"]),
                early_judged=_share(first["beta_long"].dropna() > 1),
                late_judged=_share(last["beta_long"].dropna() < 1),
            )
        )
    return summaries


def lost_runs(rows: pd.DataFrame) -> list[tuple[str, int]]:
    """Return the runs that diverged, with the step."""
    diverged = rows[rows["status"] == "diverged"].drop_duplicates("run")
    steps = diverged["diverged_at"].fillna(diverged["steps_completed"])
    return [(str(run), int(step)) for run, step in zip(diverged["run"], steps, strict=True)]


def _ends(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the first and the last window of each run, indexed by run, in the order of the table."""
    order = rows["run"].drop_duplicates()
    ordered = rows.sort_values("waiting_time", kind="stable")
    return {end: ordered.drop_duplicates("run", keep=end).set_index("run", drop=False).loc[order] for end in ("first", "last")}


def _telling(first: pd.DataFrame) -> list[str]:
    """Return the further settings that differ between runs of one model."""
    own = [name for name in first.columns[: first.columns.get_loc("parameters")] if name not in ("run", "group", *NAMING)]
    return [name for name in own if (first.groupby("model")[name].nunique(dropna=False) > 1).any()]


def _share(agree: pd.Series) -> str:
    """Say of how many runs something holds; a run without a value is not counted."""
    return f"{int(agree.sum())} of {len(agree)}" if len(agree) else "not measured"


def _range(values: pd.Series) -> str:
    values = values.dropna()
    if not len(values):
        return "–"
    low, high = f"{values.min():.2f}", f"{values.max():.2f}"
    return low if low == high else f"{low} – {high}"


def _cell(row: pd.Series, name: str) -> Cell:
    """Return a value, its interval behind it."""
    value, low, high = row[name], row.get(f"{name}_low"), row.get(f"{name}_high")
    if pd.isna(value):
        return Cell("", "")
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Real):
        return Cell(str(value), str(value))
    if pd.isna(low) or pd.isna(high):
        return Cell(shown_number(float(value), 3), repr(float(value)))
    return Cell(f"{value:{_format(value)}} [{low:{_format(value)}}, {high:{_format(value)}}]", repr(float(value)))


def _format(value: Real) -> str:
    """Return how a value and the ends of its interval are written: three digits, but no fractions of large numbers."""
    return ",.0f" if abs(float(value)) >= 100 else ".2f"


def _text(value: Any) -> str:
    number = isinstance(value, Real) and not isinstance(value, (bool, np.bool_))
    return shown_number(float(value)) if number else str(value)


def _words(name: str) -> str:
    """Return a setting's or column's name as a heading."""
    return name.split(".")[-1].replace("_", " ")


def _setting(name: str) -> str:
    return f"the run's setting {NAMING.get(name, name)}"
