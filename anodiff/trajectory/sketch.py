"""How can a thousand numbers keep the distances between points? By a sparse random projection S.

S has ``size`` rows in four blocks. Each block adds a parameter to one random row, with a random
sign and weight 1/√4 (the sparse embedding of Kane and Nelson, "Sparser Johnson-Lindenstrauss
transforms", J. ACM 61 (2014) 4; a single block is the CountSketch of Charikar, Chen and
Farach-Colton, 2002). For every x, over draws of S,

    E |S x|² = |x|²,    Var |S x|² ≤ (2/size) (|x|⁴ − Σ_i x_i⁴).

Reason: |S x|² − |x|² = (1/4) Σ_blocks Σ_{i≠j} σ_i σ_j x_i x_j [i and j in the same row]. The terms
of different pairs are uncorrelated, as are those of different blocks, and two parameters share a
row with a probability of at most 4/size. So the relative standard deviation of a squared distance
is at most √(2/size), whatever the number of parameters.

Pitfalls:

- A whole run has one S. Its error is not noise from step to step: distances along one direction are
  all wrong by the same factor. This affects exponents less than prefactors.
- An inner product is accurate to |x||y|/√size, however small it is: a cosine below 1/√size (3 % at
  1,024) is not resolved.
- The Gram matrix of T updates has at most rank ``size``, and its small eigenvalues are wrong long
  before T reaches ``size``. For path PCA beyond the leading components choose ``size`` much larger
  than T.
- A component of the sketch is a sum over many parameters, so it is nearly Gaussian and says nothing
  about the tails of single entries.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anodiff.errors import ConfigError
from anodiff.storage.threads import own_thread_alone

#: Blocks of S, which is the number of nonzero entries in each of its columns.
NONZEROS = 4

#: Parameters that share a permutation: this many float32 numbers fit in a processor's cache.
CHUNK = 2**16


class Sketch:
    """The projection S of points with ``parameters`` coordinates to ``size`` numbers.

    It gathers entries and sums them densely, without scattered additions, so the bits are
    repeatable on one type of device. Parameters are split into chunks. A permutation, the same for
    all chunks, deals a chunk's parameters evenly to the rows of a block, and each chunk shifts the
    rows cyclically by its own random number. Memory: 4 bytes per parameter (signs). Sums are in
    float64, so that differences of neighbouring points, 10⁻⁴ of their length or less, keep their
    digits.

    Parameters
    ----------
    parameters, size
        Columns and rows of S; ``size`` is a multiple of 4 and below ``parameters``.
    seed
        Determines S.
    device
        Device of the points.
    chunks
        Numbers of the chunks that a process holds, increasing, if not all. Points are then these
        chunks, shape (chunks · `chunk_length`,).

    Raises
    ------
    ConfigError
        If ``size`` does not fit.

    Examples
    --------
    >>> sketch = Sketch(5000, 1024, seed=1)
    >>> point = torch.ones(5000)
    >>> bool(abs(sketch(point).square().sum() / 5000 - 1) < 4 * sketch.relative_error)
    True
    """

    def __init__(
        self,
        parameters: int,
        size: int,
        *,
        seed: int = 0,
        device: torch.device | str = "cpu",
        chunks: NDArray[np.int64] | None = None,
    ) -> None:
        self.parameters, self.size, self.seed = parameters, size, seed
        self._rows = size // NONZEROS
        self._chunk = chunk_length(parameters, size)
        all_chunks = math.ceil(parameters / self._chunk)
        generator = np.random.default_rng(seed)
        orders = np.stack([generator.permutation(self._chunk) for _ in range(NONZEROS)]).astype(np.int32)
        shifts = generator.integers(self._rows, size=(NONZEROS, all_chunks, 1))
        signs = _draw_signs(generator, all_chunks, self._chunk, chunks)
        if chunks is not None:
            shifts = shifts[:, chunks]
        self._length = parameters if chunks is None else len(chunks) * self._chunk
        self._orders, self._shifts, self._signs = (torch.from_numpy(one).to(device) for one in (orders, shifts, signs))
        self._row_numbers = torch.arange(self._rows, device=device)
        self._workers: list[_Worker] = []
        self._executor: ThreadPoolExecutor | None = None
        self._chunks_at_once = 1 if torch.device(device).type == "cpu" else max(1, 2**24 // self._chunk)

    @property
    def relative_error(self) -> float:
        """Upper bound of the standard deviation of |S x|² / |x|² over draws of S: √(2/size)."""
        return math.sqrt(2 / self.size)

    @property
    def attributes(self) -> dict[str, Any]:
        """What S can be made from again, and its error, as plain values."""
        return {"size": self.size, "nonzeros": NONZEROS, "seed": self.seed, "relative_error": self.relative_error}

    def __call__(self, point: Tensor) -> Tensor:
        """Return S x of a point, shape (size,), float64.

        Parameters
        ----------
        point
            Shape (parameters,), float32 or float64.
        """
        if point.shape != (self._length,):
            raise ValueError(f"point: expected shape ({self._length},), got {tuple(point.shape)}")
        chunks = self._signs.shape[1]
        sums = torch.empty(NONZEROS, chunks, self._rows, dtype=torch.float64, device=point.device)
        if self._chunks_at_once == 1:
            self._sum_on_cpu(point, sums)
        else:
            for first in range(0, chunks, self._chunks_at_once):
                last = min(first + self._chunks_at_once, chunks)
                sums[:, first:last] = self._row_sums(self._piece(point, first, last), first, last)
        shifted = (self._row_numbers - self._shifts) % self._rows
        return sums.gather(2, shifted).sum(1).view(-1) / math.sqrt(NONZEROS)

    def _piece(self, point: Tensor, first: int, last: int) -> Tensor:
        """Return some chunks of a point, (chunks, numbers), with zeros beyond its end."""
        piece = point[first * self._chunk : last * self._chunk]
        missing = (last - first) * self._chunk - len(piece)
        if missing:
            piece = torch.nn.functional.pad(piece, (0, missing))
        return piece.view(last - first, self._chunk)

    def _row_sums(self, piece: Tensor, first: int, last: int) -> Tensor:
        """Return the signed row sums of each chunk before the shift, (blocks, chunks, rows), float64."""
        sums = []
        for signs, order in zip(self._signs[:, first:last], self._orders, strict=True):  # one block at a time, for its memory
            dealt = (piece * signs).index_select(1, order).view(len(piece), self._rows, -1)
            sums.append(dealt.sum(2, dtype=torch.float64))
        return torch.stack(sums)

    def _sum_on_cpu(self, point: Tensor, sums: Tensor) -> None:
        """Write the same of all chunks into ``sums``; each of torch's threads does a part of the chunks by itself.

        A chunk is too small to be divided, and fits in a processor's cache. The memory is kept,
        because to use new memory takes as long as the sums.
        """
        chunks, threads = sums.shape[1], max(1, min(torch.get_num_threads(), sums.shape[1]))
        while len(self._workers) < threads:
            self._workers.append(_Worker(self._orders, self._rows))
        ends = [chunks * number // threads for number in range(threads + 1)]
        parts = list(zip(self._workers, pairwise(ends), strict=False))
        jobs = [self._pool(threads - 1).submit(self._sum_part, point, sums, *part) for part in parts[1:]]
        self._sum_part(point, sums, *parts[0])
        for job in jobs:
            job.result()

    def _sum_part(self, point: Tensor, sums: Tensor, worker: _Worker, part: tuple[int, int]) -> None:
        with own_thread_alone():
            for chunk in range(*part):
                worker.sum(self._piece(point, chunk, chunk + 1)[0], self._signs[:, chunk], sums[:, chunk])

    def _pool(self, threads: int) -> ThreadPoolExecutor:
        if self._executor is None:
            self._executor = ThreadPoolExecutor(threads, thread_name_prefix="anodiff-sketch")
        return self._executor


class _Worker:
    """The memory in which one thread makes the row sums of a chunk, all blocks at once."""

    def __init__(self, orders: Tensor, rows: int) -> None:
        self._rows = rows
        self._order = (orders + orders.shape[1] * torch.arange(NONZEROS, dtype=torch.int32)[:, None]).view(-1)
        self._signed = self._dealt = torch.empty(0, dtype=torch.bool)

    def sum(self, piece: Tensor, signs: Tensor, sums: Tensor) -> None:
        """Write the sums of a piece (numbers,) with signs (blocks, numbers) to ``sums`` (blocks, rows)."""
        if self._signed.dtype != piece.dtype:
            self._signed, self._dealt = (piece.new_empty(NONZEROS, len(piece)) for _ in range(2))
        self._signed.copy_(signs).mul_(piece)
        torch.index_select(self._signed.view(-1), 0, self._order, out=self._dealt.view(-1))
        torch.sum(self._dealt.view(NONZEROS, self._rows, -1), 2, dtype=torch.float64, out=sums)


def chunk_length(parameters: int, size: int) -> int:
    """Return how many parameters share a permutation in a sketch: a multiple of the rows of a block.

    Raises
    ------
    ConfigError
        If ``size`` does not fit.
    """
    if size < NONZEROS or size % NONZEROS:
        raise ConfigError(f"sketch_size {size} must be a positive multiple of {NONZEROS}")
    if size >= parameters:
        raise ConfigError(
            f"sketch_size {size} is not below the model's {parameters} parameters; "
            "record the full weights, or sketch to fewer numbers"
        )
    rows = size // NONZEROS
    return rows * math.ceil(parameters / (math.ceil(parameters / CHUNK) * rows))


def _draw_signs(generator: np.random.Generator, chunks: int, length: int, kept: NDArray[np.int64] | None) -> NDArray[np.int8]:
    """Return the signs of the kept chunks, shape (block, chunk, length), whichever these are."""
    if kept is None:
        signs = generator.integers(2, size=(NONZEROS, chunks, length), dtype=np.int8)
    else:
        signs = np.empty((NONZEROS, len(kept), length), np.int8)
        state = generator.bit_generator.state
        for block in range(NONZEROS):
            for number, chunk in enumerate(kept.tolist()):
                signs[block, number] = _bits_at(state, (block * chunks + chunk) * length, length)
    signs *= 2
    signs -= 1
    return signs


def _bits_at(state: Any, first: int, count: int) -> NDArray[np.int8]:
    """Return some of the numbers that ``Generator.integers(2, dtype=int8)`` draws in this state of a
    PCG64, without drawing those before ``first``: each word of 32 bits, half a step, gives four.
    """
    generator, words = np.random.PCG64(), first // 4
    if words and state["has_uint32"]:
        words -= 1
        state = state | {"has_uint32": 0, "uinteger": 0}
    generator.state = state
    if words >= 2:
        generator.advance(words // 2)
    draw = np.random.Generator(generator)
    if words % 2:
        draw.integers(2**32, dtype=np.uint32)
    return draw.integers(2, size=first % 4 + count, dtype=np.int8)[first % 4 :]
