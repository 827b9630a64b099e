"""What are the figures of tracks drawn from? The parts of the tracks, and what the network says of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from anodiff.inference.cells import KINDS
from anodiff.inference.characters import UNFAMILIAR
from anodiff.report.figures.style import CONFIGURATIONS
from anodiff.storage.types import FloatArray

if TYPE_CHECKING:
    import pandas as pd

#: The full name of each kind, and its colour.
NAMES = {
    "attm": "annealed transient time motion",
    "ctrw": "continuous-time random walk",
    "fbm": "fractional Brownian motion",
    "lw": "Lévy walk",
    "sbm": "scaled Brownian motion",
}
COLOURS = dict(zip(KINDS, CONFIGURATIONS, strict=False))


@dataclass(frozen=True)
class TrackCharacters:
    """What a network says of tracks, and the tracks themselves.

    Attributes
    ----------
    table
        A row for each part, with the columns `anodiff.inference.file_characters.FILE_CHARACTERS`.
    positions
        The points of each part, (points, dimensions).
    coordinates
        Names of the coordinates.
    unit
        Their unit; empty if nobody knows it.
    """

    table: pd.DataFrame
    positions: Sequence[FloatArray]
    coordinates: tuple[str, ...]
    unit: str = ""

    @cached_property
    def answered(self) -> pd.DataFrame:
        """The rows with an answer."""
        return self.table[self.table["exponent"].notna()]

    @cached_property
    def unlike(self) -> pd.Series:
        """Whether each answered row is unlike the five kinds."""
        return self.answered["familiarity"] < UNFAMILIAR

    def label(self, coordinate: str) -> str:
        """Return the label of an axis."""
        return f"{coordinate} ({self.unit or 'unit of the file'})"
