"""Rows and columns that a card declares: values by hand, twice is once, and what is refused."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alliance_bayes.cohort import Cohort, session_cohort, with_alliance_parts
from alliance_bayes.errors import DataError, FileFormatError, ModelError, Problem, UsageError
from alliance_bayes.model import ModelSpec, card_arguments, card_text
from alliance_bayes.model.derivations import DERIVED, Derivations, only_among, problems_of
from alliance_bayes.simulation import simulate_cohort

NAN = float("nan")


def cohort_of(**columns: list[float]) -> Cohort:
    ids = pd.Series([f"p{k}" for k in range(len(next(iter(columns.values()))))], dtype="str")
    return Cohort(pd.DataFrame({"participant_id": ids, **columns}), "people")


SCORES = cohort_of(who5_baseline=[20.0, 28.0, 32.0, NAN, 60.0], who5_followup=[30.0, 28.0, NAN, 40.0, 80.0])


@pytest.mark.parametrize(
    ("cut", "happened"),
    [
        ({"at_least": 28}, [1, 1, NAN, 1, 1]),
        ({"above": 28}, [1, 0, NAN, 1, 1]),
        ({"at_most": 30}, [1, 1, NAN, 0, 0]),
        ({"below": 30.0}, [0, 1, NAN, 0, 0]),
    ],
)
def test_an_event_is_beyond_its_limit_and_missing_where_its_column_is(
    cut: dict[str, float], happened: list[float]
) -> None:
    made = Derivations(events={"event": {"column": "who5_followup", **cut}}).of(SCORES)
    np.testing.assert_array_equal(made.data["event"], happened)
    assert made.data.drop(columns="event").equals(SCORES.data)


def test_who_lacks_an_event_lacks_it_for_the_reason_that_its_column_has() -> None:
    cohort = dataclasses.replace(SCORES, why_missing={"who5_followup": {"survey too early": frozenset({"p2"})}})
    made = Derivations(events={"improved": {"column": "who5_change", "at_least": 10}}).of(cohort)
    np.testing.assert_array_equal(made.data["improved"], [1, 0, NAN, NAN, 1])
    _, flow = made.complete(["improved"])
    assert [(step.reason, step.n) for step in flow.steps] == [("survey too early", 1), ("no value of improved", 1)]


@pytest.mark.parametrize(
    ("limit", "left", "reason"),
    [
        ({"at_most": 28}, ["p0", "p1"], "baseline WHO-5 above 28, or missing"),
        ({"below": 28}, ["p0"], "baseline WHO-5 of 28 or more, or missing"),
        ({"at_least": 32.5}, ["p4"], "baseline WHO-5 below 32.5, or missing"),
        ({"above": 28}, ["p2", "p4"], "baseline WHO-5 of 28 or less, or missing"),
    ],
)
def test_only_those_within_a_limit_are_taken_and_the_others_counted(
    limit: dict[str, float], left: list[str], reason: str
) -> None:
    made = only_among(SCORES, "who5_baseline", limit)
    assert made.data["participant_id"].tolist() == left
    assert [(step.reason, step.n) for step in made.excluded] == [(reason, 5 - len(left))]
    assert only_among(made, "who5_baseline", limit).excluded == made.excluded


def test_parts_of_the_alliance_are_those_of_the_function() -> None:
    cohort = simulate_cohort(n=60, seed=2)
    parts = with_alliance_parts(cohort).data
    for name in DERIVED:
        made = Derivations(derived=(name,)).of(cohort).data
        assert made.columns.tolist() == [*cohort.data.columns, name]
        pd.testing.assert_series_equal(made[name], parts[name])


def test_rows_are_those_of_the_function() -> None:
    cohort, made = simulate_cohort(n=60, seed=2), Derivations(rows="sessions")
    rows = session_cohort(cohort)
    assert made.of(cohort).hash == rows.hash
    assert made.of(cohort).person == "person"
    # The limit is of the rows that are made.
    firsts = dataclasses.replace(made, among={"session": {"at_most": 0}}).of(cohort)
    assert len(firsts) == (rows.data["session"] == 0).sum()


@pytest.mark.parametrize(
    "made",
    [
        Derivations(rows="sessions", among={"session": {"below": 3}}),
        Derivations(
            derived=("alliance_within", "alliance_provider"),
            events={"improved": {"column": "who5_change", "at_least": 10}},
            among={"who5_baseline": {"at_most": 40}},
        ),
    ],
)
def test_what_is_made_twice_is_what_is_made_once(made: Derivations) -> None:
    once = made.of(simulate_cohort(n=60, seed=2))
    twice = made.of(once)
    assert twice.hash == once.hash
    assert twice.excluded == once.excluded


def refused(made: Derivations, cohort: Cohort) -> str:
    with pytest.raises((UsageError, DataError)) as caught:
        made.of(cohort)
    return str(caught.value)


def test_a_table_without_what_is_needed_is_refused_by_name() -> None:
    assert "people has no sessions, only one row a participant." in refused(Derivations(rows="sessions"), SCORES)
    assert "people has no sessions, only one row a participant." in refused(
        Derivations(derived=("alliance_first",)), SCORES
    )
    event = Derivations(events={"event": {"column": "who5_folowup", "above": 28}})
    assert refused(event, SCORES) == (
        "people: no column 'who5_folowup'. Did you mean 'who5_followup'? Columns: participant_id, who5_baseline, "
        "who5_followup, who5_change."
    )
    factor = dataclasses.replace(SCORES, data=SCORES.data.assign(sex=pd.Categorical(["f", "m", "f", "m", "f"])))
    assert refused(Derivations(among={"sex": {"above": 0}}), factor) == (
        "people: among needs numbers, but the column 'sex' has levels. Name another column, or read it as numbers with "
        "read_cohort()."
    )


def test_a_column_that_could_not_be_read_is_told_as_what_it_is() -> None:
    problem = Problem("score", 3, "x", "is no number", "Correct it.")
    cohort = dataclasses.replace(SCORES, aside={"score": (problem,)})
    assert "is no number" in refused(Derivations(among={"score": {"above": 1}}), cohort)


def test_sessions_without_providers_have_no_parts_between_them() -> None:
    cohort = simulate_cohort(n=60, seed=2)
    assert cohort.sessions is not None
    nameless = dataclasses.replace(cohort, sessions=cohort.sessions.drop(columns="provider_id"))
    assert Derivations(derived=("alliance_first",)).of(nameless).data["alliance_first"].notna().any()
    assert refused(Derivations(derived=("alliance_within",)), nameless).endswith(
        ": 'alliance_within' cannot be made, since the sessions do not name the provider. Give them a column "
        "'provider_id'."
    )


def test_a_column_of_the_tables_own_is_not_overwritten() -> None:
    event = Derivations(events={"improved": {"column": "who5_change", "at_least": 10}})
    own = dataclasses.replace(SCORES, data=SCORES.data.assign(improved=[1.0, 1.0, NAN, NAN, 1.0]))
    assert refused(event, own) == (
        "people has a column 'improved' with other values than those of the event 'improved'. Rename or remove it, or "
        "take the event out of events."
    )
    parts = Derivations(derived=("alliance_within", "alliance_provider"))
    whole = cohort_of(alliance_within=[0.5, -0.5], alliance_provider=[4.0, 4.5])
    assert parts.of(whole) is whole
    assert refused(parts, cohort_of(alliance_within=[0.5, -0.5])) == (
        "people has 'alliance_within' and lacks 'alliance_provider', which belong together. Remove what is there, so "
        "that all are made of the sessions."
    )


CARD = 'format = 4\nformula = "event ~ who5_baseline"\nfamily = "bernoulli"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('rows = "people"', "rows should be one of 'participants', 'sessions' but got 'people'."),
        ("rows = ['sessions']", "rows should be one of 'participants', 'sessions' but got ['sessions']."),
        ('derived = "alliance_first"', "derived should be a list of names but got 'alliance_first'."),
        (
            'derived = ["__import__(1)"]',
            f"derived names '__import__(1)'. What can be derived: {', '.join(DERIVED)}.",
        ),
        ("events = 1", "events should be a table but got 1."),
        (
            'events.event = "who5_change >= 10"',
            "the event 'event' should have a column, such as column = 'who5_change', but got 'who5_change >= 10'.",
        ),
        (
            '[events.event]\ncolumn = ["a"]\nabove = 1',
            "the event 'event' should have a column, such as column = 'who5_change', but got {'column': ['a'], "
            "'above': 1}.",
        ),
        (
            '[events.event]\ncolumn = "who5_change"',
            "the event 'event' should have column and one of at_least, above, at_most, below, but its limits are none.",
        ),
        (
            '[events.event]\ncolumn = "who5_change"\nat_least = 1\nbelow = 3',
            "the event 'event' should have column and one of at_least, above, at_most, below, but its limits are "
            "'at_least', 'below'.",
        ),
        (
            '[events.event]\ncolumn = "who5_change"\nquery = "1 == 1"',
            "the event 'event' should have column and one of at_least, above, at_most, below, but its limits are "
            "'query'.",
        ),
        (
            '[events.event]\ncolumn = "who5_change"\nabove = true',
            "the event 'event': the limit should be a finite number but got True.",
        ),
        ("[among]\nage = 18", "the limit of 'age' under among should be a table such as {at_most = 28} but got 18."),
        (
            '[among.age]\nat_least = "18"',
            "the limit of 'age' under among: the limit should be a finite number but got '18'.",
        ),
    ],
)
def test_a_card_that_declares_something_else_is_refused_in_words(text: str, message: str) -> None:
    with pytest.raises(FileFormatError) as caught:
        card_arguments(f"{CARD}{text}", source="card")
    assert str(caught.value) == f"card: {message}"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"rows": "sessions", "derived": ("alliance_first",)},
            "derived makes columns of participants, but rows='sessions' asks for one row a session. Leave one of them "
            "out.",
        ),
        (
            {"events": {"event": {"column": "who5_change", "above": 1}, "other": {"column": "event", "above": 0}}},
            "the event 'other' is made of another event. Name the column that this is made of.",
        ),
        (
            {"events": {"evnt": {"column": "who5_change", "above": 1}}},
            "'evnt' would be made and is not in the model, whose columns are event, who5_baseline. Take it out of "
            "derived or events.",
        ),
        (
            {"derived": ("alliance_first",)},
            "'alliance_first' would be made and is not in the model, whose columns are event, who5_baseline. Take it "
            "out of derived or events.",
        ),
        (
            {"among": {"age": {"at_most": float("inf")}}},
            "the limit of 'age' under among: the limit should be a finite number but got inf.",
        ),
    ],
)
def test_a_model_that_could_not_be_meant_is_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ModelError) as caught:
        ModelSpec("event ~ who5_baseline", family="bernoulli", **arguments)  # type: ignore[arg-type]
    assert str(caught.value) == message


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(VALUES, VALUES, VALUES, VALUES)
def test_whatever_is_declared_is_looked_over_without_a_fault_and_refused_where_it_is_wrong(
    rows: object, derived: object, events: object, among: object
) -> None:
    if list(problems_of(rows, derived, events, among)):
        with pytest.raises(ModelError):
            Derivations(rows, derived, events, among)  # type: ignore[arg-type]


def test_what_is_declared_reads_back() -> None:
    spec = ModelSpec(
        "improved ~ alliance_early",
        family="bernoulli",
        derived=("alliance_early",),
        events={"improved": {"column": "who5_change", "at_least": 10}},
        among={"who5_baseline": {"at_most": 28.5}, "age": {"at_least": 18}},
    )
    again = ModelSpec(**card_arguments(card_text(spec)))
    for name in ("rows", "derived", "events", "among"):
        assert getattr(again, name) == getattr(spec, name), name
    sessions = ModelSpec("rating ~ session", rows="sessions", scales={}, autoscale=True)
    assert ModelSpec(**card_arguments(card_text(sessions))).rows == "sessions"
