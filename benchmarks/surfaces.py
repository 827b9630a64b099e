"""How fast are surfaces generated, and how fast do walkers descend them?

    python benchmarks/surfaces.py [--json FILE] [--walkers 10000] [--steps 1000]

`anodiff.simulation.surfaces.walk` is compared with the same descent by scipy's interpolators, in
one process. The latter are timed over a tenth of the steps, since every step costs the same. Times
are medians of three runs after one that does not count: the first run also touches its memory for
the first time, which doubles its time.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

import numpy as np
from scipy.interpolate import RectBivariateSpline, RegularGridInterpolator

from anodiff.simulation.surfaces import fractional_surface, walk
from anodiff.simulation.surfaces.walkers import reflected

ETA, SIGMA = 0.02, 0.01
REPEATS = 3


def by_differences(surface, walkers, steps):
    """Descend by central differences of scipy's linear interpolator."""
    look = RegularGridInterpolator((surface.coordinates, surface.coordinates), surface.heights)
    random = np.random.default_rng(0)
    positions, half = random.uniform(-1, 1, (walkers, 2)), surface.spacing / 2
    for _ in range(steps):
        gradient = np.empty_like(positions)
        for axis in (0, 1):
            step = np.zeros(2)
            step[axis] = half
            ahead, behind = (np.clip(positions + sign * step, -1, 1) for sign in (1, -1))
            gradient[:, axis] = (look(ahead) - look(behind)) / (2 * half)
        positions = reflected(positions - ETA * gradient + SIGMA * random.standard_normal(positions.shape))


def by_spline(surface, walkers, steps):
    """Descend by the derivatives of scipy's cubic spline."""
    look = RectBivariateSpline(surface.coordinates, surface.coordinates, surface.heights)
    random = np.random.default_rng(0)
    positions = random.uniform(-1, 1, (walkers, 2))
    for _ in range(steps):
        gradient = np.stack([look.ev(*positions.T, dx=1), look.ev(*positions.T, dy=1)], axis=1)
        positions = reflected(positions - ETA * gradient + SIGMA * random.standard_normal(positions.shape))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, default=Path("benchmarks/surfaces.json"))
    parser.add_argument("--walkers", type=int, default=10_000)
    parser.add_argument("--steps", type=int, default=1000)
    arguments = parser.parse_args()
    walkers, steps = arguments.walkers, arguments.steps
    results = {}

    def measure(name, function, scale=1):
        seconds = []
        for _ in range(1 + REPEATS):
            start = time.perf_counter()
            value = function()
            seconds.append(time.perf_counter() - start)
        results[name] = statistics.median(seconds[1:]) * scale
        print(f"{name:44s} {results[name]:8.2f} s", flush=True)
        return value

    for points in (129, 513):
        surface = measure(f"exact surface, {points} x {points}", lambda points=points: fractional_surface(points, 0, hurst=0.6))
    surface = fractional_surface(129, 0, hurst=0.6).scaled()
    keywords = {"walkers": walkers, "steps": steps, "learning_rate": ETA, "noise": SIGMA, "seed": 0}
    for order, kind in ((1, "bilinear"), (3, "bicubic")):
        measure(f"walk, {kind}", lambda order=order: walk(surface, order=order, **keywords))
    measure("scipy RegularGridInterpolator, differences", lambda: by_differences(surface, walkers, steps // 10), 10)
    measure("scipy RectBivariateSpline", lambda: by_spline(surface, walkers, steps // 10), 10)
    arguments.json.write_text(json.dumps({"walkers": walkers, "steps": steps, "seconds": results}, indent=2) + "\n")


if __name__ == "__main__":
    main()
