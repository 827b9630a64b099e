"""How many steps a second do several runs on one device make, each in its own process?

    python benchmarks/sharing.py [--json FILE] [--runs 1 2 4] [--steps 1500] [--device cpu]
    [--no-cuda-graph]

Every run trains and records in full, as in a sweep. The first steps of a run, while others still
start, are not counted: the clock runs from when the last run has made 100 steps to when the first
is done.
"""

import argparse
import json
import multiprocessing
import tempfile
import time
from pathlib import Path

CASES = {
    "mlp": ({"name": "mlp", "depth": 3, "width": 128}, 64),
    "resnet14": ({"name": "resnet14", "width": 8}, 128),
}
WARM_UP = 100


def train(model, batch_size, steps, device, graph, seed, folder, times):
    """Train one run, and write the time of every step into ``times``."""
    from anodiff.settings.run import RunSettings
    from anodiff.training import train_run

    settings = RunSettings.model_validate(
        {
            "data": "digits",
            "model": model,
            "optimiser": {"learning_rate": 0.01},
            "training": {"batch_size": batch_size, "steps": steps, "evaluate_every": 10**6, "cuda_graph": graph},
            "recording": {"window_length": 1000},
            "seed": seed,
        }
    )

    def report(step, total, message):
        times[step - 1] = time.monotonic()

    train_run(settings, f"{folder}/{seed}.zarr", scratch=f"{folder}/scratch-{seed}", device=device, report=report)


def total_rate(runs, model, batch_size, steps, device, graph):
    """Return the steps a second of all runs together."""
    context = multiprocessing.get_context("spawn")
    times = [context.Array("d", steps, lock=False) for _ in range(runs)]
    with tempfile.TemporaryDirectory() as folder:
        processes = [
            context.Process(target=train, args=(model, batch_size, steps, device, graph, seed, folder, times[seed]))
            for seed in range(runs)
        ]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        if any(process.exitcode for process in processes):
            raise SystemExit("a run failed")
    begin, end = max(own[WARM_UP] for own in times), min(own[steps - 1] for own in times)
    if end <= begin:
        raise SystemExit("the first run was done before the last had begun; give more --steps")
    return sum(sum(begin < moment <= end for moment in own) for own in times) / (end - begin)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, default=Path("benchmarks/sharing.json"))
    parser.add_argument("--runs", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--no-cuda-graph", action="store_true")
    arguments = parser.parse_args()
    results = {}
    for case, (model, batch_size) in CASES.items():
        steps = arguments.steps if case == "resnet14" else (4 if "cuda" in arguments.device else 20) * arguments.steps
        results[case] = {}
        for runs in arguments.runs:
            rate = total_rate(runs, model, batch_size, steps, arguments.device, not arguments.no_cuda_graph)
            results[case][runs] = rate
            alone = results[case][arguments.runs[0]]
            print(f"{case:10s} {runs:3d} runs {rate:10.0f} steps/s in all {rate / alone:6.2f} times", flush=True)
    arguments.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
