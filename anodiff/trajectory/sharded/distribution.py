"""How is a model distributed over ranks, and which of its numbers does this rank record?

A plain parameter is on every rank. A DTensor (``fully_shard``, ``parallelize_module``) is split along
some dimensions of a mesh of ranks and repeated along others. Whatever the mesh, a number that several
ranks hold is recorded once. Of the ranks that hold a piece, the one with least to record takes it; if
no parameter is split, rank 0 takes everything.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anodiff.errors import ConfigError
from anodiff.trajectory.flat_parameters import as_reals, count_numbers, is_sharded_tensor, local_part
from anodiff.trajectory.sharded.columns import Columns, Piece, columns_of_piece, joined, piece_of, piece_shape

if TYPE_CHECKING:
    from torch import Tensor, nn

    from anodiff.trajectory.sharded.ranks import Ranks

#: What a rank says of a parameter: name, shape, type, and its piece.
_Held = tuple[str, tuple[int, ...], str, Piece]

#: Numbers of a replicated tensor that are compared at once.
COMPARED_AT_ONCE = 2**22


@dataclass(frozen=True)
class Distribution:
    """Which rank records which piece of each parameter.

    Attributes
    ----------
    ranks
        The ranks.
    is_sharded
        Whether any parameter is split; otherwise rank 0 records, and the others nothing.
    pieces
        Of each parameter by name: the pieces that are recorded, and by which rank.
    """

    ranks: Ranks
    is_sharded: bool
    pieces: dict[str, list[tuple[Piece, int]]]

    @property
    def records(self) -> bool:
        """Whether this rank records anything of the model, or its store."""
        return self.is_sharded or self.ranks.is_first

    def columns(self, named: Sequence[tuple[str, Tensor]], rank: int) -> Columns:
        """Return the columns that a rank records of the point of these parameters."""
        found, offset = [], 0
        for name, parameter in named:
            width = 2 if parameter.is_complex() else 1
            for piece, owner in self.pieces[name]:
                if owner == rank:
                    found.append(columns_of_piece(piece, parameter.shape, offset, width))
            offset += count_numbers(parameter)
        return joined(found)

    def own(self, named: Sequence[tuple[str, Tensor]]) -> list[tuple[str, Tensor]]:
        """Return those of the parameters of which this rank records its piece."""
        return [(name, one) for name, one in named if any(owner == self.ranks.rank for _, owner in self.pieces[name])]

    @classmethod
    def of(cls, named: Sequence[tuple[str, Tensor]], ranks: Ranks) -> Distribution:
        """Find out how parameters are distributed; all ranks call it together.

        Raises
        ------
        ConfigError
            If the ranks hold different models, or pieces that do not make a whole.
        """
        held = [(name, tuple(one.shape), str(one.dtype), held_piece(name, one)) for name, one in named]
        by_rank: list[list[_Held]] = ranks.gathered(held)
        _refuse_other_models(by_rank)
        is_sharded = any(ranks.gathered(any(is_sharded_tensor(one) for _, one in named)))
        recorded = [0] * ranks.size
        pieces: dict[str, list[tuple[Piece, int]]] = {}
        holders: list[list[int]] = []
        for number, (name, shape, _, own_piece) in enumerate(held):
            found: dict[Piece, list[int]] = {}
            for rank, theirs in enumerate(by_rank):
                if 0 not in piece_shape(theirs[number][3]):
                    found.setdefault(theirs[number][3], []).append(rank)
            _refuse_gaps(name, shape, found)
            pieces[name] = []
            for piece, ranks_with_it in found.items():
                owner = min(ranks_with_it, key=lambda rank: (recorded[rank], rank)) if is_sharded else 0
                recorded[owner] += math.prod(piece_shape(piece))
                pieces[name].append((piece, owner))
            holders.append(found.get(own_piece, []))
        _refuse_different_values(named, holders, ranks)
        return cls(ranks, is_sharded, pieces)


def distribution_of(model: nn.Module, named: Sequence[tuple[str, Tensor]]) -> Distribution | None:
    """Return how a model is distributed; None if this process alone trains it.

    Raises
    ------
    ConfigError
        If it is sharded in a way other than by DTensors, or not all ranks call this.
    """
    refuse_foreign_shards(model, named)
    import torch.distributed as dist

    if not (dist.is_available() and dist.is_initialized()):
        return None
    if dist.get_world_size() == 1 and not any(is_sharded_tensor(one) for _, one in named):
        return None
    from anodiff.trajectory.sharded.ranks import Ranks

    ranks = Ranks()
    with ranks.together():
        for name, parameter in named:
            held_piece(name, parameter)
    return Distribution.of(named, ranks)


@contextmanager
def together(distribution: Distribution | None) -> Iterator[None]:
    """Do something that fails on all ranks if it fails on one."""
    if distribution is None:
        yield
    else:
        with distribution.ranks.together():
            yield


def held_piece(name: str, parameter: Tensor) -> Piece:
    """Return the piece of a parameter that this rank holds.

    Raises
    ------
    ConfigError
        If it cannot be told.
    """
    if not is_sharded_tensor(parameter):
        return piece_of(parameter.shape, [])
    mesh, placements = parameter.device_mesh, parameter.placements  # type: ignore[attr-defined]
    coordinate = mesh.get_coordinate()
    if coordinate is None:
        return tuple(() for _ in parameter.shape)
    plain: list[tuple[int, int, int]] = []
    strided: list[tuple[int, int, int]] = []
    for parts, part, placement in zip(mesh.shape, coordinate, placements, strict=True):
        kind = type(placement).__name__
        if kind == "Shard":
            plain.append((placement.dim % parameter.ndim, parts, part))
        elif kind == "_StridedShard":
            strided.insert(0, (placement.dim % parameter.ndim, parts, part))  # it splits what those to its right left
        elif kind != "Replicate":
            raise ConfigError(f"{name} is distributed as {placements}; record parameters that are sharded or replicated")
    piece = piece_of(parameter.shape, plain + strided)
    if piece_shape(piece) != tuple(local_part(parameter).shape):
        raise ConfigError(
            f"{name}: its local shape {tuple(local_part(parameter).shape)} is not that of {placements} on a mesh of "
            f"{tuple(mesh.shape)}; shard it by fully_shard or parallelize_module"
        )
    return piece


def refuse_foreign_shards(model: nn.Module, named: Sequence[tuple[str, Tensor]]) -> None:
    """Raise `ConfigError` if weights are sharded by other means than DTensors."""
    what = ""
    if any(type(module).__name__ == "FullyShardedDataParallel" for module in model.modules()):
        what = "FullyShardedDataParallel (FSDP1)"
    for _, parameter in named:
        if hasattr(parameter, "ds_id") or hasattr(parameter, "ds_tensor"):
            what = "DeepSpeed ZeRO-3"
        elif getattr(parameter, "tensor_model_parallel", False):
            what = "Megatron's tensor parallelism"
    if what:
        raise ConfigError(
            f"the weights are sharded by {what}, whose shards say nothing of the whole; shard by torch's fully_shard or "
            "parallelize_module (DTensors), or train with replicated weights (DDP, ZeRO-1 or ZeRO-2)"
        )


def fingerprint(tensor: Tensor) -> int:
    """Return a number that differs if any bit of a tensor does, computed on its device."""
    import torch

    kinds = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
    values = as_reals(tensor).contiguous().reshape(-1)
    total = torch.zeros((), dtype=torch.int64, device=values.device)
    for first in range(0, len(values), COMPARED_AT_ONCE):
        part = values[first : first + COMPARED_AT_ONCE].view(kinds[values.element_size()]).to(torch.int64)
        weights = torch.arange(first, first + len(part), device=values.device) * 0x5851F42D4C957F2D + 1  # wraps around
        total += (part * weights).sum()
    return int(total)


def _refuse_other_models(by_rank: Sequence[Sequence[_Held]]) -> None:
    for rank, theirs in enumerate(by_rank):
        ours = by_rank[0]
        if [one[:3] for one in theirs] != [one[:3] for one in ours]:
            other = next((one for one in theirs if one[:3] not in [two[:3] for two in ours]), None)
            other = other or next(one for one in ours if one[:3] not in [two[:3] for two in theirs])
            raise ConfigError(
                f"ranks 0 and {rank} hold different parameters, such as {other[0]} of shape {other[1]}; a pipeline, or shards "
                "other than DTensors, cannot be recorded: shard by fully_shard or parallelize_module"
            )


def _refuse_gaps(name: str, shape: tuple[int, ...], found: dict[Piece, list[int]]) -> None:
    held = sum(math.prod(piece_shape(piece)) for piece in found)
    if held != math.prod(shape):
        raise ConfigError(
            f"{name}: the ranks hold {held} numbers of {math.prod(shape)}; all ranks that hold a part of the "
            "model must be in the default process group, and shard it in the same way"
        )


def _refuse_different_values(named: Sequence[tuple[str, Tensor]], holders: list[list[int]], ranks: Ranks) -> None:
    prints = [fingerprint(local_part(one)) if len(own) > 1 else 0 for (_, one), own in zip(named, holders, strict=True)]
    by_rank = ranks.gathered(prints)
    found = None
    for number, ((name, _), own) in enumerate(zip(named, holders, strict=True)):
        other = next((rank for rank in own if by_rank[rank][number] != by_rank[own[0]][number]), None)
        if other is not None:
            found = found or (name, own[0], other)
    found = next((one for one in ranks.gathered(found) if one), None)
    if found:
        raise ConfigError(
            f"{found[0]} has other values on rank {found[1]} than on rank {found[2]}, so it is no copy; begin the recording "
            "after the model is wrapped or seeded alike, and shard by fully_shard or parallelize_module"
        )
