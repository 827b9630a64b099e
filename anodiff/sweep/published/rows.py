"""Which numbers did the study publish, and which runs repeat its set-up?

The numbers and their source are in ``chen2022.csv``: for ResNets of four depths, with and
without shortcuts, at three batch sizes, and for further learning rates, the exponent of the first
regime, that of the second, and the lag between them.

The pitfall: these are readings by eye off plots of MSD against lag, both logarithmic, in one of
many windows, and which one is not said. A regime here is one of a fitted broken power law, which is
another definition.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from anodiff.settings.run import RunSettings
from anodiff.storage.columns import COUNT, OPTIMISER_STEPS, TEXT, Column

if TYPE_CHECKING:
    import pandas as pd

#: How far off a published exponent may be, and the factor by which a published crossover lag may be.
EXPONENT_TOLERANCE, CROSSOVER_FACTOR = 0.1, 1.5

#: Columns of the published numbers that say which run a row is of.
ROW_COLUMNS = {
    "depth": Column("layers of the ResNet", COUNT),
    "shortcut": Column("whether it has shortcuts; of a published row, missing if that is not said"),
    "batch_size": Column("samples of a mini-batch", COUNT),
    "learning_rate": Column("learning rate"),
}

#: Columns of the table of published numbers.
PUBLISHED_COLUMNS = ROW_COLUMNS | {
    "exponent_first": Column(f"published exponent of the first regime, ±{EXPONENT_TOLERANCE:g}"),
    "exponent_second": Column(f"published exponent of the second regime, ±{EXPONENT_TOLERANCE:g}"),
    "crossover_lag": Column(
        f"published lag between the regimes, within a factor of {CROSSOVER_FACTOR:g}; missing unless the learning rate is 0.1",
        OPTIMISER_STEPS,
    ),
    "source": Column("the study, and where in its public code the numbers stand", TEXT),
}

#: The published set-up, as `config/paper.yaml` has it: dotted key, the values that a run may have.
SET_UP: Mapping[str, tuple[Any, ...]] = {
    "data.name": ("cifar10",),
    "data.normalise": (True,),
    "data.shift": (4,),
    "data.flip": (True,),
    "data.noise": (0,),
    "data.label_noise": (0,),
    "data.merged_classes": (None,),
    "data.imbalance": (1,),
    "data.cue": (None,),
    "data.train_samples": (None,),
    "model.width": (16,),
    "model.batch_norm": (True,),
    "optimiser.name": ("sgd",),
    "optimiser.momentum": (0,),
    "optimiser.weight_decay": (0,),
    "optimiser.schedule.name": ("constant",),
    "optimiser.schedule.warmup": (0,),
    "training.initialisation": ("kaiming",),
    "training.loss": ("cross_entropy",),
    "training.decoupling": (0,),
    "training.sampling": ("without_replacement",),
    "training.drop_last": (False,),
    "training.precision": ("float32", "tf32"),
}

#: Differences that are named of a run, at most.
NAMED = 3


@dataclass(frozen=True)
class PublishedRow:
    """The published numbers of one kind of run.

    Attributes
    ----------
    shortcut
        None if it is not said whether the network had shortcuts; the row then belongs to both.
    exponent_first, exponent_second
        Exponents of the MSD in its two regimes.
    crossover_lag
        Lag between them, in optimiser steps; NaN if it is not published.
    """

    depth: int
    shortcut: bool | None
    batch_size: int
    learning_rate: float
    exponent_first: float
    exponent_second: float
    crossover_lag: float


@cache
def published_rows() -> tuple[PublishedRow, ...]:
    """Return the published numbers, in the order of the file.

    Examples
    --------
    >>> published_rows()[0].exponent_first
    1.359
    """
    lines = [line for line in _text().splitlines() if not line.startswith("#")]
    shortcuts = {"true": True, "false": False, "": None}
    return tuple(
        PublishedRow(
            int(row["depth"]),
            shortcuts[row["shortcut"]],
            int(row["batch_size"]),
            float(row["learning_rate"]),
            float(row["first"]),
            float(row["second"]),
            float(row["crossover_lag"] or "nan"),
        )
        for row in csv.DictReader(lines)
    )


def published_source() -> str:
    """Return where the numbers come from and how sure they are: the lines at the head of the file."""
    return "\n".join(line.removeprefix("#").strip() for line in _text().splitlines() if line.startswith("#"))


def published_table() -> pd.DataFrame:
    """Return the published numbers as a table, `PUBLISHED_COLUMNS`."""
    import pandas as pd

    table = pd.DataFrame([vars(row) for row in published_rows()]).assign(source=published_source().replace("\n", " "))
    return table[list(PUBLISHED_COLUMNS)].astype({"shortcut": "boolean", "source": "string"})


def published_row(settings: Mapping[str, Any]) -> tuple[PublishedRow | None, str]:
    """Return the published row that a run repeats; if there is none, None and why.

    How long the run is, which windows it records, and its seed do not matter: at a constant learning
    rate, a shorter run is the beginning of a longer one.

    Parameters
    ----------
    settings
        The settings of the run as its stores hold them, in sections. One that they do not have has
        its default.
    """
    with suppress(ValidationError):  # otherwise they are compared as they are written
        settings = RunSettings.model_validate(settings).model_dump(mode="json")
    differences = [
        f"{key} is {_said(value)}, published: {_said(allowed[0])}"
        for key, allowed in SET_UP.items()
        if (value := _value(settings, key)) not in allowed
    ]
    name, depth, shortcut = (_value(settings, f"model.{key}") for key in ("name", "depth", "shortcut"))
    if not str(name).startswith("resnet"):
        differences.insert(0, f"model.name is {name}, published: resnet<depth>")
    if shortcut and not _value(settings, "model.options.projection"):
        differences.append("model.options.projection is false, published: true")
    if differences:
        more = len(differences) - NAMED
        return None, "; ".join(differences[:NAMED]) + (f"; and {more} more" if more > 0 else "")
    batch, rate = _value(settings, "training.batch_size"), _value(settings, "optimiser.learning_rate")
    for row in published_rows():
        either = row.shortcut is None or row.shortcut == shortcut
        if either and (row.depth, row.batch_size) == (depth, batch) and math.isclose(row.learning_rate, rate):
            return row, ""
    with_or_without = "with" if shortcut else "without"
    return None, f"no published row for resnet{depth} {with_or_without} shortcuts, batch size {batch}, learning rate {rate:g}"


def _value(settings: Mapping[str, Any], key: str) -> Any:
    found: Any = settings
    for part in key.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _said(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "not set" if value is None else "set" if isinstance(value, Mapping) else str(value)


@cache
def _text() -> str:
    return files("anodiff.sweep.published").joinpath("chen2022.csv").read_text(encoding="utf-8")
