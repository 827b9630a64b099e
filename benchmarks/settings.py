"""How long is a training step under the settings that make it faster?

    python benchmarks/settings.py [--json FILE] [--rounds 5] [--steps 100] [--device cpu]

Precision, channels last and compilation beside the plain step, in one process, in turn, each with a network of its own; times
are the best round's, ratios medians over the rounds. Compilation happens in the warm-up.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

import torch
from training import NoRecorder

from anodiff.config import RunSettings
from anodiff.data import Batches, load
from anodiff.training.arithmetic import lay_out, product_precision
from anodiff.training.device import choose_device
from anodiff.training.loop import build_model, walk_on
from anodiff.training.seeding import generator
from anodiff.training.walk import Walk

KINDS = {
    "plain": {},
    "channels last": {"channels_last": True},
    "tf32": {"precision": "tf32"},
    "bf16": {"precision": "bf16"},
    "compiled": {"compile": True},
    "channels last, compiled": {"channels_last": True, "compile": True},
}
CASES = {
    "mlp": ({"name": "mlp", "depth": 3, "width": 128}, 64),
    "resnet14, batch 128": ({"name": "resnet14"}, 128),
    "resnet14, batch 1024": ({"name": "resnet14"}, 1024),
}


def loop(model, batch_size, training, device, steps):
    settings = RunSettings.model_validate(
        {
            "data": "digits",
            "model": model,
            "optimiser": {"learning_rate": 0.01},
            "training": {"batch_size": batch_size, "steps": steps, "evaluate_every": 10**6, "drop_last": True, **training},
        }
    )
    dataset = load(settings.data, "data", device=device)
    order = generator(0, "order")
    batches = Batches(len(dataset.train_labels), batch_size, replacement=False, drop_last=True, generator=order)
    network = lay_out(build_model(settings, dataset).to(device), settings.training)
    walk = Walk(settings, network, batches, device)

    def run():
        walk.position.epoch = 0
        with product_precision(settings.training):
            walk_on(settings, walk, dataset, NoRecorder(steps))
        if device.type == "cuda":
            torch.cuda.synchronize()

    return run


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, default=Path("benchmarks/settings.json"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    device = choose_device(arguments.device)
    results = {"torch": torch.__version__, "device": str(device), "rounds": arguments.rounds, "cases": {}}
    for case, (model, batch_size) in CASES.items():
        loops = {kind: loop(model, batch_size, training, device, arguments.steps) for kind, training in KINDS.items()}
        times = {kind: [] for kind in loops}
        for number in range(arguments.rounds + 1):
            for kind, run in loops.items():
                start = time.perf_counter()
                run()
                if number:  # the first is a warm-up
                    times[kind].append((time.perf_counter() - start) / arguments.steps * 1e3)
        results["cases"][case] = {}
        for kind, own in times.items():
            ratio = statistics.median(plain / value for plain, value in zip(times["plain"], own, strict=True))
            results["cases"][case][kind] = {"best, ms per step": min(own), "times as fast as plain": ratio}
            print(f"{case:22s} {kind:24s} {min(own):8.3f} ms {ratio:6.2f} times as fast as plain", flush=True)
    arguments.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
