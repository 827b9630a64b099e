"""What is in a trajectory.zarr before its first point, and can a recorder resume in it?"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anodiff.errors import AnodiffError, ConfigError, OutputExistsError, StoreFormatError, StoreMissingError, reason_of
from anodiff.storage.arrays import create_array
from anodiff.storage.stores import RUNNING, create_store, read_attributes, remove
from anodiff.trajectory.format import (
    EPOCH_SERIES,
    FULL,
    GRAM,
    GROUP_GRAM,
    KIND,
    NONE,
    SMALL_BUFFER_BYTES,
    STEP_SERIES,
    VERSION,
    WALK_GRAM,
    gram_layout,
    sample_layout,
)
from anodiff.trajectory.windows import Window, WindowPlan

if TYPE_CHECKING:
    import zarr

    from anodiff.trajectory.point_parts import PointParts

#: Attributes that must be the same for a recorder to resume in a store.
IDENTITY = (
    "format_version",
    "steps",
    "representation",
    "sketch",
    "parameters",
    "selected",
    "groups",
    "walks",
    "frozen",
    "buffers",
    "plan",
)


def create_trajectory(
    path: Path,
    plan: WindowPlan,
    parts: PointParts,
    attributes: Mapping[str, Any],
    *,
    epochs: int | None,
    overwrite: bool = False,
) -> zarr.Group:
    """Create the empty store of a path of which ``parts`` are kept.

    It replaces an unfinished store, and with ``overwrite`` anything. Arrays whose length is not
    known yet are empty, or do not exist, until `set_lengths`.

    Parameters
    ----------
    attributes
        Further attributes of the root.

    Raises
    ------
    OutputExistsError
        If there is something other than an unfinished recording, and ``overwrite`` is false.
    """
    if overwrite:
        remove(path)
    else:
        _refuse_finished(path)
    header = {"coordinates": "step", "steps_completed": 0, **recording_attributes(plan, parts), **attributes}
    group = create_store(path, KIND, VERSION, header)
    samples = None if plan.steps is None else len(plan.kept)
    if samples is not None:
        _create_tables(group, plan.windows, plan.kept)
    _create_epochs(group, epochs or 0)
    for names, length, dimension in ((STEP_SERIES, plan.steps, "step"), (EPOCH_SERIES, epochs, "epoch")):
        for name, meaning in names.items():
            _create_series(group, name, length or 0, dimension, meaning, parts.dtype)
    if parts.representation == NONE or parts.walks:
        _create_grams(group, plan, parts)
    if parts.sketch:
        meaning = "random projection of the network parameters"
        _create_samples(group, "weights", meaning, samples, parts.columns, "component", "float64")
    elif parts.representation == FULL:
        _create_samples(group, "weights", "network parameters", samples, parts.columns, "parameter", parts.dtype, parts.ranks)
        if parts.model.frozen:
            about = {"long_name": "parameters that are not trained", "units": "1"}
            create_array(group, "frozen", ("frozen_parameter",), about, data=parts.model.frozen_values())
    if parts.buffers:
        meaning = "buffers of the network at the sample's point; NaN where they were not kept"
        layout = sample_layout(samples, parts.buffers.size, dimension="buffer", dtype="float64", most_bytes=SMALL_BUFFER_BYTES)
        group.create_array("buffers", **layout, attributes={"long_name": meaning, "units": "1"})
    if parts.coordinates is not None:
        about = {"long_name": "index of the parameter whose gradient is sampled", "units": "1"}
        _create_table(group, "coordinate", parts.coordinates, ("coordinate",), about)
        meaning = "mini-batch gradient at the sample's point, at some parameters; NaN where none was taken"
        _create_samples(group, "gradient_sample", meaning, samples, len(parts.coordinates), "coordinate", parts.dtype)
    return group


def _create_grams(group: zarr.Group, plan: WindowPlan, parts: PointParts) -> None:
    """Create the Gram matrices that the recorder sums: of the path, its groups, and walks beside it."""
    wanted: list[tuple[str, str, tuple[str, int] | None]] = []
    if parts.representation == NONE:
        wanted.append(("gram", GRAM, None))
        if parts.model.groups:
            wanted.append(("group_gram", GROUP_GRAM, ("group", len(parts.model.groups))))
    if parts.walks:
        wanted.append(("walk_gram", WALK_GRAM, ("walk", len(parts.walks.walks))))
    windows = 0 if plan.open_ended else len(plan.windows)
    updates = max(window.updates for window in plan.windows)
    for name, meaning, of in wanted:
        attributes: dict[str, Any] = {"long_name": meaning, "units": "1"}
        group.create_array(name, **gram_layout(windows, updates, of), attributes=attributes)


def recording_attributes(plan: WindowPlan, parts: PointParts) -> dict[str, Any]:
    """Return the attributes that say what is recorded."""
    attributes: dict[str, Any] = {"steps": plan.steps, **parts.attributes}
    if plan.steps is None:
        attributes["plan"] = {"windows": plan.kind or window_table(plan.windows).tolist(), "window_length": plan.window_length}
    return attributes


def set_lengths(group: zarr.Group, windows: Sequence[Window], kept: NDArray[np.int64], steps: int, epochs: int) -> None:
    """Set the lengths of all arrays once the numbers of steps and epochs are known."""
    if "windows" not in group:
        _create_tables(group, windows, kept)
    for name in ("weights", "buffers", "gradient_sample"):
        if name in group:
            array = group[name]
            array.resize((len(kept), array.shape[1]))  # type: ignore[union-attr]
    for name in STEP_SERIES:
        group[name].resize((steps,))  # type: ignore[union-attr]
    if group["epoch"].shape != (epochs,):  # type: ignore[union-attr]
        _create_epochs(group, epochs)
        for name in EPOCH_SERIES:
            group[name].resize((epochs,))  # type: ignore[union-attr]


def reopen_trajectory(
    path: Path,
    plan: WindowPlan,
    parts: PointParts,
    *,
    epochs: int | None,
) -> zarr.Group:
    """Open the unfinished store at ``path`` for writing.

    It must be the one that `create_trajectory` would create. Half-written files of a killed writer
    are removed.

    Raises
    ------
    StoreMissingError, StoreFormatError
        If there is no store, or it is damaged, of another kind, or finished.
    ConfigError
        If it is of another recording; the message says what differs.
    """
    import zarr

    if not path.exists():
        raise StoreMissingError(f"{path}: no such store to resume; start again, without 'resume'")
    try:
        group = zarr.open_group(path, mode="r+", use_consolidated=False)
        stored: dict[str, Any] = dict(group.attrs)
        arrays = dict(group.arrays())
        tables = {name: np.asarray(arrays[name][:]) for name in ("windows", "epoch", "coordinate") if name in arrays}
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise _damaged(path, reason_of(error)) from None
    if stored.get("kind") != KIND:
        raise StoreFormatError(f"{path}: holds no {KIND}, so a recording cannot resume in it; start again, without 'resume'")
    if stored.get("status") != RUNNING:
        raise StoreFormatError(f"{path}: this recording is already finished ({stored.get('status')}); open it as it is")
    expected = {"format_version": VERSION, **recording_attributes(plan, parts)}
    differing = [name for name in IDENTITY if stored.get(name) != expected.get(name)]
    if expected["steps"] is not None and not _same(tables.get("windows"), window_table(plan.windows)):
        differing.append("windows")
    if not _same(tables.get("coordinate"), parts.coordinates):
        differing.append("gradient coordinates")
    if len(tables.get("epoch", ())) != (epochs or 0):
        differing.append("epochs")
    if differing:
        raise ConfigError(
            f"{path}: the store there is of another recording, with other {', '.join(differing)}; start again, without 'resume'"
        )
    required = ["gram" if expected["representation"] == NONE else "weights", *STEP_SERIES]
    required += ["walk_gram"] if parts.walks else []
    required += ["group_gram"] if parts.model.groups and expected["representation"] == NONE else []
    missing = [name for name in required if name not in arrays]
    if missing:
        raise _damaged(path, f"no {missing[0]}")
    for leftover in path.rglob("*.partial"):
        leftover.unlink()
    return group


def _refuse_finished(path: Path) -> None:
    """Raise `OutputExistsError` if there is anything at ``path`` that somebody may miss: only an
    unfinished recording is replaced.
    """
    if not os.path.lexists(path):
        return
    if path.is_symlink():
        found = f"is a link to {path.readlink()}"
    elif path.is_dir() and all(entry.suffix == ".partial" for entry in path.iterdir()):
        return  # killed while the store was being made
    else:
        try:
            attributes = read_attributes(path)
        except AnodiffError:
            attributes = {}
        if attributes.get("kind") == KIND and attributes.get("status") == RUNNING:
            return
        if attributes.get("kind") == KIND:
            found = f"holds a finished recording of {attributes.get('steps_completed')} steps"
        else:
            found = "holds something other than a recording"
    raise OutputExistsError(f"{path} {found}; record to another path, remove it, or give overwrite=True")


def _damaged(path: Path, reason: str) -> StoreFormatError:
    return StoreFormatError(f"{path}: damaged, so a recording cannot resume in it: {reason}; start again, without 'resume'")


def _same(one: NDArray[Any] | None, other: NDArray[Any] | None) -> bool:
    return one is other if one is None or other is None else np.array_equal(one, other)


def window_table(windows: Sequence[Window]) -> NDArray[np.int64]:
    """Return start, length and stride of each window, shape (window, 3)."""
    return np.array([(window.start, window.length, window.stride) for window in windows], np.int64).reshape(-1, 3)


def _create_samples(
    group: zarr.Group, name: str, meaning: str, samples: int | None, columns: int, dimension: str, dtype: str, ranks: int = 1
) -> None:
    """Create an array with a row for each sample."""
    layout = sample_layout(samples, columns, dimension=dimension, dtype=dtype, ranks=ranks)
    group.create_array(name, **layout, attributes={"long_name": meaning, "units": "1"})


def _create_tables(group: zarr.Group, windows: Sequence[Window], kept: NDArray[np.int64]) -> None:
    meaning = {"long_name": "optimiser step of the sample; 0 is the initial point", "units": "optimiser steps"}
    _create_table(group, "step", kept, ("sample",), meaning)
    fields = ["start", "length", "stride"]
    about: dict[str, Any] = {"long_name": "start, length and stride of each window", "fields": fields}
    _create_table(group, "windows", window_table(windows), ("window", "window_field"), about | {"units": "optimiser steps"})


def _create_epochs(group: zarr.Group, epochs: int) -> None:
    meaning = {"long_name": "number of the epoch, from 1", "units": "epochs"}
    _create_table(group, "epoch", np.arange(1, epochs + 1), ("epoch",), meaning)


def _create_table(
    group: zarr.Group, name: str, values: NDArray[np.int64], dimensions: tuple[str, ...], attributes: dict[str, Any]
) -> None:
    create_array(group, name, dimensions, attributes, data=values, overwrite=True)


def _create_series(group: zarr.Group, name: str, length: int, dimension: str, meaning: str, dtype: str) -> None:
    attributes = {"long_name": meaning, "units": "1"}
    chunks = (max(1, min(length or 2**16, 2**16)),)
    create_array(group, name, (dimension,), attributes, shape=(length,), dtype=dtype, chunks=chunks)
