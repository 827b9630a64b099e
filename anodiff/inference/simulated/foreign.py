"""How do walks move that are none of the five kinds? Tracks that a network must not be sure of.

Each family has parameters of its own, drawn anew for each track. Some of these tracks cannot be told
from the five kinds by anyone: a relaxation that takes longer than the track is Brownian motion.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.signal
from numpy.typing import NDArray

from anodiff.inference.cells import CELL_EXPONENT, CELL_KIND, FAMILIES, kind_number
from anodiff.inference.simulated.motions import displacements
from anodiff.storage.types import FloatArray


def relaxing(number: int, points: int, dimensions: int, rng: np.random.Generator) -> FloatArray:
    """Return Ornstein–Uhlenbeck processes, x ← ρx + noise, as in a quadratic bowl.

    The relaxation time −1/ln ρ is log-uniform between 1 and a quarter of the track. Half of the tracks
    start in equilibrium, half up to ten standard deviations away from the centre.
    """
    times = np.exp(rng.uniform(0, np.log(max(points / 4, 1.5)), number))
    rho = np.exp(-1 / times)[:, None, None]
    deviation = 1 / np.sqrt(1 - rho**2)
    away = np.where(rng.random((number, 1, 1)) < 0.5, 0, rng.uniform(-10, 10, (number, dimensions, 1)))
    walk = rng.standard_normal((number, dimensions, points))
    walk[..., :1] = deviation * (walk[..., :1] + away)
    for row, decay in enumerate(rho[:, 0, 0]):
        walk[row] = scipy.signal.lfilter([1], [1, -decay], walk[row])
    return walk


def confined(number: int, points: int, dimensions: int, rng: np.random.Generator) -> FloatArray:
    """Return Brownian motion between reflecting walls, whose distance is log-uniform between 2 mean
    steps and half of the free walk's width.
    """
    walls = np.exp(rng.uniform(np.log(2), np.log(max(np.sqrt(points) / 2, 2.5)), number))[:, None, None]
    free = rng.standard_normal((number, dimensions, points)).cumsum(axis=2) + walls * rng.random((number, dimensions, 1))
    return walls * abs((free / walls + 1) % 2 - 1)  # reflection is folding


def drifting(number: int, points: int, dimensions: int, rng: np.random.Generator) -> FloatArray:
    """Return Brownian motion with drift, which moves 2 to 20 times as far as the free walk."""
    direction = rng.standard_normal((number, dimensions, 1))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    drift = np.exp(rng.uniform(np.log(2), np.log(20), number))[:, None, None] / np.sqrt(points)
    steps: FloatArray = rng.standard_normal((number, dimensions, points)) + drift * direction
    return steps.cumsum(axis=2)


def heavy_tailed(number: int, points: int, dimensions: int, rng: np.random.Generator) -> FloatArray:
    """Return independent steps of Student's t distribution, with 1 to 4 degrees of freedom."""
    freedom = rng.uniform(1, 4, number)[:, None, None]
    steps = rng.standard_normal((number, dimensions, points))
    return (steps / np.sqrt(rng.chisquare(freedom, (number, 1, points)) / freedom)).cumsum(axis=2)


def switching(number: int, points: int, dimensions: int, rng: np.random.Generator) -> FloatArray:
    """Return fractional Brownian motion whose exponent changes by at least 0.6 once, in the middle
    half of the track; steps after it are up to three times as large or as small.
    """
    exponents = CELL_EXPONENT[kind_number("fbm") == CELL_KIND]
    first, second = (exponents[rng.integers(0, len(exponents), number)] for _ in range(2))
    near = abs(first - second) < 0.6
    second[near] = np.where(first[near] > 1, first[near] - 0.6, first[near] + 0.6)
    kinds = np.full(number, kind_number("fbm"))
    steps = displacements(kinds, first, points, dimensions, rng)
    change = rng.integers(points // 4, points - points // 4, number)
    after = np.arange(points) >= change[:, None]
    factor = np.exp(rng.uniform(-np.log(3), np.log(3), number))[:, None, None]
    later = factor * displacements(kinds, second, points, dimensions, rng)
    return np.where(after[:, None], later, steps).cumsum(axis=2)


def oscillating(number: int, points: int, dimensions: int, rng: np.random.Generator) -> FloatArray:
    """Return Brownian motion about a sine of random phase in each coordinate.

    Its period is log-uniform between 4 steps and half of the track, its largest step between 0.5 and 5
    times the Brownian one.
    """
    frequency = 2 * np.pi / np.exp(rng.uniform(np.log(4), np.log(max(points / 2, 5)), number))[:, None, None]
    amplitude = np.exp(rng.uniform(np.log(0.5), np.log(5), number))[:, None, None] / frequency
    phase = rng.uniform(0, 2 * np.pi, (number, dimensions, 1))
    steps = rng.standard_normal((number, dimensions, points))
    return amplitude * np.sin(frequency * np.arange(points) + phase) + steps.cumsum(axis=2)


def observed(walk: FloatArray, noise: FloatArray, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return walks, (N, dimensions, points), in units of their displacements' standard deviation, with
    localisation noise of standard deviation ``noise``, (N,).
    """
    scaled = walk / np.diff(walk).std(axis=(1, 2), keepdims=True)
    seen = scaled + noise[:, None, None] * rng.standard_normal(walk.shape)
    return (seen - seen[..., :1]).astype(np.float32)


_WALKS: dict[str, Callable[[int, int, int, np.random.Generator], FloatArray]] = {
    "relaxing": relaxing,
    "confined": confined,
    "drifting": drifting,
    "heavy-tailed": heavy_tailed,
    "switching": switching,
    "oscillating": oscillating,
}

#: The families, in the order of `cells.FAMILIES`.
FOREIGN = {name: _WALKS[name] for name in FAMILIES}
