"""One row a rated session: values by hand, and every session of a simulated cohort."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from alliance_bayes.cohort import Cohort, Flow, FlowStep, session_cohort
from alliance_bayes.errors import UsageError
from alliance_bayes.simulation import simulate_cohort


def small() -> Cohort:
    people = pd.DataFrame(
        {
            "participant_id": ["b", "none rated", "a"],
            "age": [30.0, 40.0, np.nan],
            "sex": pd.Categorical(["male", "female", "female"], categories=["female", "male", "other"]),
            "modality": pd.Categorical(["in_person", "video", "video"], categories=["video", "in_person"]),
            "n_sessions": [3.0, 1.0, 1.0],
        }
    )
    sessions = pd.DataFrame(
        {
            "participant_id": ["b", "a", "b", "b", "none rated"],
            "date": pd.to_datetime(["2021-01-03", "2021-01-01", "2021-01-02", "2021-01-01", "2021-01-01"]),
            "goal": [5.0, 2.0, np.nan, 4.0, 3.0],
            "bond": [4.0, 3.0, 5.0, 4.0, np.nan],
            "provider_id": pd.Categorical(["t1", None, "c1", "c2", "c3"]),
        }
    )
    return Cohort(people, "small", (FlowStep("no session", 3),), sessions)


def test_session_rows_by_hand() -> None:
    rows = session_cohort(small())
    expected = pd.DataFrame(
        {
            # In the order of the people, not of the letters; nobody's level who rated nothing.
            "person": pd.Categorical(["b", "b", "a"], categories=["b", "a"]),
            "rating": [4.0, 4.5, 2.5],
            "goal": [4.0, 5.0, 2.0],
            "bond": [4.0, 4.0, 3.0],
            # The unrated second session of b counts.
            "session": [0.0, 2.0, 0.0],
            "provider_id": pd.Categorical(["c2", "t1", None], categories=["c2", "t1"]),
            "sex": pd.Categorical(["male", "male", "female"], categories=["female", "male", "other"]),
            "age": [30.0, 30.0, np.nan],
            "modality": pd.Categorical(["in_person", "in_person", "video"], categories=["video", "in_person"]),
        }
    )
    pd.testing.assert_frame_equal(rows.data, expected)
    assert rows.source == "sessions of small"
    assert rows.sessions is None
    assert rows.complete([])[1] == Flow(5, (FlowStep("session without both ratings", 2, 2, 1),), 3, "session")


def test_simulated_sessions_become_rows_with_the_persons_own_columns() -> None:
    cohort = simulate_cohort(120, seed=4, in_person_share=0.5)
    rows = session_cohort(cohort).data
    assert list(rows.columns) == [
        "person",
        "rating",
        "goal",
        "bond",
        "session",
        "provider_id",
        "provider_type",
        "sex",
        "country",
        "age",
        "who5_baseline",
        "modality",
    ]
    table = cohort.tables["sessions"]
    assert rows["person"].astype("str").tolist() == table["participant_id"].tolist()
    assert rows["rating"].tolist() == ((table["goal"] + table["bond"]) / 2).tolist()
    assert rows["provider_id"].astype("str").tolist() == table["provider_id"].tolist()
    assert rows["session"].tolist() == table.groupby("participant_id").cumcount().tolist()
    one = cohort.data.set_index("participant_id").loc[table["participant_id"]]
    for name in ("provider_type", "sex", "country", "age", "who5_baseline", "modality"):
        pd.testing.assert_series_equal(rows[name], one[name].reset_index(drop=True))


def test_nobody_rated_is_a_flow_not_a_crash() -> None:
    cohort = small()
    assert cohort.sessions is not None
    rows = session_cohort(Cohort(cohort.data, "small", sessions=cohort.sessions.assign(goal=np.nan)))
    assert len(rows) == 0
    assert rows.complete([])[1] == Flow(5, (FlowStep("session without both ratings", 5, 3, 3),), 3, "session")


def test_a_cohort_without_sessions_is_refused() -> None:
    with pytest.raises(UsageError) as caught:
        session_cohort(Cohort(small().data, "cohort.csv"))
    assert str(caught.value) == (
        "session_cohort: cohort.csv has no sessions, only one row a participant. Give the three tables (read_tables())."
    )
