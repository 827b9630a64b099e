"""What does simplified_model.csv say of the walkers on a surface? Its columns and flags."""

from __future__ import annotations

import math
from collections.abc import Mapping

from anodiff.storage.columns import TEXT, Column

#: What a reader of a row should know first: flag, meaning.
FLAGS = {
    "steps across cells": "the first step down the gradient is longer than a cell, so the walkers overshoot what is in it",
    "no early lags": "the walkers never move two cells and twice their first step, or do so too late for a decade of lags",
}

#: Columns of simplified_model.csv.
MODEL_COLUMNS = {
    "setting": Column("name of the walkers' settings", TEXT),
    "kind": Column("kind of surface, with its Hurst exponent", TEXT),
    "hurst": Column("Hurst exponent of the surface; missing for kinds without one"),
    "surface": Column("number of the surface among those of its kind"),
    "step_in_cells": Column("root mean square of the first step down the gradient", "cells of the surface's grid"),
    "early_from": Column("first lag of exponent_early: the walkers have moved two cells, and twice their first step", "steps"),
    "exponent_early": Column("exponent of the ensemble's displacement from the start, from early_from over a decade of lag"),
    "exponent_late": Column(
        "exponent of the ensemble's displacement from the middle of the walk, over lags of 5 % to 45 % of the walk"
    ),
    "exponent_largest": Column("slope of the ensemble's displacement from the start, over the half decade where it is largest"),
    "exponent_time_averaged": Column("exponent of the walkers' mean time-averaged MSD over the first hundredth of the walk"),
    "reached": Column("fraction of the walkers that ever reached the lowest hundredth of the surface"),
    "median_time": Column("step by which half of the walkers had reached the lowest hundredth; missing if fewer did", "steps"),
    "final_height": Column("mean height at the end, above that of the surface", "standard deviations of the surface"),
    "gradient_alpha": Column("tail exponent of a stable law of the gradients' first components; 2 is Gaussian"),
    "flags": Column("; ".join(f"{flag}: {meaning}" for flag, meaning in FLAGS.items()), TEXT),
}

#: Its columns of text.
MODEL_TEXTS = tuple(name for name, column in MODEL_COLUMNS.items() if column.unit == TEXT)


def raised_flags(row: Mapping[str, float]) -> str:
    """Return the `FLAGS` that apply to a row of simplified_model.csv, separated by ``; ``."""
    raised = {"steps across cells": row["step_in_cells"] > 1, "no early lags": math.isnan(row["early_from"])}
    return "; ".join(flag for flag in FLAGS if raised[flag])
