"""Which optimiser makes the steps of a run, and at which rate?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from anodiff.settings.base import MOST_STEPS, Named, name_label

#: Muon's momentum if none is set, as in torch.
MUON_MOMENTUM = 0.95


class ScheduleSettings(Named):
    """How the learning rate changes over the run, as a factor of ``learning_rate``."""

    name: Annotated[Literal["constant", "step", "cosine"], name_label("")] = "constant"
    """constant; step: multiplied by ``factor`` at each milestone; cosine: half a cosine, from 1 to
    0 at the last step."""
    warmup: Annotated[int, Field(ge=0, le=MOST_STEPS)] = 0
    """Optimiser steps of a linear warm-up from 0, before the schedule begins."""
    milestones: Annotated[list[Annotated[float, Field(gt=0, lt=1)]], Field(max_length=1000)] = [0.5, 0.75]
    """For step: when the rate changes, as fractions of the run."""
    factor: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """For step: factor by which the rate is multiplied at each milestone."""


class OptimiserSettings(Named):
    """The optimiser."""

    name: Annotated[Literal["sgd", "adam", "adamw", "muon"], name_label("")] = "sgd"
    """sgd, adam, adamw or muon. muon: the hidden matrices by Muon (Jordan 2024), with steps as long
    as AdamW's (Liu et al. 2025, 0.2 sqrt(longer side) η), and all other parameters by AdamW. It
    needs torch 2.9 or later."""
    learning_rate: Annotated[float, Field(gt=0), name_label(None)] = 0.1
    """Step size η."""
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """For sgd, and for muon (0.95 by default): momentum."""
    nesterov: bool = False
    """For sgd, and for muon (true by default): Nesterov's form of momentum."""
    weight_decay: Annotated[float, Field(ge=0), name_label("weightdecay")] = 0.0
    """L2 penalty (sgd, adam) or decoupled weight decay (adamw, muon), of all parameters."""
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = (0.9, 0.999)
    """For adam and adamw, and those parameters that muon leaves to it: decay rates of the moment
    estimates."""
    clip: Annotated[float | None, Field(gt=0)] = None
    """Scale the gradient of a step down to this Euclidean norm if its own is larger. The recorded
    gradient norm is the one before, sampled gradients are as the optimiser gets them. By default
    none is clipped."""
    schedule: ScheduleSettings = ScheduleSettings()
    """How the learning rate changes over the run."""

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, value: Any) -> Any:
        """Fill in Muon's own momentum, so that a run.yaml is complete."""
        value = {"name": value} if isinstance(value, str) else value
        if not isinstance(value, Mapping) or value.get("name") != "muon":
            return value
        return {"momentum": MUON_MOMENTUM, "nesterov": value.get("momentum", MUON_MOMENTUM) != 0, **value}

    @model_validator(mode="after")
    def _fits(self) -> OptimiserSettings:
        if self.name not in ("sgd", "muon") and (self.momentum or self.nesterov):
            raise ValueError(f"'momentum' and 'nesterov' are for sgd; {self.name} has 'betas'")
        if self.nesterov and not self.momentum:
            raise ValueError("'nesterov' needs a 'momentum' above 0, such as 0.9")
        return self

    @property
    def decouples_decay(self) -> bool:
        """Whether weight decay goes past momentum and preconditioning."""
        return self.name in ("adamw", "muon")

    @property
    def is_plain_sgd(self) -> bool:
        """Whether a step is w ← w − η g and nothing else."""
        return self.name == "sgd" and not self.momentum and not self.weight_decay and self.clip is None
