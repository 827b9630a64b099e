"""How does a walker descend a surface? Thousands of walkers at once, by gradient and noise:

    x ← x − η ∇L(x) + σ ξ,    ξ Gaussian with variance 1 in each coordinate, or Lévy-stable.

∇L is the gradient of the surface, interpolated between its points. Bilinear interpolation (order 1)
has continuous heights, and gradients that jump from cell to cell. Bicubic interpolation (order 3,
Keys' cubic convolution, IEEE Trans. ASSP 29 (1981) 1153) has continuous gradients.

Memory per step of W walkers: 16 W bytes for positions, 16 W for gradients and 8 W for heights.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from anodiff.errors import ConfigError, did_you_mean
from anodiff.simulation.surfaces.surface import Surface
from anodiff.storage.memory import require_memory
from anodiff.storage.types import FloatArray, Seed

#: What a walker does at the edge: it is reflected, continues at the opposite edge, or stays where
#: it is for this step.
BOUNDARIES = ("reflecting", "periodic", "rejecting")

#: Interpolation between the points of a surface: bilinear or bicubic.
ORDERS = (1, 3)

_KEYS = np.array([[0, 2, 0, 0], [-1, 0, 1, 0], [2, -5, 4, -1], [-1, 3, -3, 1]]) / 2


@dataclass(frozen=True)
class Walk:
    """The paths of walkers on a surface.

    Attributes
    ----------
    positions
        Shape (steps + 1, walkers, 2). With a periodic boundary, positions are not wrapped back into
        the square.
    heights
        Height of the surface at each position, shape (steps + 1, walkers).
    gradients
        ∇L at each position except the last, shape (steps, walkers, 2).
    """

    positions: FloatArray
    heights: FloatArray
    gradients: FloatArray


def walk(
    surface: Surface,
    *,
    walkers: int,
    steps: int,
    learning_rate: float,
    noise: float,
    seed: Seed,
    noise_index: float = 2.0,
    boundary: str = "reflecting",
    order: int = 1,
    start: ArrayLike | None = None,
) -> Walk:
    """Let walkers descend a surface.

    Parameters
    ----------
    learning_rate, noise
        η and σ, in units of half the side of the square.
    noise_index
        α of Lévy-stable noise. Its scale is σ/√2, so that α = 2 is the Gaussian of standard
        deviation σ.
    boundary
        One of `BOUNDARIES`; ``periodic`` needs a periodic surface.
    order
        Order of the interpolation, 1 or 3.
    start
        First positions, shape (walkers, 2) or (2,); by default uniform in the square.

    Raises
    ------
    ConfigError
        If a number is out of bounds, or the walk does not fit in this machine's memory.
    """
    _check(surface, walkers, steps, learning_rate, noise, noise_index, boundary, order)
    random = np.random.default_rng(seed)
    evaluate = interpolation(surface, order)
    positions, heights = np.empty((steps + 1, walkers, 2)), np.empty((steps + 1, walkers))
    gradients = np.empty((steps, walkers, 2))
    given = random.uniform(-1, 1, (walkers, 2)) if start is None else np.asarray(start, float)
    try:
        positions[0] = given
    except ValueError:
        raise ConfigError(f"start of shape {given.shape} for {walkers} walkers; give ({walkers}, 2) or (2,)") from None
    if not (np.abs(positions[0]) <= 1).all():
        raise ConfigError("start: a walker begins outside [-1, 1]²; move it inside")
    draw_noise = _noise(random, noise, noise_index, (walkers, 2))
    for step in range(steps):
        current = positions[step]
        heights[step], gradients[step] = evaluate(current)
        proposed = current - learning_rate * gradients[step] + draw_noise()
        if boundary == "reflecting":
            proposed = reflected(proposed)
        elif boundary == "rejecting":
            proposed = np.where((np.abs(proposed) <= 1).all(axis=1, keepdims=True), proposed, current)
        positions[step + 1] = proposed
    heights[steps] = evaluate(positions[steps])[0]
    return Walk(positions, heights, gradients)


def reflected(positions: FloatArray) -> FloatArray:
    """Return positions reflected back into [−1, 1] at both ends, as many times as needed."""
    folded = positions + 1
    if folded.min(initial=0) < 0 or folded.max(initial=0) >= 4:  # the remainder is slow, and rarely needed
        folded = np.mod(folded, 4)
    return np.minimum(folded, 4 - folded) - 1


def interpolation(surface: Surface, order: int) -> Callable[[FloatArray], tuple[FloatArray, FloatArray]]:
    """Return the function from positions (walkers, 2) to heights and gradients there.

    A periodic surface is defined everywhere, a bounded one in [−1, 1]². Order 3 continues the
    latter linearly beyond its edge points.
    """
    cells = surface.points if surface.periodic else surface.points - 1
    if surface.periodic:
        padded = np.pad(surface.heights, (1, 2), mode="wrap")
    else:
        padded = np.pad(surface.heights, 1, mode="reflect", reflect_type="odd")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (4, 4))[:cells, :cells]
    if order == 1:
        low, right, up, both = windows[..., 1, 1], windows[..., 2, 1], windows[..., 1, 2], windows[..., 2, 2]
        terms = np.stack([low, right - low, up - low, both - right - up + low], axis=-1).reshape(cells**2, 4)
    else:
        terms = np.ascontiguousarray(np.einsum("ka,xyab,lb->xykl", _KEYS, windows, _KEYS)).reshape(cells**2, 16)
    per_unit = 1 / surface.spacing

    def evaluate(positions: FloatArray) -> tuple[FloatArray, FloatArray]:
        scaled = (positions + 1) * per_unit  # in grid spacings
        if surface.periodic:
            scaled = np.mod(scaled, cells)
        corner = np.minimum(scaled.astype(np.int64), cells - 1)
        u, v = (scaled - corner).T
        coefficients = np.take(terms, corner[:, 0] * cells + corner[:, 1], axis=0).T
        gradient = np.empty_like(positions)
        if order == 1:
            a, b, c, d = coefficients
            gradient[:, 0], gradient[:, 1] = (b + d * v) * per_unit, (c + d * u) * per_unit
            return a + b * u + (c + d * u) * v, gradient
        by_u = coefficients.reshape(4, 4, -1)
        rows = ((by_u[:, 3] * v + by_u[:, 2]) * v + by_u[:, 1]) * v + by_u[:, 0]
        slopes = (3 * by_u[:, 3] * v + 2 * by_u[:, 2]) * v + by_u[:, 1]
        gradient[:, 0] = ((3 * rows[3] * u + 2 * rows[2]) * u + rows[1]) * per_unit
        gradient[:, 1] = (((slopes[3] * u + slopes[2]) * u + slopes[1]) * u + slopes[0]) * per_unit
        return ((rows[3] * u + rows[2]) * u + rows[1]) * u + rows[0], gradient

    return evaluate


def _noise(random: np.random.Generator, noise: float, index: float, shape: tuple[int, int]) -> Callable[[], Any]:
    if noise == 0:
        return lambda: 0.0
    if index == 2:
        return lambda: noise * random.standard_normal(shape)
    return lambda: noise / math.sqrt(2) * _stable(random, index, shape)


def _stable(random: np.random.Generator, index: float, shape: tuple[int, int]) -> FloatArray:
    """Return symmetric stable numbers of scale 1 (Chambers, Mallows & Stuck, J. Am. Stat. Assoc. 71
    (1976) 340).
    """
    angle, exponential = random.uniform(-np.pi / 2, np.pi / 2, shape), random.standard_exponential(shape)
    if index == 1:
        return np.tan(angle)
    narrow = (np.cos((1 - index) * angle) / exponential) ** (1 / index - 1)
    return np.asarray(np.sin(index * angle) / np.cos(angle) ** (1 / index) * narrow, np.float64)


def _check(
    surface: Surface,
    walkers: int,
    steps: int,
    learning_rate: float,
    noise: float,
    noise_index: float,
    boundary: str,
    order: int,
) -> None:
    if boundary not in BOUNDARIES:
        raise ConfigError(f"boundary {boundary!r}; {did_you_mean(boundary, BOUNDARIES)}")
    if boundary == "periodic" and not surface.periodic:
        raise ConfigError("boundary periodic needs a periodic surface; use reflecting, or make the surface periodic")
    if order not in ORDERS:
        raise ConfigError(f"interpolation of order {order!r}; use 1 (bilinear) or 3 (bicubic)")
    if walkers < 1 or steps < 1:
        raise ConfigError(f"{walkers} walkers of {steps} steps; give at least 1 of each")
    if not (0 <= learning_rate < math.inf and 0 <= noise < math.inf):
        raise ConfigError(f"learning_rate {learning_rate} and noise {noise}; give finite numbers of at least 0")
    if not 0 < noise_index <= 2:
        raise ConfigError(f"noise_index {noise_index}; give a number above 0, up to 2 (Gaussian)")
    if not np.isfinite(surface.heights).all():
        raise ConfigError("the surface has heights that are not finite; give finite heights")
    require_memory(f"a walk of {walkers} walkers and {steps} steps", 40.0 * walkers * (steps + 1))
