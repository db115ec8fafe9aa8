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


def care(**days: tuple[str, str]) -> pd.DataFrame:
    """First and last session of people."""
    frame = pd.DataFrame(days, index=["first_session", "last_session"]).T
    return frame.apply(lambda column: pd.to_datetime(column, format="ISO8601"))


CARE = care(a=("2021-01-10", "2021-02-19"), b=("2021-03-01", "2021-03-13"), c=("2021-03-20", "2021-03-20"))


def scores(chosen: pd.DataFrame) -> list[list[float]]:
    return chosen.reindex(["a", "b", "c"]).T.to_numpy().tolist()


@pytest.mark.parametrize(
    ("options", "baseline", "followup"),
    [
        # c's surveys are both before care, so neither is a follow-up.
        ({}, [20, 48, 32], [60, NA, NA]),
        # a's third survey is the first that is late enough after the first of them.
        ({"followup": "first"}, [20, 48, 32], [40, NA, NA]),
        # On the day of the first session: as good a follow-up as it is a baseline.
        ({"followup": "first", "min_days_between": 9}, [20, 48, 32], [28, 52, NA]),
        ({"followup": "first", "min_days_between": 10}, [20, 48, 32], [40, 52, NA]),
        ({"min_days_between": 13}, [20, 48, 32], [60, 52, NA]),
        ({"min_days_between": 0}, [20, 48, 32], [60, 52, NA]),
        ({"min_days_between": 50}, [20, 48, 32], [60, NA, NA]),
        ({"min_days_between": 51}, [20, 48, 32], [NA, NA, NA]),
        # A survey on the day of the first session is before care.
        ({"baseline": "before_care"}, [28, 48, 36], [60, NA, NA]),
        ({"baseline": "before_care", "followup": "first"}, [28, 48, 36], [40, NA, NA]),
        # Fourteen days into care, a's third survey can be the baseline; b's care has ended by the fourteenth.
        ({"baseline": "before_care", "max_days_into_care": 14}, [40, 48, 36], [60, NA, NA]),
        ({"baseline": "before_care", "max_days_into_care": 13}, [28, 48, 36], [60, NA, NA]),
    ],
)
def test_choice_of_surveys(options: dict[str, object], baseline: list[float], followup: list[float]) -> None:
    np.testing.assert_array_equal(scores(choose_surveys(TAKEN, CARE, **options)[0]), [baseline, followup])


def test_surveys_at_the_wrong_time_are_told_by_reason() -> None:
    """One survey after another, each on a day of its own; care from the 10th to the 20th of January."""
    taken = surveys(
        *(("after", f"2021-0{month}-21", score) for month, score in ((1, 40), (2, 60))),
        *(("during", f"2021-0{month}-11", score) for month, score in ((1, 40), (2, 60))),
        *(("on the last day", f"2021-0{month}-20", score) for month, score in ((1, 40), (2, 60))),
        *(("on the first day", f"2021-0{month}-10", score) for month, score in ((1, 40), (2, 60))),
        *(("early", f"202{year}", score) for year, score in (("0-12-01", 40), ("0-12-31", 60))),
        *(("the day before", f"202{year}", score) for year, score in (("0-12-01", 40), ("1-01-09", 60))),
        *(("in time", f"202{year}", score) for year, score in (("0-12-01", 40), ("0-12-31", 60), ("1-01-10", 64))),
        *(("too close", f"2021-01-{day}", score) for day, score in (("10", 40), ("23", 60))),
        ("once", "2021-01-10", 40),
        *(("no session", f"2021-0{month}-21", score) for month, score in ((1, 40), (2, 60))),
    )
    ids = [name for name in taken["participant_id"].unique() if name != "no session"]
    chosen, why = choose_surveys(taken, care(**dict.fromkeys(ids, ("2021-01-10", "2021-01-20"))))
    after, late = frozenset({"after"}), frozenset({"during", "on the last day"})
    early = frozenset({"early", "the day before"})
    no_baseline = {"baseline WHO-5 after the last session": after, "baseline WHO-5 after the first session": late}
    assert why == {
        "who5_baseline": no_baseline,
        "who5_followup": {**no_baseline, "follow-up WHO-5 before care": early},
    }
    assert chosen["who5_baseline"].dropna().to_dict() == dict.fromkeys(sorted(set(chosen.index) - after - late), 40.0)
    assert chosen["who5_followup"].dropna().to_dict() == {
        "in time": 64.0,
        "on the first day": 60.0,
        # Nobody's care to be before or after.
        "no session": 60.0,
    }


def test_who_is_told_about_depends_on_how_late_a_baseline_may_be() -> None:
    taken = surveys(("a", "2021-01-17", 40), ("a", "2021-03-01", 60), ("b", "2021-01-11", 40), ("b", "2021-03-01", 60))
    when = care(a=("2021-01-10", "2021-02-10"), b=("2021-01-10", "2021-01-10"))
    for most, late in ((6, {"a"}), (7, set())):
        chosen, why = choose_surveys(taken, when, max_days_into_care=most)
        assert why["who5_baseline"] == {
            # One session, and surveyed the day after: care had ended, however much of it is allowed.
            "baseline WHO-5 after the last session": {"b"},
            "baseline WHO-5 after the first session": late,
        }
        assert chosen["who5_followup"].dropna().tolist() == [60.0] * (1 - len(late))


def test_participants_without_a_scored_survey_are_not_chosen() -> None:
    assert sorted(choose_surveys(TAKEN, CARE)[0].index) == ["a", "b", "c"]


def test_two_surveys_of_a_day_are_told_apart_by_time() -> None:
    taken = surveys(("a", "2021-01-11T18:00:00", 40), ("a", "2021-01-11T08:00:00", 20))
    chosen, _ = choose_surveys(taken, CARE, min_days_between=0, max_days_into_care=1)
    assert chosen.loc["a"].tolist() == [20.0, 40.0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"baseline": "last"}, "baseline should be one of 'first', 'before_care' but got 'last'."),
        ({"followup": "final"}, "followup should be one of 'last', 'first' but got 'final'."),
        ({"min_days_between": -1}, "min_days_between should be a whole number of days, 0 or more, but got -1."),
        ({"min_days_between": 1.5}, "min_days_between should be a whole number of days, 0 or more, but got 1.5."),
        ({"max_days_into_care": -1}, "max_days_into_care should be a whole number of days, 0 or more, but got -1."),
        ({"min_days_between": True}, "min_days_between should be a whole number of days, 0 or more, but got True."),
    ],
)
def test_choices_are_checked(options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        choose_surveys(TAKEN, CARE, **options)
    assert str(caught.value) == message


def test_join_counts_each_person_left_out_once() -> None:
    people = pd.DataFrame({"participant_id": ["d", "a", "b", "c"], "age": [30.0, 31.0, 32.0, 33.0]})
    held = sessions(("a", "p", "coach", "2021-01-01", 5, 4), ("b", "p", "coach", "2021-01-01", 5, 4))
    items = pd.DataFrame([("a", 1.0), ("c", 2.0)], columns=["participant_id", "who5_1"])
    taken = items.assign(date=pd.Timestamp("2021-01-01"), **{f"who5_{k}": items["who5_1"] for k in range(2, 6)})
    data, steps, why, _ = join_scores(people, held, taken)
    # d and c have no session (c's survey does not matter); b has one, but no survey.
    assert steps == (FlowStep("no session", 2), FlowStep("no WHO-5 survey", 1))
    assert not any(ids for reasons in why.values() for ids in reasons.values())
    assert data["participant_id"].tolist() == ["a"]
    assert data[["age", "alliance", "n_sessions", "days_in_care", "who5_baseline"]].iloc[0].tolist() == [
        31,
        4.5,
        1,
        0,
        20,
    ]
    assert np.isnan(data["who5_followup"].iloc[0])
