"""How far does the path stray from the straight line? Transverse excursions of its fragments.

The excursion of a fragment from A to B is the largest distance of its points from the line AB; for a self-similar path its
square grows as |AB|² does, so that their ratio does not depend on the fragment's length. For a point K between,

    h² = |AK|² − (|AK|² + |AB|² − |KB|²)² / (4 |AB|²).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anodiff.diffusion.exponents import slope

FloatArray = NDArray[np.float64]

#: Fragments of each length, evenly along the window.
FRAGMENTS = 64


@dataclass(frozen=True)
class Excursions:
    """Mean squares over the fragments of each length, shape (lengths,).

    Attributes
    ----------
    excursion
        Largest squared distance from the line AB.
    chord
        |AB|².
    """

    excursion: FloatArray
    chord: FloatArray

    @property
    def ratio(self) -> FloatArray:
        """Mean squared excursion over mean squared chord; NaN where fragments close up."""
        return np.divide(self.excursion, self.chord, out=np.full(len(self.chord), np.nan), where=self.chord > 0)

    @property
    def exponent(self) -> float:
        """Slope of ln excursion² against ln |AB|²: 1 for a self-similar path."""
        return slope(self.chord, self.excursion)


def transverse_excursions(squared_displacements: FloatArray, lengths: NDArray[np.int64]) -> Excursions:
    """Return the excursions of fragments of some lengths, in updates, from D (T+1, T+1). Cost O(T) a length."""
    points = len(squared_displacements)
    excursion, chord = np.zeros(len(lengths)), np.zeros(len(lengths))
    for place, length in enumerate(lengths):
        last = points - 1 - length
        starts = np.unique(np.linspace(0, last, min(FRAGMENTS, last + 1)).astype(int))
        between = starts[:, None] + np.arange(1, length)  # (fragments, points inside)
        ends = starts + length
        base = squared_displacements[starts, ends][:, None]
        left = squared_displacements[starts[:, None], between]
        right = squared_displacements[ends[:, None], between]
        along = np.divide((left + base - right) ** 2, 4 * base, out=np.zeros_like(left), where=base > 0)
        excursion[place] = np.maximum(left - along, 0).max(axis=1, initial=0).mean()  # one update has no point inside
        chord[place] = base.mean()
    return Excursions(excursion, chord)
