"""What are the figures of a run drawn from? Its stores, each read once, when it is needed."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from anodiff.geometry import PathGeometry
from anodiff.geometry.store import Geometries, open_geometry
from anodiff.landscape.curvature_store import Curvature, open_curvature
from anodiff.sweep.results import RunResult
from anodiff.trajectory.format import STEP_SERIES
from anodiff.trajectory.store import open_trajectory

if TYPE_CHECKING:
    pass


@dataclass(frozen=True)
class RunData:
    """What the figures of a run are drawn from; each store is read when it is asked for, once."""

    result: RunResult
    _paths: dict[int, PathGeometry] = field(default_factory=dict, repr=False)

    @property
    def name(self) -> str:
        """The run's name."""
        return self.result.name

    @cached_property
    def geometries(self) -> Geometries:
        """The geometry of the windows."""
        return open_geometry(self.result.folder / "geometry.zarr")

    @cached_property
    def series(self) -> dict[str, NDArray[np.float32]]:
        """The series with a value for every step taken, see `STEP_SERIES`."""
        trajectory = open_trajectory(self.result.folder / "trajectory.zarr")
        return {name: trajectory.series(name)[: trajectory.steps_completed] for name in STEP_SERIES}

    def path(self, window: int) -> PathGeometry:
        """The geometry of one window; only the last one is kept, for a matrix may be large."""
        if self._paths.keys() != {window}:
            self._paths.clear()
            self._paths[window] = self.geometries.read(window)
        return self._paths[window]

    @cached_property
    def curvature(self) -> Curvature | None:
        """The curvature along the path; None where it was not looked at."""
        store = self.result.folder / "landscape" / "curvature.zarr"
        return open_curvature(store) if store.exists() else None
