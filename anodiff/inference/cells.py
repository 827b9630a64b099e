"""Which kinds of motion are told apart, and which exponents can each have? 140 cells.

The kinds and their ranges are those of the Anomalous Diffusion (AnDi) challenge: Muñoz-Gil et al.,
Nat. Commun. 12 (2021) 6253. A cell is a pair of a kind and an exponent α on a grid of 0.05.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anodiff.errors import ConfigError, did_you_mean
from anodiff.storage.types import FloatArray

#: Distance of neighbouring exponents.
GRID = 0.05

#: First and last exponent of each kind, in units of `GRID`. The order is the challenge's.
_RANGES = {"attm": (1, 20), "ctrw": (1, 20), "fbm": (1, 39), "lw": (20, 40), "sbm": (1, 40)}

#: The kinds: annealed transient time motion, continuous-time random walk, fractional Brownian motion, Lévy walk, scaled
#: Brownian motion.
KINDS = tuple(_RANGES)

#: Families of walks that are none of the kinds, see `anodiff.inference.simulated.foreign`.
FAMILIES = ("relaxing", "confined", "drifting", "heavy-tailed", "switching", "oscillating")

#: Number of the kind in `KINDS` of each cell, (140,).
CELL_KIND = np.repeat(np.arange(len(KINDS)), [last - first + 1 for first, last in _RANGES.values()])

#: Exponent α of each cell, (140,).
CELL_EXPONENT: FloatArray = np.round(np.concatenate([np.arange(first, last + 1) for first, last in _RANGES.values()]) * GRID, 2)

#: Exponents of all kinds, 0.05, 0.10 … 2, (40,), and the number of each cell's among them, (140,).
EXPONENTS = np.unique(CELL_EXPONENT)
CELL_COLUMN = np.searchsorted(EXPONENTS, CELL_EXPONENT)


def kind_number(name: str) -> int:
    """Return the number of a kind in `KINDS`.

    Raises
    ------
    ConfigError
        If there is no such kind.

    Examples
    --------
    >>> kind_number("fbm")
    2
    """
    if name not in KINDS:
        raise ConfigError(f"kind {name!r}: {did_you_mean(name, KINDS)}")
    return KINDS.index(name)


def kind_exponents(name: str) -> FloatArray:
    """Return the exponents of a kind, in rising order.

    Raises
    ------
    ConfigError
        If there is no such kind.

    Examples
    --------
    >>> float(kind_exponents("lw").min()), len(kind_exponents("fbm"))
    (1.0, 39)
    """
    return CELL_EXPONENT[kind_number(name) == CELL_KIND]


def exponents_near(cells: NDArray[np.int64], rng: np.random.Generator) -> FloatArray:
    """Return exponents that are uniform within half a grid distance of the cells', (N,), as far as the
    range of the kind goes.
    """
    kinds = CELL_KIND[cells]
    first, last = (np.array([end(kind_exponents(kind)) for kind in KINDS])[kinds] for end in (np.min, np.max))
    near = CELL_EXPONENT[cells] + GRID * (rng.random(len(cells)) - 0.5)
    return last - abs(last - (first + abs(near - first)))  # what lies outside is reflected


def balanced_prior() -> FloatArray:
    """Return the probability of each cell, (140,), if kinds are equally frequent, and so are the
    exponents of each kind.
    """
    return 1.0 / (len(KINDS) * np.bincount(CELL_KIND)[CELL_KIND])


def exponent_prior() -> FloatArray:
    """Return the challenge's probability of each cell for the exponent, (140,): all α equally
    frequent, and the kinds of one α as frequent as its data sets have them.
    """
    frequent = np.array([1, 1, 1, 0.8, 1])[CELL_KIND] / np.bincount(CELL_KIND)[CELL_KIND]
    share = frequent / np.bincount(CELL_COLUMN, weights=frequent)[CELL_COLUMN]
    return share / share.sum()
