"""How do time and memory of the pass over a path grow with parameters and with updates?

    python benchmarks/scaling.py [--json FILE] [--largest 10000000] [--window 10000]

Each case runs in its own process, whose peak memory is measured. The points repeat one block of
columns, so neither a disk nor a generator is timed, and only the pass uses memory. Exponents are
slopes of log time.
"""

import argparse
import json
import multiprocessing
import os
import resource
import time
from pathlib import Path

import numpy as np

from anodiff.geometry import update_gram
from anodiff.trajectory.products import PRODUCT_COLUMNS


class Repeated:
    """A path of many parameters that needs the memory of only a few."""

    dtype = np.dtype(np.float32)

    def __init__(self, updates, parameters):
        steps = np.random.default_rng(0).normal(0, 1e-3, (updates + 1, PRODUCT_COLUMNS)).astype(np.float32)
        self._block = np.cumsum(steps, axis=0, dtype=np.float32)
        self.shape = (updates + 1, parameters)

    def __getitem__(self, key):
        columns = len(range(*key[1].indices(self.shape[1])))
        return self._block[:, :columns]


def measure(updates, parameters, answers):
    points = Repeated(updates, parameters)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    update_gram(Repeated(updates, PRODUCT_COLUMNS))  # creates threads and buffers
    start = time.perf_counter()
    update_gram(points)
    seconds = time.perf_counter() - start
    answers.put((seconds, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024))


def alone(updates, parameters):
    """Seconds and MiB of one pass in its own process."""
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    process = context.Process(target=measure, args=(updates, parameters, answers))
    process.start()
    result = answers.get()
    process.join()
    return result


def growth(sizes, seconds):
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, default=Path("benchmarks/scaling.json"))
    parser.add_argument("--largest", type=int, default=10**7)
    parser.add_argument("--window", type=int, default=10**4)
    arguments = parser.parse_args()
    results = {"cpu_count": os.cpu_count(), "numpy": np.__version__, "cases": []}

    def case(updates, parameters):
        seconds, mebibytes = alone(updates, parameters)
        rate = updates**2 * parameters / seconds / 1e9
        print(f"T = {updates:6d}  P = {parameters:9d}  {seconds:8.2f} s  {rate:6.0f} GFLOP/s  {mebibytes:6.0f} MiB", flush=True)
        results["cases"].append({"updates": updates, "parameters": parameters, "seconds": seconds, "MiB": mebibytes})
        return seconds

    parameters = [10**5, 10**6, arguments.largest]
    results["growth with P at T = 300"] = growth(parameters, [case(300, size) for size in parameters])
    updates = [500, 1000, 2000, 4000]
    results["growth with T at P = 100,000"] = growth(updates, [case(size, 10**5) for size in updates])
    case(1000, 1_700_000)
    case(arguments.window, 10**5)
    for name in ("growth with P at T = 300", "growth with T at P = 100,000"):
        print(f"{name}: exponent {results[name]:.2f}")
    arguments.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
