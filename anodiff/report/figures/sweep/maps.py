"""Where in lag and waiting time is the motion anomalous?

β(t_w, τ) as a map, a panel for each configuration.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import PolyCollection
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from anodiff.report.figures.lag_panels import LAG
from anodiff.report.figures.panels import Group, panels
from anodiff.report.figures.style import DIVERGING, QUIET, styled
from anodiff.report.figures.sweep.seeds import WindowKey, mean_curve, null_band, windows
from anodiff.storage.types import FloatArray
from anodiff.sweep.results import RunResult

#: Background where nothing was measured: dotted, to differ from all colours of the map in grey print.
UNMEASURED: dict[str, Any] = {"facecolor": "#f2f2f2", "edgecolor": "#9a9a9a", "hatch": "..", "linewidth": 0}

#: Waiting times that label the map, at most.
MOST_LABELS = 8

#: Meaning and pattern of the hatches.
HATCHES = {"interval": ("95 % interval contains 1", "////"), "null": ("interval overlaps random order", "\\\\\\\\")}

#: Inches: width of the bar of colours with its labels, and its height at most.
BAR = (1.0, 5.0)

#: Least and largest distance from 1 that the colours cover.
LEAST_REACH, MOST_REACH = 0.2, 1.0


def beta_map(runs: Sequence[RunResult]) -> Figure:
    """Draw β of every window and lag, mean over seeds, as a map with the line β = 1; hatched where
    β is not significant.
    """
    with styled():
        figure, placed = panels(runs, LAG, "waiting time $t_w$ (optimiser steps)", beside=BAR[0])
        shown = [run for _, group in placed for run in group]
        keys = windows(shown)
        lags = np.unique(np.concatenate([run.curves["lag"].values for run in shown])).astype(float)
        maps = [_map(group, keys, lags) for _, group in placed]
        reach = max((float(np.abs(beta - 1).max(initial=0, where=np.isfinite(beta))) for beta, *_ in maps), default=0)
        reach = min(max(LEAST_REACH, reach), MOST_REACH)
        norm = TwoSlopeNorm(1.0, 1 - reach, 1 + reach)
        inner = np.sqrt(lags[1:] * lags[:-1]) if len(lags) > 1 else lags[:0]
        edges = np.concatenate([[lags[0] / 1.1], inner, [lags[-1] * 1.1]])
        ticks = np.unique(np.linspace(0, len(keys) - 1, min(len(keys), MOST_LABELS)).round().astype(int))
        for (panel, _), (beta, contains_1, overlaps) in zip(placed, maps, strict=True):
            panel.grid(False)
            panel.patch.set(**UNMEASURED)
            panel.pcolormesh(
                edges,
                np.arange(len(keys) + 1),
                np.ma.masked_invalid(beta),
                norm=norm,
                cmap=DIVERGING,
                gid="beta",
                rasterized=True,
            )
            _hatch(panel, edges, contains_1, "interval")
            _hatch(panel, edges, overlaps, "null")
            _line_at_1(panel, lags, beta)
            panel.set_xlim(edges[0], edges[-1])
            panel.set_ylim(0, len(keys))
            panel.set_yticks(ticks + 0.5, [str(keys[row]) for row in ticks])
            if not np.isfinite(beta).any():
                panel.text(0.5, 0.5, "nothing was measured", transform=panel.transAxes, ha="center", va="center", color=QUIET)
        bar = figure.colorbar(
            ScalarMappable(norm, DIVERGING),
            ax=[panel for panel, _ in placed],
            location="right",
            shrink=min(0.8, BAR[1] / figure.get_figheight()),
            anchor=(0.0, 1.0),
            aspect=30,
            pad=0.02,
        )
        bar.set_label("local exponent β: above 1 superdiffusive, below subdiffusive")
        bar.ax.axhline(1.0, color="#000000", linewidth=1.0)
        handles = [Patch(facecolor="white", edgecolor="#000000", hatch=hatch, label=text) for text, hatch in HATCHES.values()]
        handles.append(Patch(**UNMEASURED, label="not measured"))
        figure.legend(handles=handles, loc="outside upper left", ncols=3 if figure.get_figwidth() > 6 else 2, handleheight=1.4)
    return figure


def _map(group: Group, keys: Sequence[WindowKey], lags: FloatArray) -> tuple[FloatArray, NDArray[np.bool_], NDArray[np.bool_]]:
    """Return β by window and lag, whether its interval contains 1, and whether it overlaps the band
    of updates in random order.

    Each has the shape (windows, lags).
    """
    beta = np.full((len(keys), len(lags)), np.nan)
    contains_1, overlaps = np.zeros(beta.shape, bool), np.zeros(beta.shape, bool)
    for row, key in enumerate(keys):
        curve = mean_curve(group, "beta", key)
        places = np.searchsorted(lags, curve.lags)
        beta[row, places] = curve.mean
        low, high = np.full((2, len(lags)), np.nan)
        low[places], high[places] = curve.low, curve.high
        contains_1[row] = (low <= 1) & (high >= 1)
        known, least, most = null_band(group, "shuffled", key)
        at = np.searchsorted(lags, known)
        overlaps[row, at] = (low[at] <= most) & (high[at] >= least)
    return beta, contains_1, overlaps


def _hatch(panel: Axes, edges: FloatArray, marked: NDArray[np.bool_], what: str) -> None:
    """Hatch the marked cells of the map; neighbours in a row become one box."""
    boxes = []
    for row, cells in enumerate(marked):
        changes = np.flatnonzero(np.diff(np.concatenate([[False], cells, [False]]).astype(int)))
        for first, last in zip(changes[::2], changes[1::2], strict=True):
            left, right = edges[first], edges[last]
            boxes.append([(left, row), (right, row), (right, row + 1), (left, row + 1)])
    if boxes:
        panel.add_collection(
            PolyCollection(boxes, facecolors="none", edgecolors="#3a3a3a", linewidths=0, hatch=HATCHES[what][1], gid=what),
            autolim=False,
        )


def _line_at_1(panel: Axes, lags: FloatArray, beta: FloatArray) -> None:
    known = beta[np.isfinite(beta)]
    if min(beta.shape) > 1 and len(known) and known.min() < 1 < known.max():
        line = panel.contour(
            lags, np.arange(len(beta)) + 0.5, np.ma.masked_invalid(beta), levels=[1.0], colors="#000000", linewidths=1.1
        )
        line.set_gid("line at 1")
