"""How long does a step of a run take here? Measured over a few real, recorded steps."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from anodiff.data import Dataset, build_augmentation, load
from anodiff.settings.run import RunSettings
from anodiff.training.device import provenance, repeatable
from anodiff.training.gpus import claim_device
from anodiff.training.loop import build_batches, build_model, evaluate, train_steps
from anodiff.training.losses import build_loss
from anodiff.training.precision import build_forward, float32_precision, to_memory_format
from anodiff.training.seeding import seed_globals
from anodiff.training.state import TrainingState
from anodiff.trajectory import TrajectoryRecorder, Window, updates_give_gradients

#: Steps of the trial that decides how many are measured, and the first steps that do not count: they warm the device up.
TRIAL, WARM_UP = 12, 4

#: Most steps that are measured.
MAX_STEPS = 1024

#: Learning rate of the measured steps, too small for any to diverge, which would end the measurement.
LEARNING_RATE = 1e-6


@dataclass(frozen=True)
class Measurement:
    """How long a few steps took.

    Attributes
    ----------
    device
        The device's name.
    steps
        Number of steps measured.
    step
        Seconds per step, recording and writing included.
    evaluation
        Seconds for the loss over the test set.
    test_samples
        Samples in it.
    loading
        Seconds to load the data set and build the network.
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
    """Train a run for about this many seconds, with every step recorded.

    It uses a temporary folder in ``scratch``. Gradient noise is left out, because it is measured at
    some steps only.

    Raises
    ------
    DatasetMissingError, ConfigError, StorageError
        As training the run would.
    """
    settings = settings.model_copy(
        update={
            "recording": settings.recording.model_copy(update={"noise_every": 0}),
            "training": settings.training.model_copy(update={"evaluate_every": 10**9}),
            "optimiser": settings.optimiser.model_copy(update={"learning_rate": LEARNING_RATE}),
        }
    )
    Path(scratch).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".plan-", dir=scratch) as folder, claim_device(device) as chosen:
        start = time.perf_counter()
        dataset = load(settings.data, data_root, context=settings.model.context, device=chosen)
        with repeatable(settings.training, chosen), float32_precision(settings.training):
            build_model(settings, dataset).to(chosen)
            loading = time.perf_counter() - start
            trial, _ = _time_steps(settings, dataset, chosen, Path(folder, "trial.zarr"), TRIAL)
            steps = max(TRIAL, min(MAX_STEPS, int(seconds / trial)))
            step, evaluation = _time_steps(settings, dataset, chosen, Path(folder, "path.zarr"), WARM_UP + steps)
        name = str(provenance(settings.training, chosen)["device"])
    return Measurement(name, steps, step, evaluation, len(dataset.test_labels), loading)


def _time_steps(settings: RunSettings, dataset: Dataset, device: torch.device, path: Path, steps: int) -> tuple[float, float]:
    """Take and record first steps; return the seconds per step and those of an evaluation."""
    training, recording = settings.training, settings.recording
    batches = build_batches(settings, dataset)
    seed_globals(settings.seed, "weights")
    model = to_memory_format(build_model(settings, dataset).to(device), training)
    state = TrainingState(settings, model, batches, device)
    windows = [Window(0, steps)]
    types = {parameter.dtype for parameter in model.parameters()}
    recorder = TrajectoryRecorder(
        model,
        path,
        steps=steps,
        windows=windows,
        weights=recording.weights,
        sketch_size=recording.sketch_size if recording.weights == "sketch" else None,
        parameters=recording.parameters,
        groups=recording.groups,
        walks=recording.walks,
        optimiser=state.optimiser,
        device_memory=recording.device_memory,
        buffers_every=recording.buffers_every,
        gradient_coordinates=0 if updates_give_gradients(settings, windows, types) else recording.gradient_coordinates,
    )
    criterion, augment = build_loss(training, dataset.classes), build_augmentation(settings.data, dataset)
    forward = build_forward(model, training, device)
    start = 0.0

    def start_after_warm_up(done: int, total: int, message: str) -> None:
        nonlocal start
        if done == WARM_UP:
            _synchronise(device)
            start = time.perf_counter()

    def time_evaluation() -> float:
        before = time.perf_counter()
        evaluate(model, lambda batch: forward(augment.normalise(batch)), criterion, dataset, training.batch_size)
        return time.perf_counter() - before

    time_evaluation()
    evaluation = time_evaluation()
    with recorder:
        train_steps(settings, state, dataset, recorder, report=start_after_warm_up)
        recorder.finish()
    _synchronise(device)
    elapsed = time.perf_counter() - start - evaluation  # training ends with an evaluation
    return max(elapsed, 1e-9) / max(1, recorder.completed - WARM_UP), evaluation


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
