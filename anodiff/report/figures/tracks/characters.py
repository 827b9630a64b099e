"""Which exponents do the tracks have, and which kinds of motion are they?"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from anodiff.inference.cells import KINDS
from anodiff.report.figures.style import GUIDE, styled
from anodiff.report.figures.tracks.data import COLOURS, NAMES, TrackCharacters

#: Edges of the bins of α, and of probabilities.
EXPONENT_BINS, PROBABILITY_BINS = np.linspace(0, 2.05, 42), np.linspace(0.2, 1, 17)

#: Tracks that are drawn with their interval, at most.
MOST_INTERVALS = 300

#: Hatching of what is unlike the five kinds.
UNLIKE = "////"


def exponents(found: TrackCharacters) -> Figure:
    """Draw the distribution of α, and α with its interval against the length."""
    table, unlike = found.answered, found.unlike
    with styled():
        figure = Figure(figsize=(8.6, 3.4), layout="constrained")
        left, right = figure.subplots(1, 2)
        groups = [(kind, strange) for kind in KINDS for strange in (False, True)]
        counts = [table["exponent"][(table["kind"] == kind) & (unlike == strange)] for kind, strange in groups]
        _, _, bars = left.hist(counts, EXPONENT_BINS, stacked=True, edgecolor="white", linewidth=0.3)
        for (kind, strange), own in zip(groups, bars, strict=True):
            for bar in own:
                bar.set(facecolor=COLOURS[kind], hatch=UNLIKE if strange else None)
        left.axvline(1, **GUIDE)
        left.set_xlim(0, 2.05)
        left.set_xlabel("anomalous exponent α")
        left.set_ylabel("number of tracks")
        _draw_intervals(right, found)
        handles = [Patch(color=COLOURS[kind], label=kind) for kind in KINDS]
        if unlike.any():
            handles.append(Patch(facecolor="white", edgecolor="black", hatch=UNLIKE, label="unlike the five kinds"))
        figure.legend(handles=handles, loc="outside upper left", ncols=len(handles))
    return figure


def kinds(found: TrackCharacters) -> Figure:
    """Draw how frequent each kind is, and how sure the network is of it."""
    table, unlike = found.answered, found.unlike
    with styled():
        figure = Figure(figsize=(8.6, 3.0), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=[1, 1])
        places = np.arange(len(KINDS))
        alike, strange = ([np.mean((table["kind"] == kind) & group) for kind in KINDS] for group in (~unlike, unlike))
        colours = [COLOURS[kind] for kind in KINDS]
        left.barh(places, alike, color=colours)
        left.barh(places, strange, left=alike, color=colours, edgecolor="white", hatch=UNLIKE, linewidth=0)
        left.plot(table[list(KINDS)].mean(), places, "D", color="black", markerfacecolor="white", markersize=5)
        left.set_yticks(places, [f"{NAMES[kind]} ({kind})" for kind in KINDS])
        left.set_ylim(len(KINDS) - 0.5, -0.5)
        left.set_xlim(0, 1)
        left.set_xlabel("share of the tracks")
        left.grid(visible=False, axis="y")
        likely = table[list(KINDS)].max(axis=1)
        right.hist(
            [likely[table["kind"] == kind] for kind in KINDS],
            PROBABILITY_BINS,
            stacked=True,
            color=colours,
            edgecolor="white",
            linewidth=0.3,
        )
        right.set_xlim(0.2, 1)
        right.set_xlabel("probability of the most likely kind")
        right.set_ylabel("number of tracks")
    return figure


def _draw_intervals(panel: Axes, found: TrackCharacters) -> None:
    """Draw α with its interval, each track in the colour of its kind, in the order of their lengths."""
    table = found.answered.sort_values(["points", "exponent"], kind="stable")
    if len(table) > MOST_INTERVALS:
        table = table.iloc[np.linspace(0, len(table) - 1, MOST_INTERVALS).round().astype(int)]
    table = table.assign(place=np.arange(len(table)))
    for kind, own in table.groupby("kind", sort=False):
        ends = np.abs(own[["exponent_low", "exponent_high"]].to_numpy().T - own["exponent"].to_numpy())
        look: dict[str, Any] = {"color": COLOURS[str(kind)], "markersize": 2.5, "elinewidth": 0.5, "alpha": 0.8}
        panel.errorbar(own["place"], own["exponent"], yerr=ends, fmt="o", **look)
    panel.axhline(1, **GUIDE)
    panel.set_ylim(0, 2.05)
    ticks = np.unique(np.linspace(0, len(table) - 1, 6).round().astype(int))
    panel.set_xticks(ticks, [f"{points:,}" for points in table["points"].iloc[ticks]])
    panel.set_xlabel("points of the track (tracks in the order of their lengths)")
    panel.set_ylabel("α with its 90 % interval")
