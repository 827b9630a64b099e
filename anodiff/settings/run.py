"""What can be set for one training run?

A config file describes a sweep; `RunSettings` describes one run of it. Unknown keys are refused.
The docstring of each field is its documentation: it appears in the JSON schema
(`workflow/schemas/config.schema.json`) and in ``config/README.md``.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, model_validator

from anodiff.errors import ConfigError
from anodiff.settings.base import MOST_STEPS, Seed, Settings, name_label
from anodiff.settings.data import DataSettings
from anodiff.settings.model import ModelSettings
from anodiff.settings.optimiser import OptimiserSettings, ScheduleSettings
from anodiff.settings.text_rules import problem_with_samples
from anodiff.settings.training import TrainingSettings

__all__ = [
    "MOST_STEPS",
    "DataSettings",
    "ModelSettings",
    "OptimiserSettings",
    "RecordingSettings",
    "RunSettings",
    "ScheduleSettings",
    "TrainingSettings",
    "WindowSettings",
]

#: Numbers kept of each point of a sketched path.
DEFAULT_SKETCH_SIZE = 1024

#: MiB of a GPU for the updates of a window, if no weights are stored.
DEFAULT_DEVICE_MEMORY = 1024

#: Length of a window in optimiser steps.
DEFAULT_WINDOW_LENGTH = 1000

#: Bounds of a run: its windows; the updates of a window, whose Gram matrix then has 80 GB.
MOST_WINDOWS, MOST_UPDATES = 100_000, 100_000


class WindowSettings(Settings):
    """A part of the run whose points are kept."""

    start: Annotated[int, Field(ge=0, le=MOST_STEPS)]
    """Optimiser step of the window's first point, its waiting time."""
    length: Annotated[int, Field(ge=2, le=MOST_STEPS)]
    """Optimiser steps from its first point to its last."""
    stride: Annotated[int, Field(ge=1, le=MOST_STEPS)] = 1
    """Keep every N-th point."""

    @model_validator(mode="after")
    def _whole(self) -> WindowSettings:
        if self.length % self.stride:
            raise ValueError(f"'length' {self.length} must be a multiple of 'stride' {self.stride}")
        return self


class RecordingSettings(Settings):
    """Which parts of the path are kept, and how."""

    windows: Literal["contiguous", "log"] | Annotated[list[WindowSettings], Field(max_length=MOST_WINDOWS)] = "contiguous"
    """contiguous: the whole run, in windows of ``window_length``; log: windows of that length, at
    waiting times of 0, 1, 2, 4, 8 … times the length; or a list of {start, length, stride}."""
    window_length: Annotated[int, Field(ge=2, le=MOST_STEPS), name_label("window")] = DEFAULT_WINDOW_LENGTH
    """Length of a window in optimiser steps."""
    weights: Annotated[Literal["full", "sketch", "none"], name_label("")] = "full"
    """full: every parameter of every kept point; sketch: a random projection of each point to
    ``sketch_size`` numbers, which preserves distances within a stated error but not single
    parameters; none: only the update Gram matrix of each window, summed while the network trains,
    which is all that the analysis of diffusion needs and takes megabytes."""
    sketch_size: Annotated[int, Field(ge=4, le=1_000_000_000, multiple_of=4)] = DEFAULT_SKETCH_SIZE
    """For sketch: numbers kept of each point, a multiple of 4 below the number of parameters. The
    relative standard deviation of squared distances is sqrt(2/sketch_size): 4.4 % by default."""
    gradient_coordinates: Annotated[int, Field(ge=0, le=1_000_000_000), name_label("gradients")] = 256
    """Keep the mini-batch gradient of this many randomly chosen parameters at every kept point (of
    all parameters if the network has fewer); 0: none. None are kept if the weights determine all
    gradients: plain SGD (no momentum, no weight decay), full weights, stride 1 in all windows."""
    buffers_every: Annotated[int | None, Field(ge=0, le=MOST_STEPS), name_label("buffersevery")] = None
    """For full: keep buffers that the network uses, such as those of spectral normalisation, with
    the points whose step is a multiple of this, and at the ends of windows; 0: only there. null:
    with every point, unless they are larger than it. Statistics of batch normalisation are not
    kept: the landscape estimates them."""
    device_memory: Annotated[int, Field(ge=1, le=100_000_000), name_label("devicememory")] = DEFAULT_DEVICE_MEMORY
    """For none, on a GPU: MiB of its memory for the updates of a window, each of which takes 4
    bytes per parameter. The rest are held in the host's memory. On a CPU all of them are."""
    noise_every: Annotated[int, Field(ge=0, le=MOST_STEPS), name_label("noiseevery")] = 0
    """Measure the norm of the gradient noise every N steps; each costs one pass over the training
    set. 0: never."""

    @model_validator(mode="after")
    def _fits(self) -> RecordingSettings:
        if self.weights != "sketch" and self.sketch_size != DEFAULT_SKETCH_SIZE:
            raise ValueError("'sketch_size' is for weights: sketch; leave it out, or set weights to sketch")
        if self.weights != "full" and self.buffers_every is not None:
            raise ValueError("'buffers_every' is for weights: full; leave it out, or set weights to full")
        if self.weights != "none" and self.device_memory != DEFAULT_DEVICE_MEMORY:
            raise ValueError("'device_memory' is for weights: none; leave it out, or set weights to none")
        return self


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
