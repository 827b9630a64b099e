"""Where in lag and waiting time is the motion anomalous? β(t_w, τ) as a map, a panel for each configuration."""

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
from anodiff.report.figures.style import DIVERGING, QUIET, Group, panels, styled
from anodiff.report.figures.sweep.seeds import WindowKey, mean_curve, null_band, windows
from anodiff.storage.types import FloatArray
from anodiff.sweep.results import RunResult

#: Ground where nothing was measured: dotted, which no colour of the map is in grey print.
UNKNOWN_GROUND: dict[str, Any] = {"facecolor": "#f2f2f2", "edgecolor": "#9a9a9a", "hatch": "..", "linewidth": 0}

#: Waiting times that are written beside the map, at most.
MOST_LABELS = 8

#: Hatches: what they mark, and their pattern.
HATCHES = {"interval": ("95 % interval holds 1", "////"), "null": ("not told from updates in random order", "\\\\\\\\")}

#: The colours reach at least so far from 1, and at most.
LEAST_REACH, MOST_REACH = 0.2, 1.0


def beta_map(runs: Sequence[RunResult]) -> Figure:
    """Draw β of every window and lag as colours, mean over seeds, with the line β = 1; hatched where it is not told apart."""
    with styled():
        figure, placed = panels(runs, LAG, "waiting time $t_w$ (optimiser steps)")
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
        for (panel, _), (beta, holds, within) in zip(placed, maps, strict=True):
            panel.grid(False)
            panel.patch.set(**UNKNOWN_GROUND)
            panel.pcolormesh(
                edges,
                np.arange(len(keys) + 1),
                np.ma.masked_invalid(beta),
                norm=norm,
                cmap=DIVERGING,
                gid="beta",
                rasterized=True,
            )
            _hatch(panel, edges, holds, "interval")
            _hatch(panel, edges, within, "null")
            _line_at_1(panel, lags, beta)
            panel.set_xscale("log")
            panel.set_xlim(edges[0], edges[-1])
            panel.set_ylim(0, len(keys))
            panel.set_yticks(ticks + 0.5, [str(keys[row]) for row in ticks])
            if not np.isfinite(beta).any():
                panel.text(0.5, 0.5, "nothing was measured", transform=panel.transAxes, ha="center", va="center", color=QUIET)
        bar = figure.colorbar(
            ScalarMappable(norm, DIVERGING),
            ax=[panel for panel, _ in placed],
            location="right",
            shrink=0.8,
            aspect=30,
            pad=0.02,
        )
        bar.set_label("local exponent β: above 1 superdiffusive, below subdiffusive")
        bar.ax.axhline(1.0, color="#000000", linewidth=1.0)
        handles = [Patch(facecolor="white", edgecolor="#000000", hatch=hatch, label=text) for text, hatch in HATCHES.values()]
        handles.append(Patch(**UNKNOWN_GROUND, label="not measured"))
        figure.legend(handles=handles, loc="outside upper left", ncols=3 if figure.get_figwidth() > 6 else 2, handleheight=1.4)
    return figure


def _map(group: Group, keys: Sequence[WindowKey], lags: FloatArray) -> tuple[FloatArray, NDArray[np.bool_], NDArray[np.bool_]]:
    """Return β of windows and lags, whether its interval holds 1, and whether it meets the band of updates in random order."""
    beta = np.full((len(keys), len(lags)), np.nan)
    holds, within = np.zeros(beta.shape, bool), np.zeros(beta.shape, bool)
    for row, key in enumerate(keys):
        curve = mean_curve(group, "beta", key)
        places = np.searchsorted(lags, curve.lags)
        beta[row, places] = curve.mean
        low, high = np.full((2, len(lags)), np.nan)
        low[places], high[places] = curve.low, curve.high
        holds[row] = (low <= 1) & (high >= 1)
        known, least, most = null_band(group, "shuffled", key)
        at = np.searchsorted(lags, known)
        within[row, at] = (low[at] <= most) & (high[at] >= least)
    return beta, holds, within


def _hatch(panel: Axes, edges: FloatArray, marked: NDArray[np.bool_], what: str) -> None:
    """Hatch cells of the map, neighbours in a row together."""
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
