"""What is a surface? Heights on a square grid over [−1, 1]², with what is known of their roughness."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from anodiff.errors import ConfigError
from anodiff.storage.types import FloatArray

#: Standard deviation of a surface's heights, unless asked otherwise.
DEVIATION = 0.1


@dataclass(frozen=True)
class Surface:
    """Heights over [−1, 1]².

    Attributes
    ----------
    heights
        Shape (n, n): ``heights[i, j]`` stands at x = ``coordinates[i]``, y = ``coordinates[j]``.
    kind
        How it was made: ``fractional``, ``multifractional``, ``diamond_square``, ``bowl`` or ``shuffled``.
    hurst
        Its Hurst exponent; None where it has none, or not the same everywhere.
    periodic
        Whether it goes on beyond each edge as at the opposite one; the grid then leaves the last edge out.
    """

    heights: FloatArray
    kind: str
    hurst: float | None
    periodic: bool = False

    @property
    def points(self) -> int:
        """Points a side, n."""
        return len(self.heights)

    @property
    def spacing(self) -> float:
        """Distance of neighbouring points."""
        return 2 / (self.points if self.periodic else self.points - 1)

    @property
    def coordinates(self) -> FloatArray:
        """Where the points stand along either axis, shape (n,)."""
        return np.asarray(-1 + self.spacing * np.arange(self.points), np.float64)

    def scaled(self, deviation: float = DEVIATION) -> Surface:
        """Return the surface with mean height 0 and a given standard deviation over its points; a flat one stays flat."""
        spread = float(self.heights.std())
        factor = deviation / spread if spread > 0 else 0.0
        return replace(self, heights=factor * (self.heights - self.heights.mean()))


def check_points(kind: str, points: int) -> None:
    """Raise `ConfigError` unless a surface may have so many points a side."""
    if not isinstance(points, int | np.integer) or points < 4:
        raise ConfigError(f"{kind} surface: points = {points!r}; write a whole number of at least 4")


def check_hurst(kind: str, hurst: float) -> None:
    """Raise `ConfigError` unless 0 < H < 1."""
    if not 0 < hurst < 1:
        raise ConfigError(f"{kind} surface: hurst = {hurst!r}; write a number between 0 and 1, both excluded")
