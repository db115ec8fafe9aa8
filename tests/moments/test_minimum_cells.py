from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from alliance_bayes.errors import DataError, UsageError
from alliance_bayes.model import ModelSpec
from alliance_bayes.moments import moments_of, with_minimum
from builders import OUTCOME_FORMULA, rows


def crossed(counts):
    """Moments of rows with given numbers of them by country and sex."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        [(country, sex) for (country, sex), n in counts.items() for _ in range(n)], columns=["country", "sex"]
    )
    frame = frame.assign(y=rng.normal(size=len(frame)), x=rng.normal(size=len(frame)))
    return moments_of(ModelSpec("y ~ x + (1 | country) + (1 | sex)", autoscale=True).design(frame))


def cells(moments):
    return {
        tuple(moments.levels[key][code] for key, code in zip(moments.keys, codes, strict=True)): int(count)
        for codes, count in zip(moments.codes, moments.counts, strict=True)
    }


def test_cells_that_are_large_enough_stay_as_they_are():
    moments = crossed({("FR", "f"): 5, ("FR", "m"): 6, ("DE", "f"): 7})
    assert with_minimum(moments, 5) is moments


def test_small_cells_are_refused_with_their_number_and_a_remedy():
    with pytest.raises(DataError) as error:
        with_minimum(crossed({("FR", "f"): 5, ("FR", "m"): 2, ("DE", "f"): 1}), 3)
    assert str(error.value) == (
        "moments: 1 problem found; nothing was analysed.\n"
        "  - table: has 2 of 3 cells of country, sex with fewer than 3 rows (3 rows of 8). Put them together with "
        "small='merge', leave out a factor, or lower the least number."
    )


def test_small_cells_lose_their_level_of_the_key_with_most_levels_first():
    moments = crossed({("FR", "f"): 5, ("FR", "m"): 2, ("DE", "m"): 1, ("IT", "m"): 6, ("DE", "f"): 4})
    merged = with_minimum(moments, 3, small="merge")
    assert cells(merged) == {("DE", "f"): 4, ("FR", "f"): 5, ("IT", "m"): 6, ("(small cells)", "m"): 3}
    assert merged.notes == ("Cells of fewer than 3 rows: 3 rows of 2 levels of 'country' are now '(small cells)'.",)
    # Pooling is exact: nothing of the totals is lost (sums of 18 numbers of order one).
    np.testing.assert_allclose(merged.total_cross, moments.total_cross, rtol=1e-13, atol=1e-13)
    np.testing.assert_array_equal(merged.histogram.counts.sum(axis=0), moments.histogram.counts.sum(axis=0))


def test_what_is_still_small_loses_the_next_key_too():
    moments = crossed({("FR", "f"): 5, ("FR", "m"): 1, ("DE", "f"): 2, ("IT", "m"): 6})
    merged = with_minimum(moments, 3, small="merge")
    assert cells(merged) == {("FR", "f"): 5, ("IT", "m"): 6, ("(small cells)", "(small cells)"): 3}
    assert merged.notes == (
        "Cells of fewer than 3 rows: 3 rows of 2 levels of 'country' are now '(small cells)'.",
        "Cells of fewer than 3 rows: 3 rows of 2 levels of 'sex' are now '(small cells)'.",
    )


def test_a_cell_that_is_left_alone_is_joined_by_the_next_smallest():
    moments = crossed({("FR", "f"): 5, ("FR", "m"): 1, ("IT", "m"): 6, ("IT", "f"): 9})
    merged = with_minimum(moments, 3, small="merge")
    assert cells(merged) == {("IT", "f"): 9, ("IT", "m"): 6, ("(small cells)", "(small cells)"): 6}
    assert merged.notes == (
        "Cells of fewer than 3 rows: 6 rows of 1 level of 'country' are now '(small cells)'.",
        "Cells of fewer than 3 rows: 6 rows of 2 levels of 'sex' are now '(small cells)'.",
    )


@pytest.mark.parametrize("size", [2, 5, 11, 100, 240])
def test_no_cell_is_smaller_whatever_the_table(size):
    moments = moments_of(ModelSpec(OUTCOME_FORMULA).design(rows(240, countries=12)))
    merged = with_minimum(moments, size, small="merge")
    assert merged.counts.min() >= size
    assert merged.n == 240
    np.testing.assert_allclose(merged.total_mean, moments.total_mean, rtol=1e-12, atol=1e-12)


def test_too_few_rows_altogether_are_refused():
    with pytest.raises(DataError) as error:
        with_minimum(crossed({("FR", "f"): 5, ("DE", "m"): 2}), 9, small="merge")
    assert str(error.value) == (
        "moments: 1 problem found; nothing was analysed.\n"
        "  - table: has 7 rows altogether, fewer than the 9 that a cell must have. Lower the least number, or add rows."
    )


@pytest.mark.parametrize(
    ("size", "small", "message"),
    [
        (0, "refuse", "the least number of rows in a cell should be a whole number from 1 up but got 0."),
        (True, "refuse", "the least number of rows in a cell should be a whole number from 1 up but got True."),
        (5, "drop", "small should be 'refuse' or 'merge' but got 'drop'."),
    ],
)
def test_impossible_arguments_are_refused(size, small, message):
    with pytest.raises(UsageError) as error:
        with_minimum(crossed({("FR", "f"): 5, ("DE", "m"): 2}), size, small=small)
    assert str(error.value) == message
