"""A departure from calibration warns by its size, and not by the number of rows that found it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from alliance_bayes.checks.calibration import INTERVALS, SMALL_DEPARTURE, _is_small, uniformity

RATE = 0.01
N = 200_000


def table_of(pit: np.ndarray) -> pd.DataFrame:
    """Stated and found coverage of central intervals, counted."""
    held = [float(((pit >= (1 - stated) / 2) & (pit <= (1 + stated) / 2)).mean()) for stated in INTERVALS]
    return pd.DataFrame({"interval": INTERVALS, "coverage": held})


@pytest.mark.parametrize(
    ("bend", "small"),
    [
        # 79.3 % of 80 %: nobody would notice.
        (0.0035, True),
        (0.009, True),
        (0.015, False),
    ],
)
def test_what_is_off_by_little_is_small_however_many_rows_there_are(bend: float, small: bool) -> None:
    grid = (np.arange(N) + 0.5) / N
    # Distribution function u + bend sin(2 pi u), inverted: off by `bend` at most, and by nothing in the tails' ends.
    pit = np.interp(grid, grid + bend * np.sin(2 * np.pi * grid), grid)
    shape = uniformity(pit, rate=RATE)
    assert shape.p < RATE
    assert np.abs(shape.ecdf - shape.points).max() == pytest.approx(bend, rel=0.05)
    # The interval of 50 % is off at both of its ends.
    assert _is_small(shape, table_of(pit)) == small == (2 * bend <= SMALL_DEPARTURE)


def test_what_is_far_out_in_a_tail_is_not_small() -> None:
    pit = (np.arange(N) + 0.5) / N
    # One outcome of a thousand where the model expects one of ten million.
    pit[:: N // 200] = 1e-8
    shape = uniformity(pit, rate=RATE)
    assert shape.p < RATE
    assert np.abs(shape.ecdf - shape.points).max() < SMALL_DEPARTURE
    assert not _is_small(shape, table_of(pit))
