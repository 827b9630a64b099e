"""What do seeds agree on? A row per group of runs that differ in their seed alone, and window: means over seeds, ergodicity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from anodiff.diffusion.ergodicity import ageing_ratio, ergodicity_breaking, over_ensemble
from anodiff.diffusion.intervals import interval_columns
from anodiff.diffusion.outputs import WINDOW_COLUMNS

if TYPE_CHECKING:
    from anodiff.tables import RunResult

#: Exponents whose mean over seeds is given.
AVERAGED = (
    "beta_max",
    "beta_long",
    "exponent_first",
    "exponent_second",
    "crossover_lag",
    "path_dimension",
    "excursion_exponent",
    "loss_roughness",
)

#: Lags, in optimiser steps, at which ergodicity is asked; the nearest that the curves hold.
LAGS = (1, 10, 100)


#: Columns of the table of ensembles, behind those that name the group: meaning.
ENSEMBLE_COLUMNS: dict[str, str] = WINDOW_COLUMNS | {"seeds": "runs of the group that reached the window"}
for _name in AVERAGED:
    ENSEMBLE_COLUMNS |= interval_columns(_name, f"mean of {_name} over seeds, with Student's interval")
for _lag in LAGS:
    ENSEMBLE_COLUMNS |= interval_columns(f"ergodicity_breaking_{_lag}", f"ergodicity-breaking parameter EB at lag {_lag}")
    ENSEMBLE_COLUMNS |= {f"ergodicity_breaking_{_lag}_if_gaussian": "EB of Gaussian paths of the same law and window"}
    ENSEMBLE_COLUMNS |= interval_columns(
        f"ageing_ratio_{_lag}", f"squared displacement from the window's first point over its time average, at lag {_lag}"
    )
ENSEMBLE_COLUMNS |= {"note": "why a value is missing"}


def ensemble_rows(runs: Sequence[RunResult]) -> pd.DataFrame:
    """Return `ENSEMBLE_COLUMNS` of one group, a row per window; windows are those of the group's run with the most."""
    longest = max(runs, key=lambda run: len(run.exponents)).exponents
    rows = [_row(runs, window) for _, window in longest[list(WINDOW_COLUMNS)].iterrows()]
    return pd.DataFrame(rows, columns=list(ENSEMBLE_COLUMNS))


def _row(runs: Sequence[RunResult], window: pd.Series) -> dict[str, Any]:
    number = int(window["window"])
    reached = [run for run in runs if number < len(run.exponents) and np.isfinite(run.curves["msd"].values[number]).any()]
    row: dict[str, Any] = {str(name): int(value) for name, value in window.items()}
    row |= {"seeds": len(reached), "note": ""}
    if len(reached) < 2:
        row["note"] = f"{len(reached)} seed reached the window; two at least have a scatter"
    for name in AVERAGED:
        row |= over_ensemble([run.exponents[name].iloc[number] for run in reached]).columns(name)
    for lag in LAGS:
        at = [_at_lag(run, number, lag) for run in reached]
        msd, ageing, samples = np.array(at).reshape(-1, 3).T
        row |= ergodicity_breaking(msd).columns(f"ergodicity_breaking_{lag}")
        row[f"ergodicity_breaking_{lag}_if_gaussian"] = float(np.mean(2 / samples)) if len(samples) else np.nan
        row |= ageing_ratio(ageing, msd).columns(f"ageing_ratio_{lag}")
    return row


def _at_lag(run: RunResult, number: int, lag: int) -> tuple[float, float, float]:
    """Return MSD, ageing MSD and effective samples at the lag nearest to ``lag``; NaN where none is within a fifth of it."""
    curves = run.curves.isel(window=number)
    place = int(np.abs(np.log(curves["lag"].values / lag)).argmin())
    if abs(curves["lag"].values[place] / lag - 1) > 0.2:
        return np.nan, np.nan, np.nan
    return tuple(float(curves[name].values[place]) for name in ("msd", "ageing_msd", "effective_samples"))  # type: ignore[return-value]
