"""How do all figures look?

Fonts, lines and colours, and the colours of waiting times with their legend.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib
import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from anodiff.sweep.results import RunResult

STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 8.5,
    "axes.titlelocation": "left",
    "axes.titley": 1.0,  # Matplotlib would look for text above the axes, and place all ticks to find it
    "axes.labelsize": 8.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "xtick.minor.width": 0.5,
    "ytick.minor.width": 0.5,
    "lines.solid_capstyle": "round",
    "legend.frameon": False,
    "legend.fontsize": 8,
    "svg.hashsalt": "anodiff",
    "pdf.fonttype": 42,
    "savefig.dpi": 160,
}

#: Colours of configurations: hues of Okabe & Ito, with different lightness, for grey print and colour-blind eyes.
CONFIGURATIONS = ("#0B4A9E", "#D55E00", "#00795B", "#D685B4", "#62BBEE", "#F3C13A", "#000000")
#: Markers of configurations. The numbers of markers and of colours share no factor, so that pairs of them repeat late.
MARKERS = "osD^vPXph<>"
#: Blue below the middle, orange above: colour-blind safe. Blue ends darker than orange, for grey print.
DIVERGING = LinearSegmentedColormap.from_list("sides of the middle", ["#08306b", "#4292c6", "#ffffff", "#fdae61", "#b35806"])
#: Text and lines that explain.
QUIET = "#6b6b6b"
#: Background of a marked part of an axis.
MARKED = "#f1efe9"
#: Lines to compare with: slopes, or an exponent of 1.
GUIDE: dict[str, Any] = {"color": QUIET, "linewidth": 0.8, "linestyle": (0, (4, 3))}

#: Axis label of the loss, by the setting training.loss.
LOSS_UNITS = {"cross_entropy": "loss (nats)", "mse": "loss (mean squared error)", "hinge": "hinge loss"}

#: Waiting times that are drawn, at most.
MOST_WINDOWS = 8


@contextmanager
def styled() -> Iterator[None]:
    """Apply this style, and nothing of the user's own."""
    everything: dict[Any, Any] = dict(matplotlib.rcParamsDefault) | STYLE
    everything.pop("backend")  # figures are drawn without a window
    with matplotlib.rc_context(everything):
        yield


def waiting_times(runs: Sequence[RunResult]) -> list[int]:
    """Return at most eight of the runs' waiting times, evenly spaced in their logarithm, with the
    first and the last.
    """
    known = sorted({int(start) for run in runs for start in run.curves["waiting_time"].values})
    if len(known) <= MOST_WINDOWS:
        return known
    since = np.log(np.array(known) - known[0] + (known[1] - known[0]))
    chosen = {int(np.abs(since - target).argmin()) for target in np.linspace(since[0], since[-1], MOST_WINDOWS)}
    return [known[index] for index in sorted(chosen)]


def time_colours(times: Sequence[int]) -> dict[int, Any]:
    """Return a colour for each waiting time, dark for early, light for late."""
    shades = np.linspace(0.0, 0.86, max(2, len(times)))
    return {time: matplotlib.colormaps["viridis"](shade) for time, shade in zip(times, shades, strict=False)}


def add_time_legend(figure: Figure, colours: dict[int, Any], title: str = "waiting time $t_w$ (optimiser steps)") -> None:
    """Add a legend of the colours of waiting times above the panels."""
    handles = [Line2D([], [], color=colour, linewidth=2, label=f"{time:,}") for time, colour in colours.items()]
    width = sum(0.4 + 0.075 * len(str(handle.get_label())) for handle in handles)
    figure.legend(
        handles=handles,
        loc="outside upper left",
        ncols=len(handles) if width < figure.get_figwidth() else math.ceil(len(handles) / 2),
        title=title,
        title_fontsize=8.5,
        alignment="left",
        handlelength=1.3,
        columnspacing=1.3,
    )
