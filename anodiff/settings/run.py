"""What can be set for one training run?

A config file describes a sweep; `RunSettings` describes one run of it. Unknown keys are refused.
The docstring of each field is its documentation: it appears in the JSON schema
(`workflow/schemas/config.schema.json`) and in ``config/README.md``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from anodiff.errors import ConfigError
from anodiff.settings.base import Named, Seed, Settings, name_label
from anodiff.settings.data import DataSettings
from anodiff.settings.networks import Initialisation, resolve_model
from anodiff.settings.recording import MOST_STEPS, MOST_UPDATES, MOST_WINDOWS, RecordingSettings

#: Options of a model that most families share; the others are in ``options``.
COMMON_OPTIONS = ("depth", "width", "shortcut", "batch_norm")


class ModelSettings(Named):
    """The network. It adapts to the data set's channels, size and classes. Settings left out have
    the family's defaults."""

    name: Annotated[str, name_label(None)] = "resnet14"
    """resnet<6n+2>, vgg9, vgg11, vgg16, densenet<depth>, alexnet, mlp<depth>, vit,
    torchvision:<name>, or package.module:factory for your own."""
    depth: Annotated[int | None, Field(ge=1, le=10_000)] = None
    """Number of layers with weights, if the name does not give it."""
    width: Annotated[int | None, Field(ge=1, le=65_536)] = None
    """Channels of the first stage, or units of a hidden layer."""
    shortcut: bool | None = None
    """For ResNets: false removes the shortcuts."""
    batch_norm: Annotated[bool | None, name_label("batchnorm")] = None
    """false removes batch normalisation, in families that have it."""
    options: dict[str, Any] = {}
    """Further keyword arguments of the family, the torchvision network or your factory."""
    logits: Annotated[int, Field(ge=0, le=1000)] | str | None = None
    """For your own networks: key, attribute or index of the logits in what the network returns. By
    default ``logits``, or the only tensor that has their shape."""

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, value: Any) -> Any:
        """Check name and options; fill in the family's defaults, so that a run.yaml is complete."""
        value = {"name": value} if isinstance(value, str) else value
        options = value.get("options", {}) if isinstance(value, Mapping) else None
        name = value.get("name", "resnet14") if isinstance(value, Mapping) else None
        if not isinstance(name, str) or not isinstance(options, Mapping):
            return value
        given = {key: value[key] for key in COMMON_OPTIONS if value.get(key) is not None}
        _, complete = resolve_model(name, {**given, **options})
        named = {key: complete.pop(key) for key in COMMON_OPTIONS if key in complete}
        return {**value, **named, "options": complete}

    def keywords(self) -> dict[str, Any]:
        """Return the settings as keyword arguments of `anodiff.models.build`."""
        named: dict[str, Any] = {key: getattr(self, key) for key in COMMON_OPTIONS}
        named["logits"] = self.logits
        return {key: value for key, value in named.items() if value is not None} | self.options

    @model_validator(mode="after")
    def _has_choice_of_logits(self) -> ModelSettings:
        if self.logits is not None and ":" not in self.name:
            raise ValueError(f"'logits' is for your own networks; {self.name} returns nothing else")
        return self


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

    name: Annotated[Literal["sgd", "adam", "adamw"], name_label("")] = "sgd"
    """sgd, adam or adamw."""
    learning_rate: Annotated[float, Field(gt=0), name_label(None)] = 0.1
    """Step size η."""
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """For sgd: momentum."""
    nesterov: bool = False
    """For sgd: Nesterov's form of momentum."""
    weight_decay: Annotated[float, Field(ge=0), name_label("weightdecay")] = 0.0
    """L2 penalty (sgd, adam) or decoupled weight decay (adamw)."""
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = (0.9, 0.999)
    """For adam and adamw: decay rates of the moment estimates."""
    schedule: ScheduleSettings = ScheduleSettings()
    """How the learning rate changes over the run."""

    @model_validator(mode="after")
    def _fits(self) -> OptimiserSettings:
        if self.name != "sgd" and (self.momentum or self.nesterov):
            raise ValueError(f"'momentum' and 'nesterov' are for sgd; {self.name} has 'betas'")
        if self.nesterov and not self.momentum:
            raise ValueError("'nesterov' needs a 'momentum' above 0, such as 0.9")
        return self

    @property
    def is_plain_sgd(self) -> bool:
        """Whether a step is w ← w − η g and nothing else."""
        return self.name == "sgd" and not self.momentum and not self.weight_decay


class TrainingSettings(Settings):
    """Initial weights, length, batches and arithmetic."""

    initialisation: Annotated[Initialisation, name_label("init")] = "default"
    """kaiming: the published one (Kaiming-normal convolutions, linear layers normal with standard
    deviation 1e-3); default: torch's own."""
    batch_size: Annotated[int, Field(ge=1, le=10_000_000), name_label(None)] = 128
    """Samples per step."""
    steps: Annotated[int | None, Field(ge=2, le=MOST_STEPS)] = None
    """Length of the run in optimiser steps. Set either this or ``epochs``."""
    epochs: Annotated[int | None, Field(ge=1, le=MOST_STEPS)] = None
    """Length of the run in passes over the training set, at most as many steps. Set either this or
    ``steps``."""
    loss: Annotated[Literal["cross_entropy", "mse", "hinge"], name_label("")] = "cross_entropy"
    """cross_entropy; mse against one-hot targets, a mean over classes; hinge: with output f_c for each
    of C classes and y the right one, Σ max(0, 1 − f_y + f_c)/C over the others, as torch's
    multi_margin_loss."""
    decoupling: Annotated[float, Field(ge=0)] = 0.0
    """Spectral decoupling λ: λ Σ f_c² over the outputs is added to each sample's loss."""
    sampling: Annotated[Literal["without_replacement", "with_replacement"], name_label("")] = "without_replacement"
    """without_replacement: a new order in every epoch; with_replacement: independent batches, and
    as many steps per epoch."""
    drop_last: Annotated[bool, name_label("droplast")] = False
    """Drop the last batch of an epoch if it is smaller than the others."""
    evaluate_every: Annotated[int, Field(ge=1, le=MOST_STEPS), name_label("evaluate")] = 1
    """Measure loss and accuracy on the test set every N epochs, and after the last."""
    deterministic: bool = True
    """Use deterministic algorithms only: repeating the run on the same type of device gives the
    same bits."""
    precision: Annotated[Literal["float32", "tf32", "bf16"], name_label("")] = "float32"
    """Precision of the products within the network. float32; tf32: inputs rounded to 10 bits of
    mantissa, on GPUs that support it; bf16: forward and backward pass in bfloat16 (autocast).
    Weights, updates and recorded values are float32 in any case."""
    channels_last: Annotated[bool, name_label("channelslast")] = False
    """Store images and convolutions with the channel as the fastest index. Often faster; the last
    bits differ."""
    compile: bool = False
    """Compile the network with torch.compile. The first steps wait for the compiler; later ones are
    often faster. The last bits differ. The machine that trains needs a C++ compiler."""
    cuda_graph: Annotated[Literal["auto"] | bool, name_label("cudagraph")] = "auto"
    """Replay the forward and backward pass as CUDA graphs instead of launching each kernel. The
    bits are the same, and small networks train several times faster. The network must do the same
    in every step, and draw random numbers on the GPU only. auto: for the networks of this package
    unless compiled, not for torchvision's or your own. No effect on a CPU."""
    threads: Annotated[int, Field(ge=1, le=256)] = 1
    """CPU threads of a training process. It belongs to the run because it changes the order of
    sums, and so the last bits."""


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
        if (self.training.steps is None) == (self.training.epochs is None):
            raise ValueError("training: set either 'steps' or 'epochs'")
        if "preconditioned" in self.recording.walks and self.optimiser.weight_decay and self.optimiser.name != "adamw":
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
