"""Is the motion anomalous at long lags, does it age, and is it ergodic?

A panel for each configuration.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from anodiff.diffusion.ergodicity import ageing_ratio, ergodicity_breaking
from anodiff.diffusion.intervals import Interval
from anodiff.report.figures.lag_panels import LAG, label_sides
from anodiff.report.figures.panels import explain_if_empty, panels
from anodiff.report.figures.style import GUIDE, QUIET, add_time_legend, styled, time_colours, waiting_times
from anodiff.report.figures.sweep.seeds import MeanCurve, WindowKey, curve_values, mean_curve, null_band, windows
from anodiff.report.figures.ticks import log_scale
from anodiff.storage.types import FloatArray
from anodiff.sweep.results import RunResult

#: Line style of expected values: those of a null, or of Gaussian paths.
EXPECTED: dict[str, Any] = {"linestyle": (0, (1, 1.2)), "linewidth": 1.0}


def long_lags(runs: Sequence[RunResult]) -> Figure:
    """Draw β at long lags, mean over seeds with its interval, over the band of updates in random
    order.

    Windows with a stride are drawn at all lags, others from ``analysis.long_lags`` on.
    """
    with styled():
        figure, placed = panels(runs, LAG, "local exponent β")
        colours = time_colours(waiting_times(runs))
        drawn: list[MeanCurve] = []
        for panel, group in placed:
            panel.axhline(1.0, **GUIDE)
            first = group[0].curves.attrs["analysis"]["long_lags"][0]
            for key in windows(group):
                if key.start not in colours:
                    continue
                curve = mean_curve(group, "beta", key)
                if key.stride == 1:
                    curve = curve.from_lag(first)
                if not len(curve.lags):
                    continue
                drawn.append(curve)
                lags, low, high = null_band(group, "shuffled", key)
                kept = np.isin(lags, curve.lags)
                panel.fill_between(lags[kept], low[kept], high[kept], color=colours[key.start], alpha=0.1, linewidth=0)
                at, null = curve_values(group, "beta_shuffled", key)
                kept = np.isin(at, curve.lags)
                panel.plot(at[kept], null.mean(axis=0)[kept], color=colours[key.start], **EXPECTED)
                panel.fill_between(curve.lags, curve.low, curve.high, color=colours[key.start], alpha=0.2, linewidth=0)
                panel.plot(
                    curve.lags, curve.mean, color=colours[key.start], linewidth=1.5, marker="o" if key.stride > 1 else "",
                    markersize=3, markevery=[0, -1], gid=f"{key}",
                )  # fmt: skip
            explain_if_empty(panel, f"no window reaches lags of {first:,} steps")
        heights = np.concatenate([[0.6, 1.4], *(curve.mean for curve in drawn)])
        placed[0][0].set_ylim(heights.min() - 0.15, heights.max() + 0.15)
        label_sides(*(panel for panel, _ in placed))
        add_time_legend(figure, colours)
        _add_line_legend(
            figure,
            [
                Line2D([], [], color=QUIET, linewidth=1.5, label="original updates"),
                Line2D([], [], color=QUIET, **EXPECTED, label="the same updates in random order"),
            ],
        )
    return figure


def ageing(runs: Sequence[RunResult]) -> Figure:
    """Draw the squared displacement from a window's first point, divided by its time average, over
    all seeds.
    """
    with styled():
        figure, placed = panels(runs, LAG, "ageing MSD / time-averaged MSD")
        colours = time_colours(waiting_times(runs))
        for panel, group in placed:
            log_scale(panel, "y")
            panel.axhline(1.0, **GUIDE)
            for key in (key for key in windows(group) if key.start in colours):
                (lags, msd), (_, single) = (curve_values(group, name, key) for name in ("msd", "ageing_msd"))
                if msd.shape == single.shape and len(msd):
                    _draw_intervals(
                        panel, lags, [ageing_ratio(*pair) for pair in zip(single.T, msd.T, strict=True)], colours, key
                    )
            explain_if_empty(panel, "no finished window")
        heights = np.concatenate(
            [[0.5, 2.0], *(line.get_ydata() for panel, _ in placed for line in panel.lines if line.get_gid())]
        )
        placed[0][0].set_ylim(max(heights[heights > 0].min() / 1.3, 1e-3), min(heights.max() * 1.3, 1e3))
        add_time_legend(figure, colours)
    return figure


def ergodicity(runs: Sequence[RunResult]) -> Figure:
    """Draw the ergodicity-breaking parameter of the seeds' time-averaged MSDs, and its value for
    Gaussian paths.
    """
    with styled():
        figure, placed = panels(runs, LAG, "ergodicity-breaking parameter EB")
        colours = time_colours(waiting_times(runs))
        for panel, group in placed:
            log_scale(panel, "y")
            for key in (key for key in windows(group) if key.start in colours):
                lags, msd = curve_values(group, "msd", key)
                if len(msd) < 2:
                    continue
                _draw_intervals(panel, lags, [ergodicity_breaking(column) for column in msd.T], colours, key)
                at, samples = curve_values(group, "effective_samples", key)
                if len(samples):
                    panel.plot(at, (2 / samples).mean(axis=0), color=colours[key.start], **EXPECTED)
            lone = len(group) < 2
            explain_if_empty(panel, "one seed has no scatter" if lone else "fewer than two seeds finished a window")
        heights = np.concatenate([[1e-3, 1.0], *(line.get_ydata() for panel, _ in placed for line in panel.lines)])
        placed[0][0].set_ylim(max(float(np.quantile(heights, 0.05)) / 5, 1e-12), 3 * float(heights.max()))
        add_time_legend(figure, colours)
        _add_line_legend(
            figure,
            [
                Line2D([], [], color=QUIET, linewidth=1.3, label="over seeds"),
                Line2D([], [], color=QUIET, **EXPECTED, label="Gaussian paths of the same law"),
            ],
        )
    return figure


def _draw_intervals(
    panel: Axes, lags: FloatArray, found: Sequence[Interval], colours: dict[int, object], key: WindowKey
) -> None:
    """Draw the positive values against the lag, with their intervals."""
    value, low, high = np.array([(each.value, each.low, each.high) for each in found]).T
    known = np.isfinite(value) & (value > 0)
    colour = colours[key.start]
    panel.fill_between(lags[known], low[known], high[known], color=colour, alpha=0.13, linewidth=0)
    panel.plot(lags[known], value[known], color=colour, linewidth=1.3, gid=str(key))


def _add_line_legend(figure: Figure, handles: Sequence[Line2D]) -> None:
    """Add a legend of line styles below the panels."""
    figure.legend(handles=handles, loc="outside lower left", ncols=len(handles))
