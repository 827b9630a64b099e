"""What do walks with heavy-tailed waiting times or flights look like? CTRW, Lévy walk, ATTM.

The pitfall: all coordinates of a walker share its waiting times. So only more walkers average out
their fluctuations; more dimensions do not.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from anodiff.errors import ConfigError
from anodiff.simulation.processes.arguments import check_between, check_not_negative, checked_generator
from anodiff.storage.types import FloatArray, Seed


def continuous_time_random_walk(steps: int, dimensions: int, seed: Seed, *, exponent: float, jump: float = 1.0) -> FloatArray:
    """Return a walk of Gaussian jumps after heavy-tailed waits, (steps+1, dimensions), from 0.

    Waiting times are whole numbers with Sibuya's distribution P(W > n) = Γ(n+1−α) / (Γ(1−α) n!),
    whose tail is n^(−α) / Γ(1−α). This is a geometric distribution with random success probability
    Beta(α, 1−α) (Devroye, Stat. Probab. Lett. 18 (1993) 349). The mean squared displacement from
    the start is known at every t (`continuous_time_random_walk_msd`) and tends to
    d·jump² t^α / Γ(1+α). The time average over T steps grows as τ¹, up to corrections of order
    (τ/T)^α (He, Burov, Metzler & Barkai, Phys. Rev. Lett. 101 (2008) 058101). Its prefactor differs
    from walker to walker.

    Parameters
    ----------
    exponent
        α, the tail exponent of the waiting times, in (0, 1).
    jump
        Standard deviation of a jump in each coordinate.

    Raises
    ------
    ConfigError
        If a size or the seed is invalid, ``exponent`` is outside (0, 1), or ``jump`` is negative.
    """
    rng = checked_generator("continuous_time_random_walk", steps, dimensions, seed)
    check_between("continuous_time_random_walk", "exponent", exponent, 0, 1)
    check_not_negative("continuous_time_random_walk", "jump", jump)
    # Below 1e-15 a waiting time exceeds any path; numpy's geometric distribution rejects a
    # probability of 0.
    success = np.maximum(rng.beta(exponent, 1 - exponent, steps), 1e-15)
    arrivals = np.cumsum(np.minimum(rng.geometric(success), steps + 1))
    arrivals = arrivals[arrivals <= steps]
    points = np.zeros((steps + 1, dimensions))
    points[arrivals] = jump * rng.standard_normal((len(arrivals), dimensions))
    return np.cumsum(points, axis=0)


def continuous_time_random_walk_msd(times: ArrayLike, dimensions: int, *, exponent: float, jump: float = 1.0) -> FloatArray:
    """Return the exact ensemble average of the squared displacement at whole ``times``.

    It is d·jump² (Γ(t+1+α) / (Γ(1+α) t!) − 1). The waiting times have the generating function
    1 − (1−z)^α. So the expected number of jumps at each step, counting one at time 0, has the
    generating function (1−z)^(−α), and its partial sums are the ratio.

    Examples
    --------
    >>> continuous_time_random_walk_msd([0, 1, 2], 1, exponent=0.5)
    array([0.   , 0.5  , 0.875])
    """
    time = np.asarray(times, np.int64)
    factors = 1 + exponent / np.arange(1, time.max(initial=0) + 1)
    return dimensions * jump**2 * (np.cumprod(np.concatenate([[1.0], factors]))[time] - 1)


def levy_walk(steps: int, dimensions: int, seed: Seed, *, exponent: float, speed: float = 1.0) -> FloatArray:
    """Return straight flights of constant speed, (steps+1, dimensions), first point 0.

    Flight durations are at least one step and have P(W > t) = t^(−σ), σ = 3 − α. The walk starts in
    mid-flight, in equilibrium: the first duration is the rest of a flight that began long ago. So
    increments are stationary, the mean time average equals the ensemble average, and both are known
    (`levy_walk_msd`): τ² within a step, then towards τ^α. Directions are isotropic, in one
    dimension ±1. Source: Zaburdaev, Denisov & Klafter, Rev. Mod. Phys. 87 (2015) 483.

    Parameters
    ----------
    exponent
        α, in (1, 2).

    Raises
    ------
    ConfigError
        If a size or the seed is invalid, ``exponent`` is outside (1, 2), or ``speed`` is negative.
    """
    rng = checked_generator("levy_walk", steps, dimensions, seed)
    check_between("levy_walk", "exponent", exponent, 1, 2)
    check_not_negative("levy_walk", "speed", speed)
    tail = 3 - exponent
    durations = _pareto(rng, tail, steps + 1, steps + 1)
    # The density of the remaining duration is P(W > t) / mean: constant up to 1, then t^(−σ).
    durations[0] = rng.random() if rng.random() < (tail - 1) / tail else _pareto(rng, tail - 1, 1, steps + 1)[0]
    ends = np.cumsum(durations)
    durations = durations[: np.searchsorted(ends, steps) + 1]
    turns = np.concatenate([[0.0], ends[: len(durations) - 1]])  # when each flight begins
    velocities = rng.standard_normal((len(durations), dimensions))
    velocities *= speed / np.linalg.norm(velocities, axis=1, keepdims=True)
    corners = np.zeros_like(velocities)  # where each flight begins
    np.cumsum(durations[:-1, None] * velocities[:-1], axis=0, out=corners[1:])
    times = np.arange(steps + 1.0)
    flight = np.searchsorted(turns, times, side="right") - 1
    return corners[flight] + (times - turns[flight])[:, None] * velocities[flight]


def levy_walk_msd(lags: ArrayLike, dimensions: int, *, exponent: float, speed: float = 1.0) -> FloatArray:
    """Return the exact MSD of `levy_walk`, shaped as ``lags``, in any number of dimensions.

    It is 2 ∫ (τ−s) C(s) ds over 0 … τ. The velocity correlation C(s) = v² P(remaining duration > s)
    is v² (1 − s(σ−1)/σ) up to s = 1 and v² s^(1−σ)/σ beyond. The MSD tends to
    2v² τ^α / (α (α−1) (3−α)), with a correction of order τ.

    Examples
    --------
    >>> levy_walk_msd([0, 1], 3, exponent=1.5).round(6)
    array([0.      , 0.888889])
    """
    tau, tail = np.asarray(lags, np.float64), 3 - exponent
    begun, beyond = np.minimum(tau, 1.0), np.maximum(tau, 1.0)  # C changes its form at s = 1
    early = tau * begun - begun**2 / 2 - (tail - 1) / tail * (tau * begun**2 / 2 - begun**3 / 3)
    late = (beyond * (beyond ** (2 - tail) - 1) / (2 - tail) - (beyond**exponent - 1) / exponent) / tail
    return 2 * speed**2 * (early + late)


def annealed_transient_time(
    steps: int, dimensions: int, seed: Seed, *, exponent: float, gamma: float = 1.0, diffusivity: float = 0.5
) -> FloatArray:
    """Return Brownian motion of randomly changing diffusivity, (steps+1, dimensions), from 0.

    For each stretch, a diffusivity D·u is drawn with density σu^(σ−1) on (0, 1) and kept for u^(−γ)
    steps. With σ = αγ and σ < γ < σ + 1, the squared displacement from the start grows as t^α. The
    time average over T steps grows as τ¹, up to corrections of order (τ/T)^α. The motion within a
    step is integrated exactly. At γ = 1 all stretches spread equally far, and the power law begins
    earliest. Source: Massignan et al., Phys. Rev. Lett. 112 (2014) 150603, regime I.

    Parameters
    ----------
    exponent
        α, in (0, 1).
    gamma
        γ, above 0 and below 1/(1−α), so that σ < γ < σ + 1.
    diffusivity
        D, the largest diffusivity.

    Raises
    ------
    ConfigError
        If a size or the seed is invalid, ``exponent`` or ``gamma`` is out of bounds, or the
        diffusivity is negative.
    """
    rng = checked_generator("annealed_transient_time", steps, dimensions, seed)
    check_between("annealed_transient_time", "exponent", exponent, 0, 1)
    check_between("annealed_transient_time", "gamma", gamma, 0)
    check_not_negative("annealed_transient_time", "diffusivity", diffusivity)
    if gamma >= 1 / (1 - exponent):
        raise ConfigError(
            f"annealed_transient_time: gamma = {gamma!r} gives an exponent other than {exponent:g}; "
            f"write a number below {1 / (1 - exponent):g}"
        )
    logarithms = rng.standard_exponential(steps)  # −ln of a uniform number, which 1/σ scales to −ln u
    fractions = np.exp(-logarithms / (exponent * gamma))
    durations = np.exp(np.minimum(logarithms / exponent, math.log(steps + 1)))
    ends = np.concatenate([[0.0], np.cumsum(durations)])
    spread = np.concatenate([[0.0], np.cumsum(fractions * durations)])  # ∫ u dt up to each end
    variances = 2 * diffusivity * np.diff(np.interp(np.arange(steps + 1.0), ends, spread))
    points = np.zeros((steps + 1, dimensions))
    np.cumsum(np.sqrt(variances)[:, None] * rng.standard_normal((steps, dimensions)), axis=0, out=points[1:])
    return points


def _pareto(rng: np.random.Generator, tail: float, size: int, longest: float) -> FloatArray:
    """Return numbers of at least 1 with P(> t) = t^(−tail), capped at ``longest``, (size,)."""
    return np.exp(np.minimum(rng.standard_exponential(size) / tail, math.log(longest)))
