"""What do panels over the lag share?

The axis label, lines of slope 1 and 2, the two sides of β = 1, and the nulls.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from anodiff.diffusion.intervals import COVERAGE
from anodiff.report.figures.style import CONFIGURATIONS, GUIDE, QUIET
from anodiff.storage.types import FloatArray

#: Colour and label of each null.
NULL_LINES = {
    "shuffled": (CONFIGURATIONS[1], "in random order"),
    "permuted_within_epoch": (CONFIGURATIONS[0], "in random order within each epoch"),
    "sign_randomised": (CONFIGURATIONS[2], "with random signs"),
    "ideal_gas": (CONFIGURATIONS[3], "Gaussian, of the same autocorrelation"),
    "detrended": (QUIET, "mean update subtracted"),
}

#: Line style of each null, which distinguishes them in grey print.
NULL_DASHES: dict[str, Any] = {
    "shuffled": (0, (4, 1.5)),
    "permuted_within_epoch": (0, (4, 1.2, 1, 1.2)),
    "sign_randomised": (0, (1.5, 1.2)),
    "ideal_gas": (0, (6, 1.5, 1, 1.5, 1, 1.5)),
    "detrended": ":",
}

#: Label of the lag axis.
LAG = "lag τ (optimiser steps)"

#: Lags and values of a curve.
Curve = tuple[np.ndarray, np.ndarray]


def draw_against_nulls(panel: Axes, window: xr.Dataset, name: str) -> None:
    """Draw the local exponent of a window with its interval, over its nulls with their bands; their
    gids begin with ``name``.
    """
    nulls = [(f"beta_{null}", colour, NULL_DASHES[null]) for null, (colour, _) in NULL_LINES.items()]
    for curve, colour, dashes in [*nulls, ("beta", "#000000", "-")]:
        lag, middle, low, high = (window[column].values for column in ("lag", curve, f"{curve}_low", f"{curve}_high"))
        known = np.isfinite(middle)
        if known.any():
            panel.plot(lag[known], middle[known], color=colour, linewidth=1.3, linestyle=dashes, gid=f"{name}:{curve}")
            panel.fill_between(lag[known], low[known], high[known], color=colour, alpha=0.18, linewidth=0)


def add_null_legend(figure: Figure) -> None:
    """Add a legend of the lines of `draw_against_nulls` above the panels."""
    handles = [Line2D([], [], color="#000000", linewidth=1.6, label="original")]
    for null, (colour, label) in NULL_LINES.items():
        handles.append(Line2D([], [], color=colour, linewidth=1.2, linestyle=NULL_DASHES[null], label=label))
    figure.legend(handles=handles, loc="outside upper left", ncols=3, title="updates", alignment="left")


def draw_guides(panel: Axes, curves: Sequence[Curve]) -> None:
    """Draw lines of slope 1 and 2 over the last decade of lags, below all curves."""
    if not curves:
        return
    last = max(lag[-1] for lag, _ in curves)
    ends = np.array([max(last / 10, min(lag[0] for lag, _ in curves)), last], float)
    below = [curve / (lag / ends[0]) ** 2 for lag, curve in curves]
    heights = [height[(lag >= ends[0]) & (height > 0)] for height, (lag, _) in zip(below, curves, strict=True)]
    start = 0.5 * min((height.min() for height in heights if len(height)), default=np.nan)
    for slope, text in ((1, "τ"), (2, "τ²")):
        line = start * (ends / ends[0]) ** slope
        panel.plot(ends, line, **GUIDE)
        panel.annotate(
            text,
            (ends[1], line[1]),
            (3, 0),
            textcoords="offset points",
            fontsize=8,
            color=QUIET,
            va="center",
            annotation_clip=False,
        )


def label_sides(*panels: Axes) -> None:
    """Write superdiffusive above the line at 1, and subdiffusive below it, into those panels whose
    vertical axis has a label.
    """
    for panel in panels:
        if panel.get_ylabel():
            for text, height, align in (("superdiffusive ↑", 0.97, "top"), ("subdiffusive ↓", 0.03, "bottom")):
                panel.text(0.03, height, text, transform=panel.transAxes, va=align, fontsize=7, color=QUIET)


def show_both_sides(panels: Sequence[Axes]) -> None:
    """Set the shared vertical axis of panels of β to show all named lines and both sides of 1."""
    named = [line.get_ydata() for panel in panels for line in panel.lines if line.get_gid()]
    values = np.concatenate([[0.52, 1.48], *named])
    margin = 0.04 * np.ptp(values)
    panels[0].set_ylim(values.min() - margin, values.max() + margin)


def show_nulls(panels: Sequence[Axes]) -> None:
    """Set the shared vertical axis of panels of `draw_against_nulls` so that all lines show, except
    the detrended null's.

    A path without its mean update ends where it began, so that line falls far below the others at
    long lags.
    """
    named = [line for panel in panels for line in panel.lines if line.get_gid()]
    kept = [line.get_ydata() for line in named if not str(line.get_gid()).endswith("beta_detrended")]
    values = np.concatenate([[0.4, 1.6], *kept])
    panels[0].set_ylim(values.min() - 0.2, values.max() + 0.2)


def chi_squared_scatter(samples: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the 95 % range of the mean of ``samples`` squared standard normal values: χ² divided
    by its degrees of freedom.
    """
    shape = np.asarray(samples, float) / 2
    low, high = (scipy.special.gammaincinv(shape, tail) / shape for tail in ((1 - COVERAGE) / 2, (1 + COVERAGE) / 2))
    return low, high
