"""What memory does a process with torch take before it trains, and what do a network's activations take?"""

from __future__ import annotations

import subprocess
import sys
from functools import lru_cache

#: MB of the interpreter and of all libraries but torch, in a process that trains.
OTHER_LIBRARIES = 200

#: MB that CUDA takes of the host's memory once a GPU is used: its context, and libraries that are then loaded.
CUDA_CONTEXT = 2000


@lru_cache(maxsize=1)
def torch_memory() -> int:
    """Return the MB by which a process grows when it imports torch: builds for GPUs take twice those for CPUs.

    The first call imports torch. If it is imported already, another process imports it.
    """
    if "torch" in sys.modules:
        measure = "from anodiff.sweep.footprint import torch_memory; print(torch_memory())"
        return int(subprocess.run([sys.executable, "-c", measure], capture_output=True, text=True, check=True).stdout)
    before = _resident()
    import torch  # noqa: F401

    return round((_resident() - before) / 1e6)


def process_memory(device: str) -> int:
    """Return the MB of a process before it holds anything, on ``cpu`` or ``cuda``."""
    return torch_memory() + OTHER_LIBRARIES + (CUDA_CONTEXT if device == "cuda" else 0)


@lru_cache(maxsize=1024)
def activation_bytes(model: str, channels: int, size: int, classes: int) -> int:
    """Return the bytes that autograd keeps of one image for the backward pass; nothing is allocated.

    Parameters
    ----------
    model
        The network's settings in JSON.

    Notes
    -----
    The tensors are counted on torch's meta device. A network that cannot train there, such as a
    factory that looks at values in training, is counted as 0.
    """
    import torch

    from anodiff.models import build
    from anodiff.settings.run import ModelSettings

    settings = ModelSettings.model_validate_json(model)
    kept: dict[int, int] = {}

    def count(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()  # that of its views too
        if storage._cdata not in weights:
            kept[storage._cdata] = storage.nbytes()
        return tensor

    with torch.device("meta"):
        network = build(settings.name, channels=channels, size=size, classes=classes, **settings.keywords())
        images = torch.empty(2, channels, size, size)
    weights = {entry.untyped_storage()._cdata for entry in (*network.parameters(), *network.buffers())}
    try:
        with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
            network(images)
    except RuntimeError:
        return 0
    return sum(kept.values()) // 2


def _resident() -> int:
    import psutil

    return psutil.Process().memory_info().rss
