"""How is parts.zarr laid out, and which attributes does it have?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anodiff.diffusion.parts.columns import CURVES
from anodiff.geometry.parts import Part
from anodiff.geometry.store import Geometries
from anodiff.settings.stages import AnalysisSettings
from anodiff.storage.resumable import Layout
from anodiff.trajectory.windows import Window

#: Attributes that are copied from geometry.zarr.
COPIED_ATTRIBUTES = ("settings", "provenance", "steps", "steps_completed", "diverged_at", "groups", "walks")


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
