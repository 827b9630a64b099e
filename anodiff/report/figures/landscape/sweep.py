"""What do the loss landscapes of a sweep look like?

A row or a panel for each configuration whose landscape was measured.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from textwrap import fill
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from anodiff.errors import StoreMissingError
from anodiff.landscape.curvature_store import open_curvature
from anodiff.landscape.roughness_store import RoughnessStore, open_roughness
from anodiff.landscape.slice_store import open_slice, planes_left_out
from anodiff.landscape.structure import ABOVE_FLOOR, FLOORS
from anodiff.report.figures.landscape.panels import draw_eigenvalues, draw_plane, path_legend
from anodiff.report.figures.panels import configuration_labels, explain_if_empty, group_by_model, wrapped
from anodiff.report.figures.style import CONFIGURATIONS, GUIDE, MARKERS, QUIET, add_time_legend, styled, time_colours
from anodiff.report.figures.ticks import log_scale
from anodiff.sweep.connections import rank_correlation
from anodiff.sweep.results import RunResult
from anodiff.sweep.tables import landscape_table

#: Columns of a legend, at most, and inches of its lines.
LEGEND_COLUMNS, LINE = 5, 0.173

#: Slices of a run, and the heading of each.
SLICES = {
    "path_first": "plane of the first window's path",
    "path_last": "plane of the last window's path",
    "random": "random plane at the end",
    "hessian": "largest curvature at the end",
    "gradient": "steepest descent at the end",
}

#: Panels in a row, at most, in figures with one panel for each configuration.
COLUMNS = 4

#: Width in inches of a slice, and of a panel of the other figures; size of their titles in points.
WIDTHS, TITLE = (2.9, 2.3), 7.5

#: What the roughness is drawn against: columns of the table, and their axis labels.
AGAINST = {
    "exponent_first": "exponent of the first regime",
    "beta_max": "largest local exponent",
    "beta_long": "long-lag exponent",
}


def planes(runs: Sequence[RunResult]) -> Figure:
    """Draw the slices of each run in a row, with a column for each plane that any run has or lacks for a reason."""
    folders = [run.folder / "landscape" / "slices" for run in runs]
    for run, folder in zip(runs, folders, strict=True):
        if not folder.exists():
            raise StoreMissingError(f"{folder}: no such folder; create it with: anodiff landscape {run.folder}/trajectory.zarr")
    reasons = [planes_left_out(folder) for folder in folders]
    known = {store.stem for folder in folders for store in folder.glob("*.zarr")}.union(*reasons)
    cut = [name for name in SLICES if name in known] or ["path_first"]
    with styled():
        figure = Figure(figsize=(WIDTHS[0] * len(cut) + 0.7, 2.55 * len(runs) + 0.4), layout="constrained")
        axes = figure.subplots(len(runs), len(cut), squeeze=False)
        for row, ((title, _), folder, reason) in enumerate(zip(_with_titles(runs), folders, reasons, strict=True)):
            for panel, name in zip(axes[row], cut, strict=True):
                store = folder / f"{name}.zarr"
                if store.exists():
                    draw_plane(figure, panel, open_slice(store))
                    panel.set_xlabel(panel.get_xlabel(), fontsize=6.5)
                    panel.set_ylabel(panel.get_ylabel(), fontsize=6.5)
                    if panel.get_legend() is not None:
                        path_legend(panel, fontsize=6)
                else:
                    panel.set_axis_off()
                    why = "not measured" if any(folder.glob("*.zarr")) else "no finished window"
                    why = fill(reason.get(name, why), 30)
                    panel.text(0.5, 0.5, why, ha="center", va="center", color=QUIET, transform=panel.transAxes)
                note = panel.get_title(loc="left")
                texts = [title if name == cut[0] else "", SLICES[name] if row == 0 else "", note]
                heading = "\n".join(wrapped(text, WIDTHS[0] - 0.4, TITLE) for text in texts if text)
                panel.set_title(heading, fontsize=TITLE)
    return figure


def roughness(runs: Sequence[RunResult]) -> Figure:
    """Draw the structure functions of each run, along random and along path directions."""
    stores = [open_roughness(run.folder / "landscape" / "roughness.zarr") for run in runs]
    colours = time_colours(sorted({int(step) for store in stores for step in store["step"]}))
    floors: list[float] = []
    drawn: list[np.ndarray] = []

    def draw(panel: Axes, store: RoughnessStore) -> None:
        floor = 0.0
        for point, step in enumerate(store["step"]):
            radii = store["radius"][point]
            floor = max(floor, FLOORS["difference"] * float(store["rounding"][point]))
            for kind, dashes in (("random", "-"), ("path", (0, (4, 1.5)))):
                mean = store.structure(point, kind)
                known = np.isfinite(mean) & (mean > 0)
                drawn.append(mean[known])
                panel.plot(radii[known], mean[known], color=colours[int(step)], linestyle=dashes, linewidth=1.2, gid=kind)
        first = store.structure(0, "random") if len(store["step"]) else np.full(1, np.nan)
        if (first > 0).any():
            radii = store["radius"][0]
            top = np.nanmax(first)
            for exponent in (1, 2):
                panel.plot(radii, top * (radii / radii[-1]) ** exponent, **GUIDE)
        if floor > 0:
            floors.append(floor)
            panel.axhspan(floor / 1e6, ABOVE_FLOOR * floor, color="#ececec", zorder=0)
        log_scale(panel, "x", "y")

    with styled():
        figure = _grid(runs, dict(zip([run.name for run in runs], stores, strict=True)), draw)
        highest = max((float(values.max()) for values in drawn if len(values)), default=0.0)
        if floors and highest > 0:  # last, because all panels share these limits
            figure.get_axes()[0].set_ylim(min(floors) / 10, 3 * max(highest, ABOVE_FLOOR * max(floors)))
        add_time_legend(figure, colours, "optimiser step of the point")
        figure.supxlabel("distance r from the point (weight units)", fontsize=8.5)
        figure.supylabel("⟨|L(w + ru) − L(w)|²⟩", fontsize=8.5)
    return figure


def hessian(runs: Sequence[RunResult]) -> Figure:
    """Draw the Hessian's largest eigenvalues during each run, with the edge of stability."""
    stores = {run.name: open_curvature(run.folder / "landscape" / "curvature.zarr") for run in runs}
    with styled():
        figure = _grid(runs, stores, draw_eigenvalues)
        handles: dict[str, Any] = {}
        for panel in figure.get_axes():
            panel.set_xlabel("")
            panel.set_ylabel("")
            handles |= dict(zip(*reversed(panel.get_legend_handles_labels()), strict=True))
        figure.legend(list(handles.values()), list(handles), loc="outside upper left", ncols=4 if len(runs) > 2 else 2)
        figure.supxlabel("optimiser step", fontsize=8.5)
        figure.supylabel("eigenvalue of the Hessian", fontsize=8.5)
    return figure


def connection(runs: Sequence[RunResult]) -> Figure:
    """Draw the roughness of the loss against the exponents of the same windows, with the rank
    correlation.
    """
    table = landscape_table(runs)
    models = list(dict.fromkeys(table["model"]))
    with styled():
        columns = min(max(2, len(models)), LEGEND_COLUMNS)
        entries = -(-2 * len(models) // columns)
        figure = Figure(figsize=(9.2, 2.95 + LINE * entries), layout="constrained")
        axes = figure.subplots(1, len(AGAINST), sharey=True)
        for panel, (column, meaning) in zip(axes, AGAINST.items(), strict=True):
            lines = []
            for kind, filled in (("random", True), ("path", False)):
                own = table[table["directions"] == kind]
                found, count = rank_correlation(own, "roughness_exponent", column)
                lines.append(f"{kind}: ρ = {found.value:.2f} [{found.low:.2f}, {found.high:.2f}], n = {count}")
                for number, model in enumerate(models):
                    colour = CONFIGURATIONS[number % len(CONFIGURATIONS)]
                    points = own[own["model"] == model]
                    panel.plot(
                        points[column], points["roughness_exponent"], MARKERS[number % len(MARKERS)], linestyle="none",
                        color=colour, markersize=4, markerfacecolor=colour if filled else "none", label=f"{model}, {kind}",
                    )  # fmt: skip
            panel.axvline(1, **GUIDE)
            panel.axhline(2, **GUIDE)
            panel.set_xlabel(f"{meaning} of the window")
            panel.set_title("\n".join(lines), fontsize=7.5)
        axes[0].set_ylabel("roughness exponent 2H")
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper left", ncols=columns)
    return figure


def _with_titles(runs: Sequence[RunResult]) -> list[tuple[str, RunResult]]:
    """Return the runs in their order, each with a title that names its configuration."""
    names = {}
    for name, model in group_by_model(runs).items():
        for group, text in configuration_labels(model).items():
            names[group] = f"{name} · {text}"
    return [(names[run.group], run) for run in runs]


def _grid(runs: Sequence[RunResult], stores: dict[str, Any], draw: Callable[..., None]) -> Figure:
    """Return a figure with a panel for each run, and draw the run's store into it."""
    columns = min(COLUMNS, len(runs))
    rows = -(-len(runs) // columns)
    figure = Figure(figsize=(max(5.2, WIDTHS[1] * columns + 0.5), 2.2 * rows + 0.9), layout="constrained")
    axes = figure.subplots(rows, columns, sharex=False, sharey=True, squeeze=False)
    for panel in axes.flat[len(runs) :]:
        panel.set_visible(False)
    for panel, (title, run) in zip(axes.flat, _with_titles(runs), strict=False):
        draw(panel, stores[run.name])
        explain_if_empty(panel, "no finished window")
        panel.set_title(wrapped(title, WIDTHS[1] - 0.2, TITLE), fontsize=TITLE)
    return figure
