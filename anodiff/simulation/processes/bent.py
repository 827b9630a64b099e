"""Which paths bend their curve, or take steps that are not alike? Processes that are hard to measure.

Each of them breaks one assumption that is easily made of a path: that its MSD is a power law, that
its directions are alike, that its steps are, or that nothing changes within a window.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from anodiff.errors import ConfigError
from anodiff.simulation.processes.arguments import check_between, checked_generator
from anodiff.simulation.processes.gaussian import brownian, brownian_msd, fractional_brownian, fractional_brownian_msd
from anodiff.simulation.processes.relaxing import ornstein_uhlenbeck, ornstein_uhlenbeck_msd
from anodiff.storage.types import FloatArray, Seed


def trapped_brownian(steps: int, dimensions: int, seed: Seed, *, relaxation: float, escape: float = 0.1) -> FloatArray:
    """Return an Ornstein-Uhlenbeck path in a trap that itself diffuses, (steps+1, dimensions).

    The trap has the relaxation time θ and its centre the diffusivity ``escape``/2, in units of the
    path's own 1/2. So β falls from 1 at lags around θ, and rises again beyond θ/``escape``. The MSD
    is d·(θ (1 − e^(−τ/θ)) + escape·τ) (`trapped_brownian_msd`).

    Raises
    ------
    ConfigError
        If a size or the seed is invalid, or a number is not above 0.
    """
    rng = checked_generator("trapped_brownian", steps, dimensions, seed)
    check_between("trapped_brownian", "escape", escape, 0)
    trapped = ornstein_uhlenbeck(steps, dimensions, rng, relaxation=relaxation)
    return trapped + brownian(steps, dimensions, rng, diffusivity=escape / 2)


def trapped_brownian_msd(lags: ArrayLike, dimensions: int, *, relaxation: float, escape: float = 0.1) -> FloatArray:
    """Return the exact MSD d·(θ (1 − e^(−τ/θ)) + escape·τ) of `trapped_brownian`."""
    trapped = ornstein_uhlenbeck_msd(lags, dimensions, relaxation=relaxation)
    return trapped + brownian_msd(lags, dimensions, diffusivity=escape / 2)


def anisotropic_fractional_brownian(steps: int, dimensions: int, seed: Seed, *, hurst: float) -> FloatArray:
    """Return fractional Brownian motion whose i-th coordinate has variance 1/i, (steps+1, dimensions).

    Its MSD is Σ 1/i · τ^(2H) (`anisotropic_fractional_brownian_msd`). The effective dimension
    (Σ 1/i)² / Σ 1/i² is far below ``dimensions``: 5.5 of 10 and 24 of 300.

    Raises
    ------
    ConfigError
        If a size or the seed is invalid, or ``hurst`` is outside (0, 1).
    """
    path = fractional_brownian(steps, dimensions, seed, hurst=hurst)
    return np.asarray(path / np.sqrt(np.arange(1, dimensions + 1)))


def anisotropic_fractional_brownian_msd(lags: ArrayLike, dimensions: int, *, hurst: float) -> FloatArray:
    """Return the exact MSD Σ 1/i · τ^(2H) of `anisotropic_fractional_brownian`."""
    return fractional_brownian_msd(lags, 1, hurst=hurst) * float((1 / np.arange(1, dimensions + 1)).sum())


def student_walk(steps: int, dimensions: int, seed: Seed, *, freedom: float) -> FloatArray:
    """Return a walk of independent Student-t steps with one scale per step, (steps+1, dimensions).

    A step is normal, divided by √(χ²_ν / ν), which all its entries share; ν is ``freedom``. Its
    MSD is d ν/(ν − 2) τ (`student_walk_msd`). For ν ≤ 4 the squared step lengths have no variance.

    Raises
    ------
    ConfigError
        If a size or the seed is invalid, or ν is not above 2, where steps have no variance.
    """
    rng = checked_generator("student_walk", steps, dimensions, seed)
    check_between("student_walk", "freedom", freedom, 2)
    scales = np.sqrt(rng.chisquare(freedom, steps) / freedom)
    return _walk(rng.standard_normal((steps, dimensions)) / scales[:, None])


def student_walk_msd(lags: ArrayLike, dimensions: int, *, freedom: float) -> FloatArray:
    """Return the exact MSD d ν/(ν − 2) τ of `student_walk`."""
    return dimensions * freedom / (freedom - 2) * np.asarray(lags, np.float64)


def slowing_brownian(steps: int, dimensions: int, seed: Seed, *, time: float) -> FloatArray:
    """Return Brownian motion whose steps shrink as e^(−t/``time``), (steps+1, dimensions).

    The displacement from the start is ⟨x²(t)⟩ = d Σ_{k<t} e^(−2k/time) (`slowing_brownian_msd`). The
    increments are uncorrelated, so the time average over T steps follows from it.

    Raises
    ------
    ConfigError
        If a size or the seed is invalid, or ``time`` is not above 0.
    """
    rng = checked_generator("slowing_brownian", steps, dimensions, seed)
    check_between("slowing_brownian", "time", time, 0)
    return _walk(np.exp(-np.arange(steps) / time)[:, None] * rng.standard_normal((steps, dimensions)))


def slowing_brownian_msd(times: ArrayLike, dimensions: int, *, time: float) -> FloatArray:
    """Return `slowing_brownian`'s exact ensemble average d (1 − e^(−2t/time)) / (1 − e^(−2/time))."""
    if not time > 0:
        raise ConfigError(f"slowing_brownian_msd: time = {time!r}; write a number above 0")
    return dimensions * np.expm1(-2 * np.asarray(times, np.float64) / time) / math.expm1(-2 / time)


def _walk(increments: FloatArray) -> FloatArray:
    return np.concatenate([np.zeros((1, increments.shape[1])), np.cumsum(increments, axis=0)])
