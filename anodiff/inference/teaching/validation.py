"""How good is a network? Errors of α and shares of right kinds, on tracks it never learned from.

The tracks are those of the AnDi challenge: lengths uniform between 10 and 999, noise 0.1, 0.5 or 1.
For the exponent, all α are equally frequent; for the kind, all kinds are. The score of the kind is
the micro-averaged F1, which is the share of right answers when each track has one kind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anodiff.inference.answers.reader import Answers
from anodiff.inference.cells import KINDS, balanced_prior, exponent_prior
from anodiff.inference.simulated.tracks import CHALLENGE_NOISE, Tracks, make_tracks
from anodiff.storage.types import FloatArray

#: Bounds of the bands of length whose scores are given.
BANDS = (10, 200, 400, 600, 800, 1000)

#: Tracks of each length that are made together.
TOGETHER = 20


def held_out(number: int, dimensions: int, seed: int, prior: FloatArray) -> Iterator[Tracks]:
    """Yield about ``number`` tracks in groups of one length, as the challenge draws them."""
    rng = np.random.default_rng(np.random.SeedSequence([seed, dimensions, number]))
    for _ in range(-(-number // TOGETHER)):
        points = int(rng.integers(10, 1000))
        cells = rng.choice(len(prior), TOGETHER, p=prior)
        yield make_tracks(cells, rng.choice(CHALLENGE_NOISE, TOGETHER), points, dimensions, rng)


def scores(read: Callable[[NDArray[np.float32]], Answers], number: int, dimensions: int, seed: int) -> dict[str, Any]:
    """Return the scores on ``number`` tracks for the exponent, and on as many for the kind.

    They are ``mae``, the mean absolute error of α's median under the challenge's prior; ``coverage``,
    the share of true exponents within the 90 % interval, and ``f1``, the micro-averaged F1, both with
    kinds equally frequent; each over all tracks, and by points, kind and noise; and ``ece``, see `expected_calibration_error`.

    Parameters
    ----------
    read
        From positions, (N, dimensions, points), to answers; it may raise to stop.
    """
    prior = exponent_prior()
    exponent = _Table()
    for tracks in held_out(number, dimensions, seed, prior):
        median = read(tracks.positions).posterior.with_prior(prior).median
        exponent.add(tracks, error=abs(median - tracks.exponents))
    kind = _Table()
    for tracks in held_out(number, dimensions, seed + 1, balanced_prior()):
        answers = read(tracks.positions)
        inside = (answers.low <= tracks.exponents) & (tracks.exponents <= answers.high)
        right = answers.kinds.argmax(axis=1) == tracks.kinds
        kind.add(tracks, right=right, confidence=answers.kinds.max(axis=1), inside=inside)
    return {
        "mae": exponent.means("error"),
        "coverage": kind.means("inside"),
        "f1": kind.means("right"),
        "ece": round(expected_calibration_error(kind["confidence"], kind["right"]), 4),
    }


def expected_calibration_error(confidence: FloatArray, right: FloatArray, *, bins: int = 20) -> float:
    """Return the mean difference between the probability of the chosen kind and the share of right
    choices, over bins of equal width, weighted by their tracks.

    Source: Guo et al., "On calibration of modern neural networks", ICML 2017.

    Examples
    --------
    >>> round(expected_calibration_error(np.array([0.9, 0.9, 0.6, 0.6]), np.array([1.0, 1.0, 1.0, 0.0])), 3)
    0.1
    """
    number = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    return float(abs(np.bincount(number, confidence - right)).sum() / len(confidence))


class _Table:
    """What is known and found of each track, added in groups."""

    def __init__(self) -> None:
        self._columns: dict[str, list[NDArray[Any]]] = {}

    def add(self, tracks: Tracks, **found: NDArray[Any]) -> None:
        known = {"points": np.full(len(tracks.cells), tracks.positions.shape[2]), "kind": tracks.kinds, "noise": tracks.noise}
        for name, value in (known | found).items():
            self._columns.setdefault(name, []).append(value)

    def __getitem__(self, name: str) -> FloatArray:
        return np.concatenate(self._columns[name]).astype(np.float64)

    def means(self, name: str) -> dict[str, Any]:
        """Return the mean of a column over all tracks, by band of length, kind and noise; None over none."""
        values, points, kinds, noise = (self[each] for each in (name, "points", "kind", "noise"))

        def mean(chosen: NDArray[np.bool_]) -> float | None:
            return round(float(values[chosen].mean()), 4) if chosen.any() else None

        return {
            "all": mean(np.ones(len(values), np.bool_)),
            "points": {f"{a}-{b - 1}": mean((points >= a) & (points < b)) for a, b in pairwise(BANDS)},
            "kind": {kind: mean(kinds == number) for number, kind in enumerate(KINDS)},
            "noise": {f"{level:g}": mean(noise == level) for level in CHALLENGE_NOISE},
        }
