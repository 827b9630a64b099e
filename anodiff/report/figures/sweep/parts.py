"""Which layers move anomalously in a sweep, a row for each configuration; and what do optimisers add, a panel for each?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from anodiff.errors import ConfigError
from anodiff.report.figures.panels import Group, configuration_labels, explain_if_empty, group_by_model, panels, wrapped
from anodiff.report.figures.part_panels import (
    BARS,
    MARGIN,
    WAITING_TIME,
    WALKS,
    LayerMap,
    add_bars,
    add_walk_legend,
    draw_layers,
    exponent_norm,
    label_windows,
    layer_map,
    share_norm,
    walk_rows,
)
from anodiff.report.figures.style import GUIDE, QUIET, STYLE, styled
from anodiff.report.figures.sweep.time_axis import time_axis
from anodiff.sweep.results import RunResult

#: Inches: each of the two maps, the names of layers, and what stands around the maps of a configuration.
MAPS, NAMES, AROUND = 2.5, 1.8, 0.75

#: Inches of all maps, at most, unless a single configuration has more; if there are further ones, the figure says so.
TALLEST = 24.0


def layers(runs: Sequence[RunResult]) -> Figure:
    """Draw the exponents of groups of parameters and their shares of the displacement, means over seeds.

    Raises
    ------
    ConfigError
        If no run has groups.
    """
    found = {name: made for name, group in _configurations(runs).items() if (made := layer_map(group)) is not None}
    if not found:
        raise ConfigError("no run has groups of parameters; train some with recording.groups, such as groups: layer")
    shown = _that_fit(found)
    with styled():
        heights = [each.height + AROUND for each in shown.values()]
        heights[-1] += BARS
        figure = Figure(figsize=(2 * MAPS + NAMES, sum(heights) + 0.2), layout="constrained")
        figure.set_layout_engine("constrained", w_pad=MARGIN)
        exponents, shares = exponent_norm(list(shown.values())), share_norm(list(shown.values()))
        rows = figure.subfigures(len(shown), 1, height_ratios=heights, squeeze=False)[:, 0]
        for row, (name, each) in zip(rows, shown.items(), strict=True):
            left, right = row.subplots(1, 2)
            draw_layers(left, right, each, exponents, shares)
            left.set_title(wrapped(name, 2 * MAPS, STYLE["axes.titlesize"]))
            for panel in (left, right):
                label_windows(panel, each, MAPS)
        add_bars(row, left, right, exponents, shares, each.height)
        if len(shown) < len(found):
            note = f"{len(shown)} of {len(found)} configurations; to draw the others, give their runs to: anodiff figures"
            rows[-1].supxlabel(note, x=0.99, ha="right", fontsize=7.5, color=QUIET)
    return figure


def walks(runs: Sequence[RunResult]) -> Figure:
    """Draw the exponents of paths and their walks over the long lags against the waiting time.

    Raises
    ------
    ConfigError
        If no run has walks.
    """
    chosen = [run for run in runs if run.has_parts and walk_rows(run)]
    if not chosen:
        raise ConfigError("no run has walks; train some with recording.walks, such as walks: [gradient]")
    with styled():
        figure, placed = panels(chosen, WAITING_TIME, "exponent β over the long lags", log=False)
        drawn: set[str] = set()
        starts: list[float] = []
        for panel, group in placed:
            by_walk: dict[str, list[pd.Series]] = {}
            for run in group:
                for name, rows in walk_rows(run).items():
                    known = rows.dropna(subset=["beta_long"])
                    times, value = (known[column].to_numpy(float) for column in ("waiting_time", "beta_long"))
                    low, high = (known[f"beta_long_{end}"].to_numpy(float) for end in ("low", "high"))
                    colour = WALKS[name][0]
                    low, high = (np.where(np.isfinite(end), end, value) for end in (low, high))
                    panel.vlines(times, low, high, color=colour, linewidth=0.7, alpha=0.5)
                    panel.plot(
                        times, value, color=colour, linestyle="", marker="o", markersize=3, alpha=0.75, gid=f"{run.name}:{name}"
                    )
                    by_walk.setdefault(name, []).append(pd.Series(value, times))
                    starts += rows["waiting_time"].tolist()
            for name, values in by_walk.items():
                mean = pd.concat(values).groupby(level=0).mean()
                colour, line, _ = WALKS[name]
                panel.plot(mean.index, mean, color=colour, linestyle=line, linewidth=1.3, gid=f"{group[0].group}:{name}:mean")
            drawn |= set(by_walk)
            panel.axhline(1.0, **GUIDE)
            explain_if_empty(panel, "no window reaches the long lags")
        time_axis(placed[0][0], np.unique(starts))
        add_walk_legend(figure, sorted(drawn))
    return figure


def _configurations(runs: Sequence[RunResult]) -> dict[str, Group]:
    """Return the runs with parts of each configuration, by model and what distinguishes it."""
    having = [run for run in runs if run.has_parts]
    return {
        f"{model} · {label}": own[group]
        for model, own in group_by_model(having).items()
        for group, label in configuration_labels(own).items()
    }


def _that_fit(maps: dict[str, LayerMap]) -> dict[str, LayerMap]:
    """Return the first maps, as many as fit into `TALLEST`; at least one."""
    shown: dict[str, LayerMap] = {}
    for name, each in maps.items():
        if shown and sum(other.height + AROUND for other in shown.values()) + each.height + AROUND > TALLEST:
            break
        shown[name] = each
    return shown
