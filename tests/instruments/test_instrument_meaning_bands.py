from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alliance_bayes.errors import DataError, UsageError
from alliance_bayes.instruments import INSTRUMENTS, PHQ9, SRS, WAI_SR, WHO5, band, meets

BANDED = [entry for entry in INSTRUMENTS if entry.bands]


def test_bands_of_every_who5_score():
    labels = band(WHO5.score_grid, WHO5)
    assert labels.value_counts(sort=False).to_dict() == {"<= 28": 8, "29-50": 5, "51-79": 7, ">= 80": 6}
    edges = [0, 28, 32, 48, 52, 76, 80, 100]
    assert band(edges, WHO5).tolist() == ["<= 28", "<= 28", "29-50", "29-50", "51-79", "51-79", ">= 80", ">= 80"]


def test_bands_of_every_phq9_score():
    counts = band(PHQ9.score_grid, PHQ9).value_counts(sort=False).to_dict()
    assert counts == {"minimal": 5, "mild": 5, "moderate": 5, "moderately severe": 5, "severe": 8}


def test_prorated_scores_fall_between_grid_points_without_a_gap():
    assert band([28.5, 50.5, 79.9], WHO5).tolist() == ["29-50", "51-79", "51-79"]
    assert band([35.999, 36], SRS).tolist() == ["alert", "no alert"]


@given(st.sampled_from(BANDED), st.data())
@settings(deadline=None)
def test_bands_keep_the_order_of_scores(entry, data):
    low, high = entry.score_range
    scores = data.draw(st.lists(st.floats(low, high), min_size=1, max_size=8))
    codes = band(sorted(scores), entry).cat.codes
    assert codes.is_monotonic_increasing
    assert (codes >= 0).all()


def test_a_band_is_an_ordered_category_with_the_scores_own_index_and_name():
    scores = pd.Series([90, np.nan, 12], index=["a", "b", "c"], name="who5_baseline")
    labels = band(scores, WHO5)
    assert (labels.index.tolist(), labels.name) == (["a", "b", "c"], "who5_baseline")
    assert labels.cat.ordered
    assert labels.cat.categories.tolist() == ["<= 28", "29-50", "51-79", ">= 80"]
    assert labels.isna().tolist() == [False, True, False]
    assert labels.cat.codes.tolist() == [3, -1, 0]


def test_low_wellbeing_is_a_raw_sum_below_13():
    raw = np.arange(26)
    assert (meets(raw * 4, WHO5, "low_wellbeing") == (raw < 13)).all()


def test_meeting_a_threshold_in_each_direction():
    scores = pd.Series([27, 28, 29, None], dtype="Float64", index=list("abcd"), name="s")
    expected = pd.Series([1.0, 1.0, 0.0, np.nan], index=list("abcd"), name="s")
    pd.testing.assert_series_equal(meets(scores, WHO5, "depression_screen"), expected)
    assert meets([35.9, 36, 36.1], SRS, "alliance_alert").tolist() == [1, 0, 0]
    assert meets([9, 10, 11], PHQ9, "depression_screen").tolist() == [0, 1, 1]


def test_scores_outside_the_range_are_listed_all_at_once():
    scores = pd.Series([104, 50, -4, np.inf], index=["a", "b", "c", "d"], name="who5")
    what = "is outside the range 0 to 100 of WHO-5 totals. Correct the score, or leave it missing."
    message = "\n".join(
        [
            "scores: 3 problems found; nothing was analysed.",
            f"  - column 'who5', row a: 104.0 {what}",
            f"  - column 'who5', row c: -4.0 {what}",
            f"  - column 'who5', row d: inf {what}",
        ]
    )
    for call in (lambda: band(scores, WHO5), lambda: meets(scores, WHO5, "low_wellbeing")):
        with pytest.raises(DataError) as caught:
            call()
        assert str(caught.value) == message


def test_wrong_use_is_explained():
    with pytest.raises(UsageError) as caught:
        band([30], WAI_SR)
    names = ", ".join(entry.name for entry in BANDED)
    assert names.startswith("WHO-5, SRS, PHQ-9, PHQ-2")
    assert str(caught.value) == f"WAI-SR has no bands. Instruments that have: {names}."
    with pytest.raises(UsageError) as caught:
        band([[30]], WHO5)
    assert str(caught.value) == "scores must have one dimension, but has 2. Pass one score a person."
    with pytest.raises(UsageError) as caught:
        band(pd.Series(["low"], dtype=object), WHO5)
    assert str(caught.value) == "scores must be numbers, but its type is object. Score the items first."
