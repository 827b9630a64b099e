"""How are the products of updates summed, so that their digits last? In blocks of parameters.

The pitfall: a float32 sum over millions of products loses digits, and float64 products cost twice the time or more. So the
products of a few thousand parameters are summed in float32, and these sums in float64. The geometry of a stored path and
the recorder that stores no weights share this.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

#: Columns whose products are summed in float32 before they enter the float64 total.
PRODUCT_COLUMNS = 8192

#: The same where torch multiplies: its libraries may add all columns up one by one, numpy's keeps many partial sums.
TORCH_COLUMNS = 2048


def add_products(total: Any, left: Any, right: Any) -> None:
    """Add to ``total`` (K, L) the products left · rightᵀ of differences (K, P) and (L, P), of numpy or of torch.

    Where both are the same array, numpy calls the symmetric rank-k product, half the work.
    """
    columns = PRODUCT_COLUMNS if isinstance(left, np.ndarray) else TORCH_COLUMNS
    for first in range(0, left.shape[1], columns):
        part = slice(first, first + columns)
        total += left[:, part] @ right[:, part].T


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
