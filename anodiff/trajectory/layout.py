"""What does a trajectory.zarr hold before its first point? And: is the store at a path the one that a recorder would make?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr
from numpy.typing import NDArray

from anodiff.errors import ConfigError, StoreFormatError, StoreMissingError
from anodiff.storage.compression import compressors
from anodiff.storage.stores import RUNNING, create_store
from anodiff.trajectory.format import (
    EPOCH_SERIES,
    FULL,
    GRAM,
    KIND,
    NONE,
    SKETCH,
    STEP_SERIES,
    VERSION,
    gram_layout,
    sample_layout,
)
from anodiff.trajectory.windows import Plan, Window

if TYPE_CHECKING:
    from torch import Tensor

#: Attributes that a store must share with the recorder that goes on with it.
IDENTITY = ("format_version", "steps", "representation", "sketch", "parameters", "plan")


def about_recording(named: Sequence[tuple[str, Tensor]], representation: str, plan: Plan) -> dict[str, Any]:
    """Return the attributes that say what is recorded of a model's parameters, and that a store to go on with must share."""
    if representation not in (FULL, SKETCH, NONE):
        raise ConfigError(f"weights {representation!r}; give full, sketch or none")
    offsets = np.cumsum([0, *(parameter.numel() for _, parameter in named)])
    table = [
        {"name": name, "shape": list(parameter.shape), "offset": int(offset)}
        for (name, parameter), offset in zip(named, offsets[:-1], strict=True)
    ]
    about: dict[str, Any] = {"steps": plan.steps, "parameters": table, "representation": representation}
    if plan.steps is None:
        about["plan"] = {"windows": plan.kind or window_table(plan.windows).tolist(), "window_length": plan.window_length}
    return about


def create_trajectory(
    path: Path,
    plan: Plan,
    columns: int,
    attributes: dict[str, Any],
    *,
    epochs: int | None,
    coordinates: NDArray[np.int64] | None,
) -> zarr.Group:
    """Make the empty store of a path whose points have ``columns`` numbers each; an unfinished one there is replaced.

    What depends on a length that is not known yet is left empty, or left out, until `write_lengths`.

    Parameters
    ----------
    attributes
        Of the root: ``steps``, ``parameters``, ``representation`` and what else is known.
    coordinates
        The sampled coordinates of the gradient, shape (coordinate,); None without a sample.
    """
    group = create_store(path, KIND, VERSION, attributes)
    samples = None if attributes["steps"] is None else len(plan.kept)
    if samples is not None:
        _create_tables(group, plan.windows, plan.kept)
    _create_epochs(group, epochs or 0)
    for names, length, dimension in ((STEP_SERIES, attributes["steps"], "step"), (EPOCH_SERIES, epochs, "epoch")):
        for name, meaning in names.items():
            _create_series(group, name, length or 0, dimension, meaning)
    if attributes["representation"] == NONE:
        updates = max(window.updates for window in plan.windows)
        layout = gram_layout(0 if plan.open_ended else len(plan.windows), updates)
        group.create_array("gram", **layout, attributes={"long_name": GRAM, "units": "1"})
    elif attributes["representation"] == SKETCH:
        layout = sample_layout(samples, columns, dimension="component", dtype="float64")
        about: dict[str, Any] = {"long_name": "random projection of the network parameters", "units": "1"}
        group.create_array("weights", **layout, attributes=about)
    else:
        about = {"long_name": "network parameters", "units": "1"}
        group.create_array("weights", **sample_layout(samples, columns), attributes=about)
    if coordinates is not None:
        _create_gradient_sample(group, samples, coordinates)
    return group


def write_lengths(group: zarr.Group, windows: Sequence[Window], kept: NDArray[np.int64], steps: int, epochs: int) -> None:
    """Give everything that hung on an unknown length, of the run or of its epochs, the length that came out."""
    if "windows" not in group:
        _create_tables(group, windows, kept)
    for name in ("weights", "gradient_sample"):
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
    plan: Plan,
    attributes: Mapping[str, Any],
    *,
    epochs: int | None,
    coordinates: NDArray[np.int64] | None,
) -> zarr.Group:
    """Open the unfinished store at ``path`` for writing, after checking that `create_trajectory` would make the same.

    What a killed writer left of files half written is removed.

    Raises
    ------
    StoreMissingError, StoreFormatError
        If there is no store, it is damaged, of another kind, or finished already.
    ConfigError
        If it is of another recording: what differs.
    """
    if not path.exists():
        raise StoreMissingError(f"{path}: no such store to go on with; begin anew, without the state")
    try:
        group = zarr.open_group(path, mode="r+", use_consolidated=False)
        there: dict[str, Any] = dict(group.attrs)
        arrays = dict(group.arrays())
        tables = {name: np.asarray(arrays[name][:]) for name in ("windows", "epoch", "coordinate") if name in arrays}
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise StoreFormatError(f"{path}: damaged, so a recording cannot go on in it: {reason}; begin anew") from None
    if there.get("kind") != KIND:
        raise StoreFormatError(f"{path}: holds no {KIND}, so a recording cannot go on in it")
    if there.get("status") != RUNNING:
        raise StoreFormatError(f"{path}: a recording that is finished already ({there.get('status')}), to be opened as it is")
    here = {"format_version": VERSION, **attributes}
    differing = [name for name in IDENTITY if there.get(name) != here.get(name)]
    differing += ["windows"] * (here["steps"] is not None and not _same(tables.get("windows"), window_table(plan.windows)))
    differing += ["gradient coordinates"] * (not _same(tables.get("coordinate"), coordinates))
    differing += ["epochs"] * (len(tables.get("epoch", ())) != (epochs or 0))
    missing = [name for name in ("gram" if here["representation"] == NONE else "weights", *STEP_SERIES) if name not in arrays]
    if differing:
        raise ConfigError(f"{path}: the store there is of another recording, with other {', '.join(differing)}; begin anew")
    if missing:
        raise StoreFormatError(f"{path}: damaged, so a recording cannot go on in it: no {missing[0]}; begin anew")
    for leftover in path.rglob("*.partial"):
        leftover.unlink()
    return group


def _same(one: NDArray[Any] | None, other: NDArray[Any] | None) -> bool:
    return one is other if one is None or other is None else np.array_equal(one, other)


def window_table(windows: Sequence[Window]) -> NDArray[np.int64]:
    """Return start, length and stride of each window, shape (window, 3)."""
    return np.array([(window.start, window.length, window.stride) for window in windows], np.int64).reshape(-1, 3)


def _create_gradient_sample(group: zarr.Group, samples: int | None, coordinates: NDArray[np.int64]) -> None:
    group.create_array(
        "coordinate",
        data=coordinates,
        compressors=compressors(),
        dimension_names=("coordinate",),
        attributes={"long_name": "index of the parameter whose gradient is sampled", "units": "1"},
    )
    group.create_array(
        "gradient_sample",
        **sample_layout(samples, len(coordinates), dimension="coordinate"),
        attributes={
            "long_name": "mini-batch gradient at the sample's point, at some parameters; NaN where none was taken",
            "units": "1",
        },
    )


def _create_tables(group: zarr.Group, windows: Sequence[Window], kept: NDArray[np.int64]) -> None:
    group.create_array(
        "step",
        data=kept,
        compressors=compressors(),
        dimension_names=("sample",),
        attributes={"long_name": "optimiser step of the sample; 0 is the initial point", "units": "optimiser steps"},
    )
    group.create_array(
        "windows",
        data=window_table(windows),
        compressors=compressors(),
        dimension_names=("window", "window_field"),
        attributes={
            "long_name": "start, length and stride of each window",
            "fields": ["start", "length", "stride"],
            "units": "optimiser steps",
        },
    )


def _create_epochs(group: zarr.Group, epochs: int) -> None:
    group.create_array(
        "epoch",
        data=np.arange(1, epochs + 1),
        compressors=compressors(),
        dimension_names=("epoch",),
        attributes={"long_name": "number of the epoch, from 1", "units": "epochs"},
        overwrite=True,
    )


def _create_series(group: zarr.Group, name: str, length: int, dimension: str, meaning: str) -> None:
    group.create_array(
        name,
        shape=(length,),
        chunks=(max(1, min(length or 2**16, 2**16)),),
        dtype="float32",
        fill_value=math.nan,
        compressors=compressors(),
        dimension_names=(dimension,),
        attributes={"long_name": meaning, "units": "1"},
    )
