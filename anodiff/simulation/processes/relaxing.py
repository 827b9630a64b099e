"""How does a path spread if it is pulled back? Ornstein-Uhlenbeck, and SGD in a quadratic bowl.

Each coordinate forgets its past exponentially, and the MSD levels off at twice the stationary
variance.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from anodiff.errors import ConfigError
from anodiff.simulation.processes.arguments import check_between, check_not_negative, checked_generator
from anodiff.storage.types import FloatArray, Seed


def ornstein_uhlenbeck(steps: int, dimensions: int, seed: Seed, *, relaxation: float, diffusivity: float = 0.5) -> FloatArray:
    """Return a stationary path of dx = −x/θ dt + √(2D) dW, (steps+1, dimensions), shifted to 0.

    It is exact at whole times: x ← e^(−1/θ) x + √(Dθ (1 − e^(−2/θ))) ξ from x ~ N(0, Dθ), with
    ``relaxation`` θ in steps. Its MSD is 2dDθ (1 − e^(−τ/θ)) (`ornstein_uhlenbeck_msd`). Source:
    Gillespie, Phys. Rev. E 54 (1996) 2084.

    Raises
    ------
    ConfigError
        If a size or the seed is invalid, the relaxation time is not above 0, or the diffusivity is
        negative.
    """
    rng = checked_generator("ornstein_uhlenbeck", steps, dimensions, seed)
    check_between("ornstein_uhlenbeck", "relaxation", relaxation, 0)
    check_not_negative("ornstein_uhlenbeck", "diffusivity", diffusivity)
    variance = diffusivity * relaxation
    first = math.sqrt(variance) * rng.standard_normal(dimensions)
    kicks = math.sqrt(-variance * math.expm1(-2 / relaxation)) * rng.standard_normal((steps, dimensions))
    points = _relaxed(first, math.exp(-1 / relaxation), kicks)
    return points - points[0]


def ornstein_uhlenbeck_msd(lags: ArrayLike, dimensions: int, *, relaxation: float, diffusivity: float = 0.5) -> FloatArray:
    """Return the exact MSD 2dDθ (1 − e^(−τ/θ)) of `ornstein_uhlenbeck`, shaped as ``lags``."""
    return -2 * dimensions * diffusivity * relaxation * np.expm1(-np.asarray(lags, np.float64) / relaxation)


def quadratic_bowl(
    steps: int,
    dimensions: int,
    seed: Seed,
    *,
    curvatures: ArrayLike,
    learning_rate: float,
    noise: float,
    start: ArrayLike = 0.0,
) -> FloatArray:
    """Return the weights of SGD in L = ½ Σ h_i w_i² with noisy gradients, (steps+1, dimensions).

    Each step is w ← w − η (h w + σ ξ), ξ ~ N(0, I). After k steps the mean is (1 − ηh)^k w_0 and
    the variance s² (1 − (1 − ηh)^(2k)). The stationary covariance is diagonal with s² = ησ² / (h (2
    − ηh)). From a stationary start, the MSD is 2 Σ s_i² (1 − (1 − ηh_i)^τ) (`quadratic_bowl_msd`).
    Source: Mandt, Hoffman & Blei, J. Mach. Learn. Res. 18 (2017), for small η; the formulas here
    are exact for the recursion.

    Parameters
    ----------
    curvatures
        h ≥ 0 with ηh < 2, one number or shape (dimensions,). Weights with h = 0 diffuse freely.
    learning_rate, noise
        η > 0 and σ ≥ 0.
    start
        w_0, one number or shape (dimensions,). ``"stationary"`` draws it from the stationary
        distribution; all h must be > 0.

    Raises
    ------
    ConfigError
        If a size or the seed is invalid, a number is out of bounds, or curvatures or start have
        another shape.

    Examples
    --------
    >>> quadratic_bowl(2, 1, seed=0, curvatures=1.0, learning_rate=0.5, noise=0.0, start=8.0).tolist()
    [[8.0], [4.0], [2.0]]
    """
    rng = checked_generator("quadratic_bowl", steps, dimensions, seed)
    curvature = _bowl(dimensions, curvatures, learning_rate, noise)
    if isinstance(start, str):
        if start != "stationary" or not curvature.all():
            raise ConfigError(
                f"quadratic_bowl: start = {start!r}; write numbers, or 'stationary' if all curvatures are above 0"
            )
        first = np.sqrt(_stationary_variances(curvature, learning_rate, noise)) * rng.standard_normal(dimensions)
    else:
        first = _per_dimension("start", start, dimensions)
    kicks = -learning_rate * noise * rng.standard_normal((steps, dimensions))
    return _relaxed(first, 1 - learning_rate * curvature, kicks)


def quadratic_bowl_msd(
    lags: ArrayLike, dimensions: int, *, curvatures: ArrayLike, learning_rate: float, noise: float
) -> FloatArray:
    """Return the exact MSD 2 Σ s_i² (1 − (1 − ηh_i)^τ) of a stationary bowl at whole ``lags``.

    Raises
    ------
    ConfigError
        If a number is out of bounds, a curvature is 0, or the curvatures have another shape.
    """
    curvature = _bowl(dimensions, curvatures, learning_rate, noise)
    if not curvature.all():
        raise ConfigError("quadratic_bowl_msd: a curvature is 0, so nothing is stationary; write curvatures above 0")
    memory = (1 - learning_rate * curvature) ** np.asarray(lags, np.float64)[..., None]  # (..., dimensions)
    return 2 * ((1 - memory) @ _stationary_variances(curvature, learning_rate, noise))


def _bowl(dimensions: int, curvatures: ArrayLike, learning_rate: float, noise: float) -> FloatArray:
    """Check the bowl's numbers, and return the curvatures, shape (dimensions,)."""
    check_between("quadratic_bowl", "learning_rate", learning_rate, 0)
    check_not_negative("quadratic_bowl", "noise", noise)
    curvature = _per_dimension("curvatures", curvatures, dimensions)
    wrong = ~((curvature >= 0) & (learning_rate * curvature < 2))
    if wrong.any():
        raise ConfigError(
            f"quadratic_bowl: curvature {curvature[wrong][0]:g}; at learning rate {learning_rate:g} SGD stays in the bowl "
            f"only for curvatures from 0 to below {2 / learning_rate:g}"
        )
    return curvature


def _per_dimension(name: str, values: ArrayLike, dimensions: int) -> FloatArray:
    """Return ``values`` as float64 of shape (dimensions,)."""
    given = np.asarray(values, np.float64)
    if given.shape not in {(), (dimensions,)} or not np.isfinite(given).all():
        raise ConfigError(
            f"quadratic_bowl: {name} of shape {given.shape}; write one finite number, or {dimensions}, one for each dimension"
        )
    return np.broadcast_to(given, (dimensions,))


def _stationary_variances(curvature: FloatArray, learning_rate: float, noise: float) -> FloatArray:
    """Return s² = ησ² / (h (2 − ηh)), shape (dimensions,)."""
    return learning_rate * noise**2 / (curvature * (2 - learning_rate * curvature))


def _relaxed(first: FloatArray, decay: FloatArray | float, kicks: FloatArray) -> FloatArray:
    """Return the points of x ← decay · x + kick from ``first`` on, shape (steps+1, dimensions)."""
    points = np.empty((len(kicks) + 1, len(first)))
    points[0] = first
    for step, kick in enumerate(kicks):
        points[step + 1] = decay * points[step] + kick
    return points
