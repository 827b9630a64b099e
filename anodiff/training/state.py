"""What changes while a network trains? All of it is saved, so a resumed run has the bits of an
uninterrupted one.

The learning rate is not saved, because it depends on the step alone.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import torch
from torch import Tensor, nn

from anodiff.data import Batches
from anodiff.errors import ConfigError
from anodiff.settings.optimiser import OptimiserSettings
from anodiff.settings.run import RunSettings
from anodiff.training.gradients import clip, dense, gradient_norm
from anodiff.training.muon import build_muon
from anodiff.training.optimisers import build_optimiser
from anodiff.training.seeding import generator, global_states, restore_global_states
from anodiff.training.vector import ParameterVector

#: Numbers in the outputs that are kept until correct predictions are counted: many steps of a small network at once.
MAX_PENDING_OUTPUTS = 2**16


@dataclasses.dataclass
class Position:
    """Where in the data a run is, and the sums over the current epoch.

    Attributes
    ----------
    epoch
        The current epoch, from 0.
    batch
        Batches of it that are done.
    order
        State of the order's generator before the epoch was drawn.
    seen, loss_sum, correct
        Labels of the epoch so far, one for each image or token, the sum of their losses, and how many
        were right.
    test_accuracy
        The last one measured.
    """

    epoch: int = 0
    batch: int = 0
    order: Tensor | None = None
    seen: int = 0
    loss_sum: float = 0.0
    correct: int = 0
    test_accuracy: float = math.nan


class TrainingState:
    """A network in training: weights, buffers, the optimiser's memory, generators and position.

    If possible, the model's parameters become views of one vector, see `anodiff.training.vector`;
    their values stay. A parameter that the loss does not depend on then has the gradient 0.
    """

    def __init__(self, settings: RunSettings, model: nn.Module, batches: Batches, device: torch.device) -> None:
        self.model = model
        self.batches = batches
        self._vector = ParameterVector.from_parameters(list(model.parameters()))
        self._parameters = list(model.parameters()) if self._vector is None else [self._vector.parameter]
        self._clip = settings.optimiser.clip
        # plain SGD on one vector has no memory, and needs no optimiser of torch's, which takes a second to import
        steps_itself = self._vector is not None and settings.optimiser.is_plain_sgd and not settings.recording.walks
        self.optimiser = None if steps_itself else self._optimiser(settings.optimiser)
        self.augmentation = generator(settings.seed, "augmentation", device)
        self.noise = generator(settings.seed, "noise", device)
        self.position = Position()
        self._device = device
        self._correct = torch.zeros((), dtype=torch.int64, device=device)
        self._pending: list[tuple[Tensor, Tensor]] = []
        self._pending_outputs = 0

    def zero_grad(self) -> None:
        """Reset the gradients of the previous step."""
        if self._vector is not None:
            self._vector.gradient.zero_()
        else:
            for parameter in self._parameters:
                parameter.grad = None

    def make_gradients_dense(self) -> None:
        """Replace sparse gradients, such as those of an embedding, by the same numbers."""
        if self._vector is None:  # else they were added to a dense vector
            for parameter in self._parameters:
                if parameter.grad is not None and parameter.grad.layout != torch.strided:
                    parameter.grad = dense(parameter.grad)

    def gradient_norm(self) -> Tensor | float:
        """Return the Euclidean norm of the gradient; on a GPU a tensor, not waited for."""
        return gradient_norm(self._parameters)

    def step(self, rate: float, norm: Tensor | float | None = None) -> None:
        """Take an optimiser step with this learning rate, and with a clipped gradient if the settings ask for it.

        Parameters
        ----------
        norm
            The gradient's norm, if it is already known.
        """
        if self._clip is not None:
            clip(self._parameters, self.gradient_norm() if norm is None else norm, self._clip)
        if self.optimiser is None:
            assert self._vector is not None
            self._vector.values.add_(self._vector.gradient, alpha=-rate)  # w ← w − η g
            return
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.step()

    def add_predictions(self, outputs: Tensor, labels: Tensor) -> None:
        """Keep a batch's outputs and labels, see `anodiff.training.losses.Loss`; many batches are counted at once."""
        self._pending.append((outputs.detach(), labels))
        self._pending_outputs += outputs.numel()
        if self._pending_outputs >= MAX_PENDING_OUTPUTS:
            self._count_pending()

    def count_correct(self) -> int:
        """Return how many samples of the epoch have been classified correctly so far."""
        if self._pending:
            self._count_pending()
        return int(self._correct)

    def next_epoch(self) -> None:
        """Go to the beginning of the next epoch."""
        self.position = Position(self.position.epoch + 1, test_accuracy=self.position.test_accuracy)
        self._correct.zero_()

    def state_dict(self) -> dict[str, Any]:
        """Return everything that changes, as tensors and plain values."""
        position = dataclasses.replace(self.position, correct=self.count_correct())
        return {
            "device": self._device.type,
            "model": self.model.state_dict(),
            "buffers": dict(self.model.named_buffers()),  # includes those that a state_dict leaves out
            "optimiser": None if self.optimiser is None else self.optimiser.state_dict(),
            "generators": {
                "global": global_states(self._device),
                "augmentation": self.augmentation.get_state(),
                "noise": self.noise.get_state(),
            },
            "position": vars(position),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore everything that changes.

        Raises
        ------
        ConfigError
            If the state comes from another type of device, whose random numbers cannot continue
            here.
        """
        if state["device"] != self._device.type:
            raise ConfigError(
                f"this run was started on {state['device']} and cannot resume with the same random numbers on "
                f"{self._device.type}; run it on a {state['device']} device, or add --restart to start again from step 0"
            )
        self.model.load_state_dict(state["model"])
        with torch.no_grad():
            for name, buffer in self.model.named_buffers():
                buffer.copy_(state["buffers"][name])
        if self.optimiser is not None:
            self.optimiser.load_state_dict(state["optimiser"])
        restore_global_states(state["generators"]["global"], self._device)
        self.augmentation.set_state(state["generators"]["augmentation"])
        self.noise.set_state(state["generators"]["noise"])
        self.position = Position(**state["position"])
        self._correct.fill_(self.position.correct)
        if self.position.order is not None:
            self.batches.restore(self.position.order)

    def _optimiser(self, settings: OptimiserSettings) -> torch.optim.Optimizer:
        """Return torch's optimiser; Muon's rule is one for each matrix, which are views of the vector if there is one."""
        if settings.name == "muon":
            return build_muon(settings, self.model)
        return build_optimiser(settings, self._parameters)

    def _count_pending(self) -> None:
        outputs, labels = (torch.cat(tensors) for tensors in zip(*self._pending, strict=True))
        self._correct += (outputs.argmax(1) == labels).sum()
        self._pending.clear()
        self._pending_outputs = 0
