"""Which part is learned when? Curves of modes, a panel for each configuration; learning times, a row for each model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from anodiff.learning.columns import CLASS, MODE
from anodiff.report.figures.learning_panels import PART, STEP, curve_axes, draw_curve, draw_law, drawn_modes, mode_legend
from anodiff.report.figures.panels import Group, configuration_labels, explain_if_empty, group_by_model, panels
from anodiff.report.figures.style import CONFIGURATIONS, MARKERS, QUIET, styled
from anodiff.report.figures.ticks import log_scale
from anodiff.storage.types import FloatArray
from anodiff.sweep.results import RunResult

#: Configurations of a model in its legend, at most; all are drawn.
MOST_LISTED = 12

#: What is drawn in the columns: sort of curve, column of learning.csv, label.
AGAINST = ((MODE, "strength", "singular value of the mode"), (CLASS, "frequency", "share of the class in training"))

#: Inches of the two panels, and of a letter of the legend beside them.
PANELS, LETTER = 6.6, 0.068


def modes(runs: Sequence[RunResult]) -> Figure:
    """Draw the learning curves of modes: seeds thin; interval and fitted law of the first seed."""
    with styled():
        figure, placed = panels(runs, STEP, PART)
        colours = drawn_modes(list(runs))
        for panel, group in placed:
            for name, colour in colours.items():
                for run in group:
                    draw_curve(panel, run, name, "train", color=colour, linewidth=0.8, alpha=0.8, gid=f"{run.name}:{name}")
                draw_law(panel, group[0], name, "train", colour)
            explain_if_empty(panel, "no modes were measured")
        for panel, _ in placed:
            curve_axes(panel)
        mode_legend(figure, colours)
    return figure


def learning_times(runs: Sequence[RunResult]) -> Figure:
    """Draw learning times against singular values of modes and against frequencies of classes."""
    with styled():
        models = group_by_model(runs)
        letters = max(len(label) for model in models.values() for label in configuration_labels(model).values())
        figure = Figure(figsize=(PANELS + 0.5 + LETTER * letters, 2.9 * len(models) + 0.4), layout="constrained")
        axes = figure.subplots(len(models), len(AGAINST), squeeze=False, sharey=True, sharex="col")
        for row, (name, model) in zip(axes, models.items(), strict=True):
            for panel, (sort, column, label) in zip(row, AGAINST, strict=True):
                drawn = [
                    _draw_times(panel, group, sort, column, CONFIGURATIONS[number % 7], MARKERS[number % 11])
                    for number, group in enumerate(model.values())
                ]
                _draw_inverse(panel, np.concatenate(drawn))
                log_scale(panel, "x", "y")
                panel.set_title(f"{name} · modes" if sort == MODE else "classes")
                panel.set_xlabel(label if panel in axes[-1] else "")
                explain_if_empty(panel, f"no {sort} has a learning time")
            row[0].set_ylabel("learning time\n(optimiser steps)")
            _list_configurations(row[-1], model)
    return figure


def _draw_times(panel: Axes, group: Group, sort: str, column: str, colour: str, marker: str) -> FloatArray:
    """Draw the learning times of each run of a configuration; return strength or frequency and time of each, (curves, 2)."""
    drawn = []
    for run in group:
        table = run.learning
        rows = table[(table["sort"] == sort) & (table["split"] == "train") & (table[column] > 0)]
        known = rows[rows["learning_time"] > 0]
        place, time = known[column].to_numpy(float), known["learning_time"].to_numpy(float)
        low, high = (known[f"learning_time_{end}"].to_numpy(float) for end in ("low", "high"))
        panel.vlines(
            place, np.where(low > 0, low, time), np.where(high > 0, high, time), color=colour, linewidth=0.7, alpha=0.5
        )
        look: dict[str, Any] = {"linestyle": "", "markersize": 3.5, "markeredgewidth": 0.6, "alpha": 0.75, "color": colour}
        panel.plot(place, time, marker=marker, gid=f"{run.name}:{sort}", **look)
        never = rows.loc[rows["learning_time"].isna() & np.isfinite(rows["final"].to_numpy(float)), column].to_numpy(float)
        last = np.full(len(never), float(run.learning_curves["step"].max(initial=0)))
        panel.plot(never, last, marker="^", markerfacecolor="none", gid=f"{run.name}:{sort}:never", **look)
        drawn.append(np.column_stack([place, time]))
    return np.concatenate(drawn)


def _draw_inverse(panel: Axes, points: FloatArray) -> None:
    """Draw time ∝ 1/x through the median of the points, if they differ in x by a fifth."""
    if len(points) and points[:, 0].max() > 1.2 * points[:, 0].min():
        ends = np.array([points[:, 0].min(), points[:, 0].max()])
        panel.plot(ends, np.exp(np.median(np.log(points).sum(axis=1))) / ends, color=QUIET, linewidth=1.0, zorder=0.8)


def _list_configurations(panel: Axes, model: dict[str, Group]) -> None:
    labels = list(configuration_labels(model).values())
    handles = [
        Line2D([], [], color=CONFIGURATIONS[number % 7], marker=MARKERS[number % 11], linestyle="", markersize=4, label=label)
        for number, label in enumerate(labels[:MOST_LISTED])
    ]
    if len(labels) > MOST_LISTED:
        handles.append(Line2D([], [], linestyle="", label=f"and {len(labels) - MOST_LISTED} more, see the table"))
    panel.legend(handles=handles, loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=7.5, labelspacing=0.45)
