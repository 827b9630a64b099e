"""What else could explain a run's exponents? The share of a mean that relaxes, and what is left of β.

And whether displacements are Gaussian, and updates independent.
"""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from anodiff.report.figures.lag_panels import LAG, label_sides
from anodiff.report.figures.run.data import RunData
from anodiff.report.figures.run.windows import DrawnWindow, drawn_windows, label_figure
from anodiff.report.figures.style import GUIDE, styled
from anodiff.report.figures.ticks import log_scale


def trend(run: RunData) -> Figure | None:
    """Draw the share of the MSD that is a relaxing mean, and the local exponent without it."""
    windows = drawn_windows(run.result, "trend_share")
    if not windows:
        return None
    with styled():
        figure, (left, right) = _panels()
        _draw(left, run, windows, "trend_share")
        left.set_ylim(-0.03, 1.03)
        left.set_ylabel("share of Δr² that is a relaxing mean")
        _draw(right, run, windows, "beta_residual")
        for window in windows:
            lag, low = window.curve(run.result, "beta_residual_null_low")
            high = window.curve(run.result, "beta_residual_null_high")[1]
            right.fill_between(lag, low, high, color=window.colour, alpha=0.15, linewidth=0)
        right.axhline(1.0, **GUIDE)
        right.set_ylabel("local exponent β without the mean")
        bottom, top = right.get_ylim()
        right.set_ylim(min(bottom, 0.8), max(top, 1.2))
        label_sides(right)
        return label_figure(figure, run.result, windows)


def increments(run: RunData) -> Figure | None:
    """Draw the non-Gaussian parameter of displacements, and the autocorrelation of updates."""
    windows = drawn_windows(run.result, "update_autocorrelation")
    if not windows:
        return None
    with styled():
        figure, (left, right) = _panels()
        _draw(left, run, windows, "non_gaussian")
        left.set_yscale("symlog", linthresh=0.1)
        left.set_ylabel("non-Gaussian parameter α₂")
        _draw(right, run, windows, "update_autocorrelation")
        right.set_yscale("symlog", linthresh=0.01)
        right.set_ylabel("autocorrelation of updates C(τ) / C(0)")
        for panel in (left, right):
            panel.axhline(0.0, **GUIDE)
        return label_figure(figure, run.result, windows)


def _panels() -> tuple[Figure, tuple[Axes, Axes]]:
    figure = Figure(figsize=(8.4, 3.9), layout="constrained")
    left, right = figure.subplots(1, 2)
    for panel in (left, right):
        log_scale(panel, "x")
        panel.set_xlabel(LAG)
    return figure, (left, right)


def _draw(panel: Axes, run: RunData, windows: list[DrawnWindow], name: str) -> None:
    for window in windows:
        lag, curve = window.curve(run.result, name)
        panel.plot(lag, curve, linewidth=1.3, gid=f"{name}:{window.number}", **window.look)
