"""Which numbers of the unsharded point are in a piece of a parameter that one rank holds?

Every way of sharding splits a tensor along its dimensions. So a piece is an outer product: along
each dimension it has some of the indices. In the point, where the tensor's numbers follow each other
row by row, it is a list of runs of columns.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

#: Along each dimension of a tensor, the ranges (first, count) of the indices that a piece has.
Piece = tuple[tuple[tuple[int, int], ...], ...]


@dataclass(frozen=True)
class Columns:
    """Columns of a point, as runs of consecutive ones, in the order in which a rank holds them.

    Attributes
    ----------
    starts, lengths
        First column and number of columns of each run, shape (run,), int64.
    """

    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]

    @property
    def size(self) -> int:
        """Number of columns."""
        return int(self.lengths.sum())

    @property
    def positions(self) -> NDArray[np.int64]:
        """Where each run begins in the rank's own vector, shape (run,)."""
        return np.cumsum(self.lengths) - self.lengths

    def between(self, first: int, last: int) -> tuple[Columns, NDArray[np.int64]]:
        """Return the columns from ``first`` to before ``last``, and where each run begins in the
        rank's own vector.
        """
        starts, ends = np.maximum(self.starts, first), np.minimum(self.starts + self.lengths, last)
        inside = starts < ends
        positions = self.positions + starts - self.starts
        return Columns(starts[inside], (ends - starts)[inside]), positions[inside]

    def cut(self, width: int) -> Columns:
        """Return the same columns in runs that cross no multiple of ``width``."""
        if not len(self.starts):
            return self
        firsts, lasts = self.starts // width, (self.starts + self.lengths - 1) // width
        run = np.repeat(np.arange(len(firsts)), lasts - firsts + 1)
        block = np.arange(len(run)) - np.repeat(np.cumsum(lasts - firsts + 1) - (lasts - firsts + 1), lasts - firsts + 1)
        block += firsts[run]
        starts = np.maximum(self.starts[run], block * width)
        ends = np.minimum((self.starts + self.lengths)[run], (block + 1) * width)
        return Columns(starts, ends - starts)


def no_columns() -> Columns:
    """Return the columns of a rank that holds nothing."""
    return Columns(np.empty(0, np.int64), np.empty(0, np.int64))


def joined(parts: Sequence[Columns]) -> Columns:
    """Return the columns of several pieces, one after another."""
    if not parts:
        return no_columns()
    return Columns(np.concatenate([part.starts for part in parts]), np.concatenate([part.lengths for part in parts]))


def piece_of(shape: Sequence[int], splits: Sequence[tuple[int, int, int]]) -> Piece:
    """Return the piece of a tensor that is left after splitting it several times.

    Parameters
    ----------
    splits
        Dimension, number of parts, and the part that is taken, of each split, in order. Parts are
        those of ``torch.chunk``: equally large but for the last ones.

    Examples
    --------
    >>> piece_of((5, 2), [(0, 2, 1)])
    (((3, 2),), ((0, 2),))
    """
    ranges = [[(0, length)] for length in shape]
    for dimension, parts, part in splits:
        length = sum(count for _, count in ranges[dimension])
        size = -(-length // parts)
        ranges[dimension] = _between(ranges[dimension], part * size, (part + 1) * size)
    return tuple(tuple(one) for one in ranges)


def piece_shape(piece: Piece) -> tuple[int, ...]:
    """Return the shape of the local tensor that holds a piece."""
    return tuple(sum(count for _, count in ranges) for ranges in piece)


def columns_of_piece(piece: Piece, shape: Sequence[int], offset: int, width: int = 1) -> Columns:
    """Return the columns of a piece, row by row.

    Parameters
    ----------
    piece, shape
        The piece, and the shape of the whole tensor.
    offset
        First column of the tensor.
    width
        Columns of each number: 2 if they are complex.

    Examples
    --------
    >>> columns_of_piece((((0, 2),), ((2, 1),)), (2, 3), offset=10).starts
    array([12, 15])
    """
    if 0 in piece_shape(piece):
        return no_columns()
    strides = [width * math.prod(shape[dimension + 1 :]) for dimension in range(len(shape))]
    whole = len(shape)
    while whole and piece[whole - 1] == ((0, shape[whole - 1]),):
        whole -= 1
    if not whole:
        return Columns(np.array([offset], np.int64), np.array([width * math.prod(shape)], np.int64))
    firsts, counts = np.array(piece[whole - 1], np.int64).T
    starts, lengths = firsts * strides[whole - 1], counts * strides[whole - 1]
    for dimension in reversed(range(whole - 1)):
        indices = np.concatenate([np.arange(first, first + count, dtype=np.int64) for first, count in piece[dimension]])
        starts = (indices[:, None] * strides[dimension] + starts).ravel()
        lengths = np.tile(lengths, len(indices))
    return Columns(starts + offset, lengths)


@dataclass(frozen=True)
class Copies:
    """Runs of numbers to be copied between two vectors, as few strided blocks.

    Attributes
    ----------
    blocks
        Of each block: the number of its runs, their length, and start and step in either vector.
    """

    blocks: tuple[tuple[int, int, int, int, int, int], ...]

    @classmethod
    def between(cls, one: NDArray[np.int64], other: NDArray[np.int64], lengths: NDArray[np.int64]) -> Copies:
        """Return the copies of runs that begin at ``one`` and at ``other`` in either vector."""
        if not len(lengths):
            return cls(())
        steps, other_steps, equal = np.diff(one), np.diff(other), np.diff(lengths) == 0
        steady = equal[1:] & (np.diff(steps) == 0) & (np.diff(other_steps) == 0)
        breaks = [*(np.flatnonzero(~steady) + 1).tolist(), len(lengths) - 1]
        blocks, first = [], 0
        while first < len(lengths):
            last, step, other_step = first, 0, 0
            if first < len(equal) and equal[first]:
                last = breaks[bisect_right(breaks, first)]
                step, other_step = int(steps[first]), int(other_steps[first])
            blocks.append((last - first + 1, int(lengths[first]), int(one[first]), step, int(other[first]), other_step))
            first = last + 1
        return cls(tuple(blocks))

    def views(self, one: Tensor, other: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Return views of both, shape (…, vector), to be copied one from the other."""
        ours = [_view(one, block[0], block[1], *block[2:4]) for block in self.blocks]
        return ours, [_view(other, block[0], block[1], *block[4:6]) for block in self.blocks]


def _view(vector: Tensor, count: int, length: int, start: int, step: int) -> Tensor:
    outer, strides = vector.shape[:-1], vector.stride()[:-1]
    return vector.as_strided((*outer, count, length), (*strides, step, 1), vector.storage_offset() + start)


def _between(ranges: list[tuple[int, int]], first: int, last: int) -> list[tuple[int, int]]:
    """Return the entries ``first`` to ``last`` of ranges, as ranges; neighbours become one."""
    found: list[tuple[int, int]] = []
    position = 0
    for start, count in ranges:
        low, high = max(first, position), min(last, position + count)
        if low < high:
            begin = start + low - position
            if found and sum(found[-1]) == begin:
                found[-1] = (found[-1][0], found[-1][1] + high - low)
            else:
                found.append((begin, high - low))
        position += count
    return found
