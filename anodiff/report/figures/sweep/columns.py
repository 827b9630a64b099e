"""Which panels does a figure with a column for each model have?

Two panels, and a legend of the configurations below them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from anodiff.report.figures.panels import MOST_COLUMNS, Group, configuration_labels, divergence_note, group_by_model, wrapped
from anodiff.report.figures.style import CONFIGURATIONS, MARKERS
from anodiff.sweep.results import RunResult

#: Configurations of a model in its legend, at most; all are drawn.
MOST_LISTED = 24
#: Inches: width of a column, by the number of columns; height of two panels; height of the labels around them.
WIDTHS, HEIGHT, LABELS_HEIGHT = {1: 5.6, 2: 4.3, 3: 3.6, 4: 2.95}, 3.8, 0.8
#: Inches: height of a line of a legend, width of a letter, width of the handle before the letters.
LINE, LETTER, HANDLE = 0.173, 0.063, 0.5
#: Size of a legend's letters in points.
LEGEND = 7.5


@dataclass(frozen=True)
class Configuration:
    """The runs of a configuration, the text of its legend, its colour and its marker."""

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


def model_columns(runs: Sequence[RunResult], xlabel: str, top_label: str, bottom_label: str) -> tuple[Figure, list[Column]]:
    """Return a figure with a column for each model: two panels above a legend of its
    configurations. Rows share an axis.
    """
    number = min(len(group_by_model(runs)), MOST_COLUMNS)
    models = [(name, list(_configurations(model, WIDTHS[number]))) for name, model in group_by_model(runs).items()]
    rows = [models[first : first + number] for first in range(0, len(models), number)]
    legends = [LINE * max(_legend_lines(configurations, WIDTHS[number]) for _, configurations in row) for row in rows]
    size = (WIDTHS[number] * number, sum(HEIGHT + LABELS_HEIGHT + legend for legend in legends) + 0.2)
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
            bottom.set_xlabel(xlabel)
            top.set_ylabel(top_label if first else "")
            bottom.set_ylabel(bottom_label if first else "")
            _legend(below, configurations, WIDTHS[number])
            columns.append(Column(top, bottom, configurations))
    return figure, columns


def _configurations(model: dict[str, Group], width: float) -> Iterator[Configuration]:
    """Give each configuration of a model a colour and a marker."""
    for number, (group, text) in enumerate(configuration_labels(model).items()):
        note = divergence_note(model[group])
        label = wrapped(f"{text} ({note})" if note else text, width - HANDLE - 0.1, LEGEND)
        yield Configuration(model[group], label, CONFIGURATIONS[number % len(CONFIGURATIONS)], MARKERS[number % len(MARKERS)])


def _listed(configurations: Sequence[Configuration]) -> tuple[Sequence[Configuration], int]:
    """Return the configurations in the legend, and the number that it leaves out."""
    return configurations[:MOST_LISTED], max(0, len(configurations) - MOST_LISTED)


def _legend_columns(configurations: Sequence[Configuration], width: float) -> int:
    longest = max(len(each.text) for each in configurations)
    return 2 if len(configurations) > 6 and longest * LETTER + HANDLE < width / 2 else 1


def _legend_lines(configurations: Sequence[Configuration], width: float) -> int:
    listed, left_out = _listed(configurations)
    lines = sum(1 + each.text.count("\n") for each in listed) + (left_out > 0)
    return math.ceil(lines / _legend_columns(configurations, width))


def _legend(panel: Axes, configurations: Sequence[Configuration], width: float) -> None:
    listed, left_out = _listed(configurations)
    handles = [
        Line2D([], [], color=each.colour, marker=each.marker, markersize=4, linewidth=1.2, label=each.text) for each in listed
    ]
    if left_out:
        handles.append(Line2D([], [], linestyle="", label=f"and {left_out} more, see the table"))
    legend = panel.legend(
        handles=handles,
        loc="upper left",
        borderaxespad=0,
        borderpad=0,
        fontsize=LEGEND,
        labelspacing=0.45,
        ncols=_legend_columns(configurations, width),
        handlelength=1.8,
        columnspacing=1.2,
    )
    legend.set_in_layout(False)  # it has a place of its own, and a wide legend must not narrow the panels
