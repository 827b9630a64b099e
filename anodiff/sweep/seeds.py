"""What do seeds agree on? Means over the runs of a group, which differ in their seed alone, and how much these scatter.

A row per group and window, with ergodicity (`ensemble_rows`), and one row per group (`configuration_row`). Spread is the
standard deviation over seeds; the interval is Student's, of the mean.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from anodiff.diffusion.columns import WINDOW_COLUMNS
from anodiff.diffusion.ergodicity import ageing_ratio, ergodicity_breaking, over_ensemble
from anodiff.diffusion.intervals import interval_columns
from anodiff.sweep.results import RunResult

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


def mean_columns(name: str, of: str) -> dict[str, str]:
    """Return the columns of a mean over seeds, its interval, the seeds' spread and their number, each with its meaning."""
    return interval_columns(name, f"mean of {of} over seeds, with Student's interval") | {
        f"{name}_spread": f"standard deviation of {of} over seeds",
        f"{name}_seeds": f"seeds that have {of}",
    }


def over_seeds(name: str, values: ArrayLike) -> dict[str, float]:
    """Return `mean_columns` of some seeds' values, NaNs left out."""
    known = np.asarray(values, np.float64)
    known = known[np.isfinite(known)]
    spread = float(known.std(ddof=1)) if len(known) > 1 else math.nan
    return over_ensemble(known).columns(name) | {f"{name}_spread": spread, f"{name}_seeds": len(known)}


#: Columns of the table of ensembles, behind those that name the group: meaning.
ENSEMBLE_COLUMNS: dict[str, str] = WINDOW_COLUMNS | {"seeds": "runs of the group that reached the window"}
for _name in AVERAGED:
    ENSEMBLE_COLUMNS |= mean_columns(_name, _name)
for _lag in LAGS:
    ENSEMBLE_COLUMNS |= interval_columns(f"ergodicity_breaking_{_lag}", f"ergodicity-breaking parameter EB at lag {_lag}")
    ENSEMBLE_COLUMNS |= {f"ergodicity_breaking_{_lag}_if_gaussian": "EB of Gaussian paths of the same law and window"}
    ENSEMBLE_COLUMNS |= interval_columns(
        f"ageing_ratio_{_lag}", f"squared displacement from the window's first point over its time average, at lag {_lag}"
    )
ENSEMBLE_COLUMNS |= {"note": "why a value is missing"}

#: Exponents of the first and the last window that a configuration's row gives, and what a run ends with.
OF_WINDOWS = ("beta_max", "beta_long", "exponent_first", "exponent_second", "path_dimension")
OF_ENDS = ("train_loss", "train_accuracy", "test_loss", "test_accuracy")

#: Columns of the table of configurations, behind those that name the group: meaning.
CONFIGURATION_COLUMNS: dict[str, str] = {
    "runs": "runs of the group",
    "diverged": "how many of them diverged; the means are over the others",
    "early_window": "waiting time of the first window, in optimiser steps",
    "late_window": "waiting time of the last window of the same length and stride",
}
for _name in OF_WINDOWS:
    for _time, _words in (("early", "the first window"), ("late", "the last window")):
        CONFIGURATION_COLUMNS |= mean_columns(f"{_time}_{_name}", f"{_name} in {_words}")
for _name in OF_ENDS:
    CONFIGURATION_COLUMNS |= mean_columns(f"final_{_name}", f"{_name} at the end")


def configuration_row(exponents: pd.DataFrame) -> pd.DataFrame:
    """Return `CONFIGURATION_COLUMNS` of one group, a single row, from its rows of the sweep's exponents."""
    ends = exponents.groupby("run", sort=False).first()
    finished = alike(exponents[exponents["status"] != "diverged"])
    by_run = finished.dropna(subset=["beta_max"]).groupby("run", sort=False)
    windows = {"early": by_run.nth(0), "late": by_run.nth(-1)}
    row: dict[str, Any] = {"runs": len(ends), "diverged": int((ends["status"] == "diverged").sum())}
    for time, own in windows.items():
        row[f"{time}_window"] = own["waiting_time"].median()
        for name in OF_WINDOWS:
            row |= over_seeds(f"{time}_{name}", own[name])
    for name in OF_ENDS:
        row |= over_seeds(f"final_{name}", ends.loc[ends["status"] != "diverged", name])
    return pd.DataFrame([row], columns=list(CONFIGURATION_COLUMNS))


def alike(exponents: pd.DataFrame) -> pd.DataFrame:
    """Return the windows of each run that can be compared: those of its most frequent length and stride, by waiting time."""
    chosen = []
    for _, rows in exponents.groupby("run", sort=False):
        shapes = rows.value_counts(["length", "stride"])
        if not len(shapes):
            continue
        length, stride = min(shapes.index[shapes == shapes.max()])
        chosen.append(rows[(rows["length"] == length) & (rows["stride"] == stride)].sort_values("waiting_time"))
    return pd.concat(chosen) if chosen else exponents


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
        row |= over_seeds(name, [run.exponents[name].iloc[number] for run in reached])
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
