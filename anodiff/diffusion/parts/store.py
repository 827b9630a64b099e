"""How is parts.zarr written and read? As curves over part, window and lag."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from anodiff.diffusion.parts.columns import CURVES, KIND, VERSION
from anodiff.geometry.parts import Part
from anodiff.geometry.store import Geometries
from anodiff.settings.stages import AnalysisSettings
from anodiff.storage.arrays import create_array
from anodiff.storage.integrity import CHECKSUMS
from anodiff.storage.stores import create_store, finish_store, open_store
from anodiff.storage.types import FloatArray

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import xarray as xr
    from numpy.typing import NDArray

#: Attributes that are copied from geometry.zarr.
COPIED_ATTRIBUTES = ("settings", "provenance", "steps", "steps_completed", "diverged_at", "groups", "walks")


def open_parts(path: str | Path) -> xr.Dataset:
    """Return a finished parts.zarr, labelled and in memory, with the coordinates ``part`` (names) and ``part_kind``.

    It raises what `anodiff.storage.stores.open_store` raises.
    """
    import xarray as xr

    curves = xr.open_zarr(open_store(path, KIND, VERSION).store, chunks=None).load()
    del curves.attrs[CHECKSUMS]
    named = curves.attrs["parts"]
    return curves.assign_coords(
        part=("part", [part["name"] for part in named]), part_kind=("part", [part["kind"] for part in named])
    )


def write_parts(
    path: Path,
    geometries: Geometries,
    settings: AnalysisSettings,
    parts: Sequence[Part],
    lags: NDArray[np.int64],
    curves: Mapping[str, FloatArray],
) -> None:
    """Write the curves of all parts, each (parts, windows, lags), and finish the store."""
    source: dict[str, Any] = dict(geometries.group.attrs)
    header = {key: source[key] for key in COPIED_ATTRIBUTES if key in source} | {
        "analysis": settings.model_dump(mode="json"),
        "parts": [{"kind": part.kind, "name": part.name, "parameters": part.parameters} for part in parts],
        "coordinates": "lag waiting_time",
    }
    group = create_store(path, KIND, VERSION, header)
    steps = {"units": "optimiser steps"}
    create_array(group, "lag", ("lag",), {"long_name": "lag τ"} | steps, data=lags)
    starts = np.array([window.start for window in geometries.windows], np.int64)
    create_array(group, "waiting_time", ("window",), {"long_name": "waiting time t_w"} | steps, data=starts)
    for name, meaning in CURVES.items():
        about = {"long_name": meaning, "units": "1"}
        create_array(group, name, ("part", "window", "lag"), about, data=curves[name])
    finish_store(group, geometries.status)
