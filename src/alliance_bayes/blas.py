"""Linear algebra in one thread."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_limits

__all__ = ["one_blas_thread"]


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Have BLAS work in the calling thread only.

    The matrices of an analysis are small. BLAS cuts them up all the same, and between two products its threads wait
    for work at full load: a third of the processor time, which other threads lack.
    """
    with threadpool_limits(limits=1, user_api="blas"):
        yield
