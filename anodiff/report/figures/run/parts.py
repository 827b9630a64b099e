"""Which parts of a run's network move anomalously, and what does its optimiser add to the walk of its gradients?"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from anodiff.geometry.parts import WALK, WHOLE
from anodiff.report.figures.lag_panels import LAG, label_sides
from anodiff.report.figures.part_panels import (
    BARS,
    MARGIN,
    WALKS,
    add_bars,
    add_walk_legend,
    draw_layers,
    exponent_norm,
    label_windows,
    layer_map,
    share_norm,
    walk_rows,
)
from anodiff.report.figures.run.data import RunData
from anodiff.report.figures.run.windows import label_figure, waiting_time_axis
from anodiff.report.figures.style import GUIDE, MARKED, styled
from anodiff.report.figures.ticks import log_scale
from anodiff.sweep.results import RunResult

#: Inches: both maps of layers, and what stands around them.
MAPS, NAMES, AROUND = 2.5, 1.8, 0.85


def layers(run: RunData) -> Figure | None:
    """Draw the exponents of the run's groups of parameters, and their shares of the displacement, as maps."""
    found = layer_map([run.result]) if run.result.has_parts else None
    if found is None:
        return None
    with styled():
        figure = Figure(figsize=(2 * MAPS + NAMES, found.height + AROUND + BARS), layout="constrained")
        figure.set_layout_engine("constrained", w_pad=MARGIN)
        left, right = figure.subplots(1, 2)
        exponents, shares = exponent_norm([found]), share_norm([found])
        draw_layers(left, right, found, exponents, shares)
        for panel in (left, right):
            label_windows(panel, found, MAPS)
        add_bars(figure, left, right, exponents, shares, found.height)
        return label_figure(figure, run.result)


def walks(run: RunData) -> Figure | None:
    """Draw MSD and local exponents of the path and its walks in the first and the last window, and exponents by window."""
    rows = walk_rows(run.result) if run.result.has_parts else {}
    numbers = _moving_windows(run.result) if rows else []
    if not numbers:
        return None
    first, last = run.result.part_curves.attrs["analysis"]["long_lags"]
    with styled():
        figure = Figure(figsize=(7.2, 7.2), layout="constrained")
        grid = figure.add_gridspec(3, len(numbers))
        of_windows = [[figure.add_subplot(grid[row, column]) for column in range(len(numbers))] for row in (0, 1)]
        for row, (names, label) in enumerate(((("msd",), "mean squared\ndisplacement Δr²"), (("beta",), "local exponent β"))):
            for panel, number in zip(of_windows[row], numbers, strict=True):
                _draw_curves(panel, run.result, number, names[0])
                log_scale(panel, "x", *(("y",) if names[0] == "msd" else ()))
                panel.set_xlabel(LAG)
            of_windows[row][0].set_ylabel(label)
        starts = run.result.part_curves["waiting_time"].values
        for panel, number in zip(of_windows[0], numbers, strict=True):
            panel.set_title(f"window from step {starts[number]:,}")
        _share_height(of_windows[0])
        for panel in of_windows[1]:
            panel.axhline(1.0, **GUIDE)
            panel.axvspan(first, last, color=MARKED, zorder=0.1)
        _share_height(of_windows[1])
        below = figure.add_subplot(grid[2, :])
        for name, own in rows.items():
            colour, line, _ = WALKS[name]
            known = own.dropna(subset=["beta_long"])
            times, value = (known[column].to_numpy(float) for column in ("waiting_time", "beta_long"))
            low, high = (known[f"beta_long_{end}"].to_numpy(float) for end in ("low", "high"))
            below.vlines(times, np.where(np.isfinite(low), low, value), np.where(np.isfinite(high), high, value), color=colour)
            below.plot(times, value, color=colour, linestyle=line, marker="o", markersize=3.5, gid=f"{name}:beta_long")
        below.axhline(1.0, **GUIDE)
        bottom, top = below.get_ylim()
        below.set_ylim(min(bottom, 0.8) - 0.15, max(top, 1.2) + 0.25)
        below.set_ylabel(f"exponent β over\nlags {first:,}–{last:,}")
        waiting_time_axis(below)
        label_sides(below)
        add_walk_legend(figure, list(rows))
        return label_figure(figure, run.result)


def _moving_windows(run: RunResult) -> list[int]:
    """Return the numbers of the first and the last window in which the path has an MSD."""
    known = np.flatnonzero(np.isfinite(run.part_curves["msd"].values[0]).any(axis=1))
    return [int(number) for number in dict.fromkeys([*known[:1], *known[-1:]])]


def _draw_curves(panel: Axes, run: RunResult, number: int, name: str) -> None:
    """Draw a curve of the path and of each walk in a window; of exponents with their intervals."""
    curves = run.part_curves
    lags = curves["lag"].values.astype(float)
    for place, (kind, part) in enumerate(zip(curves["part_kind"].values, curves["part"].values, strict=True)):
        if kind not in (WHOLE, WALK) or part not in WALKS:
            continue
        colour, line, _ = WALKS[part]
        values = curves[name].values[place, number]
        known = np.isfinite(values) & ((values > 0) | (name != "msd"))
        if not known.any():
            continue
        panel.plot(lags[known], values[known], color=colour, linestyle=line, linewidth=1.3, gid=f"{part}:{name}:{number}")
        if name == "beta":
            low, high = (curves[f"beta_{end}"].values[place, number][known] for end in ("low", "high"))
            panel.fill_between(lags[known], low, high, color=colour, alpha=0.15, linewidth=0)


def _share_height(panels: list[Axes]) -> None:
    limits = [panel.get_ylim() for panel in panels]
    for panel in panels:
        panel.set_ylim(min(low for low, _ in limits), max(high for _, high in limits))
