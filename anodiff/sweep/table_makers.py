"""How is each table that is made from runs put together?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from anodiff.diffusion.columns import EXPONENT_COLUMNS, WINDOW_COLUMNS
from anodiff.diffusion.jumps import TAIL_COLUMNS
from anodiff.diffusion.parts.columns import PART_COLUMNS
from anodiff.landscape.roughness_store import ROUGHNESS_COLUMNS
from anodiff.learning.columns import CURVE_COLUMNS, LEARNING_WINDOW_COLUMNS
from anodiff.sweep.connections import CURVATURE_COLUMNS, landscape_rows
from anodiff.sweep.results import RunResult, by_group
from anodiff.sweep.run_columns import with_run_columns, without_single_run
from anodiff.sweep.seeds import configuration_row, ensemble_rows

if TYPE_CHECKING:
    import pandas as pd

#: Columns of exponents.csv beside the characters of the same window.
BESIDE_CHARACTERS = ("beta_long", "beta_long_low", "beta_long_high", "flags")

#: Columns of exponents.csv beside what is learned in the same window; those of the landscape at a point within it.
BESIDE_LEARNING = ("beta_max", "beta_max_low", "beta_max_high", *BESIDE_CHARACTERS)
OF_LANDSCAPE = {
    "roughness_exponent": ROUGHNESS_COLUMNS["roughness_exponent"],
    "sharpness": CURVATURE_COLUMNS["sharpness"],
}

#: Columns of the table of learning by window, behind those that name the run.
LEARNING_OF_WINDOWS = (
    LEARNING_WINDOW_COLUMNS
    | {name: EXPONENT_COLUMNS[name] for name in BESIDE_LEARNING if name != "flags"}
    | {"window_flags": EXPONENT_COLUMNS["flags"]}
    | OF_LANDSCAPE
)


def exponents_table(runs: Sequence[RunResult]) -> pd.DataFrame:
    """Return the exponents, in the order of the runs and their windows; a column that a run's table lacks is empty."""
    return with_run_columns(runs, [run.exponents.reindex(columns=list(EXPONENT_COLUMNS)) for run in runs])


def tails_table(runs: Sequence[RunResult]) -> pd.DataFrame:
    """Return the tails, in the order of the runs, windows and quantities; a column that a table lacks is empty."""
    return with_run_columns(runs, [run.tails.reindex(columns=list(WINDOW_COLUMNS | TAIL_COLUMNS)) for run in runs])


def ensemble_table(runs: Sequence[RunResult]) -> pd.DataFrame:
    """Return means over seeds and the ergodicity of each group, in the order of the groups' first runs and their windows."""
    groups = list(by_group(runs).values())
    return without_single_run(with_run_columns([group[0] for group in groups], [ensemble_rows(group) for group in groups]))


def configuration_table(runs: Sequence[RunResult]) -> pd.DataFrame:
    """Return one row for each group: means over its seeds, early and late in the run and at its end."""
    firsts = [group[0] for group in by_group(runs).values()]
    exponents = exponents_table(runs)
    rows = [configuration_row(exponents[exponents["group"] == first.group]) for first in firsts]
    return without_single_run(with_run_columns(firsts, rows))


def landscape_table(runs: Sequence[RunResult]) -> pd.DataFrame:
    """Return roughness and curvature of the landscape next to the exponents of the same windows."""
    return with_run_columns(runs, [landscape_rows(run.folder, run.exponents) for run in runs])


def characters_table(runs: Sequence[RunResult]) -> pd.DataFrame:
    """Return what kind of walk each coordinate is, beside the exponent and the flags of the same window."""
    parts = []
    for run in runs:
        measured = run.exponents.reindex(columns=["window", *BESIDE_CHARACTERS]).set_index("window")
        beside = measured.loc[run.characters["window"]].reset_index(drop=True)
        parts.append(run.characters.assign(**beside.rename(columns={"flags": "window_flags"})))
    return with_run_columns(runs, parts)


def parts_table(runs: Sequence[RunResult]) -> pd.DataFrame:
    """Return the exponents of groups and walks, of the runs that have them.

    Raises
    ------
    StoreMissingError
        If no run has a parts.csv.
    """
    chosen = with_parts(runs)
    return with_run_columns(chosen, [run.parts.reindex(columns=list(PART_COLUMNS)) for run in chosen])


def learning_table(runs: Sequence[RunResult]) -> pd.DataFrame:
    """Return which part is learned when, of the runs in which it was measured.

    Raises
    ------
    StoreMissingError
        If no run has a learning.csv.
    """
    chosen = with_learning(runs)
    return with_run_columns(chosen, [run.learning.reindex(columns=list(CURVE_COLUMNS)) for run in chosen])


def learning_windows_table(runs: Sequence[RunResult]) -> pd.DataFrame:
    """Return what is learned in each window, beside the exponents of the window and the landscape within it, of the runs
    in which it was measured; raises what `learning_table` raises.
    """
    chosen = with_learning(runs)
    return with_run_columns(chosen, [learning_window_rows(run) for run in chosen])


def learning_window_rows(run: RunResult) -> pd.DataFrame:
    """Return `LEARNING_OF_WINDOWS` of one run."""
    windows = run.learning_windows.reindex(columns=list(LEARNING_WINDOW_COLUMNS))
    measured = run.exponents.reindex(columns=["window", *BESIDE_LEARNING]).set_index("window")
    beside = measured.loc[windows["window"]].reset_index(drop=True).rename(columns={"flags": "window_flags"})
    table = windows.assign(**beside, **dict.fromkeys(OF_LANDSCAPE, np.nan))
    if (run.folder / "landscape" / "roughness.csv").exists():
        points = landscape_rows(run.folder, run.exponents)
        own = points[points["directions"] == "path"].groupby("window")[list(OF_LANDSCAPE)].median()
        for name in OF_LANDSCAPE:
            table[name] = table["window"].map(own[name])
    return table.reindex(columns=list(LEARNING_OF_WINDOWS))


def with_learning(runs: Sequence[RunResult]) -> list[RunResult]:
    """Return the runs in which it was measured which part is learned when; of none of them, all."""
    return [run for run in runs if run.has_learning] or list(runs)


def with_parts(runs: Sequence[RunResult]) -> list[RunResult]:
    """Return the runs whose groups or walks were measured; of none of them, all."""
    return [run for run in runs if run.has_parts] or list(runs)
