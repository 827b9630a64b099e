"""How far does the path stray from a straight line? Transverse excursions of its fragments.

The excursion of a fragment from A to B is the largest distance of its points from the line AB. For
a self-similar path its square grows as |AB|² does, so their ratio does not depend on the length of
the fragment. For a point K between A and B,

    h² = |AK|² − (|AK|² + |AB|² − |KB|²)² / (4 |AB|²).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anodiff.diffusion.exponents import slope
from anodiff.diffusion.intervals import Interval, jackknife
from anodiff.diffusion.pairs import STRETCHES
from anodiff.storage.types import FloatArray

#: The shortest fragments used for the exponent: in updates, and as a fraction of a short window.
SHORTEST = 60, 1 / 16

#: Number of fragments of each length, evenly spaced along the window.
FRAGMENTS = 64


@dataclass(frozen=True)
class Excursions:
    """Mean squares over the fragments of each length, shape (lengths,).

    Attributes
    ----------
    fitted
        Whether a length is used for the exponent: from `SHORTEST` updates to a quarter of the
        window. Few longer fragments are without overlap.
    excursion
        Largest squared distance from the line AB.
    chord
        |AB|².
    without
        Slope of ln excursion² against ln |AB|² without the fragments that start in one stretch of
        the window each, shape (stretches,).
    """

    fitted: NDArray[np.bool_]
    excursion: FloatArray
    chord: FloatArray
    without: FloatArray

    @property
    def ratio(self) -> FloatArray:
        """Mean squared excursion over mean squared chord; NaN if the chords are 0."""
        return np.divide(self.excursion, self.chord, out=np.full(len(self.chord), np.nan), where=self.chord > 0)

    @property
    def exponent(self) -> Interval:
        """Slope of ln excursion² against ln |AB|² over the fitted lengths, with its interval.

        It is about 1 for a self-similar path. Because the largest of more points is larger, it is
        up to 1.02 in many dimensions and up to 1.1 in three. The interval is a jackknife's.
        """
        return jackknife(slope(self.chord[self.fitted], self.excursion[self.fitted]), self.without)


def transverse_excursions(squared_displacements: FloatArray, lengths: NDArray[np.int64]) -> Excursions:
    """Return the excursions of fragments of some lengths in updates, from D (T+1, T+1).

    Cost: O(T) per length.
    """
    points = len(squared_displacements)
    excursion, chord = np.zeros((STRETCHES + 1, len(lengths))), np.zeros((STRETCHES + 1, len(lengths)))
    for column, length in enumerate(lengths):
        last = points - 1 - length
        starts = np.unique(np.linspace(0, last, min(FRAGMENTS, last + 1)).astype(int))
        between = starts[:, None] + np.arange(1, length)  # (fragments, points inside)
        ends = starts + length
        base = squared_displacements[starts, ends][:, None]
        left = squared_displacements[starts[:, None], between]
        right = squared_displacements[ends[:, None], between]
        along = np.divide((left + base - right) ** 2, 4 * base, out=np.zeros_like(left), where=base > 0)
        largest = np.maximum(left - along, 0).max(axis=1, initial=0)  # a fragment of one update has no point inside
        stretch = starts * STRETCHES // points
        for left_out in range(STRETCHES + 1):  # the last iteration leaves out nothing
            kept = stretch != left_out
            excursion[left_out, column] = largest[kept].mean() if kept.any() else np.nan
            chord[left_out, column] = base[kept, 0].mean() if kept.any() else np.nan
    updates, fraction = SHORTEST
    fitted = (lengths >= min(updates, fraction * (points - 1))) & (lengths <= (points - 1) / 4)
    without = [slope(chord[left_out, fitted], excursion[left_out, fitted]) for left_out in range(STRETCHES)]
    return Excursions(fitted, excursion[-1], chord[-1], np.array(without))
