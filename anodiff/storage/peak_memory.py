"""How much memory has a process taken so far? A file says it, also after the process was killed.

The next attempt at a training asks for what the last one took: see `anodiff.sweep.job_memory`.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

#: The file, in a run's scratch folder.
PEAK_FILE = "memory.json"

#: Seconds between two looks, and between two writes of an unchanged peak.
LOOK_EVERY, WRITE_EVERY = 1.0, 15.0


@dataclass(frozen=True)
class Peak:
    """The largest resident memory of a process in MB, after so many seconds, and its job's number in SLURM."""

    megabytes: int
    seconds: float
    job: str


class PeakRecord:
    """Writes this process's `Peak` into a folder, whenever it has grown."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._start = time.monotonic()
        self._written, self._due = 0, 0.0

    def write(self) -> None:
        """Write the peak, if it has grown by a hundredth or was written long ago."""
        peak, now = peak_memory(), time.monotonic()
        if peak <= 1.01 * self._written and now < self._due:
            return
        self._written, self._due = peak, now + WRITE_EVERY
        content = {"megabytes": peak, "seconds": round(now - self._start), "job": os.environ.get("SLURM_JOB_ID", "")}
        partial = self._folder / f".{PEAK_FILE}.partial"
        with suppress(OSError):  # a full disk is for the training to report
            partial.write_text(json.dumps(content), encoding="utf-8")
            partial.replace(self._folder / PEAK_FILE)

    def discard(self) -> None:
        """Remove the file: the work is done, so there is no next attempt."""
        for name in (PEAK_FILE, f".{PEAK_FILE}.partial"):
            (self._folder / name).unlink(missing_ok=True)


@contextmanager
def record_peak_memory(folder: Path) -> Iterator[None]:
    """Keep this process's `Peak` in a folder while the block runs, and after it if it ends with an error."""
    record, stop = PeakRecord(folder), threading.Event()

    def watch() -> None:
        while not stop.wait(LOOK_EVERY):
            record.write()

    record.write()
    thread = threading.Thread(target=watch, name="anodiff memory", daemon=True)
    thread.start()
    try:
        yield
    except BaseException:
        _end(thread, stop)
        record.write()
        raise
    _end(thread, stop)
    record.discard()


def _end(thread: threading.Thread, stop: threading.Event) -> None:
    stop.set()
    thread.join()


def read_peak(folder: Path) -> Peak | None:
    """Return the peak that `record_peak_memory` has written into a folder; None if there is none."""
    try:
        found = json.loads((folder / PEAK_FILE).read_text(encoding="utf-8"))
        return Peak(int(found["megabytes"]), float(found["seconds"]), str(found["job"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def peak_memory() -> int:
    """Return the largest resident memory of this process so far, in MB."""
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 // 10**6
    import resource
    import sys

    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest * (1 if sys.platform == "darwin" else 1024) // 10**6
