"""Which of a workstation's GPUs does this run take? One that no other run of the same user has.

Each process holds a lock file named after its GPU while it trains. The lock is the kernel's, so a
process that dies frees its GPU. When every GPU has a run, each gets a second one before any gets a
third. The devices are those that torch sees, so ``CUDA_VISIBLE_DEVICES`` and a scheduler's choice
are respected.
"""

from __future__ import annotations

import errno
import fcntl
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pynvml
import torch

from anodiff.errors import StorageError
from anodiff.training.device import choose_device

#: Runs that may share a GPU.
MAX_RUNS_PER_GPU = 64


@contextmanager
def claim_device(name: str = "auto") -> Iterator[torch.device]:
    """Give the device called ``name``; ``auto`` is a free GPU, the only GPU, or the CPU.

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
    uuids = [str(torch.cuda.get_device_properties(index).uuid) for index in range(count)]
    with claim_gpu(uuids, memory_in_use()) as index:
        yield torch.device("cuda", index)


@contextmanager
def claim_gpu(uuids: Sequence[str], in_use: Mapping[str, float], folder: Path | None = None) -> Iterator[int]:
    """Hold the GPU with the fewest of this user's runs, and give its index in ``uuids``.

    Parameters
    ----------
    in_use
        MiB of memory in use on each GPU, if known. Among GPUs with equally many runs, the emptiest
        is taken, which avoids those that other processes use.
    folder
        Where the lock files are; by default a folder of this user in the machine's temporary
        folder.
    """
    folder = folder or Path(tempfile.gettempdir(), f"anodiff-gpus-{os.getuid()}")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    emptiest_first = sorted(range(len(uuids)), key=lambda index: in_use.get(uuids[index], 0.0))
    for share in range(MAX_RUNS_PER_GPU):
        for index in emptiest_first:
            descriptor = os.open(folder / f"{uuids[index]}.{share}", os.O_RDWR | os.O_CREAT, 0o600)
            try:
                if _try_lock(descriptor):
                    yield index
                    return
            finally:
                os.close(descriptor)
    raise StorageError(f"{folder}: every GPU has {MAX_RUNS_PER_GPU} runs already; wait, or name one with --device")


def memory_in_use() -> dict[str, float]:
    """Return the MiB in use on each GPU by its UUID, from NVIDIA's driver; empty without a driver.

    Torch could tell too, but takes several hundred MiB on every GPU that it asks.
    """
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return {}
    try:
        handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
        return {
            pynvml.nvmlDeviceGetUUID(handle).removeprefix("GPU-"): pynvml.nvmlDeviceGetMemoryInfo(handle).used / 2**20
            for handle in handles
        }
    except pynvml.NVMLError:
        return {}
    finally:
        pynvml.nvmlShutdown()


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
            raise
        return False
    return True
