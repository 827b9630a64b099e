"""Are all points of a finished trajectory.zarr there, in order?"""

from __future__ import annotations

import math
from collections.abc import Container, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anodiff.errors import IncompleteStoreError, StoreFormatError
from anodiff.trajectory.windows import Window

if TYPE_CHECKING:
    import zarr


def check_complete(path: Path, group: zarr.Group, windows: Sequence[Window], completed: int, files: Container[str]) -> None:
    """Check that a store has the files of all arrays except the series, and rising steps.

    Parameters
    ----------
    windows, completed
        Of the run: its windows, and how many steps it took.
    files
        The files that were written, relative to the store.

    Raises
    ------
    IncompleteStoreError
        If a file was never written.
    StoreFormatError
        If steps and samples do not fit each other.
    """
    arrays: dict[str, Any] = dict(group.arrays())
    unwritten = [file for file in _needed_files(arrays, windows, completed) if file not in files]
    if unwritten:
        raise IncompleteStoreError(
            f"{path}: {len(unwritten)} of its files were never written, the first is {unwritten[0]}; train the run again"
        )
    _check_steps(path, arrays)


def _needed_files(arrays: dict[str, Any], windows: Sequence[Window], completed: int) -> list[str]:
    """Return the files of all arrays except the series that a run of its length must have."""
    steps = np.asarray(arrays["step"][:])
    tables, samples = ["windows", "step"], {}
    if "weights" in arrays:
        samples["weights"] = np.count_nonzero(steps <= completed)
    if "gradient_sample" in arrays:
        tables.append("coordinate")
        samples["gradient_sample"] = np.count_nonzero(steps < completed)  # the last point has no gradient
    chunks: list[tuple[Any, ...]] = []
    for name in tables:
        chunks += [(name, *chunk) for chunk in np.ndindex(arrays[name].cdata_shape)]
    for name, count in samples.items():
        rows, columns = arrays[name].shards or arrays[name].chunks
        across = math.ceil(arrays[name].shape[1] / columns)  # more than one, if several ranks wrote the columns
        chunks += [(name, *shard) for shard in np.ndindex(math.ceil(count / rows), across)]
    for name in ("gram", "group_gram", "walk_gram"):
        if name not in arrays:
            continue
        parts = list(np.ndindex(arrays[name].shape[:-3]))  # the groups, or the walks
        for number, window in enumerate(windows):
            rows = math.ceil(window.updates / arrays[name].chunks[-2]) if window.reached(completed) else 0
            chunks += [(name, *part, number, row, 0) for part in parts for row in range(rows)]
    return ["/".join(map(str, (name, "c", *chunk))) for name, *chunk in chunks]


def _check_steps(path: Path, arrays: dict[str, Any]) -> None:
    steps: NDArray[np.int64] = np.asarray(arrays["step"][:], np.int64)
    samples = arrays["weights"].shape[0] if "weights" in arrays else len(steps)
    if len(steps) != samples:
        raise StoreFormatError(f"{path}: {len(steps)} steps for {samples} samples; train the run again")
    not_increasing = np.flatnonzero(np.diff(steps) <= 0)
    if len(not_increasing):
        before, after = steps[not_increasing[0]], steps[not_increasing[0] + 1]
        kind = "duplicate" if before == after else "decreasing"
        raise StoreFormatError(
            f"{path}: {kind} steps: sample {not_increasing[0] + 1} has step {after}, the one before {before}; "
            "train the run again"
        )
