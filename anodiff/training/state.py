"""What is all that moves while a network trains? With it put back, training goes on as if nothing had happened, bit for bit.

The learning rate is not of it, for it is a function of the step alone.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import torch
from torch import Tensor, nn

from anodiff.data import Batches
from anodiff.errors import ConfigError
from anodiff.settings.run import RunSettings
from anodiff.training.gradients import gradient_norm
from anodiff.training.optimisers import build_optimiser, is_plain
from anodiff.training.seeding import generator, global_states, restore_global_states
from anodiff.training.vector import ParameterVector

#: Outputs of the network that are held until it is counted which of them are right: many steps of a small network at once.
HELD = 2**16


@dataclasses.dataclass
class Position:
    """How far a training is, and what the epoch in progress has summed up.

    Attributes
    ----------
    epoch
        The epoch in progress, from 0.
    batch
        Batches of it that are done.
    order
        State of the order's generator before the epoch was drawn.
    seen, loss_sum, correct
        Samples of the epoch so far, the sum of their losses, and how many were classified rightly.
    test_accuracy
        The last that was measured.
    """

    epoch: int = 0
    batch: int = 0
    order: Tensor | None = None
    seen: int = 0
    loss_sum: float = 0.0
    correct: int = 0
    test_accuracy: float = math.nan


class Walk:
    """A network in training: its weights and buffers, the optimiser's memory, every generator, and the position.

    The model's parameters become views of one vector where they can, see `anodiff.training.vector`; what they hold stays. A
    parameter that the loss does not depend on has the gradient 0 then.
    """

    def __init__(self, settings: RunSettings, model: nn.Module, batches: Batches, device: torch.device) -> None:
        self.model = model
        self.batches = batches
        self._vector = ParameterVector.of(list(model.parameters()))
        self._parameters = list(model.parameters()) if self._vector is None else [self._vector.parameter]
        self._plain = self._vector is not None and is_plain(settings.optimiser)
        self.optimiser = build_optimiser(settings.optimiser, self._parameters)
        self.augmentation = generator(settings.seed, "augmentation", device)
        self.noise = generator(settings.seed, "noise", device)
        self.position = Position()
        self._device = device
        self._correct = torch.zeros((), dtype=torch.int64, device=device)
        self._held: list[tuple[Tensor, Tensor]] = []
        self._held_numbers = 0

    def clear_gradients(self) -> None:
        """Forget the gradients of the step before."""
        if self._vector is not None:
            self._vector.gradient.zero_()
        else:
            for parameter in self._parameters:
                parameter.grad = None

    def gradient_norm(self) -> Tensor | float:
        """Return the Euclidean norm of the gradient of the last backward pass; a GPU's as a tensor, without waiting for it."""
        return gradient_norm(self._parameters)

    def step(self, rate: float) -> None:
        """Take an optimiser's step at this learning rate."""
        if self._vector is not None and self._plain:
            self._vector.values.add_(self._vector.gradient, alpha=-rate)  # torch's optimisers take longer to begin than to step
            return
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.step()

    def classified(self, outputs: Tensor, labels: Tensor) -> None:
        """Note a batch's outputs (B, classes) and labels (B,); no step waits for the count."""
        self._held.append((outputs.detach(), labels))
        self._held_numbers += outputs.numel()
        if self._held_numbers >= HELD:
            self._count()

    def correct(self) -> int:
        """Return how many samples of the epoch were classified rightly so far."""
        if self._held:
            self._count()
        return int(self._correct)

    def next_epoch(self) -> None:
        """Go to the next epoch's beginning."""
        self.position = Position(self.position.epoch + 1, test_accuracy=self.position.test_accuracy)
        self._correct.zero_()

    def state(self) -> dict[str, Any]:
        """Return all that moves, as tensors and plain values."""
        position = dataclasses.replace(self.position, correct=self.correct())
        return {
            "device": self._device.type,
            "model": self.model.state_dict(),
            "buffers": dict(self.model.named_buffers()),  # those too that a state_dict leaves out
            "optimiser": self.optimiser.state_dict(),
            "generators": {
                "global": global_states(self._device),
                "augmentation": self.augmentation.get_state(),
                "noise": self.noise.get_state(),
            },
            "position": vars(position),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Put back all that moves.

        Raises
        ------
        ConfigError
            If the state comes from another type of device, whose random numbers cannot go on here.
        """
        if state["device"] != self._device.type:
            raise ConfigError(
                f"this training was begun on {state['device']} and cannot go on, with the same random numbers, on "
                f"{self._device.type}; run it where there is a {state['device']} device, or add --restart to begin anew"
            )
        self.model.load_state_dict(state["model"])
        with torch.no_grad():
            for name, buffer in self.model.named_buffers():
                buffer.copy_(state["buffers"][name])
        self.optimiser.load_state_dict(state["optimiser"])
        restore_global_states(state["generators"]["global"], self._device)
        self.augmentation.set_state(state["generators"]["augmentation"])
        self.noise.set_state(state["generators"]["noise"])
        self.position = Position(**state["position"])
        self._correct.fill_(self.position.correct)
        if self.position.order is not None:
            self.batches.restore(self.position.order)

    def _count(self) -> None:
        outputs, labels = (torch.cat(held) for held in zip(*self._held, strict=True))
        self._correct += (outputs.argmax(1) == labels).sum()
        self._held.clear()
        self._held_numbers = 0
