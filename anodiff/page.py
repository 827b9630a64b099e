"""The sweep on one page of HTML that needs nothing else: what it says, its figures with captions, and the whole table."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, StrictUndefined

from anodiff.diffusion.analysis import COLUMNS as WINDOW_COLUMNS
from anodiff.errors import ConfigError, StoreMissingError
from anodiff.figures import FIGURES
from anodiff.stores import writing
from anodiff.tables import RUN_COLUMNS


def write_page(
    table: str | Path, figures: Sequence[str | Path], output: str | Path, *, title: str, overwrite: bool = False
) -> None:
    """Write the page of a sweep.

    Parameters
    ----------
    table
        The sweep's table, CSV, as `anodiff.tables.write_tables` writes it.
    figures
        SVG files named after their kind, such as ``msd.svg``.

    Raises
    ------
    StoreMissingError, ConfigError
        If a file is missing, or a figure is of no known kind.
    """
    for file in (table, *figures):
        if not Path(file).exists():
            raise StoreMissingError(f"{file}: no such file")
    rows = pd.read_csv(table)
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(files("anodiff").joinpath("templates/page.html").read_text(encoding="utf-8"))
    html = template.render(
        title=title,
        version=version("anodiff"),
        runs=rows["run"].nunique(),
        models=model_summary(rows),
        lost=lost_runs(rows),
        figures=[_figure(Path(file)) for file in figures],
        columns=[(name, (RUN_COLUMNS | WINDOW_COLUMNS).get(name, "setting")) for name in rows.columns],
        rows=[[_cell(value) for value in row] for row in rows.itertuples(index=False)],
        diverged=[status == "diverged" for status in rows["status"]],
    )
    with writing(output, overwrite=overwrite) as temporary:
        temporary.write_text(html, encoding="utf-8")


def model_summary(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Return, for each model, what its runs say: the range over runs of early and late exponents and of the accuracy."""
    summaries = []
    for model, of_model in rows.groupby("model", sort=False):
        finite = of_model.dropna(subset=["beta_max"])
        by_run = finite.sort_values("window").groupby("run", sort=False)
        early, late = by_run["beta_max"].first(), by_run["beta_long"].last()
        summaries.append(
            {
                "model": model,
                "runs": of_model["run"].nunique(),
                "seeds": of_model["seed"].nunique(),
                "early": _range(early),
                "late": _range(late),
                "accuracy": _range(of_model.groupby("run")["test_accuracy"].first()),
                "verdict": _verdict(early, late),
            }
        )
    return summaries


def lost_runs(rows: pd.DataFrame) -> list[tuple[str, int]]:
    """Return the runs that diverged, with the step."""
    diverged = rows[rows["status"] == "diverged"].drop_duplicates("run")
    return [(str(run), int(step)) for run, step in zip(diverged["run"], diverged["diverged_at"], strict=True)]


def _verdict(early: pd.Series, late: pd.Series) -> str:
    early, late = early.dropna(), late.dropna()
    if not len(early):
        return "nothing to judge by"
    first = (
        "superdiffusive in every run" if (early > 1).all() else f"superdiffusive in {(early > 1).sum()} of {len(early)} runs"
    )
    if not len(late):
        return f"at first {first}; no window is long enough to judge the late motion"
    last = "subdiffusive in every run" if (late < 1).all() else f"subdiffusive in {(late < 1).sum()} of {len(late)} runs"
    return f"at first {first}; at last, at long lags, {last}"


def _range(values: pd.Series) -> str:
    values = values.dropna()
    if not len(values):
        return "–"
    low, high = f"{values.min():.2f}", f"{values.max():.2f}"
    return low if low == high else f"{low} … {high}"


def _figure(file: Path) -> dict[str, str]:
    kind = FIGURES.get(file.stem)
    if kind is None or file.suffix != ".svg":
        raise ConfigError(f"{file}: the page takes SVG files called {', '.join(f'{name}.svg' for name in FIGURES)}")
    data = base64.b64encode(file.read_bytes()).decode("ascii")
    return {"id": file.stem, "title": kind.title, "caption": kind.caption, "source": f"data:image/svg+xml;base64,{data}"}


def _cell(value: Any) -> dict[str, Any]:
    """Return how a value is shown, and by what it is sorted."""
    if pd.isna(value):
        return {"text": "", "key": ""}
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return {"text": str(value), "key": str(value)}
    shown = f"{value:.0f}" if float(value).is_integer() and abs(value) < 1e15 else f"{value:.4g}"
    return {"text": shown, "key": repr(float(value)), "number": True}
