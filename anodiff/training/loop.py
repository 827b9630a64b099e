"""Trains one run: a loop to be read from top to bottom.

Loss, gradient and learning rate of step k belong to the point w_k before the update; the point recorded after it is w_{k+1}.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from anodiff import models
from anodiff.data import Augmentation, Batches, Dataset
from anodiff.settings.run import RunSettings
from anodiff.storage.stores import COMPLETE, DIVERGED
from anodiff.storage.types import Report, silent
from anodiff.training.backward import Loss, differentiation
from anodiff.training.gradients import noise_norm
from anodiff.training.optimisers import rate_factor
from anodiff.training.precision import Forward, forward_of
from anodiff.training.seeding import generator
from anodiff.training.state import Walk
from anodiff.trajectory import TrajectoryRecorder


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


def build_batches(settings: RunSettings, dataset: Dataset) -> Batches:
    """Return the order in which the run takes its samples; the indices come where the images are.

    Raises
    ------
    ConfigError
        If a batch is larger than the training set.
    """
    return Batches(
        len(dataset.train_labels),
        settings.training.batch_size,
        replacement=settings.training.sampling == "with_replacement",
        drop_last=settings.training.drop_last,
        generator=generator(settings.seed, "order"),
        device=dataset.train_images.device,
        name=dataset.name,
    )


def build_loss(name: str, classes: int) -> Loss:
    """Return the mean loss of a batch: cross-entropy, or the squared error against one-hot targets."""
    if name == "cross_entropy":
        return nn.functional.cross_entropy

    def squared_error(outputs: Tensor, labels: Tensor) -> Tensor:
        return nn.functional.mse_loss(outputs, nn.functional.one_hot(labels, classes).to(outputs.dtype))

    return squared_error


def walk_on(
    settings: RunSettings,
    walk: Walk,
    dataset: Dataset,
    recorder: TrajectoryRecorder,
    *,
    report: Report = silent,
    between_steps: Callable[[], None] = lambda: None,
) -> str:
    """Train from where ``walk`` stands to the recorder's last step and return ``complete``, or ``diverged`` at the first step
    whose loss is not finite; that step is not taken. The recorder is left to be finished.

    Parameters
    ----------
    report
        Called after every step with the steps done, the steps in all and a short text for a person.
    between_steps
        Called after every step; all that moves is then in ``walk`` and ``recorder``.
    """
    device = dataset.train_images.device
    augment = Augmentation(settings.data, dataset)
    criterion = build_loss(settings.training.loss, dataset.classes)
    factor = rate_factor(settings.optimiser.schedule, recorder.steps)
    noise_every = settings.recording.noise_every
    batch_size = settings.training.batch_size
    model, batches = walk.model, walk.batches
    forward = forward_of(model, settings.training, device)
    differentiate = differentiation(walk, forward, criterion, settings, device)
    epochs = math.ceil(recorder.steps / batches.steps_per_epoch)
    model.train()
    while (now := walk.position).epoch < epochs:
        now.order = batches.state()
        for indices in batches.epoch(skip=now.batch):
            step = recorder.completed
            if step == recorder.steps:
                break
            images = augment(dataset.train_images.index_select(0, indices), walk.augmentation)
            labels = dataset.train_labels.index_select(0, indices)
            outputs, loss = differentiate(images, labels)
            value = loss()
            if not math.isfinite(value):
                return DIVERGED
            rate = settings.optimiser.learning_rate * factor(step)
            measured: dict[str, float | Tensor] = {"loss": value, "learning_rate": rate}
            measured["gradient_norm"] = walk.gradient_norm()
            if noise_every and step % noise_every == 0:
                measured["noise_norm"] = noise_norm(
                    model, lambda batch: forward(augment(batch, walk.noise)), criterion, dataset, batch_size
                )
            walk.step(rate)
            recorder.record(**measured)
            now.batch += 1
            now.seen += len(labels)
            now.loss_sum += value * len(labels)
            walk.classified(outputs, labels)
            accuracy = "" if math.isnan(now.test_accuracy) else f"  test accuracy {now.test_accuracy:.3f}"
            report(recorder.completed, recorder.steps, f"loss {value:.3f}{accuracy}")
            between_steps()
        recorder.record_epoch(now.epoch, train_loss=now.loss_sum / now.seen, train_accuracy=walk.correct() / now.seen)
        if (now.epoch + 1) % settings.training.evaluate_every == 0 or now.epoch + 1 == epochs:
            test_loss, now.test_accuracy = evaluate(
                model, lambda batch: forward(augment.normalise(batch)), criterion, dataset, batch_size
            )
            recorder.record_epoch(now.epoch, test_loss=test_loss, test_accuracy=now.test_accuracy)
        walk.next_epoch()
    return COMPLETE


@torch.no_grad()
def evaluate(model: nn.Module, forward: Forward, criterion: Loss, dataset: Dataset, batch_size: int) -> tuple[float, float]:
    """Return mean loss and accuracy over the test set, in evaluation mode; the model's mode is put back.

    ``forward`` goes from images as they are stored to the model's outputs.
    """
    training = model.training
    model.eval()
    loss_sum, correct = 0.0, 0
    size = max(batch_size, 256)
    for images, labels in zip(dataset.test_images.split(size), dataset.test_labels.split(size), strict=True):
        outputs = forward(images)
        loss_sum += criterion(outputs, labels).item() * len(labels)
        correct += int((outputs.argmax(1) == labels).sum())
    model.train(training)
    return loss_sum / len(dataset.test_labels), correct / len(dataset.test_labels)
