"""Reliable and clinically significant change, by hand."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alliance_bayes.errors import UsageError
from alliance_bayes.instruments import clinical_cutoff, reliable_change, significant_change


def test_a_reliable_change_is_that_of_the_original_example():
    """SD 7.5 and reliability .80: standard error 3.354, of a difference 4.743; 15 points are 3.16 of them."""
    error = 7.5 * math.sqrt(0.2) * math.sqrt(2)
    assert error == pytest.approx(4.743, abs=5e-4)
    assert 15 / error == pytest.approx(3.16, abs=5e-3)
    assert reliable_change(7.5, 0.80) == pytest.approx(1.959964 * error, rel=1e-6)
    assert reliable_change(7.5, 0.80, prob=0.9) == pytest.approx(1.644854 * error, rel=1e-6)


def test_the_cut_off_is_as_many_sds_from_either_mean():
    assert clinical_cutoff((40, 7.5), (60, 7.5)) == 50
    # (5 x 40 + 10 x 60) / 15: 1.33 SDs of 10 above 40, and 1.33 SDs of 5 below 60.
    assert clinical_cutoff((40, 10), (60, 5)) == pytest.approx(160 / 3)
    assert clinical_cutoff((18, 6), (5, 4)) == pytest.approx((4 * 18 + 6 * 5) / 10)


def test_everybody_is_put_in_one_of_four():
    before = pd.Series([40.0, 40.0, 40.0, 40.0, 55.0, 50.0, np.nan, 40.0], index=list("abcdefgh"))
    after = pd.Series([52.0, 49.0, 45.0, 30.0, 70.0, 60.0, 60.0, 50.0], index=list("abcdefgh"))
    found = significant_change(before, after, change=9, cutoff=50)
    expected = ["recovered", "improved", "unchanged", "deteriorated", "improved", "recovered", None, "improved"]
    assert found.astype(object).where(found.notna(), None).tolist() == expected
    assert found.index.tolist() == before.index.tolist()
    assert found.cat.categories.tolist() == ["deteriorated", "unchanged", "improved", "recovered"]
    assert found.cat.ordered


scores = st.lists(st.tuples(st.integers(0, 27), st.integers(0, 27)), min_size=1, max_size=20)


@given(scores, st.integers(1, 10), st.integers(0, 27))
def test_turning_the_scale_round_changes_nothing(pairs, change, cutoff):
    before, after = np.array(pairs, dtype=float).T
    there = significant_change(before, after, change=change, cutoff=cutoff)
    back = significant_change(27 - before, 27 - after, change=change, cutoff=27 - cutoff, higher_is="worse")
    assert there.tolist() == back.tolist()
    assert not {"improved", "recovered"} & set(there[after <= before])


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: reliable_change(0, 0.8), "sd should be a finite number above 0 but got 0"),
        (lambda: reliable_change(5, 1.0), r"reliability should be in the interval \(0, 1\) but got 1.0"),
        (lambda: reliable_change(5, 0.8, prob=95), r"prob should be in the interval \(0, 1\) but got 95"),
        (lambda: clinical_cutoff((1, 1), (1, 2)), "between two different means"),
        (lambda: significant_change([1.0], [1.0, 2.0], change=1, cutoff=1), "one score a person"),
        (lambda: significant_change([1.0], [2.0], change=0, cutoff=1), "change should be a finite number above 0"),
        (lambda: significant_change([1.0], [2.0], change=1, cutoff=1, higher_is="more"), "'better' or 'worse'"),
        (
            lambda: significant_change(pd.Series([1.0]), pd.Series([2.0], index=[5]), change=1, cutoff=1),
            "differ in their index",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(call, said):
    with pytest.raises(UsageError, match=said):
        call()
