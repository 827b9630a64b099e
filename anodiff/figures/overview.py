"""The sweep at a glance, a column for each model: exponents against waiting time, and learning curves."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogFormatter, MaxNLocator, StrMethodFormatter

from anodiff.figures.style import (
    CONFIGURATIONS,
    GUIDE,
    MARKERS,
    MOST_COLUMNS,
    QUIET,
    Group,
    by_model,
    diverged_at,
    fate,
    labels,
    say_if_empty,
    styled,
)
from anodiff.tables import RunResult

LINES: dict[str, Any] = {"test": "-", "train": (0, (2, 1.5))}
#: Configurations of a model that its legend names; all are drawn.
MOST_LISTED = 24
UNITS = {"cross_entropy": "loss (nats)", "mse": "loss (mean squared error)"}
#: Inches: width of a column, by how many there are; height of two panels, and of the labels around them.
WIDTHS, HEIGHT, AROUND = {1: 5.6, 2: 4.3, 3: 3.6, 4: 2.95}, 3.8, 0.8
#: Inches: a legend's line, a letter of it, what stands before the letters.
LINE, LETTER, HANDLE = 0.173, 0.063, 0.5


@dataclass(frozen=True)
class Configuration:
    """A group of runs, and how it looks."""

    runs: Group
    text: str
    colour: str
    marker: str


@dataclass(frozen=True)
class Column:
    """The two panels of a model, and its configurations."""

    top: Axes
    bottom: Axes
    configurations: list[Configuration]


def exponents(runs: Sequence[RunResult]) -> Figure:
    """Draw each window's largest local exponent, and that over the long lags, against its waiting time."""
    with styled():
        long_lags = {tuple(run.curves.attrs["analysis"]["long_lags"]) for run in runs}
        span = "{}–{}".format(*long_lags.pop()) if len(long_lags) == 1 else "set for each run"
        figure, columns = _columns(
            runs,
            "waiting time $t_w$ (optimiser steps)",
            "largest local exponent β",
            f"exponent β over long lags\n({span} steps)",
        )
        for column in columns:
            for configuration in column.configurations:
                _points(column.top, configuration, "beta_max")
                _points(column.bottom, configuration, "beta_long")
            _null_range(column.bottom, column.configurations)
            for panel in (column.top, column.bottom):
                panel.axhline(1.0, **GUIDE)
            starts = [run.exponents["waiting_time"].to_numpy(float) for each in column.configurations for run in each.runs]
            _time_axis(column.bottom, np.unique(np.concatenate(starts)))
            say_if_empty(column.top, "no window with a finite value")
            say_if_empty(column.bottom, f"no window reaches the long lags ({span} steps)")
    return figure


def learning(runs: Sequence[RunResult]) -> Figure:
    """Draw loss and accuracy against the optimiser step; a cross marks where a run diverged."""
    with styled():
        losses = {str(run.settings["training.loss"]) for run in runs}
        unit = UNITS.get(losses.pop(), "loss") if len(losses) == 1 else "loss (each run's own)"
        figure, columns = _columns(runs, "optimiser step", unit, "accuracy (fraction correct)")
        for column in columns:
            column.top.set_yscale("log", nonpositive="mask")
            column.top.yaxis.set_major_formatter(_Decimal())
            column.top.yaxis.set_minor_formatter(_Decimal())
            for configuration in column.configurations:
                for run in configuration.runs:
                    _series(column.top, run, configuration, "loss")
                    _series(column.bottom, run, configuration, "accuracy")
            for panel in (column.top, column.bottom):
                say_if_empty(panel, "no epoch was finished")
            end = max(run.curves.attrs["steps_completed"] for each in column.configurations for run in each.runs)
            column.bottom.set_xlim(-0.02 * end, max(1.03 * end, 1))
            _few_ticks(column.bottom)
        kinds = [Line2D([], [], color=QUIET, linestyle=style, linewidth=1.1, label=kind) for kind, style in LINES.items()]
        if any(diverged_at(run) is not None for run in runs):
            kinds.append(Line2D([], [], color=QUIET, linestyle="", marker="x", label="diverged"))
        figure.legend(handles=kinds, loc="outside upper left", ncols=len(kinds))
    return figure


def _columns(runs: Sequence[RunResult], across: str, top_label: str, bottom_label: str) -> tuple[Figure, list[Column]]:
    """Make two panels, one upon the other, for each model, with a legend of its configurations below; rows share an axis."""
    number = min(len(by_model(runs)), MOST_COLUMNS)
    models = [(name, list(_configurations(model, WIDTHS[number]))) for name, model in by_model(runs).items()]
    rows = [models[first : first + number] for first in range(0, len(models), number)]
    legends = [LINE * max(_legend_lines(configurations, WIDTHS[number]) for _, configurations in row) for row in rows]
    size = (WIDTHS[number] * number, sum(HEIGHT + AROUND + legend for legend in legends) + 0.2)
    figure = Figure(figsize=size, layout="constrained")
    ratios = [height for legend in legends for height in (HEIGHT / 2, HEIGHT / 2, legend)]
    axes = figure.subplots(3 * len(rows), number, squeeze=False, height_ratios=ratios)
    columns: list[Column] = []
    for index, row in enumerate(rows):
        part = axes[3 * index : 3 * index + 3]
        for panel in (*part[2], *part[:, len(row) :].flat):
            panel.set_axis_off()
        for (name, configurations), (top, bottom, below) in zip(row, part.T, strict=False):
            if columns:
                top.sharey(columns[0].top)
                bottom.sharey(columns[0].bottom)
            top.sharex(bottom)
            first = top is part[0, 0]
            top.set_title(name, fontsize=9.5)
            top.tick_params(which="both", labelbottom=False, labelleft=first)
            bottom.tick_params(which="both", labelleft=first)
            bottom.set_xlabel(across)
            top.set_ylabel(top_label if first else "")
            bottom.set_ylabel(bottom_label if first else "")
            _legend(below, configurations, WIDTHS[number])
            columns.append(Column(top, bottom, configurations))
    return figure, columns


def _configurations(model: dict[str, Group], width: float) -> Iterator[Configuration]:
    """Give each configuration of a model a colour and a marker."""
    for number, (group, text) in enumerate(labels(model).items()):
        told = f"{text} ({fate(model[group])})" if fate(model[group]) else text
        told = textwrap.fill(told, int((width - HANDLE) / LETTER))
        yield Configuration(model[group], told, CONFIGURATIONS[number % len(CONFIGURATIONS)], MARKERS[number % len(MARKERS)])


def _listed(configurations: Sequence[Configuration]) -> tuple[Sequence[Configuration], int]:
    """Return the configurations that the legend names, and how many it leaves out."""
    return configurations[:MOST_LISTED], max(0, len(configurations) - MOST_LISTED)


def _legend_columns(configurations: Sequence[Configuration], width: float) -> int:
    longest = max(len(each.text) for each in configurations)
    return 2 if len(configurations) > 6 and longest * LETTER + HANDLE < width / 2 else 1


def _legend_lines(configurations: Sequence[Configuration], width: float) -> int:
    listed, left = _listed(configurations)
    lines = sum(1 + each.text.count("\n") for each in listed) + (left > 0)
    return math.ceil(lines / _legend_columns(configurations, width))


def _legend(panel: Axes, configurations: Sequence[Configuration], width: float) -> None:
    listed, left = _listed(configurations)
    handles = [
        Line2D([], [], color=each.colour, marker=each.marker, markersize=4, linewidth=1.2, label=each.text) for each in listed
    ]
    if left:
        handles.append(Line2D([], [], linestyle="", label=f"and {left} more, see the table"))
    legend = panel.legend(
        handles=handles,
        loc="upper left",
        borderaxespad=0,
        borderpad=0,
        fontsize=7.5,
        labelspacing=0.45,
        ncols=_legend_columns(configurations, width),
        handlelength=1.8,
        columnspacing=1.2,
    )
    legend.set_in_layout(False)  # its place is set aside; a wide one must not narrow the panels


def _points(panel: Axes, configuration: Configuration, column: str) -> None:
    """Draw a point for each seed and window, and a line through the means over the seeds."""
    look: dict[str, Any] = {"color": configuration.colour, "marker": configuration.marker}
    values: dict[float, list[float]] = {}
    for run in configuration.runs:
        there = run.exponents[run.exponents[column].notna()]
        times, heights = there["waiting_time"].to_numpy(float), there[column].to_numpy(float)
        low, high = (there[f"{column}_{end}"].to_numpy(float) for end in ("low", "high"))
        panel.vlines(times, low, high, color=configuration.colour, linewidth=0.7, alpha=0.5)
        panel.plot(times, heights, linestyle="", markersize=3.5, markeredgewidth=0.6, alpha=0.75, gid=run.name, **look)
        for time, height in zip(times, heights, strict=True):
            values.setdefault(time, []).append(height)
    means = [(time, np.mean(values[time])) for time in sorted(values)]
    if means:
        panel.plot(*zip(*means, strict=True), color=configuration.colour, linewidth=1.2, gid=configuration.runs[0].group)


def _null_range(panel: Axes, configurations: Sequence[Configuration]) -> None:
    """Shade from the least to the largest long-lag exponent of updates in random order, over the runs of a model."""
    nulls: dict[float, list[float]] = {}
    for run in (run for each in configurations for run in each.runs):
        drawn = run.exponents["beta_long"] - run.exponents["beta_long_above_shuffled"]
        for time, value in zip(run.exponents["waiting_time"], drawn, strict=True):
            if np.isfinite(value):
                nulls.setdefault(float(time), []).append(float(value))
    if nulls:
        times = sorted(nulls)
        low, high = ([end(nulls[time]) for time in times] for end in (min, max))
        panel.fill_between(times, low, high, color=QUIET, alpha=0.18, linewidth=0, zorder=0.5, gid="null")
        if len(times) == 1:
            panel.vlines(times, low, high, color=QUIET, alpha=0.3, linewidth=6, zorder=0.5)


def _time_axis(panel: Axes, times: np.ndarray) -> None:
    """Spread the waiting times: evenly, or logarithmically where they span more than a decade and a half."""
    later = times[times > 0]
    if len(times) == 1:
        panel.set_xticks(times, [f"{times[0]:,.0f}"])
        panel.set_xlim(times[0] - 1, times[0] + 1)
    elif later[-1] > 30 * later[0]:
        panel.set_xscale("symlog", linthresh=later[0], linscale=0.5)
        panel.set_xlim(times[0] - 0.2 * later[0], 1.3 * times[-1])
        powers = range(math.ceil(math.log10(later[0])), math.floor(math.log10(later[-1])) + 1)
        panel.set_xticks([*times[times == 0], *(10.0**power for power in powers)])
        panel.set_xticklabels([*("0" for time in times if time == 0), *(f"$10^{{{power}}}$" for power in powers)])
        panel.minorticks_off()
    else:
        margin = 0.05 * np.ptp(times)
        panel.set_xlim(times[0] - margin, times[-1] + margin)
        _few_ticks(panel)


def _few_ticks(panel: Axes) -> None:
    panel.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10], integer=True))
    panel.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))


def _series(panel: Axes, run: RunResult, configuration: Configuration, quantity: str) -> None:
    """Draw a run's test and training series; the test series ends with the run's marker, a diverged run's with crosses."""
    diverged = diverged_at(run) is not None
    for kind, style in LINES.items():
        values = run.curves[f"{kind}_{quantity}"].values
        there = np.isfinite(values)
        steps, heights = run.curves["epoch_step"].values[there], values[there]
        panel.plot(
            steps,
            heights,
            color=configuration.colour,
            linestyle=style,
            linewidth=1.1 if kind == "test" else 0.8,
            alpha=0.85,
            marker="x" if diverged else configuration.marker if kind == "test" else "",
            markersize=5 if diverged else 3,
            markevery=[-1] if len(steps) else None,
            gid=f"{run.name}:{kind}",
        )


class _Decimal(LogFormatter):
    """Label a logarithmic axis with 0.2 and 0.5, where it is so short that its minor ticks need labels."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        return f"{x:g}" if super().__call__(x, pos) else ""
