"""How are the points of a grid evaluated: on worker threads, or several together on a GPU?"""

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
from anodiff.landscape.surface import LossSurface, one_thread
from anodiff.storage.memory import refuse_too_large
from anodiff.storage.types import FloatArray

#: Points that a GPU evaluates together.
TOGETHER = 16


class Evaluation:
    """Evaluates rows of a grid, on worker threads or, on a GPU, several points together."""

    def __init__(self, surface: LossSurface, directions: Directions, workers: int | None, memory: float | None = None) -> None:
        cuda = surface.device.type == "cuda"
        self.workers = 1 if cuda else workers or torch.get_num_threads()
        if self.workers < 1:
            raise ConfigError(f"{workers} workers; take 1 or more")
        if len(directions.origin) != surface.size:
            raise ConfigError(f"directions of {len(directions.origin)} parameters on a surface of {surface.size}")
        self.together = TOGETHER if cuda and surface.batch_norm == "centre" else 1
        size = surface.dtype.itemsize
        need = surface.size * (8 * (2 + len(directions.labels)) + self.workers * (8 + 3 * size) + 2 * self.together * size)
        what = f"a scan of {surface.size:,} parameters with {self.workers} workers"
        refuse_too_large(what, need, "take fewer workers, or a node with more", memory)
        self._surface = surface
        self._origin = torch.from_numpy(directions.origin).to(surface.device)
        self._vectors = torch.from_numpy(directions.vectors).to(surface.device)

    def __enter__(self) -> Evaluation:
        self._free: SimpleQueue[LossSurface] = SimpleQueue()
        for _ in range(self.workers):
            self._free.put(self._surface.twin())
        self._threads = torch.get_num_threads()
        self._pool = ThreadPoolExecutor(self.workers, initializer=torch.set_num_threads, initargs=(1,))
        return self

    def __exit__(self, *error: object) -> None:
        self._pool.shutdown(cancel_futures=True)
        torch.set_num_threads(self._threads)

    def row(self, first: FloatArray, second: float) -> FloatArray:
        """Return the losses at the coordinates ``first`` in the row at ``second``, NaN where they are not finite."""
        starts = range(0, len(first), self.together)
        pieces = list(self._pool.map(lambda start: self._some(first[start : start + self.together], second), starts))
        row = np.concatenate(pieces)
        return np.where(np.isfinite(row), row, np.nan)

    def seconds(self) -> float:
        """Return how long a point takes, by a second pass over the origin."""
        with self._worker() as surface, one_thread():
            surface(self._origin)
            start = time.perf_counter()
            surface(self._origin)
            return time.perf_counter() - start

    def _some(self, first: FloatArray, second: float) -> FloatArray:
        with self._worker() as surface:
            points = [self._point(float(coordinate), second) for coordinate in first]
            return surface.together(torch.stack(points)) if self.together > 1 else np.array([surface(points[0])])

    def _point(self, first: float, second: float) -> torch.Tensor:
        point = self._origin + first * self._vectors[0]
        return point.add_(self._vectors[1], alpha=second) if len(self._vectors) == 2 else point

    @contextmanager
    def _worker(self) -> Iterator[LossSurface]:
        surface = self._free.get()
        try:
            yield surface
        finally:
            self._free.put(surface)
