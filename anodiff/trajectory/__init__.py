"""Which points of a path are kept, and how are they written and read as a Zarr store?

Public: `TrajectoryRecorder` writes a store, `open_trajectory` reads one as a `Trajectory`; windows
say which points are kept. They are imported when they are first used.
"""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "store": ["Trajectory", "open_trajectory"],
        "recorder": ["TrajectoryRecorder"],
        "windows": ["Window", "kept_steps", "plan_windows", "read_windows", "updates_give_gradients"],
    },
)
