"""How does a network train? A loop that reads from top to bottom.

Loss, gradient and learning rate of step k belong to the point w_k before the update; the point
recorded after it is w_{k+1}.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from anodiff import models
from anodiff.data import Batches, Dataset, build_augmentation
from anodiff.errors import ConfigError
from anodiff.settings.run import RunSettings
from anodiff.settings.shapes import Tokens
from anodiff.storage.stores import COMPLETE, DIVERGED
from anodiff.storage.types import ProgressCallback, no_progress
from anodiff.training.backward import build_forward_backward
from anodiff.training.gradients import noise_norm
from anodiff.training.losses import Loss, build_loss
from anodiff.training.optimisers import rate_factor
from anodiff.training.precision import Forward, build_forward
from anodiff.training.seeding import generator
from anodiff.training.state import TrainingState
from anodiff.trajectory import TrajectoryRecorder


def build_model(settings: RunSettings, dataset: Dataset) -> nn.Module:
    """Build the run's network for its data set, from torch's default generator."""
    return models.build(
        settings.model.name,
        **dataclasses.asdict(dataset.shape),
        initialisation=settings.training.initialisation,
        **settings.model.keywords(),
    )


def build_batches(settings: RunSettings, dataset: Dataset) -> Batches:
    """Return the order in which the run takes its samples; the indices are on the data set's device.

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
        device=dataset.device,
        name=dataset.name,
    )


def check_smallest_batch(model: nn.Module, dataset: Dataset, batches: Batches, accumulation: int = 1) -> None:
    """Refuse a network that cannot train on the run's smallest micro-batch, if that is a single sample.

    Batch normalisation of single values has no variance. The network does not change.

    Raises
    ------
    ConfigError
        If it cannot.
    """
    if batches.smallest // accumulation > 1:
        return
    stored = dataset.train_inputs[:1]
    sample = stored.long() if isinstance(dataset.shape, Tokens) else stored.float()
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    try:
        with torch.no_grad(), torch.random.fork_rng():
            torch.func.functional_call(model.train(), buffers, (sample,))
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        if accumulation > 1:
            raise ConfigError(
                f"training.accumulation {accumulation} leaves micro-batches of one sample of a batch of {batches.smallest}, "
                "which batch normalisation cannot train on; set a smaller one, or training.drop_last: true"
            ) from None
        raise ConfigError(
            f"training.batch_size {batches.batch_size} leaves one of {batches.samples} samples for a batch of its own, which "
            "batch normalisation cannot train on; set training.drop_last: true, or another batch_size"
        ) from None


def train_steps(
    settings: RunSettings,
    state: TrainingState,
    dataset: Dataset,
    recorder: TrajectoryRecorder,
    *,
    report: ProgressCallback = no_progress,
    between_steps: Callable[[], None] = lambda: None,
) -> str:
    """Train from ``state`` to the recorder's last step, and return ``complete`` or ``diverged``.

    It diverged if the loss of a step is not finite; that step is not taken. The caller finishes the
    recorder.

    Parameters
    ----------
    report
        Called after every step with the steps done, the total number of steps, and a short text to
        show.
    between_steps
        Called after every step, when ``state`` and ``recorder`` hold everything that has changed.
    """
    device = dataset.device
    augment = build_augmentation(settings.data, dataset)
    criterion = build_loss(settings.training, dataset.classes)
    factor = rate_factor(settings.optimiser.schedule, recorder.steps)
    noise_every = settings.recording.noise_every
    batch_size = settings.training.batch_size
    model, batches = state.model, state.batches
    forward = build_forward(model, settings.training, device)
    forward_backward = build_forward_backward(state, forward, criterion, settings, device)
    epochs = math.ceil(recorder.steps / batches.steps_per_epoch)
    model.train()
    while (position := state.position).epoch < epochs:
        position.order = batches.state()
        for indices in batches.epoch(skip=position.batch):
            step = recorder.completed
            if step == recorder.steps:
                break
            inputs = augment(dataset.train_inputs.index_select(0, indices), state.augmentation)
            labels = dataset.train_labels.index_select(0, indices)
            outputs, loss_value = forward_backward(inputs, labels)
            loss = loss_value()
            if not math.isfinite(loss):
                return DIVERGED
            rate = settings.optimiser.learning_rate * factor(step)
            measured: dict[str, float | Tensor] = {"loss": loss, "learning_rate": rate}
            measured["gradient_norm"] = norm = state.gradient_norm()
            if noise_every and step % noise_every == 0:
                measured["noise_norm"] = noise_norm(
                    model, lambda batch: forward(augment(batch, state.noise)), criterion, dataset, batch_size
                )
            state.step(rate, norm)
            recorder.record(**measured)
            position.batch += 1
            position.seen += labels.numel()
            position.loss_sum += loss * labels.numel()
            state.add_predictions(outputs, labels)
            report(recorder.completed, recorder.steps, _progress_text(loss, position.test_accuracy, dataset))
            between_steps()
        train_loss, train_accuracy = position.loss_sum / position.seen, state.count_correct() / position.seen
        recorder.record_epoch(position.epoch, train_loss=train_loss, train_accuracy=train_accuracy)
        if (position.epoch + 1) % settings.training.evaluate_every == 0 or position.epoch + 1 == epochs:
            test_loss, position.test_accuracy = evaluate(
                model, lambda batch: forward(augment.normalise(batch)), criterion, dataset, batch_size
            )
            recorder.record_epoch(position.epoch, test_loss=test_loss, test_accuracy=position.test_accuracy)
        state.next_epoch()
    return COMPLETE


@torch.no_grad()
def evaluate(model: nn.Module, forward: Forward, criterion: Loss, dataset: Dataset, batch_size: int) -> tuple[float, float]:
    """Return mean loss and accuracy over the test set, or over its tokens, in evaluation mode.

    The model's mode is restored. ``forward`` maps inputs as they are stored to the model's outputs.
    """
    training = model.training
    model.eval()
    loss_sum, correct = 0.0, 0
    size = max(batch_size, dataset.shape.batch_size(256))
    for inputs, labels in zip(dataset.test_inputs.split(size), dataset.test_labels.split(size), strict=True):
        outputs = forward(inputs)
        loss_sum += criterion(outputs, labels).item() * labels.numel()
        correct += int((outputs.argmax(1) == labels).sum())
    model.train(training)
    return loss_sum / dataset.test_labels.numel(), correct / dataset.test_labels.numel()


def _progress_text(loss: float, test_accuracy: float, dataset: Dataset) -> str:
    """Return what a step shows: its loss, for text its perplexity, and the last test accuracy."""
    perplexity = f"  perplexity {math.exp(min(loss, 700)):.4g}" if isinstance(dataset.shape, Tokens) else ""
    accuracy = "" if math.isnan(test_accuracy) else f"  test accuracy {test_accuracy:.3f}"
    return f"loss {loss:.3f}{perplexity}{accuracy}"
