"""How much memory does the next job of a run ask for?

More than the last one only if memory was the reason for its end; what an earlier attempt has been
measured to take, rather than an estimate; and never more than a node of the partition has.
"""

from __future__ import annotations

import math
import re
import subprocess
from dataclasses import dataclass
from functools import lru_cache

from anodiff.storage.peak_memory import Peak

#: A job asks for this many times the memory that an earlier attempt has taken.
MARGIN = 1.25

#: A job asks for this many times the memory of the last one, if that was too little.
GROWTH = 1.5

#: An attempt that has taken this share of what it asked for, and ended, may have wanted more.
NEARLY_ALL = 0.9

#: A peak below the estimate counts after this many seconds: sooner, not all buffers are full.
LONG_ENOUGH = 600.0

#: Seconds to wait for an answer of SLURM.
SLURM_TIMEOUT = 10.0

#: What programs say when they get no memory.
_REFUSED = re.compile(r"MemoryError|[Cc]an(?:'t|not) allocate memory|oom[-_ ]kill", re.IGNORECASE)


#: The memory of a job, as scontrol and sacct write it.
_MEMORY = re.compile(r"(?:MinMemoryNode=|\|)(\d+(?:\.\d+)?)([KMGT])")
_UNITS = {"K": 1 / 1024, "M": 1, "G": 1024, "T": 1024**2}


@dataclass(frozen=True)
class LastJob:
    """An attempt that ended: its job's number, the MB that it asked for, whether SLURM has ended it
    because it took more, and the end of its log.
    """

    job: str = ""
    asked: int | None = None
    out_of_memory: bool = False
    last_lines: str = ""


def next_memory(estimate: int, last: LastJob | None = None, peak: Peak | None = None, largest: int | None = None) -> int:
    """Return the MB that the next job of a run asks for.

    Parameters
    ----------
    estimate
        MB, for a job of which nothing is known.
    last
        The attempt before, if this is not the first.
    peak
        What an earlier attempt has taken, if it was measured.
    largest
        MB of the partition's largest node.

    Examples
    --------
    >>> next_memory(800), next_memory(800, LastJob(asked=800)), next_memory(5000, largest=4000)
    (800, 800, 4000)
    >>> next_memory(800, LastJob(asked=800, last_lines="MemoryError"))
    1200
    >>> next_memory(800, peak=Peak(1000, seconds=30, job="17"))
    1250
    """
    wanted = estimate
    if peak and (peak.megabytes > estimate or peak.seconds >= LONG_ENOUGH):
        wanted = math.ceil(MARGIN * peak.megabytes)
    elif last and last.asked:
        wanted = max(wanted, last.asked)  # it may have asked for more because of an attempt before it
    if last and _wanted_memory(last, peak):
        wanted = max(wanted, math.ceil(GROWTH * (last.asked or estimate)))
    return min(wanted, largest) if largest else wanted


@lru_cache(maxsize=16)
def largest_node(partition: str) -> int | None:
    """Return the MB of the largest node of a partition, or its limit for a job; None if SLURM does not say."""
    nodes = [int(text) for text in re.findall(r"\d+", _ask("sinfo", "-h", "-N", "-p", partition, "-o", "%m"))]
    limit = re.search(r"MaxMemPerNode=(\d+)", _ask("scontrol", "-o", "show", "partition", partition))
    found = [max(nodes)] if nodes else []
    return min(found + ([int(limit[1])] if limit else []), default=None)


def ask_slurm(job: str, last_lines: str = "") -> LastJob:
    """Return what SLURM knows of a job that has ended: from its accounting, or for some minutes from its controller."""
    said = _ask_about(job)
    asked = _MEMORY.search(said)
    megabytes = math.ceil(float(asked[1]) * _UNITS[asked[2]]) if asked else None
    return LastJob(job, megabytes, "OUT_OF_ME" in said, last_lines)


@lru_cache(maxsize=4096)
def _ask_about(job: str) -> str:
    return _ask("sacct", "-n", "-P", "-o", "State,ReqMem", "-j", job) + _ask("scontrol", "-o", "show", "job", job)


def _wanted_memory(last: LastJob, peak: Peak | None) -> bool:
    if last.out_of_memory or _REFUSED.search(last.last_lines):
        return True
    return bool(last.asked and peak and peak.job == last.job and peak.megabytes >= NEARLY_ALL * last.asked)


def _ask(*command: str) -> str:
    """Return the output of a program of SLURM's; nothing if it is not there or does not answer."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=SLURM_TIMEOUT).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""
