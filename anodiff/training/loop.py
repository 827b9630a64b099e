"""Trains one run: a loop to be read from top to bottom.

Loss, gradient and learning rate of step k belong to the point w_k before the update; the point recorded after it is w_{k+1}.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from anodiff import models
from anodiff.config import RunSettings
from anodiff.data import Augmentation, Batches, Dataset, load
from anodiff.stores import COMPLETE, DIVERGED, publish, refuse_existing, remove, storage_errors
from anodiff.training.device import choose_device, provenance, repeatable
from anodiff.training.gradients import gradient_norm, noise_norm
from anodiff.training.optimisers import build_optimiser, rate_factor
from anodiff.training.seeding import generator, stream_seed
from anodiff.trajectory import TrajectoryRecorder, plan_windows, updates_give_gradients

Loss = Callable[[Tensor, Tensor], Tensor]
Report = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Outcome:
    """How a run ended: its status, the optimiser steps taken, and the last test accuracy (NaN where never measured)."""

    status: str
    steps_completed: int
    test_accuracy: float


def train_run(
    settings: RunSettings,
    output: str | Path,
    *,
    scratch: str | Path,
    data_root: str | Path = "data",
    download: bool = False,
    device: str = "auto",
    overwrite: bool = False,
    report: Report = lambda step, steps, message: None,
) -> Outcome:
    """Train a run and publish its path as a store at ``output``.

    Training writes to ``scratch``/trajectory.zarr and moves the finished store by one rename. A run whose loss is not finite
    stops there; its store is published with status ``diverged`` and the step.

    Parameters
    ----------
    report
        Called after every step with the steps done, the steps in all and a short text for a person.

    Raises
    ------
    OutputExistsError, DatasetMissingError, ConfigError, StorageError
    """
    output = Path(output)
    refuse_existing(output, overwrite=overwrite)
    chosen = choose_device(device)
    dataset = load(settings.data, data_root, download=download, device=chosen)
    batches = Batches(
        len(dataset.train_labels),
        settings.training.batch_size,
        replacement=settings.training.sampling == "with_replacement",
        drop_last=settings.training.drop_last,
        generator=generator(settings.seed, "order"),
        name=dataset.name,
    )
    steps = settings.training.steps or batches.steps_per_epoch * (settings.training.epochs or 0)
    recording = settings.recording
    windows = plan_windows(recording.windows, recording.window_length, steps)
    working = Path(scratch) / "trajectory.zarr"
    attributes = {
        "settings": settings.model_dump(mode="json"),
        "provenance": provenance(settings.training, chosen),
        "steps_per_epoch": batches.steps_per_epoch,
    }
    with repeatable(settings.training, chosen):
        torch.manual_seed(stream_seed(settings.seed, "weights"))
        model = build_model(settings, dataset).to(chosen)
        with storage_errors(working):
            epochs = math.ceil(steps / batches.steps_per_epoch)
            recorder = TrajectoryRecorder(
                model,
                working,
                steps=steps,
                windows=windows,
                epochs=epochs,
                sketch_size=recording.sketch_size if recording.weights == "sketch" else None,
                gradient_coordinates=0 if updates_give_gradients(settings, windows) else recording.gradient_coordinates,
                seed=stream_seed(settings.seed, "recording"),
                attributes=attributes,
            )
            with recorder:
                outcome = _walk(settings, model, dataset, batches, recorder, report)
            if overwrite:
                remove(output)
            publish(working, output)
            working.parent.rmdir()
    return outcome


def build_model(settings: RunSettings, dataset: Dataset) -> nn.Module:
    """Build the run's network for its data set, from torch's default generator."""
    return models.build(
        settings.model.name,
        channels=dataset.channels,
        size=dataset.size,
        classes=dataset.classes,
        initialisation=settings.training.initialisation,
        **settings.model.keywords(),
    )


def build_loss(name: str, classes: int) -> Loss:
    """Return the mean loss of a batch: cross-entropy, or the squared error against one-hot targets."""
    if name == "cross_entropy":
        return nn.functional.cross_entropy

    def squared_error(outputs: Tensor, labels: Tensor) -> Tensor:
        return nn.functional.mse_loss(outputs, nn.functional.one_hot(labels, classes).to(outputs.dtype))

    return squared_error


def _walk(
    settings: RunSettings,
    model: nn.Module,
    dataset: Dataset,
    batches: Batches,
    recorder: TrajectoryRecorder,
    report: Report,
) -> Outcome:
    device = dataset.train_images.device
    augment = Augmentation(settings.data, dataset)
    augmentation = generator(settings.seed, "augmentation", device)
    criterion = build_loss(settings.training.loss, dataset.classes)
    optimiser = build_optimiser(settings.optimiser, model.parameters())
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, rate_factor(settings.optimiser.schedule, recorder.steps))
    noise_every = settings.recording.noise_every
    noise_stream = generator(settings.seed, "noise", device)
    test_accuracy = math.nan
    epochs = math.ceil(recorder.steps / batches.steps_per_epoch)
    model.train()
    for epoch in range(epochs):
        seen, loss_sum, correct = 0, 0.0, 0
        for indices in batches.epoch():
            step = recorder.completed
            if step == recorder.steps:
                break
            indices = indices.to(device)
            images, labels = augment(dataset.train_images[indices], augmentation), dataset.train_labels[indices]
            outputs = model(images)
            loss = criterion(outputs, labels)
            value = loss.item()
            if not math.isfinite(value):
                recorder.finish(DIVERGED, diverged_at=step)
                return Outcome(DIVERGED, step, test_accuracy)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            measured = {"loss": value, "gradient_norm": gradient_norm(model)}
            measured["learning_rate"] = optimiser.param_groups[0]["lr"]
            if noise_every and step % noise_every == 0:
                measured["noise_norm"] = noise_norm(
                    model, criterion, dataset, lambda batch: augment(batch, noise_stream), settings.training.batch_size
                )
            optimiser.step()
            schedule.step()
            recorder.record(**measured)
            seen += len(labels)
            loss_sum += value * len(labels)
            correct += int((outputs.argmax(1) == labels).sum())
            report(recorder.completed, recorder.steps, f"loss {value:.3f}  test accuracy {test_accuracy:.3f}")
        recorder.record_epoch(epoch, train_loss=loss_sum / seen, train_accuracy=correct / seen)
        if (epoch + 1) % settings.training.evaluate_every == 0 or epoch + 1 == epochs:
            test_loss, test_accuracy = evaluate(model, criterion, dataset, augment.normalise, settings.training.batch_size)
            recorder.record_epoch(epoch, test_loss=test_loss, test_accuracy=test_accuracy)
    recorder.finish(COMPLETE)
    return Outcome(COMPLETE, recorder.completed, test_accuracy)


@torch.no_grad()
def evaluate(
    model: nn.Module, criterion: Loss, dataset: Dataset, normalise: Callable[[Tensor], Tensor], batch_size: int
) -> tuple[float, float]:
    """Return mean loss and accuracy over the test set, in evaluation mode; the model's mode is put back."""
    training = model.training
    model.eval()
    loss_sum, correct = 0.0, 0
    size = max(batch_size, 256)
    for images, labels in zip(dataset.test_images.split(size), dataset.test_labels.split(size), strict=True):
        outputs = model(normalise(images))
        loss_sum += criterion(outputs, labels).item() * len(labels)
        correct += int((outputs.argmax(1) == labels).sum())
    model.train(training)
    return loss_sum / len(dataset.test_labels), correct / len(dataset.test_labels)
