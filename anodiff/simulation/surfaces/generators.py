"""How are surfaces of known roughness made, and those to compare them with?

A fractional Brownian surface has Gaussian heights with <(L(p) − L(q))²> ∝ |p − q|^(2H). The smaller
its Hurst exponent H, the rougher it is; its fractal dimension is 3 − H. A convex bowl has no
roughness. A shuffled surface has the heights of a fractal surface in random order.

The pitfall: a surface whose height differences halve when the distance halves has H = 1 and is
hardly fractal.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import scipy
from numpy.typing import NDArray

from anodiff.errors import ConfigError
from anodiff.simulation.surfaces.surface import Surface, check_hurst, check_points
from anodiff.storage.memory import require_memory
from anodiff.storage.types import FloatArray, Seed

#: Number of Hurst exponents between which a multifractional surface is interpolated.
LEVELS = 9

#: Waves shorter than the grid spacing are summed up to this multiple of its wave number, and beyond
#: it by an integral.
ALIASES = 3


def fractional_surface(points: int, seed: Seed, *, hurst: float, periodic: bool = False) -> Surface:
    """Return a fractional Brownian surface.

    A bounded surface is exact: <(L(p) − L(q))²> = 2 (|p − q| / √8)^(2H), where √8 is the length of
    the diagonal. It is made by circulant embedding of a covariance that differs by a random plane
    (Stein, J. Comput. Graph. Stat. 11 (2002) 587). A periodic surface consists of waves with
    amplitudes |k|^−(H+1) (Voss 1985) and is fractional Brownian only at distances well below the
    side; its heights have variance 1.

    Memory: about 580 n² bytes, 2,300 n² for H above 0.75; 72 n² for a periodic surface.

    Raises
    ------
    ConfigError
        If H is not between 0 and 1, or the grid is too small, or too large for this machine.
    """
    check_points("fractional", points)
    check_hurst("fractional", hurst)
    random = np.random.default_rng(seed)
    if periodic:
        require_memory(f"a periodic surface of {points} x {points} points", 72.0 * points**2)
        heights = _waves(_white(points, random), hurst)
        return Surface(heights / heights.std(), "fractional", hurst, periodic=True)
    reach = 1.0 if hurst <= 0.75 else 2.0
    spacing = 1 / (math.sqrt(2) * (points - 1))
    size = 2 * math.ceil(reach / spacing)
    require_memory(f"an exact surface of {points} x {points} points", 72.0 * size**2)
    quarter, plane = _embedded_covariance(size // 2 + 1, spacing, reach, 2 * hurst)
    eigenvalues = scipy.fft.fft2(_unfolded(quarter, size)).real
    if eigenvalues.min() < -1e-6 * eigenvalues.max():
        raise ConfigError(f"fractional surface: none of {points} points with hurst = {hurst} is exact; use a periodic one")
    noise = random.normal(size=(size, size)) + 1j * random.normal(size=(size, size))
    noise *= np.sqrt(np.maximum(eigenvalues, 0))
    field = scipy.fft.fft2(noise, overwrite_x=True).real[:points, :points] / size
    along = spacing * np.arange(points)
    slopes = math.sqrt(2 * plane) * random.normal(size=2)
    return Surface(field - field[0, 0] + slopes[0] * along[:, None] + slopes[1] * along, "fractional", hurst)


def _embedded_covariance(half: int, spacing: float, reach: float, exponent: float) -> tuple[FloatArray, float]:
    """Return Stein's covariance on a quarter of a torus, and half the variance of the plane's slopes.

    The quarter has ``half`` points along each axis, from 0 to half of the torus.
    """
    if exponent <= 1.5:
        beta, c2, c0 = 0.0, exponent / 2, 1 - exponent / 2
    else:
        beta = exponent * (2 - exponent) / (3 * reach * (reach**2 - 1))
        c2 = (exponent - beta * (reach - 1) ** 2 * (reach + 2)) / 2
        c0 = beta * (reach - 1) ** 3 + 1 - c2
    along = spacing * np.arange(half)
    r = np.hypot(along[:, None], along)
    near = c0 - r**exponent + c2 * r**2
    far = beta * (reach - r) ** 3 / np.maximum(r, spacing)
    return np.where(r <= 1, near, np.where(r <= reach, far, 0.0)), c2


def _unfolded(quarter: FloatArray, size: int) -> FloatArray:
    """Return an array (size, size), even along both axes of a torus, from its first quarter."""
    distance = np.minimum(np.arange(size), size - np.arange(size))
    return quarter[distance][:, distance]


def multifractional_surface(
    points: int, seed: Seed, *, hurst: Callable[[FloatArray, FloatArray], FloatArray] | tuple[float, float]
) -> Surface:
    """Return a periodic surface whose Hurst exponent varies in space.

    Surfaces of several H are made from the same waves and interpolated point by point (Peltier &
    Lévy Véhel 1995, by waves). Each is scaled to the same mean squared difference of points a
    quarter of the side apart, and the result to variance 1.

    Parameters
    ----------
    hurst
        Function that returns H at x, y of shape (n, n); or the lowest H, at the centre, and the
        highest, at the corners.
    """
    check_points("multifractional", points)
    require_memory(f"a multifractional surface of {points} x {points} points", 230.0 * points**2)
    along = -1 + 2 / points * np.arange(points)
    x, y = np.meshgrid(along, along, indexing="ij")
    if callable(hurst):
        wanted = np.asarray(hurst(x, y), float)
    else:
        low, high = hurst
        wanted = low + (high - low) * (1 - np.cos(np.pi * x) / 2 - np.cos(np.pi * y) / 2) / 2
    for end in (wanted.min(), wanted.max()):
        check_hurst("multifractional", float(end))
    white = _white(points, np.random.default_rng(seed))
    levels = np.linspace(wanted.min(), wanted.max(), LEVELS)
    position = np.interp(wanted, levels, np.arange(LEVELS)) if levels[-1] > levels[0] else np.zeros_like(wanted)
    heights = np.zeros((points, points))
    for number, level in enumerate(levels):
        waves = _waves(white, float(level))
        differences = waves - np.roll(waves, points // 4, axis=0)
        heights += np.maximum(0, 1 - np.abs(position - number)) * waves / np.sqrt((differences**2).mean())
    return Surface(heights / heights.std(), "multifractional", None, periodic=True)


def diamond_square(points: int, seed: Seed, *, hurst: float) -> Surface:
    """Return a bounded surface by random midpoint displacement (Voss 1985; Saupe 1988).

    Each of the two sub-steps divides distances by √2 and multiplies the added standard deviation by
    2^(−H/2). The result is only nearly fractional Brownian: creases along the coarse grid remain.
    ``points`` is a power of 2 plus 1.
    """
    check_points("diamond_square", points)
    check_hurst("diamond_square", hurst)
    levels = (points - 1).bit_length() - 1
    if points != 2**levels + 1:
        raise ConfigError(
            f"diamond_square surface: points = {points}; write a power of 2 plus 1, such as {2 ** (levels + 1) + 1}"
        )
    require_memory(f"a diamond-square surface of {points} x {points} points", 64.0 * points**2)
    random = np.random.default_rng(seed)
    heights = np.zeros((points, points))
    heights[:: points - 1, :: points - 1] = random.normal(size=(2, 2))
    scale, step = 1.0, points - 1
    while step > 1:
        half = step // 2
        scale *= 2 ** (-hurst / 2)
        corners = heights[::step, ::step]
        middle = (corners[:-1, :-1] + corners[1:, :-1] + corners[:-1, 1:] + corners[1:, 1:]) / 4
        heights[half::step, half::step] = middle + scale * random.normal(size=middle.shape)
        scale *= 2 ** (-hurst / 2)
        padded = np.pad(heights, half, mode="reflect")
        for first, second in ((0, half), (half, 0)):
            rows, columns = np.arange(first, points, step) + half, np.arange(second, points, step) + half
            neighbours = [padded[np.ix_(rows + a, columns + b)] for a, b in ((-half, 0), (half, 0), (0, -half), (0, half))]
            heights[first::step, second::step] = sum(neighbours) / 4 + scale * random.normal(size=(len(rows), len(columns)))
        step = half
    return Surface(heights, "diamond_square", hurst)


def bowl(points: int) -> Surface:
    """Return the convex bowl (x² + y²) / 2."""
    check_points("bowl", points)
    require_memory(f"a bowl of {points} x {points} points", 16.0 * points**2)
    along = np.linspace(-1, 1, points)
    return Surface((along[:, None] ** 2 + along**2) / 2, "bowl", None)


def shuffled(surface: Surface, seed: Seed, *, smoothing: float = 2.0) -> Surface:
    """Return a surface of the same heights in random order, smoothed by a Gaussian.

    The Gaussian has a width of ``smoothing`` grid spacings; mean and standard deviation are
    restored. Beyond the reach of the smoothing, nothing of the order is left.
    """
    if not smoothing >= 0:
        raise ConfigError(f"shuffled surface: smoothing = {smoothing!r}; write a number of at least 0")
    mixed = np.random.default_rng(seed).permutation(surface.heights.ravel()).reshape(surface.heights.shape)
    smooth = scipy.ndimage.gaussian_filter(mixed, smoothing, mode="wrap" if surface.periodic else "reflect")
    mean, spread = surface.heights.mean(), smooth.std()
    heights = mean + (smooth - smooth.mean()) * (surface.heights.std() / spread if spread > 0 else 0)
    return Surface(heights, "shuffled", None, surface.periodic)


def _white(points: int, random: np.random.Generator) -> NDArray[np.complex128]:
    return scipy.fft.fft2(random.normal(size=(points, points)))


def _waves(white: NDArray[np.complex128], hurst: float) -> FloatArray:
    """Return a sum of waves with the phases of ``white`` and power |k|^−2(H+1), of mean 0.

    Waves too short for the grid are added to the waves that they look like on it: the surface is
    sampled, not smoothed.
    """
    return scipy.fft.ifft2(white * _amplitudes(len(white), hurst)).real


@lru_cache(maxsize=LEVELS)
def _amplitudes(points: int, hurst: float) -> FloatArray:
    """Return the amplitudes of the waves of `_waves`, shape (points, points)."""
    k = scipy.fft.fftfreq(points)
    power = np.zeros((points, points))
    for first in range(-ALIASES, ALIASES + 1):
        for second in range(-ALIASES, ALIASES + 1):
            square = (k[:, None] + first) ** 2 + (k + second) ** 2
            power += np.where(square > 0, square, np.inf) ** -(hurst + 1)
    beyond = (2 * ALIASES + 1) / math.sqrt(math.pi)  # radius of the circle with the area of the summed square
    power += math.pi / hurst * beyond ** (-2 * hurst)
    power[0, 0] = 0
    return np.sqrt(power)
