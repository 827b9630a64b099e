"""The sweep at a glance, a column for each model: exponents against waiting time, and learning curves."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from anodiff.figures.style import CONFIGURATIONS, GUIDE, Group, by_model, fate, labels, styled
from anodiff.tables import RunResult

MARKERS = "osD^vP*"
LINES: dict[str, Any] = {"test": "-", "train": (0, (2, 1.5))}


def exponents(runs: Sequence[RunResult]) -> Figure:
    """Draw each window's largest local exponent, and that over the long lags, against its waiting time."""
    with styled():
        figure, columns = _columns(runs)
        for (top, bottom), model in columns:
            for group, colour, marker in _styles(model):
                for panel, column in ((top, "beta_max"), (bottom, "beta_long")):
                    _points(panel, group, column, colour, marker)
            for panel in (top, bottom):
                panel.axhline(1.0, **GUIDE)
            bottom.set_xlabel("waiting time $t_w$ (optimiser steps)")
        long_lags = runs[0].curves.attrs["analysis"]["long_lags"]
        columns[0][0][0].set_ylabel("largest local exponent β")
        columns[0][0][1].set_ylabel(f"exponent over lags {long_lags[0]}–{long_lags[1]}")
    return figure


def learning(runs: Sequence[RunResult]) -> Figure:
    """Draw loss and accuracy against the optimiser step."""
    with styled():
        figure, columns = _columns(runs)
        for (top, bottom), model in columns:
            for group, colour, _ in _styles(model):
                for run in group:
                    for panel, quantity in ((top, "loss"), (bottom, "accuracy")):
                        for kind, style in LINES.items():
                            steps, values = _series(run, f"{kind}_{quantity}")
                            panel.plot(steps, values, color=colour, linestyle=style, linewidth=1.0)
            if top.dataLim.y0 > 0 and top.lines:
                top.set_yscale("log")
            bottom.set_xlabel("optimiser step")
        kinds = [Line2D([], [], color="#555555", linestyle=style, label=kind) for kind, style in LINES.items()]
        columns[0][0][0].legend(handles=kinds, loc="upper right")
        columns[0][0][0].set_ylabel("loss (nats for cross-entropy)")
        columns[0][0][1].set_ylabel("accuracy (fraction correct)")
    return figure


def _columns(runs: Sequence[RunResult]) -> tuple[Figure, list[tuple[tuple[Axes, Axes], dict[str, Group]]]]:
    """Make two panels, one upon the other, for each model, with a legend of its configurations below."""
    models = by_model(runs)
    longest = max(len(model) for model in models.values())
    figure = Figure(figsize=(max(5.0, 3.6 * len(models)), 5.0 + 0.19 * longest), layout="constrained")
    axes = figure.subplots(2, len(models), sharey="row", squeeze=False)
    columns = []
    for (name, model), top, bottom in zip(models.items(), axes[0], axes[1], strict=True):
        top.set_title(name, loc="left")
        top.sharex(bottom)
        top.tick_params(labelbottom=False)
        handles = [Line2D([], [], color=colour, marker=marker, markersize=4) for _, colour, marker in _styles(model)]
        texts = [text + fate(model[group]).replace("\n", ", ") for group, text in labels(model).items()]
        bottom.legend(handles, texts, loc="upper left", bbox_to_anchor=(0, -0.2), borderaxespad=0, fontsize=7.5)
        columns.append(((top, bottom), model))
    return figure, columns


def _styles(model: dict[str, Group]) -> list[tuple[Group, str, str]]:
    """Give each configuration of a model a colour and, where colours repeat, another marker."""
    colours = cycle(CONFIGURATIONS)
    return [
        (group, next(colours), MARKERS[number // len(CONFIGURATIONS) % len(MARKERS)])
        for number, group in enumerate(model.values())
    ]


def _points(panel: Axes, group: Group, column: str, colour: str, marker: str) -> None:
    values: dict[int, list[float]] = {}
    for run in group:
        table = run.exponents
        times, heights = table["waiting_time"].to_numpy(), table[column].to_numpy(float)
        there = np.isfinite(heights)
        panel.plot(times[there], heights[there], linestyle="", marker=marker, markersize=3.5, color=colour, alpha=0.75)
        for time, height in zip(times[there], heights[there], strict=True):
            values.setdefault(int(time), []).append(float(height))
    means = [(time, np.mean(values[time])) for time in sorted(values)]
    if means:
        panel.plot(*zip(*means, strict=True), color=colour, linewidth=1.2)


def _series(run: RunResult, name: str) -> tuple[np.ndarray, np.ndarray]:
    values = run.curves[name].values
    there = np.isfinite(values)
    return run.curves["epoch_step"].values[there], values[there]
