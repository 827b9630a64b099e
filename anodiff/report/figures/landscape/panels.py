"""Pictures of the landscape along a path: slices with the path on them, profiles, and curvature."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure

from anodiff.errors import ConfigError
from anodiff.landscape.curvature_store import Curvature
from anodiff.landscape.directions import random_walk_null
from anodiff.landscape.slice_store import Slice
from anodiff.report.figures.style import CONFIGURATIONS, GUIDE, QUIET, styled

LEVELS = 14


def plane(found: Slice) -> Figure:
    """Draw a slice along two directions as a heat map with contours, and the path on it; losses on a logarithmic scale."""
    with styled():
        figure = Figure(figsize=(4.6, 3.9), layout="constrained")
        draw_plane(figure, figure.subplots(), found)
    return figure


def draw_plane(figure: Figure, axes: Axes, found: Slice) -> None:
    """Draw `plane` into a panel."""
    assert found.second is not None
    axes.grid(False)
    norm = _norm(found.loss)
    shown = np.ma.masked_invalid(found.loss)
    colours = matplotlib.colormaps["viridis"].with_extremes(bad="#d9d9d9")
    image = axes.pcolormesh(found.first, found.second, shown, norm=norm, cmap=colours, shading="nearest", rasterized=True)
    if norm.vmin is not None and norm.vmax is not None and norm.vmin < norm.vmax:
        spaced = np.geomspace if isinstance(norm, LogNorm) else np.linspace
        levels = spaced(norm.vmin, norm.vmax, LEVELS)[1:-1]
        axes.contour(found.first, found.second, shown, levels=levels, colors="white", linewidths=0.5, alpha=0.6)
    title = []
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
    if found.non_finite:
        title.append(f"{found.non_finite:,} points without a finite loss (grey)")
    explained = found.explained_variance if found.explained_variance is not None else [None, None]
    labels = [
        f"{label} ({found.unit}s)"
        if share is None
        else f"{label} ({found.unit}s)\n{share:.0%} of the variance; a random walk {null:.0%}"
        for label, share, null in zip(found.labels, explained, random_walk_null(), strict=True)
    ]
    axes.set_xlabel(labels[0])
    axes.set_ylabel(labels[1])
    axes.set_title("\n".join(title))
    bar = figure.colorbar(image, ax=axes, pad=0.02)
    bar.set_label("loss")
    bar.outline.set_visible(False)


def path_legend(axes: Axes, **options: Any) -> None:
    """Explain a path's ends, on a ground that is legible over any colour."""
    legend = axes.legend(loc="best", labelcolor="white", handletextpad=0.2, frameon=True, **options)
    legend.get_frame().set(facecolor="black", alpha=0.45, edgecolor="none")


def profiles(found: Sequence[Slice], names: Sequence[str]) -> Figure:
    """Draw slices along one direction over each other."""
    with styled():
        figure = Figure(figsize=(4.6, 3.2), layout="constrained")
        axes = figure.subplots()
        for number, (one, name) in enumerate(zip(found, names, strict=True)):
            axes.plot(
                one.first, one.loss, color=CONFIGURATIONS[number % len(CONFIGURATIONS)], linewidth=1.3, label=name, gid=name
            )
        values = np.concatenate([one.loss[np.isfinite(one.loss)] for one in found])
        if len(values) and values.min() > 0 and values.max() > 100 * values.min():
            axes.set_yscale("log")
        marks = (0, 1) if all(one.kind == "line" for one in found) else (0,)
        for mark in marks:
            axes.axvline(mark, **GUIDE)
        what = {one.labels[0] for one in found}
        axes.set_xlabel(f"{what.pop() if len(what) == 1 else 'direction'} ({found[0].unit}s)")
        axes.set_ylabel("loss")
        if len(found) > 1:
            axes.legend()
    return figure


def eigenvalues(found: Curvature) -> Figure:
    """Draw the Hessian's top eigenvalues during training, with the edge of stability."""
    with styled():
        figure = Figure(figsize=(5.4, 3.3), layout="constrained")
        axes = figure.subplots()
        draw_eigenvalues(axes, found)
        handles, labels = axes.get_legend_handles_labels()
        axes.legend(handles[::-1], labels[::-1], loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def draw_eigenvalues(axes: Axes, found: Curvature) -> None:
    """Draw `eigenvalues` into a panel."""
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
    axes.set_yscale("log")
    axes.set_xlabel("optimiser step")
    axes.set_ylabel("eigenvalue of the Hessian")


def density(found: Curvature, points: Sequence[int] | None = None) -> Figure:
    """Draw the Hessian's spectral density at some points, by their numbers; by default the first and the last.

    Raises
    ------
    ConfigError
        If the density was measured at none of them.
    """
    points = points if points is not None else sorted({0, len(found["step"]) - 1})
    points = [point for point in points if len(found["step"]) and np.isfinite(found["density_node"][point]).any()]
    if not points:
        raise ConfigError("no spectral density was measured at these points; measure the curvature with probes of at least 1")
    with styled():
        figure = Figure(figsize=(4.8, 3.2), layout="constrained")
        axes = figure.subplots()
        heights = []
        for number, point in enumerate(points):
            quadrature = found.density(point)
            low, high = np.nanmin(quadrature.nodes), np.nanmax(quadrature.nodes)
            width = (high - low) / 100
            at = np.linspace(low - 4 * width, high + 4 * width, 1500)
            curve = quadrature.smoothed(at, width)
            heights.append(curve.max())
            colour = CONFIGURATIONS[number % len(CONFIGURATIONS)]
            axes.plot(at, curve, color=colour, linewidth=1.2, label=f"step {found['step'][point]:,}", gid=f"point {point}")
        axes.set_yscale("log")
        axes.set_ylim(1e-7 * max(heights), 3 * max(heights))
        axes.axvline(0, **GUIDE)
        axes.set_xlabel("eigenvalue λ of the Hessian")
        axes.set_ylabel("density (per unit of λ)")
        axes.legend()
    return figure


def motion(found: Curvature, point: int = -1) -> Figure:
    """Draw the MSD of the window around a point, and its parts within the Hessian's top eigenvectors and outside."""
    with styled():
        figure = Figure(figsize=(4.6, 3.2), layout="constrained")
        axes = figure.subplots()
        lags = found["lag"]
        count = found["hessian_eigenvalue"].shape[1]
        drawn = (
            ("total", "all directions", "#000000"),
            ("within", f"within the top {count} eigenvectors", CONFIGURATIONS[1]),
            ("outside", "outside", CONFIGURATIONS[0]),
        )
        for name, label, colour in drawn:
            curve = found[f"msd_{name}"][point]
            known = np.isfinite(curve) & (curve > 0)
            axes.plot(lags[known], curve[known], color=colour, linewidth=1.3, label=label, gid=name)
        share = count / found.attributes["parameters"]
        axes.plot(lags, found["msd_total"][point] * share, **GUIDE, label=f"no preference: {share:.1e} of all")
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("lag τ (optimiser steps)")
        axes.set_ylabel("MSD Δr² (squared weight units)")
        axes.set_title(f"window from step {found['window_start'][point]:,}, eigenvectors at step {found['step'][point]:,}")
        axes.legend(labelcolor=QUIET)
    return figure


def _norm(loss: np.ndarray) -> Normalize:
    known = loss[np.isfinite(loss)]
    if not len(known):
        return Normalize(0, 1)
    low, high = float(known.min()), float(known.max())
    return LogNorm(low, high) if low > 0 and high > 5 * low else Normalize(low, high)


def _ordinal(number: int) -> str:
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
