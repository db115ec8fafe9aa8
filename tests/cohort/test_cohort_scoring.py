"""Scores of sessions and surveys against sums done by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from alliance_bayes.cohort.flow import FlowStep
from alliance_bayes.cohort.scoring import choose_surveys, join_scores, score_sessions, score_surveys
from alliance_bayes.errors import UsageError

NA = np.nan


def sessions(*rows: tuple[str, str | None, str | None, str, float, float]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["participant_id", "provider_id", "provider_type", "date", "goal", "bond"])
    return frame.assign(date=pd.to_datetime(frame["date"], format="ISO8601"))


def surveys(*rows: tuple[str, str, float]) -> pd.DataFrame:
    """Surveys as `score_surveys` returns them."""
    frame = pd.DataFrame(rows, columns=["participant_id", "date", "who5"])
    return frame.assign(date=pd.to_datetime(frame["date"], format="ISO8601"))


def test_alliance_is_a_mean_of_session_means() -> None:
    out = score_sessions(
        sessions(
            ("b", "p", "coach", "2021-03-01", 5, 4),
            ("a", "p", "coach", "2021-01-01", 3, 4),
            ("b", "p", "coach", "2021-03-11", 1, 2),
            # Half rated: no score, but a session all the same.
            ("b", "p", "coach", "2021-03-31", 5, NA),
            ("c", "p", "coach", "2021-01-01", NA, NA),
        )
    )
    assert list(out.index) == ["b", "a", "c"]
    np.testing.assert_array_equal(out["alliance"], [(4.5 + 1.5) / 2, 3.5, NA])
    assert out["n_sessions"].tolist() == [3.0, 1.0, 1.0]
    assert out["days_in_care"].tolist() == [30.0, 0.0, 0.0]


def test_sessions_weigh_alike_whatever_their_order() -> None:
    rows = [
        ("a", "p", "coach", "2021-05-01", 5.0, 5.0),
        ("a", "q", "therapist", "2021-04-01", 2.0, 3.0),
        ("a", "p", "coach", "2021-04-20", 4.0, 4.0),
    ]
    one, two = score_sessions(sessions(*rows)), score_sessions(sessions(*rows[::-1]))
    pd.testing.assert_frame_equal(one, two)
    assert one.loc["a", "days_in_care"] == 30.0
    assert one.loc["a", "alliance"] == (5 + 2.5 + 4) / 3


def test_days_in_care_are_calendar_days() -> None:
    out = score_sessions(
        sessions(("a", "p", "coach", "2021-01-01T23:30:00", 5, 5), ("a", "p", "coach", "2021-01-02T00:30:00", 5, 5))
    )
    assert out["days_in_care"].tolist() == [1.0]


def test_provider_type_is_derived() -> None:
    day = "2021-01-01"
    out = score_sessions(
        sessions(
            ("coached", "p", "coach", day, 5, 5),
            ("coached", "q", "coach", day, 5, 5),
            ("treated", "r", "therapist", day, 5, 5),
            ("both", "p", "coach", day, 5, 5),
            ("both", "r", "therapist", day, 5, 5),
            ("both", "s", None, day, 5, 5),
            ("unsure", "p", "coach", day, 5, 5),
            ("unsure", "s", None, day, 5, 5),
        )
    )
    assert list(out["provider_type"].cat.categories) == ["coach", "therapist", "both"]
    found = dict(zip(out.index, out["provider_type"].astype(object), strict=True))
    assert {name: found[name] for name in ("coached", "treated", "both")} == {
        "coached": "coach",
        "treated": "therapist",
        "both": "both",
    }
    assert pd.isna(found["unsure"])


def test_provider_is_that_of_most_sessions_and_the_earlier_of_equals() -> None:
    out = score_sessions(
        sessions(
            ("most", "z", "coach", "2021-01-01", 5, 5),
            ("most", "a", "coach", "2021-01-02", 5, 5),
            ("most", "a", "coach", "2021-01-03", 5, 5),
            ("tie", "a", "coach", "2021-01-09", 5, 5),
            ("tie", "z", "coach", "2021-01-02", 5, 5),
            ("unknown", None, "coach", "2021-01-02", 5, 5),
        )
    )
    assert out["provider_id"].astype(object).tolist()[:2] == ["a", "z"]
    assert pd.isna(out["provider_id"].iloc[2])
    assert list(out["provider_id"].cat.categories) == ["a", "z"]


def test_surveys_are_scored_times_four_and_only_when_complete() -> None:
    frame = pd.DataFrame(
        {
            "participant_id": ["a", "b", "c"],
            "date": pd.to_datetime(["2021-01-01"] * 3),
            "who5_1": [5.0, 2.0, NA],
            "who5_2": [5.0, 2.0, NA],
            "who5_3": [5.0, 2.0, NA],
            "who5_4": [5.0, 3.0, NA],
            "who5_5": [4.0, NA, NA],
        }
    )
    np.testing.assert_array_equal(score_surveys(frame)["who5"], [96.0, NA, NA])
    # Four items sum to 9: 9 / 4 * 5 * 4 = 45.
    np.testing.assert_array_equal(score_surveys(frame, prorate=0.8)["who5"], [96.0, 45.0, NA])


TAKEN = surveys(
    ("a", "2021-02-20", 60),
    ("a", "2021-01-01", 20),
    ("a", "2021-01-10", 28),
    ("a", "2021-01-24", 40),
    ("b", "2021-03-01", 48),
    ("b", "2021-03-14", 52),
    ("c", "2021-03-01", NA),
    ("c", "2021-03-02", 32),
    ("c", "2021-03-16", 36),
    ("d", "2021-03-01", NA),
)
FIRST = pd.Series(pd.to_datetime(["2021-01-10", "2021-02-01", "2021-03-20"]), index=["a", "b", "c"])


@pytest.mark.parametrize(
    ("options", "baseline", "followup"),
    [
        ({}, [20, 48, 32], [60, NA, 36]),
        ({"followup": "first"}, [20, 48, 32], [40, NA, 36]),
        ({"followup": "first", "min_days_between": 9}, [20, 48, 32], [28, 52, 36]),
        ({"followup": "first", "min_days_between": 10}, [20, 48, 32], [40, 52, 36]),
        ({"min_days_between": 0}, [20, 48, 32], [60, 52, 36]),
        ({"min_days_between": 50}, [20, 48, 32], [60, NA, NA]),
        ({"min_days_between": 51}, [20, 48, 32], [NA, NA, NA]),
        # On the day of the first session counts as before it; b and everybody without an early survey take the first.
        ({"baseline": "before_care"}, [28, 48, 36], [60, NA, NA]),
        ({"baseline": "before_care", "followup": "first"}, [28, 48, 36], [40, NA, NA]),
    ],
)
def test_choice_of_surveys(options: dict[str, object], baseline: list[float], followup: list[float]) -> None:
    chosen = choose_surveys(TAKEN, FIRST, **options).reindex(["a", "b", "c"])
    np.testing.assert_array_equal(chosen["who5_baseline"], np.array(baseline, dtype=float))
    np.testing.assert_array_equal(chosen["who5_followup"], np.array(followup, dtype=float))


def test_participants_without_a_scored_survey_are_not_chosen() -> None:
    assert sorted(choose_surveys(TAKEN, FIRST).index) == ["a", "b", "c"]


def test_two_surveys_of_a_day_are_told_apart_by_time() -> None:
    taken = surveys(("a", "2021-01-01T18:00:00", 40), ("a", "2021-01-01T08:00:00", 20))
    chosen = choose_surveys(taken, FIRST, min_days_between=0)
    assert chosen.loc["a"].tolist() == [20.0, 40.0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"baseline": "last"}, "baseline should be one of 'first', 'before_care' but got 'last'."),
        ({"followup": "final"}, "followup should be one of 'last', 'first' but got 'final'."),
        ({"min_days_between": -1}, "min_days_between should be a whole number of days, 0 or more, but got -1."),
        ({"min_days_between": 1.5}, "min_days_between should be a whole number of days, 0 or more, but got 1.5."),
        ({"min_days_between": True}, "min_days_between should be a whole number of days, 0 or more, but got True."),
    ],
)
def test_choices_are_checked(options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        choose_surveys(TAKEN, FIRST, **options)
    assert str(caught.value) == message


def test_join_counts_each_person_left_out_once() -> None:
    people = pd.DataFrame({"participant_id": ["d", "a", "b", "c"], "age": [30.0, 31.0, 32.0, 33.0]})
    held = sessions(("a", "p", "coach", "2021-01-01", 5, 4), ("b", "p", "coach", "2021-01-01", 5, 4))
    items = pd.DataFrame([("a", 1.0), ("c", 2.0)], columns=["participant_id", "who5_1"])
    taken = items.assign(date=pd.Timestamp("2021-01-01"), **{f"who5_{k}": items["who5_1"] for k in range(2, 6)})
    data, steps = join_scores(people, held, taken)
    # d and c have no session (c's survey does not matter); b has one, but no survey.
    assert steps == (FlowStep("no session", 2), FlowStep("no WHO-5 survey", 1))
    assert data["participant_id"].tolist() == ["a"]
    assert data[["age", "alliance", "n_sessions", "days_in_care", "who5_baseline"]].iloc[0].tolist() == [
        31,
        4.5,
        1,
        0,
        20,
    ]
    assert np.isnan(data["who5_followup"].iloc[0])
