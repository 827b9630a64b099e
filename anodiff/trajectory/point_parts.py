"""What is kept of each point: all parameters or a sketch, which gradients, and which buffers?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from anodiff.errors import ConfigError
from anodiff.settings.run import DEFAULT_SKETCH_SIZE
from anodiff.storage.counts import whole_number
from anodiff.trajectory.buffers import ForwardBuffers
from anodiff.trajectory.flat_parameters import FlatParameters
from anodiff.trajectory.format import FULL, NONE, SKETCH
from anodiff.trajectory.recorded_model import RecordedModel, tensor_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch import nn
    from torch.optim import Optimizer

    from anodiff.trajectory.gradients import GradientSample
    from anodiff.trajectory.groups import Groups
    from anodiff.trajectory.optimiser_walks import OptimiserWalks
    from anodiff.trajectory.sketch import Sketch


@dataclass(frozen=True)
class PointParts:
    """The parts of a model that a recorder keeps.

    Attributes
    ----------
    model
        The model's parameters when the recording began.
    flat
        The trainable ones as a point.
    representation
        ``full``, ``sketch`` or ``none``.
    sketch, gradient, buffers, walks
        Each None where it is not kept.
    buffers_every
        Buffers are kept at steps that are multiples of this, and at the windows' ends; 0: only there.
    """

    model: RecordedModel
    flat: FlatParameters
    representation: str
    sketch: Sketch | None
    gradient: GradientSample | None
    buffers: ForwardBuffers | None
    buffers_every: int
    walks: OptimiserWalks | None = None

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
        recorded = RecordedModel(model, parameters=parameters, groups=groups)
        flat = FlatParameters([parameter for _, parameter in recorded.trainable])
        if weights == NONE and sketch_size is not None:
            raise ConfigError("sketch_size is for weights: sketch; leave it out, or set weights to sketch")
        representation = SKETCH if sketch_size is not None and weights == FULL else weights
        if representation not in (FULL, SKETCH, NONE):
            raise ConfigError(f"weights is {representation!r}; give full, sketch or none")
        sketch = gradient = None
        if representation == SKETCH and groups is not None:
            raise ConfigError("groups: a sketch mixes all parameters; set weights to none or full, or leave groups out")
        if representation == SKETCH:
            from anodiff.trajectory.sketch import Sketch

            size = DEFAULT_SKETCH_SIZE if sketch_size is None else sketch_size
            sketch = Sketch(flat.size, size, seed=seed, device=flat.device)
        coordinates = whole_number(gradient_coordinates, "gradient_coordinates", 0)
        if coordinates:
            from anodiff.trajectory.gradients import GradientSample

            gradient = GradientSample(flat.parameters, coordinates, seed=seed)
        every = buffers_every if buffers_every is None else whole_number(buffers_every, "buffers_every", 0)
        buffers = ForwardBuffers(model) if representation == FULL else None
        if buffers is not None and not buffers.size:
            buffers = None
        if every is None:
            every = 1 if buffers is not None and buffers.size <= flat.size else 0
        beside = None
        if walks:
            from anodiff.trajectory.optimiser_walks import OptimiserWalks

            beside = OptimiserWalks(flat, [name for name, _ in recorded.trainable], optimiser, walks)
        return cls(recorded, flat, representation, sketch, gradient, buffers, every, beside)

    @property
    def columns(self) -> int:
        """Numbers in a row of the weights."""
        return self.sketch.size if self.sketch else self.flat.size

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
