"""What are the results of a sweep at a glance?

Exponents and tails by waiting time, and learning curves, a column for each model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogFormatter

from anodiff.report.figures.panels import diverged_at, explain_if_empty
from anodiff.report.figures.style import GUIDE, LOSS_UNITS, QUIET, styled
from anodiff.report.figures.sweep.columns import Column, Configuration, model_columns
from anodiff.report.figures.sweep.time_axis import few_ticks, time_axis
from anodiff.sweep.results import RunResult

#: Line style of the test and the training series.
LINES: dict[str, Any] = {"test": "-", "train": (0, (2, 1.5))}
#: Neither law is favoured at 5 % if Vuong's ratio is between ± this value.
UNDECIDED = 1.96


def exponents(runs: Sequence[RunResult]) -> Figure:
    """Draw each window's largest local exponent, and its exponent over the long lags, against its
    waiting time.
    """
    with styled():
        long_lags = {tuple(run.curves.attrs["analysis"]["long_lags"]) for run in runs}
        span = "{}–{}".format(*long_lags.pop()) if len(long_lags) == 1 else "each run's own"
        figure, columns = model_columns(
            runs,
            "waiting time $t_w$ (optimiser steps)",
            "largest local exponent β",
            f"exponent β over long lags\n({span} steps)",
        )
        for column in columns:
            for configuration in column.configurations:
                _draw_points(column.top, configuration, "beta_max")
                _draw_points(column.bottom, configuration, "beta_long")
            _shade_null_range(column.bottom, column.configurations)
            for panel in (column.top, column.bottom):
                panel.axhline(1.0, **GUIDE)
            _set_waiting_times(column)
            explain_if_empty(column.top, "no window with a finite value")
            explain_if_empty(column.bottom, f"no window reaches the long lags ({span} steps)")
    return figure


def tails(runs: Sequence[RunResult]) -> Figure:
    """Draw the stable exponent of gradients, and the law of the tail of step lengths, against each
    window's waiting time.
    """
    with styled():
        figure, columns = model_columns(
            runs,
            "waiting time $t_w$ (optimiser steps)",
            "stable exponent α of gradients",
            "power law against exponential\ntail of step lengths (Vuong)",
        )
        for column in columns:
            for configuration in column.configurations:
                _draw_points(column.top, configuration, "stable_alpha", _tails_of("standardised_gradient"))
                _draw_points(column.bottom, configuration, "against_exponential", _tails_of("step_length"))
            column.top.axhline(2.0, **GUIDE)
            column.bottom.axhline(0.0, **GUIDE)
            column.bottom.axhspan(-UNDECIDED, UNDECIDED, color=QUIET, alpha=0.18, linewidth=0, zorder=0.5)
            _set_waiting_times(column)
            explain_if_empty(column.top, "no window with a fitted stable law")
            explain_if_empty(column.bottom, "no window with two fitted tails")
    return figure


def learning(runs: Sequence[RunResult]) -> Figure:
    """Draw loss and accuracy against the optimiser step; a cross marks where a run diverged."""
    with styled():
        losses = {str(run.settings["training.loss"]) for run in runs}
        unit = LOSS_UNITS.get(losses.pop(), "loss") if len(losses) == 1 else "loss (each run's own)"
        figure, columns = model_columns(runs, "optimiser step", unit, "accuracy (fraction correct)")
        for column in columns:
            column.top.set_yscale("log", nonpositive="mask")
            column.top.yaxis.set_major_formatter(_Decimal())
            column.top.yaxis.set_minor_formatter(_Decimal())
            for configuration in column.configurations:
                for run in configuration.runs:
                    _draw_series(column.top, run, configuration, "loss")
                    _draw_series(column.bottom, run, configuration, "accuracy")
            for panel in (column.top, column.bottom):
                explain_if_empty(panel, "no finished epoch")
            end = max(run.curves.attrs["steps_completed"] for each in column.configurations for run in each.runs)
            column.bottom.set_xlim(-0.02 * end, max(1.03 * end, 1))
            few_ticks(column.bottom)
        kinds = [Line2D([], [], color=QUIET, linestyle=style, linewidth=1.1, label=kind) for kind, style in LINES.items()]
        if any(diverged_at(run) is not None for run in runs):
            kinds.append(Line2D([], [], color=QUIET, linestyle="", marker="x", label="diverged"))
        figure.legend(handles=kinds, loc="outside upper left", ncols=len(kinds))
    return figure


def _tails_of(quantity: str) -> Callable[[RunResult], pd.DataFrame]:
    """Return a function that selects the rows of a run's tails.csv for a quantity."""
    return lambda run: run.tails[run.tails["quantity"] == quantity]


def _draw_points(
    panel: Axes,
    configuration: Configuration,
    column: str,
    windows: Callable[[RunResult], pd.DataFrame] = attrgetter("exponents"),
) -> None:
    """Draw a point for each seed and window, with its interval if it has one, and a line through
    the means over seeds.
    """
    look: dict[str, Any] = {"color": configuration.colour, "marker": configuration.marker}
    values: dict[float, list[float]] = {}
    for run in configuration.runs:
        rows = windows(run).dropna(subset=[column])
        times, heights = rows["waiting_time"].to_numpy(float), rows[column].to_numpy(float)
        if f"{column}_low" in rows:
            low, high = (rows[f"{column}_{end}"].to_numpy(float) for end in ("low", "high"))
            panel.vlines(times, low, high, color=configuration.colour, linewidth=0.7, alpha=0.5)
        panel.plot(times, heights, linestyle="", markersize=3.5, markeredgewidth=0.6, alpha=0.75, gid=run.name, **look)
        for time, height in zip(times, heights, strict=True):
            values.setdefault(time, []).append(height)
    means = [(time, np.mean(values[time])) for time in sorted(values)]
    if means:
        panel.plot(*zip(*means, strict=True), color=configuration.colour, linewidth=1.2, gid=configuration.runs[0].group)


def _shade_null_range(panel: Axes, configurations: Sequence[Configuration]) -> None:
    """Shade the range of the long-lag exponents of updates in random order over the runs of a
    model.
    """
    nulls: dict[float, list[float]] = {}
    for run in (run for each in configurations for run in each.runs):
        drawn = run.exponents["beta_long"] - run.exponents["beta_long_above_shuffled"]
        for time, value in zip(run.exponents["waiting_time"], drawn, strict=True):
            if np.isfinite(value):
                nulls.setdefault(float(time), []).append(float(value))
    if nulls:
        times = sorted(nulls)
        low, high = ([end(nulls[time]) for time in times] for end in (min, max))
        panel.fill_between(times, low, high, color=QUIET, alpha=0.18, linewidth=0, zorder=0.5, gid="null")
        if len(times) == 1:
            panel.vlines(times, low, high, color=QUIET, alpha=0.3, linewidth=6, zorder=0.5)


def _set_waiting_times(column: Column) -> None:
    """Let both panels span the waiting times of the column's windows."""
    starts = [run.exponents["waiting_time"].to_numpy(float) for each in column.configurations for run in each.runs]
    time_axis(column.bottom, np.unique(np.concatenate(starts)))


def _draw_series(panel: Axes, run: RunResult, configuration: Configuration, quantity: str) -> None:
    """Draw a run's test and training series.

    The test series ends with the configuration's marker; crosses end a diverged run.
    """
    diverged = diverged_at(run) is not None
    for kind, style in LINES.items():
        values = run.curves[f"{kind}_{quantity}"].values
        finite = np.isfinite(values)
        steps, heights = run.curves["epoch_step"].values[finite], values[finite]
        panel.plot(
            steps,
            heights,
            color=configuration.colour,
            linestyle=style,
            linewidth=1.1 if kind == "test" else 0.8,
            alpha=0.85,
            marker="x" if diverged else configuration.marker if kind == "test" else "",
            markersize=5 if diverged else 3,
            markevery=[-1] if len(steps) else None,
            gid=f"{run.name}:{kind}",
        )


class _Decimal(LogFormatter):
    """Labels such as 0.2 and 0.5 for a logarithmic axis that is so short that its minor ticks need
    labels.
    """

    def __call__(self, x: float, pos: int | None = None) -> str:
        return f"{x:g}" if super().__call__(x, pos) else ""
