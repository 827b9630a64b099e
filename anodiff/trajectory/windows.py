"""Which points of a run are kept, and do they tell its gradients?

A window is a stretch of optimiser steps; its first point's step is the waiting time t_w. Windows may overlap or share an
end; each point is stored once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import zarr
from numpy.typing import NDArray

from anodiff.config import RunSettings, WindowSettings
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

    def reached(self, steps_completed: int) -> bool:
        """Return whether a run of so many completed steps went on until the window's end."""
        return self.start + self.length <= steps_completed


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


def read_windows(group: zarr.Group) -> tuple[Window, ...]:
    """Return the windows of a store, from its table ``windows`` of (start, length, stride)."""
    table = np.asarray(group["windows"][:])  # type: ignore[index]
    return tuple(Window(*(int(value) for value in row)) for row in table)


def updates_give_gradients(settings: RunSettings, windows: Sequence[Window]) -> bool:
    """Return whether the kept points give every gradient: g_k = −(w_{k+1} − w_k) / η_k, up to the rounding of the weights.

    So it is for plain SGD (momentum 0, weight decay 0), full weights, and windows that are all of stride 1.
    """
    optimiser = settings.optimiser
    plain = optimiser.name == "sgd" and not optimiser.momentum and not optimiser.weight_decay
    return plain and settings.recording.weights == "full" and all(window.stride == 1 for window in windows)
