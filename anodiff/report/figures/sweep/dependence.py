"""How do the exponents depend on depth, batch size and learning rate?

A column for each of these that varies in the sweep.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from anodiff.diffusion.ergodicity import ensemble_mean
from anodiff.report.figures.panels import WINDOWS_DIGEST, Group, name_parts
from anodiff.report.figures.style import CONFIGURATIONS, GUIDE, MARKERS, QUIET, styled
from anodiff.report.figures.sweep.seeds import WindowKey, exponent, windows
from anodiff.sweep.results import RunResult

#: Series of an axis that are drawn and listed in its legend, at most.
MOST_SERIES = 10

Settings = dict[str, Any]


@dataclass(frozen=True)
class SweepAxis:
    """A setting that a sweep can vary: its name and label, its value in a run's settings, and the
    keys of these settings.
    """

    name: str
    label: str
    value: Callable[[Settings], float]
    keys: tuple[str, ...]


@dataclass(frozen=True)
class Series:
    """Configurations that differ only in one axis, by its value."""

    text: str
    groups: dict[float, Group]

    def window(self, *, last: bool) -> WindowKey | None:
        """Return the first or the last window that all of the configurations have."""
        shared = set.intersection(*(set(windows(group)) for group in self.groups.values()))
        return sorted(shared)[-1 if last else 0] if shared else None


def depth(settings: Settings) -> float:
    """Return the number of layers: the setting, or the number at the end of a name such as
    resnet14; NaN without either.
    """
    given = settings.get("model.depth")
    number = re.search(r"(\d+)$", str(settings["model.name"]))
    return float(given if given is not None else number[1] if number else "nan")


AXES = (
    SweepAxis("depth", "depth (layers)", depth, ("model.name", "model.depth")),
    SweepAxis(
        "batch size", "batch size (samples)", lambda given: float(given["training.batch_size"]), ("training.batch_size",)
    ),
    SweepAxis(
        "learning rate",
        "learning rate η",
        lambda given: float(given["optimiser.learning_rate"]),
        ("optimiser.learning_rate",),
    ),
)


def series_of(axis: SweepAxis, runs: Sequence[RunResult]) -> list[Series]:
    """Return the sets of configurations that differ only in an axis, each with at least two values
    of it.
    """
    groups: dict[str, Group] = {}
    for run in runs:
        groups.setdefault(run.group, []).append(run)
    sets: dict[str, dict[float, Group]] = {}
    for group in groups.values():
        settings = group[0].settings
        value = axis.value(settings)
        others = {key: setting for key, setting in settings.items() if key not in (*axis.keys, "seed") and setting is not None}
        if np.isfinite(value):
            sets.setdefault(repr((_family(settings), sorted(others.items(), key=str))), {}).setdefault(value, group)
    kept = [members for members in sets.values() if len(members) > 1]
    labels = [_series_label(axis, *each) for each in zip(kept, _further_parts(kept), strict=True)]
    return [Series(label, dict(sorted(members.items()))) for label, members in zip(labels, kept, strict=True)]


def dependence(runs: Sequence[RunResult]) -> Figure:
    """Draw early and late exponents against each axis that varies: means over seeds with intervals,
    and single seeds.
    """
    found = {axis: series_of(axis, runs) for axis in AXES}
    varying = [axis for axis in AXES if found[axis]]
    constant = [axis.name for axis in AXES if not found[axis]]
    note = f"{' · '.join(constant)}: no two configurations differ only in this"
    with styled():
        if not varying:
            figure = Figure(figsize=(5.6, 1.2), layout="constrained")
            figure.text(0.5, 0.5, note, ha="center", va="center", color=QUIET)
            return figure
        figure = Figure(figsize=(max(4.2 * len(varying), 5.6), 6.4), layout="constrained")
        axes = figure.subplots(2, len(varying), sharex="col", sharey="row", squeeze=False)
        for column, axis in enumerate(varying):
            shown = found[axis][:MOST_SERIES]
            for number, series in enumerate(shown):
                look = {"color": CONFIGURATIONS[number % len(CONFIGURATIONS)], "marker": MARKERS[number % len(MARKERS)]}
                shift = 1.015 ** (number - (len(shown) - 1) / 2)
                _draw_series(axes[0, column], series, "beta_max", look, shift, last=False)
                _draw_series(axes[1, column], series, "beta_long", look, shift, last=True)
            values = sorted({value for series in shown for value in series.groups})
            for panel in axes[:, column]:
                panel.axhline(1.0, **GUIDE)
                panel.set_xscale("log")
                panel.set_xticks(values, [f"{value:g}" for value in values])
                panel.minorticks_off()
            axes[1, column].set_xlabel(axis.label)
            left_out = len(found[axis]) - len(shown)
            legend = axes[0, column].legend(
                loc="lower left", bbox_to_anchor=(0, 1.02), fontsize=7, borderaxespad=0,
                title=f"and {left_out} more, see the table" if left_out else None, title_fontsize=7,
            )  # fmt: skip
            legend.set_in_layout(True)
        axes[0, 0].set_ylabel("largest local exponent β,\nfirst window")
        axes[1, 0].set_ylabel("exponent β over long lags,\nlast shared window")
        if constant:
            figure.supxlabel(note, fontsize=7.5, color=QUIET)
    return figure


def _draw_series(panel: Axes, series: Series, column: str, look: dict[str, Any], shift: float, *, last: bool) -> None:
    """Draw a column of exponents.csv for one window against the axis."""
    key = series.window(last=last)
    means = []
    for value, group in series.groups.items():
        seeds = np.array([exponent(run, key, column) for run in group])
        seeds = seeds[np.isfinite(seeds)]
        if not len(seeds):
            continue
        mean = ensemble_mean(seeds)
        means.append((value * shift, mean.value))
        panel.plot(
            np.full(len(seeds), value * shift),
            seeds,
            "_",
            color=look["color"],
            markersize=5,
            gid=f"seeds:{series.text}:{value:g}",
        )
        if np.isfinite(mean.low) and len(seeds) > 2:
            panel.vlines(value * shift, mean.low, mean.high, color=look["color"], linewidth=1.0)
    if means:
        panel.plot(*zip(*means, strict=True), linewidth=1.2, markersize=4.5, label=series.text, gid=series.text, **look)


def _family(settings: Settings) -> str:
    return re.sub(r"\d+$", "", str(settings["model.name"]))


def _series_label(axis: SweepAxis, members: dict[float, Group], further: Sequence[str]) -> str:
    settings = next(iter(members.values()))[0].settings
    parts = [_family(settings) if axis.name == "depth" else str(settings["model.name"])]
    parts += [f"batch {settings['training.batch_size']}"] if axis.name != "batch size" else []
    parts += [f"lr {settings['optimiser.learning_rate']:g}"] if axis.name != "learning rate" else []
    return " · ".join([*parts, *further])


def _further_parts(sets: Sequence[dict[float, Group]]) -> list[list[str]]:
    """Return what the names of a set's configurations share beside batch size and learning rate, and not all sets share."""
    names = [[name_parts(group[0]) for group in members.values()] for members in sets]
    shared = [[part for part in own[0] if all(part in other for other in own)] for own in names]
    everywhere = set.intersection(*map(set, shared)) if shared else set()
    return [[part for part in own if part not in everywhere and not WINDOWS_DIGEST.fullmatch(part)] for own in shared]
