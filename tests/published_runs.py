"""Runs with the published set-up and invented exponents and curves."""

import numpy as np
import pandas as pd
from invented import invented_run

from anodiff.settings.sweep import Config
from anodiff.sweep.runs import sweep_runs

PAPER = {
    "data": {"name": "cifar10", "shift": 4, "flip": True},
    "model": {"name": "resnet14", "options": {"projection": True}},
    "training": {"batch_size": 128, "steps": 3000, "initialisation": "kaiming"},
}


def planned(*entries):
    """Runs of the published sweep with what each entry changes."""
    return list(sweep_runs(Config.model_validate({"sweep": {"name": "s", "defaults": PAPER, "runs": list(entries)}})).values())


def measured(entry, *, starts=(0, 1000), **exponents):
    """A run whose every window has these exponents, with intervals of ± 0.1, and lags with a factor of 2."""
    (run,) = planned(entry)
    result = invented_run(run, starts)
    result.exponents["note"] = pd.Series([None] * len(starts), dtype="string")
    for name, value in ({"regimes": 2} | exponents).items():
        low, high = (value / 2, value * 2) if name == "crossover_lag" else (value - 0.1, value + 0.1)
        result.exponents[name] = value
        if name != "regimes":
            result.exponents[[f"{name}_low", f"{name}_high"]] = low, high
    return result


def parted(entry, short, long, knee, *, starts=(0, 1000)):
    """A run whose every window has an MSD of exactly two powers of the lag, and no regimes in its table."""
    result = measured(entry, starts=starts, regimes=np.nan)
    lags = result.curves["lag"].values
    result.curves["msd"].values[:] = np.where(lags < knee, (lags / knee) ** short, (lags / knee) ** long)
    return result


def settings_of(entry):
    return planned(entry)[0].settings.model_dump(mode="json")


def numbers(comparison, waiting_time=0, reading="fitted", order="published"):
    """The rows of one window in one reading and order, by quantity."""
    table = comparison.table
    where = (table["waiting_time"] == waiting_time) & (table["reading"] == reading) & (table["order"] == order)
    return table[where].set_index("quantity")
