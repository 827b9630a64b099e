"""On how many threads are matrices multiplied? On one, where the bits must not depend on it.

Threads of a BLAS share the sums among them, so other numbers of threads round differently: that can
move the end of an interval, or raise a flag. `OMP_NUM_THREADS` and the number of cores must not.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Multiply on one thread while the context lasts, or the function that it decorates, in numpy
    and scipy; torch is left alone.
    """
    import scipy.linalg  # noqa: F401  # it has a BLAS of its own, which can be limited once it is loaded
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"):
        yield
