"""When have logs and benchmarks of a sweep's jobs changed, and how long did the jobs take?"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path


def changed(path: str | Path) -> float:
    """Return when a file or folder was changed; 0 if there is none."""
    try:
        return os.stat(path).st_mtime  # noqa: PTH116  # a Path takes three times as long
    except OSError:
        return 0.0


def times(folder: str, ending: str) -> dict[str, float]:
    """Return when each file of a folder was changed, by name, and under an empty name the file next to the folder."""
    beside = changed(f"{folder}{ending}")
    found = {"": beside} if beside else {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.endswith(ending):
                    found[entry.name.removesuffix(ending)] = entry.stat().st_mtime
    except OSError:
        pass  # no job of the rule has begun, or a file has just been removed: the next look is right
    return found


@lru_cache(maxsize=100_000)
def benchmark_seconds(benchmark: str, version: float) -> float | None:
    """Return the seconds in a benchmark of Snakemake's; ``version``, its time of change, says when to read it again."""
    try:
        heads, values = (line.split("\t") for line in Path(benchmark).read_text(encoding="utf-8").splitlines()[:2])
        return float(dict(zip(heads, values, strict=False))["s"])
    except (OSError, ValueError, KeyError):
        return None
