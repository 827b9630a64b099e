"""Are the arguments of a process valid? Checks that raise one line that a user can act on."""

from __future__ import annotations

import math
from numbers import Integral, Real

import numpy as np

from anodiff.errors import ConfigError
from anodiff.storage.types import Seed


def checked_generator(process: str, steps: int, dimensions: int, seed: Seed) -> np.random.Generator:
    """Check the size of the path, and return the generator for ``seed``.

    Raises
    ------
    ConfigError
        ``steps`` or ``dimensions`` is not a whole number of at least 1, or ``seed`` is neither a
        whole number of at least 0 nor a Generator.
    """
    for name, value in {"steps": steps, "dimensions": dimensions}.items():
        if not isinstance(value, Integral) or value < 1:
            raise ConfigError(f"{process}: {name} = {value!r}; write a whole number of at least 1")
    if isinstance(seed, np.random.Generator):
        return seed
    if not isinstance(seed, Integral) or seed < 0:
        raise ConfigError(f"{process}: seed = {seed!r}; write a whole number of at least 0, or give a numpy Generator")
    return np.random.default_rng(int(seed))


def check_between(process: str, name: str, value: float, low: float, high: float = math.inf) -> None:
    """Raise `ConfigError` unless ``low`` < ``value`` < ``high``."""
    if not (isinstance(value, Real) and low < value < high):
        wanted = (
            f"a finite number above {low:g}" if math.isinf(high) else f"a number between {low:g} and {high:g}, both excluded"
        )
        raise ConfigError(f"{process}: {name} = {value!r}; write {wanted}")


def check_not_negative(process: str, name: str, value: float) -> None:
    """Raise `ConfigError` unless 0 ≤ ``value`` < ∞."""
    if not (isinstance(value, Real) and 0 <= value < math.inf):
        raise ConfigError(f"{process}: {name} = {value!r}; write a finite number of at least 0")
