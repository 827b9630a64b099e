"""How do a run's displacement and exponent depend on the lag?

MSD, local exponent, and its nulls, window by window.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from anodiff.report.figures.lag_panels import (
    LAG,
    add_null_legend,
    chi_squared_scatter,
    draw_against_nulls,
    draw_guides,
    label_sides,
    show_both_sides,
    show_nulls,
)
from anodiff.report.figures.run.data import RunData
from anodiff.report.figures.run.windows import DrawnWindow, drawn_windows, label_figure
from anodiff.report.figures.style import GUIDE, MARKED, styled
from anodiff.report.figures.ticks import log_scale
from anodiff.sweep.results import RunResult

#: Panels in a row.
COLUMNS = 4


def msd(run: RunData) -> Figure | None:
    """Draw the time-averaged MSD of each window with its interval."""
    windows = drawn_windows(run.result)
    if not windows:
        return None
    with styled():
        figure = Figure(figsize=(5.6, 4.2), layout="constrained")
        panel = figure.subplots()
        draw_msd(panel, run.result, windows)
        return label_figure(figure, run.result, windows)


def draw_msd(panel: Axes, run: RunResult, windows: Sequence[DrawnWindow]) -> None:
    """Draw the time-averaged MSD of windows with its interval, over lines of slope 1 and 2."""
    log_scale(panel, "x", "y")
    for window in windows:
        lag, curve = window.curve(run, "msd")
        panel.plot(lag, curve, linewidth=1.2, gid=f"msd:{window.number}", **window.look)
        samples = run.curves["effective_samples"].sel(lag=lag).values[window.number]
        known = np.isfinite(samples)
        low, high = chi_squared_scatter(samples[known])
        panel.fill_between(lag[known], curve[known] / high, curve[known] / low, color=window.colour, alpha=0.2, linewidth=0)
    draw_guides(panel, [window.curve(run, "msd") for window in windows])
    panel.set_xlabel(LAG)
    panel.set_ylabel("MSD Δr² (squared weight units)")


def beta(run: RunData) -> Figure | None:
    """Draw the local exponent of each window with its interval."""
    windows = drawn_windows(run.result, "beta")
    if not windows:
        return None
    with styled():
        figure = Figure(figsize=(5.6, 4.2), layout="constrained")
        panel = figure.subplots()
        log_scale(panel, "x")
        if run.result.exponents["beta_long"].notna().any():
            panel.axvspan(*run.result.curves.attrs["analysis"]["long_lags"], color=MARKED, zorder=0)
        for window in windows:
            panel.plot(*window.curve(run.result, "beta"), linewidth=1.4, gid=f"beta:{window.number}", **window.look)
            lag, low = window.curve(run.result, "beta_low")
            panel.fill_between(lag, low, window.curve(run.result, "beta_high")[1], color=window.colour, alpha=0.15, linewidth=0)
        panel.axhline(1.0, **GUIDE)
        show_both_sides([panel])
        panel.set_xlabel(LAG)
        panel.set_ylabel("local exponent β")
        label_sides(panel)
        return label_figure(figure, run.result, windows)


def nulls(run: RunData) -> Figure | None:
    """Draw the local exponent and its nulls, a panel for each window."""
    windows = drawn_windows(run.result, "beta")
    if not windows:
        return None
    columns = min(COLUMNS, len(windows))
    rows = -(-len(windows) // columns)
    with styled():
        figure = Figure(figsize=(max(5.6, 2.5 * columns + 0.4), 2.1 * rows + 1.1), layout="constrained")
        axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        for panel in axes.flat[len(windows) :]:
            panel.set_visible(False)
        for panel, window in zip(axes.flat, windows, strict=False):
            log_scale(panel, "x")
            draw_against_nulls(panel, run.result.curves.isel(window=window.number), str(window.number))
            panel.set_title(f"$t_w$ = {window.start:,}" + (f", every {window.stride}" if window.stride > 1 else ""))
            panel.axhline(1.0, **GUIDE)
            below = panel.get_subplotspec().rowspan.start * columns + panel.get_subplotspec().colspan.start + columns
            panel.tick_params(labelbottom=below >= len(windows))
            panel.set_xlabel(LAG if below >= len(windows) else "")
        for row in axes:
            row[0].set_ylabel("local exponent β")
        label_sides(axes[0, 0])
        show_nulls(list(axes.flat))
        add_null_legend(figure)
        return label_figure(figure, run.result)
