"""How is parts.zarr written and read? As curves over part, window and lag."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from anodiff.diffusion.parts.columns import CURVES, KIND, VERSION
from anodiff.geometry.parts import Part
from anodiff.geometry.store import Geometries
from anodiff.settings.stages import AnalysisSettings
from anodiff.storage.integrity import CHECKSUMS
from anodiff.storage.resumable import Layout
from anodiff.storage.stores import open_store

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr
    from numpy.typing import NDArray

    from anodiff.trajectory.windows import Window

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


def part_layouts(windows: Sequence[Window], parts: int, lags: NDArray[np.int64]) -> dict[str, Layout]:
    """Return the arrays of parts.zarr, for `anodiff.storage.resumable`; a window is a chunk."""
    steps, starts = "optimiser steps", np.array([window.start for window in windows])
    shape, chunk = (parts, len(windows), len(lags)), (parts, 1, len(lags))
    curves = {
        name: Layout(("part", "window", "lag"), shape, "float64", meaning, "1", chunk) for name, meaning in CURVES.items()
    }
    return curves | {
        "lag": Layout(("lag",), lags.shape, "int64", "lag τ", steps, values=lags),
        "waiting_time": Layout(("window",), starts.shape, "int64", "waiting time t_w", steps, values=starts),
    }


def part_attributes(geometries: Geometries, settings: AnalysisSettings, parts: Sequence[Part]) -> dict[str, Any]:
    """Return the attributes of parts.zarr: those of the run, the settings, and the parts in their order."""
    source: dict[str, Any] = dict(geometries.group.attrs)
    return {key: source[key] for key in COPIED_ATTRIBUTES if key in source} | {
        "analysis": settings.model_dump(mode="json"),
        "parts": [{"kind": part.kind, "name": part.name, "parameters": part.parameters} for part in parts],
        "coordinates": "lag waiting_time",
    }
