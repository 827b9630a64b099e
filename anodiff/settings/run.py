"""What can be set: the one place for every default, type, bound and its documentation.

A config file describes a sweep; a run of the sweep is described by `RunSettings`. Unknown keys are refused, and the text
behind each field is its documentation: it goes into the JSON schema (`workflow/schemas/config.schema.json`) and into
``config/README.md``. Import is cheap: no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from anodiff.settings.base import Named, Settings, label
from anodiff.settings.data import DataSettings
from anodiff.settings.networks import resolve

#: Numbers kept of each point of a sketched path, unless set.
SKETCH_SIZE = 1024

#: MiB of a GPU for the updates of a window, where no weights are stored, unless set.
DEVICE_MEMORY = 1024


#: Settings of a model that most families share; the others stand under ``options``.
ARCHITECTURE = ("depth", "width", "shortcut", "batch_norm")


class ModelSettings(Named):
    """The network. It adapts to the data set's channels, size and classes. What is left out takes the family's default."""

    name: Annotated[str, label(None)] = "resnet14"
    """resnet<6n+2>, vgg9, vgg11, vgg16, densenet<depth>, alexnet, mlp<depth>, vit, torchvision:<name>, or
    package.module:factory for one of yours."""
    depth: Annotated[int | None, Field(ge=1, le=10_000)] = None
    """Number of layers with weights, where the name does not say it."""
    width: Annotated[int | None, Field(ge=1, le=65_536)] = None
    """Channels of the first stage, or units of a hidden layer."""
    shortcut: bool | None = None
    """ResNets: false leaves the shortcuts out."""
    batch_norm: Annotated[bool | None, label("batchnorm")] = None
    """false leaves batch normalisation out, where the family has it."""
    options: dict[str, Any] = {}
    """Further keyword arguments of the family, the torchvision model or your factory."""

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, value: Any) -> Any:
        """Check name and options, and fill in the family's defaults, so that a run.yaml says everything."""
        value = {"name": value} if isinstance(value, str) else value
        options = value.get("options", {}) if isinstance(value, Mapping) else None
        name = value.get("name", "resnet14") if isinstance(value, Mapping) else None
        if not isinstance(name, str) or not isinstance(options, Mapping):
            return value
        given = {key: value[key] for key in ARCHITECTURE if value.get(key) is not None}
        _, complete = resolve(name, {**given, **options})
        named = {key: complete.pop(key) for key in ARCHITECTURE if key in complete}
        return {**value, **named, "options": complete}

    def keywords(self) -> dict[str, Any]:
        """Return the settings as keyword arguments of `anodiff.models.build`."""
        named = {key: getattr(self, key) for key in ARCHITECTURE}
        return {key: value for key, value in named.items() if value is not None} | self.options


class ScheduleSettings(Named):
    """The learning rate over the run, as a factor of ``learning_rate``."""

    name: Annotated[Literal["constant", "step", "cosine"], label("")] = "constant"
    """constant; step: multiplied by ``factor`` at each milestone; cosine: half a cosine from 1 to 0 at the last step."""
    warmup: Annotated[int, Field(ge=0)] = 0
    """Optimiser steps of a linear warm-up from 0, before the schedule proper."""
    milestones: list[Annotated[float, Field(gt=0, lt=1)]] = [0.5, 0.75]
    """For step: where the rate changes, as fractions of the run."""
    factor: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """For step: what the rate is multiplied by at each milestone."""


class OptimiserSettings(Named):
    """The optimiser: the rule of the walk."""

    name: Annotated[Literal["sgd", "adam", "adamw"], label("")] = "sgd"
    """sgd, adam or adamw."""
    learning_rate: Annotated[float, Field(gt=0), label(None)] = 0.1
    """Step size η."""
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """For sgd: momentum."""
    nesterov: bool = False
    """For sgd: Nesterov's form of momentum."""
    weight_decay: Annotated[float, Field(ge=0), label("weightdecay")] = 0.0
    """L2 penalty (sgd, adam) or decoupled decay (adamw)."""
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = (0.9, 0.999)
    """For adam and adamw: decay rates of the moment estimates."""
    schedule: ScheduleSettings = ScheduleSettings()
    """The learning rate over the run."""

    @model_validator(mode="after")
    def _fits(self) -> OptimiserSettings:
        if self.name != "sgd" and (self.momentum or self.nesterov):
            raise ValueError(f"'momentum' and 'nesterov' are for sgd; {self.name} has 'betas'")
        if self.nesterov and not self.momentum:
            raise ValueError("'nesterov' needs a 'momentum' above 0, such as 0.9")
        return self


class TrainingSettings(Settings):
    """From where, how long and on what batches."""

    initialisation: Annotated[Literal["kaiming", "default"], label("init")] = "default"
    """kaiming: the published one (Kaiming-normal convolutions, linear layers normal with standard deviation 1e-3);
    default: torch's own."""
    batch_size: Annotated[int, Field(ge=1), label(None)] = 128
    """Samples a step."""
    steps: Annotated[int | None, Field(ge=2)] = None
    """Length of the run in optimiser steps; give this or ``epochs``."""
    epochs: Annotated[int | None, Field(ge=1)] = None
    """Length of the run in passes over the training set; give this or ``steps``."""
    loss: Annotated[Literal["cross_entropy", "mse"], label("")] = "cross_entropy"
    """cross_entropy, or mse against one-hot targets."""
    sampling: Annotated[Literal["without_replacement", "with_replacement"], label("")] = "without_replacement"
    """without_replacement: a new order every epoch; with_replacement: independent batches (an epoch is as many steps)."""
    drop_last: Annotated[bool, label("droplast")] = False
    """Leave out an epoch's last batch where it is smaller than the others."""
    evaluate_every: Annotated[int, Field(ge=1), label("evaluate")] = 1
    """Measure loss and accuracy on the test set at the end of every so many epochs, and of the last."""
    deterministic: bool = True
    """Only deterministic algorithms: the same bits again on the same type of device."""
    precision: Annotated[Literal["float32", "tf32", "bf16"], label("")] = "float32"
    """Of the products within the network: float32; tf32: rounded to 10 bits on a GPU that has them; bf16: the forward and
    backward pass in bfloat16 (autocast). Weights, updates and what is recorded stay float32."""
    channels_last: Annotated[bool, label("channelslast")] = False
    """Lay images and convolutions out with channels running fastest: often faster, with other last bits."""
    compile: bool = False
    """Put the network through torch.compile: the first steps wait for a compiler, the others are often faster, with other last
    bits. It needs a C++ compiler on the machine that trains."""
    cuda_graph: Annotated[Literal["auto"] | bool, label("cudagraph")] = "auto"
    """Replay forward and backward pass as CUDA graphs rather than launch kernel after kernel: the same bits, and small networks
    train several times as fast. It is for networks that do the same at every step and draw random numbers on the GPU alone, if
    at all. auto: for the networks of this package, unless compiled, and not for torchvision's and yours. No effect on a CPU."""
    threads: Annotated[int, Field(ge=1, le=256)] = 1
    """CPU threads of a training process. It is a setting of the run since it changes the order of sums, so the last bits."""


class WindowSettings(Settings):
    """A stretch of the run whose points are kept."""

    start: Annotated[int, Field(ge=0)]
    """Optimiser step of the window's first point: its waiting time."""
    length: Annotated[int, Field(ge=2)]
    """Optimiser steps from its first point to its last."""
    stride: Annotated[int, Field(ge=1)] = 1
    """Keep every so many-th point."""

    @model_validator(mode="after")
    def _whole(self) -> WindowSettings:
        if self.length % self.stride:
            raise ValueError(f"'length' {self.length} must be a multiple of 'stride' {self.stride}")
        return self


class RecordingSettings(Settings):
    """What of the path is kept."""

    windows: Literal["contiguous", "log"] | list[WindowSettings] = "contiguous"
    """contiguous: the whole run in windows of ``window_length``; log: windows of that length at waiting times 0, 1, 2, 4, 8 …
    times it; or a list of {start, length, stride}."""
    window_length: Annotated[int, Field(ge=2), label("window")] = 1000
    """Length of a window in optimiser steps."""
    weights: Annotated[Literal["full", "sketch", "none"], label("")] = "full"
    """full: every parameter of every kept point; sketch: a random projection of each to ``sketch_size`` numbers, which keeps
    distances within a stated error and drops the single parameters; none: no weights, but the update Gram matrix of each
    window, summed up while the network trains: all that the analysis of diffusion needs, in megabytes."""
    sketch_size: Annotated[int, Field(ge=4, multiple_of=4)] = SKETCH_SIZE
    """For sketch: numbers kept of each point, a multiple of 4 below the number of parameters. Squared distances have the
    relative standard deviation sqrt(2/sketch_size): 4.4 % by default."""
    gradient_coordinates: Annotated[int, Field(ge=0), label("gradients")] = 256
    """Keep the mini-batch gradient at so many randomly chosen parameters (all, where the network has fewer) at every kept
    point; 0: none. Nothing is kept where the weights tell all gradients: plain SGD (no momentum, no weight decay), full
    weights, and all windows of stride 1."""
    device_memory: Annotated[int, Field(ge=1), label("devicememory")] = DEVICE_MEMORY
    """For none, on a GPU: MiB of its memory for the updates of a window (4 bytes each for every parameter); what is more lies
    in the host's memory. On the CPU all of them do."""
    noise_every: Annotated[int, Field(ge=0), label("noiseevery")] = 0
    """Measure the norm of the gradient noise at every so many-th step; it costs one pass over the training set. 0: never."""

    @model_validator(mode="after")
    def _fits(self) -> RecordingSettings:
        if self.weights != "sketch" and self.sketch_size != SKETCH_SIZE:
            raise ValueError("'sketch_size' is for weights: sketch; leave it out, or set weights to sketch")
        if self.weights != "none" and self.device_memory != DEVICE_MEMORY:
            raise ValueError("'device_memory' is for weights: none; leave it out, or set weights to none")
        return self


class RunSettings(Settings):
    """One training run, completely: what stands in its run.yaml."""

    data: DataSettings = DataSettings()
    """The data set."""
    model: ModelSettings = ModelSettings()
    """The network."""
    optimiser: OptimiserSettings = OptimiserSettings()
    """The optimiser."""
    training: TrainingSettings = TrainingSettings()
    """Batches and length."""
    recording: RecordingSettings = RecordingSettings()
    """What of the path is kept."""
    seed: Annotated[int, Field(ge=0), label(None)] = 0
    """Seed of the initial weights, the data order and the augmentation."""

    @model_validator(mode="after")
    def _length(self) -> RunSettings:
        if (self.training.steps is None) == (self.training.epochs is None):
            raise ValueError("training: give either 'steps' or 'epochs'")
        steps = self.training.steps
        if steps is not None and not isinstance(self.recording.windows, str):
            for window in self.recording.windows:
                if window.start + window.length > steps:
                    raise ValueError(
                        f"recording.windows: the window from step {window.start} to {window.start + window.length} ends "
                        f"beyond the run's {steps} steps; give a longer training.steps or an earlier window"
                    )
        return self
