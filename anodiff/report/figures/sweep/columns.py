"""The panels of a figure over a sweep: two upon each other for each model, and below them its configurations by look."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from anodiff.report.figures.style import CONFIGURATIONS, MARKERS, MOST_COLUMNS, Group, by_model, fate, labels
from anodiff.sweep.results import RunResult

#: Configurations of a model that its legend names; all are drawn.
MOST_LISTED = 24
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


def model_columns(runs: Sequence[RunResult], across: str, top_label: str, bottom_label: str) -> tuple[Figure, list[Column]]:
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
