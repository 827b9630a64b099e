"""How long does a training step take with the settings that make it faster?

    python benchmarks/settings.py [--json FILE] [--rounds 5] [--steps 100] [--device cpu]
    [--cases …] [--kinds …]

Precision, channels last, compilation and, on a GPU, graphs and non-deterministic algorithms are
compared with the plain step. All run in one process, in turn, each with its own network. Times are
those of the best round, ratios medians over the rounds. Compilation happens in the warm-up. The
images are digits of 8 × 8 pixels. A GPU also gets ResNet-14 on images like those of CIFAR-10,
32 × 32 pixels in colour, in the batches of the published sweep.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

import torch
from images import dataset
from training import NoRecorder

from anodiff.data import Batches
from anodiff.settings.run import RunSettings
from anodiff.training.device import choose_device, repeatable
from anodiff.training.loop import build_model, train_steps
from anodiff.training.precision import float32_precision, to_memory_format
from anodiff.training.seeding import generator
from anodiff.training.state import TrainingState

KINDS = {
    "plain": {},
    "channels last": {"channels_last": True},
    "tf32": {"precision": "tf32"},
    "bf16": {"precision": "bf16"},
    "bf16, channels last": {"precision": "bf16", "channels_last": True},
    "compiled": {"compile": True},
    "channels last, compiled": {"channels_last": True, "compile": True},
}
ON_A_GPU = {
    "not deterministic": {"deterministic": False},
    "graph": {"cuda_graph": True},
    "graph, tf32": {"cuda_graph": True, "precision": "tf32"},
    "graph, bf16, channels last": {"cuda_graph": True, "precision": "bf16", "channels_last": True},
    "graph, compiled": {"cuda_graph": True, "compile": True},
}
#: Images, network and batch size.
CASES = {
    "mlp": ("digits", {"name": "mlp", "depth": 3, "width": 128}, 64),
    "resnet14, batch 128": ("digits", {"name": "resnet14"}, 128),
    "resnet14, batch 1024": ("digits", {"name": "resnet14"}, 1024),
}
CASES_ON_A_GPU = {
    f"resnet14, cifar10, batch {size}": ("like cifar10", {"name": "resnet14", "options": {"projection": True}}, size)
    for size in (128, 512, 1024)
}
#: Steps that are not counted.
WARM_UP = 5


def loop(data, model, batch_size, training, device, steps):
    common = {"batch_size": batch_size, "steps": steps, "evaluate_every": 10**6, "drop_last": True, "cuda_graph": False}
    settings = RunSettings.model_validate(
        {
            "data": "digits",
            "model": model,
            "optimiser": {"learning_rate": 0.01},
            "training": common | training,
        }
    )
    images = dataset(data, device)
    order = generator(0, "order")
    batches = Batches(len(images.train_labels), batch_size, replacement=False, drop_last=True, generator=order, device=device)
    network = to_memory_format(build_model(settings, images).to(device), settings.training)
    state = TrainingState(settings, network, batches, device)

    def run():
        """Train and return ms per step, without the first steps, in which graphs are captured."""
        start = 0.0

        def report(step, total, message):
            nonlocal start
            if step == WARM_UP:
                start = now(device)

        state.position.epoch = 0
        with repeatable(settings.training, device), float32_precision(settings.training):
            train_steps(settings, state, images, NoRecorder(WARM_UP + steps), report=report)
        return (now(device) - start) / steps * 1e3

    return run


def now(device):
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, default=Path("benchmarks/settings.json"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--kinds", nargs="+", choices=[*KINDS, *ON_A_GPU], help="compared with plain; default: all")
    parser.add_argument("--cases", nargs="+", choices=[*CASES, *CASES_ON_A_GPU], help="default: all")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    device = choose_device(arguments.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    print(f"torch {torch.__version__}, {name}, {arguments.rounds} rounds of {arguments.steps} steps", flush=True)
    results = {"torch": torch.__version__, "device": name, "rounds": arguments.rounds, "cases": {}}
    kinds = KINDS | (ON_A_GPU if device.type == "cuda" else {})
    if arguments.kinds:
        kinds = {kind: kinds[kind] for kind in dict.fromkeys(["plain", *arguments.kinds])}
    for case in arguments.cases or [*CASES, *(CASES_ON_A_GPU if device.type == "cuda" else {})]:
        values = (CASES | CASES_ON_A_GPU)[case]
        loops = {kind: loop(*values, training, device, arguments.steps) for kind, training in kinds.items()}
        times = {kind: [] for kind in loops}
        for number in range(arguments.rounds + 1):
            for kind, run in loops.items():
                milliseconds = run()
                if number:  # the first is a warm-up
                    times[kind].append(milliseconds)
        results["cases"][case] = {}
        for kind, own in times.items():
            ratio = statistics.median(plain / value for plain, value in zip(times["plain"], own, strict=True))
            results["cases"][case][kind] = {"best, ms per step": min(own), "times as fast as plain": ratio}
            print(f"{case:30s} {kind:24s} {min(own):8.3f} ms {ratio:6.2f} times as fast as plain", flush=True)
    arguments.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
