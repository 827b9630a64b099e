"""What is a surface? Heights on a square grid over [−1, 1]², with their known roughness."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from anodiff.errors import ConfigError
from anodiff.storage.types import FloatArray

#: Default standard deviation of the heights of a scaled surface.
DEVIATION = 0.1


@dataclass(frozen=True)
class Surface:
    """Heights over [−1, 1]².

    Attributes
    ----------
    heights
        Shape (n, n): ``heights[i, j]`` is at x = ``coordinates[i]``, y = ``coordinates[j]``.
    kind
        How it was made: ``fractional``, ``multifractional``, ``diamond_square``, ``bowl`` or
        ``shuffled``.
    hurst
        Its Hurst exponent; None if it has none, or not the same one everywhere.
    periodic
        Whether it continues beyond each edge as at the opposite one. The grid then omits the last
        edge.
    """

    heights: FloatArray
    kind: str
    hurst: float | None
    periodic: bool = False

    @property
    def points(self) -> int:
        """Number of points per side, n."""
        return len(self.heights)

    @property
    def spacing(self) -> float:
        """Distance between neighbouring points."""
        return 2 / (self.points if self.periodic else self.points - 1)

    @property
    def coordinates(self) -> FloatArray:
        """Coordinates of the points along either axis, shape (n,)."""
        return np.asarray(-1 + self.spacing * np.arange(self.points), np.float64)

    def scaled(self, deviation: float = DEVIATION) -> Surface:
        """Return the surface with mean height 0 and a given standard deviation; flat stays flat."""
        spread = float(self.heights.std())
        factor = deviation / spread if spread > 0 else 0.0
        return replace(self, heights=factor * (self.heights - self.heights.mean()))


def check_points(kind: str, points: int) -> None:
    """Raise `ConfigError` unless a surface can have this number of points per side."""
    if not isinstance(points, int | np.integer) or points < 4:
        raise ConfigError(f"{kind} surface: points = {points!r}; write a whole number of at least 4")


def check_hurst(kind: str, hurst: float) -> None:
    """Raise `ConfigError` unless 0 < H < 1."""
    if not 0 < hurst < 1:
        raise ConfigError(f"{kind} surface: hurst = {hurst!r}; write a number between 0 and 1, both excluded")
