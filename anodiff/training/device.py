"""On which device does a run train, and how exactly can it be repeated?"""

from __future__ import annotations

import os
import platform
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from anodiff.errors import ConfigError
from anodiff.settings.run import TrainingSettings
from anodiff.training.seeding import global_states, restore_global_states

#: Makes cuBLAS deterministic, unless the user has set another value.
CUBLAS_WORKSPACE = ":4096:8"


def choose_device(name: str) -> torch.device:
    """Return the device called ``name``, such as ``cpu`` or ``cuda:1``.

    Raises
    ------
    ConfigError
        If torch does not know the device, or this machine does not have it.
    """
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"--device {name}: {reason}; use auto, cpu, or a device that this machine has") from None
    return device


@contextmanager
def repeatable(settings: TrainingSettings, device: torch.device) -> Iterator[None]:
    """Set torch's threads and deterministic algorithms for a run, and restore the caller's.

    With deterministic algorithms torch also fills all memory that it allocates, in case it is read
    before it is written. This is switched off: it takes a twentieth of a ResNet's step. The
    caller's global random states (torch's, numpy's, Python's) are restored as well.
    """
    if settings.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", CUBLAS_WORKSPACE)
    threads, before = torch.get_num_threads(), torch.get_deterministic_debug_mode()
    torch.set_num_threads(settings.threads)
    if settings.compile:
        torch.compiler.reset()  # the code must not depend on what this process has compiled before
        torch.use_deterministic_algorithms(settings.deterministic)  # tells torch's compiler too, whose import takes seconds
    torch.set_deterministic_debug_mode("error" if settings.deterministic else "default")
    fills = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    states = global_states(device)
    try:
        yield
    except RuntimeError as error:
        if "deterministic" not in str(error):
            raise
        reason = str(error).splitlines()[0]
        raise ConfigError(f"training.deterministic: {reason}; set it to false to train anyway") from None
    finally:
        restore_global_states(states, device)
        torch.set_num_threads(threads)
        if settings.compile:
            torch.use_deterministic_algorithms(before > 0)
        torch.set_deterministic_debug_mode(before)
        torch.utils.deterministic.fill_uninitialized_memory = fills  # type: ignore[attr-defined]


def provenance(settings: TrainingSettings, device: torch.device) -> dict[str, Any]:
    """Return what a run was trained with: versions, commit, host, device, determinism."""
    packages = ("anodiff", "torch", "torchvision", "zarr", "numpy")
    cuda = device.type == "cuda"
    name = torch.cuda.get_device_name(device) if cuda else platform.processor() or platform.machine()
    return {
        "versions": {"python": platform.python_version()} | {package: version(package) for package in packages},
        "commit": _commit(),
        "host": socket.gethostname(),
        "device": f"{device.type}: {name}",
        "threads": settings.threads,
        "deterministic": settings.deterministic,
        **({"cublas_workspace": os.environ.get("CUBLAS_WORKSPACE_CONFIG")} if cuda else {}),
    }


def session_differences(sessions: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the devices and versions of torch of a run's sessions, if there are several.

    The bits may then differ from those of an uninterrupted run.

    Examples
    --------
    >>> first = {"device": "cpu: x86_64", "versions": {"torch": "2.10"}}
    >>> session_differences([first, first])
    []
    >>> session_differences([first, {"device": "cpu: x86_64", "versions": {"torch": "2.11"}}])
    ['torch 2.10, then 2.11']
    """
    found = {
        "device": list(dict.fromkeys(session["device"] for session in sessions)),
        "torch": list(dict.fromkeys(session["versions"]["torch"] for session in sessions)),
    }
    return [f"{what} {', then '.join(values)}" for what, values in found.items() if len(values) > 1]


def _commit() -> str | None:
    """Return the commit of the checkout that this package runs from; None if it is installed."""
    checkout = Path(__file__).parents[2]
    if not (checkout / ".git").exists():
        return None
    try:
        commit = _git(checkout, "describe", "--always", "--abbrev=40")
        # Not describe --dirty, which writes the index: interrupted, it would leave a lock in the user's repository.
        changed = _git(checkout, "--no-optional-locks", "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.CalledProcessError):
        return None
    return f"{commit}-dirty" if changed else commit


def _git(checkout: Path, *arguments: str) -> str:
    return subprocess.run(["git", "-C", str(checkout), *arguments], capture_output=True, text=True, check=True).stdout.strip()
