"""What are the figures of a run drawn from? Its stores; each is read once, when it is needed."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from anodiff.geometry.path import PathGeometry
from anodiff.geometry.store import Geometries
from anodiff.landscape.curvature_store import Curvature, open_curvature
from anodiff.sweep.results import RunResult
from anodiff.trajectory.format import STEP_SERIES
from anodiff.trajectory.store import open_trajectory


@dataclass(frozen=True)
class RunData:
    """The data of a run's figures; each store is read when it is first needed."""

    result: RunResult
    _paths: dict[int, PathGeometry] = field(default_factory=dict, repr=False)

    @property
    def name(self) -> str:
        """The run's name."""
        return self.result.name

    @property
    def geometries(self) -> Geometries:
        """The geometry of the windows."""
        return self.result.geometries

    @cached_property
    def series(self) -> dict[str, NDArray[np.float32]]:
        """The series with a value for every completed step, see `STEP_SERIES`."""
        trajectory = open_trajectory(self.result.folder / "trajectory.zarr")
        return {name: trajectory.series(name)[: trajectory.steps_completed] for name in STEP_SERIES}

    def path(self, window: int) -> PathGeometry:
        """Return the geometry of a window; only the last one is kept in memory, because its matrix
        may be large.
        """
        if self._paths.keys() != {window}:
            self._paths.clear()
            self._paths[window] = self.geometries.read(window)
        return self._paths[window]

    @cached_property
    def curvature(self) -> Curvature | None:
        """The curvature along the path; None if it was not measured."""
        store = self.result.folder / "landscape" / "curvature.zarr"
        return open_curvature(store) if store.exists() else None
