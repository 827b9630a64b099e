"""Are a run's steps and gradients heavy-tailed?

Distributions with Gaussian and stable laws, and α of every window.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from anodiff.diffusion.jumps import standardised
from anodiff.diffusion.stable_law import StableLaw
from anodiff.report.figures.run.data import RunData
from anodiff.report.figures.run.windows import against_waiting_time, label_figure, waiting_time_axis
from anodiff.report.figures.style import CONFIGURATIONS, GUIDE, styled
from anodiff.report.figures.ticks import log_scale
from anodiff.storage.types import FloatArray

#: Quantities of tails.csv that are drawn: heading, axis label, marker, colour.
DRAWN = {
    "gradient": ("gradient entries, pooled", "gradient entry (loss per weight unit)", "o", CONFIGURATIONS[0]),
    "standardised_gradient": (
        "gradient entries, each parameter's\nstandardised",
        "entry (in interquartile ranges)",
        "s",
        CONFIGURATIONS[1],
    ),
    "step_length": ("step lengths", "|Δw| (weight units)", "^", CONFIGURATIONS[2]),
    "noise_norm": ("norms of the gradient noise", "norm (loss per weight unit)", "D", CONFIGURATIONS[3]),
}

#: Share of the values beyond each end of the axis, and number of bins between its ends.
BEYOND, BINS = 2e-4, 60


def gradients(run: RunData) -> Figure | None:
    """Draw the distributions of the first and the last window, and α of every window."""
    tails = run.result.tails
    fitted = tails[tails["quantity"].isin(DRAWN) & tails["stable_alpha"].notna()]
    if not len(fitted):
        return None
    quantities = [quantity for quantity in DRAWN if (fitted["quantity"] == quantity).any()]
    shown = sorted({int(fitted["window"].min()), int(fitted["window"].max())})
    with styled():
        figure = Figure(figsize=(max(5.6, 2.75 * len(quantities)), 2.5 * len(shown) + 2.6), layout="constrained")
        (above,), (beneath,) = figure.subfigures(2, 1, squeeze=False, height_ratios=(2.4 * len(shown) + 0.3, 2.3))
        axes = above.subplots(len(shown), len(quantities), squeeze=False)
        for panels, window in zip(axes, shown, strict=True):
            for panel, quantity in zip(panels, quantities, strict=True):
                row = fitted[(fitted["window"] == window) & (fitted["quantity"] == quantity)]
                values = read_values(run, window, quantity)
                if len(row) and len(values):
                    draw_distribution(panel, values, row.iloc[0])
                else:
                    panel.set_axis_off()
                heading, unit, *_ = DRAWN[quantity]
                start = run.geometries.windows[window].start
                head = f"{heading}\n" if window == shown[0] else ""
                alpha = _alpha(row.iloc[0]) if len(row) else "not measured"
                panel.set_title(f"{head}$t_w$ = {start:,}: {alpha}")
                panel.set_xlabel(unit if window == shown[-1] else "")
            panels[0].set_ylabel("density")
        above.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper left", ncols=3)
        below = beneath.subplots()
        for quantity in quantities:
            heading, _, marker, colour = DRAWN[quantity]
            own = fitted[fitted["quantity"] == quantity]
            against_waiting_time(below, own, "stable_alpha", colour, marker=marker, label=heading.replace("\n", " "))
        below.axhline(2.0, **GUIDE)
        below.set_ylim(top=2.08)
        waiting_time_axis(below)
        below.set_ylabel("stable α; 2 is Gaussian")
        below.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
        return label_figure(figure, run.result)


def read_values(run: RunData, window: int, quantity: str) -> FloatArray:
    """Return the values of a window that tails.csv describes, shape (values,); empty if there are
    none.
    """
    if quantity == "step_length":
        return run.path(window).step_lengths
    if quantity == "noise_norm":
        norms = run.geometries.point_series("noise_norm", window)
        return norms[np.isfinite(norms)]
    entries = run.geometries.gradients(window)
    if entries is None:
        return np.empty(0)
    known = entries[np.isfinite(entries).all(axis=1)]
    return (standardised(known) if quantity == "standardised_gradient" else known).ravel()


def draw_distribution(panel: Axes, values: FloatArray, row: pd.Series) -> None:
    """Draw a histogram as a density, the Gaussian of the same mean and variance, and the stable law
    of a row of tails.csv.
    """
    low, high = np.quantile(values, [BEYOND, 1 - BEYOND])
    edges = np.linspace(low, high, BINS + 1) if high > low else np.linspace(low - 1, low + 1, BINS + 1)
    counts, _ = np.histogram(values, edges)
    density = counts / len(values) / np.diff(edges)  # of all values, including those beyond the axis
    floor = density[density > 0].min() / 3
    panel.stairs(np.maximum(density, floor), edges, baseline=floor, fill=True, color="#c9d6e2", label="values", gid="values")
    x = np.linspace(edges[0], edges[-1], 301)
    mean, deviation = values.mean(), values.std()
    gaussian = np.exp(-(((x - mean) / deviation) ** 2) / 2) / (deviation * np.sqrt(2 * np.pi))
    panel.plot(x, gaussian, **(GUIDE | {"color": "#000000", "linewidth": 1.1}), label="Gaussian", gid="gaussian")
    law = StableLaw(*(float(row[f"stable_{name}"]) for name in ("alpha", "beta", "scale", "location")))
    stable = law.density(x)
    panel.plot(x, stable, color=CONFIGURATIONS[1], linewidth=1.3, label="stable law", gid="stable")
    log_scale(panel, "y", nonpositive="mask")
    panel.set_ylim(floor, 3 * max(density.max(), np.nanmax(stable)))
    panel.locator_params(axis="x", nbins=4)


def _alpha(row: pd.Series) -> str:
    value, low, high = (row[f"stable_alpha{end}"] for end in ("", "_low", "_high"))
    return f"α = {value:.2f}" + (f" [{low:.2f}, {high:.2f}]" if np.isfinite([low, high]).all() else "")
