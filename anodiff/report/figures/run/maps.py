"""How do a run's exponent and curvature change during training?

β as a map of lag and waiting time, and eigenvalues.
"""

from __future__ import annotations

import numpy as np
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure

from anodiff.report.figures.lag_panels import LAG
from anodiff.report.figures.landscape.panels import draw_eigenvalues
from anodiff.report.figures.run.data import RunData
from anodiff.report.figures.run.windows import label_figure
from anodiff.report.figures.style import DIVERGING, styled
from anodiff.report.figures.ticks import log_scale

#: Waiting times that label the map, at most.
MOST_LABELS = 16


def beta_map(run: RunData) -> Figure | None:
    """Draw β of every window and lag as a map, with dots where its interval contains 1."""
    curves = run.result.curves
    beta = curves["beta"].values
    if not np.isfinite(beta).any():
        return None
    lags, starts = curves["lag"].values.astype(float), curves["waiting_time"].values
    inner = np.sqrt(lags[1:] * lags[:-1])
    edges = (
        np.concatenate([[lags[0] ** 2 / inner[0]], inner, [lags[-1] ** 2 / inner[-1]]]) if len(lags) > 1 else lags * [0.5, 2]
    )
    rows = np.arange(len(starts) + 1)
    spread = max(0.2, float(np.nanmax(np.abs(beta - 1))))
    with styled():
        figure = Figure(figsize=(6.4, min(8.0, 2.0 + 0.28 * len(starts))), layout="constrained")
        panel = figure.subplots()
        panel.grid(False)
        image = panel.pcolormesh(
            edges,
            rows,
            np.ma.masked_invalid(beta),
            norm=TwoSlopeNorm(1.0, 1 - spread, 1 + spread),
            cmap=DIVERGING.with_extremes(bad="#d9d9d9"),
            gid="beta",
        )
        panel.set_facecolor("#d9d9d9")
        undecided = np.isfinite(beta) & (curves["beta_low"].values <= 1) & (curves["beta_high"].values >= 1)
        row, column = np.nonzero(undecided)
        panel.plot(lags[column], row + 0.5, ".", markersize=1.6, color="#000000", gid="undecided")
        log_scale(panel, "x")
        panel.set_xlim(edges[0], edges[-1])
        shown = np.unique(np.linspace(0, len(starts) - 1, min(len(starts), MOST_LABELS)).round().astype(int))
        panel.set_yticks(shown + 0.5, [f"{starts[row]:,}" for row in shown])
        panel.set_xlabel(LAG)
        panel.set_ylabel("waiting time $t_w$ (optimiser steps)")
        bar = figure.colorbar(image, ax=panel, pad=0.02)
        bar.set_label("local exponent β")
        bar.ax.set_yscale("linear")
        return label_figure(figure, run.result)


def hessian(run: RunData) -> Figure | None:
    """Draw the Hessian's largest eigenvalues during training, and the edge of stability."""
    if run.curvature is None or not len(run.curvature["step"]):
        return None
    with styled():
        figure = Figure(figsize=(5.4, 3.3), layout="constrained")
        axes = figure.subplots()
        draw_eigenvalues(axes, run.curvature)
        handles, labels = axes.get_legend_handles_labels()
        axes.legend(handles[::-1], labels[::-1], loc="center left", bbox_to_anchor=(1.0, 0.5))
        return label_figure(figure, run.result)
