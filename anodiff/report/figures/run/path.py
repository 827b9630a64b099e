"""What shape does a run's path have?

Displacement by contour length, loss difference by distance, transverse excursions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from anodiff.diffusion.pairs import Binned
from anodiff.report.figures.run.data import RunData
from anodiff.report.figures.run.windows import DrawnWindow, against_waiting_time, drawn_windows, label_figure, waiting_time_axis
from anodiff.report.figures.style import GUIDE, QUIET, styled
from anodiff.report.figures.ticks import log_scale
from anodiff.storage.types import FloatArray
from anodiff.sweep.results import RunResult

#: Fields of `PairMeans`.
Means = Literal["displacement", "loss_difference"]

#: Labels of the two axes.
LABELS: dict[Means, tuple[str, str]] = {
    "displacement": ("contour length s (weight units)", "Δr² (squared weight units)"),
    "loss_difference": ("distance Δr (weight units)", "MSL: mean of (ΔL)²"),
}

#: Excursion² over chord² of Brownian motion in many dimensions, where the middle point is the farthest.
BROWNIAN_RATIO = 0.25


def contour(run: RunData) -> Figure | None:
    """Draw Δr² against contour length with the fitted power law, and the path dimension of every
    window.
    """

    def draw_dimensions(panel: Axes) -> None:
        rows = run.result.exponents
        against_waiting_time(panel, rows, "path_dimension", "#000000")
        for height, text in ((1.0, "straight"), (2.0, "Brownian")):
            _draw_level(panel, height, text)
        panel.set_ylabel("path dimension $D_f$")
        variation = rows["step_length_variation"].dropna()
        panel.set_title(f"step lengths: σ / mean {variation.min():.2f} to {variation.max():.2f}")

    return _draw_pairs(run, "displacement", draw_dimensions)


def loss_by_distance(run: RunData) -> Figure | None:
    """Draw the mean squared loss difference against distance with the fitted power law, and 2H of
    every window.
    """

    def draw_exponents(panel: Axes) -> None:
        rows = run.result.exponents
        doubled = {f"loss_roughness{end}": 2 * rows[f"loss_roughness{end}"] for end in ("", "_low", "_high")}
        against_waiting_time(panel, rows.assign(**doubled), "loss_roughness", "#000000")
        for height, text in ((0.0, "only noise"), (1.0, "Brownian"), (2.0, "smooth")):
            _draw_level(panel, height, text)
        panel.set_ylabel("2H of MSL ~ Δr$^{2H}$")

    return _draw_pairs(run, "loss_difference", draw_exponents)


def excursion(run: RunData) -> Figure | None:
    """Draw the excursion ratio against the length of fragments, and the exponent of excursions of
    every window.
    """
    windows = drawn_windows(run.result, "excursion_ratio")
    if not windows:
        return None
    with styled():
        figure, left, right = _pair()
        log_scale(left, "x")
        for window in windows:
            lag, ratio = window.curve(run.result, "excursion_ratio")
            left.plot(lag, ratio, linewidth=1.2, gid=f"excursion:{window.number}", **window.look)
        left.axhline(BROWNIAN_RATIO, **GUIDE)
        left.set_ylim(bottom=0)
        left.set_xlabel("length of the fragment τ (optimiser steps)")
        left.set_ylabel("excursion² / chord², means over fragments")
        against_waiting_time(right, run.result.exponents, "excursion_exponent", "#000000")
        _draw_level(right, 1.0, "self-similar")
        right.set_ylabel("exponent of excursion² ~ (chord²)$^x$")
        waiting_time_axis(right)
        return label_figure(figure, run.result, windows)


def draw_pair_means(panel: Axes, run: RunResult, windows: Sequence[DrawnWindow], means: Means) -> bool:
    """Draw means over pairs of points of windows with their fitted power laws; return whether there are any."""
    found = [(window, getattr(run.pairs(window.number), means)) for window in windows]
    found = [(window, binned) for window, binned in found if len(binned.centres)]
    if not found:
        return False
    log_scale(panel, "x")
    log_scale(panel, "y", nonpositive="mask")
    for window, binned in found:
        look: dict[str, Any] = {"color": window.colour}
        panel.plot(
            binned.centres, binned.means, "o", markersize=2.6, gid=f"bins:{window.number}", **look,
            markerfacecolor=window.colour if window.stride == 1 else "white",
        )  # fmt: skip
        panel.plot(*fitted_line(binned), linewidth=1.1, gid=f"fit:{window.number}", **look)
    panel.set_xlabel(LABELS[means][0])
    panel.set_ylabel(LABELS[means][1])
    return True


def fitted_line(binned: Binned) -> tuple[FloatArray, FloatArray]:
    """Return the fitted power law at the first and the last bin used for the fit; its slope is
    `Binned.exponent`.
    """
    use = binned.fitted & (binned.means > 0)
    if use.sum() < 2:
        return np.empty(0), np.empty(0)
    x, y = np.log(binned.centres[use]), np.log(binned.means[use])
    slope = binned.exponent.value
    height = np.average(y - slope * x, weights=1 / binned.centres[use])
    ends = x[[0, -1]]
    return np.exp(ends), np.exp(height + slope * ends)


def _draw_pairs(run: RunData, means: Means, draw_right: Callable[[Axes], None]) -> Figure | None:
    """Draw means over pairs of points on the left, and on the right what ``draw_right`` draws
    against the waiting time.
    """
    windows = drawn_windows(run.result, "beta")
    with styled():
        figure, left, right = _pair()
        if not draw_pair_means(left, run.result, windows, means):
            return None
        waiting_time_axis(right)
        draw_right(right)
        return label_figure(figure, run.result, windows)


def _pair() -> tuple[Figure, Axes, Axes]:
    figure = Figure(figsize=(8.4, 3.9), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.15, 1))
    return figure, left, right


def _draw_level(panel: Axes, height: float, text: str) -> None:
    """Draw a horizontal line with its name at its right end."""
    panel.axhline(height, **GUIDE)
    panel.annotate(
        text, (1.0, height), (3, 0), xycoords=("axes fraction", "data"), textcoords="offset points",
        va="center", fontsize=7, color=QUIET, annotation_clip=False,
    )  # fmt: skip
