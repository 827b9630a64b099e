"""Which panels does a figure of a sweep have?

One for each configuration: runs that differ only in their seed.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from anodiff.report.figures.style import QUIET
from anodiff.report.figures.ticks import log_scale
from anodiff.storage.stores import DIVERGED
from anodiff.sweep.results import RunResult

#: Columns of panels, at most.
MOST_COLUMNS = 4

#: Panels in a figure, at most. If there are more configurations, some of each model are drawn, and the figure says so.
MOST_PANELS = 24

#: Width and height of a panel in inches; letters in a line of its title.
PANEL, TITLE_WIDTH = (2.75, 2.35), 42

#: The runs of a configuration.
Group = list[RunResult]


def group_by_model(runs: Sequence[RunResult]) -> dict[str, dict[str, Group]]:
    """Group the runs by model, and those of a model by configuration, in the order of the sweep."""
    models: dict[str, dict[str, Group]] = {}
    for run in runs:
        models.setdefault(str(run.settings["model.name"]), {}).setdefault(run.group, []).append(run)
    return models


def configuration_labels(model: dict[str, Group]) -> dict[str, str]:
    """Return what distinguishes each configuration of a model: batch size, learning rate, other
    parts of its name.
    """
    usual, further = {}, {}
    for name, group in model.items():
        settings = group[0].settings
        batch, rate = settings["training.batch_size"], f"{settings['optimiser.learning_rate']:g}"
        usual[name] = [f"batch {batch}", f"lr {rate}"]
        rest = name.partition(f"-bs{batch}-lr{rate}")[2]
        further[name] = [part for part in re.split(r"-(?=[A-Za-z])", rest) if part]
    shared = set.intersection(*(set(parts) for parts in further.values()))
    return {name: " · ".join(usual[name] + [part for part in further[name] if part not in shared]) for name in model}


def diverged_at(run: RunResult) -> int | None:
    """Return the step at which a run diverged; None if it did not."""
    attributes = run.curves.attrs
    return int(attributes.get("diverged_at", attributes["steps_completed"])) if attributes["status"] == DIVERGED else None


def divergence_note(group: Group) -> str:
    """Say how many runs of a group diverged, and at which step; empty if none did."""
    steps = [step for run in group if (step := diverged_at(run)) is not None]
    if not steps:
        return ""
    which = "" if len(group) == 1 else f"{len(steps)} of {len(group)} "
    return f"{which}diverged at step {', '.join(f'{step:,}' for step in sorted(set(steps)))}"


def panels(runs: Sequence[RunResult], xlabel: str, ylabel: str, *, log: bool = True) -> tuple[Figure, list[tuple[Axes, Group]]]:
    """Return a figure with a panel for each configuration, and the runs of each panel.

    Panels share their axes; the horizontal one is logarithmic, if ``log``. Each model starts a new row. If
    there are more than `MOST_PANELS` configurations, some of each model have a panel, and a line
    below says how many.
    """
    rows: list[list[tuple[str, Group]]] = []
    models = group_by_model(runs)
    chosen = _share_panels({name: len(model) for name, model in models.items()})
    for name, model in models.items():
        entries = [(f"{name} · {text}", model[group]) for group, text in configuration_labels(model).items()]
        entries = [entries[place] for place in chosen[name]]
        rows += [entries[first : first + MOST_COLUMNS] for first in range(0, len(entries), MOST_COLUMNS)]
    columns = max(len(row) for row in rows)
    figure = Figure(figsize=(max(5.6, PANEL[0] * columns + 0.5), PANEL[1] * len(rows) + 1.0), layout="constrained")
    axes = figure.subplots(len(rows), columns, sharex=True, sharey=True, squeeze=False)
    placed = []
    for row, entries in enumerate(rows):
        for panel in axes[row, len(entries) :]:
            panel.set_visible(False)
        axes[row, 0].set_ylabel(ylabel)
        for column, (title, group) in enumerate(entries):
            panel = axes[row, column]
            lines = textwrap.wrap(title, TITLE_WIDTH if columns > 1 else 2 * TITLE_WIDTH)
            panel.set_title("\n".join([*lines, divergence_note(group)] if divergence_note(group) else lines))
            lowest = not any(column < len(later) for later in rows[row + 1 :])
            panel.tick_params(labelbottom=lowest)
            panel.set_xlabel(xlabel if lowest else "")
            if log:
                log_scale(panel, "x")
            placed.append((panel, group))
    groups = sum(len(model) for model in models.values())
    if len(placed) < groups:
        note = f"{len(placed)} of {groups} configurations; to draw the others, give their runs to: anodiff figures"
        figure.supxlabel(note, x=0.01, ha="left", fontsize=7.5, color=QUIET)
    return figure, placed


def _share_panels(numbers: dict[str, int]) -> dict[str, list[int]]:
    """Return which configurations of each model have a panel: all, or equally many of each model up
    to `MOST_PANELS`.
    """
    shares = dict.fromkeys(numbers, 0)
    while sum(shares.values()) < min(MOST_PANELS, sum(numbers.values())):
        poorest = min((name for name in numbers if shares[name] < numbers[name]), key=lambda name: shares[name])
        shares[poorest] += 1
    return {
        name: np.linspace(0, number - 1, shares[name]).round().astype(int).tolist() if shares[name] else []
        for name, number in numbers.items()
    }


def explain_if_empty(panel: Axes, text: str) -> None:
    """Write the reason into a panel if none of its lines has a point."""
    if not any(len(line.get_xdata()) for line in panel.lines if line.get_gid()):  # type: ignore[arg-type]
        panel.text(
            0.5, 0.5, textwrap.fill(text, 32), transform=panel.transAxes, ha="center", va="center", color=QUIET, fontsize=8,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 2},
        )  # fmt: skip
