"""How are a slice of the landscape and the curvature along a path drawn?

Panels, for the figures of a run and of a sweep.
"""

from __future__ import annotations

from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure

from anodiff.landscape.curvature_store import Curvature
from anodiff.landscape.directions import random_walk_null
from anodiff.landscape.slice_store import Slice
from anodiff.report.figures.style import CONFIGURATIONS, GUIDE
from anodiff.report.figures.ticks import label_log_axis, log_scale

#: Contour lines of a slice.
LEVELS = 14


def draw_plane(figure: Figure, axes: Axes, found: Slice) -> None:
    """Draw a slice along two directions as a heat map with contours, and the path on it, if it has
    one.

    The colours are logarithmic if all losses are positive and span more than a factor of 5.
    """
    assert found.second is not None
    axes.grid(False)
    norm = _colour_scale(found.loss)
    shown = np.ma.masked_invalid(found.loss)
    colours = matplotlib.colormaps["viridis"].with_extremes(bad="#d9d9d9")
    image = axes.pcolormesh(found.first, found.second, shown, norm=norm, cmap=colours, shading="nearest", rasterized=True)
    if norm.vmin is not None and norm.vmax is not None and norm.vmin < norm.vmax:
        spaced = np.geomspace if isinstance(norm, LogNorm) else np.linspace
        levels = spaced(norm.vmin, norm.vmax, LEVELS)[1:-1]
        axes.contour(found.first, found.second, shown, levels=levels, colors="white", linewidths=0.5, alpha=0.6)
    if found.path is not None and found.path_steps is not None:
        axes.plot(*found.path.T, color="white", linewidth=1.8, alpha=0.8)
        axes.plot(*found.path.T, color="#000000", linewidth=0.8, gid="path")
        first, last = found.path_steps[[0, -1]]
        axes.plot(*found.path[0], "o", color="white", markeredgecolor="#000000", markersize=5, label=f"step {first:,}")
        axes.plot(
            *found.path[-1], "s", color=CONFIGURATIONS[1], markeredgecolor="#000000", markersize=5, label=f"step {last:,}"
        )
        path_legend(axes)
    else:
        axes.plot(0, 0, "+", color="white", markersize=7)
    explained = found.explained_variance if found.explained_variance is not None else [None, None]
    labels = [
        f"{label} ({found.unit}s)"
        if share is None
        else f"{label} ({found.unit}s)\n{share:.0%} of the variance (random walk: {null:.0%})"
        for label, share, null in zip(found.labels, explained, random_walk_null(), strict=True)
    ]
    axes.set_xlabel(labels[0])
    axes.set_ylabel(labels[1])
    axes.set_title(f"{found.non_finite:,} points without a finite loss (grey)" if found.non_finite else "")
    bar = figure.colorbar(image, ax=axes, pad=0.02)
    if isinstance(norm, LogNorm):
        label_log_axis(bar.ax.yaxis)
    bar.set_label("loss")
    bar.outline.set_visible(False)


def path_legend(axes: Axes, **options: Any) -> None:
    """Add a legend of the ends of a path, on a background that is legible over any colour."""
    legend = axes.legend(loc="best", labelcolor="white", handletextpad=0.2, frameon=True, **options)
    legend.get_frame().set(facecolor="black", alpha=0.45, edgecolor="none")


def draw_eigenvalues(axes: Axes, found: Curvature) -> None:
    """Draw the Hessian's top eigenvalues during training, the largest of the Gauss–Newton matrix,
    and the edge of stability.
    """
    order = np.argsort(found["step"])
    steps, values = found["step"][order], found["hessian_eigenvalue"][order]
    ranks = values.shape[1]
    shades = np.linspace(0.0, 0.82, ranks)
    for rank in reversed(range(ranks)):
        colour = matplotlib.colormaps["viridis"](shades[rank])
        positive = np.where(values[:, rank] > 0, values[:, rank], np.nan)
        label = {0: "largest", ranks - 1: f"{_ordinal(ranks)} largest"}.get(rank)
        axes.plot(
            steps,
            positive,
            color=colour,
            linewidth=1.6 if rank == 0 else 0.7,
            marker=".",
            markersize=4,
            label=label,
            gid=f"rank {rank + 1}",
        )
    leading = found["gauss_newton_eigenvalue"][order, 0]
    if np.isfinite(leading).any():
        axes.plot(steps, leading, color=CONFIGURATIONS[1], linewidth=1.0, linestyle=":", label="largest, Gauss–Newton")
    edge = found["threshold"][order]
    if np.isfinite(edge).any():
        momentum = found.attributes.get("settings", {}).get("optimiser", {}).get("momentum", 0)
        text = "edge of stability, 2(1 + μ)/η" if momentum else "edge of stability, 2/η"
        axes.plot(steps, edge, **(GUIDE | {"color": "#000000"}), label=text, gid="edge")
    log_scale(axes, "y")
    axes.set_xlabel("optimiser step")
    axes.set_ylabel("eigenvalue of the Hessian")


def _colour_scale(loss: np.ndarray) -> Normalize:
    known = loss[np.isfinite(loss)]
    if not len(known):
        return Normalize(0, 1)
    low, high = float(known.min()), float(known.max())
    return LogNorm(low, high) if low > 0 and high > 5 * low else Normalize(low, high)


def _ordinal(number: int) -> str:
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
