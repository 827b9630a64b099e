"""How does a sketch cost a step only the copy of its point? The background thread projects it.

Training goes on meanwhile. A step waits only if both points that are held are still being projected.
The projection has one thread: more would compete with those of the training.
"""

from __future__ import annotations

from concurrent.futures import Future
from functools import cache, partial
from typing import TYPE_CHECKING

from threadpoolctl import ThreadpoolController

from anodiff.trajectory.background import BackgroundThread
from anodiff.trajectory.flat_parameters import FlatParameters

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor


#: Numbers of a point from which on this pays: a smaller one is projected in the time of handing it over.
LARGE = 2**18


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
        with _openmp().limit(limits=1):  # of this thread alone
            row.copy_(self._sketch(point))


@cache
def _openmp() -> ThreadpoolController:
    return ThreadpoolController().select(user_api="openmp")
