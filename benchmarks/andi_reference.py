"""Make tests/inference/andi_reference.npz: tracks of the package andi-datasets, to compare laws with.

    python -m venv /tmp/andi
    /tmp/andi/bin/pip install matplotlib numpy pandas scipy
    /tmp/andi/bin/pip install --no-deps andi-datasets==2.1.13 stochastic==0.6.0
    /tmp/andi/bin/python benchmarks/andi_reference.py [--time [--points 200] [--seconds 2]]

andi-datasets wants older packages than anodiff, hence an environment of its own. The file holds
displacements, (tracks, dimensions, 31), each track scaled to a mean square of 1 and rounded to half
precision, under names such as ``fbm-1.6-2d``. ``--time`` only times the package: tracks a second, by
kind and dimensions.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from andi_datasets.models_theory import models_theory

POINTS, TRACKS, SEED = 32, {1: 150, 2: 80, 3: 80}, 20_261_129
EXPONENTS = {"attm": (0.3, 0.8), "ctrw": (0.3, 0.9), "fbm": (0.4, 1.6), "lw": (1.2, 2.0), "sbm": (0.4, 1.6)}


def displacements(kind, exponent, dimensions, points):
    """One track's displacements, (dimensions, points - 1)."""
    positions = getattr(models_theory(), kind)(points, exponent, dimensions)
    return np.diff(np.reshape(positions, (dimensions, points)))


def scaled(moves):
    size = np.sqrt((moves**2).mean())
    return (moves / (size or 1)).astype(np.float16)


def make_file():
    np.random.seed(SEED)  # the package draws from numpy's global generator
    tracks = {
        f"{kind}-{exponent}-{dimensions}d": np.stack(
            [scaled(displacements(kind, exponent, dimensions, POINTS)) for _ in range(number)]
        )
        for kind, exponents in EXPONENTS.items()
        for exponent in exponents
        for dimensions, number in TRACKS.items()
    }
    path = Path(__file__).parents[1] / "tests" / "inference" / "andi_reference.npz"
    np.savez_compressed(path, **tracks)
    print(f"{path}: {path.stat().st_size:,} bytes")


def measure(points, seconds):
    rng = np.random.default_rng(0)
    ranges = {"attm": (1, 20), "ctrw": (1, 20), "fbm": (1, 39), "lw": (20, 40), "sbm": (1, 40)}
    for kind, (first, last) in ranges.items():
        for dimensions in (1, 2, 3):
            made, start = 0, time.process_time()
            while time.process_time() < start + seconds:
                displacements(kind, rng.integers(first, last + 1) * 0.05, dimensions, points)
                made += 1
            print(f"{kind} {dimensions} {made / (time.process_time() - start):.0f}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--time", action="store_true")
    parser.add_argument("--points", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=2.0, help="for each kind and number of dimensions")
    arguments = parser.parse_args()
    measure(arguments.points, arguments.seconds) if arguments.time else make_file()
