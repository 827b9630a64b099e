"""One seed, several independent streams: changing how much randomness one part draws leaves the others alone."""

from __future__ import annotations

import numpy as np
import torch

STREAMS = ("weights", "order", "augmentation", "noise", "recording")


def stream_seed(seed: int, stream: str) -> int:
    """Return the 64-bit seed of one stream of a run, from numpy's SeedSequence of (seed, number of the stream)."""
    sequence = np.random.SeedSequence([seed, STREAMS.index(stream)])
    return int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1))


def generator(seed: int, stream: str, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a generator for one stream of a run on ``device``."""
    return torch.Generator(device=device).manual_seed(stream_seed(seed, stream))
