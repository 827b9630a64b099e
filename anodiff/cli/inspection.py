"""What does a store, a run's folder or a sweep's folder contain, as plain values?

For `anodiff inspect --json` and programs.

Only metadata, windows, series over epochs, tables and sizes of files are read, so this is quick for
stores of any size.
"""

from __future__ import annotations

import csv
import io
import math
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from anodiff.errors import AnodiffError, StoreDamagedError, StoreMissingError
from anodiff.storage.integrity import check_files, read_root
from anodiff.storage.stores import RUNNING, open_group
from anodiff.storage.tables import read_bytes
from anodiff.trajectory.format import EPOCH_SERIES
from anodiff.trajectory.format import KIND as TRAJECTORY
from anodiff.trajectory.store import open_trajectory
from anodiff.trajectory.windows import read_windows

#: The stores of a run, in the order in which they are made.
RUN_STORES = ("trajectory.zarr", "geometry.zarr", "diffusion.zarr")

#: Columns of exponents.csv that sum up a window, each with its interval.
HEADLINES = ("beta_max", "beta_long", "exponent_first", "exponent_second")


def inspect_path(path: str | Path) -> dict[str, Any]:
    """Return what ``path`` contains, as values for JSON; the value of ``holds`` is store, run or
    sweep.

    Raises
    ------
    StoreMissingError, StoreFormatError
        If there is nothing, or nothing that anodiff can read.
    """
    path = Path(path)
    if not path.exists():
        raise StoreMissingError(f"{path}: no such file or folder")
    if (path / "zarr.json").exists():
        return inspect_store(path)
    if (path / "run.yaml").exists():
        return inspect_run(path)
    runs = sorted(folder.parent for folder in path.glob("**/run.yaml"))
    if not runs:
        raise StoreMissingError(f"{path}: neither a Zarr store nor a folder with runs; give one of these")
    found = [inspect_run(run) for run in runs]
    stored = sum(run["bytes_on_disk"] for run in found)
    return {"holds": "sweep", "path": str(path), "bytes_on_disk": stored, "runs": found}


def inspect_store(path: Path) -> dict[str, Any]:
    """Return what a store contains: kind, state, steps, windows, settings, provenance, and every
    array with its sizes.
    """
    group = open_group(path)
    attributes: dict[str, Any] = dict(group.attrs)
    arrays = [_inspect_array(path, name, array) for name, array in sorted(group.arrays())]
    found: dict[str, Any] = {
        "holds": "store",
        "path": str(path),
        "kind": attributes.get("kind"),
        "format_version": attributes.get("format_version"),
        "state": store_state(path),
        **{key: attributes[key] for key in ("representation", "steps", "steps_completed", "diverged_at") if key in attributes},
        "parameters": _parameters(attributes),
        "windows": _windows(group),
        "settings": attributes.get("settings"),
        "analysis": attributes.get("analysis"),
        "learning": attributes.get("learning"),
        "curves": attributes.get("curves"),
        "groups": [group["name"] for group in attributes.get("groups") or []] or None,
        "walks": attributes.get("walks") or None,
        "provenance": attributes.get("provenance"),
        **_sizes(arrays),
        "arrays": arrays,
    }
    return {key: value for key, value in found.items() if value is not None}


def inspect_run(folder: Path) -> dict[str, Any]:
    """Return what a run's folder contains: settings, stores with state and sizes, exponents by
    window, last losses and accuracies.
    """
    from anodiff.settings.loading import load_yaml

    stores = {str(path.relative_to(folder)): _inspect_or_damage(path) for path in _run_stores(folder)}
    first = stores.get(RUN_STORES[0], {})
    state, exponents = first.get("state", "missing"), None
    try:
        exponents = _exponents(folder / "exponents.csv")
    except StoreDamagedError as error:
        state = f"damaged: {error}"
    return {
        "holds": "run",
        "path": str(folder),
        "name": folder.resolve().name,
        "state": state,
        "settings": load_yaml(folder / "run.yaml"),
        "provenance": first.get("provenance"),
        "parameters": first.get("parameters"),
        "windows": first.get("windows"),
        "bytes_on_disk": bytes_on_disk(folder),
        "stores": {name: {key: about[key] for key in about if key in _STORE_SUMMARY} for name, about in stores.items()},
        "exponents": exponents,
        **_last_values(folder),
    }


#: What a run says about each of its stores.
_STORE_SUMMARY = ("kind", "state", "bytes", "bytes_on_disk", "ratio")


def store_state(path: Path) -> str:
    """Say whether a store is complete, unfinished, diverged or damaged, or that its state is
    unknown.
    """
    try:
        attributes = dict(open_group(path).attrs)
    except AnodiffError as error:
        return f"damaged: {error}"
    status = attributes.get("status")
    if status is None:
        return "unknown: it has no attribute 'status'"
    if status == RUNNING:
        return "unfinished: its writer was interrupted or is still running"
    try:
        check_files(read_root(path))
        if attributes.get("kind") == TRAJECTORY:
            open_trajectory(path)
    except AnodiffError as error:
        return f"damaged: {error}"
    if "diverged_at" in attributes:
        return f"diverged at step {attributes['diverged_at']}"
    return str(status)


def bytes_on_disk(path: Path) -> int:
    """Return the bytes of all files below a folder; files that vanish meanwhile do not count."""
    total = 0
    for file in path.rglob("*"):
        with suppress(OSError):
            total += file.stat().st_size if file.is_file() else 0
    return total


def _run_stores(folder: Path) -> list[Path]:
    """Return the stores of a run: those of its path, of its parts, of its learning curves, and of its landscape."""
    first = [folder / name for name in RUN_STORES if (folder / name).exists()]
    further = [folder / name for name in ("parts.zarr", "learning.zarr") if (folder / name).exists()]
    return (
        first
        + further
        + sorted(path.parent for path in (folder / "landscape").glob("**/zarr.json") if path.parent.suffix == ".zarr")
    )


def _inspect_or_damage(path: Path) -> dict[str, Any]:
    try:
        return inspect_store(path)
    except AnodiffError as error:
        return {"state": f"damaged: {error}", "bytes_on_disk": bytes_on_disk(path)}


def _inspect_array(path: Path, name: str, array: zarr.Array) -> dict[str, Any]:
    stored = bytes_on_disk(path / name)
    about = array.attrs
    return {
        "name": name,
        "dimensions": [str(dimension) for dimension in getattr(array.metadata, "dimension_names", None) or ()],
        "shape": list(array.shape),
        "type": str(array.dtype),
        "chunk": list(array.chunks),
        **{key: str(about[key]) for key in ("units", "long_name") if key in about},
        "bytes": array.nbytes,
        "bytes_on_disk": stored,
        "ratio": array.nbytes / stored if stored else None,
    }


def _sizes(arrays: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the bytes of all written arrays in memory and on disk, and the ratio of the two."""
    total = sum(array["bytes"] for array in arrays if array["bytes_on_disk"])
    stored = sum(array["bytes_on_disk"] for array in arrays)
    return {"bytes": total, "bytes_on_disk": stored, "ratio": total / stored if stored else None}


def _parameters(attributes: dict[str, Any]) -> int | None:
    tensors: Any = attributes.get("parameters")
    if isinstance(tensors, list):
        return sum(math.prod(tensor["shape"]) for tensor in tensors)
    return tensors if isinstance(tensors, int) else None


def _windows(group: zarr.Group) -> list[dict[str, int]] | None:
    if "windows" not in group:
        return None
    try:
        windows = read_windows(group)
    except (AnodiffError, ValueError, RuntimeError):  # damaged, as the state says, or not finished
        return None
    return [{"start": window.start, "length": window.length, "stride": window.stride} for window in windows]


def _exponents(table: Path) -> list[dict[str, Any]] | None:
    """Return the exponents `HEADLINES` with their intervals, one row for each window."""
    if not table.exists():
        return None
    columns = ["window", "waiting_time", "length", "stride"]
    columns += [name + end for name in HEADLINES for end in ("", "_low", "_high")]
    rows = csv.DictReader(io.StringIO(read_bytes(table).decode(), newline=""))
    return [{key: _number(text) for key, text in row.items() if key in columns} for row in rows]


def _last_values(folder: Path) -> dict[str, float | None]:
    """Return the last measured value of each series over epochs, from the smallest store that has
    them.
    """
    for store in reversed(RUN_STORES):
        try:
            group = open_group(folder / store)
            series = {name: np.asarray(group[name][:]) for name in EPOCH_SERIES if name in group}  # type: ignore[index]
        except (AnodiffError, ValueError, RuntimeError):
            continue
        measured = {name: values[np.isfinite(values)] for name, values in series.items()}
        return {name: float(values[-1]) if len(values) else None for name, values in measured.items()}
    return {}


def _number(text: str) -> int | float | str | None:
    """Return a cell of a table for JSON, which has no NaN: nothing, NaN and infinity become None."""
    for kind in (int, float):
        with suppress(ValueError):
            value = kind(text)
            return value if math.isfinite(value) else None
    return text or None
