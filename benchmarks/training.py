"""How long does a training step take in anodiff's loop, and in hand-written PyTorch loops?

    python benchmarks/training.py [--json FILE] [--rounds 15] [--device cpu] [--cases …]

All loops run in one process, in turn, one epoch or more at a time, on the same data, network,
optimiser and batch size; each has its own network. Ratios are medians over the rounds, so that
other load on the machine affects all alike; times are those of the best round.

plain            tensors, a permutation per epoch, torch's default optimiser, loss.item() every step
plain, measured  the same, with the gradient norm (torch's get_total_norm) and accuracy of every step
DataLoader       torch's DataLoader over a TensorDataset, without workers

The second measures what anodiff keeps of every step; the others measure only the loss. The images
are digits; a GPU also gets ResNet-14 on images like those of CIFAR-10 in batches of 128 and 1024.
"""

import argparse
import json
import os
import statistics
import time
from pathlib import Path

import torch
from images import dataset
from torch.utils.data import DataLoader, TensorDataset

from anodiff.data import Augmentation, Batches
from anodiff.settings.run import RunSettings
from anodiff.training.device import choose_device
from anodiff.training.loop import build_model, train_steps
from anodiff.training.seeding import generator
from anodiff.training.state import TrainingState

#: Network, optimiser, batch size, epochs of a turn, and images.
CASES = {
    "mlp, sgd": ({"name": "mlp", "depth": 3, "width": 128}, {"learning_rate": 0.01}, 64, 5),
    "mlp, momentum": ({"name": "mlp", "depth": 3, "width": 128}, {"learning_rate": 0.01, "momentum": 0.9}, 64, 5),
    "mlp, adam": ({"name": "mlp", "depth": 3, "width": 128}, {"name": "adam", "learning_rate": 0.001}, 64, 5),
    "resnet14, sgd": ({"name": "resnet14"}, {"learning_rate": 0.01}, 128, 1),
}
ON_A_GPU = {
    f"resnet14, cifar10, batch {size}": (
        {"name": "resnet14", "options": {"projection": True}},
        {"learning_rate": 0.01},
        size,
        1,
        "like cifar10",
    )
    for size in (128, 1024)
}


class NoRecorder:
    """Counts steps and keeps nothing."""

    def __init__(self, steps):
        self.steps, self.completed = steps, 0

    def record(self, **values):
        self.completed += 1

    def record_epoch(self, epoch, **values):
        pass


def optimiser(settings, parameters):
    if settings.optimiser.name == "adam":
        return torch.optim.Adam(parameters, lr=settings.optimiser.learning_rate)
    return torch.optim.SGD(parameters, lr=settings.optimiser.learning_rate, momentum=settings.optimiser.momentum)


def bare(settings, dataset, epochs):
    """The loop of anodiff without recording; evaluation of its one test image takes no time."""
    device = dataset.train_images.device
    batches = Batches(
        len(dataset.train_labels),
        settings.training.batch_size,
        replacement=False,
        drop_last=False,
        generator=generator(0, "order"),
        device=device,
    )
    state = TrainingState(settings, build_model(settings, dataset).to(device), batches, device)

    def run():
        state.position.epoch = 0
        train_steps(settings, state, dataset, NoRecorder(epochs * batches.steps_per_epoch))

    return run, batches.steps_per_epoch * epochs


def plain(settings, dataset, epochs, *, measured=False):
    """A fast hand-written loop, for data that fit into memory."""
    model = build_model(settings, dataset).to(dataset.train_images.device)
    step = optimiser(settings, model.parameters())
    normalise = Augmentation(settings.data, dataset).normalise
    images, labels, size = dataset.train_images, dataset.train_labels, settings.training.batch_size

    def run():
        for _ in range(epochs):
            losses, norms, correct = [], [], 0
            for chosen in torch.randperm(len(labels)).to(labels.device).split(size):
                outputs = model(normalise(images[chosen]))
                loss = torch.nn.functional.cross_entropy(outputs, labels[chosen])
                step.zero_grad()
                loss.backward()
                if measured:
                    norms.append(torch.nn.utils.get_total_norm([parameter.grad for parameter in model.parameters()]).item())
                    correct += (outputs.argmax(1) == labels[chosen]).sum().item()
                step.step()
                losses.append(loss.item())

    return run


def with_loader(settings, dataset, epochs):
    """The loop of PyTorch's tutorial; the images are normalised once, beforehand."""
    device = dataset.train_images.device
    model = build_model(settings, dataset).to(device)
    step = optimiser(settings, model.parameters())
    normalise = Augmentation(settings.data, dataset).normalise
    tensors = TensorDataset(normalise(dataset.train_images).cpu(), dataset.train_labels.cpu())
    loader = DataLoader(tensors, settings.training.batch_size, shuffle=True)

    def run():
        for _ in range(epochs):
            losses = []
            for images, labels in loader:
                loss = torch.nn.functional.cross_entropy(model(images.to(device)), labels.to(device))
                step.zero_grad()
                loss.backward()
                step.step()
                losses.append(loss.item())

    return run


def compare(device, rounds, model, optimiser_settings, batch_size, epochs, data="digits"):
    settings = RunSettings.model_validate(
        {
            "data": "digits",
            "model": model,
            "optimiser": optimiser_settings,
            "training": {"batch_size": batch_size, "epochs": epochs, "evaluate_every": 10**6},
        }
    )
    images = dataset(data, device)
    ours, steps = bare(settings, images, epochs)
    loops = {
        "anodiff": ours,
        "plain": plain(settings, images, epochs),
        "plain, measured": plain(settings, images, epochs, measured=True),
        "DataLoader": with_loader(settings, images, epochs),
    }
    times = {name: [] for name in loops}
    for round_number in range(rounds + 1):
        for name, loop in loops.items():
            start = time.perf_counter()
            loop()
            if device.type == "cuda":
                torch.cuda.synchronize()
            if round_number:  # the first is a warm-up
                times[name].append((time.perf_counter() - start) / steps * 1e3)
    ratios = {
        name: statistics.median(other / own for other, own in zip(values, times["anodiff"], strict=True))
        for name, values in times.items()
    }
    return {"steps a round": steps, "best, ms per step": {name: min(values) for name, values in times.items()}, "ratio": ratios}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, default=Path("benchmarks/training.json"))
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--cases", nargs="+", choices=[*CASES, *ON_A_GPU], help="default: all")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    device = choose_device(arguments.device)
    results = {"torch": torch.__version__, "cpu_count": os.cpu_count(), "threads": 1, "rounds": arguments.rounds}
    results["device"] = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    print(f"torch {torch.__version__}, {results['device']}, 1 thread, {arguments.rounds} rounds")
    names = arguments.cases or [*CASES, *(ON_A_GPU if device.type == "cuda" else {})]
    results["cases"] = {name: compare(device, arguments.rounds, *(CASES | ON_A_GPU)[name]) for name in names}
    for name, case in results["cases"].items():
        for loop, milliseconds in case["best, ms per step"].items():
            print(f"{name:30s} {loop:16s} {milliseconds:8.3f} ms   {case['ratio'][loop]:5.2f} times anodiff's loop")
    arguments.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
