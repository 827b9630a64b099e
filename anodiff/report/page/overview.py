"""Which runs does the sweep have, and what does each show? The table of runs, each run's sheet, the models at a glance."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from anodiff.diffusion.columns import EXPONENT_COLUMNS
from anodiff.errors import ConfigError
from anodiff.report.page.tables import shown_number
from anodiff.storage.tables import read_table
from anodiff.sweep.run_columns import RUN_COLUMNS, SETTING_COLUMNS
from anodiff.sweep.tables import TABLES


@dataclass(frozen=True)
class ModelSummary:
    """A model's runs: ranges over them, and in how many of them the motion is superdiffusive early and subdiffusive late."""

    model: str
    runs: int
    seeds: int
    early: str
    late: str
    accuracy: str
    superdiffusive: str
    subdiffusive: str


@dataclass(frozen=True)
class Heading:
    """The heading of a column of the table of runs, what it means, and whether the column holds numbers."""

    heading: str
    meaning: str
    numeric: bool


@dataclass(frozen=True)
class Cell:
    """The text of a cell, and the key by which it is sorted and filtered."""

    text: str
    key: str


@dataclass(frozen=True)
class RunTable:
    """A row for each run; the first column is its name."""

    columns: list[Heading]
    rows: list[list[Cell]]
    diverged: list[bool]


#: Columns of the table of runs behind the settings: heading, meaning, window of the run, column of the table of exponents.
MEASURED = (
    ("β early", "exponent over the long lags of the first window, with its 95 % interval", "first", "beta_long"),
    ("β late", "exponent over the long lags of the last window, with its 95 % interval", "last", "beta_long"),
    ("largest β", "largest local exponent of the first window, with its 95 % interval", "first", "beta_max"),
    ("path dimension", "path dimension D_f of the last window; 1: straight, 2: Brownian", "last", "path_dimension"),
    ("test accuracy", RUN_COLUMNS["test_accuracy"].meaning, "last", "test_accuracy"),
    ("test perplexity", RUN_COLUMNS["test_perplexity"].meaning, "last", "test_perplexity"),
    ("steps", RUN_COLUMNS["steps_completed"].meaning, "last", "steps_completed"),
    ("status", "complete, or diverged: stopped because the loss was not finite", "last", "status"),
)

#: Columns of a run's table of windows: column of the table of exponents, heading.
WINDOW_TABLE = {
    "waiting_time": "t_w",
    "beta_max": "β largest",
    "beta_max_above_shuffled": "above shuffled",
    "beta_long": "β at long lags",
    "regime_lags": "regimes",
    "path_dimension": "path dimension",
    "note": "note",
}

#: The headings of that table, each with its meaning.
WINDOW_HEADINGS = [(heading, EXPONENT_COLUMNS[name].meaning) for name, heading in WINDOW_TABLE.items()]

#: What a run's sheet states besides its settings.
FACTS = [name for name in RUN_COLUMNS if name not in ("run", "group")]


def read_exponents(path: str | Path) -> pd.DataFrame:
    """Read the exponents of a sweep; `ConfigError` if the file is not that table."""
    rows = read_table(path, make="anodiff tables")
    lacking = [column for column in (*SETTING_COLUMNS, *RUN_COLUMNS, *EXPONENT_COLUMNS) if column not in rows]
    if lacking:
        raise ConfigError(f"{path}: not a table of a sweep, it has no column {lacking[0]!r}; write it with: anodiff tables")
    return rows


def run_table(rows: pd.DataFrame) -> RunTable:
    """Return the table of runs: settings that tell runs of a model apart, their end, their first and last window."""
    ends = _first_and_last(rows)
    first = ends["first"]
    settings = ["model", *(["data"] if first["data"].nunique() > 1 else []), "batch_size", "learning_rate"]
    settings += [*_varying_within_a_model(first), "seed"]
    described = TABLES["exponents"].describe(first)
    headings = [Heading("run", "name of the run; opens its figures", False)]
    headings += [
        Heading(_words(name), described[name].meaning, pd.api.types.is_numeric_dtype(first[name])) for name in settings
    ]
    # a perplexity is of text alone
    measured = [each for each in MEASURED if each[-1] != "test_perplexity" or rows["test_perplexity"].notna().any()]
    headings += [Heading(heading, meaning, name != "status") for heading, meaning, _, name in measured]
    cells = []
    for run in first.index:
        row = [Cell(str(run), str(run))] + [_cell(first.loc[run], name) for name in settings]
        cells.append(row + [_cell(ends[end].loc[run], name) for _, _, end, name in measured])
    return RunTable(headings, cells, (first["status"] == "diverged").tolist())


def run_sheets(rows: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Return the sheet of each run: its settings, its end, and the exponents of its windows."""
    sheets = {}
    shown = [*_settings(rows), *FACTS]
    for run, of_run in rows.groupby("run", sort=False):
        row = of_run.iloc[-1]
        facts = [[_words(name), _text(row[name])] for name in shown if not pd.isna(row[name])]
        table = [[_cell(window, name).text for name in WINDOW_TABLE] for _, window in of_run.iterrows()]
        sheets[str(run)] = {"facts": facts, "windows": table}
    return sheets


def model_summaries(rows: pd.DataFrame) -> list[ModelSummary]:
    """Return the range of exponents and accuracies over the runs of each model.

    The last window is the last that was planned. A run that diverged before its end has no value
    there and does not count.
    """
    ends = _first_and_last(rows)
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
                superdiffusive=_share(first["beta_long"].dropna() > 1),
                subdiffusive=_share(last["beta_long"].dropna() < 1),
            )
        )
    return summaries


def diverged_runs(rows: pd.DataFrame) -> list[tuple[str, int]]:
    """Return the runs that diverged, with the step."""
    diverged = rows[rows["status"] == "diverged"].drop_duplicates("run")
    steps = diverged["diverged_at"].fillna(diverged["steps_completed"])
    return [(str(run), int(step)) for run, step in zip(diverged["run"], steps, strict=True)]


def _settings(rows: pd.DataFrame) -> list[str]:
    """Return the columns of settings, which are before the number of parameters."""
    return [name for name in rows.columns[: rows.columns.get_loc("parameters")] if name not in ("run", "group")]


def _first_and_last(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the first and the last window of each run, indexed by run, in the order of the table."""
    order = rows["run"].drop_duplicates()
    ordered = rows.sort_values("waiting_time", kind="stable")
    return {end: ordered.drop_duplicates("run", keep=end).set_index("run", drop=False).loc[order] for end in ("first", "last")}


def _varying_within_a_model(first: pd.DataFrame) -> list[str]:
    """Return the further settings that differ between runs of one model."""
    further = [name for name in _settings(first) if name not in SETTING_COLUMNS]
    return [name for name in further if (first.groupby("model")[name].nunique(dropna=False) > 1).any()]


def _share(agree: pd.Series) -> str:
    """Return how many of the runs agree; a run without a value does not count."""
    return f"{int(agree.sum())} of {len(agree)}" if len(agree) else "not measured"


def _range(values: pd.Series) -> str:
    values = values.dropna()
    if not len(values):
        return "–"
    low, high = f"{values.min():.2f}", f"{values.max():.2f}"
    return low if low == high else f"{low} – {high}"


def _cell(row: pd.Series, name: str) -> Cell:
    """Return a value, with its interval behind it."""
    value, low, high = row[name], row.get(f"{name}_low"), row.get(f"{name}_high")
    if pd.isna(value):
        return Cell("", "")
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Real):
        return Cell(str(value), str(value))
    if pd.isna(low) or pd.isna(high):
        return Cell(shown_number(float(value), 3), repr(float(value)))
    return Cell(f"{value:{_format(value)}} [{low:{_format(value)}}, {high:{_format(value)}}]", repr(float(value)))


def _format(value: Real) -> str:
    """Return the format of a value and the ends of its interval: two decimals, none for 100 and more."""
    return ",.0f" if abs(float(value)) >= 100 else ".2f"


def _text(value: Any) -> str:
    number = isinstance(value, Real) and not isinstance(value, (bool, np.bool_))
    return shown_number(float(value)) if number else str(value)


def _words(name: str) -> str:
    """Return the name of a setting or column as a heading."""
    return name.split(".")[-1].replace("_", " ")
