"""How are the products of updates summed, so that their digits last? In blocks of parameters.

The pitfall: a float32 sum over millions of products loses digits, and float64 products cost twice the time or more. So the
products of a few thousand parameters are summed in float32, and these sums in float64. The geometry of a stored path and
the recorder that stores no weights share this.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from threadpoolctl import ThreadpoolController

if TYPE_CHECKING:
    from torch import Tensor

#: Columns whose products are summed in float32 before they enter the float64 total.
PRODUCT_COLUMNS = 8192

#: The same where torch multiplies: its libraries may add all columns up one by one, numpy's keeps many partial sums.
TORCH_COLUMNS = 512

#: Float32 sums that torch holds at a time, so that a GPU gets many parts of the columns by one launch.
SUMS_AT_ONCE = 2**24


def add_products(total: Any, left: Any, right: Any) -> None:
    """Add to ``total`` (K, L) the products left · rightᵀ of differences (K, P) and (L, P), of numpy or of torch.

    Where both are the same array, numpy calls the symmetric rank-k product, half the work.
    """
    if not isinstance(left, np.ndarray):
        _add_by_torch(total, left, right)
        return
    for first in range(0, left.shape[1], PRODUCT_COLUMNS):
        part = slice(first, first + PRODUCT_COLUMNS)
        total += left[:, part] @ right[:, part].T


def _add_by_torch(total: Tensor, left: Tensor, right: Tensor) -> None:
    import torch

    whole = left.shape[1] // TORCH_COLUMNS
    at_once = max(1, SUMS_AT_ONCE // total.numel())
    for first in range(0, whole, at_once):
        part = slice(TORCH_COLUMNS * first, TORCH_COLUMNS * min(first + at_once, whole))
        one, other = (rows[:, part].unflatten(1, (-1, TORCH_COLUMNS)).transpose(0, 1) for rows in (left, right))
        total += (one @ other.mT).sum(0, dtype=torch.float64)
    if left.shape[1] % TORCH_COLUMNS:
        rest = slice(TORCH_COLUMNS * whole, None)
        total += left[:, rest] @ right[:, rest].T


@cache
def blas() -> ThreadpoolController:
    """Return the controller of numpy's matrix products: how many threads they may use, and how to limit them for a while."""
    return ThreadpoolController().select(user_api="blas")


@contextmanager
def full_precision() -> Iterator[None]:
    """Let torch multiply float32 as float32: a process that allows TF32 would lose half of the digits.

    It holds for the whole process, so enter it only where no other thread multiplies.
    """
    import torch

    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
