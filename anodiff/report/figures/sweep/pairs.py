"""What grows with the distance between two points of a path?

Means over pairs of points, a panel for each configuration.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from anodiff.diffusion.ergodicity import ensemble_mean
from anodiff.diffusion.exponents import slope
from anodiff.diffusion.pairs import Binned
from anodiff.report.figures.panels import Group, explain_if_empty, panels
from anodiff.report.figures.style import GUIDE, add_time_legend, styled, time_colours
from anodiff.report.figures.sweep.seeds import WindowKey, exponent, window_numbers, windows
from anodiff.report.figures.ticks import log_scale
from anodiff.sweep.results import RunResult

#: Windows and seeds of a configuration that are drawn, at most, because each needs all pairs of a window's points.
MOST_WINDOWS, MOST_SEEDS = 3, 2

#: Height of a line of text in a panel, and how far the texts reach to the right, as fractions of the panel.
ENTRY, TEXT_WIDTH = 0.09, 0.65

#: Fields of `PairMeans`.
Means = Literal["displacement", "loss_difference"]


def contour(runs: Sequence[RunResult]) -> Figure:
    """Draw Δr² against contour length, with the power law of the path dimension."""
    labels = "contour length s (weight units)", "Δr² (squared weight units)"
    return _figure(runs, "displacement", labels, "path_dimension", "$D_f$")


def loss_difference(runs: Sequence[RunResult]) -> Figure:
    """Draw the mean squared loss difference against distance, with the power law of the roughness
    exponent.
    """
    labels = "distance Δr (weight units)", "MSL (squared loss)"
    return _figure(runs, "loss_difference", labels, "loss_roughness", "H")


def chosen_windows(runs: Sequence[RunResult]) -> list[WindowKey]:
    """Return the first, the middle and the last window without a stride; fewer if there are fewer
    windows.
    """
    keys = windows(runs)
    plain = [key for key in keys if key.stride == 1] or keys
    return [plain[place] for place in sorted({0, len(plain) // 2, len(plain) - 1})] if plain else []


def _figure(runs: Sequence[RunResult], means: Means, labels: tuple[str, str], column: str, symbol: str) -> Figure:
    with styled():
        figure, placed = panels(runs, *labels)
        chosen = {group[0].group: chosen_windows(group) for _, group in placed}
        colours = time_colours(sorted({key.start for keys in chosen.values() for key in keys}))
        most = 0
        for panel, group in placed:
            log_scale(panel, "y")
            texts = []
            for key in chosen[group[0].group]:
                for run, binned in _binned(group, key, means):
                    name = f"{run.name}:{key}"
                    panel.plot(
                        binned.centres, binned.means, "o-", color=colours[key.start], markersize=2, linewidth=0.8, gid=name
                    )
                    _draw_power_law(panel, binned)
                found = ensemble_mean(own := _values(group, key, column))
                if np.isfinite(found.value):
                    bounds = f" [{found.low:.2f}, {found.high:.2f}]" if len(own) > 2 else ""
                    texts.append((f"$t_w$ = {key}: {symbol} = {found.value:.2f}{bounds}", colours[key.start]))
            most = max(most, len(texts))
            for line, (text, colour) in enumerate(texts):
                panel.plot(0.03, 0.95 - ENTRY * line, "o", color=colour, markersize=4, transform=panel.transAxes)
                panel.text(
                    0.06, 0.97 - ENTRY * line, text, transform=panel.transAxes, va="top", fontsize=7,
                    bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8, "alpha": 0.8},
                )  # fmt: skip
            explain_if_empty(panel, "no finished window")
        _clear(placed, 1 - ENTRY * (most + 0.5))
        add_time_legend(figure, colours)
    return figure


def _clear(placed: Sequence[tuple[Axes, Group]], height: float) -> None:
    """Extend the shared vertical axis upwards if a point lies where panels have their texts: on the left, above a height of
    theirs.
    """
    low, high = np.log(placed[0][0].get_ylim())
    tops = [low]
    for panel, _ in placed:
        for line in (line for line in panel.lines if line.get_gid()):
            left, right = np.log(panel.get_xlim())
            x, y = (np.log(np.asarray(values, float)) for values in line.get_data())
            tops += y[(x - left < TEXT_WIDTH * (right - left)) & np.isfinite(y)].tolist()
    if max(tops) > low + height * (high - low):
        placed[0][0].set_ylim(top=float(np.exp(low + (max(tops) - low) / height)))


def _binned(group: Group, key: WindowKey, means: Means) -> Iterator[tuple[RunResult, Binned]]:
    """Yield the first seeds that reached a window, each with its means over pairs."""
    for run in group[:MOST_SEEDS]:
        number = window_numbers(run).get(key)
        if number is not None and np.isfinite(run.curves["msd"].values[number]).any():
            yield run, getattr(run.pairs(number), means)


def _values(group: Group, key: WindowKey, column: str) -> list[float]:
    """Return a column of exponents.csv for a window: the finite values of all seeds."""
    return [value for run in group if np.isfinite(value := exponent(run, key, column))]


def _draw_power_law(panel: Axes, binned: Binned) -> None:
    """Draw the fitted power law over the bins used for the fit."""
    x, y = binned.centres[binned.fitted], binned.means[binned.fitted]
    if len(x) > 1 and np.isfinite(power := slope(x, y)):
        weight = 1 / x
        offset = np.average(np.log(y) - power * np.log(x), weights=weight)
        panel.plot(x, np.exp(offset) * x**power, **(GUIDE | {"color": "#000000"}))
