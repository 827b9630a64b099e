"""What of a sharded model's point does a rank flatten? Its own pieces, one after another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from anodiff.trajectory.flat_parameters import FlatParameters, count_numbers, exact_type, local_part
from anodiff.trajectory.sharded.distribution import Distribution

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class FlatShards(FlatParameters):
    """The pieces of parameters that this rank records, as one vector; perhaps none.

    Parameters
    ----------
    named
        All parameters of the point, in the model's order.
    distribution
        Which of their pieces this rank records.

    Attributes
    ----------
    size
        Numbers of this rank's vector.
    columns
        The columns of the unsharded point that they are.
    """

    def __init__(self, named: Sequence[tuple[str, Tensor]], distribution: Distribution) -> None:
        self.sources = [parameter for _, parameter in distribution.own(named)]
        self.columns = distribution.columns(named, distribution.ranks.rank)
        self.parameters = [local_part(parameter) for parameter in self.sources]
        self.size = sum(map(count_numbers, self.parameters))
        self.dtype = exact_type([parameter for _, parameter in named])
        self.device: torch.device = local_part(named[0][1]).device
        self._addresses: list[int] = []
        self._vector: Tensor | None = None
        self._views: list[Tensor] | None = None

    def copy_to(self, row: Tensor) -> None:
        """Copy the values to ``row``, shape (size,), of type ``dtype``, on ``device``."""
        if self.sources:
            self.parameters = [local_part(parameter) for parameter in self.sources]
            super().copy_to(row)

    def current(self, memory: Tensor) -> Tensor:
        """Return the values, shape (size,), to be read at once; see `FlatParameters.current`."""
        if not self.sources:
            return memory
        self.parameters = [local_part(parameter) for parameter in self.sources]
        return super().current(memory)
