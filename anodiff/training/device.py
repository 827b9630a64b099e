"""On what is trained, and how exactly it can be repeated."""

from __future__ import annotations

import os
import platform
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

import anodiff
from anodiff.config import TrainingSettings
from anodiff.errors import ConfigError


def choose_device(name: str = "auto") -> torch.device:
    """Return the device called ``name``; ``auto`` is the first CUDA device where there is one, else the CPU.

    Raises
    ------
    ConfigError
        If torch does not know the device, or this machine does not have it.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"--device {name}: {reason}; use auto, cpu, or a device that this machine has") from None
    return device


@contextmanager
def repeatable(settings: TrainingSettings, device: torch.device) -> Iterator[None]:
    """Set torch's threads and its deterministic algorithms for a run, and put back what was there.

    The caller's global random state comes back as well.
    """
    if settings.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(settings.threads)
    torch.use_deterministic_algorithms(settings.deterministic)
    devices = [device] if device.type == "cuda" else []
    try:
        with torch.random.fork_rng(devices):
            yield
    except RuntimeError as error:
        if "deterministic" not in str(error):
            raise
        reason = str(error).splitlines()[0]
        raise ConfigError(f"training.deterministic: {reason}; set it to false to train all the same") from None
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(deterministic)


def provenance(settings: TrainingSettings, device: torch.device) -> dict[str, Any]:
    """Return what a result was made with: versions, commit, host, device, determinism."""
    packages = ("anodiff", "torch", "torchvision", "zarr", "numpy")
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    return {
        "versions": {"python": platform.python_version()} | {package: version(package) for package in packages},
        "commit": _commit(),
        "host": socket.gethostname(),
        "device": f"{device.type}: {name}",
        "threads": settings.threads,
        "deterministic": settings.deterministic,
    }


def _commit() -> str | None:
    """Commit of the checkout that this package runs from; None where it is installed elsewhere."""
    checkout = Path(anodiff.__file__).parents[1]
    if not (checkout / ".git").exists():
        return None
    describe = ["git", "-C", str(checkout), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        return subprocess.run(describe, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
