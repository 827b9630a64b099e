"""What do all panels over the lag share? Axis, guides, the sides of 1, and the nulls drawn beside a curve."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy.special import gammaincinv

from anodiff.diffusion.intervals import COVERAGE
from anodiff.report.figures.style import (
    CONFIGURATIONS,
    GUIDE,
    QUIET,
)
from anodiff.storage.types import FloatArray

#: How the nulls are drawn: colour and label.
NULL_LINES = {
    "shuffled": (CONFIGURATIONS[1], "in random order"),
    "permuted_within_epoch": (CONFIGURATIONS[0], "in random order within each epoch"),
    "sign_randomised": (CONFIGURATIONS[2], "with random signs"),
    "detrended": (QUIET, "without their mean"),
}


#: Their dashes, so that grey print tells them.
NULL_DASHES = {
    CONFIGURATIONS[1]: (0, (4, 1.5)),
    CONFIGURATIONS[0]: (0, (4, 1.2, 1, 1.2)),
    CONFIGURATIONS[2]: (0, (1.5, 1.2)),
    QUIET: ":",
}


LAG = "lag τ (optimiser steps)"


Curve = tuple[np.ndarray, np.ndarray]


def against_nulls(panel: Axes, window: xr.Dataset, name: str) -> None:
    """Draw the local exponent of one window with its interval, over its nulls with their bands; ``name`` begins the gids."""
    looks = [(f"beta_{null}", colour) for null, (colour, _) in NULL_LINES.items()]
    for curve, colour in [*looks, ("beta", "#000000")]:
        lag, middle, low, high = (window[column].values for column in ("lag", curve, f"{curve}_low", f"{curve}_high"))
        known = np.isfinite(middle)
        if known.any():
            panel.plot(lag[known], middle[known], color=colour, linewidth=1.3, linestyle=_dash(colour), gid=f"{name}:{curve}")
            panel.fill_between(lag[known], low[known], high[known], color=colour, alpha=0.18, linewidth=0)


def null_legend(figure: Figure) -> None:
    """Explain the lines of `against_nulls` above the panels."""
    handles = [Line2D([], [], color="#000000", linewidth=1.6, label="as it was")]
    for colour, label in NULL_LINES.values():
        handles.append(Line2D([], [], color=colour, linewidth=1.2, linestyle=_dash(colour), label=label))
    figure.legend(handles=handles, loc="outside upper left", ncols=3, title="updates", alignment="left")


def _dash(colour: str) -> Any:
    return NULL_DASHES.get(colour, "-")


def guides(panel: Axes, curves: Sequence[Curve]) -> None:
    """Draw slopes 1 and 2 as a fan over the last decade of lags, below all curves."""
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


def sides(panel: Axes) -> None:
    """Say which side of the line at 1 is which."""
    for text, height, align in (("superdiffusive ↑", 0.97, "top"), ("subdiffusive ↓", 0.03, "bottom")):
        panel.text(0.03, height, text, transform=panel.transAxes, va=align, fontsize=7, color=QUIET)


def chi_squared_scatter(samples: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the ends of the 95 % range of the mean of ``samples`` squares of standard normal values, χ² over its freedom."""
    freedom = np.asarray(samples, float) / 2
    low, high = (gammaincinv(freedom, tail) / freedom for tail in ((1 - COVERAGE) / 2, (1 + COVERAGE) / 2))
    return low, high
