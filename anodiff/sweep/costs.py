"""How long and how much memory will a job of a run take? Estimates for a scheduler, on the generous side.

docs/cluster.md tells the formulas to people. The constants were chosen for one GPU of a cluster, and a job that hits its time
limit goes on in the next one, so an estimate that is wrong costs waiting and loses nothing. Importing this module is cheap;
counting the parameters of a network imports torch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from anodiff.settings.data import DataSettings
from anodiff.settings.run import ModelSettings, RunSettings
from anodiff.settings.stages import SimplifiedModelSettings
from anodiff.trajectory.windows import kept_steps, plan_windows

#: Seconds of an optimiser step: in any case, for each tensor of parameters (launching its kernels), and for each parameter
#: (arithmetic, and recording at 160 MB/s).
STEP, STEP_TENSOR, STEP_PARAMETER = 5e-3, 2e-4, 2.5e-8

#: Minutes of a training before and after its steps, and how often over the estimate is asked for.
TRAINING_START, GENEROSITY = 15, 2

#: MB of a training process before it holds anything: Python, torch, the driver of a GPU.
TRAINING_MEMORY = 3000

#: Floating-point operations and bytes a second of one core at work on a Gram matrix, well below what a node of today does.
GRAM_SPEED, READ_SPEED = 1e10, 1e8

#: Seconds of one core for the analysis of a window of 1,000 updates, all estimators; it grows with the square of the updates.
ANALYSIS_WINDOW = 5

#: How many times smaller lossless compression makes full weights and Gram matrices, as it did in the demo.
WEIGHTS_COMPRESSION, GRAM_COMPRESSION = 1.35, 1.7


@dataclass(frozen=True)
class Images:
    """What a data set holds: channels, pixels a side, classes and images for training."""

    channels: int
    size: int
    classes: int
    samples: int


#: What the data sets hold that have one shape; of a folder of images the numbers are ImageNet's, as a bound.
DATASETS = {
    "digits": Images(1, 8, 10, 1437),
    "cifar10": Images(3, 32, 10, 50_000),
    "cifar100": Images(3, 32, 100, 50_000),
    "mnist": Images(1, 28, 10, 60_000),
    "fashion_mnist": Images(1, 28, 10, 60_000),
    "image_folder": Images(3, 224, 1000, 1_300_000),
}


def images(data: DataSettings) -> Images:
    """Return what the data set of a run holds, without opening it."""
    if data.clusters is not None:
        points = data.clusters.samples - round(data.clusters.samples / 5)
        known = Images(1, data.clusters.image_size, data.clusters.classes, points)
    else:
        known = DATASETS[data.name]
    size = data.image_size or known.size
    return Images(known.channels, size, known.classes, min(known.samples, data.train_samples or known.samples))


def weights(settings: RunSettings) -> tuple[int, int]:
    """Return the numbers of parameters and of tensors that hold them; the network is laid out without memory for them.

    Raises
    ------
    ConfigError
        If the network cannot be built, or a factory cannot be imported.
    """
    held = images(settings.data)
    return _weights(settings.model.model_dump_json(), held.channels, held.size, held.classes)


@lru_cache(maxsize=1024)
def _weights(model: str, channels: int, size: int, classes: int) -> tuple[int, int]:
    import torch

    from anodiff.models import build

    settings = ModelSettings.model_validate_json(model)
    with torch.device("meta"):
        network = build(settings.name, channels=channels, size=size, classes=classes, **settings.keywords())
    return sum(entry.numel() for entry in network.parameters()), sum(1 for _ in network.parameters())


def steps(settings: RunSettings) -> int:
    """Return the number of optimiser steps of a run."""
    training = settings.training
    if training.steps:
        return training.steps
    batches = images(settings.data).samples / training.batch_size
    return (training.epochs or 0) * (math.floor(batches) if training.drop_last else math.ceil(batches))


def training_minutes(settings: RunSettings, longest: int) -> int:
    """Return the minutes to ask for: steps × (5 ms + 0.2 ms a tensor + 25 ns a parameter), twice that, and 15 more."""
    return min(longest, TRAINING_START + math.ceil(GENEROSITY * training_seconds(settings) / 60))


def training_seconds(settings: RunSettings) -> float:
    """Return the seconds of a training's steps on a GPU, without generosity."""
    parameters, tensors = weights(settings)
    return steps(settings) * (STEP + tensors * STEP_TENSOR + parameters * STEP_PARAMETER)


def training_memory(settings: RunSettings) -> int:
    """Return the MB of a training: 3,000, the images, ten copies of the weights, and what the recorder holds.

    The recorder holds four shards (256 rows, 512 MiB at most): two being filled, one being written, one in a checkpoint. With
    ``weights: none`` it holds the updates of the longest window instead.
    """
    parameters, _ = weights(settings)
    held, recording = images(settings.data), settings.recording
    pictures = 2 * held.samples * held.channels * held.size**2 * 4
    if recording.weights == "none":
        recorder = 4 * parameters * _longest_window(settings) + 16 * _longest_window(settings) ** 2
    else:
        columns = parameters if recording.weights == "full" else 2 * recording.sketch_size
        recorder = 4 * min(2**29, 4 * columns * 256)
    return TRAINING_MEMORY + math.ceil((pictures + 40 * parameters + recorder) / 1e6)


def geometry_minutes(settings: RunSettings, longest: int) -> int:
    """Return the minutes of the pass over a path: T²P operations and 4TP bytes a window of T updates, twice that, 10 more."""
    return min(longest, 10 + math.ceil(GENEROSITY * geometry_seconds(settings) / 60))


def geometry_seconds(settings: RunSettings, speed: float = GRAM_SPEED) -> float:
    """Return the seconds of the pass over a path on one core that does so many operations a second, without generosity."""
    parameters, _ = weights(settings)
    columns = settings.recording.sketch_size if settings.recording.weights == "sketch" else parameters
    return sum(t * t * columns / speed + 4 * t * columns / READ_SPEED for t in _windows(settings))


def geometry_memory(settings: RunSettings) -> int:
    """Return the MB of the pass: 2,000, a quarter of them for columns of weights, and five matrices of the longest window."""
    return 2000 + math.ceil(40 * _longest_window(settings) ** 2 / 1e6)


def analysis_minutes(settings: RunSettings, longest: int) -> int:
    """Return the minutes of the analysis: 5 s a window of 1,000 updates, as the square of its updates, twice that, 10 more."""
    return min(longest, 10 + math.ceil(GENEROSITY * analysis_seconds(settings) / 60))


def analysis_seconds(settings: RunSettings) -> float:
    """Return the seconds of the analysis on one core, without generosity."""
    return sum(ANALYSIS_WINDOW * max(1.0, (t / 1000) ** 2) for t in _windows(settings))


def analysis_memory(settings: RunSettings) -> int:
    """Return the MB of the analysis: 1,500, and twelve matrices of the longest window."""
    return 1500 + math.ceil(96 * _longest_window(settings) ** 2 / 1e6)


def _windows(settings: RunSettings) -> list[int]:
    recording = settings.recording
    return [window.updates for window in plan_windows(recording.windows, recording.window_length, steps(settings))]


def _longest_window(settings: RunSettings) -> int:
    return max(_windows(settings), default=0)


def model_memory(settings: SimplifiedModelSettings) -> int:
    """Return the MB of the simplified model's job: a walk of all walkers, and the torus that an exact surface is cut from."""
    walk = 3 * 40 * settings.walkers * settings.steps
    return 1000 + math.ceil((walk + 64 * (6 * settings.points) ** 2) / 1e6)


def model_minutes(settings: SimplifiedModelSettings) -> int:
    """Return the minutes of the simplified model's job, at 1 µs a step of a walker."""
    return 10 + math.ceil(GENEROSITY * model_seconds(settings) / 60)


def model_seconds(settings: SimplifiedModelSettings) -> float:
    """Return the seconds of the simplified model, without generosity."""
    kinds = len(settings.hurst) + 4
    surfaces = sum(each.surfaces for each in settings.each().values())
    return 1e-6 * kinds * surfaces * settings.walkers * settings.steps


def landscape_memory(settings: RunSettings) -> int:
    """Return the MB of a job that looks at a run's landscape: images, and a hundred vectors of Lanczos's method."""
    known = images(settings.data)
    data = known.samples * known.channels * known.size**2 * 4
    return TRAINING_MEMORY + math.ceil((2 * data + 8 * 120 * weights(settings)[0]) / 1e6)


def landscape_minutes(settings: RunSettings, longest: int) -> int:
    """Return the minutes of each of its stages: 5,000 passes over the samples, at 10 ms and 0.5 µs a parameter each."""
    return min(longest, 15 + math.ceil(GENEROSITY * landscape_seconds(settings) / 60))


def landscape_seconds(settings: RunSettings) -> float:
    """Return the seconds of each of the landscape's stages, without generosity."""
    return 5000 * (1e-2 + 5e-7 * weights(settings)[0])


def trajectory_bytes(settings: RunSettings) -> float:
    """Return the bytes of a stored path: its samples, or Gram matrices, compressed as those of usual networks are."""
    recording = settings.recording
    windows = plan_windows(recording.windows, recording.window_length, steps(settings))
    if recording.weights == "none":
        points = 8 * sum(window.updates**2 for window in windows) / GRAM_COMPRESSION
    else:
        numbers = 8 * recording.sketch_size if recording.weights == "sketch" else 4 * weights(settings)[0]
        points = (len(kept_steps(windows)) if windows else 0) * numbers / WEIGHTS_COMPRESSION
    return points + 16 * steps(settings)


def geometry_bytes(settings: RunSettings) -> float:
    """Return the bytes of a geometry.zarr: the Gram matrices and the sampled gradients of its windows."""
    sampled = 4 * min(settings.recording.gradient_coordinates, weights(settings)[0])
    return sum(8 * t * t / GRAM_COMPRESSION + t * sampled for t in _windows(settings))
