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
from anodiff.diffusion.intervals import Interval
from anodiff.diffusion.pairs import STRETCHES, jackknife
from anodiff.storage.types import FloatArray

#: Fragments of fewer updates, or of this fraction of a short window, do not enter the exponent.
SHORTEST = 60, 1 / 16

#: Fragments of each length, evenly along the window.
FRAGMENTS = 64


@dataclass(frozen=True)
class Excursions:
    """Mean squares over the fragments of each length, shape (lengths,).

    Attributes
    ----------
    fitted
        Whether a length enters the exponent: `SHORTEST` updates to a quarter of the window; of longer ones few lie apart.
    excursion
        Largest squared distance from the line AB.
    chord
        |AB|².
    without
        Slope of ln excursion² against ln |AB|² without the fragments that start in one stretch of the window, shape
        (stretches,).
    """

    fitted: NDArray[np.bool_]
    excursion: FloatArray
    chord: FloatArray
    without: FloatArray

    @property
    def ratio(self) -> FloatArray:
        """Mean squared excursion over mean squared chord; NaN where fragments close up."""
        return np.divide(self.excursion, self.chord, out=np.full(len(self.chord), np.nan), where=self.chord > 0)

    @property
    def exponent(self) -> Interval:
        """Slope of ln excursion² against ln |AB|² over the fitted lengths: 1 for a self-similar path.

        The interval is a jackknife's. The largest of more points is larger, which puts the slope of self-similar paths 2 %
        above 1 in many dimensions, and up to a tenth in three.
        """
        return jackknife(slope(self.chord[self.fitted], self.excursion[self.fitted]), self.without)


def transverse_excursions(squared_displacements: FloatArray, lengths: NDArray[np.int64]) -> Excursions:
    """Return the excursions of fragments of some lengths, in updates, from D (T+1, T+1). Cost O(T) a length."""
    points = len(squared_displacements)
    excursion, chord = np.zeros((STRETCHES + 1, len(lengths))), np.zeros((STRETCHES + 1, len(lengths)))
    for place, length in enumerate(lengths):
        last = points - 1 - length
        starts = np.unique(np.linspace(0, last, min(FRAGMENTS, last + 1)).astype(int))
        between = starts[:, None] + np.arange(1, length)  # (fragments, points inside)
        ends = starts + length
        base = squared_displacements[starts, ends][:, None]
        left = squared_displacements[starts[:, None], between]
        right = squared_displacements[ends[:, None], between]
        along = np.divide((left + base - right) ** 2, 4 * base, out=np.zeros_like(left), where=base > 0)
        largest = np.maximum(left - along, 0).max(axis=1, initial=0)  # one update has no point inside
        stretch = starts * STRETCHES // points
        for left_out in range(STRETCHES + 1):  # in the last turn none
            kept = stretch != left_out
            excursion[left_out, place] = largest[kept].mean() if kept.any() else np.nan
            chord[left_out, place] = base[kept, 0].mean() if kept.any() else np.nan
    fewest, share = SHORTEST
    fitted = (lengths >= min(fewest, share * (points - 1))) & (lengths <= (points - 1) / 4)
    without = [slope(chord[left_out, fitted], excursion[left_out, fitted]) for left_out in range(STRETCHES)]
    return Excursions(fitted, excursion[-1], chord[-1], np.array(without))
