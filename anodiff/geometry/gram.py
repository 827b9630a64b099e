"""How are the updates Δw_k = w_{k+1} − w_k of a path related? One pass gives G_kl = <Δw_k, Δw_l>.

The pitfall: |a − b|² = |a|² + |b|² − 2<a, b> on float32 weights loses every digit at short lags,
because weights are much larger than their changes. So neighbouring points are subtracted first
(float32, nearly exact). Products are summed in float32 within blocks of parameters, and blocks are
added in float64. Points given in float64 are multiplied in float64.

Cost: O(T²P) multiplications for T updates of P parameters; each parameter is read once. Memory:
O(T²) per thread plus ``memory``, whatever P. Each thread multiplies one block of columns, and the
products are added in the order of the blocks. So the bits depend neither on the number of threads
nor on their speed.
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
from anodiff.storage.numbers import plain, readable
from anodiff.storage.types import ProgressCallback, no_progress
from anodiff.trajectory.products import PRODUCT_COLUMNS, add_products, blas, full_precision

#: The smallest number of blocks in memory at once: one being multiplied, one being read, one
#: waiting.
MIN_BLOCKS = 3

#: Default bound on the columns in memory at once, in bytes.
MEMORY = 2**29

Array = NDArray[Any]


class Points(Protocol):
    """A path: anything of shape (T+1, P) that returns columns, such as a numpy or Zarr array."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of points and of parameters."""
        ...

    def __getitem__(self, index: tuple[slice, slice], /) -> Any:
        """Return ``points[:, first:last]``."""
        ...


def update_gram(
    points: Points,
    *,
    memory: float = MEMORY,
    device: str = "cpu",
    report: ProgressCallback = no_progress,
) -> NDArray[np.float64]:
    """Return the update Gram matrix of points (T+1, P), shape (T, T), float64, exactly symmetric.

    Parameters
    ----------
    memory
        Bytes for the columns in memory at once, being multiplied or read. The matrix itself comes
        on top.
    device
        Where to multiply: ``cpu``, or a torch device such as ``cuda``.
    report
        Called with the number of parameters done, their total and an empty text.
    """
    points = as_path(points)
    updates, parameters = points.shape[0] - 1, points.shape[1]
    sum_products = _sum_on_cpu if device == "cpu" else _sum_with_torch
    itemsize = np.dtype(getattr(points, "dtype", np.float32)).itemsize
    rows = updates + 1
    blocks = int(memory // (itemsize * 2 * rows * columns_per_block(rows, memory, itemsize)))
    threads = min(blas_threads(), max(1, blocks - MIN_BLOCKS + 1))
    return sum_products(column_blocks(points, memory), updates, threads, device, lambda done: report(done, parameters, ""))


def as_path(points: Any) -> Points:
    """Return points (T+1, P) as an array of real numbers that returns columns.

    Raises
    ------
    ConfigError
        If its entries are no real numbers, or the shape is not that of a path.
    """
    path = readable(points, "points")
    if len(path.shape) != 2 or path.shape[0] < 2 or path.shape[1] < 1:
        raise ConfigError(f"a path of shape {tuple(path.shape)}; expected (points, parameters), at least (2, 1)")
    return path


def column_blocks(points: Points, memory: float) -> Iterator[tuple[int, Array]]:
    """Yield (first column, columns (T+1, n) in float32 or float64), reading one block ahead."""
    points = as_path(points)
    rows, parameters = points.shape
    columns = columns_per_block(rows, memory, np.dtype(getattr(points, "dtype", np.float32)).itemsize)
    starts = range(0, parameters, columns)

    def read(start: int) -> Array:
        block = plain(points[:, start : start + columns], "points")
        return block if block.dtype in (np.float32, np.float64) else block.astype(np.float64)

    with ThreadPoolExecutor(1) as reader:
        upcoming = [reader.submit(read, start) for start in starts[:1]]
        for number, start in enumerate(starts):
            block = upcoming.pop().result()
            upcoming = [reader.submit(read, following) for following in starts[number + 1 : number + 2]]
            yield start, block


def columns_per_block(rows: int, memory: float, itemsize: int = 4) -> int:
    """Return how many columns of ``rows`` points to read at once.

    That is one product's, or fewer if ``memory`` is short: `MIN_BLOCKS` blocks and their
    differences must fit. The number of threads does not count, or the bits would depend on it.
    """
    columns = int(memory // (itemsize * 2 * rows * MIN_BLOCKS))
    return max(min(columns, PRODUCT_COLUMNS), PRODUCT_COLUMNS // 64, 1)


@dataclass(frozen=True)
class NonFinite:
    """A coordinate that is not finite: its value, and the numbers of point and parameter."""

    value: float
    point: int
    parameter: int


def find_non_finite(points: Points, *, memory: float = MEMORY) -> NonFinite | None:
    """Return the first coordinate that is not finite, by point and then by parameter, or None."""
    found: NonFinite | None = None
    for start, block in column_blocks(points, memory):
        rows, columns = np.nonzero(~np.isfinite(block))
        if len(rows) and (found is None or rows[0] < found.point):
            found = NonFinite(float(block[rows[0], columns[0]]), int(rows[0]), start + int(columns[0]))
    return found


def refuse_non_finite(points: Points, memory: float = MEMORY) -> None:
    """Raise a `ConfigError` that names the first coordinate that is not finite, if there is one."""
    found = find_non_finite(points, memory=memory)
    if found is not None:
        raise ConfigError(f"the path has {found.value} at point {found.point}, parameter {found.parameter}; give finite points")


def choose_device(name: str) -> str:
    """Return the device for the products; ``auto`` is a GPU if a driver shows one, else the CPU.

    Importing torch takes seconds, so torch is asked only if there may be a GPU.
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
    raise ConfigError(f"--device {name}: torch finds no such device here; use cpu or auto")


def blas_threads() -> int:
    """Return how many threads numpy's matrix products may use (OMP_NUM_THREADS and the like)."""
    return max((library["num_threads"] for library in blas().info()), default=1)


def _sum_on_cpu(
    blocks: Iterator[tuple[int, Array]], updates: int, threads: int, device: str, report: Callable[[int], None]
) -> NDArray[np.float64]:
    """Return the sum of ΔΔᵀ over blocks; a thread computes the symmetric product of a block."""
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
    with np.errstate(invalid="ignore", over="ignore"):  # the caller looks for weights that are not finite
        differences = np.diff(block, axis=0)
        return differences @ differences.T  # numpy calls the symmetric rank-k product, half the work


def _sum_with_torch(
    blocks: Iterator[tuple[int, Array]], updates: int, threads: int, device: str, report: Callable[[int], None]
) -> NDArray[np.float64]:
    """Return the sum of ΔΔᵀ over blocks of columns, multiplied on a torch device."""
    import torch

    total = torch.zeros((updates, updates), dtype=torch.float64, device=device)
    with full_precision():
        for start, block in blocks:
            differences = torch.from_numpy(np.ascontiguousarray(np.diff(block, axis=0))).to(device)
            add_products(total, differences, differences)
            report(start + block.shape[1])
    lower = np.tril(total.cpu().numpy())
    return lower + np.tril(lower, -1).T
