"""What a table has beside a model: other columns, the places of rows, and who was left out."""

from __future__ import annotations

import numpy as np
import pandas as pd

from alliance_bayes.cohort import Cohort
from alliance_bayes.cohort import beside as module
from alliance_bayes.cohort.beside import Beside
from builders import rows

USED = ("who5_followup", "alliance", "sex")


def cohort(n=60, **columns):
    frame = rows(n).drop(columns=["provider_type", "country", "days_in_care"])
    return Cohort(frame.assign(participant_id=[f"p{k}" for k in range(n)], **columns), "made")


def of(table, **options):
    return Beside.of(table, USED, "who5_followup", **options)


def test_other_columns_are_kept_but_names_of_rows_texts_and_what_is_made_of_the_outcome():
    n = 60
    found = of(
        cohort(
            n,
            who5_followup_1=np.arange(n) % 6.0,
            provider_id=pd.Categorical([f"P{k % 9}" for k in range(n)]),
            therapist_id=np.arange(n) % 7.0,
            record_id=np.arange(n, dtype=float),
            remarks=pd.Categorical([f"text {k}" for k in range(n)]),
            constant=1.0,
            phq9_post=np.sqrt(np.arange(n)),
            wai_fu2=np.sqrt(np.arange(n)),
            trend=np.sqrt(np.arange(n)),
            entered=pd.Categorical([f"2024-01-{1 + k % 28:02}" for k in range(n)]),
            severity=np.where(np.arange(n) % 5, np.arange(n) / 7, np.nan),
        )
    )
    # The change score, which a cohort adds, has the outcome in it.
    assert list(found.columns) == [
        "who5_baseline", "age", "n_sessions", "provider_id", "therapist_id", "trend", "entered", "severity"
    ]  # fmt: skip
    kinds = found.columns.dtypes.map(str).to_dict()
    assert kinds["provider_id"] == kinds["therapist_id"] == "category"
    assert kinds["entered"].startswith("datetime64")
    assert found.columns["severity"].isna().sum() == 12
    assert found.passed_over == 0


def test_places_and_people_left_out_are_those_of_the_whole_table():
    table = cohort()
    gaps = table.data["alliance"].where(np.arange(60) % 4 > 0)
    known = table.data["age"].where(np.arange(60) % 3 > 0)
    table = Cohort(table.data.assign(alliance=gaps, age=known), "made")
    found = of(table)
    np.testing.assert_array_equal(found.place, np.flatnonzero(np.arange(60) % 4))
    assert len(found.columns) == 45
    pd.testing.assert_series_equal(
        found.absent["who5_baseline"], table.data["who5_baseline"][::4].reset_index(drop=True)
    )
    assert "who5_followup" not in found.absent
    assert "who5_change" not in found.absent
    # For the sake of another model of the same people.
    assert of(table, complete=[*USED, "age"]).place.size == int((gaps.notna() & known.notna()).sum())


def test_people_with_several_rows_are_left_out_when_none_was_analysed_and_come_with_their_first_values():
    people = np.repeat([f"p{k}" for k in range(20)], 3)
    week = np.tile(np.arange(3.0), 20)
    data = rows(60).assign(pid=pd.Categorical(people), week=week)
    data.loc[data["pid"].isin(["p0", "p1"]), "alliance"] = np.nan
    data.loc[5, "alliance"] = np.nan
    data.loc[6, "alliance"] = np.nan
    data.loc[0, "age"] = np.nan
    found = of(Cohort(data, "made", person="pid", time="week"))
    assert found.when is not None
    np.testing.assert_array_equal(found.when, week[found.place])
    assert found.absent["age"].tolist() == [data["age"][1], data["age"][3]]
    assert "pid" not in found.absent
    assert "pid" not in found.columns


def test_rows_are_taken_with_their_places():
    found = of(cohort()).take(np.array([1, 5]))
    np.testing.assert_array_equal(found.place, [1, 5])
    assert found.columns.index.tolist() == [0, 1]


def test_factors_come_before_numbers_where_there_is_no_room(monkeypatch):
    monkeypatch.setattr(module, "MOST_COLUMNS", 2)
    found = of(cohort(provider_id=pd.Categorical([f"P{k % 9}" for k in range(60)])))
    assert list(found.columns) == ["who5_baseline", "provider_id"]
    assert found.passed_over == 2
