"""What can be set for what is kept of a run's path?"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from anodiff.settings.base import MOST_STEPS, Settings, name_label

#: Numbers kept of each point of a sketched path.
DEFAULT_SKETCH_SIZE = 1024

#: MiB of a GPU for the updates of a window, if no weights are stored.
DEFAULT_DEVICE_MEMORY = 1024

#: Length of a window in optimiser steps.
DEFAULT_WINDOW_LENGTH = 1000

#: Bounds of a run: its windows; the updates of a window, whose Gram matrix then has 80 GB.
MOST_WINDOWS, MOST_UPDATES = 100_000, 100_000

#: A pattern of parameters' names, and such by the name of a group.
Pattern = Annotated[str, Field(min_length=1, max_length=1000)]
Patterns = Annotated[list[Pattern], Field(min_length=1, max_length=1000)]
PatternGroups = Annotated[
    dict[Annotated[str, Field(min_length=1, max_length=100)], Pattern | Patterns],
    Field(min_length=1, max_length=1000),
]


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
    parameters: Pattern | Patterns | None = None
    """For sketch and none: record these parameters alone, by their names or those of the modules that
    hold them, with ``*``, ``?`` and ``[…]`` as in file names; or a list of such. null: all."""
    groups: Literal["layer", "kind"] | PatternGroups | None = None
    """For full and none: a Gram matrix, and so exponents, of each part of the network as well. layer:
    its repeated blocks, such as ``blocks.3``, and the layers beside them; kind: embedding, attention,
    mlp, normalisation, convolution, recurrent, output; or patterns, as for ``parameters``, by the
    group's name: the first that fits counts, and the group ``rest`` is what fits none."""
    walks: Annotated[tuple[Literal["gradient", "preconditioned", "decay"], ...], Field(max_length=3)] = ()
    """Gram matrices, and so exponents, of further walks: gradient, where plain SGD would go with the
    same gradients, without momentum or preconditioning; preconditioned: the path without decoupled
    weight decay; decay: what weight decay does by itself. Each takes as much memory and as many
    products as recording without weights."""
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
    """For none and walks, on a GPU: MiB of its memory for the updates of a window, each of which takes 4
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
        if self.weights != "none" and not self.walks and self.device_memory != DEFAULT_DEVICE_MEMORY:
            raise ValueError("'device_memory' is for weights: none, and for walks; leave it out, or set weights to none")
        if self.weights == "full" and self.parameters is not None:
            raise ValueError("'parameters' is for weights: sketch or none; full weights are those of the whole network")
        if self.weights == "sketch" and self.groups is not None:
            raise ValueError("'groups' is for weights: full or none; a sketch mixes all parameters")
        if len(set(self.walks)) < len(self.walks):
            raise ValueError(f"'walks' {list(self.walks)} names a walk twice; name each once")
        return self
