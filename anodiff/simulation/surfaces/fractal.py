"""How rough is a profile or a surface? Hurst exponents and fractal dimensions from heights.

If increments over a distance l have a standard deviation ∝ l^H, a graph over n axes has the fractal
dimension D = n + 1 − H. There are three estimators (Gneiting, Ševčíková & Percival, Statist. Sci.
27 (2012) 247). The variogram (p = 2) and the madogram (p = 1, less sensitive to outliers) are
slopes of the mean p-th power of differences against their lag, which are pH. Box counting uses the
number of boxes of side ε that the graph meets, N(ε) ~ ε^−D.

Exact fractional Brownian graphs on the same grid are simulated, and the interval inverts the test
(`anodiff.diffusion.intervals.invert`). So it allows for the scatter and the bias of the estimate.

The pitfalls: a grid shows a decade or two of scales, and a graph whose roughness changes with scale
has no H. Box counting is biased towards smoothness on any grid; only the interval allows for this.
Every graph gets an H: by differences, a smooth one has 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anodiff.diffusion.exponents import slope
from anodiff.diffusion.intervals import UNKNOWN, Interval, invert
from anodiff.errors import ConfigError, did_you_mean
from anodiff.simulation.processes import fractional_brownian
from anodiff.simulation.surfaces import fractional_surface
from anodiff.storage.types import FloatArray

#: Hurst exponents of the simulated graphs, and the number of profiles (1 axis) and surfaces (2
#: axes) of each.
SIMULATED = np.array([0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98])
DRAWS = {1: 400, 2: 200}

#: The smallest number of points along an axis; the longest lag and the largest box as fractions of
#: the axis.
MIN_POINTS, LONGEST, LARGEST_BOX = 16, 1 / 16, 1 / 4

Estimator = Callable[[FloatArray], float]


@dataclass(frozen=True)
class Roughness:
    """The roughness of a graph by one estimator.

    Attributes
    ----------
    hurst, dimension
        H and the fractal dimension with 95 % intervals; NaN if there is a ``reason``.
    fitted
        Smallest and largest lag (or side of a box) of the fit, in grid spacings.
    reason
        Why there is no estimate; empty if there is one.
    """

    hurst: Interval
    dimension: Interval
    fitted: tuple[int, int]
    reason: str = ""


def roughness_of(heights: ArrayLike, method: str = "variogram") -> Roughness:
    """Estimate H of a profile (n,) or a surface (n, m) by one of `METHODS`.

    The first estimate for a shape of grid simulates graphs of that shape, which takes some seconds
    for a surface. Further estimates are quick.

    Raises
    ------
    ConfigError
        If the method is unknown, or the heights are neither a profile nor a surface.
    """
    graph = np.asarray(heights, np.float64)
    if method not in METHODS:
        raise ConfigError(f"method {method!r}; {did_you_mean(method, METHODS)}")
    if graph.ndim not in (1, 2):
        raise ConfigError(f"heights of shape {graph.shape}; give a profile (n,) or a surface (n, m)")
    fitted = _range(graph.shape, method)

    def nothing(reason: str) -> Roughness:
        return Roughness(UNKNOWN, UNKNOWN, fitted, reason)

    if min(graph.shape) < MIN_POINTS:
        return nothing(f"fewer than {MIN_POINTS} points along an axis")
    if not np.isfinite(graph).all():
        return nothing("some heights are not finite")
    if np.ptp(graph) == 0:
        return nothing("all heights are the same")
    value = METHODS[method](graph)
    if not math.isfinite(value):
        return nothing("no differences over the fitted lags")
    low, high = invert(np.array([value]), SIMULATED[:, None], _simulated(graph.shape, method)[:, None])
    hurst = Interval(value, float(low[0]), float(high[0]))
    axes = graph.ndim + 1
    return Roughness(hurst, Interval(axes - hurst.value, axes - hurst.high, axes - hurst.low), fitted)


def differences(graph: FloatArray, power: float) -> tuple[NDArray[np.int64], FloatArray]:
    """Return lags in grid spacings, and the mean power of the differences over each.

    Differences are taken to the power ``power``, along all axes.
    """
    lags = _dyadic(1, max(2, int(LONGEST * min(graph.shape))))
    means = [
        np.mean([(np.abs(_shifted(graph, axis, lag)) ** power).mean() for axis in range(graph.ndim)]) for lag in lags.tolist()
    ]
    return lags, np.array(means)


def boxes(graph: FloatArray) -> tuple[NDArray[np.int64], FloatArray]:
    """Return sides of boxes in grid spacings, and how many boxes of each the graph meets.

    The heights are stretched to the length of an axis. A box is met if the linear interpolation of
    the graph passes through it.
    """
    length = min(graph.shape) - 1
    stretched = (graph - graph.min()) * (length / np.ptp(graph))
    sides = _dyadic(1, max(2, int(LARGEST_BOX * length)))
    counts = []
    for side in sides.tolist():
        low, high = stretched, stretched
        for axis in range(graph.ndim):  # neighbouring boxes share their edge points
            cells = (graph.shape[axis] - 1) // side
            low, high = (
                _blockwise(values, axis, side, cells, keep) for values, keep in ((low, np.minimum), (high, np.maximum))
            )
        counts.append((np.floor(high / side) - np.floor(low / side) + 1).sum() / low.size * (length / side) ** graph.ndim)
    return sides, np.array(counts)


def _variation(power: float) -> Estimator:
    return lambda graph: slope(*differences(graph, power)) / power


def _box_counting(graph: FloatArray) -> float:
    sides, counts = boxes(graph)
    return float(graph.ndim + 1 + np.polyfit(np.log(sides), np.log(counts), 1)[0])


#: Estimators of H by name.
METHODS: dict[str, Estimator] = {"variogram": _variation(2), "madogram": _variation(1), "box_counting": _box_counting}


def _range(shape: tuple[int, ...], method: str) -> tuple[int, int]:
    longest = int(LARGEST_BOX * (min(shape) - 1)) if method == "box_counting" else int(LONGEST * min(shape))
    used = _dyadic(1, max(2, longest))
    return int(used[0]), int(used[-1])


def _dyadic(first: int, last: int) -> NDArray[np.int64]:
    return first * 2 ** np.arange(int(math.log2(last / first)) + 1)


def _shifted(graph: FloatArray, axis: int, lag: int) -> FloatArray:
    moved = np.moveaxis(graph, axis, 0)
    return moved[lag:] - moved[:-lag]


def _blockwise(values: FloatArray, axis: int, side: int, cells: int, keep: np.ufunc) -> FloatArray:
    """Return the minimum or maximum over blocks of ``side`` + 1 points that share their ends."""
    moved = np.moveaxis(values, axis, 0)[: cells * side + 1]
    inner = keep.reduce(moved[:-1].reshape(cells, side, *moved.shape[1:]), axis=1)
    return np.moveaxis(keep(inner, moved[side::side]), 0, axis)


@lru_cache(maxsize=64)
def _simulated(shape: tuple[int, ...], method: str) -> FloatArray:
    """Return the estimates for simulated graphs of this shape, shape (Hurst exponents, draws)."""
    return np.array([[METHODS[method](graph) for graph in _graphs(shape, hurst)] for hurst in SIMULATED])


@lru_cache(maxsize=32)
def _graphs(shape: tuple[int, ...], hurst: float) -> list[FloatArray]:
    random = np.random.default_rng([round(hurst * 1000), *shape])
    if len(shape) == 1:
        return list(fractional_brownian(shape[0] - 1, DRAWS[1], random, hurst=hurst).T)
    points = max(shape)
    return [fractional_surface(points, random, hurst=hurst).heights[: shape[0], : shape[1]] for _ in range(DRAWS[2])]
