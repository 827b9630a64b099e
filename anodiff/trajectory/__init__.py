"""Which points of a path are kept, and how are they written and read as a Zarr store?

Public: `TrajectoryRecorder` writes a store, `open_trajectory` reads one as a `Trajectory`; windows
say which points are kept.
"""

from anodiff.trajectory.recorder import TrajectoryRecorder
from anodiff.trajectory.store import Trajectory, open_trajectory
from anodiff.trajectory.windows import Window, kept_steps, plan_windows, read_windows, updates_give_gradients

__all__ = [
    "Trajectory",
    "TrajectoryRecorder",
    "Window",
    "kept_steps",
    "open_trajectory",
    "plan_windows",
    "read_windows",
    "updates_give_gradients",
]
