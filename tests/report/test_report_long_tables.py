"""Of a table with several rows a person, people are counted and not rows."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import alliance_bayes as ab
from alliance_bayes.cohort import Cohort, session_cohort
from alliance_bayes.report.codings import level_counts
from alliance_bayes.report.curve import covered_range, grouped_histogram, observed_means
from alliance_bayes.report.privacy import grouped_only
from alliance_bayes.report.small_counts import hidden_levels, shown_counts
from builders import fitted, rows


def long_table(people: dict[str, int], each: int) -> pd.DataFrame:
    """So many people a country, each with so many rows."""
    country = np.repeat(list(people), list(people.values()))
    person = np.repeat(np.arange(country.size), each)
    frame = rows(person.size, seed=2)
    frame["country"] = pd.Categorical(country[person], categories=list(people), ordered=True)
    return frame.assign(whose=pd.Categorical([f"p{k}" for k in person]))


FORMULA = "who5_followup ~ alliance + who5_baseline + (1 | country)"
PEOPLE = {"A": 40, "B": 3, "C": 25, "D": 14}


@pytest.fixture(scope="module")
def fit() -> ab.Fit:
    cohort = Cohort(long_table(PEOPLE, 6).drop(columns=["who5_change"], errors="ignore"), "long", person="whose")
    return ab.Model(FORMULA).fit(cohort, seed=1, draws=400, progress=False)


def test_people_are_counted(fit: ab.Fit) -> None:
    assert fit.count_people() == 82
    assert level_counts(fit, "country") == PEOPLE
    # Three people with six rows each are few, and one more country hides them.
    assert hidden_levels(fit, 10)["country"] == {"B", "C"}
    assert {level: cell.text for level, cell in shown_counts(fit, "country", 10).items()} == {
        "A": "40",
        "B": "< 10",
        "C": "–",
        "D": "14",
    }


def test_an_observed_mean_is_of_enough_people_and_not_of_their_rows(fit: ab.Fit) -> None:
    found = observed_means(fit, "alliance", 10)
    assert len(found)
    assert fit.people is not None
    alliance = fit.design.frame["alliance"].clip(found["low"].iloc[0], found["high"].iloc[-1]).to_numpy(float)
    for _, row in found.iterrows():
        own = (alliance >= row["low"]) & ((alliance < row["high"]) | (row["high"] == alliance.max()))
        assert np.unique(fit.people[own]).size >= 10


@pytest.mark.slow
def test_a_page_of_them_counts_people_too(fit: ab.Fit, tmp_path: Path) -> None:
    page = fit.report(tmp_path / "long.html", checks=fit.check(checks=["convergence", "posterior_predictive"]))
    assert "82 people, 492 rows analysed" in page.html
    shown = {row["level"]: row["shown"] for row in page.numbers["participants"]["summary"] if "level" in row}
    assert (shown["B"], shown["C"]) == ("< 10", "–")
    told = {row["level"] for row in page.numbers["effects"] if row["factor"] == "country" and row["level"]}
    assert told == {"A", "D"}
    # A share of rows does not say of how many people, so none is told.
    tables = [check["table"] for check in page.numbers["checks"] if check["name"] == "posterior_predictive"]
    assert not any(str(row["statistic"]).startswith("share") for row in tables[0])


@pytest.mark.parametrize("suffix", [".nc", ".zarr"])
def test_a_saved_fit_knows_whose_its_rows_are(fit: ab.Fit, tmp_path: Path, suffix: str) -> None:
    fit.save(tmp_path / f"fit{suffix}")
    again = ab.load_fit(tmp_path / f"fit{suffix}")
    assert level_counts(again, "country") == PEOPLE


def test_of_one_row_a_person_nothing_is_kept() -> None:
    cohort = ab.simulate_cohort(n=60, seed=3)
    assert cohort.people(["alliance"]) is None
    assert Cohort(rows(30), "x").people(["age"]) is None
    sessions = session_cohort(cohort)
    codes = sessions.people(["rating"])
    assert codes is not None
    assert np.unique(codes).size == sessions.data["person"].nunique()


def test_the_ends_of_a_range_are_nobodys_however_many_rows_somebody_has() -> None:
    # One person has the twelve lowest values, another the twelve highest.
    values = np.r_[np.full(12, -5.0), np.linspace(1, 2, 60), np.full(12, 9.0)]
    people = np.r_[np.full(12, 100), np.arange(60), np.full(12, 101)]
    assert covered_range(values, 10)[0] == -5.0
    low, high = covered_range(values, 10, people=people)
    # The tenth of people, each at their lowest: the one at -5 and nine of the others.
    assert (low, high) == (np.linspace(1, 2, 60)[8], np.linspace(1, 2, 60)[-9])
    edges, density = grouped_histogram(values, 10, people=people)
    bars = pairwise(edges)
    drawn = np.clip(values, low, high)
    assert min(np.unique(people[(drawn >= a) & (drawn <= b)]).size for a, b in bars) >= 10
    assert density @ np.diff(edges) == pytest.approx(1.0)


def test_a_nested_column_does_not_tell_what_the_other_hides() -> None:
    """Providers of a country add up to it, so a country is hidden with its providers, and a provider within it."""
    providers = {"P1": 30, "P2": 4, "P3": 26, "Q1": 31, "Q2": 28, "R1": 40}
    country = {"P": "north", "Q": "south", "R": "east"}
    names = np.repeat(list(providers), list(providers.values()))
    frame = rows(names.size, seed=4)
    frame["provider_id"] = pd.Categorical(names, categories=list(providers), ordered=True)
    frame["country"] = pd.Categorical([country[name[0]] for name in names], ordered=True)
    hidden = hidden_levels(
        fitted(frame, formula="who5_followup ~ alliance + (1 | provider_id) + (1 | country)", draws=20), 10
    )
    # Overall, any provider could hide P2; within the north, only one of its own does.
    assert hidden == {"provider_id": {"P2", "P3"}, "country": frozenset()}


def test_a_hidden_country_is_not_the_sum_of_its_providers() -> None:
    providers = {"P1": 4, "Q1": 31, "Q2": 28, "R1": 40, "R2": 35}
    country = {"P": "north", "Q": "south", "R": "east"}
    names = np.repeat(list(providers), list(providers.values()))
    frame = rows(names.size, seed=4)
    frame["provider_id"] = pd.Categorical(names, categories=list(providers), ordered=True)
    frame["country"] = pd.Categorical([country[name[0]] for name in names], ordered=True)
    hidden = hidden_levels(
        fitted(frame, formula="who5_followup ~ alliance + (1 | provider_id) + (1 | country)", draws=20), 10
    )
    assert hidden["country"] == {"north", "south"}
    assert {"P1", "Q1", "Q2"} <= hidden["provider_id"]


def test_a_part_of_few_people_cannot_be_had_by_subtraction() -> None:
    """Rows of all parts but one, and the rows analysed, tell those of the one; so a second part is not shown either."""
    frame = rows(120)
    frame["pid"] = [f"P{row // 3}" for row in range(len(frame))]
    fit = replace(
        fitted(frame, formula="who5_followup ~ alliance + (1 | pid)", spec={"roles": {"pid": "person"}}),
        people=np.arange(len(frame)) // 3,
    )
    values = np.sort(fit.design.frame["alliance"].to_numpy(float))
    ends = [values[0], values[4], values[40], values[80], values[-1]]
    lows, highs = ends[:-1], [np.nextafter(end, 0) for end in ends[1:-1]] + [ends[-1]]
    table = pd.DataFrame(
        {
            "column": "alliance",
            "low": lows,
            "high": highs,
            "n": [int(((values >= low) & (values <= high)).sum()) for low, high in zip(lows, highs, strict=True)],
            "residual": 0.0,
        }
    )
    assert table["n"].sum() == len(frame)
    shown = grouped_only(fit, table, 10)
    hidden = len(table) - len(shown)
    assert hidden >= 2
    assert len(frame) - shown["n"].sum() >= 10
