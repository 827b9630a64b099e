"""How much memory may still be taken? Asked before a thing is made that may not fit."""

from __future__ import annotations

import math
import os
from pathlib import Path

from anodiff.errors import ConfigError

#: Where Linux says how much memory can be had; SC_AVPHYS_PAGES leaves the page cache out, and other systems lack it.
MEMINFO = Path("/proc/meminfo")


def refuse_too_large(what: str, needed: float, instead: str = "take fewer", free: float | None = None) -> None:
    """Raise `ConfigError`, with both numbers, if so many bytes are more than are free, by default on this machine."""
    free = available_memory() if free is None else free
    if needed > free:
        raise ConfigError(f"{what} needs {needed / 2**30:.1f} GiB of memory, {free / 2**30:.1f} GiB are free; {instead}")


def available_memory() -> float:
    """Return the bytes that may still be taken: what Linux can free (not only what is idle), elsewhere all there are."""
    try:
        for line in MEMINFO.read_text().splitlines():
            name, _, value = line.partition(":")
            if name == "MemAvailable":
                return 1024.0 * int(value.split()[0])
    except OSError:
        pass
    try:
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (ValueError, AttributeError):
        return math.inf
