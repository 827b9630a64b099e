"""How fast is the update Gram matrix, from memory and from Zarr?

    python benchmarks/geometry.py [--json FILE] [--updates 1000] [--parameters 174970]

It is compared with the matrix product alone, with tidynamics and with a loop over lags. All run in
one process on the same points, and the best of the repetitions counts. The loop runs over a tenth
of the lags, listed in the JSON, and is scaled to all.
"""

import argparse
import json
import os
import platform
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import tidynamics
import torch
import zarr

from anodiff.geometry import fourier_msd, update_gram
from anodiff.geometry.reduce import WindowPoints
from anodiff.trajectory import TrajectoryRecorder, Window, open_trajectory
from anodiff.trajectory.products import PRODUCT_COLUMNS


def best(function, repetitions):
    times = []
    for _ in range(repetitions):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def walk(updates, parameters):
    """Points of a random walk in float32, far from the origin like weights."""
    generator = np.random.default_rng(0)
    points = np.empty((updates + 1, parameters), np.float32)
    points[0] = generator.normal(0, 0.1, parameters)
    for step in range(updates):
        np.add(points[step], generator.normal(0, 1e-3, parameters), out=points[step + 1], casting="same_kind")
    return points


def loop_over_lags(points, lags):
    """The published method: for each lag, the mean over starting points of squared differences."""
    return [((points[lag:] - points[:-lag]) ** 2).sum(axis=1).mean() for lag in lags]


def record(points, path):
    model = torch.nn.Module()
    model.position = torch.nn.Parameter(torch.from_numpy(points[0].copy()))
    updates = len(points) - 1
    with TrajectoryRecorder(model, path, steps=updates, windows=[Window(0, updates)]) as recorder:
        for point in points[1:]:
            model.position.data.copy_(torch.from_numpy(point))
            recorder.record()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, default=Path("benchmarks/geometry.json"))
    parser.add_argument("--updates", type=int, default=1000)
    parser.add_argument("--parameters", type=int, default=174_970)
    arguments = parser.parse_args()
    updates, parameters = arguments.updates, arguments.parameters
    points = walk(updates, parameters)
    block = np.diff(points[:, :PRODUCT_COLUMNS], axis=0)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds = {"gram from memory": best(lambda: update_gram(points), 5)}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    product = best(lambda: block @ block.T, 10) * parameters / block.shape[1]
    seconds["symmetric product alone"] = product
    with tempfile.TemporaryDirectory() as folder:
        record(points, Path(folder) / "trajectory.zarr")
        trajectory = open_trajectory(Path(folder) / "trajectory.zarr")
        window = WindowPoints(trajectory, trajectory.windows[0], None)
        seconds["gram from Zarr"] = best(lambda: update_gram(window), 3)
    seconds["fourier_msd"] = best(lambda: fourier_msd(points), 2)
    seconds["tidynamics.msd"] = best(lambda: tidynamics.msd(points), 1)
    lags = range(1, updates + 1, max(1, updates // 10))
    seconds["loop over lags"] = best(lambda: loop_over_lags(points, lags), 1) * updates / len(lags)
    ours = seconds["gram from memory"]
    about = {"updates": updates, "parameters": parameters, "cpu_count": os.cpu_count(), "machine": platform.processor()}
    about |= {"numpy": np.__version__, "zarr": zarr.__version__, "lags of the loop": list(lags)}
    results = about | {"seconds": seconds, "ratio to gram from memory": {name: value / ours for name, value in seconds.items()}}
    results |= {"fraction of the product's speed": product / ours, "peak memory above the input, MiB": peak / 1024}
    arguments.json.write_text(json.dumps(results, indent=2) + "\n")
    print(f"T = {updates}, P = {parameters}, {os.cpu_count()} cores, numpy {np.__version__}, zarr {zarr.__version__}")
    for name, value in seconds.items():
        print(f"{name:26s} {value:9.2f} s   {value / ours:8.2f} times the Gram matrix from memory")
    print(f"fraction of the symmetric product's speed {product / ours:.0%}; peak memory above the input {peak / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
