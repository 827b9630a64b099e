"""On how many threads are matrices multiplied? On one, where the bits must not depend on it.

Threads of a BLAS share the sums among them, so other numbers of threads round differently: that can
move the end of an interval, or raise a flag. `OMP_NUM_THREADS` and the number of cores must not.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

#: What a BLAS reads as it is loaded.
VARIABLES = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS")


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Multiply on one thread while the context lasts, or the function that it decorates, in numpy
    and scipy; torch is left alone.

    A BLAS that is loaded meanwhile, such as scipy's, stays with one thread.
    """
    from threadpoolctl import threadpool_limits

    before = {name: os.environ.get(name) for name in VARIABLES}
    os.environ |= dict.fromkeys(VARIABLES, "1")
    try:
        with threadpool_limits(1, user_api="blas"):
            yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Compute on one thread in torch, so that the bits do not depend on the machine's number of cores."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def own_thread_alone() -> AbstractContextManager[Any]:
    """Let torch's operations of the calling thread run in it alone, while those of others keep their threads."""
    return _openmp().limit(limits=1)


@cache
def _openmp() -> ThreadpoolController:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="openmp")
