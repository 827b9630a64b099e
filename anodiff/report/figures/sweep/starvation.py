"""Does a cue starve the shapes? Test samples with the cue, without it and with another one, by the fraction of cues."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from anodiff.errors import ConfigError
from anodiff.learning.columns import ALL, PROBE
from anodiff.report.figures.learning_panels import PART, STEP, of_curve
from anodiff.report.figures.panels import explain_if_empty, wrapped
from anodiff.report.figures.style import CONFIGURATIONS, GUIDE, MARKERS, QUIET, styled
from anodiff.report.figures.ticks import log_scale
from anodiff.sweep.learning_claims import FRACTION, STRENGTH
from anodiff.sweep.results import RunResult

#: Rows of a figure, at most; heights that are shown; inches of a panel; size of its title in points.
MOST_ROWS, SHOWN, WIDTH, TITLE = 8, (-1.2, 1.1), 2.4, 8.5

#: The test samples as the training samples are.
AS_TRAINED = "as trained"

#: Settings of a row by dotted key, and its runs by fraction.
Rows = list[tuple[str, dict[float, list[RunResult]]]]


def starvation(runs: Sequence[RunResult]) -> Figure:
    """Draw the curves of each probe, coloured by the fraction of cues, and the accuracy at the end against it.

    Raises
    ------
    ConfigError
        If no run has a cue.
    """
    found = list(dict.fromkeys(name for run in runs for name in _probes(run)))
    if not found:
        raise ConfigError("no run has a cue, whose removal the figure starvation is about; set data.cue")
    probes = [AS_TRAINED, *found]
    rows = _rows(runs)
    shown = rows[:MOST_ROWS]
    fractions = sorted({fraction for _, own in rows for fraction in own})
    shades = np.linspace(0.0, 0.86, max(2, len(fractions)))
    colours = {fraction: matplotlib.colormaps["viridis"](shade) for fraction, shade in zip(fractions, shades, strict=False)}
    with styled():
        columns = len(probes) + 1
        figure = Figure(figsize=(WIDTH * columns + 0.4, 2.2 * len(shown) + 0.9), layout="constrained")
        axes = figure.subplots(len(shown), columns, squeeze=False, sharex="col")
        for row, (label, by_fraction) in zip(axes, shown, strict=True):
            for panel, probe in zip(row, probes, strict=False):
                _draw_probe(panel, by_fraction, probe, colours)
                panel.set_title(wrapped(f"{probe} · {label}" if label and panel is row[0] else probe, WIDTH - 0.2, TITLE))
            _draw_accuracy(row[-1], by_fraction, probes)
            row[-1].set_title("accuracy at the end")
            row[0].set_ylabel(PART)
            for panel in row[:-1]:
                panel.set_ylim(*SHOWN)
            for panel in row[1:-1]:
                panel.tick_params(labelleft=False)
        for panel in axes[-1, :-1]:
            panel.set_xlabel(STEP)
        axes[-1, -1].set_xlabel("fraction of cues")
        handles = [Line2D([], [], color=colour, linewidth=2, label=f"{fraction:g}") for fraction, colour in colours.items()]
        figure.legend(
            handles=handles, loc="outside upper left", ncols=len(handles),
            title="fraction of images with the cue of their class", title_fontsize=8.5, alignment="left",
        )  # fmt: skip
        if len(shown) < len(rows):
            note = f"{len(shown)} of {len(rows)} configurations; to draw the others, give their runs to: anodiff figures"
            figure.supxlabel(note, x=0.01, ha="left", fontsize=7.5, color=QUIET)
    return figure


def _draw_probe(panel: Axes, by_fraction: dict[float, list[RunResult]], probe: str, colours: dict[float, Any]) -> None:
    for fraction, runs in by_fraction.items():
        curves = [curve for run in runs if (curve := _curve(run, probe)) is not None]
        for steps, values in curves if len(curves) > 1 else ():
            panel.plot(steps, values, color=colours[fraction], linewidth=0.6, alpha=0.6)
        if curves and len({len(steps) for steps, _ in curves}) == 1:
            mean = np.mean([values for _, values in curves], axis=0)
            panel.plot(curves[0][0], mean, color=colours[fraction], linewidth=1.6, gid=f"{probe}:{fraction:g}")
    explain_if_empty(panel, "not measured")
    log_scale(panel, "x")
    panel.axhline(0.5, **GUIDE)


def _draw_accuracy(panel: Axes, by_fraction: dict[float, list[RunResult]], probes: Sequence[str]) -> None:
    for number, probe in enumerate(probes):
        means: list[tuple[float, float]] = []
        look: dict[str, Any] = {"color": CONFIGURATIONS[number], "marker": MARKERS[number], "markersize": 3.5}
        for fraction, runs in sorted(by_fraction.items()):
            values = np.array([_accuracy(run, probe) for run in runs])
            panel.plot(np.full(len(values), fraction), values, linestyle="", alpha=0.6, gid=f"accuracy:{probe}", **look)
            means.append((fraction, float(np.mean(values))))
        panel.plot(*zip(*means, strict=True), linewidth=1.2, label=probe, **look)
    panel.set_ylim(-0.03, 1.03)
    panel.legend(fontsize=6.5, loc="best", handlelength=1.4)


def _curve(run: RunResult, probe: str) -> Any:
    """Return the curve of a probe; as trained, and of a run without a cue, that of all test samples."""
    return of_curve(run, "curve", _name(run, probe), "test")


def _accuracy(run: RunResult, probe: str) -> float:
    table = run.learning
    rows = table[(table["curve"] == _name(run, probe)) & (table["split"] == "test")]
    return float(rows["accuracy"].iloc[0]) if len(rows) else float("nan")


def _name(run: RunResult, probe: str) -> str:
    return probe if probe in _probes(run) else ALL


def _probes(run: RunResult) -> list[str]:
    table = run.learning
    return table.loc[table["sort"] == PROBE, "curve"].tolist()


def _rows(runs: Sequence[RunResult]) -> Rows:
    """Return the runs by what is unusual in their settings but for fraction and seed; runs without a cue stand beside every
    strength of it.
    """
    keys = dict.fromkeys(key for run in runs for key in run.settings)
    varying = [
        key
        for key in keys
        if key not in ("seed", "data.cue", FRACTION, STRENGTH) and len({repr(run.settings.get(key)) for run in runs}) > 1
    ]
    usual = {key: Counter(repr(run.settings.get(key)) for run in runs).most_common(1)[0][0] for key in varying}
    strengths = sorted({run.settings[STRENGTH] for run in runs if run.settings.get(STRENGTH) is not None})
    rows: dict[str, dict[float, list[RunResult]]] = {}
    for run in runs:
        own = run.settings.get(STRENGTH)
        for strength in strengths if own is None else [own]:
            parts = [_words(key, run) for key in varying if repr(run.settings.get(key)) != usual[key]]
            parts += [f"cue {strength:g}"] if len(strengths) > 1 else []
            rows.setdefault(" · ".join(parts), {}).setdefault(float(run.settings.get(FRACTION) or 0), []).append(run)
    return list(rows.items())


def _words(key: str, run: RunResult) -> str:
    value = run.settings.get(key)
    return f"{key.rpartition('.')[2]} {value:g}" if isinstance(value, float) else f"{key.rpartition('.')[2]} {value}"
