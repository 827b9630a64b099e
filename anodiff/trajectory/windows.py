"""Which points of a run are kept, and can its gradients be computed from them?

A window is a range of optimiser steps; the step of its first point is the waiting time t_w. Windows
may overlap or share an end; each point is stored once. Importing this module does not import numpy,
so that a config is checked at once.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from anodiff.errors import ConfigError
from anodiff.storage.counts import whole_number

if TYPE_CHECKING:
    import numpy as np
    import zarr
    from numpy.typing import NDArray

    from anodiff.settings.recording import WindowSettings
    from anodiff.settings.run import RunSettings


@dataclass(frozen=True)
class Window:
    """Points ``start, start + stride, …, start + length`` of a run, in optimiser steps.

    Raises
    ------
    ConfigError
        If an entry is no whole number, the start is negative, or the window holds no update.
    """

    start: int
    length: int
    stride: int = 1

    def __post_init__(self) -> None:
        for name, low in (("start", 0), ("length", 1), ("stride", 1)):
            object.__setattr__(self, name, whole_number(getattr(self, name), f"{name} of a window", low))
        if self.stride > self.length:
            raise ConfigError(f"a window of length {self.length} and stride {self.stride} holds no update; take a longer one")

    @property
    def updates(self) -> int:
        """Number of recorded displacements: one less than the number of points."""
        return self.length // self.stride

    @property
    def steps(self) -> NDArray[np.int64]:
        """Optimiser step of each point, shape (updates + 1,)."""
        import numpy as np

        return self.start + self.stride * np.arange(self.updates + 1, dtype=np.int64)

    def reached(self, steps_completed: int) -> bool:
        """Return whether a run of this many completed steps reached the window's end."""
        return self.start + self.length <= steps_completed


def plan_windows(
    windows: Literal["contiguous", "log"] | Sequence[WindowSettings], window_length: int, steps: int
) -> list[Window]:
    """Return the windows of a run of ``steps`` optimiser steps, ordered by start.

    ``contiguous`` covers the whole run, with a shorter last window if ``window_length`` does not
    divide it. ``log`` puts windows of ``window_length`` at waiting times 0, 1, 2, 4, 8 … times it,
    as many as fit.

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
        _check_end(window, steps)
    return sorted(planned, key=lambda window: (window.start, window.length))


def kept_steps(windows: Sequence[Window]) -> NDArray[np.int64]:
    """Return the steps whose points are stored, increasing, each once, shape (samples,)."""
    import numpy as np

    return np.unique(np.concatenate([window.steps for window in windows]))


def kept_number(windows: Sequence[Window]) -> int:
    """Return the number of points that are stored. Windows of stride 1 are counted without a list of their steps.

    Examples
    --------
    >>> kept_number([Window(0, 10), Window(10, 10), Window(50, 5)])
    27
    """
    if any(window.stride != 1 for window in windows):
        return len(kept_steps(windows))
    number, end = 0, -1
    for window in sorted(windows, key=lambda window: window.start):
        last = window.start + window.length
        number += max(0, last - max(end, window.start - 1))
        end = max(end, last)
    return number


class WindowPlan:
    """The windows and kept points of a run, even if its length is not known beforehand.

    Parameters
    ----------
    windows
        ``contiguous`` or ``log``, see `plan_windows`, or the windows themselves, in any order.
    window_length
        Length of the windows of ``contiguous`` and ``log``.
    steps
        Length of the run; None if not known.

    Attributes
    ----------
    windows
        All windows of the run; if its length is not known, those that end at step ``horizon`` or
        before.
    kept
        The steps whose points are kept, increasing.

    Raises
    ------
    ConfigError
        If there is no window, or one ends beyond the run.
    """

    def __init__(self, windows: Literal["contiguous", "log"] | Sequence[Window], window_length: int, steps: int | None) -> None:
        if isinstance(windows, str) and windows not in ("contiguous", "log"):
            raise ConfigError(f"windows is {windows!r}; give contiguous, log, or a list of Window")
        self.kind = windows if isinstance(windows, str) else None
        self.window_length = window_length
        self.steps = steps
        self.horizon: float = 0 if isinstance(windows, str) and steps is None else math.inf
        if not isinstance(windows, str):
            self.windows = list(windows)
        elif steps is not None:
            self.windows = plan_windows(windows, window_length, steps)
        else:
            self.extend(0)
        if not self.windows:
            raise ConfigError("no window to record; give at least one")
        if steps is not None:
            for window in self.windows:
                _check_end(window, steps)
        self.kept = kept_steps(self.windows)

    @property
    def open_ended(self) -> bool:
        """Whether there are more windows for as long as the run lasts."""
        return self.kind is not None and self.steps is None

    def extend(self, step: int) -> None:
        """Plan the windows of an open-ended run to beyond ``step``."""
        if step >= self.horizon:
            horizon = self.window_length * 2 ** max(2, (step // self.window_length + 1).bit_length())
            self.windows = plan_windows(self.kind, self.window_length, horizon)  # type: ignore[arg-type]
            self.horizon = horizon
            self.kept = kept_steps(self.windows)

    def final(self, completed: int) -> tuple[list[Window], NDArray[np.int64], int]:
        """Return windows, kept steps and length of a run that ended after this many steps.

        If its length was not known, they are the same as if it had been. Points of an unfinished
        logarithmic window are kept without a window. Windows given as a list stay, and the length
        reaches their end.
        """
        if self.steps is not None:
            return self.windows, self.kept, self.steps
        if not self.open_ended:
            ends = [window.start + window.length for window in self.windows]
            return self.windows, self.kept, max(completed, *ends)
        windows = plan_windows(self.kind, self.window_length, completed)  # type: ignore[arg-type]
        return windows, self.kept[self.kept <= completed], completed


def read_windows(group: zarr.Group) -> tuple[Window, ...]:
    """Return the windows of a store, from its table ``windows`` of (start, length, stride)."""
    import numpy as np

    table = np.asarray(group["windows"][:])  # type: ignore[index]
    return tuple(Window(*(int(value) for value in row)) for row in table)


def updates_give_gradients(settings: RunSettings, windows: Sequence[Window], types: Iterable[object] = ()) -> bool:
    """Return whether the kept points give every gradient: g_k = −(w_{k+1} − w_k) / η_k.

    They do, up to the rounding of the weights, for plain SGD (momentum 0, weight decay 0), full
    weights, and windows that all have stride 1; but not for weights of half precision or less, whose
    rounding is as large as the update.

    Parameters
    ----------
    types
        Types of the weights, or their names.
    """
    full = settings.recording.weights == "full"
    coarse = any(str(name).removeprefix("torch.").startswith(("float16", "bfloat16", "float8")) for name in types)
    return settings.optimiser.is_plain_sgd and full and not coarse and all(window.stride == 1 for window in windows)


def _check_end(window: Window, steps: int) -> None:
    if window.start + window.length > steps:
        raise ConfigError(
            f"recording.windows: the window from step {window.start} to {window.start + window.length} ends beyond "
            f"the run's {steps} steps; train longer, or move the window"
        )
