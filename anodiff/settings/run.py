"""What can be set for one training run?

A config file describes a sweep; `RunSettings` describes one run of it. Unknown keys are refused.
The docstring of each field is its documentation: it appears in the JSON schema
(`workflow/schemas/config.schema.json`) and in ``config/README.md``.
"""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import model_validator

from anodiff.errors import ConfigError
from anodiff.settings.base import MOST_STEPS, Seed, Settings, name_label
from anodiff.settings.data import DataSettings
from anodiff.settings.model import ModelSettings
from anodiff.settings.optimiser import OptimiserSettings, ScheduleSettings
from anodiff.settings.recording import MOST_UPDATES, MOST_WINDOWS, RecordingSettings, WindowSettings
from anodiff.settings.text_rules import problem_with_samples
from anodiff.settings.training import TrainingSettings

__all__ = [
    "MOST_STEPS",
    "MOST_UPDATES",
    "MOST_WINDOWS",
    "DataSettings",
    "ModelSettings",
    "OptimiserSettings",
    "RecordingSettings",
    "RunSettings",
    "ScheduleSettings",
    "TrainingSettings",
    "WindowSettings",
]


class RunSettings(Settings):
    """All settings of one training run, as in its run.yaml."""

    data: DataSettings = DataSettings()
    """The data set."""
    model: ModelSettings = ModelSettings()
    """The network."""
    optimiser: OptimiserSettings = OptimiserSettings()
    """The optimiser."""
    training: TrainingSettings = TrainingSettings()
    """Initial weights, length and batches."""
    recording: RecordingSettings = RecordingSettings()
    """What is kept of the path."""
    seed: Annotated[Seed, name_label(None)] = 0
    """Seed of the initial weights, the order of the data and the augmentation."""

    @model_validator(mode="after")
    def _length(self) -> RunSettings:
        if problem := problem_with_samples(self.data, self.model, self.training):
            raise ValueError(problem)
        if (self.training.steps is None) == (self.training.epochs is None):
            raise ValueError("training: set either 'steps' or 'epochs'")
        if "preconditioned" in self.recording.walks and self.optimiser.weight_decay and not self.optimiser.decouples_decay:
            raise ValueError(
                f"recording.walks: the weight decay of {self.optimiser.name} cannot be separated from 'preconditioned'; leave "
                "that walk out, set weight_decay to 0, or use adamw"
            )
        steps = self.training.steps
        if steps is not None:
            self.check_length(steps)
        if steps is not None and not isinstance(self.recording.windows, str):
            for window in self.recording.windows:
                if window.start + window.length > steps:
                    raise ValueError(
                        f"recording.windows: the window from step {window.start} to {window.start + window.length} ends "
                        f"beyond the run's {steps} steps; set more training.steps or an earlier window"
                    )
        return self

    def check_length(self, steps: int) -> None:
        """Refuse a run of this many optimiser steps if it, its windows, or one of them is too long.

        Raises
        ------
        ConfigError
        """
        if steps > MOST_STEPS:
            raise ConfigError(f"training: {steps:,} steps are too many; at most {MOST_STEPS:,}")
        windows, length = self.recording.windows, self.recording.window_length
        if isinstance(windows, str):
            updates, count = min(length, steps), math.ceil(steps / length) if windows == "contiguous" else 1
        else:
            each = [window.length // window.stride for window in windows]
            updates, count = max(each, default=0), len(each)
            if sum(each) > MOST_STEPS:
                raise ConfigError(f"recording.windows: {sum(each):,} points are too many; at most {MOST_STEPS:,}")
        if count > MOST_WINDOWS:
            raise ConfigError(
                f"recording: {count:,} windows are too many; at most {MOST_WINDOWS:,}: set a larger window_length"
            )
        if updates > MOST_UPDATES:
            raise ConfigError(
                f"recording: a window of {updates:,} points is too long; at most {MOST_UPDATES:,}: set a smaller "
                "window_length, or a list of windows with a stride"
            )
