"""Can this machine run anodiff? Each check says ok, warn or problem, and how to fix it.

Nothing works with a problem. A warning concerns something that only some sweeps need. The checks
download nothing, import no package except torch, and remove the file that they write.
"""

from __future__ import annotations

import fcntl
import os
import platform
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Literal

from anodiff.errors import reason_of
from anodiff.storage.files import nearest_existing_folder
from anodiff.storage.memory import available_memory

Status = Literal["ok", "warn", "problem"]
OK: Status = "ok"
WARN: Status = "warn"
PROBLEM: Status = "problem"

#: Free bytes of a disk and of the memory that the demo takes; below these there is a warning.
LOW_DISK, LOW_MEMORY = 6e9, 3e9

#: Seconds to wait for an answer of SLURM.
SLURM_TIMEOUT = 10.0

#: Packages that anodiff does not require: what each is for, and how to install it.
OPTIONAL = {
    "snakemake": ("running sweeps", "pip install -c constraints.txt -e '.[workflow]'"),
    "tokenizers": ("text in other tokens than bytes", "pip install -c constraints.txt -e '.[text]'"),
    "snakemake-executor-plugin-slurm": ("running sweeps on a cluster", "pip install -c constraints.txt -e '.[workflow]'"),
}

#: One file of each of torchvision's data sets, below the data root.
DATASET_FILES = {
    "cifar10": "cifar-10-batches-py/data_batch_1",
    "cifar100": "cifar-100-python/train",
    "mnist": "MNIST/raw/train-images-idx3-ubyte",
    "fashion_mnist": "FashionMNIST/raw/train-images-idx3-ubyte",
}


@dataclass(frozen=True)
class Finding:
    """The result of a check: ``ok``, ``warn`` or ``problem``, what was found, and how to fix it
    (empty if ok).
    """

    name: str
    status: Status
    found: str
    fix: str = ""


def check_all(
    *, data_root: Path = Path("data"), results: Path = Path("results"), scratch: Path = Path("scratch")
) -> list[Finding]:
    """Check this installation and machine.

    Parameters
    ----------
    data_root, results, scratch
        Folders of data sets, of results and of unfinished training. For a folder that does not
        exist yet, the nearest existing folder above it is checked.
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


def has_problem(findings: list[Finding]) -> bool:
    """Return whether any check found a problem, with which nothing works."""
    return any(finding.status == PROBLEM for finding in findings)


def print_findings(findings: list[Finding]) -> None:
    """Print a line for each finding, and below it how to fix it."""
    from rich.console import Console
    from rich.markup import escape

    console = Console(highlight=False, soft_wrap=True)
    styles = {OK: "green", WARN: "yellow", PROBLEM: "bold red"}
    for finding in findings:
        style = styles[finding.status]
        console.print(f"[{style}]{finding.status:8}[/{style}]{escape(finding.name)}: {escape(finding.found)}")
        if finding.fix:
            console.print(f"        → {escape(finding.fix)}")


def _python() -> Iterator[Finding]:
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}, {os.cpu_count()} CPUs"
    yield Finding("python", OK, found)


def _packages() -> Iterator[Finding]:
    """Check the packages and versions that anodiff requires."""
    from packaging.requirements import Requirement

    wrong, shown = [], []
    for line in requires("anodiff") or []:
        requirement = Requirement(line)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            installed = version(requirement.name)
        except PackageNotFoundError:
            wrong.append(f"{requirement.name} is missing")
            continue
        if requirement.specifier and not requirement.specifier.contains(installed, prereleases=True):
            wrong.append(f"{requirement.name} is {installed}, needed: {requirement.specifier}")
        if requirement.name in ("numpy", "scipy", "torch", "torchvision", "xarray", "zarr"):
            shown.append(f"{requirement.name} {installed}")
    if wrong:
        yield Finding("packages", PROBLEM, "; ".join(wrong), "pip install -c constraints.txt -e .")
    else:
        yield Finding("packages", OK, f"anodiff {version('anodiff')}, " + ", ".join(shown))


def _optional() -> Iterator[Finding]:
    for name, (purpose, fix) in OPTIONAL.items():
        try:
            yield Finding(name, OK, version(name))
        except PackageNotFoundError:
            yield Finding(name, WARN, f"not installed; needed for {purpose}", fix)


def _devices() -> Iterator[Finding]:
    try:
        import torch
    except (ImportError, OSError) as error:
        reason = reason_of(error)
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
            f"nvidia-smi is installed, but torch {torch.__version__} sees no GPU",
            "install the torch build for the CUDA version of this driver, see https://pytorch.org/get-started",
        )
    else:
        yield Finding("devices", OK, "cpu only")


def _memory() -> Iterator[Finding]:
    free = available_memory()
    if free < LOW_MEMORY:
        fix = "close other programs, or run fewer jobs at a time: snakemake --cores 1"
        yield Finding("memory", WARN, f"{free / 1e9:.1f} GB free; a training takes 1 to 3 GB", fix)
    else:
        yield Finding("memory", OK, f"{free / 1e9:.1f} GB free")


def _folder(name: str, folder: Path) -> Iterator[Finding]:
    """Check that a folder can be written to, that its files can be locked, and that its disk has
    enough space.
    """
    existing = nearest_existing_folder(folder)
    where = str(folder) if existing == folder else f"{folder} (does not exist yet; {existing.resolve()} does)"
    probe = existing / f".anodiff-doctor-{os.getpid()}"
    try:
        descriptor = os.open(probe, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        fix = f"make it writable (chmod u+w {existing}), or set paths.{name} in the config to your own folder"
        yield Finding(name, PROBLEM, f"{where}: cannot be written to: {error.strerror}", fix)
        return
    try:
        os.write(descriptor, b"anodiff")
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            fix = f"set paths.{name} to a local disk, or mount it with locks; to work without locks see docs/resume.md"
            yield Finding(f"{name}: locks", WARN, f"{where}: files cannot be locked: {error.strerror}", fix)
        else:
            yield Finding(f"{name}: locks", OK, "files can be locked")
    except OSError as error:
        yield Finding(name, PROBLEM, f"{where}: {error.strerror}", f"free some space, or set paths.{name} to another disk")
        return
    finally:
        os.close(descriptor)
        probe.unlink(missing_ok=True)
    free = shutil.disk_usage(existing).free
    found = f"{where}: writable, {free / 1e9:.1f} GB free"
    if free < LOW_DISK:
        fix = f"free some space, or set paths.{name} to another disk; anodiff plan CONFIG estimates what a sweep takes"
        yield Finding(f"{name}: folder", WARN, found, fix)
    else:
        yield Finding(f"{name}: folder", OK, found)


def _renaming(results: Path, scratch: Path) -> Iterator[Finding]:
    if nearest_existing_folder(results).stat().st_dev != nearest_existing_folder(scratch).stat().st_dev:
        fix = "to rename them instead, set paths.scratch to a folder on the disk of paths.results"
        yield Finding("results and scratch", WARN, "on different file systems: finished paths are copied", fix)


def _slurm() -> Iterator[Finding]:
    if shutil.which("sinfo") is None:
        yield Finding("slurm", OK, "not installed (no sinfo): sweeps run on this machine")
        return
    try:
        command = ["sinfo", "--noheader", "--format=%R %a %D"]
        listed = subprocess.run(command, capture_output=True, text=True, timeout=SLURM_TIMEOUT)
    except subprocess.TimeoutExpired:
        yield Finding(
            "slurm",
            WARN,
            f"sinfo does not answer within {SLURM_TIMEOUT:.0f} s",
            "ask the staff of the cluster; try: scontrol ping",
        )
        return
    except OSError as error:
        yield Finding("slurm", WARN, f"sinfo cannot be run: {error.strerror}", "module load slurm")
        return
    if listed.returncode:
        reason = " ".join(listed.stderr.split()) or f"exit status {listed.returncode}"
        yield Finding("slurm", WARN, f"sinfo: {reason}", "run this on the login node of the cluster; try: scontrol ping")
        return
    partitions = [line.split() for line in listed.stdout.splitlines() if line.strip()]
    names = ", ".join(f"{name} ({nodes} nodes{'' if state == 'up' else ', ' + state})" for name, state, nodes in partitions)
    yield Finding("slurm", OK, f"reachable: {names}; set the partitions of jobs in profiles/slurm/config.yaml")


def _datasets(root: Path) -> Iterator[Finding]:
    """Look for the files of torchvision's data sets; `anodiff.data` checks their content when it
    reads them.
    """
    present = [name for name, file in DATASET_FILES.items() if (root / file).is_file()]
    absent = [name for name in DATASET_FILES if name not in present]
    yield Finding(
        "data: built in", OK, "digits, gaussian_clusters, gaussian_modes, Python's help texts (text): no files needed"
    )
    if present:
        yield Finding("data: files", OK, f"{', '.join(present)} in {root}")
    if absent:
        fix = f"set download: true in the config, or put torchvision's files into {root} (paths.data)"
        yield Finding("data: files", WARN, f"{', '.join(absent)} not in {root}; sweeps on other data sets work", fix)
