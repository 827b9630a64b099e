"""Which points of a run are kept?

A window is a stretch of optimiser steps; its first point's step is the waiting time t_w. Windows may overlap or share an
end; each point is stored once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from anodiff.config import WindowSettings
from anodiff.errors import ConfigError


@dataclass(frozen=True)
class Window:
    """Points ``start, start + stride, …, start + length`` of a run, in optimiser steps."""

    start: int
    length: int
    stride: int = 1

    @property
    def updates(self) -> int:
        """Number of recorded displacements: one less than the number of points."""
        return self.length // self.stride

    @property
    def steps(self) -> NDArray[np.int64]:
        """Optimiser step of each point, shape (updates + 1,)."""
        return self.start + self.stride * np.arange(self.updates + 1, dtype=np.int64)


def plan_windows(
    windows: Literal["contiguous", "log"] | Sequence[WindowSettings], window_length: int, steps: int
) -> list[Window]:
    """Lay the windows of a run of ``steps`` optimiser steps out, ordered by start.

    ``contiguous`` covers the whole run, with a shorter last window where ``window_length`` does not divide it; ``log`` puts
    windows of ``window_length`` at waiting times 0, 1, 2, 4, 8 … times it, as far as they fit.

    Raises
    ------
    ConfigError
        If a window ends beyond the run.

    Examples
    --------
    >>> [window.start for window in plan_windows("log", 1000, 10_000)]
    [0, 1000, 2000, 4000, 8000]
    """
    if not isinstance(windows, str):
        planned = [Window(window.start, window.length, window.stride) for window in windows]
    elif windows == "contiguous":
        starts = range(0, steps, window_length)
        planned = [Window(start, min(window_length, steps - start)) for start in starts]
    else:
        length = min(window_length, steps)
        doubling = [0, *(length * 2**power for power in range((steps // length).bit_length()))]
        planned = [Window(start, length) for start in doubling if start + length <= steps]
    for window in planned:
        if window.start + window.length > steps:
            raise ConfigError(
                f"recording.windows: the window from step {window.start} to {window.start + window.length} ends beyond "
                f"the run's {steps} steps; train longer or move the window"
            )
    return sorted((window for window in planned if window.updates), key=lambda window: (window.start, window.length))


def kept_steps(windows: Sequence[Window]) -> NDArray[np.int64]:
    """Return the optimiser steps whose points are stored, rising, each once, shape (samples,)."""
    return np.unique(np.concatenate([window.steps for window in windows]))
