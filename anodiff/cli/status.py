"""How far is a sweep?

Which runs are done, running (where, how fast), waiting, interrupted or failed, from their files
alone.

A training is running if its lock file was touched within the last minutes. Another stage is running
if its log has grown within the last minutes and its output does not exist yet. No lock is taken to
find out, since that could stop a training from starting.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anodiff.cli.progress import last_lines, read_log_line
from anodiff.errors import AnodiffError, StoreMissingError
from anodiff.report.page_state import RUN_LIST
from anodiff.storage.lock import describe_owner, read_owner
from anodiff.storage.stores import DIVERGED, read_attributes

#: The stages of a run in their order; a stage is done once this file or folder exists.
STAGES = {"train": "trajectory.zarr", "geometry": "geometry.zarr", "diffusion": "diffusion.zarr"}

#: The same for stages of the landscape, which only some runs have, and for those that a config may omit. They count for a
#: run once they have a log.
LANDSCAPE_STAGES = {
    "landscape": "landscape/slices",
    "roughness": "landscape/roughness.zarr",
    "curvature": "landscape/curvature.zarr",
}
OPTIONAL_STAGES = {
    "characterise": "characters.csv",
    "parts": "parts.zarr",
    **LANDSCAPE_STAGES,
    "learning": "learning.zarr",
}

#: States, those that need attention first.
STATES = ("failed", "interrupted", "running", "waiting", "diverged", "done")

#: A stage counts as running for this many seconds after the last line in its log or the last touch of its lock.
SILENCE = 180.0


@dataclass(frozen=True)
class RunStatus:
    """How far a run is.

    Attributes
    ----------
    state
        One of `STATES`; diverged means that the training has diverged and the analysis is done.
    stage
        The stage that runs, waits, failed or was interrupted; empty if all are done.
    progress, rate, left
        What the stage's log said last: done/total and unit, units per second, time left; empty if
        it said nothing.
    step
        Optimiser step of the newest checkpoint of an unfinished training; None without one.
    owner
        Process, host and job that train it, from the lock file; empty if there is none.
    last_line
        The last line of the stage's log; empty without one.
    """

    name: str
    state: str
    stage: str = ""
    progress: str = ""
    rate: str = ""
    left: str = ""
    step: int | None = None
    owner: str = ""
    last_line: str = ""


def sweep_status(results: str | Path, scratch: str | Path, runs: Iterable[str] | None = None) -> list[RunStatus]:
    """Return how far each run of a sweep is, by name.

    Parameters
    ----------
    results
        The sweep's folder, such as ``results/demo``.
    scratch
        Its folder of unfinished training, such as ``scratch/digits``.
    runs
        Names of its runs, as in its config; by default those that have a run.yaml, and those that
        Snakemake has listed.

    Raises
    ------
    StoreMissingError
        If ``runs`` is not given and the folder has none.
    """
    results, scratch = Path(results), Path(scratch)
    names = list(runs) if runs is not None else sorted(_begun_runs(results) | _listed_runs(results))
    if not names:
        raise StoreMissingError(f"{results}: no runs in it; give a sweep's folder, such as results/demo, or its config file")
    return [_run_status(name, results, scratch / name) for name in names]


def _begun_runs(results: Path) -> set[str]:
    return {path.parent.name for path in results.glob("runs/*/run.yaml")}


def _listed_runs(results: Path) -> set[str]:
    """Return the runs in the list that Snakemake writes as it starts; none without it."""
    try:
        return set((results / RUN_LIST).read_text(encoding="utf-8").split())
    except (OSError, ValueError):
        return set()


def _run_status(name: str, results: Path, scratch: Path) -> RunStatus:
    folder = results / "runs" / name
    logs = {stage: results / "logs" / stage / f"{name}.log" for stage in STAGES | OPTIONAL_STAGES}
    begun = {stage: output for stage, output in OPTIONAL_STAGES.items() if logs[stage].exists()}
    stage = next((stage for stage, output in (STAGES | begun).items() if not (folder / output).exists()), "")
    if not stage:
        return RunStatus(name, "diverged" if _has_diverged(folder) else "done")
    lines = last_lines(logs[stage])
    last = lines[-1] if lines else ""
    step, owner, alive = None, "", _is_recent(logs[stage])
    if stage == "train":
        step = _last_checkpoint(scratch / "checkpoints")
        holder = read_owner(scratch / "lock")
        owner, alive = describe_owner(holder) if holder else "", bool(holder) and _is_recent(scratch / "lock")
    details: dict[str, Any] = {"stage": stage, "step": step, "last_line": last.removeprefix("anodiff: ")}
    logged = next(filter(None, map(read_log_line, reversed(lines))), None)
    if logged:
        details |= {"progress": f"{logged.done}/{logged.total} {logged.unit}", "rate": logged.rate}
    crashed = any(line.startswith("Traceback (most recent call last)") for line in lines)
    if alive and not crashed and not last.startswith("anodiff: "):
        return RunStatus(name, "running", left=logged.left if logged else "", owner=owner, **details)
    if last.startswith("anodiff: interrupted") or (step is not None and not crashed):
        return RunStatus(name, "interrupted", **details)
    if not lines and step is None:
        return RunStatus(name, "waiting", stage=stage)
    return RunStatus(name, "failed", **details)


def _has_diverged(folder: Path) -> bool:
    try:
        return read_attributes(folder / STAGES["diffusion"]).get("status") == DIVERGED
    except AnodiffError:
        return False


def _is_recent(path: Path) -> bool:
    """Return whether a file was written or touched within `SILENCE`."""
    try:
        return time.time() - path.stat().st_mtime < SILENCE
    except OSError:
        return False


def _last_checkpoint(folder: Path) -> int | None:
    steps = [int(path.name[:12]) for path in folder.glob("*.pt") if path.name[:12].isdigit()]
    return max(steps, default=None)
