"""Sessions beside the cohort's table: whose are kept, in which order, of which kinds."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from alliance_bayes.cohort import Cohort, FlowStep, read_cohort, read_tables
from alliance_bayes.errors import UsageError
from alliance_bayes.simulation import simulate_cohort, write_tables


def people() -> pd.DataFrame:
    return pd.DataFrame({"participant_id": ["b", "a", "c"], "alliance": [4.0, 5.0, np.nan]})


def sessions() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "date": pd.to_datetime(
                ["2021-03-01", "2021-02-01", "2021-01-01", "2021-02-01 09:00", "2021-01-05"], format="ISO8601"
            ),
            "participant_id": ["a", "b", "left out", "a", "b"],
            "goal": [5, 4, 1, 5, 4],
            "bond": [5.0, 4.0, 1.0, np.nan, 4.0],
            "provider_id": pd.Categorical(["p2", "p1", "p0", "p1", None], categories=["p0", "p1", "p2", "p3"]),
            "room": [1, 2, 3, 4, 5],
        },
        index=[7, 7, 7, 8, 9],
    )


def test_sessions_are_those_of_the_people_in_their_order_and_that_of_dates() -> None:
    given = sessions()
    kept = Cohort(people(), "x", sessions=given).sessions
    expected = pd.DataFrame(
        {
            "participant_id": pd.Series(["b", "b", "a", "a"], dtype="str"),
            "provider_id": pd.Categorical([None, "p1", "p1", "p2"], categories=["p1", "p2"]),
            "date": pd.to_datetime(
                ["2021-01-05", "2021-02-01", "2021-02-01 09:00", "2021-03-01"], format="ISO8601"
            ).astype("datetime64[us]"),
            "goal": [4.0, 4.0, 5.0, 5.0],
            "bond": [4.0, 4.0, np.nan, 5.0],
            "room": [5.0, 2.0, 4.0, 1.0],
        }
    )
    pd.testing.assert_frame_equal(kept, expected)
    # What was given is left as it was.
    pd.testing.assert_frame_equal(given, sessions())


def test_sessions_at_one_time_keep_the_order_they_came_in() -> None:
    same = sessions().assign(date=pd.Timestamp("2021-01-01"), participant_id="a")
    kept = Cohort(people(), "x", sessions=same).sessions
    assert kept is not None
    assert kept["room"].tolist() == [1, 2, 3, 4, 5]


def test_the_hash_is_that_of_the_table_alone() -> None:
    assert Cohort(people(), "x", sessions=sessions()).hash == Cohort(people(), "x").hash


def test_repr_counts_sessions() -> None:
    assert repr(Cohort(people(), "x", (FlowStep("no session", 2),), sessions())) == (
        "<Cohort 'x': 3 participants, 2 left out before, 4 sessions; columns: participant_id, alliance>"
    )
    assert repr(Cohort(people(), "x", sessions=sessions().head(1))) == (
        "<Cohort 'x': 3 participants, 1 session; columns: participant_id, alliance>"
    )
    assert repr(Cohort(people(), "x")) == "<Cohort 'x': 3 participants; columns: participant_id, alliance>"


FACTOR = pd.Categorical([1, 2, 1, 2, 1])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (sessions().drop(columns=["goal", "date"]), "no column 'date', 'goal'."),
        (
            sessions().assign(participant_id=[1, 2, 3, 4, 5]),
            "'participant_id' should be text without gaps but has dtype int64.",
        ),
        (
            sessions().assign(date="2021-01-01"),
            "'date' should be local dates or times without gaps but has dtype str.",
        ),
        (
            sessions().assign(date=pd.to_datetime(["2021-01-01", None, *["2021-01-01"] * 3])),
            "'date' should be local dates or times without gaps but has dtype datetime64[us].",
        ),
        (
            sessions().assign(date=pd.Timestamp("2021-01-01", tz="UTC")),
            "'date' should be local dates or times without gaps but has dtype datetime64[us, UTC].",
        ),
        (sessions().assign(bond="5"), "column 'bond' has dtype str; it should be numeric or categorical."),
        (
            sessions().assign(bond=pd.Categorical(["5"] * 5)),
            "column 'bond' has dtype category; it should be numeric.",
        ),
        (sessions().assign(provider_id=1.0), "column 'provider_id' has dtype float64; it should be categorical."),
        (sessions().assign(provider_type=FACTOR), "the levels of 'provider_type' should be text."),
        (sessions().assign(room="red"), "column 'room' has dtype str; it should be numeric or categorical."),
    ],
)
def test_sessions_of_other_kinds_are_refused(changed: pd.DataFrame, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        Cohort(people(), "x", sessions=changed)
    assert str(caught.value) == f"Cohort: sessions: {message} Use read_tables."


def test_repeated_columns_of_sessions_are_refused() -> None:
    twice = sessions().rename(columns={"room": "goal"})
    with pytest.raises(UsageError) as caught:
        Cohort(people(), "x", sessions=twice)
    assert str(caught.value) == "Cohort: sessions: columns named more than once: goal. Rename one of each."


@pytest.mark.parametrize("table", [people().drop(columns="participant_id"), people().assign(participant_id="a")])
def test_sessions_need_people_told_apart(table: pd.DataFrame) -> None:
    with pytest.raises(UsageError) as caught:
        Cohort(table, "x", sessions=sessions())
    assert str(caught.value) == (
        "Cohort: sessions: the table of participants should have one row for each 'participant_id'. Use read_tables."
    )


def test_reading_tables_keeps_the_sessions_of_those_who_stay(tmp_path: Path) -> None:
    texts = {
        "participants": "participant_id,age\n2,30\n1,40\n3,50\n",
        "sessions": "participant_id,provider_id,provider_type,date,goal,bond,room\n"
        "1,c1,coach,2021-01-05,5,4,A\n3,t9,therapist,2021-01-05,5,4,A\n2,t1,therapist,2021-02-04,4,,A\n"
        "1,c1,coach,2021-01-01,3,4,A\n",
        "surveys": "participant_id,date,who5_1,who5_2,who5_3,who5_4,who5_5\n1,2021-01-01,1,1,1,1,1\n"
        "2,2021-01-01,1,1,1,1,1\n",
    }
    for name, text in texts.items():
        (tmp_path / f"{name}.csv").write_text(text, encoding="utf-8")
    cohort = read_tables(*(tmp_path / f"{name}.csv" for name in texts), today=dt.date(2022, 1, 1))
    expected = pd.DataFrame(
        {
            "participant_id": pd.Series(["2", "1", "1"], dtype="str"),
            "provider_id": pd.Categorical(["t1", "c1", "c1"], categories=["c1", "t1"]),
            "provider_type": pd.Categorical(["therapist", "coach", "coach"], categories=["coach", "therapist"]),
            "date": pd.to_datetime(["2021-02-04", "2021-01-01", "2021-01-05"]).astype("datetime64[us]"),
            "goal": [4.0, 3.0, 5.0],
            "bond": [np.nan, 4.0, 4.0],
        }
    )
    assert cohort.sessions is not None
    pd.testing.assert_frame_equal(cohort.sessions, expected)


def test_one_row_tables_have_no_sessions() -> None:
    assert read_cohort(pd.DataFrame({"age": [30, 40]})).sessions is None


@pytest.mark.parametrize("share", [0.0, 0.4])
def test_written_tables_read_back_with_the_same_sessions(tmp_path: Path, share: float) -> None:
    cohort = simulate_cohort(200, seed=5, in_person_share=share)
    for read in (read_tables(*write_tables(cohort, tmp_path)), read_tables(**cohort.tables)):
        assert read.sessions is not None
        pd.testing.assert_frame_equal(read.sessions, cohort.sessions)
        pd.testing.assert_frame_equal(read.data, cohort.data)
        assert read.hash == cohort.hash


def test_simulated_sessions_are_the_simulated_table() -> None:
    cohort = simulate_cohort(50, seed=5)
    assert cohort.sessions is not None
    kinds = {"goal": "int64", "bond": "int64", "provider_id": "str", "provider_type": "str", "date": "datetime64[s]"}
    pd.testing.assert_frame_equal(cohort.sessions.astype(kinds), cohort.tables["sessions"])
