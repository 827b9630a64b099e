"""What are loss, gradient norm and learning rate of an optimiser step over several batches?

Nothing here waits for the device that computes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from anodiff.trajectory.flat_parameters import exact_type, is_sharded_tensor


def with_optimisers(options: dict[str, Any], optimisers: Sequence[Any]) -> dict[str, Any]:
    """Return the recorder's options with the optimisers that a trainer uses, if it is to record walks.

    Wrappers, such as that of Accelerate, are taken off.
    """
    if not options.get("walks") or "optimiser" in options:
        return options
    return options | {"optimiser": [getattr(each, "optimizer", each) for each in optimisers]}


class StepRecord:
    """The losses of the batches since the last step, and of the steps since the last epoch.

    Attributes
    ----------
    learning_rate
        Of the step, if known.
    """

    def __init__(self) -> None:
        self.learning_rate: float | None = None
        self._loss: Tensor | None = None
        self._batches = 0
        self._epoch_loss: Tensor | None = None
        self._steps = 0

    def add_loss(self, loss: Any, *, is_share: bool = False) -> None:
        """Add the loss of a batch; anything but a tensor is ignored.

        Parameters
        ----------
        is_share
            Whether the losses of a step's batches add up to the step's loss. By default it is their
            mean.
        """
        if not isinstance(loss, Tensor):
            return
        loss = loss.full_tensor() if is_sharded_tensor(loss) else loss  # type: ignore[attr-defined]
        loss = loss.detach().to(exact_type([loss])).mean()
        self._loss = loss.clone() if self._loss is None else self._loss + loss
        self._batches = 1 if is_share else self._batches + 1

    def pop_step(self, model: nn.Module) -> dict[str, Any]:
        """Return the values of the step just taken, and reset them."""
        values: dict[str, Any] = {}
        gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
        if gradients:
            values["gradient_norm"] = _total_norm(gradients)
        if self.learning_rate is not None:
            values["learning_rate"] = self.learning_rate
        if self._loss is not None:
            values["loss"] = self._loss / self._batches
            self._epoch_loss = (
                values["loss"] if self._epoch_loss is None else self._epoch_loss.to(values["loss"]) + values["loss"]
            )
            self._steps += 1
        self._loss, self._batches, self.learning_rate = None, 0, None
        return values

    def pop_epoch(self) -> dict[str, Any]:
        """Return the values of the epoch just finished, and reset them."""
        values = {} if self._epoch_loss is None else {"train_loss": self._epoch_loss / self._steps}
        self._epoch_loss, self._steps = None, 0
        return values

    def state_dict(self) -> dict[str, Any]:
        """Return the losses so far, as tensors and plain values."""
        state = {"loss": self._loss, "batches": self._batches, "epoch_loss": self._epoch_loss, "steps": self._steps}
        return {name: value.clone() if isinstance(value, Tensor) else value for name, value in state.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume from a state."""
        self._loss, self._batches = state["loss"], state["batches"]
        self._epoch_loss, self._steps = state["epoch_loss"], state["steps"]


def _total_norm(gradients: list[Tensor]) -> Tensor:
    """Return the norm of all gradients together; all ranks that hold parts of them call it."""
    by_mesh: dict[Any, list[Tensor]] = {}
    for gradient in gradients:
        by_mesh.setdefault(getattr(gradient, "device_mesh", None), []).append(gradient)
    norms = [nn.utils.get_total_norm(each) for each in by_mesh.values()]
    norms = [norm.full_tensor() if is_sharded_tensor(norm) else norm for norm in norms]  # type: ignore[attr-defined]
    return norms[0] if len(norms) == 1 else nn.utils.get_total_norm(norms)
