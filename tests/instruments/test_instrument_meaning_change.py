from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alliance_bayes.errors import UsageError
from alliance_bayes.instruments import WHO5, improved, recovered

nan = np.nan


def test_recovery_is_from_at_or_below_the_threshold_to_above_it():
    baseline = [28, 28, 0, 32, 32, nan, 20]
    followup = [32, 28, 100, 100, 20, 60, nan]
    # Who was not a case at baseline cannot recover: missing, not 0, so that the mean is over those who could.
    np.testing.assert_array_equal(recovered(baseline, followup), [1, 0, 1, nan, nan, nan, nan])
    assert np.nanmean(recovered(baseline, followup)) == pytest.approx(2 / 3)
    np.testing.assert_array_equal(recovered(baseline, followup, threshold=50), [0, 0, 1, 1, 0, nan, nan])


def test_improvement_is_a_gain_of_at_least_ten_points():
    np.testing.assert_array_equal(improved([8, 10, 12, -12, nan]), [0, 1, 1, 0, nan])
    np.testing.assert_array_equal(improved([4, 3.9], points=4), [1, 0])
    # Rounding of pro-rated scores must not cost anyone an improvement.
    assert improved([70.1 - 60.1]).tolist() == [1]
    assert 70.1 - 60.1 < 10


def test_defaults_are_the_who5s_own_figures():
    assert recovered.__kwdefaults__ == {"threshold": WHO5.threshold("depression_screen").value}
    assert improved.__kwdefaults__ == {"points": WHO5.smallest_relevant_change}


def test_series_keep_their_index_and_nullable_columns_keep_what_is_missing():
    index = pd.Index(["a", "b", "c"], name="participant_id")
    baseline = pd.Series([20, None, 24], index=index, dtype="Int64")
    followup = pd.Series([40.0, 40.0, 12.0], index=index)
    expected = pd.Series([1.0, nan, 0.0], index=index, name="recovered")
    pd.testing.assert_series_equal(recovered(baseline, followup), expected)
    gains = pd.Series([20.0, nan, -12.0], index=index, name="improved")
    pd.testing.assert_series_equal(improved(gains), pd.Series([1.0, nan, 0.0], index=index, name="improved"))


def test_draws_of_a_followup_broadcast_against_one_baseline():
    draws = np.array([[32.0, 30.0], [28.0, 10.0], [99.0, nan]])
    np.testing.assert_array_equal(recovered([20, 60], draws), [[1, nan], [0, nan], [1, nan]])


@given(st.lists(st.tuples(*[st.floats(0, 100) | st.just(nan)] * 2), min_size=1), st.floats(0, 100))
@settings(deadline=None)
def test_recovery_needs_a_case_and_a_followup(pairs, threshold):
    baseline, followup = np.array(pairs).T
    result = recovered(baseline, followup, threshold=threshold)
    np.testing.assert_array_equal(~np.isnan(result), (baseline <= threshold) & ~np.isnan(followup))
    # Everybody who recovered gained something.
    assert (followup[result == 1] > baseline[result == 1]).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: improved(["a"]), "change must hold numbers. Score the items first."),
        (lambda: recovered([1], ["a"]), "followup must hold numbers. Score the items first."),
        (
            lambda: recovered([1, 2], [1, 2, 3]),
            "baseline and followup have shapes (2,) and (3,). Pass one score a person in each.",
        ),
        (
            lambda: recovered(pd.Series([1, 2]), pd.Series([1, 2], index=[1, 0])),
            "baseline and followup differ in their index. Align them before comparing people.",
        ),
        (
            lambda: recovered(pd.Series([1, 2]), np.ones((3, 2))),
            "baseline and followup broadcast to shape (3, 2), but the Series has 2 rows. "
            "Pass arrays where shapes differ.",
        ),
        (
            lambda: recovered([1], [2], threshold=nan),
            "threshold should be a finite number but got nan. Pass a score in points.",
        ),
        (lambda: improved([1], points=np.inf), "points should be a finite number but got inf. Pass a score in points."),
        (lambda: improved([1], points=0), "points should be above 0 but got 0. Pass the smallest gain that counts."),
    ],
)
def test_wrong_use_is_explained(call, message):
    with pytest.raises(UsageError) as caught:
        call()
    assert str(caught.value) == message
