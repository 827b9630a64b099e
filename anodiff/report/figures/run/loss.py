"""How does a run's loss change step by step?

Learning curve, changes and their avalanches, moving variance.
"""

from __future__ import annotations

import itertools

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from anodiff.diffusion.avalanches import loss_avalanches
from anodiff.report.figures.lag_panels import chi_squared_scatter
from anodiff.report.figures.panels import diverged_at
from anodiff.report.figures.run.data import RunData
from anodiff.report.figures.run.windows import label_figure
from anodiff.report.figures.style import CONFIGURATIONS, LOSS_UNITS, styled
from anodiff.report.figures.ticks import log_scale
from anodiff.storage.types import FloatArray

#: Values that are drawn one by one, at most: two for each point (1/72 inch) of the panel's width. A longer series is drawn as
#: median and range of this many stretches.
MOST_POINTS, STRETCHES = 1000, 500

#: Avalanches of all windows that are marked, at most; the largest are.
MOST_AVALANCHES = 200

#: Steps over which the moving variance is taken; at most one such part of the run.
WIDTH, PART = 50, 10

TEST, TRAIN = CONFIGURATIONS[1], CONFIGURATIONS[0]


def loss(run: RunData) -> Figure | None:
    """Draw loss, accuracy, |ΔL| with its avalanches, and the moving variance of the loss against
    the optimiser step.
    """
    losses = run.series["loss"].astype(np.float64)
    if not np.isfinite(losses).any():
        return None
    unit = LOSS_UNITS.get(str(run.result.settings["training.loss"]), "loss")
    with styled():
        figure = Figure(figsize=(7.2, 8.2), layout="constrained")
        top, accuracy, changes, variance = figure.subplots(4, 1, sharex=True, height_ratios=(1.3, 0.8, 1.1, 1))
        steps = np.arange(len(losses), dtype=np.float64)
        draw_series(top, steps, losses, "#9a9a9a", "mini-batch", "loss")
        _draw_epochs(top, run, "loss")
        log_scale(top, "y", nonpositive="mask")
        top.set_ylabel(unit)
        _draw_epochs(accuracy, run, "accuracy")
        accuracy.set_ylabel("accuracy\n(fraction correct)")
        draw_series(changes, steps[:-1], np.abs(np.diff(losses)), "#9a9a9a", "|ΔL|", "change")
        _draw_avalanches(changes, run)
        log_scale(changes, "y", nonpositive="mask")
        changes.set_ylabel("change of loss in a\nstep, |ΔL|")
        width = max(2, min(WIDTH, len(losses) // PART))
        moving = moving_variance(losses, width)
        centres = steps[: len(moving)] + (width - 1) / 2
        low, high = chi_squared_scatter(np.array(width - 1.0))
        if (moving > 0).any():
            variance.fill_between(*thinned(centres, moving / high, moving / low), color=TRAIN, alpha=0.2, linewidth=0)
        draw_series(variance, centres, moving, TRAIN, "", "variance")
        log_scale(variance, "y", nonpositive="mask")
        variance.set_ylabel(f"variance of the loss\nover {width} steps")
        variance.set_xlabel("optimiser step")
        variance.xaxis.set_major_formatter("{x:,.0f}")
        for panel in (top, accuracy, changes):
            if panel.get_legend_handles_labels()[0]:
                panel.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
            if (step := diverged_at(run.result)) is not None:
                panel.axvline(step, color="#000000", linewidth=0.9, linestyle=":")
        return label_figure(figure, run.result)


def draw_series(panel: Axes, steps: FloatArray, values: FloatArray, colour: str, label: str, name: str) -> None:
    """Draw every value of a series, or for a long one the median and range of each stretch."""
    if len(steps) <= MOST_POINTS:
        panel.plot(steps, values, color=colour, linewidth=0.7, label=label, gid=name)
        return
    edges = np.linspace(0, len(steps), STRETCHES + 1).astype(int)
    parts = [values[first:last] for first, last in itertools.pairwise(edges)]
    known = [part[np.isfinite(part)] for part in parts]
    low, middle, high = (
        np.array([np.quantile(part, level) if len(part) else np.nan for part in known]) for level in (0, 0.5, 1)
    )
    centres = (steps[edges[:-1]] + steps[edges[1:] - 1]) / 2
    panel.fill_between(centres, low, high, color=colour, alpha=0.35, linewidth=0)
    panel.plot(centres, middle, color=colour, linewidth=0.9, label=label, gid=name)


def moving_variance(values: FloatArray, width: int) -> FloatArray:
    """Return the unbiased variance of each ``width`` consecutive values, shape (n − width + 1,).

    NaN if one of them is not finite; empty for fewer values than ``width``. The pitfall: a loss
    that falls within the stretch adds the variance of its trend, width² slope² / 12.
    """
    if len(values) < width:
        return np.empty(0)
    series = np.where(np.isfinite(values), values, np.nan)
    return np.lib.stride_tricks.sliding_window_view(series, width).var(axis=1, ddof=1)


def thinned(*curves: FloatArray) -> list[FloatArray]:
    """Return at most `MOST_POINTS` points of each curve, evenly spaced."""
    every = -(-len(curves[0]) // MOST_POINTS)
    return [curve[::every] for curve in curves]


def _draw_epochs(panel: Axes, run: RunData, quantity: str) -> None:
    """Draw the training mean and the test value of loss or accuracy by epoch."""
    for kind, colour, dashes, label in (("train", TRAIN, "--", "training, by epoch"), ("test", TEST, "-", "test")):
        values = run.result.curves[f"{kind}_{quantity}"].values
        known = np.isfinite(values)
        if known.any():
            steps = run.result.curves["epoch_step"].values[known]
            marker = "o" if kind == "test" and known.sum() < 60 else ""
            panel.plot(
                steps, values[known], color=colour, linestyle=dashes, linewidth=1.2, marker=marker, markersize=2.5, label=label,
                gid=f"{kind}_{quantity}",
            )  # fmt: skip


def _draw_avalanches(panel: Axes, run: RunData) -> None:
    """Draw each window's threshold, and mark the largest avalanches at their largest change."""
    marks: list[tuple[float, float, float]] = []
    label = "threshold, one σ"
    for number, window in enumerate(run.geometries.windows):
        if window.stride > 1 or not run.geometries.reached(window):
            continue
        points = run.geometries.point_series("loss", number)
        found = loss_avalanches(points)
        if not np.isfinite(found.threshold_value):
            continue
        panel.hlines(
            found.threshold_value, window.start, window.start + window.length, color="#000000", linewidth=0.9, linestyle="--",
            label=label,
        )  # fmt: skip
        label = "_no second entry"
        changes = np.abs(np.diff(points))
        for start, duration, size in zip(found.starts, found.durations, found.sizes, strict=True):
            largest = start + int(np.argmax(changes[start : start + duration]))
            marks.append((size, window.start + largest, changes[largest]))
    kept = np.array(sorted(marks)[-MOST_AVALANCHES:])
    if len(kept):
        panel.plot(
            kept[:, 1],
            kept[:, 2],
            ".",
            color=TEST,
            markersize=3,
            label=f"avalanches\n({len(kept):,} largest of {len(marks):,})",
            gid="avalanches",
        )
