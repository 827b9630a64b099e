"""A run's displacement against the lag: MSD, its local exponent, and that against its nulls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from anodiff.report.figures.lag_panels import LAG, NULL_LINES, against_nulls, chi_squared_scatter, guides, null_legend, sides
from anodiff.report.figures.run.data import RunData
from anodiff.report.figures.run.windows import MARKED, colours_of, drawn_windows, sign
from anodiff.report.figures.style import GUIDE, styled, time_legend

if TYPE_CHECKING:
    from matplotlib.axes import Axes


#: Panels in a row.
COLUMNS = 4

#: Lines that have to fit into the panels of the nulls: all but that without its mean.
BOUNDING = ("beta", *(f"beta_{null}" for null in NULL_LINES if null != "detrended"))


def msd(run: RunData) -> Figure | None:
    """Draw the time-averaged MSD of each window with its interval."""
    windows = drawn_windows(run.result)
    if not windows:
        return None
    with styled():
        figure = Figure(figsize=(5.6, 4.2), layout="constrained")
        panel = figure.subplots()
        panel.set_xscale("log")
        panel.set_yscale("log")
        for window in windows:
            lag, curve = window.of(run.result, "msd")
            panel.plot(lag, curve, linewidth=1.2, gid=f"msd:{window.number}", **window.look)
            samples = run.result.curves["effective_samples"].sel(lag=lag).values[window.number]
            known = np.isfinite(samples)
            low, high = chi_squared_scatter(samples[known])
            panel.fill_between(lag[known], curve[known] / high, curve[known] / low, color=window.colour, alpha=0.2, linewidth=0)
        guides(panel, [window.of(run.result, "msd") for window in windows])
        panel.set_xlabel(LAG)
        panel.set_ylabel("MSD Δr² (squared weight units)")
        time_legend(figure, colours_of(windows))
        return sign(figure, run.result)


def beta(run: RunData) -> Figure | None:
    """Draw the local exponent of each window with its interval."""
    windows = drawn_windows(run.result, "beta")
    if not windows:
        return None
    with styled():
        figure = Figure(figsize=(5.6, 4.2), layout="constrained")
        panel = figure.subplots()
        panel.set_xscale("log")
        if run.result.exponents["beta_long"].notna().any():
            panel.axvspan(*run.result.curves.attrs["analysis"]["long_lags"], color=MARKED, zorder=0)
        for window in windows:
            panel.plot(*window.of(run.result, "beta"), linewidth=1.4, gid=f"beta:{window.number}", **window.look)
            lag, low = window.of(run.result, "beta_low")
            panel.fill_between(lag, low, window.of(run.result, "beta_high")[1], color=window.colour, alpha=0.15, linewidth=0)
        panel.axhline(1.0, **GUIDE)
        sides(panel)
        _centred(panel)
        panel.set_xlabel(LAG)
        panel.set_ylabel("local exponent β")
        time_legend(figure, colours_of(windows))
        return sign(figure, run.result)


def nulls(run: RunData) -> Figure | None:
    """Draw the local exponent of each window, in a panel of its own, against its nulls."""
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
            panel.set_xscale("log")
            against_nulls(panel, run.result.curves.isel(window=window.number), str(window.number))
            panel.set_title(f"$t_w$ = {window.start:,}" + (f", every {window.stride}" if window.stride > 1 else ""))
            panel.axhline(1.0, **GUIDE)
            below = panel.get_subplotspec().rowspan.start * columns + panel.get_subplotspec().colspan.start + columns
            panel.tick_params(labelbottom=below >= len(windows))
            panel.set_xlabel(LAG if below >= len(windows) else "")
        for row in axes:
            row[0].set_ylabel("local exponent β")
        sides(axes[0, 0])
        lines = [line.get_ydata() for panel in axes.flat for line in panel.lines if str(line.get_gid()).endswith(BOUNDING)]
        values = np.concatenate([[0.4, 1.6], *lines])  # without its mean a window's path ends where it began
        axes[0, 0].set_ylim(values.min() - 0.2, values.max() + 0.2)
        null_legend(figure)
        return sign(figure, run.result)


def _centred(panel: Axes) -> None:
    """Let both sides of 1 show, and every line; intervals may leave the panel."""
    values = np.concatenate([[0.52, 1.48], *(line.get_ydata() for line in panel.lines if line.get_gid())])
    margin = 0.04 * np.ptp(values)
    panel.set_ylim(values.min() - margin, values.max() + margin)
