"""How is the path of Hugging Face's Trainer recorded? By a callback: one point after every
optimiser step.

With gradients accumulated over several batches, all of them give one point. The loss is the one
that the model returns; if the trainer computes it instead, the series stays NaN. The gradient is
recorded as the optimiser used it, after clipping.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from anodiff.errors import ConfigError
from anodiff.trajectory import TrajectoryRecorder
from anodiff.trajectory.callbacks.steps import StepRecord, with_optimisers

try:
    import transformers
except ModuleNotFoundError:
    raise ModuleNotFoundError('transformers is missing: pip install "anodiff[callbacks]"', name="transformers") from None


class TrajectoryCallback(transformers.TrainerCallback):
    """Record the path of a ``Trainer.train`` as a store at ``path``.

    Several processes make one store, with replicated weights (data parallelism) or shards (FSDP2 of
    Accelerate); see docs/scale.md. Losses are those of the first process. After an error the store
    is left unfinished.

    Parameters
    ----------
    path
        Where the store is made.
    options
        Options of `TrajectoryRecorder`, such as ``windows`` and ``weights``.

    Attributes
    ----------
    recorder
        The recorder, while training.

    Raises
    ------
    OutputExistsError
        As training starts, if there is a finished recording at ``path``: a second ``train()`` does
        not replace the path of the first, unless ``overwrite=True`` is given.
    ConfigError
        If training resumes from a checkpoint of the Trainer, which has no place for the recorder's
        state.

    Examples
    --------
    ``Trainer(model, arguments, train_dataset=data, callbacks=[TrajectoryCallback("path.zarr")])``
    """

    def __init__(self, path: str | Path, **options: Any) -> None:
        self.recorder: TrajectoryRecorder | None = None
        self._path, self._options = path, options
        self._step = StepRecord()
        self._hook: Any = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Record the initial point."""
        if state.global_step:
            raise ConfigError(
                f"{self._path}: training resumes at step {state.global_step} from a checkpoint, which holds no recorded path; "
                "train from the beginning, or leave out the callback"
            )
        model, self.recorder = kwargs["model"], None  # not the finished one of an earlier training
        options = with_optimisers(self._options, [kwargs.get("optimizer")])
        self.recorder, self._step = TrajectoryRecorder(model, self._path, **options), StepRecord()
        self._hook = model.register_forward_hook(self._record_loss, with_kwargs=True)

    def on_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Record the point, unless the step was skipped after half-precision gradients overflowed."""
        optimizer = kwargs["optimizer"]
        if self.recorder is None or getattr(optimizer, "step_was_skipped", False):
            return
        self._step.learning_rate = float(optimizer.param_groups[0]["lr"])
        self.recorder.record(**self._step.pop_step(kwargs["model"]))

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Record the epoch's mean loss."""
        if self.recorder is not None:
            self.recorder.record_epoch(_epoch(state), **self._step.pop_epoch())

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Record loss and accuracy on the evaluation set."""
        if self.recorder is not None and not self.recorder.finished:
            names = {"test_loss": "eval_loss", "test_accuracy": "eval_accuracy"}
            metrics = kwargs["metrics"]
            values = {series: metrics[name] for series, name in names.items() if name in metrics}
            self.recorder.record_epoch(_epoch(state), **values)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Finish the store."""
        if self._hook is not None:
            self._hook.remove()
        if self.recorder is not None:
            with self.recorder:
                pass

    def _record_loss(self, model: nn.Module, inputs: Any, keywords: dict[str, Any], outputs: Any) -> None:
        """Record the loss of a batch that the model returns."""
        if not model.training:
            return
        loss = outputs.get("loss") if hasattr(outputs, "get") else getattr(outputs, "loss", None)
        if loss is None and isinstance(outputs, tuple) and outputs and isinstance(outputs[0], Tensor) and not outputs[0].dim():
            loss = outputs[0]
        self._step.add_loss(loss, is_share=keywords.get("num_items_in_batch") is not None)


def _epoch(state: Any) -> int:
    """Return the number, from 0, of the current or just finished epoch."""
    return max(0, math.ceil(state.epoch) - 1)
