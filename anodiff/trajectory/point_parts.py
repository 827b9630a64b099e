"""What is kept of each point: all parameters or a sketch, which gradients, and which buffers?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from anodiff.errors import ConfigError
from anodiff.settings.recording import DEFAULT_SKETCH_SIZE
from anodiff.storage.counts import whole_number
from anodiff.trajectory.buffers import ForwardBuffers
from anodiff.trajectory.flat_parameters import FlatParameters, count_numbers
from anodiff.trajectory.format import FULL, NONE, SKETCH
from anodiff.trajectory.recorded_model import RecordedModel, tensor_table
from anodiff.trajectory.sharded.distribution import Distribution, distribution_of, together

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor, nn
    from torch.optim import Optimizer

    from anodiff.trajectory.gradients import GradientSample
    from anodiff.trajectory.groups import Groups
    from anodiff.trajectory.optimiser_walks import OptimiserWalks
    from anodiff.trajectory.sharded.point import PartialGradients, PartialSketch
    from anodiff.trajectory.sketch import Sketch


@dataclass(frozen=True)
class PointParts:
    """The parts of a model that a recorder keeps.

    Attributes
    ----------
    model
        The model's parameters when the recording began.
    flat
        The trainable ones as a point; of a sharded model, what this rank records of it.
    size
        Numbers of a point.
    representation
        ``full``, ``sketch`` or ``none``.
    sketch, gradient, buffers, walks
        Each None where it is not kept.
    buffers_every
        Buffers are kept at steps that are multiples of this, and at the windows' ends; 0: only there.
    distribution
        How the model is distributed over ranks; None if this process alone trains it.
    """

    model: RecordedModel
    flat: FlatParameters
    size: int
    representation: str
    sketch: Sketch | PartialSketch | None
    gradient: GradientSample | PartialGradients | None
    buffers: ForwardBuffers | None
    buffers_every: int
    walks: OptimiserWalks | None = None
    distribution: Distribution | None = None

    @classmethod
    def choose(
        cls,
        model: nn.Module,
        weights: str,
        *,
        sketch_size: int | None,
        gradient_coordinates: int,
        buffers_every: int | None,
        seed: int,
        parameters: str | Sequence[str] | None = None,
        groups: Groups = None,
        walks: Sequence[str] = (),
        optimiser: Optimizer | Sequence[Optimizer] | None = None,
    ) -> PointParts:
        """Return the parts for the options of `TrajectoryRecorder`; raises `ConfigError`."""
        if weights == NONE and sketch_size is not None:
            raise ConfigError("sketch_size is for weights: sketch; leave it out, or set weights to sketch")
        representation = SKETCH if sketch_size is not None and weights == FULL else weights
        if representation not in (FULL, SKETCH, NONE):
            raise ConfigError(f"weights is {representation!r}; give full, sketch or none")
        if representation == SKETCH and groups is not None:
            raise ConfigError("groups: a sketch mixes all parameters; set weights to none or full, or leave groups out")
        coordinates = whole_number(gradient_coordinates, "gradient_coordinates", 0)
        every = buffers_every if buffers_every is None else whole_number(buffers_every, "buffers_every", 0)
        recorded = RecordedModel(model, parameters=parameters, groups=groups)
        distribution = distribution_of(model, [*recorded.trainable, *recorded.frozen])
        if distribution is not None:
            recorded.gather_frozen(keep=representation == FULL and distribution.ranks.is_first)
        size = sum(count_numbers(parameter) for _, parameter in recorded.trainable)
        with together(distribution):
            flat = _flattened(recorded.trainable, distribution)
            if distribution is not None and not distribution.records:
                return cls(recorded, flat, size, representation, None, None, None, 0, None, distribution)
            sketch = gradient = beside = None
            if representation == SKETCH:
                sketch = _sketch(flat, size, DEFAULT_SKETCH_SIZE if sketch_size is None else sketch_size, seed)
            if coordinates:
                gradient = _gradient_sample(recorded.trainable, flat, coordinates, distribution, seed)
            buffers = ForwardBuffers(model) if representation == FULL else None
            if buffers is not None and not buffers.size:
                buffers = None
            if every is None:
                every = 1 if buffers is not None and buffers.size <= size else 0
            if walks:
                from anodiff.trajectory.optimiser_walks import OptimiserWalks

                names = {id(parameter): name for name, parameter in recorded.trainable}
                beside = OptimiserWalks(flat, [names[id(each)] for each in flat.sources], optimiser, walks)
        return cls(recorded, flat, size, representation, sketch, gradient, buffers, every, beside, distribution)

    def flattened(self, named: Sequence[tuple[str, Tensor]]) -> FlatParameters:
        """Return parameters as a vector: what this process records of them."""
        return _flattened(named, self.distribution)

    @property
    def records(self) -> bool:
        """Whether this process records any of the point."""
        return self.distribution is None or self.distribution.records

    @property
    def ranks(self) -> int:
        """Number of processes that write a part of each point."""
        return self.distribution.ranks.size if self.distribution and self.distribution.is_sharded else 1

    @property
    def columns(self) -> int:
        """Numbers in a row of the weights."""
        return self.sketch.size if self.sketch else self.size

    @property
    def dtype(self) -> str:
        """Type of the parameters' and gradients' numbers, ``float32`` or ``float64``."""
        return str(self.flat.dtype).removeprefix("torch.")

    @property
    def coordinates(self) -> NDArray[np.int64] | None:
        """The sampled coordinates of the gradient, shape (coordinate,); None without a sample."""
        return self.gradient.coordinates if self.gradient else None

    @property
    def attributes(self) -> dict[str, Any]:
        """The attributes of the store that say what is kept."""
        found: dict[str, Any] = {"parameters": self.model.table(), "representation": self.representation}
        if self.model.frozen:
            found["frozen"] = {"parameters": tensor_table(self.model.frozen), "digests": self.model.digests}
        if self.representation == FULL:
            found["buffers"] = self.buffers.table if self.buffers else []
        if self.model.patterns is not None:
            found["selected"] = list(self.model.patterns)
        if self.model.groups:
            found["groups"] = self.model.group_table()
        if self.walks:
            found["walks"] = list(self.walks.walks)
        return found | ({"sketch": self.sketch.attributes} if self.sketch else {})


def _flattened(named: Sequence[tuple[str, Tensor]], distribution: Distribution | None) -> FlatParameters:
    if distribution is None or not distribution.is_sharded:
        return FlatParameters([parameter for _, parameter in named])
    from anodiff.trajectory.sharded.flat_shards import FlatShards

    return FlatShards(named, distribution)


def _sketch(flat: FlatParameters, parameters: int, size: int, seed: int) -> Sketch | PartialSketch:
    from anodiff.trajectory.sharded.flat_shards import FlatShards
    from anodiff.trajectory.sketch import Sketch

    if isinstance(flat, FlatShards):
        from anodiff.trajectory.sharded.point import PartialSketch

        return PartialSketch(parameters, size, flat, seed=seed)
    return Sketch(parameters, size, seed=seed, device=flat.device)


def _gradient_sample(
    named: Sequence[tuple[str, Tensor]], flat: FlatParameters, count: int, distribution: Distribution | None, seed: int
) -> GradientSample | PartialGradients:
    from anodiff.trajectory.gradients import GradientSample

    if distribution is not None and distribution.is_sharded:
        from anodiff.trajectory.sharded.point import PartialGradients

        return PartialGradients(named, count, distribution, flat.device, seed=seed)
    return GradientSample(flat.parameters, count, seed=seed)
