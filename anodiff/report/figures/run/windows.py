"""Which windows of a run are drawn, and how do its figures show waiting times?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from anodiff.report.figures.panels import divergence_note
from anodiff.report.figures.style import QUIET, add_time_legend, time_colours, waiting_times
from anodiff.storage.types import FloatArray
from anodiff.sweep.results import RunResult


@dataclass(frozen=True)
class DrawnWindow:
    """A window and its look: the colour of its waiting time, and markers if it has a stride."""

    number: int
    start: int
    stride: int
    colour: Any

    def curve(self, run: RunResult, name: str) -> tuple[FloatArray, FloatArray]:
        """Return lags and values of one of the run's curves where it is finite."""
        values = run.curves[name].values[self.number]
        known = np.isfinite(values)
        return run.curves["lag"].values[known].astype(float), values[known]

    @property
    def look(self) -> dict[str, Any]:
        """Keywords for its line."""
        return {"color": self.colour, "marker": "o" if self.stride > 1 else "", "markersize": 3, "markevery": [0, -1]}


def drawn_windows(run: RunResult, name: str = "msd") -> list[DrawnWindow]:
    """Return the windows in which a curve has a finite value, with at most eight waiting times."""
    known = np.isfinite(run.curves[name].values).any(axis=1)
    if not known.any():
        return []
    starts = run.curves["waiting_time"].values
    kept = RunResult(run.folder, run.name, run.curves.isel(window=known), run.exponents, run.tails, run.settings)
    colours = time_colours(waiting_times([kept]))
    strides = run.exponents["stride"].to_numpy()
    return [
        DrawnWindow(int(number), int(starts[number]), int(strides[number]), colours[int(starts[number])])
        for number in np.flatnonzero(known)
        if int(starts[number]) in colours
    ]


def against_waiting_time(panel: Axes, rows: pd.DataFrame, column: str, colour: str, **look: Any) -> None:
    """Draw a column of exponents.csv with its interval against the waiting time; windows with a
    stride have hollow markers.
    """
    known = rows[rows[column].notna()]
    for strided, filled in ((False, colour), (True, "white")):
        part = known[(known["stride"] > 1) == strided]
        if not len(part):
            continue
        value = part[column].to_numpy(float)
        low, high = (part[f"{column}_{end}"].to_numpy(float) for end in ("low", "high"))
        low, high = np.where(np.isfinite(low), low, value), np.where(np.isfinite(high), high, value)
        times = part["waiting_time"].to_numpy(float)
        panel.vlines(times, low, high, color=colour, linewidth=1.0)
        panel.plot(
            times, value, **({"linestyle": "", "marker": "o"} | look), color=colour, markerfacecolor=filled, markersize=4,
            gid=f"{column}:strided" if strided else column,
        )  # fmt: skip


def waiting_time_axis(panel: Axes) -> None:
    """Label an axis of waiting times, with few ticks."""
    panel.set_xlabel("waiting time $t_w$ (optimiser steps)")
    panel.margins(x=0.08)
    panel.locator_params(axis="x", nbins=5)
    panel.xaxis.set_major_formatter("{x:,.0f}")


def label_figure(figure: Figure, run: RunResult, windows: Sequence[DrawnWindow] = ()) -> Figure:
    """Write the run's name, and where it diverged, below the figure; add a legend of the windows'
    waiting times above it.
    """
    if windows:
        add_time_legend(figure, {window.start: window.colour for window in windows})
    text = " · ".join(part for part in (run.name, divergence_note([run])) if part)
    figure.supxlabel(text, x=0.01, ha="left", fontsize=6.5, color=QUIET)
    return figure
