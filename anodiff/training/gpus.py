"""Which of a workstation's GPUs does this training take? One that no other training has, by itself.

Each process holds a lock file named after its GPU, for as long as it trains; the lock is the kernel's, so a process that dies
leaves its GPU free. When every GPU has a training, each gets a second one before any gets a third. The devices are those that
torch sees, so ``CUDA_VISIBLE_DEVICES`` and a scheduler's choice hold.
"""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch

from anodiff.errors import StorageError
from anodiff.training.device import choose_device

#: Trainings that may share a GPU.
SHARES = 64


@contextmanager
def claim_device(name: str = "auto") -> Iterator[torch.device]:
    """Give the device called ``name``; ``auto`` is a free GPU of several, the one GPU there is, or the CPU.

    Raises
    ------
    ConfigError
        If torch does not know the device, or this machine does not have it.
    """
    if name != "auto":
        yield choose_device(name)
        return
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if count < 2:
        yield torch.device("cuda" if count else "cpu")
        return
    devices = [str(torch.cuda.get_device_properties(index).uuid) for index in range(count)]
    with claim(devices, memory_in_use()) as index:
        yield torch.device("cuda", index)


@contextmanager
def claim(devices: Sequence[str], in_use: Mapping[str, float], folder: Path | None = None) -> Iterator[int]:
    """Hold one of ``devices``, given by unique names, and give its position: that with the fewest trainings of ours.

    Parameters
    ----------
    in_use
        MiB of memory in use on each device, as far as known: among devices with as many trainings, the emptiest is taken. It
        is how the processes of others are noticed.
    folder
        Where the lock files lie; by default a folder of this user's in the machine's temporary folder.
    """
    folder = folder or Path(tempfile.gettempdir(), f"anodiff-gpus-{os.getuid()}")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    order = sorted(range(len(devices)), key=lambda index: in_use.get(devices[index], 0.0))
    for share in range(SHARES):
        for index in order:
            descriptor = os.open(folder / f"{devices[index]}.{share}", os.O_RDWR | os.O_CREAT, 0o600)
            try:
                if _lock(descriptor):
                    yield index
                    return
            finally:
                os.close(descriptor)
    raise StorageError(f"{folder}: every GPU has {SHARES} trainings already; wait, or name one with --device")


def memory_in_use() -> dict[str, float]:
    """Return the MiB in use on each GPU by its uuid, as nvidia-smi says; nothing where that is missing.

    Torch could say so too, but only by taking several hundred MiB on every GPU that it asks.
    """
    command = ["nvidia-smi", "--query-gpu=uuid,memory.used", "--format=csv,noheader,nounits"]
    try:
        listed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout
        pairs = [line.split(",") for line in listed.splitlines() if line.strip()]
        return {uuid.strip().removeprefix("GPU-"): float(used) for uuid, used in pairs}
    except (OSError, subprocess.SubprocessError, ValueError):
        return {}


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
            raise
        return False
    return True
