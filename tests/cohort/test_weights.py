"""Weights of rows: what they may be, and the table in which everybody stands as often as they say."""

from __future__ import annotations

import dataclasses
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import alliance_bayes as ab
from alliance_bayes.cohort import Cohort, Flow, FlowStep
from alliance_bayes.cohort.weights import effective_size, repeated, weights_of


def cohort(weights: list[float], **columns: object) -> Cohort:
    frame = pd.DataFrame({"participant_id": [f"p{k}" for k in range(len(weights))], "y": 1.0, "w": weights, **columns})
    frame["participant_id"] = frame["participant_id"].astype("str")
    return Cohort(frame.astype({"w": float}), source="made")


def test_everything_that_is_wrong_with_weights_is_told_at_once_by_column_row_value_and_remedy() -> None:
    made = cohort([1, -2, np.nan, np.inf, 2.5, 3])
    with pytest.raises(ab.DataError) as caught:
        weights_of(made, "w", "frequency")
    told = [(one.column, one.row, one.value) for one in caught.value.problems]
    assert told == [("w", 1, -2.0), ("w", 2, None), ("w", 3, np.inf), ("w", 4, 2.5)]
    assert "weights_kind='sampling'" in str(caught.value.problems[3].remedy)
    with pytest.raises(ab.DataError) as caught:
        weights_of(made, "w", "sampling")
    assert [one.row for one in caught.value.problems] == [1, 2, 3]


def test_weights_that_are_all_zero_or_text_are_refused() -> None:
    with pytest.raises(ab.DataError, match=r"weight of every row"):
        weights_of(cohort([0, 0]), "w", "sampling")
    text = cohort([1, 1])
    text = dataclasses.replace(text, data=text.data.assign(w=pd.Categorical(["a", "b"])))
    with pytest.raises(ab.DataError, match=r"column 'w': holds text or levels, but weights are numbers"):
        weights_of(text, "w", "sampling")
    with pytest.raises(ab.UsageError, match="no column 'v'"):
        weights_of(cohort([1, 1]), "v", "sampling")


@pytest.mark.parametrize("huge", [1e19, 1e300, 1.7e308])
def test_counts_beyond_any_integer_are_too_many_people(huge: float) -> None:
    """They were cut off to integers, with a warning, before they were added up."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(
            ab.UsageError, match=r"add up to (\d\.?\d*e\+\d+|inf) people, and a table may have 5,000,000"
        ):
            repeated(cohort([1.0, huge, 2.0]), "w")


def test_one_row_does_not_stand_for_everybody() -> None:
    """The variance of its outcome is zero, which was said of the outcome of all rows."""
    with pytest.raises(ab.DataError) as caught:
        weights_of(cohort([1.0, 1e300, 2.0]), "w", "sampling")
    (problem,) = caught.value.problems
    assert (problem.column, problem.row, problem.value) == ("w", 1, 1e300)
    assert problem.what == "is 100.0% of the sum of weights"
    # (10 + 6)^2 / (100 + 36) is below two rows, and 16 equal weights beside one of twice as much are not.
    with pytest.raises(ab.DataError, match=r"row 0: 10\.0 is 62\.5% of the sum"):
        weights_of(cohort([10.0, 6.0]), "w", "sampling")
    assert weights_of(cohort([2.0] + [1.0] * 16), "w", "sampling").sum() == 18
    assert weights_of(cohort([1.0, 1.0]), "w", "sampling").tolist() == [1, 1]


def test_effective_size_by_hand() -> None:
    assert effective_size(np.ones(7)) == pytest.approx(7)
    # (1 + 2 + 3)^2 / (1 + 4 + 9)
    assert effective_size(np.array([1.0, 2.0, 3.0])) == pytest.approx(36 / 14)
    assert effective_size(1e300 * np.array([1.0, 0.0])) == pytest.approx(1)


@given(st.lists(st.integers(0, 4), min_size=2, max_size=8).filter(any))
@settings(deadline=None, max_examples=40)
def test_the_repeated_table_is_that_of_pandas(weights: list[int]) -> None:
    made = cohort(weights, x=np.arange(len(weights), dtype=float))
    found = repeated(made, "w").data
    expected = np.repeat(np.arange(len(weights)), weights)
    assert sorted(found["x"]) == expected.tolist()
    assert found["participant_id"].is_unique
    assert "w" not in found


def test_all_rows_of_a_person_are_repeated_together_under_another_name() -> None:
    frame = pd.DataFrame({"pid": ["a", "a", "b", "b", "b"], "week": [0.0, 1, 0, 1, 2], "w": [2.0, 2, 1, 1, 1]})
    made = ab.read_cohort(frame, person="pid", time="week")
    found = repeated(made, "w").data
    rows = [(str(row.pid), row.week) for row in found.itertuples()]
    assert rows == [("a", 0), ("a", 1), ("b", 0), ("b", 1), ("b", 2), ("a (2)", 0), ("a (2)", 1)]
    assert list(found["pid"].cat.categories) == ["a", "b", "a (2)"]
    frame.loc[1, "w"] = 3
    with pytest.raises(ab.DataError, match=r"row 1: 3 differs from the weight 2 of another row of the same person"):
        repeated(ab.read_cohort(frame, person="pid", time="week"), "w")


def test_sessions_and_reasons_go_with_their_people() -> None:
    sessions = pd.DataFrame(
        {
            "participant_id": pd.Series(["p0", "p0", "p1"], dtype="str"),
            "date": pd.to_datetime(["2021-01-01", "2021-01-02", "2021-01-01"]),
            "goal": [3.0, 4, 5],
            "bond": [3.0, 4, 5],
        }
    )
    made = dataclasses.replace(cohort([2, 1]), sessions=sessions, why_missing={"y": {"late": frozenset({"p0"})}})
    found = repeated(made, "w")
    assert found.sessions is not None
    assert found.sessions.groupby("participant_id").size().to_dict() == {"p0": 2, "p0 (2)": 2, "p1": 1}
    assert found.why_missing["y"]["late"] == {"p0", "p0 (2)"}


def test_people_of_whom_no_weight_is_known_are_not_left_out_silently() -> None:
    made = dataclasses.replace(cohort([2, 1]), excluded=(FlowStep("no consent", 3),))
    with pytest.raises(ab.UsageError, match="no weight is known"):
        repeated(made, "w")
    with pytest.raises(ab.UsageError, match="add up to 6,000,000 people"):
        repeated(cohort([2_999_999, 3_000_001]), "w")


def test_the_flow_counts_people_as_often_as_they_stand_for_others() -> None:
    frame = pd.DataFrame({"y": [1.0, 2, 3, np.nan, 5, np.nan], "x": [1.0, 0, 2, 3, 1, 0], "w": [1, 2, 3, 4, 0, 5]})
    fit = ab.Model("y ~ x", weights="w", weights_kind="frequency").fit(frame, seed=1, progress=False)
    assert fit.flow == Flow(15, (FlowStep("no value of y", 9),))
    assert fit.count_people() == 6
