"""One pass over the points of a path: the update Gram matrix G_kl = <Δw_k, Δw_l>, Δw_k = w_{k+1} − w_k.

The pitfall: ||a − b||² = |a|² + |b|² − 2ab on float32 weights loses every digit at short lags, since weights are much larger
than their changes. So neighbouring points are subtracted first (float32, nearly exact), products are summed within blocks of
parameters in float32, and blocks in float64. Points in float64 are multiplied in float64.

Cost: O(T²P) multiplications for T updates of P parameters, each parameter read once; memory O(T²) a thread and what ``memory``
allows, whatever P. Blocks of columns are multiplied beside each other, one thread each, and added up in their order, so that
the bits depend neither on the number of threads nor on which one is faster.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from anodiff.errors import ConfigError
from anodiff.storage.types import Report, silent
from anodiff.trajectory.products import PRODUCT_COLUMNS, add_products, blas, full_precision

#: Blocks of columns held at least: one at work, one being read, one waiting.
FEWEST_BLOCKS = 3

#: Default bound on the columns held at a time, in bytes.
MEMORY = 2**29

Array = NDArray[Any]


class Points(Protocol):
    """A path: anything of shape (T+1, P) that gives columns, such as an array of numpy or Zarr."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Points and parameters."""
        ...

    def __getitem__(self, index: tuple[slice, slice], /) -> Any:
        """Return ``points[:, first:last]``."""
        ...


def update_gram(
    points: Points,
    *,
    memory: float = MEMORY,
    device: str = "cpu",
    report: Report = silent,
) -> NDArray[np.float64]:
    """Return the update Gram matrix of points (T+1, P), shape (T, T), float64, exactly symmetric.

    Parameters
    ----------
    memory
        Bytes for the columns held at a time, beside the matrix itself: those in work and those being read meanwhile.
    device
        ``cpu``, or a device of torch's such as ``cuda``, which multiplies there.
    report
        Called with the parameters done, the parameters in all and an empty text.
    """
    updates, parameters = _shape(points)[0] - 1, points.shape[1]
    add = _add_on_cpu if device == "cpu" else _add_by_torch
    itemsize = np.dtype(getattr(points, "dtype", np.float32)).itemsize
    rows = updates + 1
    held = int(memory // (itemsize * 2 * rows * columns_at_once(rows, memory, itemsize)))
    threads = min(blas_threads(), max(1, held - FEWEST_BLOCKS + 1))
    return add(column_blocks(points, memory), updates, threads, device, lambda done: report(done, parameters, ""))


def column_blocks(points: Points, memory: float) -> Iterator[tuple[int, Array]]:
    """Yield (first column, columns (T+1, n) as float32 or float64), the next ones being read while the last are in work."""
    rows, parameters = _shape(points)
    columns = columns_at_once(rows, memory, np.dtype(getattr(points, "dtype", np.float32)).itemsize)
    starts = range(0, parameters, columns)

    def read(start: int) -> Array:
        block = np.asarray(points[:, start : start + columns])
        return block if block.dtype in (np.float32, np.float64) else block.astype(np.float64)

    with ThreadPoolExecutor(1) as reader:
        upcoming = [reader.submit(read, start) for start in starts[:1]]
        for number, start in enumerate(starts):
            block = upcoming.pop().result()
            upcoming = [reader.submit(read, following) for following in starts[number + 1 : number + 2]]
            yield start, block


def columns_at_once(rows: int, memory: float, itemsize: int = 4) -> int:
    """Return how many columns of ``rows`` points to read at once: those of one product, fewer where ``memory`` says so.

    It must hold `FEWEST_BLOCKS` blocks with their differences, whatever the number of threads, on which the bits would depend.
    """
    columns = int(memory // (itemsize * 2 * rows * FEWEST_BLOCKS))
    return max(min(columns, PRODUCT_COLUMNS), PRODUCT_COLUMNS // 64, 1)


@dataclass(frozen=True)
class Fault:
    """A coordinate that is not finite: its value, the number of the point and that of the parameter."""

    value: float
    point: int
    parameter: int


def find_fault(points: Points, *, memory: float = MEMORY) -> Fault | None:
    """Return the first coordinate that is not finite, by point and then by parameter, or None."""
    found: Fault | None = None
    for start, block in column_blocks(points, memory):
        rows, columns = np.nonzero(~np.isfinite(block))
        if len(rows) and (found is None or rows[0] < found.point):
            found = Fault(float(block[rows[0], columns[0]]), int(rows[0]), start + int(columns[0]))
    return found


def choose_device(name: str) -> str:
    """Return the device for the products: ``auto`` is a GPU where a driver shows one, else the CPU.

    Torch, whose import takes seconds, is asked only where there may be a GPU.
    """
    if name == "cpu" or (
        name == "auto" and not Path("/proc/driver/nvidia").exists() and "HIP_VISIBLE_DEVICES" not in os.environ
    ):
        return "cpu"
    import torch

    if torch.cuda.is_available():
        return "cuda" if name == "auto" else name
    if name == "auto":
        return "cpu"
    raise ConfigError(f"--device {name}: torch sees no such device here; use cpu or auto")


def blas_threads() -> int:
    """Return how many threads numpy's matrix products may use, as OMP_NUM_THREADS and its like set them."""
    return max((library["num_threads"] for library in blas().info()), default=1)


def _add_on_cpu(
    blocks: Iterator[tuple[int, Array]], updates: int, threads: int, device: str, report: Callable[[int], None]
) -> NDArray[np.float64]:
    """Return the sum of ΔΔᵀ over blocks of columns: one block a thread, each by BLAS's symmetric product on that thread."""
    total = np.zeros((updates, updates))
    running: deque[tuple[int, Future[Array]]] = deque()

    def add_first() -> None:
        done, product = running.popleft()
        np.add(total, product.result(), out=total)
        report(done)

    with blas().limit(limits=1), ThreadPoolExecutor(threads) as pool:
        for start, block in blocks:
            running.append((start + block.shape[1], pool.submit(_product, block)))
            del block
            while len(running) > threads:
                add_first()
        while running:
            add_first()
    return total


def _product(block: Array) -> Array:
    with np.errstate(invalid="ignore", over="ignore"):  # weights that are not finite give a Gram matrix that is not
        differences = np.diff(block, axis=0)
        return differences @ differences.T  # numpy calls the symmetric rank-k product, half the work


def _add_by_torch(
    blocks: Iterator[tuple[int, Array]], updates: int, threads: int, device: str, report: Callable[[int], None]
) -> NDArray[np.float64]:
    """Return the sum of ΔΔᵀ over blocks of columns, multiplied on a device of torch's."""
    import torch

    total = torch.zeros((updates, updates), dtype=torch.float64, device=device)
    with full_precision():
        for start, block in blocks:
            differences = torch.from_numpy(np.ascontiguousarray(np.diff(block, axis=0))).to(device)
            add_products(total, differences, differences)
            report(start + block.shape[1])
    lower = np.tril(total.cpu().numpy())
    return lower + np.tril(lower, -1).T


def _shape(points: Points) -> tuple[int, int]:
    if len(points.shape) != 2 or points.shape[0] < 2 or points.shape[1] < 1:
        raise ConfigError(f"a path of shape {tuple(points.shape)}; expected (points, parameters), at least (2, 1)")
    return int(points.shape[0]), int(points.shape[1])
