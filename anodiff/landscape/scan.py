"""How are the points of a grid evaluated: on worker threads, or several at once on a GPU?"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from queue import SimpleQueue

import numpy as np
import torch

from anodiff.errors import ConfigError
from anodiff.landscape.directions import Directions
from anodiff.landscape.surface import LossSurface
from anodiff.storage.memory import require_memory
from anodiff.storage.threads import one_torch_thread
from anodiff.storage.types import FloatArray

#: Points that a GPU evaluates at once.
POINTS_PER_CALL = 16


class GridEvaluator:
    """Evaluates rows of a grid: on worker threads, or several points at once on a GPU.

    Parameters
    ----------
    workers
        Threads on a CPU; by default as many as torch uses.
    memory
        Bytes that weights and directions may take; by default what the machine has.

    Raises
    ------
    ConfigError
        If there are no workers, the directions are not those of the surface, or the memory is too
        small.
    """

    def __init__(
        self, surface: LossSurface, directions: Directions, workers: int | None = None, memory: float | None = None
    ) -> None:
        cuda = surface.device.type == "cuda"
        self.workers = 1 if cuda else workers or torch.get_num_threads()
        if self.workers < 1:
            raise ConfigError(f"{workers} workers; take 1 or more")
        self._surface = surface
        self.turn(directions)
        self.points_per_call = POINTS_PER_CALL if cuda and surface.batch_norm == "centre" else 1
        size = surface.dtype.itemsize
        per_parameter = 8 * (2 + len(directions.labels)) + self.workers * (8 + 3 * size) + 2 * self.points_per_call * size
        what = f"a scan of {surface.size:,} parameters with {self.workers} workers"
        require_memory(what, surface.size * per_parameter, "take fewer workers, or a node with more", memory)
        try:
            self._first = surface.copy()
        except ConfigError:  # the network cannot be copied, so it is used itself
            self._first, self.workers = surface, 1

    def turn(self, directions: Directions) -> None:
        """Evaluate along other directions, as many as before, from now on.

        Raises
        ------
        ConfigError
            If the directions are not those of the surface.
        """
        if len(directions.origin) != self._surface.size:
            raise ConfigError(f"directions of {len(directions.origin)} parameters on a surface of {self._surface.size}")
        self._origin = torch.from_numpy(directions.origin).to(self._surface.device)
        self._vectors = torch.from_numpy(directions.vectors).to(self._surface.device)

    def __enter__(self) -> GridEvaluator:
        self._idle: SimpleQueue[LossSurface] = SimpleQueue()
        self._idle.put(self._first)
        for _ in range(self.workers - 1):
            self._idle.put(self._surface.copy())
        self._threads = torch.get_num_threads()
        self._pool = ThreadPoolExecutor(self.workers, initializer=torch.set_num_threads, initargs=(1,))
        return self

    def __exit__(self, *error: object) -> None:
        self._pool.shutdown(cancel_futures=True)
        torch.set_num_threads(self._threads)

    def row(self, first: FloatArray, second: float) -> FloatArray:
        """Return the losses at ``first`` in the row at ``second``; NaN if they are not finite."""
        starts = range(0, len(first), self.points_per_call)
        pieces = list(self._pool.map(lambda start: self._losses(first[start : start + self.points_per_call], second), starts))
        row = np.concatenate(pieces)
        return np.where(np.isfinite(row), row, np.nan)

    def seconds_per_point(self) -> float:
        """Measure the time of a point on one worker, at the origin, after a warm-up."""
        with self._idle_surface() as surface, one_torch_thread():
            surface(self._origin)
            start = time.perf_counter()
            surface(self._origin)
            return time.perf_counter() - start

    def _losses(self, first: FloatArray, second: float) -> FloatArray:
        with self._idle_surface() as surface:
            points = [self._point(float(coordinate), second) for coordinate in first]
            return surface.losses_at(torch.stack(points)) if self.points_per_call > 1 else np.array([surface(points[0])])

    def _point(self, first: float, second: float) -> torch.Tensor:
        point = self._origin + first * self._vectors[0]
        return point.add_(self._vectors[1], alpha=second) if len(self._vectors) == 2 else point

    @contextmanager
    def _idle_surface(self) -> Iterator[LossSurface]:
        """Borrow one of the workers' surfaces."""
        surface = self._idle.get()
        try:
            yield surface
        finally:
            self._idle.put(surface)
