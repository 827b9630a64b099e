"""Which panels does a figure of a sweep have?

One for each configuration: runs that differ only in their seed.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from functools import cache

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font

from anodiff.report.figures.style import QUIET, STYLE
from anodiff.report.figures.ticks import log_scale
from anodiff.storage.stores import DIVERGED
from anodiff.sweep.results import RunResult

#: Columns of panels, at most.
MOST_COLUMNS = 4

#: Panels in a figure, at most. If there are more configurations, some of each model are drawn, and the figure says so.
MOST_PANELS = 24

#: Width and height of a panel in inches, and the width of its title.
PANEL, TITLE = (2.75, 2.35), 2.5

#: Digest of the windows in a run's name.
WINDOWS_DIGEST = re.compile(r"windows[0-9a-f]{6}")

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
    parts of its name; the digest of its windows only if others differ in nothing else.
    """
    usual, further = {}, {}
    for name, group in model.items():
        settings = group[0].settings
        usual[name] = [f"batch {settings['training.batch_size']}", f"lr {settings['optimiser.learning_rate']:g}"]
        further[name] = name_parts(group[0])
    shared = set.intersection(*(set(parts) for parts in further.values()))
    kept = {name: usual[name] + [part for part in parts if part not in shared] for name, parts in further.items()}
    full = {name: " · ".join(parts) for name, parts in kept.items()}
    short = {name: " · ".join(part for part in parts if not WINDOWS_DIGEST.fullmatch(part)) for name, parts in kept.items()}
    return short if len(set(short.values())) == len(short) else full


def name_parts(run: RunResult) -> list[str]:
    """Return the parts of a run's name after batch size and learning rate, without the seed."""
    settings = run.settings
    usual = f"-bs{settings['training.batch_size']}-lr{settings['optimiser.learning_rate']:g}"
    return [part for part in re.split(r"-(?=[A-Za-z])", run.group.partition(usual)[2]) if part]


def wrapped(text: str, inches: float, size: float) -> str:
    """Break text at spaces, but not before a dot, so that its lines are at most so wide; a longer word has its own line.

    Parameters
    ----------
    size
        Size of the letters in points.
    """
    lines: list[str] = []
    for word in text.replace(" ·", "\N{NO-BREAK SPACE}·").split(" "):
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and sum(map(_advance, longer)) * size / 72 <= inches:
            lines[-1] = longer
        else:
            lines.append(word)
    return "\n".join(lines).replace("\N{NO-BREAK SPACE}", " ")


@cache
def _advance(letter: str) -> float:
    """Return the width of a letter, over the size of the font."""
    font = get_font(findfont(STYLE["font.family"]))
    font.set_size(100, 72)
    return float(font.load_char(ord(letter)).linearHoriAdvance) / 65536 / 100


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


def panels(
    runs: Sequence[RunResult], xlabel: str, ylabel: str, *, log: bool = True, beside: float = 0.0
) -> tuple[Figure, list[tuple[Axes, Group]]]:
    """Return a figure with a panel for each configuration, and the runs of each panel.

    Panels share their axes; the horizontal one is logarithmic, if ``log``. Each model starts a new row, unless
    there would be more rows than `MOST_PANELS` need. If there are more than `MOST_PANELS`
    configurations, some of each model have a panel, and a line below says how many. ``beside`` is
    the room in inches for a bar of colours.
    """
    rows: list[list[tuple[str, Group]]] = []
    models = group_by_model(runs)
    chosen = _share_panels({name: len(model) for name, model in models.items()})
    for name, model in models.items():
        entries = [(f"{name} · {text}", model[group]) for group, text in configuration_labels(model).items()]
        rows += _in_rows([entries[place] for place in chosen[name]])
    if len(rows) > MOST_PANELS // MOST_COLUMNS:
        rows = _in_rows([entry for row in rows for entry in row])
    columns = max(len(row) for row in rows)
    size = (max(5.6, PANEL[0] * columns + 0.5) + beside, PANEL[1] * len(rows) + 1.0)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(len(rows), columns, sharex=True, sharey=True, squeeze=False)
    placed = []
    for row, entries in enumerate(rows):
        for panel in axes[row, len(entries) :]:
            panel.set_visible(False)
        axes[row, 0].set_ylabel(ylabel)
        for column, (title, group) in enumerate(entries):
            panel = axes[row, column]
            title = wrapped(title, TITLE if columns > 1 else 2 * TITLE, STYLE["axes.titlesize"])
            panel.set_title("\n".join(filter(None, [title, divergence_note(group)])))
            lowest = not any(column < len(later) for later in rows[row + 1 :])
            panel.tick_params(labelbottom=lowest)
            panel.set_xlabel(xlabel if lowest else "")
            if log:
                log_scale(panel, "x")
            placed.append((panel, group))
    groups = sum(len(model) for model in models.values())
    if len(placed) < groups:
        note = f"{len(placed)} of {groups} configurations; to draw the others, give their runs to: anodiff figures"
        figure.supxlabel(note, x=0.99, ha="right", fontsize=7.5, color=QUIET)  # on the left, there may be a legend
    return figure, placed


def _in_rows(entries: list[tuple[str, Group]]) -> list[list[tuple[str, Group]]]:
    return [entries[first : first + MOST_COLUMNS] for first in range(0, len(entries), MOST_COLUMNS)]


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
