"""What kind of walk is each coordinate of the path, by waiting time?

α beside the β of the path, a column for each model; and the kinds, a panel for each configuration.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from anodiff.inference.cells import KINDS
from anodiff.report.figures.panels import Group, explain_if_empty, panels
from anodiff.report.figures.style import CONFIGURATIONS, GUIDE, styled
from anodiff.report.figures.sweep.columns import Configuration, model_columns
from anodiff.report.figures.sweep.time_axis import time_axis
from anodiff.storage.types import FloatArray
from anodiff.sweep.results import RunResult

#: Colours of the five kinds.
KIND_COLOURS = dict(zip(KINDS, CONFIGURATIONS, strict=False))

WAITING_TIME = "waiting time $t_w$ (optimiser steps)"


def characters(runs: Sequence[RunResult]) -> Figure:
    """Draw α of random coordinates and of the first principal coordinate against the waiting time."""
    with styled():
        figure, columns = model_columns(
            runs,
            WAITING_TIME,
            "exponent α of random\ncoordinates (×: β of the path)",
            "α of the first principal coordinate\nabove that in random order",
        )
        for column in columns:
            for configuration in column.configurations:
                _draw_random(column.top, configuration)
                _draw_principal(column.bottom, configuration)
            column.top.axhline(1.0, **GUIDE)
            column.bottom.axhline(0.0, **GUIDE)
            time_axis(column.bottom, _starts([run for each in column.configurations for run in each.runs]))
            for panel in (column.top, column.bottom):
                explain_if_empty(panel, "no window with an answer")
    return figure


def kinds(runs: Sequence[RunResult]) -> Figure:
    """Draw the probabilities of the five kinds, one above the other, against the waiting time."""
    with styled():
        figure, placed = panels(runs, WAITING_TIME, "probability", log=False)
        starts = _starts(runs)
        for panel, group in placed:
            _draw_kinds(panel, group)
            panel.set_ylim(0, 1)
            explain_if_empty(panel, "no window with an answer")
        time_axis(placed[0][0], starts)
        handles: list[Any] = [Patch(color=colour, alpha=0.75, label=kind) for kind, colour in KIND_COLOURS.items()]
        handles.append(Line2D([], [], color="black", marker=".", label="unlike all five"))
        figure.legend(handles=handles, loc="outside upper left", ncols=len(handles))
    return figure


def _draw_random(panel: Axes, configuration: Configuration) -> None:
    """Draw the medians over random coordinates of each seed, with quartiles, and β of the path."""
    means = []
    for run in configuration.runs:
        rows = _rows(run, "random")
        times, heights = rows["waiting_time"].to_numpy(float), rows["exponent"].to_numpy(float)
        low, high = (rows[f"exponent_quartile_{number}"].to_numpy(float) for number in (1, 3))
        panel.vlines(times, low, high, color=configuration.colour, linewidth=0.7, alpha=0.5)
        _draw_seed(panel, configuration, times, heights, gid=run.name)
        path = run.exponents.dropna(subset=["beta_long"])
        panel.plot(
            path["waiting_time"], path["beta_long"], linestyle="", marker="x", markersize=4, alpha=0.75,
            color=configuration.colour, gid=f"{run.name}:path",
        )  # fmt: skip
        means.append(rows.set_index("waiting_time")["exponent"])
    _draw_mean(panel, configuration, means)


def _draw_principal(panel: Axes, configuration: Configuration) -> None:
    """Draw how far α of the first principal coordinate is above its null; filled beyond all draws of it."""
    means = []
    for run in configuration.runs:
        rows = _rows(run, "principal_1")
        times = rows["waiting_time"].to_numpy(float)
        above = (rows["exponent"] - rows["exponent_shuffled"]).to_numpy(float)
        p, draws = (rows[name].to_numpy(float) for name in ("exponent_p_shuffled", "nulls"))
        beyond = (p < 1.5 / (draws + 1)) | (p == 1.0)
        for chosen, face in ((beyond, configuration.colour), (~beyond, "none")):
            _draw_seed(panel, configuration, times[chosen], above[chosen], gid=run.name, markerfacecolor=face)
        means.append(pd.Series(above, times))
    _draw_mean(panel, configuration, means)


def _draw_seed(panel: Axes, configuration: Configuration, times: FloatArray, heights: FloatArray, **look: Any) -> None:
    panel.plot(
        times, heights, linestyle="", marker=configuration.marker, color=configuration.colour, markersize=3.5,
        markeredgewidth=0.6, alpha=0.75, **look,
    )  # fmt: skip


def _draw_mean(panel: Axes, configuration: Configuration, by_run: list[pd.Series]) -> None:
    mean = pd.concat(by_run).groupby(level=0).mean()
    if len(mean):
        panel.plot(mean.index, mean, color=configuration.colour, linewidth=1.2, gid=configuration.runs[0].group)


def _draw_kinds(panel: Axes, group: Group) -> None:
    rows = pd.concat([_rows(run, "random") for run in group])
    mean = rows.groupby("waiting_time")[[*KINDS, "unfamiliar"]].mean()
    times = mean.index.to_numpy(float)
    panel.grid(False)
    upper = np.zeros(len(times))
    for kind in KINDS:
        lower, upper = upper, upper + mean[kind].to_numpy(float)
        panel.fill_between(times, lower, upper, color=KIND_COLOURS[kind], alpha=0.75, linewidth=0, gid=kind)
        if len(times) == 1:
            panel.vlines(times, lower, upper, color=KIND_COLOURS[kind], alpha=0.75, linewidth=12)
    panel.plot(times, mean["unfamiliar"], color="black", marker=".", linewidth=1.0, gid=group[0].group)


def _rows(run: RunResult, coordinate: str) -> pd.DataFrame:
    """Return the rows of a sort of coordinate that have an answer."""
    rows = run.characters[run.characters["coordinate"] == coordinate]
    return rows.dropna(subset=["exponent"])


def _starts(runs: Sequence[RunResult]) -> FloatArray:
    return np.unique(np.concatenate([run.exponents["waiting_time"].to_numpy(float) for run in runs]))
