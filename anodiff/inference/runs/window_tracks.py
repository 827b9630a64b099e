"""Which tracks does a window of a run give a network to read? Its coordinates along several directions.

Random coordinates answer for the path. Principal coordinates are smooth whatever the path: the first
of a random walk in 300 dimensions is read as superdiffusive, α = 1.8. So they come with those of the
same updates in random order and with random signs, made in the same way.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from anodiff.geometry.path import PathGeometry
from anodiff.geometry.random_coordinates import random_coordinates
from anodiff.geometry.reordered_principal import reordered_principal_coordinates
from anodiff.inference.simulated.tracks import FEWEST_POINTS, MOST_POINTS
from anodiff.settings.stages import CharacterSettings
from anodiff.storage.types import FloatArray

#: Share of the path's variance below which a principal coordinate is rounding error.
LEAST_VARIANCE = 1e-10


@dataclass(frozen=True)
class WindowTracks:
    """The coordinates of a window at its points, or at every so many.

    Attributes
    ----------
    random
        Along random directions, (projections, points).
    principal
        Along principal components, those that exist, (components, points).
    shuffled, sign_randomised
        Principal coordinates of the nulls, (nulls, components, points).
    every
        Recorded updates between two points.
    """

    random: FloatArray
    principal: FloatArray
    shuffled: FloatArray
    sign_randomised: FloatArray
    every: int

    @property
    def points(self) -> int:
        """Points of each track."""
        return self.random.shape[1]


def window_tracks(path: PathGeometry, settings: CharacterSettings, number: int) -> WindowTracks:
    """Return the tracks of a window of at least 10 points, by its number.

    Of a window of more than 1000 updates, every so many points are taken, so that at most 1000
    remain; of one of exactly 1000, the last of its 1001 points is left out.
    """
    updates = len(path.gram)
    assert updates + 1 >= FEWEST_POINTS
    every = math.ceil(updates / MOST_POINTS)
    points = slice(0, min(updates // every + 1, MOST_POINTS))
    taken = slice(0, every * (points.stop - 1) + 1, every)
    directions, orders = (np.random.default_rng([settings.seed, number, stream]) for stream in range(2))
    found = path.principal_coordinates(min(settings.components, updates))
    components = int((found.explained_variance > LEAST_VARIANCE).sum())
    draws = settings.nulls
    order = np.array([orders.permutation(updates) for _ in range(draws)] + [np.arange(updates)] * draws)
    signs = np.concatenate([np.ones((draws, updates)), orders.choice([-1.0, 1.0], (draws, updates))])
    nulls = reordered_principal_coordinates(path.gram, order, signs, components)[..., taken]
    return WindowTracks(
        random_coordinates(path, settings.projections, directions, every=every)[:, points],
        found.coordinates.T[:components, taken],
        nulls[:draws],
        nulls[draws:],
        every,
    )
