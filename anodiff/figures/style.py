"""How all figures look, and how their panels are laid out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from anodiff.tables import RunResult

STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "svg.hashsalt": "anodiff",
    "savefig.dpi": 160,
}

#: Colour-blind safe colours of configurations (Okabe & Ito, without yellow).
CONFIGURATIONS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
GUIDE: dict[str, Any] = {"color": "#777777", "linewidth": 0.8, "linestyle": (0, (4, 3))}

MOST_WINDOWS = 8
MOST_COLUMNS = 4
PANEL = (2.75, 2.35)

Group = list[RunResult]


@contextmanager
def styled() -> Iterator[None]:
    """Apply the style, and none of the reader's own."""
    everything: dict[Any, Any] = dict(matplotlib.rcParamsDefault) | STYLE
    everything.pop("backend")  # figures are made without a window
    with matplotlib.rc_context(everything):
        yield


def save(figure: Figure, path: Path, suffix: str) -> None:
    """Write a figure in the format of ``suffix``; the same figure gives the same bytes."""
    metadata = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}, ".png": {}}[suffix]
    with styled():
        figure.savefig(path, format=suffix[1:], metadata=metadata)


def groups(runs: Sequence[RunResult]) -> dict[str, Group]:
    """Gather the runs that differ in their seed alone, in the order of the sweep."""
    gathered: dict[str, Group] = {}
    for run in runs:
        gathered.setdefault(run.group, []).append(run)
    return gathered


def by_model(runs: Sequence[RunResult]) -> dict[str, dict[str, Group]]:
    """Gather the groups of each model."""
    models: dict[str, dict[str, Group]] = {}
    for name, group in groups(runs).items():
        models.setdefault(str(group[0].settings["model.name"]), {})[name] = group
    return models


def labels(model: dict[str, Group]) -> dict[str, str]:
    """Say of each group of a model what tells it from the others: batch size, learning rate, further parts of its name."""
    further = {}
    for name, group in model.items():
        settings = group[0].settings
        stem = f"{settings['model.name']}-bs{settings['training.batch_size']}-lr{settings['optimiser.learning_rate']:g}"
        further[name] = [part for part in name.removeprefix(stem).split("-") if part]
    shared = set.intersection(*(set(parts) for parts in further.values()))
    texts = {}
    for name, group in model.items():
        settings = group[0].settings
        parts = [f"batch {settings['training.batch_size']}", f"lr {settings['optimiser.learning_rate']:g}"]
        texts[name] = " · ".join(parts + [part for part in further[name] if part not in shared])
    return texts


def fate(group: Group) -> str:
    """Say which runs of a group diverged, and where; empty if none did."""
    steps = [str(run.curves.attrs["diverged_at"]) for run in group if "diverged_at" in run.curves.attrs]
    return f"\n{len(steps)} of {len(group)} diverged, at step {', '.join(steps)}" if steps else ""


def panels(runs: Sequence[RunResult]) -> tuple[Figure, list[tuple[Axes, Group]]]:
    """Make a panel for each group, each model starting a new row, up to four columns, with common axes."""
    rows: list[list[Group]] = []
    titles: dict[str, str] = {}
    for name, model in by_model(runs).items():
        titles |= {group: f"{name} · {text}" for group, text in labels(model).items()}
        entries = list(model.values())
        rows += [entries[first : first + MOST_COLUMNS] for first in range(0, len(entries), MOST_COLUMNS)]
    columns = max(len(row) for row in rows)
    figure = Figure(figsize=(max(6.0, PANEL[0] * columns + 0.6), PANEL[1] * len(rows) + 1.1), layout="constrained")
    axes = figure.subplots(len(rows), columns, sharex=True, sharey=True, squeeze=False)
    placed = []
    for row, entries in enumerate(rows):
        for column in range(columns):
            panel = axes[row, column]
            if column >= len(entries):
                panel.set_visible(False)
                continue
            group = entries[column]
            panel.set_title(titles[group[0].group] + fate(group), loc="left", fontsize=8)
            below = any(column < len(later) for later in rows[row + 1 :])
            panel.tick_params(labelbottom=not below)
            placed.append((panel, group))
    return figure, placed


def waiting_times(runs: Sequence[RunResult]) -> list[int]:
    """Return at most eight of the sweep's waiting times, the first and the last among them."""
    known = sorted({int(start) for run in runs for start in run.curves["waiting_time"].values})
    if len(known) <= MOST_WINDOWS:
        return known
    chosen = np.unique(np.round(np.geomspace(1, len(known), MOST_WINDOWS)).astype(int) - 1)
    return [known[index] for index in chosen]


def time_colours(times: Sequence[int]) -> dict[int, Any]:
    """Give each waiting time a colour, dark for early, light for late."""
    shades = np.linspace(0.0, 0.88, max(2, len(times)))
    return {time: matplotlib.colormaps["viridis"](shade) for time, shade in zip(times, shades, strict=False)}


def time_legend(figure: Figure, colours: dict[int, Any]) -> None:
    """Explain the colours of waiting times above the panels."""
    handles = [matplotlib.lines.Line2D([], [], color=colour, linewidth=2) for colour in colours.values()]
    texts = [f"{time:,}" for time in colours]
    columns = min(len(texts), max(3, math.floor(figure.get_figwidth() / 0.95)))
    figure.legend(
        handles, texts, loc="outside upper left", ncols=columns, title="waiting time $t_w$ (optimiser steps)", alignment="left"
    )
