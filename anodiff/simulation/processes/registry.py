"""Which reference processes are there, and which law must an analysis find in each?

The pitfall: most exponents are reached only at long times, and those of the time averages of ageing
processes only at lags far below the window's length. `Process.expected_time_average` gives the
exact curve at any lag, if it is known.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from anodiff.errors import ConfigError
from anodiff.simulation.processes.bent import (
    anisotropic_fractional_brownian,
    anisotropic_fractional_brownian_msd,
    slowing_brownian,
    slowing_brownian_msd,
    student_walk,
    student_walk_msd,
    trapped_brownian,
    trapped_brownian_msd,
)
from anodiff.simulation.processes.gaussian import (
    brownian,
    brownian_msd,
    fractional_brownian,
    fractional_brownian_msd,
    scaled_brownian,
    scaled_brownian_msd,
)
from anodiff.simulation.processes.relaxing import ornstein_uhlenbeck, ornstein_uhlenbeck_msd, quadratic_bowl, quadratic_bowl_msd
from anodiff.simulation.processes.walks import (
    annealed_transient_time,
    continuous_time_random_walk,
    continuous_time_random_walk_msd,
    levy_walk,
    levy_walk_msd,
)
from anodiff.storage.types import FloatArray, Seed

Simulation: TypeAlias = Callable[[int, int, Seed], FloatArray]
ExactMsd: TypeAlias = Callable[[ArrayLike, int], FloatArray]


@dataclass(frozen=True)
class Process:
    """A random process with fixed parameters, and what is known about its displacement.

    Attributes
    ----------
    name
        Its name in `PROCESSES`.
    simulate
        Function from (steps, dimensions, seed) to the points of one path, shape (steps+1,
        dimensions).
    ensemble_exponent
        α of the mean squared displacement from the first point, ~ t^α at long times; None if it is
        not a power law.
    time_averaged_exponent
        α of the time-averaged MSD, ~ τ^α at lags that are long but far below the window; None if it
        is not a power law.
    hurst
        Hurst exponent of a Gaussian self-similar path with stationary increments; None for all
        others.
    exact_msd
        Function from (lags, dimensions) to the expected time-averaged MSD; None if increments are
        not stationary.
    ensemble_msd
        Function from (whole times, dimensions) to the expected squared displacement from the first
        point; None if unknown.
    gaussian
        Whether it is Gaussian with stationary increments, as the intervals of `anodiff.diffusion`
        assume.
    alike
        Whether all coordinates have the same law.
    """

    name: str
    simulate: Simulation
    ensemble_exponent: float | None
    time_averaged_exponent: float | None
    hurst: float | None = None
    exact_msd: ExactMsd | None = None
    ensemble_msd: ExactMsd | None = None
    gaussian: bool = False
    alike: bool = True

    def expected_time_average(self, lags: ArrayLike, dimensions: int, steps: int) -> FloatArray | None:
        """Return the exact mean time-averaged MSD of ``steps`` steps at whole ``lags``, or None."""
        if self.exact_msd is not None:
            return self.exact_msd(lags, dimensions)
        if self.ensemble_msd is not None:  # the increments of these processes are not stationary but uncorrelated
            return time_average_from_ensemble(self.ensemble_msd(np.arange(steps + 1), dimensions), lags)
        return None


def time_average_from_ensemble(ensemble: ArrayLike, lags: ArrayLike) -> FloatArray:
    """Return the time-averaged MSD, mean over i of m(i+τ) − m(i), for uncorrelated increments.

    Parameters
    ----------
    ensemble
        m, the mean squared displacement from the first point, at times 0 … T, shape (T+1,).
    lags
        Whole lags τ from 0 to T.

    Raises
    ------
    ConfigError
        If a lag is beyond T.

    Examples
    --------
    >>> time_average_from_ensemble([0.0, 1.0, 4.0, 9.0], [1, 3])
    array([3., 9.])
    """
    m, tau = np.asarray(ensemble, np.float64), np.asarray(lags, np.int64)
    if tau.size and not 0 <= tau.min() <= tau.max() < len(m):
        raise ConfigError(f"lags from {tau.min()} to {tau.max()}; a path of {len(m) - 1} steps has lags from 0 to {len(m) - 1}")
    sums = np.concatenate([[0.0], np.cumsum(m)])
    pairs = len(m) - tau
    return (sums[-1] - sums[tau] - sums[pairs]) / pairs


BOWL = {"learning_rate": 0.1, "noise": 1.0}


def bowl_curvatures(dimensions: int) -> FloatArray:
    """Return curvatures from 0.1 (relaxes in 100 steps) to 10 (in one), evenly in ln h."""
    return np.geomspace(0.1, 10.0, dimensions)


def power_law_curvatures(dimensions: int) -> FloatArray:
    """Return curvatures 10·i^(−1.25), like those of many networks: a few sharp ones, most nearly flat."""
    return np.asarray(10.0 * np.arange(1, dimensions + 1) ** -1.25, np.float64)


def two_curvatures(dimensions: int) -> FloatArray:
    """Return curvatures of two groups: a tenth of the directions relax in 2 steps, the rest in 200."""
    return np.asarray(np.where(np.arange(dimensions) < max(1, dimensions // 10), 5.0, 0.05), np.float64)


def _bowl(steps: int, dimensions: int, seed: Seed, *, spectrum: Callable[[int], FloatArray]) -> FloatArray:
    curvatures = spectrum(max(1, dimensions))
    return quadratic_bowl(steps, dimensions, seed, curvatures=curvatures, start="stationary", **BOWL)


def _bowl_msd(lags: ArrayLike, dimensions: int, *, spectrum: Callable[[int], FloatArray]) -> FloatArray:
    return quadratic_bowl_msd(lags, dimensions, curvatures=spectrum(dimensions), **BOWL)


def _drift(dimensions: int) -> float:
    """Return the drift for which β = 1 + τ / (τ + 100), in any number of dimensions."""
    return 0.1 * math.sqrt(max(1, dimensions))


def _drifting(steps: int, dimensions: int, seed: Seed) -> FloatArray:
    return brownian(steps, dimensions, seed, drift=_drift(dimensions))


def _drifting_msd(lags: ArrayLike, dimensions: int) -> FloatArray:
    return brownian_msd(lags, dimensions, drift=_drift(dimensions))


def _stationary(
    name: str,
    simulate: Callable[..., FloatArray],
    msd: Callable[..., FloatArray],
    power: float | None,
    self_similarity: float | None = None,
    *,
    gaussian: bool = True,
    alike: bool = True,
    **settings: Any,
) -> Process:
    """Return a process with stationary increments: time and ensemble averages have one law."""
    exact = partial(msd, **settings)
    return Process(name, partial(simulate, **settings), power, power, self_similarity, exact, exact, gaussian, alike)


def _ageing(name: str, simulate: Callable[..., FloatArray], msd: Callable[..., FloatArray] | None, power: float) -> Process:
    """Return a process whose ensemble average grows as t^α and whose time average grows as τ¹."""
    known = None if msd is None else partial(msd, exponent=power)
    return Process(name, partial(simulate, exponent=power), power, 1.0, ensemble_msd=known)


_ALL = [
    _stationary("brownian", brownian, brownian_msd, 1.0, 0.5),
    *(
        _stationary(f"fbm-{hurst:g}", fractional_brownian, fractional_brownian_msd, 2 * hurst, hurst, hurst=hurst)
        for hurst in (0.25, 0.5, 0.75)
    ),
    _stationary("drift", _drifting, _drifting_msd, None),
    _ageing("sbm", scaled_brownian, scaled_brownian_msd, 0.5),
    _ageing("ctrw", continuous_time_random_walk, continuous_time_random_walk_msd, 0.7),
    _stationary("levy-walk", levy_walk, levy_walk_msd, 1.5, gaussian=False, exponent=1.5),
    _ageing("attm", annealed_transient_time, None, 0.7),
    _stationary("ornstein-uhlenbeck", ornstein_uhlenbeck, ornstein_uhlenbeck_msd, None, relaxation=20.0),
    *(
        _stationary(name, _bowl, _bowl_msd, None, alike=False, spectrum=spectrum)
        for name, spectrum in {
            "bowl": bowl_curvatures,
            "bowl-power-law": power_law_curvatures,
            "bowl-two-rates": two_curvatures,
        }.items()
    ),
    *(
        _stationary(f"trapped-{time:g}", trapped_brownian, trapped_brownian_msd, None, relaxation=float(time))
        for time in (20, 60, 200)
    ),
    _stationary(
        "fbm-anisotropic",
        anisotropic_fractional_brownian,
        anisotropic_fractional_brownian_msd,
        1.2,
        0.6,
        alike=False,
        hurst=0.6,
    ),
    _stationary("student", student_walk, student_walk_msd, 1.0, gaussian=False, freedom=3.0),
    Process(
        "slowing", partial(slowing_brownian, time=500.0), None, 1.0, ensemble_msd=partial(slowing_brownian_msd, time=500.0)
    ),
]

#: The reference processes by name.
PROCESSES: dict[str, Process] = {process.name: process for process in _ALL}
