"""How does a recording by several ranks resume? Each rank's part of the state has a name of its own.

So ``torch.distributed.checkpoint`` saves them side by side, and `load_state` reads them back. Rows
that were in memory are in the store's files; what remains of every rank are the updates of the
windows that were open, which only the same shards can take up again.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from anodiff.errors import ConfigError
from anodiff.trajectory.sharded.flat_shards import FlatShards

if TYPE_CHECKING:
    from anodiff.trajectory.flat_parameters import FlatParameters
    from anodiff.trajectory.sharded.distribution import Distribution

#: Entries of a state: of how many ranks it is, what is the same for all, and the prefix of each rank's own part.
RANKS, SHARED, OWN = "ranks", "shared", "rank"


def load_state(checkpoint: str | Path | None = None, *, key: str = "recorder", **options: Any) -> dict[str, Any]:
    """Return this rank's part of a recorder's state from a distributed checkpoint, for ``resume``.

    All ranks call it. The number of ranks may differ from that of the checkpoint.

    Parameters
    ----------
    checkpoint
        The checkpoint's folder, as given to ``torch.distributed.checkpoint.save``.
    key
        Under which the state was saved.
    options
        Further options of ``torch.distributed.checkpoint.load``, such as ``storage_reader``.

    Raises
    ------
    ConfigError
        If the checkpoint holds no such state.
    """
    import torch.distributed as dist
    import torch.distributed.checkpoint as dcp

    def load(names: list[str]) -> dict[str, Any]:
        wanted: dict[str, Any] = {key: dict.fromkeys(names, b"")}
        try:
            dcp.load(wanted, checkpoint_id=checkpoint, **options)
        except Exception as error:
            raise ConfigError(f"{checkpoint}: no state of a recorder under {key!r} can be read ({error})") from None
        return dict(wanted[key])

    ranks = int(load([RANKS])[RANKS])
    rank = dist.get_rank()
    return load([RANKS, SHARED, *([f"{OWN}{rank}"] if rank < ranks else [])])


def pack(state: dict[str, Any], distribution: Distribution, flat: FlatParameters) -> dict[str, Any]:
    """Return a rank's state with its part under a name of its own, as bytes."""
    shared, own = dict(state), {"grams": state["grams"], "columns": _columns(distribution, flat)}
    shared["grams"] = {walk: {"next": one["next"], "open": list(one["open"])} for walk, one in state["grams"].items()}
    if not distribution.is_sharded:
        own["samples"] = shared.pop("samples")
    found: dict[str, Any] = {RANKS: distribution.ranks.size}
    if distribution.ranks.is_first:
        found[SHARED] = _to_bytes(shared)
    return found | {f"{OWN}{distribution.ranks.rank}": _to_bytes(own)}


def unpack(path: Path, state: Mapping[str, Any], distribution: Distribution, flat: FlatParameters) -> dict[str, Any]:
    """Return a rank's state; its grams are None if they are not of the same shards on every rank.

    Raises
    ------
    ConfigError
        If this is no state of a recording by several ranks.
    """
    ranks = distribution.ranks
    with ranks.together():
        if RANKS not in state:
            raise ConfigError(f"{path}: this state is of a recording by one process; resume in one, or start again")
        mine = f"{OWN}{ranks.rank}"
        if state[RANKS] == ranks.size and mine not in state:
            theirs = next((name for name in state if name.startswith(OWN) and name != RANKS), "no rank")
            raise ConfigError(f"{path}: this is the state of {theirs}, given to rank {ranks.rank}; give each rank its own")
        if ranks.is_first and SHARED not in state:
            raise ConfigError(f"{path}: the state lacks what rank 0 saved; load it by anodiff.trajectory.sharded.load_state")
    shared = ranks.gathered(state[SHARED] if ranks.is_first else None)[0]
    found: dict[str, Any] = _from_bytes(shared)
    own = _from_bytes(state[mine]) if mine in state else {"columns": None}
    same = own["columns"] == _columns(distribution, flat) or (not distribution.records)
    if all(ranks.gathered(same)):
        found["grams"] = own.get("grams", {})
    else:
        found["lost"] = True
    if not distribution.is_sharded:
        with ranks.together():
            if ranks.is_first and not same:
                raise ConfigError(f"{path}: this state is of a sharded model; resume with its shards, or start again")
        found["samples"] = own["samples"] if ranks.is_first else None
    return found


def unpack_replicated(path: Path, state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the state of a recording of replicated weights, for a process that resumes it alone.

    Raises
    ------
    ConfigError
        If it is of a sharded model.
    """
    own = _from_bytes(state[f"{OWN}0"]) if f"{OWN}0" in state and SHARED in state else {}
    if "samples" not in own:
        raise ConfigError(
            f"{path}: this state is of a recording by {state[RANKS]} ranks with shards of the model; resume with several ranks "
            "(torchrun), or start again"
        )
    return {**_from_bytes(state[SHARED]), "samples": own["samples"], "grams": own["grams"]}


def _columns(distribution: Distribution, flat: FlatParameters) -> str:
    """Return a digest of which columns this rank records."""
    if not isinstance(flat, FlatShards):
        return "all" if distribution.records else "none"
    columns = flat.columns
    return blake2b(columns.starts.tobytes() + columns.lengths.tobytes(), digest_size=16).hexdigest()


def _to_bytes(value: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def _from_bytes(content: bytes) -> dict[str, Any]:
    return dict(torch.load(io.BytesIO(content), weights_only=True))
