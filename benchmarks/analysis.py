"""How long does each estimator of the analysis take, for a run of 24 windows of 1,000 steps?

    python benchmarks/analysis.py [--json FILE] [--windows 24]

A small network is trained on the built-in digits, and its path is reduced. The analysis then runs
on one thread as in `anodiff diffusion`, with all intervals, and the time in each estimator is added
up.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

from threadpoolctl import threadpool_limits

from anodiff.diffusion import analysis
from anodiff.geometry import compute_geometry
from anodiff.geometry.store import open_geometry
from anodiff.settings.run import RunSettings
from anodiff.settings.stages import AnalysisSettings
from anodiff.training import train_run

#: Functions of `anodiff.diffusion.analysis` that are timed, and what they compute.
TIMED = {
    "_window_path": "reading G",
    "time_averaged_msd": "MSD",
    "local_exponents": "local exponents",
    "measure_exponents": "regimes, crossover, exponents and all their intervals",
    "transverse_excursions": "transverse excursions",
    "path_dimension": "contour and path dimension",
    "loss_difference_by_distance": "loss roughness",
    "null_curves": "nulls",
    "compare_with_nulls": "differences from the nulls",
    "other_explanations": "relaxing mean, bowl, ageing, non-Gaussian parameter",
    "_tails": "tails: stable laws, indices, power laws, avalanches",
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, default=Path("benchmarks/analysis.json"))
    parser.add_argument("--windows", type=int, default=24)
    arguments = parser.parse_args()
    settings = RunSettings.model_validate(
        {
            "data": {"name": "digits", "shift": 2, "noise": 1.0},
            "model": {"name": "mlp", "depth": 3, "width": 128},
            "optimiser": {"learning_rate": 0.1},
            "training": {"batch_size": 64, "steps": 1000 * arguments.windows, "evaluate_every": 1000},
            "recording": {"window_length": 1000},
        }
    )
    spent = dict.fromkeys(TIMED, 0.0)

    def timed(name):
        function = getattr(analysis, name)

        def timing(*values, **keywords):
            start = time.perf_counter()
            try:
                return function(*values, **keywords)
            finally:
                spent[name] += time.perf_counter() - start

        setattr(analysis, name, timing)

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        train_run(settings, folder / "trajectory.zarr", scratch=folder / "scratch", device="cpu")
        compute_geometry(folder / "trajectory.zarr", folder / "geometry.zarr")
        for function in TIMED:
            timed(function)
        start = time.perf_counter()
        with threadpool_limits(1):
            analysis.analyse(open_geometry(folder / "geometry.zarr"), AnalysisSettings())
        total = time.perf_counter() - start
    for function, seconds in sorted(spent.items(), key=lambda item: -item[1]):
        print(f"{TIMED[function]:58s} {seconds:7.2f} s  {seconds / total:5.0%}")
    print(f"{'all, ' + str(arguments.windows) + ' windows of 1,000 steps, one core':58s} {total:7.2f} s")
    spent = {TIMED[function]: seconds for function, seconds in spent.items()}
    arguments.json.write_text(json.dumps({"windows": arguments.windows, "total": total, "seconds": spent}, indent=2) + "\n")


if __name__ == "__main__":
    main()
