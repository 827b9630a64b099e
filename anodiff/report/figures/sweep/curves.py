"""How do displacement and exponent depend on the lag?

MSD, local exponent, and its nulls, a panel for each configuration.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from anodiff.report.figures.lag_panels import (
    LAG,
    Curve,
    add_null_legend,
    chi_squared_scatter,
    draw_against_nulls,
    draw_guides,
    label_sides,
    show_both_sides,
    show_nulls,
)
from anodiff.report.figures.panels import Group, explain_if_empty, panels
from anodiff.report.figures.style import GUIDE, MARKED, add_time_legend, styled, time_colours, waiting_times
from anodiff.report.figures.sweep.seeds import mean_curve, windows
from anodiff.report.figures.ticks import log_scale
from anodiff.sweep.results import RunResult


def msd(runs: Sequence[RunResult]) -> Figure:
    """Draw the time-averaged MSD against the lag, with a line for each window and seed."""
    with styled():
        figure, placed = panels(runs, LAG, "MSD Δr² (squared weight units)")
        colours = time_colours(waiting_times(runs))
        for panel, group in placed:
            log_scale(panel, "y")
            drawn = []
            for run in group:
                for time, colour in colours.items():
                    samples = _windows(run, "effective_samples", time)
                    for place, (lag, curve) in enumerate(_windows(run, "msd", time)):
                        panel.plot(lag, curve, color=colour, linewidth=1.0, gid=f"{run.name}:{time}")
                        if place < len(samples):
                            _msd_interval(panel, (lag, curve), samples[place], colour)
                        drawn.append((lag, curve))
            draw_guides(panel, drawn)
            explain_if_empty(panel, _reason(group))
        add_time_legend(figure, colours)
    return figure


def beta(runs: Sequence[RunResult]) -> Figure:
    """Draw the local exponent β against the lag: single seeds thin, their mean bold."""
    with styled():
        figure, placed = panels(runs, LAG, "local exponent β")
        colours = time_colours(waiting_times(runs))
        for panel, group in placed:
            panel.axhline(1.0, **GUIDE)
            if any(run.exponents["beta_long"].notna().any() for run in group):
                panel.axvspan(*group[0].curves.attrs["analysis"]["long_lags"], color=MARKED, zorder=0)
            for time, colour in colours.items():
                _seeds_and_mean(panel, group, time, colour)
            explain_if_empty(panel, _reason(group))
        axes = [panel for panel, _ in placed]
        show_both_sides(axes)
        label_sides(*axes)
        add_time_legend(figure, colours)
    return figure


def nulls(runs: Sequence[RunResult]) -> Figure:
    """Draw the local exponent of each configuration's earliest window with its interval, and its
    nulls.
    """
    with styled():
        figure, placed = panels(runs, LAG, "local exponent β")
        for panel, group in placed:
            panel.axhline(1.0, **GUIDE)
            run = group[0]
            time = int(run.curves["waiting_time"].values.min())
            window = run.curves.isel(window=run.curves["waiting_time"].values == time).isel(window=0)
            draw_against_nulls(panel, window, run.name)
            explain_if_empty(panel, _reason(group))
        axes = [panel for panel, _ in placed]
        show_nulls(axes)
        label_sides(*axes)
        add_null_legend(figure)
    return figure


def _msd_interval(panel: Axes, msd: Curve, samples: Curve, colour: object) -> None:
    """Shade the 95 % interval of an MSD: the MSD divided by the χ² scatter of the mean of this many
    independent squares.
    """
    lags, first, second = np.intersect1d(msd[0], samples[0], return_indices=True)
    low, high = chi_squared_scatter(samples[1][second])
    panel.fill_between(lags, msd[1][first] / high, msd[1][first] / low, color=colour, alpha=0.15, linewidth=0)


def _windows(run: RunResult, name: str, time: int) -> list[Curve]:
    """Return lags and values of each window with this waiting time that has values; windows with a
    stride can share one.
    """
    lags, values = run.curves["lag"].values, run.curves[name].values
    rows = values[run.curves["waiting_time"].values == time]
    return [(lags[np.isfinite(row)], row[np.isfinite(row)]) for row in rows if np.isfinite(row).any()]


def _seeds_and_mean(panel: Axes, group: Group, time: int, colour: object) -> None:
    """Draw β of every window with this waiting time: single seeds thin, their mean bold with its
    interval.
    """
    for run in group if len(group) > 1 else ():
        for curve in _windows(run, "beta", time):
            panel.plot(*curve, color=colour, linewidth=0.6, alpha=0.6, gid=f"{run.name}:{time}")
    for key in windows(group):
        mean = mean_curve(group, "beta", key)
        if key.start == time and mean.seeds:
            panel.fill_between(mean.lags, mean.low, mean.high, color=colour, alpha=0.13, linewidth=0)
            panel.plot(mean.lags, mean.mean, color=colour, linewidth=1.6, gid=f"{group[0].group}:{time}")


def _reason(group: Group) -> str:
    """Say why nothing can be drawn, with the note of the table if there is one."""
    notes = [note for run in group for note in run.exponents["note"].dropna() if note]
    return notes[0] if notes else "no window with a finite value"
