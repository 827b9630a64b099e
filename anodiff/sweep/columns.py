"""What does a column of a table mean, and in what unit? The same in the Parquet files' metadata and in docs/format.md."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from anodiff.diffusion.columns import COLUMNS as EXPONENT_COLUMNS
from anodiff.diffusion.columns import WINDOW_COLUMNS
from anodiff.diffusion.jumps import TAIL_COLUMNS
from anodiff.landscape.roughness_store import COLUMNS as ROUGHNESS_COLUMNS
from anodiff.simulation.surfaces.ensemble import COLUMNS as MODEL_COLUMNS
from anodiff.sweep.claims import CLAIM_COLUMNS
from anodiff.sweep.connections import COLUMNS as CONNECTION_COLUMNS
from anodiff.sweep.connections import OF_WINDOW
from anodiff.sweep.seeds import CONFIGURATION_COLUMNS, ENSEMBLE_COLUMNS

#: Columns that name a run: meaning.
NAMING_COLUMNS = {
    "data": "data set",
    "model": "model",
    "batch_size": "samples of a mini-batch",
    "learning_rate": "learning rate at the start",
    "seed": "seed of initial weights, data order and all else",
}

#: Columns of a run besides its settings: meaning.
RUN_COLUMNS = {
    "run": "name of the run",
    "group": "name without the seed: runs of a group differ in their seed alone",
    "parameters": "number of parameters",
    "status": "complete; diverged: stopped since the loss was not finite; or missing: not finished, and the note says why",
    "steps_completed": "optimiser steps taken",
    "diverged_at": "optimiser step whose loss was not finite",
    "train_loss": "mean mini-batch loss of the last epoch, as trained",
    "train_accuracy": "accuracy of the last epoch, as trained",
    "test_loss": "last loss measured on the test set",
    "test_accuracy": "last accuracy measured on the test set",
}

#: The columns of each table behind those that name the run: meaning.
COLUMNS = {
    "exponents": EXPONENT_COLUMNS,
    "tails": WINDOW_COLUMNS | TAIL_COLUMNS,
    "ensembles": ENSEMBLE_COLUMNS,
    "configurations": CONFIGURATION_COLUMNS,
    "landscape": ROUGHNESS_COLUMNS | {name: EXPONENT_COLUMNS[name] for name in OF_WINDOW} | CONNECTION_COLUMNS,
    "claims": CLAIM_COLUMNS,
    "simplified_model": MODEL_COLUMNS,
}

#: Tables of which no row belongs to a run or a group of runs.
OF_NO_RUN = ("claims", "simplified_model")

STEPS, COUNT, TEXT, LOSS, OWN = "optimiser steps", "count", "text", "loss", "that of the quantity"

#: Units of what is not a pure number, by table; "" holds in all of them.
_UNITS: dict[str, dict[str, Iterable[str]]] = {
    "": {
        STEPS: (
            "waiting_time", "length", "stride", "beta_max_lag", "crossover_lag", "fit_from", "fit_to", "steps_completed",
            "diverged_at", "step", "curvature_step", "early_window", "late_window",
        ),
        COUNT: (
            "parameters", "seeds", "runs", "diverged", "values", "power_law_values", "regimes", "batch_size",
            "non_finite", "n",
        ),
        TEXT: (
            "run", "group", "data", "model", "status", "note", "flags", "quantity", "tail_note", "directions", "title", "part",
            "measure", "test", "verdict", "kind", "setting",
        ),
        LOSS: ("train_loss", "test_loss"),
    },
    "tails": {
        OWN: ("stable_scale", "stable_location", "stable_centre", "power_law_from", "mean"),
        STEPS: ("mean_duration_if_independent",),
    },
    "landscape": {
        "weight": ("fit_from", "fit_to"),
        LOSS: ("rounding",),
        "loss/weight²": ("hessian_largest",),
        "decades": ("decades",),
    },
    "claims": {"that of the measure": ("value", "low", "high")},
    "simplified_model": {"steps": ("median_time",), "standard deviations of the surface": ("final_height",)},
}  # fmt: skip


def unit(kind: str, column: str) -> str:
    """Return the unit of a column of a table; 1 for a pure number such as an exponent."""
    if column.endswith("_seeds"):
        return COUNT
    bare = column
    for end in ("_low", "_high", "_spread"):
        bare = bare.removesuffix(end)
    for table in (kind, ""):
        for name, columns in _UNITS.get(table, {}).items():
            if bare in columns or column in columns:
                return name
    return "1"


def meaning(kind: str, column: str) -> str:
    """Return what a column of a table means; any other than those of `COLUMNS` is a setting of the run."""
    named = {} if kind in OF_NO_RUN else RUN_COLUMNS | NAMING_COLUMNS
    return (named | COLUMNS[kind]).get(column) or f"the run's setting {column}, see config/README.md"


def reference(kind: str) -> list[str]:
    """Return the lines of docs/format.md that describe the columns of a table, as Markdown."""
    rows = [(column, unit(kind, column), text.replace("|", r"\|")) for column, text in COLUMNS[kind].items()]
    return [
        "| column | unit | meaning |",
        "| --- | --- | --- |",
        *(f"| `{column}` | {of} | {text} |" for column, of, text in rows),
    ]


def write_parquet(table: pd.DataFrame, path: Path, kind: str) -> None:
    """Write a table as Parquet, with ``description`` and ``unit`` in the metadata of each column.

    ``pyarrow.parquet.read_schema(path).field("beta_max").metadata`` returns them.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    whole = pa.Table.from_pandas(table, preserve_index=False)
    for number, field in enumerate(whole.schema):
        about = {"description": meaning(kind, field.name), "unit": _unit_of(field, kind)}
        whole = whole.set_column(number, field.with_metadata(about), whole.column(number))
    pq.write_table(whole, path)


def _unit_of(field: object, kind: str) -> str:
    """Return the unit; a setting that is a word has none."""
    known = unit(kind, field.name)  # type: ignore[attr-defined]
    return TEXT if known == "1" and "string" in str(field.type) else known  # type: ignore[attr-defined]
