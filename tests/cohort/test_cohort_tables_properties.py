"""Three tables against a second, slow scoring of them, written with plain loops."""

from __future__ import annotations

import datetime as dt
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alliance_bayes.cohort import read_tables

type Row = tuple[object, ...]

DAY = dt.date(2021, 1, 1)
PEOPLE = ["a", "b", "c", "d"]
SESSION = ["participant_id", "provider_id", "provider_type", "date", "goal", "bond"]
SURVEY = ["participant_id", "date", *(f"who5_{item}" for item in range(1, 6))]


def day(number: int) -> dt.date:
    return DAY + dt.timedelta(days=number)


ratings = st.none() | st.integers(1, 5)
session_rows = st.tuples(
    st.sampled_from(PEOPLE), st.sampled_from(["c1", "c2", "t1"]), st.integers(0, 40), ratings, ratings
)
survey_rows = st.tuples(
    st.sampled_from(PEOPLE), st.integers(0, 60), st.lists(st.none() | st.integers(0, 5), min_size=5, max_size=5)
)


def by_loops(
    sessions: list[Row], surveys: list[Row], baseline: str, followup: str, gap: int, into_care: int
) -> tuple[dict[str, list[object]], Counter[str]]:
    """Scores of everybody with a session and a survey, one person at a time, and why people have no follow-up."""
    out: dict[str, list[object]] = {}
    why: Counter[str] = Counter()
    for person in PEOPLE:
        held = sorted((row for row in sessions if row[0] == person), key=lambda row: row[2])
        taken = sorted((row for row in surveys if row[0] == person), key=lambda row: row[1])
        if not held or not taken:
            continue
        rated = [(goal + bond) / 2 for *_, goal, bond in held if goal is not None and bond is not None]
        kinds = {"therapist" if row[1] == "t1" else "coach" for row in held}
        providers = [row[1] for row in held]
        scored = [(when, 4 * sum(items)) for _, when, items in taken if None not in items]
        begun, ended = held[0][2], held[-1][2]
        able = [survey for survey in scored if survey[0] <= ended and survey[0] - begun <= into_care]
        start = (able[0] if baseline == "first" else able[-1]) if able else None
        late = [] if start is None else [one for one in scored if one[0] > start[0] and one[0] - start[0] >= gap]
        ends = [survey for survey in late if survey[0] >= begun]
        end = (ends[-1] if followup == "last" else ends[0]) if ends else None
        if scored and start is None:
            why[f"baseline WHO-5 after the {'last' if scored[0][0] > ended else 'first'} session"] += 1
        elif late and end is None:
            why["follow-up WHO-5 before care"] += 1
        elif end is None:
            why["no follow-up WHO-5"] += 1
        out[person] = [
            sum(rated) / len(rated) if rated else np.nan,
            len(held),
            held[-1][2] - held[0][2],
            kinds.pop() if len(kinds) == 1 else "both",
            # max() returns the first of equals: the earliest seen.
            max(providers, key=providers.count),
            start[1] if start else np.nan,
            end[1] if end else np.nan,
        ]
    return out, why


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    st.lists(session_rows, min_size=1, max_size=12, unique_by=lambda row: (row[0], row[2])),
    st.lists(survey_rows, min_size=1, max_size=12, unique_by=lambda row: row[:2]),
    st.sampled_from(["first", "before_care"]),
    st.sampled_from(["last", "first"]),
    st.integers(0, 30),
    st.integers(0, 20),
    st.randoms(use_true_random=False),
)
def test_tables_score_as_loops_do(
    sessions: list[Row], surveys: list[Row], baseline: str, followup: str, gap: int, into_care: int, random: object
) -> None:
    # A column without any value is an error, so everything is answered once.
    sessions = [*sessions, ("a", "c1", 41, 5, 5)]
    surveys = [*surveys, ("a", 61, [0, 1, 2, 3, 4])]
    session_table = [
        (person, provider, "therapist" if provider == "t1" else "coach", day(when), goal, bond)
        for person, provider, when, goal, bond in sessions
    ]
    survey_table = [(person, day(when), *items) for person, when, items in surveys]
    # Rows come in any order.
    random.shuffle(session_table)  # type: ignore[attr-defined]
    random.shuffle(survey_table)  # type: ignore[attr-defined]
    cohort = read_tables(
        pd.DataFrame({"participant_id": PEOPLE}),
        pd.DataFrame(session_table, columns=SESSION),
        pd.DataFrame(survey_table, columns=SURVEY),
        baseline=baseline,
        followup=followup,
        min_days_between=gap,
        max_days_into_care=into_care,
    )
    expected, why = by_loops(sessions, surveys, baseline, followup, gap, into_care)
    assert cohort.data["participant_id"].tolist() == list(expected)
    columns = [
        "alliance",
        "n_sessions",
        "days_in_care",
        "provider_type",
        "provider_id",
        "who5_baseline",
        "who5_followup",
    ]
    for position, name in enumerate(columns):
        found, wanted = cohort.data[name].tolist(), [row[position] for row in expected.values()]
        if name.startswith("provider"):
            assert found == wanted
        else:
            # Means of at most 13 numbers from 1 to 5, added in another order: a few units in the last place.
            assert found == pytest.approx(wanted, rel=1e-14, nan_ok=True)
    without_session = len(PEOPLE) - len({row[0] for row in sessions})
    assert [step.n for step in cohort.excluded if step.reason == "no session"] == [without_session] * (
        without_session > 0
    )
    assert cohort.flow.participants == len(PEOPLE)
    assert len(PEOPLE) == sum(step.n for step in cohort.excluded) + len(cohort)
    for column in ("who5_followup", "who5_change"):
        steps = {step.reason: step.n for step in cohort.complete([column])[1].steps}
        if column == "who5_change" and (gone := steps.pop("no WHO-5 change", 0)):
            steps["no follow-up WHO-5"] = gone
        left = {name: n for name, n in steps.items() if name not in ("no session", "no WHO-5 survey")}
        assert left == dict(why)
