"""What does geometry.zarr contain, and how is it read? See also docs/format.md."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from anodiff.errors import StoreDamagedError
from anodiff.geometry.path import PathGeometry
from anodiff.storage.stores import open_store
from anodiff.trajectory.windows import Window, read_windows

if TYPE_CHECKING:
    import zarr

KIND = "anodiff geometry"
VERSION = 3

#: Per-step series with one value for each point of each window: name in the trajectory, meaning.
POINT_SERIES = {
    "loss": "mini-batch loss at each point",
    "gradient_norm": "Euclidean norm of the mini-batch gradient at each point",
    "noise_norm": "Euclidean norm of the gradient noise at each point; NaN where not measured",
}


@dataclass(frozen=True)
class Geometries:
    """A finished geometry.zarr: the windows of a run and the run's attributes."""

    path: Path
    group: zarr.Group
    status: str
    steps_completed: int
    windows: tuple[Window, ...]

    def reached(self, window: Window) -> bool:
        """Return whether the run got to the window's end."""
        return window.reached(self.steps_completed)

    def problem(self, number: int) -> str:
        """Return why a window that the run reached has no geometry; empty if it has one."""
        problems = self.group.attrs.get("problems", {})
        return str(problems.get(str(number), "")) if isinstance(problems, dict) else ""

    def read(self, number: int) -> PathGeometry:
        """Return the geometry of one window, by its number.

        Raises
        ------
        StoreDamagedError
            If a chunk is damaged or missing.
        """
        window = self.windows[number]
        gram = self._read("gram", (number, slice(window.updates), slice(window.updates))).astype(np.float64)
        if self.reached(window) and not self.problem(number) and np.isnan(gram).any():
            raise StoreDamagedError(self.path, "gram", reason=f"window {number} is not in it, although the run reached it")
        return PathGeometry(gram, window)

    def moving_path(self, number: int) -> tuple[PathGeometry | None, str]:
        """Return the geometry of one window, or None and the reason why there is nothing to analyse.

        Raises
        ------
        StoreDamagedError
            If a chunk is damaged or missing.
        """
        if self.problem(number):
            return None, self.problem(number)
        if not self.reached(self.windows[number]):
            return None, f"the run {self.status} at step {self.steps_completed}, before the window's end"
        path = self.read(number)
        return (path, "") if path.gram.any() else (None, "the path does not move")

    def point_series(self, name: str, number: int) -> NDArray[np.float64]:
        """Return a series (see `POINT_SERIES`) at a window's points, shape (T+1,)."""
        return self._read(f"point_{name}", (number, slice(self.windows[number].updates + 1))).astype(np.float64)

    def gradients(self, number: int) -> NDArray[np.float64] | None:
        """Return the sampled gradients at a window's first T points, (T, coordinates), or None."""
        if "gradient_sample" not in self.group:
            return None
        return self._read("gradient_sample", (number, slice(self.windows[number].updates))).astype(np.float64)

    def _read(self, name: str, selection: tuple[int | slice, ...]) -> NDArray[np.generic]:
        return np.asarray(self.group[name][selection])  # type: ignore[index]


def open_geometry(path: str | Path) -> Geometries:
    """Open a finished geometry.zarr; raises what `anodiff.storage.stores.open_store` raises."""
    group = open_store(path, KIND, VERSION)
    return Geometries(
        Path(path),
        group,
        str(group.attrs["status"]),
        int(group.attrs["steps_completed"]),  # type: ignore[arg-type]
        read_windows(group),
    )
