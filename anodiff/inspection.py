"""What does this path hold? A store, a run's folder or a whole sweep, said for a person."""

from __future__ import annotations

import math
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from anodiff.errors import AnodiffError, StoreMissingError
from anodiff.stores import RUNNING, open_group
from anodiff.trajectory.format import KIND as TRAJECTORY
from anodiff.trajectory.store import open_trajectory

#: The stores of a run, in the order in which they are made.
RUN_STORES = ("trajectory.zarr", "geometry.zarr", "diffusion.zarr")


def describe(path: str | Path, console: Console | None = None) -> None:
    """Print what ``path`` holds.

    Raises
    ------
    StoreMissingError, StoreFormatError
        If there is nothing, or nothing of ours.
    """
    path = Path(path)
    if console is None:
        console = Console(highlight=False)
        console.width = max(console.width, 160 if not console.is_terminal else 0)
    if not path.exists():
        raise StoreMissingError(f"{path}: no such file or folder")
    if (path / "zarr.json").exists():
        _describe_store(path, console)
        return
    runs = sorted(folder.parent for folder in path.glob("**/run.yaml"))
    if not runs:
        raise StoreMissingError(f"{path}: neither a Zarr store nor a folder with runs; name one of these")
    _describe_runs(path, runs, console)


def _describe_store(path: Path, console: Console) -> None:
    group = open_group(path)
    attributes = dict(group.attrs)
    kind = attributes.get("kind", "Zarr group, not written by anodiff")
    console.print(f"[bold]{escape(str(path))}[/bold]: {kind}, format version {attributes.get('format_version', '-')}")
    console.print(f"  {_completeness(path)}")
    if "steps" in attributes:
        console.print(f"  steps      {attributes.get('steps_completed')} of {attributes['steps']} taken")
    if "windows" in group:
        console.print(f"  windows    {_windows(np.asarray(group['windows'][:]))}")  # type: ignore[index]
    provenance = attributes.get("provenance")
    if isinstance(provenance, dict):
        versions = ", ".join(f"{name} {version}" for name, version in provenance["versions"].items())
        console.print(f"  made with  {versions}; commit {provenance['commit']}; {provenance['device']} on {provenance['host']}")
    table = _table("array", "dimensions", "shape", "type", "chunk", "bytes", "stored", "ratio")
    for name, array in sorted(group.arrays()):
        stored = _bytes_on_disk(path / name)
        names = getattr(array.metadata, "dimension_names", None) or ()
        table.add_row(
            name,
            ", ".join(str(dimension) for dimension in names),
            " × ".join(str(length) for length in array.shape),
            str(array.dtype),
            " × ".join(str(length) for length in array.chunks),
            _size(array.nbytes),
            _size(stored),
            f"{array.nbytes / stored:.2f}" if stored else "-",
        )
    console.print(table)


def _describe_runs(path: Path, runs: list[Path], console: Console) -> None:
    console.print(f"[bold]{escape(str(path))}[/bold]: {len(runs)} runs")
    table = _table("run", "state", "windows", "parameters", *RUN_STORES)
    for run in runs:
        store = run / RUN_STORES[0]
        state, windows, parameters = "missing", "-", "-"
        if store.exists():
            state = _completeness(store)
            with suppress(AnodiffError):  # its state says so
                group = open_group(store)
                if "windows" in group and "parameters" in group.attrs:
                    windows = str(len(np.asarray(group["windows"][:])))  # type: ignore[index]
                    tensors: Any = group.attrs["parameters"]
                    parameters = f"{sum(math.prod(tensor['shape']) for tensor in tensors):,}"
        sizes = [_size(_bytes_on_disk(run / name)) if (run / name).exists() else "-" for name in RUN_STORES]
        table.add_row(run.name, state, windows, parameters, *sizes)
    console.print(table)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, no_wrap=True)
    return table


def _completeness(path: Path) -> str:
    """Return whether a store is finished and all its files are there, in words."""
    try:
        attributes = dict(open_group(path).attrs)
    except AnodiffError as error:
        return f"damaged: {escape(str(error))}"
    status = attributes.get("status")
    if status is None:
        return "unknown: no status among its attributes"
    if status == RUNNING:
        return "unfinished: its writer was interrupted or is still at work"
    if attributes.get("kind") == TRAJECTORY:
        try:
            open_trajectory(path)
        except AnodiffError as error:
            return f"damaged: {escape(str(error))}"
    if "diverged_at" in attributes:
        return f"diverged at step {attributes['diverged_at']}"
    return str(status)


def _windows(windows: np.ndarray) -> str:
    """Put windows in words, equal lengths and strides together."""
    if len({(int(length), int(stride)) for _, length, stride in windows}) == 1:
        starts = ", ".join(str(int(start)) for start in windows[:12, 0]) + (" …" if len(windows) > 12 else "")
        return f"{len(windows)} of {windows[0, 1]} steps, stride {windows[0, 2]}, from steps {starts}"
    return "; ".join(f"{start}–{start + length} by {stride}" for start, length, stride in windows)


def _bytes_on_disk(path: Path) -> int:
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def _size(count: float) -> str:
    """Write a number of bytes with a unit.

    Examples
    --------
    >>> _size(1_500_000)
    '1.5 MB'
    """
    power = min(4, int(math.log10(count) // 3)) if count >= 1 else 0
    return f"{count / 1000**power:.{1 if power else 0}f} {('B', 'kB', 'MB', 'GB', 'TB')[power]}"
