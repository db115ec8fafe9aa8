from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from alliance_bayes.errors import DataError, UsageError
from alliance_bayes.instruments import (
    ALLIANCE2,
    INSTRUMENTS,
    PHQ2,
    PHQ9,
    SRS,
    WAI,
    WAI_S,
    WAI_SR,
    WHO5,
    Instrument,
    recode,
    score,
)

# Sums of continuous answers are rounded once an addition: a few units in the last place of 40.
ROUNDING = 1e-12
SCORED = [entry for entry in INSTRUMENTS if entry.scored]


@st.composite
def answers(draw, *, missing: bool = False, entries=SCORED):
    """An instrument and some people's answers to it, people x items."""
    entry = draw(st.sampled_from(entries))
    low, high = map(int, entry.item_range)
    possible = st.floats(low, high, width=32) if entry.item_step is None else st.integers(low, high).map(float)
    if missing:
        possible = possible | st.just(float("nan"))
    shape = (draw(st.integers(1, 6)), entry.n_items)
    return entry, draw(hnp.arrays(np.float64, shape, elements=possible))


@given(answers())
@settings(deadline=None)
def test_complete_answers_score_within_range_and_on_the_grid(case):
    entry, items = case
    result = score(items, entry)
    assert entry.on_grid(result["total"]).all()
    assert (result["answered"] == entry.n_items).all()
    assert list(result.columns) == ["total", *entry.subscales, "answered"]


@given(answers(missing=True))
@settings(deadline=None)
def test_reversing_twice_gives_the_answers_back(case):
    entry, items = case
    once = recode(items, entry)
    np.testing.assert_array_equal(recode(once, entry), items)
    untouched = [item - 1 for item in range(1, entry.n_items + 1) if item not in entry.reversed_items]
    np.testing.assert_array_equal(once[:, untouched], items[:, untouched])


@given(answers(missing=True), st.sampled_from([None, 0.5, 1.0]), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_permuting_people_permutes_their_scores(case, prorate, random):
    entry, items = case
    order = list(range(len(items)))
    random.shuffle(order)
    frame = pd.DataFrame(items, index=[f"p{row}" for row in range(len(items))])
    scores = score(frame, entry, prorate=prorate)
    pd.testing.assert_frame_equal(score(frame.iloc[order], entry, prorate=prorate), scores.iloc[order])


@given(answers(entries=(WAI, WAI_S, WAI_SR)))
@settings(deadline=None)
def test_subscales_add_up_to_the_total(case):
    entry, items = case
    result = score(items, entry)
    np.testing.assert_array_equal(result[list(entry.subscales)].sum(axis=1), result["total"])


@given(answers(), st.floats(0.01, 1))
@settings(deadline=None)
def test_prorating_changes_nothing_when_nothing_is_missing(case, prorate):
    entry, items = case
    pd.testing.assert_frame_equal(score(items, entry, prorate=prorate), score(items, entry), check_exact=True)


@given(answers(missing=True), st.floats(0.01, 1))
@settings(deadline=None)
def test_prorating_scores_exactly_those_who_answered_enough(case, prorate):
    entry, items = case
    result = score(items, entry, prorate=prorate)
    answered = (~np.isnan(items)).sum(axis=1)
    enough = (answered >= prorate * entry.n_items - 1e-6) & (answered > 0)
    np.testing.assert_array_equal(result["total"].notna(), enough)
    low, high = entry.score_range
    assert result["total"].dropna().between(low - ROUNDING, high + ROUNDING).all()
    # Filling a person's own mean of the recoded items in by hand gives the same score.
    recoded = pd.DataFrame(recode(items, entry))
    filled = recoded.T.fillna(recoded.mean(axis=1)).T
    by_hand = filled.mean(axis=1) * high / entry.item_range[1]
    np.testing.assert_allclose(result["total"][enough], by_hand[enough], rtol=1e-12)


@given(answers(), st.data())
@settings(deadline=None)
def test_one_step_up_on_an_item_moves_the_total_by_one_step(case, data):
    entry, items = case
    item = data.draw(st.integers(1, entry.n_items))
    step = entry.item_step or 0.25
    items[:, item - 1] = np.minimum(items[:, item - 1], entry.item_range[1] - step)
    raised = items.copy()
    raised[:, item - 1] += step
    gain = score(raised, entry)["total"] - score(items, entry)["total"]
    sign = -1 if item in entry.reversed_items else 1
    np.testing.assert_allclose(
        gain, sign * step * entry.score_range[1] / (entry.item_range[1] * entry.n_items), atol=1e-9
    )


@pytest.mark.parametrize(
    ("entry", "answered", "total"),
    [
        (WHO5, [0, 0, 0, 0, 0], 0),
        (WHO5, [5, 5, 5, 5, 5], 100),
        (WHO5, [2, 1, 1, 2, 1], 28),
        (WHO5, [3, 2, 4, 1, 3], 52),
        (WAI_S, [7, 6, 5, 1, 7, 6, 5, 7, 6, 2, 5, 7], 74),
        (WAI_SR, [1, 2, 3, 4, 5, 4, 3, 2, 1, 2, 3, 4], 34),
        (ALLIANCE2, [5, 4], 4.5),
        (SRS, [9.1, 8.4, 10, 7.5], 35),
        (PHQ9, [0, 1, 2, 3, 0, 1, 2, 3, 1], 13),
        (PHQ2, [1, 3], 4),
    ],
)
def test_known_totals(entry, answered, total):
    assert score([answered], entry)["total"].tolist() == [total]


def test_a_whole_result_by_hand():
    items = pd.DataFrame(
        [[7, 6, 5, 1, 7, 6, 5, 7, 6, 2, 5, 7], [1, 1, 1, 7, 1, 1, 1, 1, 1, 7, 1, 1]], index=["ann", "ben"]
    )
    # Ann: task 7+6+7+7; bond 5+7+5+6; goal (8-1)+6+(8-2)+5. Ben gives the worst answer everywhere.
    expected = pd.DataFrame(
        {"total": [74.0, 12], "task": [27.0, 4], "bond": [23.0, 4], "goal": [24.0, 4], "answered": [12, 12]},
        index=["ann", "ben"],
    )
    pd.testing.assert_frame_equal(score(items, WAI_S), expected)


def test_the_best_answers_to_the_full_inventory_reach_the_top():
    best = np.full((1, 36), 7)
    best[:, [item - 1 for item in (1, 3, 7, 9, 10, 11, 12, 15, 20, 27, 29, 31, 33, 34)]] = 1
    assert score(best, WAI).iloc[0].tolist() == [252, 84, 84, 84, 36]


def test_missing_items_leave_a_score_out_unless_prorating_is_asked_for():
    items = [[2, 2, 2, 3, np.nan], [5, 5, 5, np.nan, np.nan], [np.nan] * 5, [1, 1, 1, 1, 1]]
    nan = np.nan
    assert score(items, WHO5)["answered"].tolist() == [4, 3, 0, 5]
    np.testing.assert_array_equal(score(items, WHO5)["total"], [nan, nan, nan, 20])
    # 9 points of 4 items make 11.25 of 5, times 4: a score that complete answers cannot give.
    np.testing.assert_array_equal(score(items, WHO5, prorate=0.8)["total"], [45, nan, nan, 20])
    np.testing.assert_array_equal(score(items, WHO5, prorate=0.6)["total"], [45, 100, nan, 20])
    assert WHO5.on_grid(score(items, WHO5, prorate=0.8)["total"]).tolist() == [False, False, False, True]


def test_each_scale_prorates_by_its_own_items():
    items = np.full((1, 12), 5.0)
    items[0, [0, 1]] = np.nan  # half of the task items, a sixth of all
    result = score(items, WAI_SR, prorate=0.75)
    np.testing.assert_array_equal(result.iloc[0], [60, np.nan, 20, 20, 10])


def test_prorating_averages_recoded_answers():
    items = np.full((1, 12), 7.0)
    items[0, [3, 9]] = 1, np.nan  # item 4 answered 1 counts 7; so does the missing item 10
    assert score(items, WAI_S, prorate=0.9)["total"].tolist() == [84]


def custom(**parts) -> Instrument:
    common = {"name": "X", "title": "An instrument", "item_step": None, "measures": "alliance", "total": "sum"}
    common |= {"higher_is": "better"}
    return Instrument(**common | parts)


def test_a_share_that_is_a_whole_number_of_items_asks_for_just_that_many():
    items = np.full((1, 25), np.nan)
    items[0, :7] = 1
    assert math.ceil(0.28 * 25) == 8  # binary fractions: 7.000000000000001
    assert score(items, custom(n_items=25, item_range=(0, 10)), prorate=0.28)["total"].tolist() == [25]


def test_prorating_complete_continuous_answers_loses_no_digit():
    entry = custom(n_items=3, item_range=(0, 10))
    assert 0.1 * 3 / 3 != 0.1
    assert score([[0.1, 0, 0]], entry, prorate=0.5)["total"].tolist() == [0.1]


def test_only_the_total_is_multiplied():
    entry = custom(n_items=3, item_range=(0, 5), total="sum x 4", subscale_items=(("mood", (1, 3)),))
    assert score([[1, 2, 3]], entry).iloc[0].tolist() == [24, 4, 3]


@pytest.mark.parametrize("prorate", [0, -0.5, 1.01, float("nan"), True, False, "half"])
def test_prorate_must_be_a_share(prorate):
    with pytest.raises(UsageError) as caught:
        score([[1, 2, 3, 4, 5]], WHO5, prorate=prorate)
    assert str(caught.value) == (
        f"prorate should be in the interval (0, 1] but got {prorate!r}. Pass the smallest share of items that must be "
        "answered (0.8, say), 'instrument' for the instrument's own rule, or None to score complete answers only."
    )


def test_nothing_is_scored_while_an_answer_is_wrong():
    with pytest.raises(DataError) as caught:
        score([[1, 2, 3, 4, 6], [0, 0, 0, 0, 0.5]], WHO5, prorate=0.8, source="survey")
    remedy = "Correct the entry, or leave it empty if the item was not answered."
    assert str(caught.value) == (
        "survey: 2 problems found; nothing was analysed.\n"
        f"  - column 'item_5', row 0: 6.0 is outside the range 0 to 5 of WHO-5 items. {remedy}\n"
        f"  - column 'item_5', row 1: 0.5 is not on the steps of 1 from 0 of WHO-5 items. {remedy}"
    )


def test_an_empty_table_scores_to_an_empty_table():
    result = score(np.empty((0, 5)), WHO5)
    assert result.shape == (0, 2)
    assert result.dtypes.tolist() == [np.float64, np.int64]
