"""How is the path of PyTorch Lightning's Trainer recorded? By a callback: one point after every
optimiser step.

With gradients accumulated over several batches, all of them give one point, whose loss is their
mean. The gradient is recorded as the optimiser used it, after clipping.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch

from anodiff.errors import ConfigError
from anodiff.trajectory import TrajectoryRecorder
from anodiff.trajectory.callbacks.steps import StepRecord, with_optimisers

try:
    import lightning.pytorch as pl
except ModuleNotFoundError:
    raise ModuleNotFoundError('Lightning is missing: pip install "anodiff[callbacks]"', name="lightning") from None


class TrajectoryCallback(pl.Callback):
    """Record the path of a ``Trainer.fit`` as a store at ``path``.

    Several processes make one store, with replicated weights (``ddp``) or shards
    (``ModelParallelStrategy``); see docs/scale.md. Losses are those of rank 0. Lightning's
    checkpoints hold the recorder's state, so ``fit(ckpt_path=…)`` resumes the recording with the
    same bits; the unfinished store must still be at ``path``. After an error the store is left
    unfinished. A second ``fit`` does not replace the path of a finished one, unless
    ``overwrite=True`` is given.

    Parameters
    ----------
    path
        Where the store is made.
    epoch_metrics
        Names of Lightning's logged metrics for the epoch's ``test_loss``, ``test_accuracy`` or
        ``train_accuracy``.
    options
        Options of `TrajectoryRecorder`, such as ``windows`` and ``weights``.

    Attributes
    ----------
    recorder
        The recorder, while training.

    Raises
    ------
    OutputExistsError
        As training starts, if there is a finished recording at ``path``.
    ConfigError
        During training, if a batch has several optimiser steps; then call ``recorder.record()``
        after each yourself.

    Examples
    --------
    ``Trainer(callbacks=[TrajectoryCallback("path.zarr", epoch_metrics={"test_loss":
    "val_loss"})])``
    """

    def __init__(self, path: str | Path, *, epoch_metrics: dict[str, str] | None = None, **options: Any) -> None:
        self.recorder: TrajectoryRecorder | None = None
        self._path, self._options = path, options
        self._epoch_metrics = epoch_metrics or {}
        self._resume: dict[str, Any] | None = None
        self._step: StepRecord | None = None
        self._recorded_steps = 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Record the initial point, or resume from a checkpoint."""
        attributes = dict(self._options.get("attributes") or {})
        if math.isfinite(trainer.num_training_batches):
            attributes.setdefault("steps_per_epoch", math.ceil(trainer.num_training_batches / trainer.accumulate_grad_batches))
        options = with_optimisers(self._options, trainer.optimizers) | {"attributes": attributes}
        self.recorder = None  # a finished one of an earlier fit
        resume = None if self._resume is None else self._resume["recorder"]
        self.recorder = TrajectoryRecorder(pl_module, self._path, resume=resume, **options)
        self._step, self._recorded_steps = StepRecord(), trainer.global_step
        if self._resume is not None:
            self._step.load_state_dict(self._resume["step"])

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        """Record the learning rate before a schedule changes it."""
        if self._step is not None:
            self._step.learning_rate = float(optimizer.param_groups[0]["lr"])

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Record the point, if the batch led to an optimiser step."""
        if self.recorder is None or self._step is None:
            return
        loss = outputs.get("loss") if isinstance(outputs, dict) else outputs
        if isinstance(loss, torch.Tensor):
            self._step.add_loss(loss * trainer.accumulate_grad_batches)  # Lightning has divided by it
        steps = trainer.global_step - self._recorded_steps
        if steps > 1:
            raise ConfigError(f"{steps} optimiser steps within a batch; call recorder.record() yourself after each of them")
        if steps:
            self.recorder.record(**self._step.pop_step(pl_module))
            self._recorded_steps = trainer.global_step

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Record the values of the epoch."""
        if self.recorder is None or self._step is None:
            return
        metrics = trainer.callback_metrics
        values = {series: metrics[name] for series, name in self._epoch_metrics.items() if name in metrics}
        self.recorder.record_epoch(trainer.current_epoch, **self._step.pop_epoch(), **values)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Finish the store."""
        if self.recorder is not None:
            with self.recorder:
                pass

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Leave the store unfinished, and stop the recorder's thread."""
        if self.recorder is not None:
            self.recorder.__exit__(type(exception), exception, None)

    def state_dict(self) -> dict[str, Any]:
        """Return the recorder's state for a checkpoint."""
        if self.recorder is None or self._step is None or self.recorder.finished:
            return {}
        return {"recorder": self.recorder.state(on_first=True), "step": self._step.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load the recorder's state from a checkpoint."""
        self._resume = state_dict or None
