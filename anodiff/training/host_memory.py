"""How does a process that trains keep the memory that each step frees?

The C library returns an array above 32 MiB to the operating system when it is freed, and the next
step takes it back page by page, each of which the system first fills with zeros. On a CPU that was
a third of the step of a ResNet-14 at batch 512, whose activations are 34 MB each
(`benchmarks/published_step.py`). A process that does nothing but train needs the same memory again
at once, so it tells the library to keep it.
"""

from __future__ import annotations

import ctypes
import platform

#: Parameters of glibc's mallopt(3), from malloc.h.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3

#: Bytes that are kept when they are free, and from which on an array is given a mapping of its own.
KEPT, OWN_MAPPING = 2**31 - 1, 2**30


def keep_freed_memory() -> bool:
    """Let the C library keep what this process frees; return whether it does.

    It changes the whole process for good, so it is for a command's own process and not for a
    caller's. Nothing changes where the library is not glibc (musl, macOS, Windows), which has no
    such option.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(M_MMAP_THRESHOLD, OWN_MAPPING)) and bool(mallopt(M_TRIM_THRESHOLD, KEPT))
