"""What do tracks of known kind and exponent look like through a microscope? Batches to learn from.

A track is observed as in the AnDi challenge (Muñoz-Gil et al., Nat. Commun. 12 (2021) 6253): a walk
of 1000 points is scaled until the displacements of each coordinate have standard deviation 1,
Gaussian localisation noise is added to every point, and the first points are kept. So noise is
relative to the displacements of the long walk. A short piece of an ageing walk can be noisier than
the number says. A Lévy walk of one flight has displacements without spread: as in the challenge, its
noise is negligible.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anodiff.errors import ConfigError
from anodiff.inference.cells import CELL_EXPONENT, CELL_KIND, balanced_prior, exponents_near
from anodiff.inference.simulated.motions import displacements
from anodiff.storage.types import FloatArray

#: Points of the walk that a track is the beginning of, and of the shortest and the longest track.
WALK_POINTS, FEWEST_POINTS, MOST_POINTS = 1000, 10, 1000

#: Smallest scale of a coordinate, as a fraction of its root mean square displacement: of flights that never turn.
LEAST_SPREAD = 1e-4

#: Standard deviations of the challenge's localisation noise: signal-to-noise ratios 10, 2, 1.
CHALLENGE_NOISE = (0.1, 0.5, 1.0)


@dataclass(frozen=True)
class Tracks:
    """Tracks of one length, and what is true of each.

    Attributes
    ----------
    positions
        (N, dimensions, points), float32, the first point at 0. Time runs last, as networks want it.
    cells
        Number of each track's cell, see `anodiff.inference.cells`, (N,).
    noise
        Standard deviation of each track's localisation noise, in units of that of a displacement,
        (N,).
    exponents
        α of each track, (N,).
    """

    positions: NDArray[np.float32]
    cells: NDArray[np.int64]
    noise: FloatArray
    exponents: FloatArray

    @property
    def kinds(self) -> NDArray[np.int64]:
        """Number of each track's kind in `cells.KINDS`, (N,)."""
        return CELL_KIND[self.cells]


def make_tracks(
    cells: NDArray[np.int64],
    noise: FloatArray,
    points: int,
    dimensions: int,
    rng: np.random.Generator,
    *,
    exponents: FloatArray | None = None,
    walk_points: int = WALK_POINTS,
) -> Tracks:
    """Return tracks of the given cells and noise.

    Parameters
    ----------
    cells, noise
        See `Tracks`, (N,).
    points
        Length of all tracks.
    exponents
        α of each track, (N,), within the range of its kind; default: the cell's.
    walk_points
        Points of the walk that is scaled, and then cut to ``points``.

    Raises
    ------
    ConfigError
        If ``points`` is below 2 or above ``walk_points``, or the noise is negative.
    """
    if not 2 <= points <= walk_points:
        raise ConfigError(f"tracks of {points} points; write a number from 2 to {walk_points}, the points of the whole walk")
    if not np.all(noise >= 0):
        raise ConfigError("the standard deviation of localisation noise is negative or NaN; write numbers of at least 0")
    exponents = CELL_EXPONENT[cells] if exponents is None else exponents
    moves = displacements(CELL_KIND[cells], exponents, walk_points - 1, dimensions, rng)
    size = np.sqrt(np.square(moves).mean(axis=2, keepdims=True))
    scale = np.maximum(moves.std(axis=2, keepdims=True), LEAST_SPREAD * size)
    scale[scale == 0] = 1  # a coordinate without any displacement stays where it is
    positions = np.zeros((len(cells), dimensions, points), np.float32)
    np.cumsum(moves[..., : points - 1] / scale, axis=2, out=positions[..., 1:])
    positions += noise.astype(np.float32)[:, None, None] * rng.standard_normal(positions.shape, np.float32)
    return Tracks(positions - positions[..., :1], cells, noise, exponents)


def draw_noise(number: int, rng: np.random.Generator) -> FloatArray:
    """Return standard deviations of noise, (N,): half of them the challenge's three, half uniform between 0 and 1."""
    return np.where(rng.random(number) < 0.5, rng.choice(CHALLENGE_NOISE, number), rng.random(number))


def draw_tracks(
    number: int,
    points: int,
    dimensions: int,
    rng: np.random.Generator,
    *,
    between: bool = False,
) -> Tracks:
    """Return ``number`` tracks of random cells, by `cells.balanced_prior`, with the noise of `draw_noise`.

    Parameters
    ----------
    between
        Whether exponents are uniform within half a grid distance of the cells', as far as the kind's
        range goes; otherwise they are those of the grid.

    Raises
    ------
    ConfigError
        If ``points`` is out of bounds.
    """
    cells = rng.choice(len(CELL_KIND), number, p=balanced_prior())
    noise = draw_noise(number, rng)
    exponents = exponents_near(cells, rng) if between else None
    return make_tracks(cells, noise, points, dimensions, rng, exponents=exponents)


def draw_points(rng: np.random.Generator) -> int:
    """Return a length from `FEWEST_POINTS` to `MOST_POINTS`, uniform in its logarithm."""
    return int(np.exp(rng.uniform(np.log(FEWEST_POINTS), np.log(MOST_POINTS + 1))))
