"""The sweep on one page of HTML that needs nothing else: what it says, its figures with captions, and the table."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, StrictUndefined

from anodiff.diffusion.outputs import COLUMNS as WINDOW_COLUMNS
from anodiff.errors import ConfigError, StoreMissingError
from anodiff.figures import ALL_FIGURES
from anodiff.stores import writing
from anodiff.tables import NAMING, RUN_COLUMNS

#: A table of more rows would make a browser slow: then each run shows its first and its last window.
MOST_ROWS = 2000

#: Ends of intervals: shown behind their value, not in columns of their own.
INTERVAL_ENDS = {f"{name}{end}" for name in WINDOW_COLUMNS for end in ("_low", "_high")} & set(WINDOW_COLUMNS)

#: Columns for the careful reader of the file.
LEFT_OUT = {name for name in WINDOW_COLUMNS if name.startswith("fit_") or "_sigma_" in name}


@dataclass(frozen=True)
class ModelSummary:
    """What the runs of a model say: ranges over the runs, and the kind of motion in words."""

    model: str
    runs: int
    seeds: int
    early: str
    late: str
    accuracy: str
    motion: str


def write_page(
    table: str | Path, figures: Sequence[str | Path], output: str | Path, *, title: str, overwrite: bool = False
) -> None:
    """Write the page of a sweep.

    Parameters
    ----------
    table
        The sweep's table, CSV, as `anodiff.tables.write_tables` writes it.
    figures
        SVG files named after their kind, such as ``msd.svg``; the page shows them in the order of `ALL_FIGURES`.

    Raises
    ------
    StoreMissingError, ConfigError, OutputExistsError, StorageError
        If a file is missing, is no table of a sweep, or a figure is of no known kind.
    """
    for file in (table, *figures):
        if not Path(file).exists():
            raise StoreMissingError(f"{file}: no such file")
    rows = read_table(table)
    shown = _chosen(rows if len(rows) <= MOST_ROWS else rows[_ends(rows)])
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(files("anodiff").joinpath("templates/page.html").read_text(encoding="utf-8"))
    html = template.render(
        title=title,
        version=version("anodiff"),
        runs=rows["run"].nunique(),
        windows=len(rows),
        models=model_summaries(rows),
        lost=lost_runs(rows),
        figures=sorted((_figure(Path(file)) for file in figures), key=lambda figure: list(ALL_FIGURES).index(figure["id"])),
        columns=[(name, _meaning(name)) for name in shown.columns if name not in INTERVAL_ENDS],
        rows=[_cells(row) for row in shown.to_dict("records")],
        diverged=[status == "diverged" for status in shown["status"]],
        excerpt=len(shown) < len(rows),
    )
    with writing(output, overwrite=overwrite) as temporary:
        temporary.write_text(html, encoding="utf-8")


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


def model_summaries(rows: pd.DataFrame) -> list[ModelSummary]:
    """Return for each model what its runs say: first window's beta_max, last window's beta_long, accuracy, seeds.

    The last window is the last that was planned: a run that diverged before its end has no value there, and is not counted.
    """
    ordered = rows.sort_values("waiting_time", kind="stable")
    summaries = []
    for model, of_model in ordered.groupby("model", sort=False):
        first, last = of_model.drop_duplicates("run"), of_model.drop_duplicates("run", keep="last")
        summaries.append(
            ModelSummary(
                model=str(model),
                runs=len(first),
                seeds=of_model["seed"].nunique(),
                early=_range(first["beta_max"]),
                late=_range(last["beta_long"]),
                accuracy=_range(first["test_accuracy"]),
                motion=f"{_judge(first['beta_max'], last['beta_long'])}.",
            )
        )
    order = list(rows["model"].astype(str).unique())
    return sorted(summaries, key=lambda summary: order.index(summary.model))


def lost_runs(rows: pd.DataFrame) -> list[tuple[str, int]]:
    """Return the runs that diverged, with the step."""
    diverged = rows[rows["status"] == "diverged"].drop_duplicates("run")
    steps = diverged["diverged_at"].fillna(diverged["steps_completed"])
    return [(str(run), int(step)) for run, step in zip(diverged["run"], steps, strict=True)]


def _judge(early: pd.Series, late: pd.Series) -> str:
    early, late = early.dropna(), late.dropna()
    first = f"superdiffusive at some lag in {_share(early > 1)}" if len(early) else "nothing was measured"
    last = f"subdiffusive at long lags in {_share(late < 1)}" if len(late) else "no run has an exponent over the long lags"
    return f"First window: {first}; last window: {last}"


def _share(agree: pd.Series) -> str:
    """Say of how many runs something holds; a run without a value is not counted."""
    holds, count = int(agree.sum()), len(agree)
    if count == 1:
        return "the one measured run" if holds else "no run (one measured)"
    return f"all {count} measured runs" if holds == count else f"{holds or 'none'} of {count} measured runs"


def _range(values: pd.Series) -> str:
    values = values.dropna()
    if not len(values):
        return "–"
    low, high = f"{values.min():.2f}", f"{values.max():.2f}"
    return low if low == high else f"{low} – {high}"


def _ends(rows: pd.DataFrame) -> np.ndarray:
    """Return which rows are the first or last window of their run."""
    windows = rows.groupby("run")["window"]
    return ((rows["window"] == windows.transform("min")) | (rows["window"] == windows.transform("max"))).to_numpy()


def _chosen(rows: pd.DataFrame) -> pd.DataFrame:
    """Put the run's name first, its windows' exponents next, and the settings, which the name tells already, last."""
    first = ["run", *WINDOW_COLUMNS]
    return rows[[column for column in first if column not in LEFT_OUT] + [column for column in rows if column not in first]]


def _figure(file: Path) -> dict[str, str]:
    kind = ALL_FIGURES.get(file.stem)
    if kind is None or file.suffix != ".svg":
        raise ConfigError(f"{file}: the page takes SVG files called {', '.join(f'{name}.svg' for name in ALL_FIGURES)}")
    data = base64.b64encode(file.read_bytes()).decode("ascii")
    return {"id": file.stem, "title": kind.title, "caption": kind.caption, "source": f"data:image/svg+xml;base64,{data}"}


def _meaning(column: str) -> str:
    """Return what a column of the table holds."""
    return (RUN_COLUMNS | WINDOW_COLUMNS).get(column) or f"the run's setting {NAMING.get(column, column)}"


def _cells(row: dict[Any, Any]) -> list[dict[str, Any]]:
    """Return a row's cells; an interval stands behind its value."""
    cells = []
    for name, value in row.items():
        if name in INTERVAL_ENDS:
            continue
        cell = _cell(value)
        low, high = row.get(f"{name}_low", np.nan), row.get(f"{name}_high", np.nan)
        if not (pd.isna(value) or pd.isna(low) or pd.isna(high)):
            cell["text"] += f" [{low:.3g}, {high:.3g}]"
        cells.append(cell)
    return cells


def _cell(value: Any) -> dict[str, Any]:
    """Return how a value is shown, and by what it is sorted."""
    if pd.isna(value):
        return {"text": "", "key": "", "number": False}
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return {"text": str(value), "key": str(value), "number": False}
    shown = f"{value:,.0f}" if float(value).is_integer() and abs(value) < 1e15 else f"{value:.4g}"
    return {"text": shown, "key": repr(float(value)), "number": True}
