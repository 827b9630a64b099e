"""How are learning curves drawn? With their intervals and fitted laws, against the logarithm of the optimiser step."""

from __future__ import annotations

import math
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from anodiff.learning.columns import MODE
from anodiff.report.figures.style import GUIDE
from anodiff.report.figures.ticks import log_scale
from anodiff.storage.types import FloatArray
from anodiff.sweep.results import RunResult

#: Modes that are drawn, at most.
MOST_MODES = 6

#: Inches of an entry of the legend.
HANDLE = 1.05

#: Heights that a panel of curves shows; noise of weak modes may leave it.
SHOWN = (-0.3, 1.5)

STEP, PART = "optimiser step", "part learned"


def drawn_modes(runs: list[RunResult]) -> dict[str, Any]:
    """Return a colour for at most `MOST_MODES` modes of the runs, evenly spaced, dark for the strongest."""
    names = list(dict.fromkeys(name for run in runs for name in _modes(run)))
    chosen = np.unique(np.linspace(0, len(names) - 1, min(len(names), MOST_MODES)).round().astype(int))
    shades = np.linspace(0.0, 0.86, max(2, len(chosen)))
    return {names[number]: matplotlib.colormaps["viridis"](shade) for number, shade in zip(chosen, shades, strict=False)}


def draw_curve(panel: Axes, run: RunResult, name: str, split: str, **look: Any) -> bool:
    """Draw a learning curve of a run; return whether it has it."""
    curve = of_curve(run, "curve", name, split)
    if curve is None:
        return False
    steps, values = curve
    panel.plot(steps, values, **look)
    return True


def draw_law(panel: Axes, run: RunResult, name: str, split: str, colour: Any) -> None:
    """Draw the interval of a run's learning curve, shaded, and the law that fits best, dashed."""
    found = [of_curve(run, each, name, split) for each in ("curve_low", "curve_high", "curve_fitted")]
    low, high, fitted = (each for each in found)
    if low is None or high is None or fitted is None:
        return
    panel.fill_between(low[0], low[1], high[1], color=colour, alpha=0.18, linewidth=0)
    panel.plot(*fitted, color=colour, linewidth=1.2, linestyle=(0, (4, 2)), gid=f"{run.name}:{name}:law")


def of_curve(run: RunResult, array: str, name: str, split: str) -> tuple[FloatArray, FloatArray] | None:
    """Return steps from 1 on, and the values of an array of learning.zarr for a curve; None if the run has no such curve."""
    store = run.learning_curves
    for number, curve in enumerate(zip(store.attributes["curves"], store.attributes["splits"], strict=True)):
        if curve == (name, split):
            steps = store["step"].astype(float)
            return steps[steps > 0], store[array][steps > 0, number]
    return None


def curve_axes(panel: Axes) -> None:
    """Mark 0, a half and 1 of a panel of curves, and keep what noise of weak modes adds out of view."""
    log_scale(panel, "x")
    panel.axhline(0.5, **GUIDE)
    low, high = panel.get_ylim()
    panel.set_ylim(max(low, SHOWN[0]), min(high, SHOWN[1]))


def mode_legend(figure: Figure, colours: dict[str, Any]) -> None:
    """Add a legend of modes and their laws above the panels, in two lines if one is too short."""
    handles = [Line2D([], [], color=colour, linewidth=2, label=name) for name, colour in colours.items()]
    handles.append(Line2D([], [], color="#000000", linewidth=1.2, linestyle=(0, (4, 2)), label="fitted law"))
    one_line = HANDLE * len(handles) < figure.get_figwidth()
    figure.legend(handles=handles, loc="outside upper left", ncols=len(handles) if one_line else math.ceil(len(handles) / 2))


def _modes(run: RunResult) -> list[str]:
    table = run.learning
    return table.loc[(table["sort"] == MODE) & (table["split"] == "train"), "curve"].tolist()
