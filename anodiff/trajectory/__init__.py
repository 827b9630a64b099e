"""The path through weight space as a Zarr store: which points are kept, how they are written and read."""

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
