"""Which points of a path are kept, and how are they written and read as a Zarr store?

Public: `TrajectoryRecorder` writes a store, `open_trajectory` reads one as a `Trajectory`; windows
say which points are kept. They are imported when they are first used.
"""

from __future__ import annotations

import importlib
from typing import Any

_PUBLIC = {
    "Trajectory": "store",
    "TrajectoryRecorder": "recorder",
    "Window": "windows",
    "kept_steps": "windows",
    "open_trajectory": "store",
    "plan_windows": "windows",
    "read_windows": "windows",
    "updates_give_gradients": "windows",
}

__all__ = list(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'anodiff.trajectory' has no attribute {name!r}")
    return getattr(importlib.import_module(f"anodiff.trajectory.{_PUBLIC[name]}"), name)
