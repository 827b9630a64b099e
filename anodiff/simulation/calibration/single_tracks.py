"""What does the network that reads single tracks say of paths of known law?

It reads one random coordinate of each path: the displacements projected on a direction with
independent Gaussian components. Its first 1000 points are read, in one dimension.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np

from anodiff.diffusion.intervals import Interval
from anodiff.inference.answers.reader import TrackReader
from anodiff.inference.simulated.tracks import MOST_POINTS
from anodiff.simulation.calibration.table import Truth, summary
from anodiff.simulation.processes import Process
from anodiff.storage.types import FloatArray

#: Names of the rows. The interval is of 90 %, unlike those of the other estimators.
EXPONENT, FAMILIARITY = "alpha of a random coordinate (90 % interval)", "familiarity of a random coordinate"


def track_rows(
    process: Process, coordinates: Sequence[FloatArray], others: Sequence[FloatArray]
) -> Iterator[dict[str, object]]:
    """Yield the rows of exponent and familiarity.

    The truth of the exponent is that of the ensemble's mean squared displacement, if it is a power law;
    else the mean over other paths, as for the familiarity.

    Parameters
    ----------
    coordinates, others
        One random coordinate of each path, (points,) of equal length; see `random_coordinate`.
    """
    found, further = _read(coordinates), _read(others)
    for name, values in found.items():
        known = process.ensemble_exponent if name == EXPONENT else None
        mean = float(np.nanmean([each.value for each in further[name]]))
        truth = Truth(mean, "simulated") if known is None else Truth(known, "asymptotic")
        yield summary(name, truth, values)


def random_coordinate(points: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Return a random coordinate, (points,), of a path, (points, dimensions)."""
    return points[:MOST_POINTS] @ rng.standard_normal(points.shape[1])


def _read(coordinates: Sequence[FloatArray]) -> dict[str, list[Interval]]:
    tracks = np.stack(coordinates)[:, None]
    moving = np.ptp(tracks, axis=2)[:, 0] > 0
    rows = np.full((len(tracks), 4), np.nan)
    if moving.any():
        answers = _reader().read(tracks[moving])
        rows[moving] = np.stack([answers.exponent, answers.low, answers.high, answers.familiarity], axis=1)
    return {
        EXPONENT: [Interval(value, low, high) for value, low, high, _ in rows],
        FAMILIARITY: [Interval(share, np.nan, np.nan) for *_, share in rows],
    }


@lru_cache(maxsize=1)
def _reader() -> TrackReader:
    return TrackReader.load(1)
