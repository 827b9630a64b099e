"""Curves over the lag, a panel for each configuration: the MSD and its local exponent."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from anodiff.figures.style import GUIDE, Group, panels, styled, time_colours, time_legend, waiting_times
from anodiff.tables import RunResult

LAG = "lag τ (optimiser steps)"


def msd(runs: Sequence[RunResult]) -> Figure:
    """Draw the time-averaged MSD against the lag."""
    with styled():
        figure, placed = panels(runs)
        colours = time_colours(waiting_times(runs))
        for panel, group in placed:
            panel.set_xscale("log")
            panel.set_yscale("log")
            for run in group:
                for time, colour in colours.items():
                    lag, curve = _window(run.curves, "msd", time)
                    if len(lag):
                        panel.plot(lag, curve, color=colour, linewidth=1.1, gid=f"{run.name}:{time}")
            _guides(panel, group)
        _finish(figure, placed, "MSD Δr² (squared weight units)", colours)
    return figure


def beta(runs: Sequence[RunResult]) -> Figure:
    """Draw the local exponent β against the lag, single seeds thin, their mean bold."""
    with styled():
        figure, placed = panels(runs)
        colours = time_colours(waiting_times(runs))
        for panel, group in placed:
            panel.set_xscale("log")
            long_lags = group[0].curves.attrs["analysis"]["long_lags"]
            panel.axvspan(*long_lags, color="#f1efe9", zorder=0)
            panel.axhline(1.0, **GUIDE)
            for time, colour in colours.items():
                seeds = [_window(run.curves, "beta", time) for run in group]
                seeds = [(lag, curve) for lag, curve in seeds if len(lag)]
                for lag, curve in seeds if len(seeds) > 1 else []:
                    panel.plot(lag, curve, color=colour, linewidth=0.6, alpha=0.6)
                if seeds:
                    lag, mean = _mean_over_seeds(seeds)
                    panel.plot(lag, mean, color=colour, linewidth=1.8, gid=f"{group[0].group}:{time}")
        for panel, _ in placed:
            low, high = panel.get_ylim()
            panel.set_ylim(min(low, 0.5), max(high, 1.5))
        for text, height, where in (("superdiffusive", 1.03, "bottom"), ("subdiffusive", 0.97, "top")):
            placed[0][0].annotate(
                text, (0.02, height), xycoords=("axes fraction", "data"), va=where, fontsize=7, color="#777777"
            )
        _finish(figure, placed, "local exponent β", colours)
    return figure


def _window(curves: xr.Dataset, name: str, time: int) -> tuple[np.ndarray, np.ndarray]:
    """Return lags and values of the first window with a waiting time; empty where there is none, or nothing in it."""
    numbers = np.flatnonzero(curves["waiting_time"].values == time)
    if not len(numbers):
        return np.empty(0), np.empty(0)
    values = curves[name].values[numbers[0]]
    there = np.isfinite(values)
    return curves["lag"].values[there], values[there]


def _mean_over_seeds(seeds: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Average over the seeds at the lags that all have."""
    lags = seeds[0][0]
    for lag, _ in seeds[1:]:
        lags = np.intersect1d(lags, lag)
    return lags, np.mean([curve[np.isin(lag, lags)] for lag, curve in seeds], axis=0)


def _guides(panel: Axes, group: Group) -> None:
    """Draw slopes 1 and 2 from the middle of the group's first curve on."""
    for run in group:
        values = run.curves["msd"].values
        number = next((row for row in range(len(values)) if np.isfinite(values[row]).any()), None)
        if number is None:
            continue
        there = np.isfinite(values[number])
        lag, curve = run.curves["lag"].values[there], values[number][there]
        ends = np.array([lag[len(lag) // 3], lag[-1]], float)
        height = 0.25 * curve[len(lag) // 3]
        for slope in (1, 2):
            line = height * (ends / ends[0]) ** slope
            panel.plot(ends, line, **GUIDE)
            panel.annotate(
                f"{slope}",
                (ends[1], line[1]),
                xytext=(2, 0),
                textcoords="offset points",
                fontsize=7,
                color="#777777",
                va="center",
            )
        return


def _finish(figure: Figure, placed: Sequence[tuple[Axes, Group]], height: str, colours: dict[int, object]) -> None:
    figure.supxlabel(LAG, fontsize=9)
    figure.supylabel(height, fontsize=9)
    time_legend(figure, colours)
