"""How long does a step of the published ResNet-14 take with all weights recorded, beside a plain PyTorch loop?

    python benchmarks/published_step.py [--rounds 12] [--steps 12] [--batch-size 128] [--device cpu] [--give-back]

Both loops run in one process, in turn, in a new random order every round, each with its own network, on
images with the shapes of CIFAR-10 that are shifted and mirrored, in one thread; a recorded turn ends when its points are
written. Plain: a permutation, the network, torch's SGD and loss.item(). The ratio is the median over the
rounds; its 90 % interval is that of the median, by resampling rounds. With --give-back the C library returns what a step
frees, as without `anodiff.training.host_memory`.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from images import dataset

from anodiff.data import Augmentation
from anodiff.settings.run import RunSettings
from anodiff.training.device import choose_device, repeatable
from anodiff.training.host_memory import keep_freed_memory
from anodiff.training.loop import build_batches, build_model, train_steps
from anodiff.training.precision import to_memory_format
from anodiff.training.state import TrainingState
from anodiff.trajectory import TrajectoryRecorder

RUN = {
    "data": {"name": "cifar10", "shift": 4, "flip": True},
    "model": {"name": "resnet14", "options": {"projection": True}},
    "optimiser": {"name": "sgd", "learning_rate": 0.1},
}
WARM_UP = 4


class Turns:
    """A recorder that ends a turn of training, not the run."""

    def __init__(self, recorder):
        self.recorder, self.steps = recorder, 0
        self.record = recorder.record

    @property
    def completed(self):
        return self.recorder.completed

    def record_epoch(self, epoch, **values):
        pass


def recorded(settings, images, folder, device):
    state = TrainingState(settings, network(settings, images, device), build_batches(settings, images), device)
    turns = Turns(TrajectoryRecorder(state.model, folder / "trajectory.zarr", windows="contiguous", window_length=1000))

    def train(steps):
        turns.steps += steps
        state.position.epoch = 0  # a turn ends within an epoch, which counts as done
        train_steps(settings, state, images, turns)
        turns.recorder._background.wait()

    return train


def plain(settings, images, device):
    model = network(settings, images, device)
    optimiser = torch.optim.SGD(model.parameters(), lr=settings.optimiser.learning_rate)
    augment, generator = Augmentation(settings.data, images), torch.Generator(device).manual_seed(0)
    size, layout = settings.training.batch_size, torch.contiguous_format
    if settings.training.channels_last:
        layout = torch.channels_last

    def train(steps):
        for chosen in torch.randperm(len(images.train_labels), device=device).split(size)[:steps]:
            batch = augment(images.train_images[chosen], generator).contiguous(memory_format=layout)
            loss = torch.nn.functional.cross_entropy(model(batch), images.train_labels[chosen])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            loss.item()

    return train


def network(settings, images, device):
    torch.manual_seed(0)
    return to_memory_format(build_model(settings, images).to(device), settings.training)


def compare(settings, rounds, steps, device):
    images, random = dataset("like cifar10", device), np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder, repeatable(settings.training, device):
        loops = {"plain": plain(settings, images, device), "recorded": recorded(settings, images, Path(folder), device)}
        times = {name: [] for name in loops}
        for loop in loops.values():
            loop(WARM_UP)
        for _ in range(rounds):
            for name in random.permutation(list(loops)):
                start = time.perf_counter()
                loops[name](steps)
                if device.type == "cuda":
                    torch.cuda.synchronize()
                times[name].append((time.perf_counter() - start) / steps * 1e3)
    ratios = np.divide(times["recorded"], times["plain"])
    medians = np.median(random.choice(ratios, (2000, rounds)), axis=1)
    low, high = np.quantile(medians, [0.05, 0.95])
    best = ", ".join(f"{name} {min(values):.2f} ms" for name, values in times.items())
    print(
        f"channels last {settings.training.channels_last!s:5}  best: {best};  "
        f"ratio {np.median(ratios):.3f} ({low:.3f} … {high:.3f})"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--give-back", action="store_true")
    arguments = parser.parse_args()
    device = choose_device(arguments.device)
    if not arguments.give_back:
        keep_freed_memory()
    print(f"torch {torch.__version__}, {device.type}, batch {arguments.batch_size}, one thread, {arguments.rounds} rounds")
    for channels_last in (False, True):
        training = {"batch_size": arguments.batch_size, "steps": 10**6, "evaluate_every": 10**6, "channels_last": channels_last}
        compare(RunSettings.model_validate(RUN | {"training": training}), arguments.rounds, arguments.steps, device)


if __name__ == "__main__":
    main()
