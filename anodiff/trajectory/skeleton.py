"""What does a trajectory.zarr hold before its first point? And: is the store at a path the one that a recorder would make?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from anodiff.errors import ConfigError, StoreFormatError, StoreMissingError
from anodiff.stores import RUNNING, create_store
from anodiff.trajectory.format import EPOCH_SERIES, FULL, KIND, STEP_SERIES, VERSION, compressors, sample_layout
from anodiff.trajectory.windows import Window, kept_steps

#: Attributes that a store must share with the recorder that goes on with it.
IDENTITY = ("format_version", "steps", "representation", "sketch", "parameters")


def create_trajectory(
    path: Path,
    windows: Sequence[Window],
    columns: int,
    attributes: dict[str, Any],
    *,
    epochs: int,
    coordinates: NDArray[np.int64] | None,
) -> zarr.Group:
    """Make the empty store of a path whose points have ``columns`` numbers each; an unfinished one there is replaced.

    Parameters
    ----------
    attributes
        Of the root: ``steps``, ``parameters``, ``representation`` and what else is known.
    coordinates
        The sampled coordinates of the gradient, shape (coordinate,); None without a sample.
    """
    group = create_store(path, KIND, VERSION, attributes)
    kept = kept_steps(windows)
    _create_tables(group, windows, kept, int(attributes["steps"]), epochs)
    if attributes["representation"] == FULL:
        layout, meaning = sample_layout(len(kept), columns), "network parameters"
    else:
        layout = sample_layout(len(kept), columns, dimension="component", dtype="float64")
        meaning = "random projection of the network parameters"
    group.create_array("weights", **layout, attributes={"long_name": meaning, "units": "1"})
    if coordinates is not None:
        _create_gradient_sample(group, len(kept), coordinates)
    return group


def reopen_trajectory(
    path: Path,
    windows: Sequence[Window],
    attributes: Mapping[str, Any],
    *,
    epochs: int,
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
        tables = {name: np.asarray(arrays[name][:]) for name in ("windows", "epoch")}
        found = np.asarray(arrays["coordinate"][:]) if "coordinate" in arrays else None
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise StoreFormatError(f"{path}: damaged, so a recording cannot go on in it: {reason}; begin anew") from None
    if there.get("kind") != KIND:
        raise StoreFormatError(f"{path}: holds no {KIND}, so a recording cannot go on in it")
    if there.get("status") != RUNNING:
        raise StoreFormatError(
            f"{path}: a recording that is finished already ({there.get('status')}); there is nothing to go on with"
        )
    here = {"format_version": VERSION, **attributes}
    differing = [name for name in IDENTITY if there.get(name) != here.get(name)]
    differing += ["windows"] * (not np.array_equal(tables["windows"], window_table(windows)))
    differing += ["epochs"] * (len(tables["epoch"]) != epochs)
    same = np.array_equal(found, coordinates) if found is not None and coordinates is not None else found is coordinates
    differing += ["gradient coordinates"] * (not same)
    if differing:
        raise ConfigError(f"{path}: the store there is of another recording, with other {', '.join(differing)}; begin anew")
    for leftover in path.rglob("*.partial"):
        leftover.unlink()
    return group


def window_table(windows: Sequence[Window]) -> NDArray[np.int64]:
    """Return start, length and stride of each window, shape (window, 3)."""
    return np.array([(window.start, window.length, window.stride) for window in windows], np.int64).reshape(-1, 3)


def _create_gradient_sample(group: zarr.Group, samples: int, coordinates: NDArray[np.int64]) -> None:
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


def _create_tables(group: zarr.Group, windows: Sequence[Window], kept: NDArray[np.int64], steps: int, epochs: int) -> None:
    create = group.create_array
    create(
        "step",
        data=kept,
        compressors=compressors(),
        dimension_names=("sample",),
        attributes={"long_name": "optimiser step of the sample; 0 is the initial point", "units": "optimiser steps"},
    )
    create(
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
    create(
        "epoch",
        data=np.arange(1, epochs + 1),
        compressors=compressors(),
        dimension_names=("epoch",),
        attributes={"long_name": "number of the epoch, from 1", "units": "epochs"},
    )
    for names, length, dimension in ((STEP_SERIES, steps, "step"), (EPOCH_SERIES, epochs, "epoch")):
        for name, meaning in names.items():
            create(
                name,
                shape=(length,),
                chunks=(max(1, min(length, 2**16)),),
                dtype="float32",
                fill_value=math.nan,
                compressors=compressors(),
                dimension_names=(dimension,),
                attributes={"long_name": meaning, "units": "1"},
            )
