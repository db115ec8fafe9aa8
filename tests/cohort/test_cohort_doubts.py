"""What a table is warned of: each likely mistake where it is, and nothing where there is none."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import alliance_bayes as ab
from alliance_bayes.cohort.doubts import Doubt, find_doubts, unknown_levels

SOUND = ab.simulate_cohort(n=300, seed=8).data.drop(columns=["who5_change"])


def doubts(**columns: Any) -> list[Doubt]:
    """What is said of a table beyond that some levels have one person."""
    cohort = ab.read_cohort(SOUND.assign(**columns))
    return [doubt for doubt in cohort.doubts() if doubt.kind != "one_person"]


def texts(levels: list[str], last: str) -> pd.Series:
    return pd.Series([levels[k % len(levels)] for k in range(299)] + [last])


def test_a_sound_table_has_only_levels_of_one_person() -> None:
    assert doubts() == []
    for doubt in ab.read_cohort(SOUND).doubts():
        counts = SOUND[str(doubt.problem.column)].value_counts()
        single = sorted(counts.index[counts == 1])
        assert sorted(doubt.details["levels"]) == single
        assert (doubt.details["n"], doubt.details["of"]) == (len(single), int((counts > 0).sum()))
    assert {doubt.problem.column for doubt in ab.read_cohort(SOUND).doubts()} == {
        name for name in ("country", "provider_id") if (SOUND[name].value_counts() == 1).any()
    }


@pytest.mark.parametrize(
    ("kind", "name", "values"),
    [
        ("misspelling", "place", texts(["Germany", "France"], "Germnay")),
        ("unknown", "place", texts(["Germany", "France"], "N/A")),
        ("unknown", "place", texts(["Germany", "France"], "unknown")),
        ("unknown", "sex", pd.Series([*["1", "2", "2"] * 99, *["999"] * 3])),
        ("unknown", "stress", pd.Series([*np.arange(299) % 20, 999])),
        ("identifier", "record", pd.Series([f"r{k:04d}" for k in range(300)])),
        ("code", "site", pd.Series(np.arange(300) % 7)),
        ("code", "Clinic ID", pd.Series(np.arange(300) % 40)),
        ("code", "sex", pd.Series(["1", "2"] * 150)),
        ("constant", "wave", pd.Series(["one"] * 300)),
        ("constant", "year", pd.Series([2021] * 300)),
        ("constant", "remarks", pd.Series([None] * 300, dtype=object)),
        ("same_columns", "age_in_months", SOUND["age"] * 12),
        ("same_columns", "female", (SOUND["sex"] == "female").astype(int)),
        ("same_columns", "days", SOUND["days_in_care"] + np.random.default_rng(1).normal(0, 0.1, 300)),
        ("impossible", "n_sessions", SOUND["n_sessions"].where(SOUND.index > 0, 0)),
        ("impossible", "days_in_care", SOUND["days_in_care"].where(SOUND.index > 0, 40_000)),
    ],
)
def test_each_mistake_is_found_once_where_it_is(kind: str, name: str, values: pd.Series) -> None:
    found = [doubt for doubt in doubts(**{name: values}) if doubt.kind == kind]
    assert len(found) >= 1
    assert all(f"'{name}'" in str(doubt) for doubt in found)


def test_what_is_like_a_mistake_and_none_is_passed_over() -> None:
    assert (
        doubts(
            phq9=np.random.default_rng(3).permutation(300) % 28,
            children=np.arange(300) % 4,
            diagnosis=texts(["F10", "F11", "F32"], "F33"),
            site=texts(["site 1", "site 2"], "site 1"),
            ward=[str(k % 300 + 700) for k in range(300)],
            weight=np.random.default_rng(2).normal(70, 10, 300),
            visit_date=pd.Series(pd.date_range("2021-01-01", periods=300).strftime("%Y-%m-%d")),
        )
        == []
    )


@pytest.mark.parametrize("early", ["baseline_date", "start date", "firstDay"])
def test_a_later_date_that_is_earlier(early: str) -> None:
    changed = early.replace("baseline", "followup").replace("start", "end").replace("first", "last")
    if "ay" in early:
        first, last = pd.Series(np.arange(300)), pd.Series([*range(5, 304), 3])
    else:
        days = pd.Series(pd.date_range("2021-01-01", periods=300))
        first, last = (part.dt.strftime("%Y-%m-%d") for part in (days, days + pd.Timedelta(days=20)))
        last.iloc[-1] = "2020-12-31"
    (doubt,) = [doubt for doubt in doubts(**{early: first, changed: last}) if doubt.kind == "impossible"]
    assert (doubt.problem.column, doubt.details) == (changed, {"rows": 1})


def test_rows_pasted_with_ids_and_numbers_of_their_own() -> None:
    more = SOUND.iloc[[10, 20, 30, 40]].assign(participant_id=list("wxyz"))
    table = pd.concat([SOUND, more], ignore_index=True)
    table["record"] = [f"r{k:04d}" for k in range(len(table))]
    table["row"] = np.arange(len(table))
    (doubt,) = [doubt for doubt in ab.read_cohort(table).doubts() if doubt.kind == "identical_rows"]
    assert doubt.details["copies"] == 4
    # How many, and not who.
    assert set(doubt.details) == {"copies", "expected", "columns"}
    assert not set(re.findall(r"\w+", str(doubt))) & {*more["participant_id"], *SOUND["participant_id"]}


def test_what_is_told_is_json_of_every_column() -> None:
    cohort = ab.read_cohort(SOUND.assign(site=np.arange(300) % 7, mixed=["x", 1] * 150))
    told = json.loads(json.dumps(cohort.told(), allow_nan=False))
    assert {row["variable"] for row in told["columns"]} == set(cohort.data.columns) - {"participant_id"}
    assert [row["kind"] for row in told["doubts"]] == [doubt.kind for doubt in cohort.doubts()]
    assert told["flow"]["analysed"] == cohort.flow.analysed
    assert {row["column"] for row in told["aside"]} == {"mixed"}
    (country,) = [row for row in told["columns"] if row["variable"] == "country"]
    counts = SOUND["country"].value_counts()
    assert country["levels"] == int((counts > 0).sum()) > 20
    assert (country["largest"], country["n_largest"]) == (counts.index[0], int(counts.iloc[0]))
    assert country["n_single"] == int((counts == 1).sum())


@pytest.mark.parametrize(
    "change", [lambda data: data.iloc[:1], lambda data: data.iloc[:0], lambda data: data.iloc[:, :1]]
)
def test_tables_of_next_to_nothing(change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    assert find_doubts(change(SOUND)) == ()


def test_one_column_under_many_names_is_told_once_each() -> None:
    more = {f"again {k}": SOUND["age"] for k in range(40)}
    found = [doubt for doubt in doubts(**more) if doubt.kind == "same_columns"]
    assert {doubt.problem.column for doubt in found} == set(more)
    assert len(found) == 40


def test_some_columns_have_the_doubts_that_they_have_among_all() -> None:
    table = SOUND.assign(site=["norhtern", *["northern"] * 150, *["southern"] * 149], copy=SOUND["age"], constant=1)
    data = ab.read_cohort(table).data
    everything = find_doubts(data)
    assert {doubt.kind for doubt in everything} >= {"same_columns", "constant", "misspelling"}
    for column in data.columns:
        own = [str(doubt) for doubt in find_doubts(data, only={column})]
        assert own == [
            str(doubt)
            for doubt in everything
            if doubt.kind != "same_columns"
            and (doubt.problem.column == column or doubt.kind in ("identical_rows", "impossible"))
        ]


def test_a_cohort_that_is_printed_says_what_may_mean_missing() -> None:
    frame = pd.DataFrame(
        {
            "participant_id": [f"p{k}" for k in range(6)],
            "site": ["north", "N/A", "south", "north", "?", "south"],
            "stage": ["early", "late", "late", "early", "late", "early"],
            "alliance": [4.0, 3.5, None, 4.5, 5.0, 2.0],
        }
    )
    cohort = ab.read_cohort(frame)
    assert repr(cohort).endswith("; may mean missing: '?', 'N/A' in site>")
    told = {doubt.problem.column: doubt.details["levels"] for doubt in cohort.doubts() if doubt.kind == "unknown"}
    assert {name: sorted(levels) for name, levels in unknown_levels(cohort.data).items()} == {
        name: sorted(levels) for name, levels in told.items()
    }
    assert "may mean missing" not in repr(ab.read_cohort(frame, missing=["N/A", "?"]))
    assert " · may mean missing: &#x27;?&#x27;, &#x27;N/A&#x27; in site</p>" in cohort._repr_html_()
