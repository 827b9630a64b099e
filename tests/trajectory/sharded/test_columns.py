"""Pieces of tensors, and their columns in a point, are those of torch's splits."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from anodiff.trajectory.sharded.columns import Columns, Copies, columns_of_piece, joined, piece_of, piece_shape


@st.composite
def splits(draw):
    shape = draw(st.lists(st.integers(1, 6), max_size=3))
    if not shape:
        return shape, []
    part = st.integers(1, 4).flatmap(lambda parts: st.tuples(st.just(parts), st.integers(0, parts - 1)))
    each = st.tuples(st.integers(0, len(shape) - 1), part).map(lambda split: (split[0], *split[1]))
    return shape, draw(st.lists(each, max_size=3))


def listed(columns):
    runs = [np.arange(start, start + length) for start, length in zip(columns.starts, columns.lengths, strict=True)]
    return np.concatenate(runs) if runs else np.empty(0, int)


@given(splits(), st.integers(1, 2))
def test_a_piece_is_what_torch_leaves_after_the_same_splits(drawn, width):
    shape, parts = drawn
    tensor = 10 + torch.arange(int(np.prod(shape)) * width).view(*shape, width)
    for dimension, count, number in parts:
        pieces = torch.chunk(tensor, count, dimension) if tensor.shape[dimension] else []
        tensor = pieces[number] if number < len(pieces) else tensor.narrow(dimension, 0, 0)
    piece = piece_of(shape, parts)
    assert piece_shape(piece) == tuple(tensor.shape[:-1])
    np.testing.assert_array_equal(listed(columns_of_piece(piece, shape, 10, width)), tensor.flatten().numpy())


@given(splits(), st.integers(1, 9), st.integers(0, 200), st.integers(0, 200))
def test_cutting_and_selecting_keep_the_order_of_columns(drawn, width, one, other):
    columns = columns_of_piece(piece_of(*drawn), drawn[0], 3)
    cut = columns.cut(width)
    np.testing.assert_array_equal(listed(cut), listed(columns))
    assert all(start // width == (start + length - 1) // width for start, length in zip(cut.starts, cut.lengths, strict=True))
    first, last = sorted((one, other))
    part, positions = columns.between(first, last)
    whole = listed(columns)
    np.testing.assert_array_equal(listed(part), whole[(whole >= first) & (whole < last)])
    np.testing.assert_array_equal(whole[positions], part.starts)


@given(splits(), st.integers(1, 9))
def test_copies_put_every_number_in_its_column(drawn, width):
    columns = columns_of_piece(piece_of(*drawn), drawn[0], 3).cut(width)
    columns = joined([columns, Columns(columns.starts + 300, columns.lengths)])
    held, point = torch.arange(2.0 * columns.size).view(2, -1) + 1, torch.zeros(2, 700)
    for target, source in zip(
        *Copies.between(columns.starts, columns.positions, columns.lengths).views(point, held), strict=True
    ):
        target.copy_(source)
    expected = np.zeros((2, 700))
    expected[:, listed(columns).astype(int)] = held
    np.testing.assert_array_equal(point, expected)


def test_a_tensor_that_is_split_along_its_last_dimension_is_copied_as_one_block():
    columns = columns_of_piece(piece_of((1000, 8), [(1, 2, 1)]), (1000, 8), 0)
    assert len(columns.starts) == 1000
    assert len(Copies.between(columns.starts, columns.positions, columns.lengths).blocks) == 1


def test_a_rank_may_hold_nothing():
    columns = columns_of_piece(piece_of((3,), [(0, 4, 3)]), (3,), 0)
    assert columns.size == columns.cut(4).size == joined([]).size == 0
