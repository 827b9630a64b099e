"""What memory does a process with torch take before it trains, and what do a network's activations take?"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from functools import lru_cache
from typing import TYPE_CHECKING

from anodiff.errors import ConfigError
from anodiff.settings.model import ModelSettings
from anodiff.settings.shapes import Images, Shape, Tokens

if TYPE_CHECKING:
    from torch import nn

#: MB of the interpreter and of all libraries but torch, in a process that trains.
OTHER_LIBRARIES = 200

#: MB that CUDA takes of the host's memory once a GPU is used: its context, and libraries that are then loaded.
CUDA_CONTEXT = 2000

#: What is assumed of a network that cannot be counted: parameters and tensors; and activations, in images.
BOUND_PARAMETERS, BOUND_TENSORS, BOUND_IMAGES = 10**9, 1000, 200

#: The same of the groups that its parameters are divided into.
BOUND_GROUPS = {"layer": 200, "kind": 8}

#: In errors that another machine would not have.
OF_THE_MACHINE = ("allocate memory", "CUDA", "NVIDIA")


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
def network_size(model: str, *sizes: int) -> tuple[int, int]:
    """Return how many numbers a network's parameters are, two for a complex one, and the tensors
    that hold them.

    Parameters
    ----------
    model
        The network's settings in JSON.
    *sizes
        Channels, pixels a side and classes of images; or vocabulary and context of text.

    Notes
    -----
    The network is built on torch's meta device, where nothing is allocated. One that cannot live
    there, such as one that looks at its weights, is built on the CPU. Of one that is too large for
    this machine, or needs a GPU that it lacks, `BOUND_PARAMETERS` and `BOUND_TENSORS` are returned.

    Raises
    ------
    ConfigError
        If it cannot be built on the CPU either.
    """
    torch_memory()  # measured as torch is imported
    network = _build(model, sizes)
    if network is None:
        return BOUND_PARAMETERS, BOUND_TENSORS
    from anodiff.trajectory.flat_parameters import count_numbers

    numbers = [count_numbers(entry) for entry in network.parameters()]
    return sum(numbers), len(numbers)


@lru_cache(maxsize=1024)
def number_bytes(model: str, *sizes: int) -> int:
    """Return the bytes of a number of a recorded point: 8 for a network of float64, else 4."""
    network = _build(model, sizes)
    if network is None:
        return 4
    from anodiff.trajectory.flat_parameters import exact_type

    return exact_type(list(network.parameters())).itemsize


@lru_cache(maxsize=1024)
def group_count(parameters: str, groups: str, model: str, *sizes: int) -> int:
    """Return into how many groups ``recording.groups`` divides the ``recording.parameters`` of a network, both in JSON.

    The other parameters and errors are those of `network_size`.

    Raises
    ------
    ConfigError
        If a pattern fits no parameter that is left.
    """
    from anodiff.models.wrappers import plain_names
    from anodiff.trajectory.groups import parameter_groups, selected

    network = _build(model, sizes)
    division = json.loads(groups)
    if network is None:
        return BOUND_GROUPS.get(division, 0) if isinstance(division, str) else len(division or ()) + bool(division)
    plain = plain_names(network)
    names = [plain(name) for name, parameter in network.named_parameters() if parameter.requires_grad]
    return len(parameter_groups(network, selected(names, json.loads(parameters)), division))


@lru_cache(maxsize=1024)
def activation_bytes(model: str, *sizes: int) -> int:
    """Return the bytes that autograd keeps of one sample for the backward pass.

    Parameters and errors are those of `network_size`. The tensors are counted on torch's meta
    device, or on the CPU if the network cannot train there. If it can train at neither, what it
    keeps is taken for `BOUND_IMAGES` times the sample and as much as the weights.
    """
    for device in ("meta", "cpu"):
        network = _build(model, sizes, device)
        found = None if network is None else _kept_bytes(network, sizes, device)
        if found is not None:
            return found + _loss_bytes(sizes)
    return 4 * (BOUND_IMAGES * _shape(sizes).numbers + network_size(model, *sizes)[0])


def _build(model: str, sizes: tuple[int, ...], first: str = "meta") -> nn.Module | None:
    """Return the network on torch's meta device or, if it cannot live there, on the CPU; None if this
    machine cannot hold it.
    """
    import torch

    from anodiff.models import build

    settings = ModelSettings.model_validate_json(model)

    def built(device: str) -> nn.Module:
        with torch.random.fork_rng(devices=[]), torch.device(device):
            return build(settings.name, **dataclasses.asdict(_shape(sizes)), **settings.keywords())

    if first == "meta":
        try:
            return built("meta")
        except Exception:  # whatever looks at numbers that are not there
            pass
    try:
        return built("cpu")
    except MemoryError:
        return None
    except ConfigError as error:
        if any(word in str(error) for word in OF_THE_MACHINE):
            return None
        raise


def _kept_bytes(network: nn.Module, sizes: tuple[int, ...], device: str) -> int | None:
    """Return the bytes that autograd keeps of one sample, or None if the network cannot train on the device."""
    import torch

    kept: dict[int, int] = {}
    weights = {entry.untyped_storage()._cdata for entry in (*network.parameters(), *network.buffers())}

    def count(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()  # that of its views too
        if storage._cdata not in weights:
            kept[storage._cdata] = storage.nbytes()
        return tensor

    try:
        with (
            torch.random.fork_rng(devices=[]),
            torch.device(device),
            torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor),
        ):
            shape = _shape(sizes)
            if isinstance(shape, Tokens):
                network(torch.zeros(2, shape.context, dtype=torch.int64))
            else:
                network(torch.zeros(2, shape.channels, shape.size, shape.size))
    except Exception:  # whatever a user's network does
        return None
    return sum(kept.values()) // 2


def _loss_bytes(sizes: tuple[int, ...]) -> int:
    """Return what the loss of a sample keeps: for text the logarithm of each token's probability at each place."""
    shape = _shape(sizes)
    return 4 * shape.vocabulary * shape.context if isinstance(shape, Tokens) else 0


def _shape(sizes: tuple[int, ...]) -> Shape:
    return Tokens(*sizes) if len(sizes) == 2 else Images(*sizes)


def _resident() -> int:
    import psutil

    return psutil.Process().memory_info().rss
