"""How does a sketch cost a step only the copy of its point? The background thread projects it, if
the training leaves it a core.

Training goes on meanwhile; a step waits only if both points that are held are still being
projected. The projection has one thread: more would compete with those of the training. Where
training has threads on all cores, they would wait for the one whose core is taken. So there the
sketch is made in the step, by all threads.
"""

from __future__ import annotations

import os
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING

from anodiff.storage.threads import own_thread_alone
from anodiff.trajectory.background import BackgroundThread
from anodiff.trajectory.flat_parameters import FlatParameters

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor


#: Numbers of a point from which on this pays: a smaller one is projected in the time of handing it over.
LARGE = 2**18


def pays(parameters: FlatParameters) -> bool:
    """Return whether the background thread should make the sketches of points on the CPU."""
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return parameters.device.type == "cpu" and parameters.size >= LARGE and torch.get_num_threads() < cores


class LaterSketches:
    """Fill rows with sketches of points, in the order in which they are asked for, on the CPU.

    Parameters
    ----------
    sketch
        From a point to its sketch.
    flat
        The parameters whose points are sketched.
    background
        Projects them.
    """

    def __init__(self, sketch: Callable[[Tensor], Tensor], flat: FlatParameters, background: BackgroundThread) -> None:
        import torch

        self._sketch, self._flat, self._background = sketch, flat, background
        self._points = [torch.empty(flat.size, dtype=flat.dtype) for _ in range(2)]
        self._jobs: list[Future[None] | None] = [None, None]
        self._next = 0

    def fill(self, row: Tensor) -> None:
        """Fill a row with the sketch of the current point before any job that is submitted later."""
        before = self._jobs[self._next]
        if before is not None:
            self._background.wait(before)
        point = self._points[self._next]
        self._flat.copy_to(point)
        self._jobs[self._next] = self._background.submit(partial(self._project, point, row))
        self._next = 1 - self._next

    def _project(self, point: Tensor, row: Tensor) -> None:
        with own_thread_alone():
            row.copy_(self._sketch(point))
