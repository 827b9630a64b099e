"""What does geometry.zarr contain, and how is it read? See also docs/format.md."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anodiff.errors import ConfigError, StoreDamagedError, did_you_mean
from anodiff.geometry.parts import GROUP, WALK, WHOLE, Part, stored_parts
from anodiff.geometry.path import PathGeometry
from anodiff.storage.integrity import content_digest
from anodiff.storage.stores import open_store
from anodiff.trajectory.format import columns_of
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

    @property
    def content(self) -> str:
        """Digest of what the arrays hold, the same for geometries that are equal."""
        from anodiff.storage.checked import root_metadata

        return content_digest(root_metadata(self.group))

    @cached_property
    def groups(self) -> tuple[Part, ...]:
        """The groups of parameters that have Gram matrices of their own, in their order; none if the run has no groups."""
        return stored_parts(dict(self.group.attrs), GROUP)

    @cached_property
    def walks(self) -> tuple[Part, ...]:
        """The walks that were recorded beside the path, in their order."""
        return stored_parts(dict(self.group.attrs), WALK)

    @cached_property
    def whole(self) -> Part:
        """The path itself."""
        table = self.group.attrs["parameters"]
        return Part(WHOLE, WHOLE, 0, columns_of(table[-1]).stop)  # type: ignore[index, arg-type]

    def read_group(self, number: int, group: int | str) -> PathGeometry:
        """Return the geometry of one window in the space of one group's parameters, by its place or its name.

        Raises
        ------
        ConfigError
            If there is no such group.
        StoreDamagedError
            If a chunk is damaged or missing.
        """
        return self.read_part(number, _chosen(self.groups, group, f"{self.path}: no group"))

    def read_walk(self, number: int, walk: int | str) -> PathGeometry:
        """Return the geometry of one window of a walk, by its place or its name; raises what `read_group` raises."""
        return self.read_part(number, _chosen(self.walks, walk, f"{self.path}: no walk"))

    def read_part(self, number: int, part: Part) -> PathGeometry:
        """Return the geometry of one window of a group or a walk, or of the whole path; raises what `read` raises."""
        if part.kind == WHOLE:
            return self.read(number)
        window = self.windows[number]
        place = (part.place, number, slice(window.updates), slice(window.updates))
        gram = self._read(part.array, place).astype(np.float64)
        if self.reached(window) and not self.part_problem(number, part) and np.isnan(gram).any():
            what = f"window {number} of the {part.kind} {part.name!r} is not in it, although the run reached it"
            raise StoreDamagedError(self.path, part.array, reason=what)
        return PathGeometry(gram, window)

    def part_problem(self, number: int, part: Part) -> str:
        """Return why a part has no geometry in a window that the run reached; empty if it has one."""
        problems: Any = self.group.attrs.get("part_problems", {})
        return self.problem(number) if part.kind != WALK else str(problems.get(part.key, {}).get(str(number), ""))

    def moving_part(self, number: int, part: Part) -> tuple[PathGeometry | None, str]:
        """Return the geometry of one window of a part, or None and the reason why there is nothing to analyse.

        Raises
        ------
        StoreDamagedError
            If a chunk is damaged or missing.
        """
        if part.kind == WHOLE:
            return self.moving_path(number)
        if self.part_problem(number, part):
            return None, self.part_problem(number, part)
        if not self.reached(self.windows[number]):
            return None, f"the run {self.status} at step {self.steps_completed}, before the window's end"
        path = self.read_part(number, part)
        return (path, "") if path.gram.any() else (None, f"the {part.kind} does not move")

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


def _chosen(parts: tuple[Part, ...], wanted: int | str, lacking: str) -> Part:
    """Return a part by its place or its name; raise a `ConfigError` that begins with ``lacking`` if there is none."""
    names = [part.name for part in parts]
    if isinstance(wanted, str) and wanted in names:
        return parts[names.index(wanted)]
    if not isinstance(wanted, str) and 0 <= wanted < len(parts):
        return parts[wanted]
    if not parts:
        raise ConfigError(f"{lacking} {wanted!r}; the run has none")
    raise ConfigError(f"{lacking} {wanted!r}; {did_you_mean(str(wanted), names)}")
