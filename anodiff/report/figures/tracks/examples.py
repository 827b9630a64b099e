"""What do tracks of each kind look like? The most certain ones, and typical ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from anodiff.inference.cells import KINDS
from anodiff.inference.simulated.tracks import MOST_POINTS
from anodiff.report.figures.style import styled
from anodiff.report.figures.tracks.data import COLOURS, TrackCharacters

#: Of each kind: tracks of which the network is most certain, and typical ones.
CERTAIN, TYPICAL = 2, 2


def examples(found: TrackCharacters) -> Figure:
    """Draw tracks of each kind that is there, a row for each kind."""
    rows = [chosen for kind in KINDS if (chosen := chosen_examples(found, kind))]
    with styled():
        figure = Figure(figsize=(9.2, 2.5 * len(rows)), layout="constrained")
        axes = figure.subplots(len(rows), CERTAIN + TYPICAL, squeeze=False)
        for panels, chosen in zip(axes, rows, strict=True):
            for panel in panels[len(chosen) :]:
                panel.set_axis_off()
            for panel, row in zip(panels, chosen, strict=False):
                _draw(panel, found, row)
    return figure


def chosen_examples(found: TrackCharacters, kind: str) -> list[int]:
    """Return the rows of the table that are drawn for a kind, the most certain first."""
    table = found.answered
    own = table[(table["kind"] == kind) & ~found.unlike]
    if own.empty:
        own = table[table["kind"] == kind]
    likely = own[kind].sort_values(ascending=False, kind="stable")
    certain = likely.index[:CERTAIN]
    rest = likely.drop(certain)
    typical = (rest - likely.median()).abs().sort_values(kind="stable").index[:TYPICAL]
    return [int(row) for row in [*certain, *sorted(typical)]]


def _draw(panel: Axes, found: TrackCharacters, row: int) -> None:
    about: dict[str, Any] = {name: found.table.at[row, name] for name in map(str, found.table)}
    positions = found.positions[row][:MOST_POINTS]
    if positions.shape[1] == 1:
        across, along = np.arange(len(positions), dtype=np.float64), positions[:, 0]
        panel.set_xlabel("steps since the first point")
        panel.set_ylabel(found.label(found.coordinates[0]))
    else:
        across, along = positions[:, 0], positions[:, 1]
        panel.set_aspect("equal", adjustable="datalim")
        panel.set_xlabel(found.label(found.coordinates[0]))
        panel.set_ylabel(found.label(found.coordinates[1]))
    panel.plot(across, along, color=COLOURS[about["kind"]], linewidth=0.8)
    panel.plot(across[:1], along[:1], "o", color="black", markersize=4, markerfacecolor="white")
    panel.plot(across[-1:], along[-1:], "s", color="black", markersize=4, markerfacecolor="white")
    panel.set_title(_title(about), fontsize=7.5)
    panel.locator_params(nbins=4)


def _title(about: Mapping[str, Any]) -> str:
    name = f"track {about['track']}" + (f", part {about['part']}" if about["part"] > 1 else "")
    interval = f"α = {about['exponent']:.2f} ({about['exponent_low']:.2f}–{about['exponent_high']:.2f})"
    return f"{name if len(name) < 32 else name[:30] + '…'}\n{interval}\n{about['kind']} {about[about['kind']]:.2f}"
