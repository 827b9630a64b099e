"""How are the products of updates summed without losing digits? In blocks of parameters.

The pitfall: a float32 sum over millions of products loses digits, and float64 products take twice
the time or more. So the products of a few thousand parameters are summed in float32, and these sums
in float64. The geometry of a stored path and the recorder that stores no weights share this code.
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

#: Columns whose products are summed in float32 before they are added to the float64 total.
PRODUCT_COLUMNS = 8192

#: The same for torch, whose libraries may add columns one by one; numpy's keeps many partial sums.
TORCH_COLUMNS = 512

#: Float32 sums that torch holds at a time, so that one launch gives a GPU many blocks of columns.
SUMS_AT_ONCE = 2**24


def add_products(total: Any, left: Any, right: Any) -> None:
    """Add left · rightᵀ to ``total`` (K, L) for differences (K, P) and (L, P), of numpy or torch.

    If both are the same array, numpy uses the symmetric rank-k product, which is half the work.
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
    """Return the controller that counts and limits the threads of numpy's matrix products."""
    return ThreadpoolController().select(user_api="blas")


@contextmanager
def full_precision() -> Iterator[None]:
    """Let torch multiply float32 as float32; with TF32 half of the digits would be lost.

    This affects the whole process, so no other thread may multiply meanwhile.
    """
    import torch

    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
