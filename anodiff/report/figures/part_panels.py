"""How are groups of parameters and walks shown? Names that fit, maps of group and window, and the look of each walk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, PowerNorm, TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from anodiff.geometry.parts import GROUP, WALK, WHOLE
from anodiff.report.figures.style import CONFIGURATIONS, DIVERGING, STYLE
from anodiff.storage.types import FloatArray
from anodiff.sweep.results import RunResult

#: Colour, line and label of the path and of each walk.
WALKS: dict[str, tuple[str, Any, str]] = {
    WHOLE: ("#000000", "-", "path"),
    "preconditioned": (CONFIGURATIONS[1], (0, (4, 1.5)), "update without weight decay"),
    "gradient": (CONFIGURATIONS[0], (0, (4, 1.2, 1, 1.2)), "null: same gradients, no momentum"),
    "decay": (CONFIGURATIONS[2], (0, (1.5, 1.2)), "weight decay alone"),
}

#: Letters of a group's name that are shown, at most.
MOST_LETTERS = 26

#: Inches of a row of a map, at least and at most, and the height of a map beyond which rows are as low as that.
ROW, TALLEST = (0.115, 0.24), 9.0

#: Rows that have their names written, at most; of more, evenly spaced ones.
MOST_NAMES = 120

#: Background of what is not known.
UNKNOWN: dict[str, Any] = {"facecolor": "#ececec", "edgecolor": "#9a9a9a", "hatch": "////", "linewidth": 0}

#: Least and largest distance from 1 that the colours cover.
REACH = (0.2, 1.0)

#: Ticks of the bar of shares, in per cent.
SHARE_TICKS = (0, 0.01, 0.1, 0.5, 1, 2, 5, 10, 25, 50, 100)

#: Inches of the bars of colours, with their labels.
BARS = 0.65

#: Inches between names and the edge of the figure: in some formats, letters are a little wider than in others.
MARGIN = 0.1

WAITING_TIME = "waiting time $t_w$ (optimiser steps)"


@dataclass(frozen=True)
class LayerMap:
    """Exponents and shares of the whole path (first) and of each group, by window; means over the runs.

    Attributes
    ----------
    names
        Of the parts.
    starts
        Waiting times of the windows.
    beta, share
        Shape (parts, windows); NaN where not known.
    undecided
        Whether the interval of beta contains 1, in the same shape.
    """

    names: list[str]
    starts: list[int]
    beta: FloatArray
    share: FloatArray
    undecided: NDArray[np.bool_]

    @property
    def height(self) -> float:
        """Inches that its rows need."""
        return len(self.names) * min(max(ROW[0], TALLEST / len(self.names)), ROW[1])


def layer_map(runs: Sequence[RunResult]) -> LayerMap | None:
    """Return the map of some runs with the same groups; None if they have none."""
    rows = pd.concat([run.parts for run in runs])
    rows = rows[rows["kind"].isin([WHOLE, GROUP])]
    if not (rows["kind"] == GROUP).any():
        return None
    keys = ["waiting_time", "stride", "length"]
    parts = list(dict.fromkeys(zip(rows["kind"], rows["part"], strict=True)))
    windows = sorted(dict.fromkeys(map(tuple, rows[keys].to_numpy())))
    shape = pd.MultiIndex.from_product([parts, windows])

    def values(column: str) -> FloatArray:
        index = pd.MultiIndex.from_arrays(
            [list(zip(rows["kind"], rows["part"], strict=True)), list(map(tuple, rows[keys].to_numpy()))]
        )
        found = pd.Series(rows[column].to_numpy(float), index).groupby(level=[0, 1]).mean()
        return found.reindex(shape).to_numpy(float).reshape(len(parts), len(windows))

    undecided = (values("beta_long_low") <= 1) & (values("beta_long_high") >= 1)
    names = ["whole path" if kind == WHOLE else name for kind, name in parts]
    return LayerMap(names, [int(key[0]) for key in windows], values("beta_long"), values("msd_share_long"), undecided)


def exponent_norm(maps: Sequence[LayerMap]) -> TwoSlopeNorm:
    """Return the colours of exponents that some maps share: white at 1."""
    away = max((float(np.abs(each.beta - 1).max(initial=0, where=np.isfinite(each.beta))) for each in maps), default=0.0)
    reach = min(max(REACH[0], away), REACH[1])
    return TwoSlopeNorm(1.0, 1 - reach, 1 + reach)


def share_norm(maps: Sequence[LayerMap]) -> PowerNorm:
    """Return the colours of groups' shares in per cent: as their root, so that small ones show and large ones differ."""
    largest = max(float(each.share[1:].max(initial=0, where=np.isfinite(each.share[1:]))) for each in maps)
    return PowerNorm(0.5, 0, 100 * largest or 100)


def draw_layers(left: Axes, right: Axes, layers: LayerMap, exponents: Normalize, shares: Normalize) -> None:
    """Draw exponents and shares as maps; the whole path is at the top, without a share."""
    share = np.where(np.arange(len(layers.names))[:, None] > 0, layers.share, np.nan)
    rows, columns = np.arange(len(layers.names) + 1), np.arange(len(layers.starts) + 1)
    for panel, values, norm, colours, name in (
        (left, layers.beta, exponents, DIVERGING, "beta"),
        (right, 100 * share, shares, "Greys", "share"),
    ):
        panel.grid(False)
        panel.patch.set(**UNKNOWN)
        shown = np.ma.masked_invalid(values)
        panel.pcolormesh(columns, rows, shown, norm=norm, cmap=colours, gid=name, rasterized=values.size > 2000)
        panel.axhline(1, color="#000000", linewidth=0.8)
        if panel is right:
            panel.axhspan(0, 1, color="white", linewidth=0, zorder=0.5)
        panel.set_ylim(len(layers.names), 0)
        panel.set_xlim(0, len(layers.starts))
        panel.tick_params(axis="y", length=0)
        panel.set_xlabel(WAITING_TIME)
    part, window = np.nonzero(layers.undecided & np.isfinite(layers.beta))
    size = 72 * layers.height / len(layers.names)
    left.plot(window + 0.5, part + 0.5, ".", color="#000000", markersize=min(2.5, 0.25 * size), gid="undecided")
    named = np.unique(np.linspace(0, len(layers.names) - 1, min(len(layers.names), MOST_NAMES)).round().astype(int))
    names = short_names(layers.names)
    labels = left.set_yticks(named + 0.5, [names[row] for row in named])
    for label in labels:
        label.label1.set_parse_math(False)
        label.label1.set_fontsize(min(8.0, 0.78 * size))
    right.set_yticks([])


def label_windows(panel: Axes, layers: LayerMap, inches: float) -> None:
    """Label the windows of a map that is so wide, as many as there is room for."""
    texts = [f"{start:,}" for start in layers.starts]
    room = max(1, int(inches / (0.075 * max(map(len, texts)) + 0.12)))
    chosen = np.unique(np.linspace(0, len(texts) - 1, min(len(texts), room)).round().astype(int))
    panel.set_xticks(chosen + 0.5, [texts[column] for column in chosen])


def add_bars(figure: Any, left: Axes, right: Axes, exponents: Normalize, shares: Normalize, height: float) -> None:
    """Add the bars of colours below both maps, which are so high in inches."""
    for panel, norm, colours, label in (
        (left, exponents, DIVERGING, "exponent β over the long lags"),
        (right, shares, "Greys", "share of Δr² over the long lags (%)"),
    ):
        bar = figure.colorbar(
            ScalarMappable(norm, colours), ax=panel, location="bottom", fraction=0.12 / (height + 0.12), aspect=25, pad=0.02
        )
        bar.set_label(label)
        places = [norm.vmin or 0.0, 1.0, norm.vmax or 2.0] if panel is left else _apart(SHARE_TICKS, norm)
        bar.set_ticks(places, labels=[f"{place:.2g}" if place < 100 else "100" for place in places])
        bar.ax.minorticks_off()


def _apart(places: Sequence[float], norm: Normalize) -> list[float]:
    """Return those places on a bar of colours that are at least an eighth of it apart, from the right."""
    kept: list[float] = []
    for place in sorted(places, reverse=True):
        if place <= (norm.vmax or 0.0) and (not kept or float(norm(kept[-1]) - norm(place)) > 1 / 8):
            kept.append(place)
    return kept[::-1]


def walk_rows(run: RunResult) -> dict[str, pd.DataFrame]:
    """Return the rows of the path and of each walk that was recorded, by name, the path first."""
    table = run.parts
    names = table.loc[table["kind"] == WALK, "part"].unique()
    rows = {name: table[(table["kind"] == WALK) & (table["part"] == name)] for name in WALKS if name in names}
    return {WHOLE: table[table["kind"] == WHOLE], **rows} if rows else {}


def add_walk_legend(figure: Figure, names: Sequence[str]) -> None:
    """Add a legend of the path and its walks above the panels."""
    looks = [WALKS[name] for name in WALKS if name in names]
    handles = [Line2D([], [], color=colour, linestyle=line, linewidth=1.4, label=label) for colour, line, label in looks]
    figure.legend(handles=handles, loc="outside upper left", ncols=2, handlelength=2.8)


def short_names(names: Sequence[str]) -> list[str]:
    """Return names in one line each, of letters that the font has; of long ones what they share is left out, then the middle.

    Examples
    --------
    >>> short_names(["head", "transformer.blocks.0.attention.key", "transformer.blocks.1.attention.key"])
    ['head', '…0.attention.key', '…1.attention.key']
    >>> short_names(["one.layer.of.many.names.that.are.long"])
    ['one.layer.of.…hat.are.long']
    """
    font = get_font(findfont(STYLE["font.family"]))
    texts = ["".join(each if font.get_char_index(ord(each)) else "?" for each in " ".join(name.split())) for name in names]
    long = [text for text in texts if len(text) > MOST_LETTERS]
    begin = _shared(long)
    end = _shared([text[::-1] for text in long])
    return [_shortened(text, begin, end) for text in texts]


def _shared(texts: Sequence[str]) -> int:
    """Return how many letters several texts begin with, up to a separator."""
    different = [place for place, letters in enumerate(zip(*texts, strict=False)) if len(set(letters)) > 1]
    common = texts[0][: different[0]] if different else ""
    return 1 + max(common.rfind(separator) for separator in "._/ ")


def _shortened(text: str, begin: int, end: int) -> str:
    """Leave out of a long text its beginning, then its end too, then its middle, until it is short."""
    if len(text) > MOST_LETTERS and begin:
        text = f"…{text[begin:]}"
    if len(text) > MOST_LETTERS and end:
        text = f"{text[: len(text) - end]}…"
    half = MOST_LETTERS // 2
    return text if len(text) <= MOST_LETTERS else f"{text[:half]}…{text[-half + 1 :]}"
