"""Can this machine run anodiff? One line a check: well, a warning, or a problem, each with what mends it.

A problem is what nothing works without; a warning is what some sweeps need. Nothing is downloaded, no package imported that is
not asked about, and what is written for a check is removed again.
"""

from __future__ import annotations

import fcntl
import math
import os
import platform
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any, Literal

from anodiff.storage.stores import existing

Status = Literal["ok", "warn", "problem"]
OK: Status = "ok"
WARN: Status = "warn"
PROBLEM: Status = "problem"

#: Free bytes below which a disk or a memory is worth a warning: what the demo takes.
DISK, MEMORY = 6e9, 3e9

#: Seconds within which a scheduler should answer.
PATIENCE = 10.0

#: Packages beside those that anodiff needs: what each is for, and what installs it.
OPTIONAL = {
    "snakemake": ("running sweeps", "pip install -c constraints.txt -e '.[workflow]'"),
    "snakemake-executor-plugin-slurm": ("running sweeps on a cluster", "pip install -c constraints.txt -e '.[workflow]'"),
}

#: Files that torchvision's data sets have under the data root, of which one is looked for.
DATASET_FILES = {
    "cifar10": "cifar-10-batches-py/data_batch_1",
    "cifar100": "cifar-100-python/train",
    "mnist": "MNIST/raw/train-images-idx3-ubyte",
    "fashion_mnist": "FashionMNIST/raw/train-images-idx3-ubyte",
}


@dataclass(frozen=True)
class Finding:
    """What a check found: ``ok``, ``warn`` or ``problem``, in words, and what mends it (empty where all is well)."""

    name: str
    status: Status
    found: str
    mend: str = ""


def examine(
    *, data_root: Path = Path("data"), results: Path = Path("results"), scratch: Path = Path("scratch")
) -> list[Finding]:
    """Check this installation and machine.

    Parameters
    ----------
    data_root, results, scratch
        Folders of data sets, of results and of trainings in progress; those that do not exist yet are looked for above.
    """
    checks: list[Callable[[], Iterator[Finding]]] = [
        _python,
        _packages,
        _optional,
        _devices,
        _memory,
        lambda: _folder("results", results),
        lambda: _folder("scratch", scratch),
        lambda: _renaming(results, scratch),
        _slurm,
        lambda: _datasets(data_root),
    ]
    return [finding for check in checks for finding in check()]


def is_broken(findings: list[Finding]) -> bool:
    """Return whether something is broken that nothing works without."""
    return any(finding.status == PROBLEM for finding in findings)


def as_values(findings: list[Finding]) -> list[dict[str, Any]]:
    """Return the findings as values that JSON can hold."""
    return [asdict(finding) for finding in findings]


def print_findings(findings: list[Finding]) -> None:
    """Print a line for each finding, and below it what mends it."""
    from rich.console import Console
    from rich.markup import escape

    console = Console(highlight=False, soft_wrap=True)
    styles = {OK: "green", WARN: "yellow", PROBLEM: "bold red"}
    for finding in findings:
        style = styles[finding.status]
        console.print(f"[{style}]{finding.status:8}[/{style}]{escape(finding.name)}: {escape(finding.found)}")
        if finding.mend:
            console.print(f"        → {escape(finding.mend)}")


def _python() -> Iterator[Finding]:
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}, {os.cpu_count()} CPUs"
    yield Finding("python", OK, found)


def _packages() -> Iterator[Finding]:
    """Check the packages that anodiff says it requires, against the versions that it asks for."""
    from packaging.requirements import Requirement

    missing, told = [], []
    for line in requires("anodiff") or []:
        requirement = Requirement(line)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            installed = version(requirement.name)
        except PackageNotFoundError:
            missing.append(f"{requirement.name} is missing")
            continue
        if requirement.specifier and not requirement.specifier.contains(installed, prereleases=True):
            missing.append(f"{requirement.name} {installed}, needed: {requirement.specifier}")
        if requirement.name in ("numpy", "scipy", "torch", "torchvision", "xarray", "zarr"):
            told.append(f"{requirement.name} {installed}")
    if missing:
        yield Finding("packages", PROBLEM, "; ".join(missing), "pip install -c constraints.txt -e .")
    else:
        yield Finding("packages", OK, f"anodiff {version('anodiff')}, " + ", ".join(told))


def _optional() -> Iterator[Finding]:
    for name, (purpose, mend) in OPTIONAL.items():
        try:
            yield Finding(name, OK, version(name))
        except PackageNotFoundError:
            yield Finding(name, WARN, f"not installed; it is for {purpose}", mend)


def _devices() -> Iterator[Finding]:
    try:
        import torch
    except (ImportError, OSError) as error:
        reason = " ".join(str(error).split())
        yield Finding(
            "torch", PROBLEM, f"cannot be imported: {reason}", "pip install --force-reinstall -c constraints.txt torch"
        )
        return
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count())]
        found = "; ".join(f"cuda:{i} {p.name}, {p.total_memory / 1e9:.0f} GB" for i, p in enumerate(names))
        yield Finding("devices", OK, f"{found} (CUDA {torch.version.cuda})")
    elif shutil.which("nvidia-smi"):
        yield Finding(
            "devices",
            WARN,
            f"nvidia-smi is there, but torch {torch.__version__} sees no GPU",
            "install the torch build for this driver's CUDA, see https://pytorch.org/get-started",
        )
    else:
        yield Finding("devices", OK, "cpu only")


def _memory() -> Iterator[Finding]:
    free = _available_memory()
    if free is None:
        return
    if free < MEMORY:
        mend = "end other programs, or run fewer jobs at a time: snakemake --cores 1"
        yield Finding("memory", WARN, f"{free / 1e9:.1f} GB free; a training takes 1 to 3 GB", mend)
    else:
        yield Finding("memory", OK, f"{free / 1e9:.1f} GB free")


def _folder(name: str, folder: Path) -> Iterator[Finding]:
    """Check that a folder can be written to, that its disk has room, and that files can be locked on it."""
    there = existing(folder)
    where = str(folder) if there == folder else f"{folder} (not there yet; {there.resolve()} is)"
    probe = there / f".anodiff-doctor-{os.getpid()}"
    try:
        descriptor = os.open(probe, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        mend = f"make it writable (chmod u+w {there}), or set paths.{name} in the config to a folder of yours"
        yield Finding(name, PROBLEM, f"{where}: cannot be written to: {error.strerror}", mend)
        return
    try:
        os.write(descriptor, b"anodiff")
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            mend = f"set paths.{name} to a local disk, or mount it with locks; without them see docs/resume.md"
            yield Finding(f"{name}: locks", WARN, f"{where}: files cannot be locked: {error.strerror}", mend)
        else:
            yield Finding(f"{name}: locks", OK, "files can be locked")
    except OSError as error:
        yield Finding(name, PROBLEM, f"{where}: {error.strerror}", f"make room on it, or set paths.{name} to another disk")
        return
    finally:
        os.close(descriptor)
        probe.unlink(missing_ok=True)
    free = shutil.disk_usage(there).free
    found = f"{where}: writable, {free / 1e9:.0f} GB free"
    if free < DISK:
        mend = f"make room, or set paths.{name} to another disk; what a sweep takes says: anodiff plan CONFIG"
        yield Finding(f"{name}: folder", WARN, found, mend)
    else:
        yield Finding(f"{name}: folder", OK, found)


def _renaming(results: Path, scratch: Path) -> Iterator[Finding]:
    if existing(results).stat().st_dev != existing(scratch).stat().st_dev:
        mend = "for one rename instead of a copy set paths.scratch to a folder on the disk of paths.results"
        yield Finding("results and scratch", WARN, "on different file systems: finished paths are copied", mend)


def _slurm() -> Iterator[Finding]:
    if shutil.which("sinfo") is None:
        yield Finding("slurm", OK, "not here (no sinfo): sweeps run on this machine")
        return
    try:
        command = ["sinfo", "--noheader", "--format=%R %a %D"]
        listed = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        yield Finding(
            "slurm", WARN, f"sinfo does not answer within {PATIENCE:.0f} s", "ask the cluster's staff; try: scontrol ping"
        )
        return
    except OSError as error:
        yield Finding("slurm", WARN, f"sinfo cannot be run: {error.strerror}", "module load slurm")
        return
    if listed.returncode:
        reason = " ".join(listed.stderr.split()) or f"exit status {listed.returncode}"
        yield Finding("slurm", WARN, f"sinfo: {reason}", "log in on the cluster's login node; try: scontrol ping")
        return
    partitions = [line.split() for line in listed.stdout.splitlines() if line.strip()]
    names = ", ".join(f"{name} ({nodes} nodes{'' if state == 'up' else ', ' + state})" for name, state, nodes in partitions)
    yield Finding("slurm", OK, f"reachable: {names}; the profile's partitions: profiles/slurm/config.yaml")


def _datasets(root: Path) -> Iterator[Finding]:
    """Look for the files of torchvision's data sets; whether they are whole is checked by those who read them."""
    present = [name for name, file in DATASET_FILES.items() if (root / file).is_file()]
    absent = [name for name in DATASET_FILES if name not in present]
    yield Finding("data: built in", OK, "digits, gaussian_clusters: no files needed")
    if present:
        yield Finding("data: files", OK, f"{', '.join(present)} in {root}")
    if absent:
        mend = f"set download: true in the config, or lay torchvision's files in {root} (paths.data)"
        yield Finding("data: files", WARN, f"{', '.join(absent)} not in {root}; sweeps of the others work", mend)


def _available_memory() -> float | None:
    """Return the bytes of memory that can be had without swapping; None where nobody knows."""
    from anodiff.storage.memory import available_memory

    free = available_memory()
    return free if math.isfinite(free) else None
