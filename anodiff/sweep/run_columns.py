"""Which run does a row belong to, and how did that run end? The columns before those of each table.

They hold the run's name and group, the usual settings, every other setting that differs between the
runs, and the run's end.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from anodiff.storage.columns import COUNT, LOSS, OPTIMISER_STEPS, TEXT, Column
from anodiff.sweep.results import RunResult
from anodiff.trajectory.format import EPOCH_SERIES

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class SettingColumn(Column):
    """A column that holds a setting of the run; ``setting`` is its dotted key."""

    setting: str = ""


#: Columns of the settings that every table has.
SETTING_COLUMNS = {
    "data": SettingColumn("data set", TEXT, "data.name"),
    "model": SettingColumn("model", TEXT, "model.name"),
    "batch_size": SettingColumn("samples of a mini-batch", COUNT, "training.batch_size"),
    "learning_rate": SettingColumn("learning rate at the start", setting="optimiser.learning_rate"),
    "seed": SettingColumn("seed of the initial weights, the data order and everything else that is random", setting="seed"),
}

#: Columns of a run besides its settings.
RUN_COLUMNS = {
    "run": Column("name of the run", TEXT),
    "group": Column("name without the seed: runs of a group differ only in their seed", TEXT),
    "parameters": Column("number of parameters", COUNT),
    "status": Column(
        "complete; diverged: stopped because the loss was not finite; or missing: not finished, and the note says why", TEXT
    ),
    "steps_completed": Column("optimiser steps taken", OPTIMISER_STEPS),
    "diverged_at": Column("optimiser step whose loss was not finite", OPTIMISER_STEPS),
    "train_loss": Column("mean mini-batch loss of the last epoch, as trained", LOSS),
    "train_accuracy": Column("accuracy of the last epoch, as trained"),
    "test_loss": Column("last loss measured on the test set", LOSS),
    "test_accuracy": Column("last accuracy measured on the test set"),
    "test_perplexity": Column("exp of test_loss, for text: among how many equally likely tokens there would be as much doubt"),
}


def with_run_columns(runs: Sequence[RunResult], tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the rows of all runs, a table for each, behind the columns that say which run it is and how it ended."""
    import pandas as pd

    usual = {column.setting for column in SETTING_COLUMNS.values()}
    keys = dict.fromkeys(key for run in runs for key in run.settings if key not in usual)
    varying = [key for key in keys if len({repr(run.settings.get(key)) for run in runs}) > 1]
    parts = [_with_run_columns(run, varying, rows) for run, rows in zip(runs, tables, strict=True)]
    with_rows = [part for part in parts if len(part)]  # the columns of the others have no type
    table = pd.concat(with_rows or parts, ignore_index=True)
    for key in varying:
        if _mixes_text_and_numbers(key, runs):
            table[key] = table[key].map(str, na_action="ignore")
    return table


def perplexity(loss: float) -> float:
    """Return exp of a mean loss per token; infinite where that is beyond all numbers.

    Examples
    --------
    >>> round(perplexity(math.log(20)), 6), perplexity(1000.0)
    (20.0, inf)
    """
    try:
        return math.exp(loss)
    except OverflowError:
        return math.inf


def without_single_run(table: pd.DataFrame) -> pd.DataFrame:
    """Leave out the columns that belong to a single run, of a table whose rows are of groups."""
    single = ["seed", *(name for name in RUN_COLUMNS if name not in ("group", "parameters"))]
    return table.drop(columns=[name for name in single if name in table])


def setting_column(key: str, values: pd.Series) -> Column:
    """Return what the column of any other setting means."""
    import pandas as pd

    words = pd.api.types.infer_dtype(values, skipna=True) == "string"
    return Column(f"the run's setting {key}, see config/README.md", TEXT if words else "1")


def _with_run_columns(run: RunResult, varying: Sequence[str], rows: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    attributes = run.curves.attrs
    values: dict[str, Any] = {"run": run.name, "group": run.group}
    values |= {name: run.settings[column.setting] for name, column in SETTING_COLUMNS.items()}
    values |= {key: _table_value(run.settings.get(key)) for key in varying}
    values |= {"parameters": attributes["parameters"], "status": attributes["status"]}
    values |= {"steps_completed": attributes["steps_completed"], "diverged_at": attributes.get("diverged_at", math.nan)}
    values |= {name: run.final(name) for name in EPOCH_SERIES}
    values["test_perplexity"] = perplexity(values["test_loss"]) if run.settings["data.name"] == "text" else math.nan
    return pd.concat([pd.DataFrame([values] * len(rows), index=rows.index, columns=list(values)), rows], axis=1)


def _mixes_text_and_numbers(key: str, runs: Sequence[RunResult]) -> bool:
    """Return whether a setting is text in some runs and a number in others, which no column of a Parquet file can hold."""
    kinds = {type(_table_value(run.settings.get(key))) for run in runs} - {type(None)}
    return len(kinds) > 1 and not kinds <= {int, float}


def _table_value(value: Any) -> Any:
    """Keep numbers, texts and None; write everything else, such as lists, as text."""
    return value if isinstance(value, (int, float, str, type(None))) else str(value)
