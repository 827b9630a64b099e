"""A run's path within its windows: displacement against contour length, loss against distance, and how far fragments stray."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from anodiff.diffusion.pairs import Binned, displacement_by_contour, loss_difference_by_distance
from anodiff.report.figures.run.data import RunData
from anodiff.report.figures.run.windows import against_waiting_time, colours_of, drawn_windows, sign, waiting_time_axis
from anodiff.report.figures.style import GUIDE, QUIET, styled, time_legend
from anodiff.storage.types import FloatArray

if TYPE_CHECKING:
    from anodiff.report.figures.run.windows import DrawnWindow


#: Pairs are taken of so many points of a window, evenly spaced, at most.
MOST_POINTS = 1001

#: Excursion² over chord² of Brownian motion in many dimensions: the middle point's.
BROWNIAN_RATIO = 0.25


def contour(run: RunData) -> Figure | None:
    """Draw Δr² against contour length with the fitted power law, and the path dimension of every window."""

    def binned(squared: FloatArray, contour_length: FloatArray, losses: FloatArray) -> Binned:
        return displacement_by_contour(squared, contour_length)

    windows = drawn_windows(run.result, "beta")
    found = list(_binned(run, windows, binned))
    if not found:
        return None
    with styled():
        figure, right = _two_panels(found, "contour length s (weight units)", "Δr² (squared weight units)")
        rows = run.result.exponents
        against_waiting_time(right, rows, "path_dimension", "#000000")
        for height, text in ((1.0, "straight"), (2.0, "Brownian")):
            right.axhline(height, **GUIDE)
            _beside(right, height, text)
        right.set_ylabel("path dimension $D_f$")
        variation = rows["step_length_variation"].dropna()
        right.set_title(f"step lengths: σ / mean {variation.min():.2f} to {variation.max():.2f}")
        time_legend(figure, colours_of(windows))
        return sign(figure, run.result)


def loss_by_distance(run: RunData) -> Figure | None:
    """Draw the mean squared loss difference against distance with the fitted power law, and 2H of every window."""

    def binned(squared: FloatArray, contour_length: FloatArray, losses: FloatArray) -> Binned:
        return loss_difference_by_distance(squared, losses)

    windows = drawn_windows(run.result, "beta")
    found = list(_binned(run, windows, binned))
    if not found:
        return None
    with styled():
        figure, right = _two_panels(found, "distance Δr (weight units)", "MSL: mean of (ΔL)²")
        rows = run.result.exponents
        doubled = {f"loss_roughness{end}": 2 * rows[f"loss_roughness{end}"] for end in ("", "_low", "_high")}
        against_waiting_time(right, rows.assign(**doubled), "loss_roughness", "#000000")
        for height, text in ((0.0, "noise alone"), (1.0, "Brownian"), (2.0, "smooth")):
            right.axhline(height, **GUIDE)
            _beside(right, height, text)
        right.set_ylabel("2H of MSL ~ Δr$^{2H}$")
        time_legend(figure, colours_of(windows))
        return sign(figure, run.result)


def excursion(run: RunData) -> Figure | None:
    """Draw the excursion ratio against the length of fragments, and its exponent for every window."""
    windows = drawn_windows(run.result, "excursion_ratio")
    if not windows:
        return None
    with styled():
        figure, left, right = _pair()
        left.set_xscale("log")
        for window in windows:
            lag, ratio = window.of(run.result, "excursion_ratio")
            left.plot(lag, ratio, linewidth=1.2, gid=f"excursion:{window.number}", **window.look)
        left.axhline(BROWNIAN_RATIO, **GUIDE)
        left.set_ylim(bottom=0)
        left.set_xlabel("length of the fragment τ (optimiser steps)")
        left.set_ylabel("excursion² / chord², means over fragments")
        against_waiting_time(right, run.result.exponents, "excursion_exponent", "#000000")
        right.axhline(1.0, **GUIDE)
        _beside(right, 1.0, "self-similar")
        right.set_ylabel("exponent of excursion² ~ (chord²)$^x$")
        waiting_time_axis(right)
        time_legend(figure, colours_of(windows))
        return sign(figure, run.result)


def fitted_line(binned: Binned) -> tuple[FloatArray, FloatArray]:
    """Return the fitted power law at the ends of the bins that it is fitted to, with `Binned.exponent` as its slope."""
    use = binned.fitted & (binned.means > 0)
    if use.sum() < 2:
        return np.empty(0), np.empty(0)
    x, y = np.log(binned.centres[use]), np.log(binned.means[use])
    slope = binned.exponent.value
    height = np.average(y - slope * x, weights=1 / binned.centres[use])
    ends = x[[0, -1]]
    return np.exp(ends), np.exp(height + slope * ends)


def _binned(
    run: RunData, windows: Sequence[DrawnWindow], bins: Callable[[FloatArray, FloatArray, FloatArray], Binned]
) -> Iterator[tuple[DrawnWindow, Binned]]:
    """Give each window's means over pairs of its points, where there are any."""
    for window in windows:
        path = run.path(window.number)
        every = math.ceil(len(path.gram) / (MOST_POINTS - 1))
        losses = run.geometries.point_series("loss", window.number)
        found = bins(path.squared_displacements[::every, ::every], path.contour_length[::every], losses[::every])
        if len(found.centres):
            yield window, found


def _two_panels(found: Sequence[tuple[DrawnWindow, Binned]], across: str, up: str) -> tuple[Figure, Axes]:
    """Draw binned means with their power laws on the left; on the right stand waiting times."""
    figure, left, right = _pair()
    left.set_xscale("log")
    left.set_yscale("log", nonpositive="mask")
    for window, binned in found:
        look: dict[str, Any] = {"color": window.colour}
        left.plot(
            binned.centres, binned.means, "o", markersize=2.6, gid=f"bins:{window.number}", **look,
            markerfacecolor=window.colour if window.stride == 1 else "white",
        )  # fmt: skip
        left.plot(*fitted_line(binned), linewidth=1.1, gid=f"fit:{window.number}", **look)
    low, high = left.get_xlim()
    if high < 100 * low:  # so short that its minor ticks need labels, but not all of them
        left.xaxis.set_major_formatter("{x:g}")
        left.xaxis.set_minor_formatter(lambda x, _: f"{x:g}" if f"{x:e}"[0] in "25" else "")
    left.set_xlabel(across)
    left.set_ylabel(up)
    waiting_time_axis(right)
    return figure, right


def _pair() -> tuple[Figure, Axes, Axes]:
    figure = Figure(figsize=(8.4, 3.9), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.15, 1))
    return figure, left, right


def _beside(panel: Axes, height: float, text: str) -> None:
    """Name a horizontal line beside its right end."""
    panel.annotate(
        text, (1.0, height), (3, 0), xycoords=("axes fraction", "data"), textcoords="offset points",
        va="center", fontsize=7, color=QUIET, annotation_clip=False,
    )  # fmt: skip
