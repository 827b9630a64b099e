"""What does a path look like along random directions? Its coordinates there, from the Gram matrix alone.

Along a direction g with entries from N(0, 1), the updates of a given path have the coordinates Δw·g.
They are jointly Gaussian, and their covariances are G_kl = <Δw_k, Δw_l>. So T numbers from N(0, G)
are distributed exactly as the coordinates along a random direction; so are several such draws as
those along independent directions. No weights are needed.

The mean over directions of a coordinate's MSD is the MSD of the path, at each lag.

The pitfall: coordinates of one path are not independent paths. If the path moves in one direction
only, all its random coordinates are the same but for their scale.
"""

from __future__ import annotations

import numpy as np
import scipy

from anodiff.geometry.path import PathGeometry
from anodiff.storage.types import FloatArray


def random_coordinates(path: PathGeometry, number: int, generator: np.random.Generator, *, every: int = 1) -> FloatArray:
    """Return a path's coordinates along independent random directions, from its first point, (number, points).

    Directions are Gaussian: their entries are independent, with mean 0 and variance 1. Eigenvalues
    of G that rounding has made negative count as 0. Cost: O(n³) for n points.

    Parameters
    ----------
    every
        Only every so many points are wanted: points 0, every, 2 every …

    Examples
    --------
    >>> from anodiff.trajectory.windows import Window
    >>> straight = PathGeometry(np.ones((3, 3)), Window(0, 3))
    >>> coordinates = random_coordinates(straight, 2, np.random.default_rng(0))
    >>> np.allclose(coordinates, coordinates[:, 1:2] * [0, 1, 2, 3])
    True
    """
    steps = len(path.gram) // every
    between = path.gram[: steps * every, : steps * every].reshape(steps, every, steps, every).sum(axis=(1, 3))
    values, vectors = scipy.linalg.eigh(between)
    roots = np.sqrt(np.maximum(values, 0.0))
    updates = (generator.normal(size=(number, len(roots))) * roots) @ vectors.T
    return np.concatenate([np.zeros((number, 1)), updates.cumsum(axis=1)], axis=1)
