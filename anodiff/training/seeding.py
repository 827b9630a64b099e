"""How does one seed give several independent streams? If one draws more, others do not change."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch

STREAMS = ("weights", "order", "augmentation", "noise", "recording")


def stream_seed(seed: int, stream: str) -> int:
    """Return a stream's 64-bit seed, from numpy's SeedSequence of (seed, number of the stream)."""
    sequence = np.random.SeedSequence([seed, STREAMS.index(stream)])
    return int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1))


def generator(seed: int, stream: str, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a generator for one stream of a run on ``device``."""
    return torch.Generator(device=device).manual_seed(stream_seed(seed, stream))


def seed_globals(seed: int, stream: str) -> None:
    """Seed the global generators of torch, numpy and Python, from which a network may draw."""
    number = stream_seed(seed, stream)
    torch.manual_seed(number)
    np.random.seed(np.random.SeedSequence(number).generate_state(4))
    random.seed(number)


def global_states(device: torch.device) -> dict[str, Any]:
    """Return the states of the global generators (torch's on the CPU and ``device``), for saving."""
    numpy: Any = np.random.get_state(legacy=False)
    key = torch.from_numpy(numpy["state"]["key"].astype(np.int64))
    states: dict[str, Any] = {
        "torch": torch.get_rng_state(),
        "numpy": {"key": key} | {name: numpy[name] for name in ("has_gauss", "gauss")} | {"pos": int(numpy["state"]["pos"])},
        "python": random.getstate(),
    }
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def restore_global_states(states: dict[str, Any], device: torch.device) -> None:
    """Restore the states that `global_states` returned."""
    torch.set_rng_state(states["torch"])
    numpy = states["numpy"]
    np.random.set_state(
        {
            "bit_generator": "MT19937",
            "state": {"key": numpy["key"].numpy().astype(np.uint32), "pos": numpy["pos"]},
            "has_gauss": numpy["has_gauss"],
            "gauss": numpy["gauss"],
        }
    )
    random.setstate(states["python"])
    if "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"], device)
