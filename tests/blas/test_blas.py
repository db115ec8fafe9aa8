"""BLAS works in one thread where it is told to, and as before afterwards."""

from __future__ import annotations

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from alliance_bayes.blas import one_blas_thread


def threads() -> list[int]:
    np.eye(2) @ np.eye(2)  # NumPy's BLAS is loaded
    found = [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]
    if not found:
        pytest.skip("this BLAS (Apple's Accelerate) cannot be told how many threads to use")
    return found


def test_blas_has_one_thread_meanwhile() -> None:
    with threadpool_limits(limits=2, user_api="blas"):
        before = threads()
        with one_blas_thread():
            assert set(threads()) == {1}
        assert threads() == before


def test_it_has_its_threads_again_after_an_interrupt() -> None:
    with threadpool_limits(limits=2, user_api="blas"):
        before = threads()
        with pytest.raises(KeyboardInterrupt), one_blas_thread():
            raise KeyboardInterrupt
        assert threads() == before
