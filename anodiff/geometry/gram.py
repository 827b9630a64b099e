"""How are the updates Δw_k = w_{k+1} − w_k of a path related? One pass gives G_kl = <Δw_k, Δw_l>.

The pitfall: |a − b|² = |a|² + |b|² − 2<a, b> on float32 weights loses every digit at short lags,
because weights are much larger than their changes. So neighbouring points are subtracted first
(float32, nearly exact). Products are summed in float32 within blocks of parameters, and blocks are
added in float64. Points given in float64 are multiplied in float64.

Cost: O(T²P) multiplications for T updates of P parameters; each parameter is read once. Memory:
O(T²) per thread and part plus ``memory``, whatever P. Each thread multiplies one block of columns, and the
products are added in the order of the blocks. So the bits depend neither on the number of threads
nor on their speed.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
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

#: Number of a part, columns of it (T+1, n), and the number of columns that are done with them.
Piece = tuple[int, Array, int]


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
    return part_grams(points, [[slice(0, points.shape[1])]], memory=memory, device=device, report=report)[0]


def part_grams(
    points: Points,
    parts: Sequence[Sequence[slice]],
    *,
    memory: float = MEMORY,
    device: str = "cpu",
    report: ProgressCallback = no_progress,
) -> NDArray[np.float64]:
    """Return the update Gram matrices of parts of the columns, shape (parts, T, T), as `update_gram` does.

    Each column is read once, and multiplied once if it is in one part.

    Parameters
    ----------
    parts
        The columns of each part, as rising ranges.
    """
    points = as_path(points)
    updates, parameters = points.shape[0] - 1, points.shape[1]
    sum_products = _sum_on_cpu if device == "cpu" else _sum_with_torch
    itemsize = np.dtype(getattr(points, "dtype", np.float32)).itemsize
    rows = updates + 1
    blocks = int(memory // (itemsize * 2 * rows * columns_per_block(rows, memory, itemsize)))
    threads = min(blas_threads(), max(1, blocks - MIN_BLOCKS + 1))
    total = np.zeros((len(parts), updates, updates))
    pieces = _pieces(column_blocks(points, memory), parts)
    return sum_products(pieces, total, threads, device, lambda done: report(done, parameters, ""))


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


def _pieces(blocks: Iterator[tuple[int, Array]], parts: Sequence[Sequence[slice]]) -> Iterator[Piece]:
    """Yield the columns of each part in each block, with the number of the part and that of the columns done."""
    for start, block in blocks:
        done, stop = start, start + block.shape[1]
        for number, ranges in enumerate(parts):
            inside = [
                block[:, max(each.start, start) - start : min(each.stop, stop) - start]
                for each in ranges
                if each.start < stop and each.stop > start
            ]
            if inside:
                columns = inside[0] if len(inside) == 1 else np.concatenate(inside, axis=1)
                done += columns.shape[1]
                yield number, columns, done


def _sum_on_cpu(
    pieces: Iterator[Piece], total: NDArray[np.float64], threads: int, device: str, report: Callable[[int], None]
) -> NDArray[np.float64]:
    """Add ΔΔᵀ of each piece to the total of its part; a thread computes the symmetric product of a piece."""
    running: deque[tuple[int, int, Future[Array]]] = deque()

    def add_first() -> None:
        number, done, product = running.popleft()
        np.add(total[number], product.result(), out=total[number])
        report(done)

    with blas().limit(limits=1), ThreadPoolExecutor(threads) as pool:
        for number, columns, done in pieces:
            running.append((number, done, pool.submit(_product, columns)))
            del columns
            while len(running) > threads:
                add_first()
        while running:
            add_first()
    return total


def _product(columns: Array) -> Array:
    with np.errstate(invalid="ignore", over="ignore"):  # the caller looks for weights that are not finite
        differences = np.diff(columns, axis=0)
        return differences @ differences.T  # numpy calls the symmetric rank-k product, half the work


def _sum_with_torch(
    pieces: Iterator[Piece], total: NDArray[np.float64], threads: int, device: str, report: Callable[[int], None]
) -> NDArray[np.float64]:
    """Add ΔΔᵀ of each piece to the total of its part, multiplied on a torch device."""
    import torch

    on_device = torch.zeros(total.shape, dtype=torch.float64, device=device)
    with full_precision():
        for number, columns, done in pieces:
            differences = torch.from_numpy(np.ascontiguousarray(np.diff(columns, axis=0))).to(device)
            add_products(on_device[number], differences, differences)
            report(done)
    lower = np.tril(on_device.cpu().numpy())
    return lower + np.tril(lower, -1).swapaxes(1, 2)
