"""How long does a step of a run take here? A few real steps, recorded as the run's would be, then thrown away."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from anodiff.data import Augmentation, Dataset, load
from anodiff.settings.run import RunSettings
from anodiff.training.device import provenance, repeatable
from anodiff.training.gpus import claim_device
from anodiff.training.loop import build_batches, build_loss, build_model, evaluate, walk_on
from anodiff.training.precision import forward_of, lay_out, product_precision
from anodiff.training.seeding import seed_globals
from anodiff.training.state import Walk
from anodiff.trajectory import TrajectoryRecorder, Window, updates_give_gradients

#: Steps of the trial that says how many are measured, and how many of the first do not count: they warm the device up.
TRIAL, WARM_UP = 12, 4

#: Steps measured at most.
LONGEST = 1024

#: Learning rate of the measured steps: so small that none diverges, which would end the measurement.
RATE = 1e-6


@dataclass(frozen=True)
class Measurement:
    """What a few steps took.

    Attributes
    ----------
    device
        On what.
    steps
        How many were measured.
    step
        Seconds a step, recording and writing included.
    evaluation
        Seconds for the loss over the test set.
    test_samples
        Samples in it.
    loading
        Seconds to load the data set and to build the network.
    """

    device: str
    steps: int
    step: float
    evaluation: float
    test_samples: int
    loading: float


def measure(
    settings: RunSettings, *, data_root: str | Path, scratch: str | Path, device: str = "auto", seconds: float = 3.0
) -> Measurement:
    """Train a run for about so many seconds, with every step recorded, in a temporary folder on the disk of ``scratch``.

    Gradient noise is left out: it is measured at some steps only.

    Raises
    ------
    DatasetMissingError, ConfigError, StorageError
        As a training of the run would.
    """
    settings = settings.model_copy(
        update={
            "recording": settings.recording.model_copy(update={"noise_every": 0}),
            "training": settings.training.model_copy(update={"evaluate_every": 10**9}),
            "optimiser": settings.optimiser.model_copy(update={"learning_rate": RATE}),
        }
    )
    Path(scratch).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".plan-", dir=scratch) as folder, claim_device(device) as chosen:
        start = time.perf_counter()
        dataset = load(settings.data, data_root, device=chosen)
        with repeatable(settings.training, chosen), product_precision(settings.training):
            build_model(settings, dataset).to(chosen)
            loading = time.perf_counter() - start
            trial, _ = _walk(settings, dataset, chosen, Path(folder, "trial.zarr"), TRIAL)
            steps = max(TRIAL, min(LONGEST, int(seconds / trial)))
            step, evaluation = _walk(settings, dataset, chosen, Path(folder, "path.zarr"), WARM_UP + steps)
        named = str(provenance(settings.training, chosen)["device"])
    return Measurement(named, steps, step, evaluation, len(dataset.test_labels), loading)


def _walk(settings: RunSettings, dataset: Dataset, device: torch.device, path: Path, steps: int) -> tuple[float, float]:
    """Take some steps from the beginning, record them, and return the seconds a step and those of an evaluation."""
    training, recording = settings.training, settings.recording
    batches = build_batches(settings, dataset)
    seed_globals(settings.seed, "weights")
    model = lay_out(build_model(settings, dataset).to(device), training)
    walk = Walk(settings, model, batches, device)
    windows = [Window(0, steps)]
    recorder = TrajectoryRecorder(
        model,
        path,
        steps=steps,
        windows=windows,
        weights=recording.weights,
        sketch_size=recording.sketch_size if recording.weights == "sketch" else None,
        device_memory=recording.device_memory,
        gradient_coordinates=0 if updates_give_gradients(settings, windows) else recording.gradient_coordinates,
    )
    criterion, augment = build_loss(training.loss, dataset.classes), Augmentation(settings.data, dataset)
    forward = forward_of(model, training, device)
    began = 0.0

    def note(done: int, total: int, message: str) -> None:
        nonlocal began
        if done == WARM_UP:
            _wait(device)
            began = time.perf_counter()

    def evaluated() -> float:
        start = time.perf_counter()
        evaluate(model, lambda batch: forward(augment.normalise(batch)), criterion, dataset, training.batch_size)
        return time.perf_counter() - start

    evaluated()
    evaluation = evaluated()
    with recorder:
        walk_on(settings, walk, dataset, recorder, report=note)
        recorder.finish()
    _wait(device)
    elapsed = time.perf_counter() - began - evaluation  # the walk ends with an evaluation
    return max(elapsed, 1e-9) / max(1, recorder.completed - WARM_UP), evaluation


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
