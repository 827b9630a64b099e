"""What do the ranks keep of a point together? Partial sketches and gradients, whose sums are those of
the unsharded model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anodiff.errors import ConfigError
from anodiff.trajectory.flat_parameters import as_reals, count_numbers, is_sharded_tensor, local_part
from anodiff.trajectory.gradients import draw_coordinates
from anodiff.trajectory.sharded.columns import Copies, columns_of_piece
from anodiff.trajectory.sketch import Sketch, chunk_length

if TYPE_CHECKING:
    from anodiff.trajectory.sharded.distribution import Distribution
    from anodiff.trajectory.sharded.flat_shards import FlatShards


class PartialSketch:
    """The projection of this rank's part of a point; the sum over ranks is that of the whole.

    A rank keeps the signs of the chunks that it holds a part of, and a copy of these chunks with
    zeros for what it does not hold. A parameter that is split along its rows has few of them; one
    that is split along another dimension is in all of its chunks, as on every other rank.

    Parameters
    ----------
    parameters, size, seed
        See `Sketch`.
    flat
        This rank's part.

    Examples
    --------
    See `anodiff.trajectory.sketch`.
    """

    def __init__(self, parameters: int, size: int, flat: FlatShards, *, seed: int) -> None:
        length = chunk_length(parameters, size)
        columns = flat.columns.cut(length)
        touched = np.unique(columns.starts // length)
        self._sketch = Sketch(parameters, size, seed=seed, device=flat.device, chunks=touched)
        self._chunks = torch.zeros(len(touched) * length, dtype=flat.dtype, device=flat.device)
        places = np.searchsorted(touched, columns.starts // length) * length + columns.starts % length
        self._copies = Copies.between(places, columns.positions, columns.lengths)
        self.size, self.attributes = size, self._sketch.attributes

    def __call__(self, point: Tensor) -> Tensor:
        """Return this rank's share of S x, shape (size,), float64, from what it holds of x."""
        targets, sources = self._copies.views(self._chunks, point)
        if targets:
            torch._foreach_copy_(targets, sources)
        return self._sketch(self._chunks)


class PartialGradients:
    """The sampled gradient entries that this rank holds; the others are −0, which adds nothing.

    Attributes
    ----------
    coordinates
        As in `anodiff.trajectory.gradients.GradientSample`, of the whole point.
    """

    def __init__(
        self, named: Sequence[tuple[str, Tensor]], count: int, distribution: Distribution, device: torch.device, *, seed: int
    ) -> None:
        self.coordinates: NDArray[np.int64] = draw_coordinates(sum(count_numbers(one) for _, one in named), count, seed)
        self._parts: list[tuple[str, Tensor, Tensor, Tensor]] = []
        offset = 0
        for name, parameter in named:
            for piece, owner in distribution.pieces[name]:
                if owner != distribution.ranks.rank:
                    continue
                columns = columns_of_piece(piece, parameter.shape, offset, 2 if parameter.is_complex() else 1)
                run = np.searchsorted(columns.starts, self.coordinates, side="right") - 1
                inside = (run >= 0) & (self.coordinates < (columns.starts + columns.lengths)[run])
                run, slots = run[inside], np.flatnonzero(inside)
                index = columns.positions[run] + self.coordinates[inside] - columns.starts[run]
                if len(slots):
                    places = (torch.from_numpy(index).to(device), torch.from_numpy(slots).to(device))
                    self._parts.append((name, parameter, *places))
            offset += count_numbers(parameter)

    def copy_to(self, row: Tensor) -> None:
        """Copy the entries to ``row``, shape (coordinate,); see `GradientSample.copy_to`.

        Raises
        ------
        ConfigError
            If a gradient is not distributed as its parameter is.
        """
        row.fill_(-0.0)
        for name, parameter, index, slots in self._parts:
            gradient: Any = parameter.grad
            if gradient is None:
                row.index_fill_(0, slots, torch.nan)
                continue
            if is_sharded_tensor(gradient) and gradient.placements != parameter.placements:  # type: ignore[attr-defined]
                raise ConfigError(
                    f"the gradient of {name} is distributed as {gradient.placements}, unlike its parameter; leave out "
                    "'gradient_coordinates'"
                )
            values = torch.take(as_reals(local_part(gradient)), index)
            row.index_copy_(0, slots, values.to(row.device, row.dtype))
