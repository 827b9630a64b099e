"""What do the seeds agree on? Means over the runs of a group, which differ only in their seed, and their scatter.

`ensemble_rows` has a row for each window of a group, with ergodicity; `configuration_row` has one
row for the group. Spread is the standard deviation over seeds; the interval is Student's, of the
mean.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from anodiff.diffusion.columns import EXPONENT_COLUMNS, WINDOW_COLUMNS
from anodiff.diffusion.ergodicity import ageing_ratio, ensemble_mean, ergodicity_breaking
from anodiff.diffusion.intervals import interval_columns
from anodiff.storage.columns import COUNT, LOSS, OPTIMISER_STEPS, TEXT, Column
from anodiff.sweep.results import RunResult
from anodiff.trajectory.format import EPOCH_SERIES

if TYPE_CHECKING:
    import pandas as pd

#: Exponents that are averaged over seeds in each window.
AVERAGED = (
    "beta_max",
    "beta_long",
    "exponent_first",
    "exponent_second",
    "exponent_third",
    "crossover_lag",
    "second_crossover_lag",
    "path_dimension",
    "excursion_exponent",
    "loss_roughness",
)

#: Those of them that are means over windows with the most frequent kind of regimes; see `of_one_kind`.
OF_REGIMES = tuple(name for name in AVERAGED if name.startswith("exponent_") or name.endswith("crossover_lag"))

#: Lags of the ergodicity columns, in optimiser steps. The curves' nearest lag is taken.
LAGS = (1, 10, 100)

#: Exponents of the first and the last window that a configuration's row gives.
EARLY_AND_LATE = ("beta_max", "beta_long", "exponent_first", "exponent_second", "path_dimension")


def mean_columns(name: str, of: str, unit: str = "1") -> dict[str, Column]:
    """Return the columns of a mean over seeds: with its interval, the spread over seeds, and their number."""
    return interval_columns(name, f"mean of {of} over seeds, with Student's interval", unit) | {
        f"{name}_spread": Column(f"standard deviation of {of} over seeds", unit),
        f"{name}_seeds": Column(f"number of seeds that have {of}", COUNT),
    }


def mean_over_seeds(name: str, values: ArrayLike) -> dict[str, float]:
    """Return the values of `mean_columns`, one value per seed; NaNs are left out."""
    known = np.asarray(values, np.float64)
    known = known[np.isfinite(known)]
    spread = float(known.std(ddof=1)) if len(known) > 1 else math.nan
    return ensemble_mean(known).columns(name) | {f"{name}_spread": spread, f"{name}_seeds": len(known)}


def _ensemble_columns() -> dict[str, Column]:
    columns = WINDOW_COLUMNS | {"seeds": Column("number of runs of the group that reached the window", COUNT)}
    columns["regimes"] = Column("number of regimes that most of these windows have; those of the others are in no mean", COUNT)
    for name in AVERAGED:
        columns |= mean_columns(name, name, EXPONENT_COLUMNS[name].unit)
    for lag in LAGS:
        breaking, ratio = f"ergodicity_breaking_{lag}", f"ageing_ratio_{lag}"
        columns |= interval_columns(breaking, f"ergodicity-breaking parameter EB at lag {lag}")
        columns[f"{breaking}_if_gaussian"] = Column(f"EB at lag {lag} of Gaussian paths of the same law and window")
        columns |= interval_columns(
            ratio, f"squared displacement from the window's first point divided by its time average, at lag {lag}"
        )
    return columns | {"note": Column("why a value is missing", TEXT)}


def _configuration_columns() -> dict[str, Column]:
    columns = {
        "runs": Column("number of runs of the group", COUNT),
        "diverged": Column("number of these that diverged; the means are over the others", COUNT),
        "early_window": Column("waiting time of the first window", OPTIMISER_STEPS),
        "late_window": Column("waiting time of the last window of the same length and stride", OPTIMISER_STEPS),
    }
    for name in EARLY_AND_LATE:
        columns |= mean_columns(f"early_{name}", f"{name} in the first window", EXPONENT_COLUMNS[name].unit)
        columns |= mean_columns(f"late_{name}", f"{name} in the last window", EXPONENT_COLUMNS[name].unit)
    for name in EPOCH_SERIES:
        columns |= mean_columns(f"final_{name}", f"{name} at the end", LOSS if name.endswith("loss") else "1")
    return columns


#: Columns of the tables of ensembles and of configurations, behind those that name the group.
ENSEMBLE_COLUMNS, CONFIGURATION_COLUMNS = _ensemble_columns(), _configuration_columns()


def configuration_row(exponents: pd.DataFrame) -> pd.DataFrame:
    """Return the single row of a group, `CONFIGURATION_COLUMNS`, from the group's rows of the sweep's exponents."""
    import pandas as pd

    ends = exponents.groupby("run", sort=False).first()
    finished = comparable_windows(exponents[exponents["status"] != "diverged"])
    by_run = finished.dropna(subset=["beta_max"]).groupby("run", sort=False)
    windows = {"early": pd.DataFrame(by_run.nth(0)), "late": pd.DataFrame(by_run.nth(-1))}
    row: dict[str, Any] = {"runs": len(ends), "diverged": int((ends["status"] == "diverged").sum())}
    for time, own in windows.items():
        row[f"{time}_window"] = own["waiting_time"].median()
        alike = of_one_kind(own)
        for name in EARLY_AND_LATE:
            row |= mean_over_seeds(f"{time}_{name}", (alike if name in OF_REGIMES else own)[name])
    for name in EPOCH_SERIES:
        row |= mean_over_seeds(f"final_{name}", ends.loc[ends["status"] != "diverged", name])
    return pd.DataFrame([row], columns=list(CONFIGURATION_COLUMNS))


def comparable_windows(exponents: pd.DataFrame) -> pd.DataFrame:
    """Return each run's windows of its most frequent length and stride, sorted by waiting time."""
    import pandas as pd

    shape = ["run", "length", "stride"]
    chosen = exponents.groupby(shape).size().groupby("run").idxmax()  # of several, the shortest
    if not len(chosen):
        return exponents
    found = exponents[pd.MultiIndex.from_frame(exponents[shape]).isin(list(chosen))]
    return found.iloc[np.lexsort((found["waiting_time"], pd.factorize(found["run"])[0]))]


def ensemble_rows(runs: Sequence[RunResult]) -> pd.DataFrame:
    """Return `ENSEMBLE_COLUMNS` of a group, a row for each window of the run that has the most windows."""
    import pandas as pd

    longest = max(runs, key=lambda run: len(run.exponents)).exponents
    rows = [_ensemble_row(runs, window) for _, window in longest[list(WINDOW_COLUMNS)].iterrows()]
    return pd.DataFrame(rows, columns=list(ENSEMBLE_COLUMNS))


def _ensemble_row(runs: Sequence[RunResult], window: pd.Series) -> dict[str, Any]:
    import pandas as pd

    number = int(window["window"])
    reached = [run for run in runs if number < len(run.exponents) and np.isfinite(run.curves["msd"].values[number]).any()]
    row: dict[str, Any] = {str(name): int(value) for name, value in window.items()}
    row |= {"seeds": len(reached), "note": ""}
    if len(reached) < 2:
        row["note"] = f"{len(reached)} {'seed' if len(reached) == 1 else 'seeds'} reached the window; a scatter needs two"
    own = pd.DataFrame([run.exponents.iloc[number] for run in reached], columns=list(EXPONENT_COLUMNS))
    alike = of_one_kind(own)
    row["regimes"] = alike["regimes"].iloc[0] if len(alike) else np.nan
    for name in AVERAGED:
        row |= mean_over_seeds(name, (alike if name in OF_REGIMES else own)[name])
    for lag in LAGS:
        at = [_at_lag(run, number, lag) for run in reached]
        msd, ageing, samples = np.array(at).reshape(-1, 3).T
        row |= ergodicity_breaking(msd).columns(f"ergodicity_breaking_{lag}")
        row[f"ergodicity_breaking_{lag}_if_gaussian"] = float(np.mean(2 / samples)) if len(samples) else np.nan
        row |= ageing_ratio(ageing, msd).columns(f"ageing_ratio_{lag}")
    return row


def of_one_kind(windows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of exponents.csv with the most frequent kind of regimes: their number, and where the exponent rises.

    A knee at which the exponent rises and one at which it falls are different, and their mean would
    be none. Of kinds that are equally frequent, the one with the fewest regimes counts, and of these
    the one whose exponent falls.
    """
    known = windows.dropna(subset=["exponent_first"])
    if not len(known):
        return known
    changes = known[["exponent_first", "exponent_second", "exponent_third"]].diff(axis=1).iloc[:, 1:]
    kinds = [tuple(row) for row in np.column_stack([known["regimes"], np.sign(changes.fillna(0))]).tolist()]
    chosen = max(sorted(set(kinds)), key=kinds.count)  # of several, the first: −1 is a fall
    return known[[kind == chosen for kind in kinds]]


def _at_lag(run: RunResult, number: int, lag: int) -> tuple[float, float, float]:
    """Return MSD, ageing MSD and effective samples at the lag nearest to ``lag``; NaN if none is within a fifth of it."""
    curves = run.curves.isel(window=number)
    nearest = int(np.abs(np.log(curves["lag"].values / lag)).argmin())
    if abs(curves["lag"].values[nearest] / lag - 1) > 0.2:
        return np.nan, np.nan, np.nan
    return tuple(float(curves[name].values[nearest]) for name in ("msd", "ageing_msd", "effective_samples"))  # type: ignore[return-value]
