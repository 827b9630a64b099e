"""Make test sets as the AnDi challenge had them, with tracks of the package andi-datasets.

    PYTHONPATH=. /tmp/andi/bin/python benchmarks/andi_test.py FOLDER [--tracks 10000] [--dimensions 1 2 3]

`benchmarks/andi_reference.py` says how the environment is made; it also needs lazy-loader. FOLDER gets ``1d.npz``, ``2d.npz``
and ``3d.npz``, 40 MB for each dimension, for `benchmarks/inference_targets.py`. The steps are those
of the package's ``challenge_theory_dataset``: a walk of 1000 points, each coordinate's displacements
divided by their standard deviation, localisation noise of standard deviation 0.1, 0.5 or 1 at every
point, and the first T points, T uniform from 10 to 999. Its random factor of the displacements
is left out: no method here depends on units.

The mixture is our own, since the package's function no longer shuffles: release 2.1.13 gives no fBm
or SBM with α ≤ 1 for the exponent. Here all α are equally frequent for the exponent, and the kinds
of one α as in the challenge (`anodiff.inference.cells.exponent_prior`). For the kind, kinds are
equally frequent, and so are the exponents of each. Tracks are the package's own, also ATTM in
three dimensions, whose jumps it does not sum.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from andi_reference import displacements

from anodiff.inference.cells import CELL_EXPONENT, CELL_KIND, KINDS, balanced_prior, exponent_prior

WALK_POINTS, NOISE, SEED = 1000, (0.1, 0.5, 1.0), 22


def track(kind, exponent, dimensions, points, noise, rng):
    """One observed track, (dimensions, points)."""
    moves = displacements(kind, exponent, dimensions, WALK_POINTS)
    spread = moves.std(axis=1, keepdims=True)
    spread[spread == 0] = 1
    walk = np.cumsum(np.pad(moves / spread, ((0, 0), (1, 0))), axis=1)
    return (walk + noise * rng.standard_normal(walk.shape))[:, :points]


def task_set(tracks, dimensions, prior, rng):
    """Arrays of one task: points, kind, exponent and noise of each track, and all positions one after the other."""
    cells = rng.choice(len(prior), tracks, p=prior)
    points = rng.integers(10, 1000, tracks)
    noise = rng.choice(NOISE, tracks)
    made = [
        track(KINDS[CELL_KIND[cell]], CELL_EXPONENT[cell], dimensions, length, level, rng)
        for cell, length, level in zip(cells, points, noise, strict=True)
    ]
    return {
        "points": points,
        "kinds": CELL_KIND[cells],
        "exponents": CELL_EXPONENT[cells],
        "noise": noise,
        "positions": np.concatenate(made, axis=1).astype(np.float32),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tracks", type=int, default=10_000, help="of each task and number of dimensions")
    parser.add_argument("--dimensions", type=int, nargs="+", default=[1, 2, 3])
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for dimensions in arguments.dimensions:
        start = time.process_time()
        rng = np.random.default_rng([SEED, dimensions])
        np.random.seed(SEED + dimensions)  # the package draws from numpy's global generator
        arrays = {
            f"{task}_{name}": values
            for task, prior in (("exponent", exponent_prior()), ("kind", balanced_prior()))
            for name, values in task_set(arguments.tracks, dimensions, prior, rng).items()
        }
        path = arguments.folder / f"{dimensions}d.npz"
        np.savez(path, **arrays)
        print(f"{path}: {path.stat().st_size:,} bytes, {time.process_time() - start:.0f} s of one core", flush=True)


if __name__ == "__main__":
    main()
