"""What does a run learn when? Its modes, beside the motion of its windows; and its samples, one by one."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from anodiff.report.figures.learning_panels import PART, STEP, curve_axes, draw_curve, draw_law, drawn_modes, mode_legend
from anodiff.report.figures.run.data import RunData
from anodiff.report.figures.run.windows import label_figure
from anodiff.report.figures.style import DIVERGING, GUIDE, styled
from anodiff.sweep.results import RunResult
from anodiff.sweep.table_makers import learning_window_rows

#: Samples that are drawn, at most, evenly spaced in their order; labels of the axis of steps.
MOST_SAMPLES, MOST_LABELS = 500, 8

#: Shares of the margins whose colours are told apart.
EXTREME = (0.005, 0.995)


def modes(run: RunData) -> Figure | None:
    """Draw the learning curves of a run's modes with their laws, and below them what the windows learn and how they move."""
    if not run.result.has_learning:
        return None
    colours = drawn_modes([run.result])
    if not colours or not len(run.result.learning_curves["step"]):
        return None
    with styled():
        figure = Figure(figsize=(6.4, 6.2), layout="constrained")
        curves, learned, exponents = figure.subplots(3, 1, sharex=True, height_ratios=(2.0, 0.8, 1.0))
        for name, colour in colours.items():
            draw_curve(curves, run.result, name, "train", color=colour, linewidth=1.2, gid=name)
            draw_law(curves, run.result, name, "train", colour)
        curve_axes(curves)
        curves.set_ylabel(PART)
        _draw_windows(learned, exponents, run.result)
        exponents.set_xlabel(STEP)
        mode_legend(figure, colours)
        return label_figure(figure, run.result)


def samples(run: RunData) -> Figure | None:
    """Draw the margin of each training sample at each recorded step, sorted by learning time."""
    if not run.result.has_learning:
        return None
    store = run.result.learning_curves
    times, margins, steps = store["train_learning_time"], store["train_margin"], store["step"]
    if not margins.size or not np.isfinite(margins).any():
        return None
    order = np.lexsort((-np.nan_to_num(margins[-1]), np.where(np.isfinite(times), times, np.inf)))
    order = order[np.unique(np.linspace(0, len(order) - 1, min(len(order), MOST_SAMPLES)).round().astype(int))]
    shown = margins[:, order].T
    low, high = np.nanquantile(margins, EXTREME)
    with styled():
        figure = Figure(figsize=(6.4, 4.6), layout="constrained")
        panel = figure.subplots()
        panel.grid(False)
        image = panel.imshow(
            shown, aspect="auto", origin="lower", interpolation="none", gid="margins",
            cmap=DIVERGING.with_extremes(bad="#d9d9d9"),
            norm=TwoSlopeNorm(0.0, min(float(low), -1e-6), max(float(high), 1e-6)),
        )  # fmt: skip
        learned = times[order]
        known = np.isfinite(learned)
        places = np.interp(np.log1p(learned[known]), np.log1p(steps), np.arange(len(steps)))
        panel.plot(places, np.flatnonzero(known), color="#000000", linewidth=1.0, gid="learned")
        chosen = np.unique(np.linspace(0, len(steps) - 1, min(len(steps), MOST_LABELS)).round().astype(int))
        panel.set_xticks(chosen, [f"{steps[number]:,}" for number in chosen])
        panel.set_xlim(-0.5, len(steps) - 0.5)
        panel.set_xlabel("optimiser step (recorded points)")
        panel.set_ylabel(f"training sample, by learning time\n({len(order):,} of {len(times):,})")
        panel.set_yticks([])
        bar = figure.colorbar(image, ax=panel, pad=0.02)
        bar.set_label("margin (units of the outputs)")
        return label_figure(figure, run.result)


def _draw_windows(learned: Axes, exponents: Axes, run: RunResult) -> None:
    """Draw for each window how many modes are in transition, and its largest exponent."""
    rows = learning_window_rows(run)
    first, last = np.maximum(rows["waiting_time"].to_numpy(float), 1), (rows["waiting_time"] + rows["length"]).to_numpy(float)
    number = rows["modes_in_transition"].to_numpy(float)
    known = np.isfinite(number)
    learned.bar(
        first[known], number[known], (last - first)[known], align="edge", color="#c9d3e3", edgecolor="#0B4A9E", linewidth=0.6
    )
    learned.set_ylabel("modes in\ntransition")
    learned.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    learned.set_ylim(0, max(1.0, np.nanmax(number, initial=0)) * 1.1)
    exponents.axhline(1.0, **GUIDE)
    value = rows["beta_max"].to_numpy(float)
    low, high = (rows[f"beta_max_{end}"].to_numpy(float) for end in ("low", "high"))
    middle = np.sqrt(first * last)
    exponents.hlines(value, first, last, color="#D55E00", linewidth=1.6)
    exponents.vlines(middle, np.where(np.isfinite(low), low, value), np.where(np.isfinite(high), high, value), color="#D55E00")
    exponents.plot(middle, value, color="#D55E00", marker="o", markersize=4, linestyle="", gid="beta_max")
    exponents.set_ylabel("largest local\nexponent β")
