"""Tables with several rows a person: whose a row is, when it was, and people and rows counted apart."""

from __future__ import annotations

import datetime as dt
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alliance_bayes.cohort import Cohort, Flow, FlowStep, read_cohort
from alliance_bayes.cohort.flow import counted, plural
from alliance_bayes.errors import DataError, UsageError

LONG = pd.DataFrame(
    {
        "pid": ["007", "007", "7", "7", "7", "b"],
        "week": ["0", "1", "0", "2", "1", "0"],
        "mood": ["4", "", "5", "6.5", "7", ""],
    }
)


def test_a_long_table_by_hand() -> None:
    cohort = read_cohort(LONG, person="pid", time="week", unit="session")
    expected = pd.DataFrame(
        {
            "pid": pd.Categorical(["007", "007", "7", "7", "7", "b"], categories=["007", "7", "b"]),
            "week": [0.0, 1.0, 0.0, 2.0, 1.0, 0.0],
            "mood": [4.0, np.nan, 5.0, 6.5, 7.0, np.nan],
        }
    )
    pd.testing.assert_frame_equal(cohort.data, expected)
    assert (cohort.person, cohort.time, cohort.unit) == ("pid", "week", "session")
    assert cohort.persons is not None
    assert cohort.persons.tolist() == [0, 0, 1, 1, 1, 2]
    assert cohort.complete(["mood"])[1] == Flow(6, (FlowStep("no value of mood", 2, 2, 1),), 3, "session")
    people = cohort.people(["mood"])
    assert people is not None
    assert people.tolist() == [0, 1, 1, 1]
    assert repr(cohort) == (
        "<Cohort 'DataFrame': 3 participants, 6 sessions; columns: pid, week, mood; notes: 1 (see .notes)>"
    )
    # 007 beside 7: told, and nobody merges them.
    assert [str(note) for note in cohort.notes] == [
        "column 'pid', row 2: '7' is almost '007' in row 0, and taken for another participant. Write both alike if "
        "they are one."
    ]
    assert "pid" not in set(cohort.summary()["variable"])


def test_the_flow_says_rows_and_people() -> None:
    flow = read_cohort(LONG, person="pid", time="week", unit="session").complete(["mood"])[1]
    assert str(flow).splitlines() == [
        "                              sessions  people",
        "in the table                         6       3",
        "  left out: no value of mood         2       1",
        "analysed                             4       2  (66.7 % of the sessions)",
    ]
    assert flow.to_frame().to_dict("list") == {
        "stage": ["in the table", "no value of mood", "analysed"],
        "left_out": [0, 2, 0],
        "remaining": [6, 4, 4],
        "people_lost": [0, 1, 0],
        "people_remaining": [3, 2, 2],
    }


def test_without_a_person_a_row_is_a_participant_and_with_one_nobody_is_invented() -> None:
    assert read_cohort(LONG).data["participant_id"].tolist() == ["1", "2", "3", "4", "5", "6"]
    assert "participant_id" not in read_cohort(LONG, person="pid").data
    assert read_cohort(LONG, person="pid").unit == "row"


def test_the_id_itself_may_say_whose_a_row_is() -> None:
    table = LONG.rename(columns={"pid": "participant_id"})
    with pytest.raises(DataError, match=r"is already in row 0.* pass person='participant_id' if participants"):
        read_cohort(table)
    cohort = read_cohort(table, person="participant_id", time="week")
    assert cohort.data["participant_id"].tolist() == LONG["pid"].tolist()
    mapped = read_cohort(LONG, columns={"participant_id": "pid"}, person="participant_id", time="week")
    pd.testing.assert_frame_equal(mapped.data, cohort.data)


def test_times_may_be_dates() -> None:
    table = LONG.assign(week=["2024-01-03", "2024-01-01", "2024-01-01", "2024-01-02", "2024-01-03", "2024-01-01"])
    cohort = read_cohort(table, person="pid", time="week")
    assert cohort.data["week"].dtype == "datetime64[us]"
    pd.testing.assert_frame_equal(read_cohort(cohort.data, person="pid", time="week").data, cohort.data)
    german = table.assign(week=[f"{day[8:]}.01.2024" for day in table["week"]])
    with pytest.raises(DataError, match=r"pass date_format='%d\.%m\.%Y'"):
        read_cohort(german, person="pid", time="week")
    read = read_cohort(german, person="pid", time="week", date_format="%d.%m.%Y")
    pd.testing.assert_frame_equal(read.data, cohort.data)
    assert "(dates)" in cohort.summary()["level"].tolist()
    assert cohort.hash != read_cohort(table.assign(week=table["week"].iloc[::-1].array), person="pid").hash
    assert all(doubt.problem.column != "week" for doubt in cohort.doubts())


def test_everything_wrong_with_persons_and_times_at_once() -> None:
    table = pd.DataFrame(
        {"pid": ["a", "a", "", "1", "1.0", "c"], "week": ["0", "0.0", "1", "1", "2", ""], "age": [300, 1, 1, 1, 1, 1]}
    )
    with pytest.raises(DataError) as found:
        read_cohort(table, person="pid", time="week")
    told = {(problem.column, problem.row): problem.what for problem in found.value.problems}
    assert told == {
        ("age", 0): "is outside 0 to 120 (years)",
        ("pid", 2): "has no identifier",
        ("pid", 4): "is the same number as the identifier in row 3, written otherwise",
        ("week", 1): "is the time of row 0, too, which is of the same person",
        ("week", 5): "has no time",
    }
    # A problem with a time shows the time, and nobody's name.
    assert [problem.value for problem in found.value.problems if problem.column == "week"] == ["", "0.0"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"time": "week"}, "time is about the rows of one person"),
        ({"unit": "session"}, "unit is about the rows of one person"),
        ({"person": "pid", "time": "pid"}, "both name 'pid'"),
        ({"person": ""}, "should be the name of a column but got ''"),
        ({"person": "sex"}, "column 'sex' is a factor, and cannot say whose a row is"),
        ({"person": "pid", "time": "sex"}, "column 'sex' is a factor, and cannot say when a row was"),
        ({"person": "pid", "unit": "<b>"}, "unit should be what one row is called"),
        ({"person": "pid", "unit": ""}, "unit should be what one row is called"),
        ({"person": "pid", "categorical": ["pid"]}, "column 'pid' says whose a row is, not a factor"),
        ({"person": "pid", "time": "week", "numeric": ["week"]}, "column 'week' says when a row was, not a number"),
        ({"person": "pid", "date_format": "%d.%m.%Y"}, "date_format is how dates in time are written"),
        ({"person": "pid", "columns": {"who": "pid"}}, "which columns calls 'who'. Give person='who'"),
    ],
)
def test_impossible_options(options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message.replace("(", r"\(").replace(".", r"\.")):
        read_cohort(LONG, **options)  # type: ignore[arg-type]


def test_a_column_that_is_not_there() -> None:
    with pytest.raises(DataError, match="is not in the table"):
        read_cohort(LONG, person="pidd")
    with pytest.raises(DataError, match="is not in the table"):
        read_cohort(LONG, person="pid", time="wek")


def test_a_known_column_may_be_the_time_and_keeps_its_rule() -> None:
    table = LONG.rename(columns={"week": "n_sessions"})
    assert read_cohort(table, person="pid", time="n_sessions").time == "n_sessions"
    with pytest.raises(DataError, match="is below 0"):
        read_cohort(table.assign(n_sessions=[-1, 1, 0, 2, 1, 0]), person="pid", time="n_sessions")


def test_nouns() -> None:
    nouns = {
        "session": "sessions",
        "day": "days",
        "diary entry": "diary entries",
        "class": "classes",
        "match": "matches",
    }
    assert {noun: plural(noun) for noun in nouns} == nouns
    assert [counted(n, "day") for n in (0, 1, 1234)] == ["0 days", "1 day", "1,234 days"]


def test_a_flow_that_cannot_be() -> None:
    with pytest.raises(UsageError, match="4 rows cannot be those of 5 people"):
        Flow(4, (), 5)
    with pytest.raises(UsageError, match="people should be counted at the start and at every step"):
        Flow(4, (FlowStep("x", 1),), 2)
    with pytest.raises(UsageError, match=r"people \(2\) should be 0 to n \(1\)"):
        FlowStep("x", 1, 2, 1)
    with pytest.raises(UsageError, match="unit should be"):
        Flow(4, (), 2, "<script>")
    with pytest.raises(UsageError, match="Say whose they are"):
        Cohort(pd.DataFrame({"week": [1.0]}), "x", time="week")


IDENTIFIERS = st.sampled_from(["7", "07", "007", "1.0", "10", "-1", "p1", "P1", "é", "a b", "1e3", "0", "ñandú"])


@st.composite
def long_tables(draw: st.DrawFn) -> pd.DataFrame:
    """Rows of a few people at distinct times, in any order, times written as numbers or dates."""
    rows = draw(st.lists(st.tuples(IDENTIFIERS, st.integers(0, 40)), min_size=1, max_size=25, unique=True))
    dated = draw(st.booleans())
    first = dt.date(2024, 2, 20)
    times = [(first + dt.timedelta(days=k)).isoformat() if dated else str(k) for _, k in rows]
    values = draw(st.lists(st.sampled_from(["", "1", "2.5"]), min_size=len(rows), max_size=len(rows)))
    return pd.DataFrame({"pid": [who for who, _ in rows], "when": times, "y": values})


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(long_tables(), st.randoms(use_true_random=False))
def test_people_are_told_apart_character_by_character_whatever_the_order(table: pd.DataFrame, random) -> None:
    cohort = read_cohort(
        table, person="pid", time="when", unit="visit", numeric=["y"] if (table["y"] != "").any() else []
    )
    assert cohort.data["pid"].astype(str).tolist() == table["pid"].tolist()
    assert cohort.persons is not None
    assert np.unique(cohort.persons).size == len(set(table["pid"]))
    present = table[table["y"] != ""]
    flow = cohort.complete(["y"])[1]
    assert (flow.participants, flow.analysed) == (len(table), len(present))
    assert (flow.people, flow.analysed_people) == (table["pid"].nunique(), present["pid"].nunique())
    order = list(range(len(table)))
    random.shuffle(order)
    shuffled = read_cohort(table.iloc[order].reset_index(drop=True), person="pid", time="when", unit="visit")
    pd.testing.assert_frame_equal(shuffled.data, cohort.data.iloc[order].reset_index(drop=True))


@settings(max_examples=60, deadline=None)
@given(long_tables(), st.data())
def test_a_second_row_at_one_time_and_a_row_of_nobody_are_told_by_row(table: pd.DataFrame, data: st.DataObject) -> None:
    copied = data.draw(st.integers(0, len(table) - 1))
    again = table.iloc[[copied]].assign(y="1")
    nobody = table.iloc[[copied]].assign(pid=data.draw(st.sampled_from(["", " ", "NA"])))
    long = pd.concat([table, again, nobody], ignore_index=True)
    with pytest.raises(DataError) as found:
        read_cohort(long, person="pid", time="when", categorical=["y"])
    told = {(problem.column, problem.row, problem.what) for problem in found.value.problems}
    assert ("pid", len(table) + 1, "has no identifier") in told
    assert ("when", len(table), f"is the time of row {copied}, too, which is of the same person") in told
    assert len(told) == 2


def test_the_summary_counts_people_beside_rows() -> None:
    table = LONG.assign(arm=["a", "a", "b", "b", "", "b"])
    found = read_cohort(table, person="pid", time="week").summary()
    rows = {
        (row["variable"], row["level"] if isinstance(row["level"], str) else None): (row["n"], row["people"])
        for row in found.to_dict("records")
    }
    assert rows == {("week", None): (6, 3), ("mood", None): (4, 2), ("arm", "a"): (2, 1), ("arm", "b"): (3, 2)}
    assert "people" not in read_cohort(table).summary()
    told = read_cohort(table, person="pid", time="week", unit="session").told()
    assert told["unit"] == "session"
    assert told["flow"] == {"participants": 6, "left_out": [], "analysed": 6, "people": 3, "analysed_people": 3}


@pytest.mark.parametrize(
    ("name", "doubted"), [("Subject", True), ("patient_id", True), ("clientId", True), ("site_id", False), ("x", False)]
)
def test_a_long_table_that_is_not_read_as_one_is_doubted(name: str, doubted: bool) -> None:
    table = pd.DataFrame({name: np.repeat(np.arange(308, 318), 4), "y": np.arange(40) % 7 + 0.5})
    found = [doubt for doubt in read_cohort(table).doubts() if doubt.kind == "several_rows"]
    assert len(found) == doubted
    if doubted:
        assert str(found[0]) == (
            f"column '{name}': has 10 values in 40 rows and may say whose they are; each is counted as a person. Pass "
            f"person='{name}' if people have several rows."
        )
        assert not [doubt for doubt in read_cohort(table, person=name).doubts() if doubt.kind == "several_rows"]
    known = table.assign(participant_id=[f"p{k}" for k in range(40)])
    assert not [doubt for doubt in read_cohort(known).doubts() if doubt.kind == "several_rows"]


def test_columns_that_may_be_persons_are_not_described() -> None:
    frame = pd.DataFrame({"pid": np.repeat([f"Person {k}" for k in range(20)], 3), "x": np.arange(60.0)})
    cohort = read_cohort(frame)
    assert "several_rows" in {doubt.kind for doubt in cohort.doubts()}
    assert set(cohort.summary()["variable"]) == {"x"}
    assert "Person 7" not in json.dumps(cohort.told())
