"""Is a run anomalous at long lags, and does it age?

Long-lag exponents, and displacements from one point.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import scipy
from matplotlib.figure import Figure

from anodiff.diffusion.intervals import COVERAGE
from anodiff.report.figures.lag_panels import LAG, chi_squared_scatter, label_sides
from anodiff.report.figures.run.data import RunData
from anodiff.report.figures.run.windows import against_waiting_time, drawn_windows, label_figure, waiting_time_axis
from anodiff.report.figures.style import CONFIGURATIONS, GUIDE, MARKED, styled
from anodiff.report.figures.ticks import log_scale

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def long_lags(run: RunData) -> Figure | None:
    """Draw the MSD at long lags, divided by its value at the first of them, and the exponent there
    of every window.
    """
    rows = run.result.exponents
    first, last = run.result.curves.attrs["analysis"]["long_lags"]
    windows = drawn_windows(run.result)
    if not windows or rows["beta_long"].isna().all():
        return None
    with styled():
        figure = Figure(figsize=(8.4, 3.9), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=(1.15, 1))
        log_scale(left, "x", "y")
        for window in windows:
            lag, curve = window.curve(run.result, "msd")
            long = lag >= first
            if long.sum() > 1:
                left.plot(lag[long], curve[long] / curve[long][0], linewidth=1.3, gid=f"long:{window.number}", **window.look)
        ends = np.array([first, max(last, *(line.get_xdata()[-1] for line in left.lines))], float)
        left.plot(ends, ends / ends[0], **GUIDE)
        left.set_xlabel(LAG)
        left.set_ylabel(f"Δr²(τ) / Δr²({first:,})")
        _draw_null_band(right, rows)
        against_waiting_time(right, rows, "beta_long", "#000000", label="original updates")
        waiting_time_axis(right)
        right.set_ylabel(f"exponent β over lags {first:,}–{last:,}")
        right.axhline(1.0, **GUIDE)
        low, high = right.get_ylim()
        right.set_ylim(min(low, 0.7) - 0.1, max(high, 1.3) + 0.2)
        label_sides(right)
        right.legend(loc="best")
        return label_figure(figure, run.result, windows)


def _draw_null_band(panel: Axes, rows: pd.DataFrame) -> None:
    """Draw the long-lag exponent of shuffled updates, mean and 95 % of the draws, from the table's
    columns.

    The table has the difference from the null and this difference in standard deviations, which
    combine those of the exponent and of the draws: σ² = σ_exponent² + σ_draws².
    """
    known = rows[rows["beta_long_above_shuffled"].notna()]
    above = known["beta_long_above_shuffled"].to_numpy()
    mean = known["beta_long"].to_numpy() - above
    error = above / known["beta_long_sigma_shuffled"].to_numpy()
    reach = float(scipy.special.ndtri((1 + COVERAGE) / 2))
    own = (known["beta_long_high"] - known["beta_long_low"]).to_numpy() / 3.92
    spread = reach * np.sqrt(np.maximum(error**2 - own**2, 0))
    times = known["waiting_time"].to_numpy(float)
    width = 0.35 * np.diff(np.unique(times)).min(initial=rows["length"].min())
    for number, time in enumerate(times):
        panel.fill_between(
            time + np.array([-width, width]), *(mean[number] + side * spread[number] for side in (-1, 1)),
            color=CONFIGURATIONS[1], alpha=0.25, linewidth=0, label="in random order" if number == 0 else None,
        )  # fmt: skip
        panel.hlines(mean[number], time - width, time + width, color=CONFIGURATIONS[1], linewidth=1.0)


def ageing(run: RunData) -> Figure | None:
    """Draw the displacement from each window's first point, its time average, and their ratio."""
    windows = drawn_windows(run.result)
    if not windows:
        return None
    with styled():
        figure = Figure(figsize=(8.4, 3.9), layout="constrained")
        left, right = figure.subplots(1, 2)
        for panel in (left, right):
            log_scale(panel, "x", "y")
            panel.set_xlabel(LAG)
        for window in windows:
            lag, averaged = window.curve(run.result, "msd")
            _, single = window.curve(run.result, "ageing_msd")
            left.plot(lag, averaged, linewidth=1.2, gid=f"averaged:{window.number}", **window.look)
            left.plot(
                lag,
                single,
                linewidth=1.0,
                gid=f"single:{window.number}",
                **(window.look | {"linestyle": (0, (3, 1.2)), "marker": ""}),
            )
            right.plot(lag, single / averaged, linewidth=1.2, gid=f"ratio:{window.number}", **window.look)
        dimension = run.result.curves["effective_dimension"].median("window").dropna("lag")
        low, high = chi_squared_scatter(dimension.values)
        right.fill_between(dimension["lag"], low, high, color=MARKED, linewidth=0, zorder=0)
        left.set_ylabel("Δr² (squared weight units)")
        right.set_ylabel("from the first point / time average")
        right.axhline(1.0, **GUIDE)
        return label_figure(figure, run.result, windows)
