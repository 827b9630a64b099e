"""What does each law look like from its start to its plateau? Curves from 0 to 1, in units of their half."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import scipy

from anodiff.learning.columns import CROSS_ENTROPY, EXPONENTIAL, HINGE, LOGISTIC
from anodiff.learning.laws.one_mode import part_learned
from anodiff.storage.types import FloatArray

#: Margins of the table for cross-entropy: their ends, the one between logarithmic parts, and their numbers.
MARGINS, COUNTS = (1e-12, 0.05, 40.0), (3000, 4000)


def rises(law: str, t: FloatArray, halves: FloatArray, starts: FloatArray, classes: int = 2) -> FloatArray:
    """Return the curves of a law, (curves, points), at times t since the start, (points,).

    Parameters
    ----------
    law
        One of `anodiff.learning.columns.LAWS`.
    halves
        Time at which each curve is 1/2, (curves,).
    starts
        Margin of each at t = 0, (curves,), between 0 and 1; ignored for the exponential. Under
        cross-entropy from 1e-12 on: the curve is interpolated in a table, to about 1e-6.
    classes
        Number of classes C of the cross-entropy.

    Examples
    --------
    >>> rises("exponential", np.array([0.0, 3.0, 6.0]), np.array([3.0]), np.array([0.1])).tolist()
    [[0.0, 0.5, 0.75]]
    """
    grown = durations(law, starts, classes)[:, None] * t / halves[:, None]
    u0 = starts[:, None]
    if law == EXPONENTIAL:
        return -np.expm1(-grown)
    if law == LOGISTIC:
        return (scipy.special.expit(np.log(u0 / (1 - u0)) + grown) - u0) / (1 - u0)
    if law == HINGE:
        return (np.exp(np.minimum(np.log(u0) + grown, 0.0)) - u0) / (1 - u0)
    margins, integrals, parts = _table(classes)
    begun = np.interp(np.log(starts), np.log(margins), integrals)
    learned = part_learned(starts, CROSS_ENTROPY, classes)[:, None]
    return (np.interp(begun[:, None] + grown, integrals, parts) - learned) / (1 - learned)


def durations(law: str, starts: FloatArray, classes: int = 2) -> FloatArray:
    """Return rate times time of the half of each curve, (curves,): ln 2 for the exponential."""
    if law == EXPONENTIAL:
        return np.full(len(starts), math.log(2))
    if law == LOGISTIC:
        return np.log((1 + starts) / starts)
    if law == HINGE:
        return np.log((1 + starts) / (2 * starts))
    margins, integrals, parts = _table(classes)
    halfway = (1 + part_learned(starts, CROSS_ENTROPY, classes)) / 2
    return np.interp(halfway, parts, integrals) - np.interp(np.log(starts), np.log(margins), integrals)


@lru_cache(maxsize=16)
def _table(classes: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return margins u, ln u + Ei(u)/(C − 1), which is rate times time, and the part learned."""
    first, middle, last = np.log(MARGINS)
    logarithms = np.concatenate([np.linspace(first, middle, COUNTS[0])[:-1], np.linspace(middle, last, COUNTS[1])])
    margins = np.exp(logarithms)
    integrals = logarithms + scipy.special.expi(margins) / (classes - 1)
    return margins, integrals, part_learned(margins, CROSS_ENTROPY, classes)
