"""How far is a sweep? Which runs are done, running (where, how fast), waiting, interrupted or failed, from their files alone.

A run is running when its lock in the scratch folder has been touched within the last minutes, or a stage's log has grown lately
without its output being there. No lock is taken to find out: one that is being tried could keep a training from beginning.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.text import Text

from anodiff.cli.inspection_text import plain_table
from anodiff.cli.progress import read_log_line
from anodiff.errors import AnodiffError, StoreMissingError
from anodiff.storage.stores import DIVERGED, open_group

#: The stages of a run in their order: the file or folder that says that one is done.
STAGES = {"train": "trajectory.zarr", "geometry": "geometry.zarr", "diffusion": "diffusion.zarr"}

#: The same of the stages that only some runs go through: these a run is in once they have a log.
SOME_STAGES = {
    "landscape": "landscape/slices",
    "roughness": "landscape/roughness.zarr",
    "curvature": "landscape/curvature.zarr",
}

#: States in the order in which they are told.
STATES = ("failed", "interrupted", "running", "waiting", "diverged", "done")

#: Seconds without a sign of life (a line in the log, a touch of the lock) after which a stage does not count as running.
SILENCE = 180.0


@dataclass(frozen=True)
class RunStatus:
    """How far a run is.

    Attributes
    ----------
    state
        One of `STATES`; diverged: its training is, and the analysis is done.
    stage
        The stage that runs, waits, failed or was interrupted; empty where all are done.
    progress, rate, left
        What the stage's log said last: done of all with the unit, units a second, time left; empty where it said nothing.
    step
        Optimiser step of the newest checkpoint of a training in progress; None without one.
    owner
        Who trains it: process, host and job, from the lock file; empty where nobody does.
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
        The sweep's folder, such as ``results/digits``.
    scratch
        Its folder of trainings in progress, such as ``scratch/digits``.
    runs
        Names of its runs, as its config has them; by default those that have a run.yaml already.

    Raises
    ------
    StoreMissingError
        If ``runs`` is not given and the folder holds none.
    """
    results, scratch = Path(results), Path(scratch)
    names = list(runs) if runs is not None else sorted(path.parent.name for path in results.glob("runs/*/run.yaml"))
    if not names:
        raise StoreMissingError(f"{results}: no runs in it; name a sweep's folder, such as results/digits, or its config file")
    return [_status(name, results, scratch / name) for name in names]


def as_values(runs: Iterable[RunStatus]) -> list[dict[str, Any]]:
    """Return the runs as values that JSON can hold."""
    return [asdict(run) for run in runs]


def counts(runs: Iterable[RunStatus]) -> dict[str, int]:
    """Return how many runs are in each state, those without any left out."""
    found = [run.state for run in runs]
    return {state: found.count(state) for state in STATES if state in found}


def rendered(title: str, runs: list[RunStatus], *, everything: bool = False) -> RenderableType:
    """Return a sweep's status for a terminal: numbers, and a table of the runs that are not simply done or waiting."""
    said = ", ".join(f"{number} {state}" for state, number in counts(runs).items())
    told = [run for run in runs if everything or run.state not in ("done", "waiting")]
    told.sort(key=lambda run: STATES.index(run.state))
    head = Text.from_markup(f"[bold]{escape(title)}[/bold]: {len(runs)} runs: {said}")
    if not told:
        return head
    table = plain_table("run", "state", "stage", "progress", "rate", "left", "where, or the last line of its log")
    for run in told:
        checkpoint = f"checkpoint at step {run.step}" if run.step is not None else ""
        progress = run.progress or checkpoint
        where = run.owner if run.state == "running" else run.last_line
        table.add_row(run.name, run.state, run.stage, progress, run.rate, run.left, escape(where))
    return Group(head, table)


def _status(name: str, results: Path, scratch: Path) -> RunStatus:
    folder = results / "runs" / name
    logs = {stage: results / "logs" / stage / f"{name}.log" for stage in STAGES | SOME_STAGES}
    begun = {stage: output for stage, output in SOME_STAGES.items() if logs[stage].exists()}
    stage = next((stage for stage, output in (STAGES | begun).items() if not (folder / output).exists()), "")
    if not stage:
        return RunStatus(name, "diverged" if _diverged(folder) else "done")
    log = logs[stage]
    lines = _last_lines(log)
    last = lines[-1] if lines else ""
    logged = next(filter(None, map(read_log_line, reversed(lines))), None)
    said: dict[str, Any] = {}
    if logged:
        said = {"progress": f"{logged.done}/{logged.total} {logged.unit}", "rate": logged.rate}
    step, owner, alive = (None, "", _lately(log))
    if stage == "train":
        step = _checkpoint(scratch / "checkpoints")
        holder = _owner(scratch / "lock")
        owner, alive = _said(holder), bool(holder) and _lately(scratch / "lock")
    about: dict[str, Any] = {"stage": stage, "step": step, "last_line": last.removeprefix("anodiff: ")}
    if alive and not last.startswith("anodiff: ") and not _is_failure(lines):
        return RunStatus(name, "running", left=logged.left if logged else "", owner=owner, **said, **about)
    if last.startswith("anodiff: interrupted") or (stage == "train" and step is not None and not _is_failure(lines)):
        return RunStatus(name, "interrupted", **said, **about)
    if not lines and step is None:
        return RunStatus(name, "waiting", stage=stage)
    return RunStatus(name, "failed", **said, **about)


def _diverged(folder: Path) -> bool:
    try:
        return open_group(folder / STAGES["diffusion"]).attrs.get("status") == DIVERGED
    except AnodiffError:
        return False


def _last_lines(log: Path) -> list[str]:
    """Return the last lines of a log that say something; of a long log its end alone is read."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 16_384))
            text = file.read().decode(errors="replace")
    except OSError:
        return []
    return [line.strip() for line in text.splitlines() if line.strip()]


def _is_failure(lines: list[str]) -> bool:
    return any(line.startswith("Traceback (most recent call last)") for line in lines)


def _lately(path: Path) -> bool:
    """Return whether a file was written or touched within `SILENCE`."""
    try:
        return time.time() - path.stat().st_mtime < SILENCE
    except OSError:
        return False


def _owner(lock: Path) -> Mapping[str, Any]:
    """Return what a lock file, see `anodiff.storage.lock`, says of its holder; nothing where it says nothing."""
    try:
        owner = json.loads(lock.read_bytes())
    except (OSError, ValueError):
        return {}
    return owner if isinstance(owner, dict) else {}


def _said(owner: Mapping[str, Any]) -> str:
    if not owner:
        return ""
    job = f", SLURM job {owner['job']}" if owner.get("job") else ""
    return f"host {owner.get('host')}, process {owner.get('process')}{job}, since {owner.get('since')}"


def _checkpoint(folder: Path) -> int | None:
    steps = [int(path.name[:12]) for path in folder.glob("*.pt") if path.name[:12].isdigit()]
    return max(steps, default=None)
