"""How good are the estimators?

Bias, spread and coverage on processes of known law, as measured by `anodiff calibrate`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from anodiff.report.figures.style import CONFIGURATIONS, GUIDE, QUIET, styled

#: Estimators that are drawn, from top to bottom; the table has all.
DRAWN = (
    "beta at lag 1",
    "beta at lag 10",
    "beta at lag 10 (block bootstrap)",
    "beta at lag 100",
    "beta at lag 100 (block bootstrap)",
    "beta_long",
    "beta_long (block bootstrap)",
    "beta_max",
    "exponent_first",
    "exponent_second",
    "exponent_third",
    "crossover_lag",
    "second_crossover_lag",
    "ageing_ratio",
    "path_dimension",
    "excursion_exponent",
    "loss_roughness of a linear loss",
    "stable_alpha of updates",
    "log_moment_index of updates",
)

#: Range in which the coverage of nominal 95 % intervals is considered good.
GOOD = (0.90, 0.98)

#: Larger biases are drawn at the edge.
FURTHEST = 0.5


def calibration(table: pd.DataFrame) -> Figure:
    """Draw a column of panels for each process: bias with spread, and coverage, by estimator and
    number of dimensions.
    """
    processes = list(dict.fromkeys(table["process"]))
    sizes = list(dict.fromkeys(table["dimensions"]))
    colours = dict(zip(sizes, CONFIGURATIONS * len(sizes), strict=False))
    with styled():
        figure = Figure(figsize=(2.1 + 1.25 * len(processes), 8.6), layout="constrained")
        axes = figure.subplots(2, len(processes), sharey=True, sharex="row", squeeze=False)
        for column, process in enumerate(processes):
            rows = table[table["process"] == process]
            for size, colour in colours.items():
                own = rows[rows["dimensions"] == size].set_index("estimator")
                shift = 0.22 * (sizes.index(size) - (len(sizes) - 1) / 2)
                _draw_bias(axes[0, column], own, shift, colour)
                _draw_coverage(axes[1, column], own, shift, colour)
            gaussian = bool(rows["gaussian"].iloc[0])
            axes[0, column].set_title(process if gaussian else f"{process} *", fontsize=7.5)
        for panel in axes[0]:
            panel.axvline(0, **GUIDE)
            panel.set_xlim(-1.1 * FURTHEST, 1.1 * FURTHEST)
        for panel in axes[1]:
            panel.axvspan(*GOOD, color="#e3efe6", zorder=0)
            panel.axvline(0.95, **GUIDE)
            panel.set_xlim(0, 1.02)
        for row in axes:
            row[0].set_yticks(range(len(DRAWN)), DRAWN)
            row[0].set_ylim(len(DRAWN) - 0.5, -0.5)
        paths, steps = int(table["paths"].max()), int(table["steps"].max())
        middle = axes[0, len(processes) // 2], axes[1, len(processes) // 2]
        middle[0].set_xlabel(
            "mean − truth, of lags relative to the truth; bar: standard deviation of a single path (beyond ±0.5 at the edge)"
        )
        middle[1].set_xlabel("fraction of 95 % intervals that contain the truth; bar: its own 95 % interval; shaded: 90–98 %")
        handles = [
            axes[0, 0].plot([], [], "o", color=colour, markersize=4, label=f"{size:,} dimension{'s' * (size > 1)}")[0]
            for size, colour in colours.items()
        ]
        figure.legend(
            handles=handles,
            loc="outside upper left",
            ncols=len(handles),
            title=f"{paths} paths of {steps:,} steps    * not Gaussian: the theory of the intervals does not apply",
            alignment="left",
        )
    return figure


def roughness_calibration(table: pd.DataFrame) -> Figure:
    """Draw bias with spread (top) and coverage (bottom) of the roughness estimators against H, for
    each kind of graph.
    """
    kinds = list(dict.fromkeys(table["process"].str.partition(",")[0]))
    estimators = list(dict.fromkeys(table["estimator"]))
    with styled():
        figure = Figure(figsize=(3.0 * len(kinds) + 0.4, 4.8), layout="constrained")
        axes = figure.subplots(2, len(kinds), sharex=True, sharey="row", squeeze=False)
        for column, kind in enumerate(kinds):
            rows = table[table["process"].str.startswith(kind)]
            for place, (estimator, own) in enumerate(rows.groupby("estimator", sort=False)):
                number = estimators.index(str(estimator))
                look = {"color": CONFIGURATIONS[number], "marker": "os^dvPX"[number], "markersize": 4, "linewidth": 1.0}
                at = own["truth"] + 0.012 * (place - 1)
                axes[0, column].errorbar(at, own["bias"], yerr=own["spread"], elinewidth=0.8, label=estimator, **look)
                error = np.array([own["coverage"] - own["coverage_low"], own["coverage_high"] - own["coverage"]])
                axes[1, column].errorbar(at, own["coverage"], yerr=np.abs(error), elinewidth=0.8, **look)
            size = f"{rows['steps'].iloc[0]:,}"
            axes[0, column].set_title(f"fields, {size} radii" if kind == "field" else f"{kind}s of {size} points a side")
            axes[0, column].axhline(0, **GUIDE)
            axes[1, column].axhspan(*GOOD, color="#e3efe6", zorder=0)
            axes[1, column].axhline(0.95, **GUIDE)
            axes[1, column].set_xlabel("Hurst exponent H")
        axes[0, 0].set_ylabel("mean − H; bar: σ of one graph")
        axes[1, 0].set_ylabel("coverage of 95 % intervals")
        handles: dict[str, Any] = {}
        for panel in axes[0]:
            handles |= dict(zip(*reversed(panel.get_legend_handles_labels()), strict=True))
        figure.legend(list(handles.values()), list(handles), loc="outside upper left", ncols=4)
    return figure


def _draw_bias(panel: Axes, rows: pd.DataFrame, shift: float, colour: str) -> None:
    for height, estimator in enumerate(DRAWN):
        if estimator not in rows.index:
            continue
        bias, spread, truth = (float(value) for value in rows.loc[estimator, ["bias", "spread", "truth"]].to_numpy(float))
        if estimator.endswith("_lag"):
            bias, spread = bias / truth, spread / truth
        if np.isfinite(spread):
            ends = np.clip([bias - spread, bias + spread], -FURTHEST, FURTHEST)
            panel.plot(ends, [height + shift] * 2, color=colour, linewidth=1.0, alpha=0.7)
        place = min(max(bias, -FURTHEST), FURTHEST)
        marker = "o" if place == bias else ("<" if bias < 0 else ">")
        panel.plot([place], [height + shift], marker, color=colour, markersize=2.8)


def _draw_coverage(panel: Axes, rows: pd.DataFrame, shift: float, colour: str) -> None:
    for height, estimator in enumerate(DRAWN):
        if estimator not in rows.index:
            continue
        value, low, high = rows.loc[estimator, ["coverage", "coverage_low", "coverage_high"]].to_numpy(float)
        by_bootstrap = "block bootstrap" in estimator
        panel.plot([low, high], [height + shift] * 2, color=QUIET if by_bootstrap else colour, linewidth=1.0, alpha=0.7)
        panel.plot(
            [value], [height + shift], "o", color=colour, markersize=2.8, markerfacecolor="white" if by_bootstrap else colour
        )
