"""Fits to tables with several rows a person: read by Model.fit, people and rows counted apart, kept in files."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import alliance_bayes as ab
from alliance_bayes.cohort import Flow, FlowStep
from alliance_bayes.model.roles import RoleOf

PEOPLE, WEEKS = 12, 6


def table() -> pd.DataFrame:
    """Twelve people in six weeks; one never has a score, and four lack one or two of them."""
    rng = np.random.default_rng(5)
    who = np.repeat(np.arange(PEOPLE), WEEKS)
    week = np.tile(np.arange(WEEKS), PEOPLE).astype(float)
    score = 30 + rng.normal(0, 5, PEOPLE)[who] + 1.2 * week + rng.normal(0, 2, who.size)
    score[who == 3] = np.nan
    score[[0, 1, 40, 50, 70]] = np.nan
    arm = np.where(who % 2 == 0, "a", "b")
    return pd.DataFrame({"pid": [f"Zoltan{k:02d}" for k in who], "week": week, "score": score, "arm": arm})


RANDOM_LEVELS = ab.Model("score ~ week + (1 | pid)")
LONG = {"person": "pid", "time": "week", "unit": "session"}


@pytest.fixture(scope="module")
def fit() -> ab.Fit:
    return RANDOM_LEVELS.fit(table(), **LONG, seed=2, progress=False)


def test_people_and_rows_by_hand(fit: ab.Fit) -> None:
    data = table()
    complete = data.dropna()
    lost = set(data["pid"]) - set(complete["pid"])
    incomplete = data[data["score"].isna()]["pid"].nunique()
    assert fit.flow == Flow(
        len(data),
        (FlowStep("no value of score", len(data) - len(complete), incomplete, len(lost)),),
        PEOPLE,
        "session",
    )
    assert fit.flow.analysed_people == complete["pid"].nunique() == PEOPLE - 1
    assert fit.people is not None
    assert pd.Series(fit.people).value_counts().tolist() == complete["pid"].value_counts().tolist()
    assert repr(fit).startswith("Fit('score ~ week + (1 | pid)', family='gaussian': 11 participants, 61 sessions, ")


def test_the_persons_column_has_its_role_without_being_told(fit: ab.Fit) -> None:
    assert fit.design.factor("pid").role == RoleOf("person", known=True)
    assert dict(fit.spec.roles) == {"pid": "person"}
    told = ab.Model("score ~ week + (1 | pid)", roles={"pid": "person"}).fit(table(), seed=2, progress=False)
    assert [str(stated) for _, stated in told.priors.items()] == [str(stated) for _, stated in fit.priors.items()]
    np.testing.assert_array_equal(told.posterior["beta"], fit.posterior["beta"])
    # Counted apart, too, where only the role says whose a row is.
    assert (told.flow.people, told.flow.unit) == (PEOPLE, "row")
    with pytest.raises(ab.ModelError, match=r"roles says that 'pid' is a group, and person that it tells whose a row"):
        ab.Model("score ~ week + (1 | pid)", roles={"pid": "group"}).fit(table(), **LONG, progress=False)


def test_a_cohort_that_was_read_is_the_same_as_a_table_that_is_read(fit: ab.Fit, tmp_path: Path) -> None:
    read = RANDOM_LEVELS.fit(ab.read_cohort(table(), **LONG), seed=2, progress=False)
    table().to_csv(tmp_path / "long.csv", index=False)
    from_file = RANDOM_LEVELS.fit(tmp_path / "long.csv", **LONG, seed=2, progress=False)
    for other in (read, from_file):
        assert other.flow == fit.flow
        np.testing.assert_array_equal(other.posterior["beta"], fit.posterior["beta"])
    with pytest.raises(ab.UsageError, match=r"was read before, so person cannot say how. Give it to read_cohort\(\)"):
        RANDOM_LEVELS.fit(ab.read_cohort(table(), **LONG), person="pid")


def test_a_saved_fit_keeps_who_and_what_a_row_is(fit: ab.Fit, tmp_path: Path) -> None:
    fit.save(tmp_path / "fit.nc")
    kept = ab.load_fit(tmp_path / "fit.nc")
    assert kept.flow == fit.flow
    assert kept.people is not None
    np.testing.assert_array_equal(kept.people, fit.people)
    assert kept.design.factor("pid").role == RoleOf("person", known=True)
    assert kept.info["long"] == {"person": "pid", "time": "week", "unit": "session"}
    assert kept.has_person_effects


@pytest.mark.parametrize("info", [{"long": ["pid"]}, {"long": {"person": 7}}, {"missing_people": {"score": "x"}}])
def test_a_file_that_says_something_else_of_persons_is_refused(
    fit: ab.Fit, tmp_path: Path, info: dict[str, object]
) -> None:
    dataclasses.replace(fit, info={**fit.info, **info}).save(tmp_path / "fit.nc")
    with pytest.raises(ab.FileFormatError, match="is no mapping of what it should be"):
        ab.load_fit(tmp_path / "fit.nc")


def test_rows_of_one_person_that_share_no_effect_are_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    model = ab.Model("score ~ week + (1 | arm)")
    with caplog.at_level("WARNING", logger="alliance_bayes"):
        fit = model.fit(table(), **LONG, seed=2, progress=lambda done, total, divergences: None)
    assert [record.getMessage() for record in caplog.records] == [
        "61 sessions are of 11 people, and the model has no effect of the person: it takes rows of one person for as "
        "independent as those of two, so that intervals may be much too narrow. Pool over persons: add (1 | pid) to "
        "the formula."
    ]
    # The column at hand, as a formula may have it.
    caplog.clear()
    named, said = table().rename(columns={"pid": "person id"}), {**LONG, "person": "person id"}
    with caplog.at_level("WARNING", logger="alliance_bayes"):
        model.fit(named, **said, seed=2, progress=lambda done, total, divergences: None)
    assert caplog.records[0].getMessage().endswith("add (1 | `person id`) to the formula.")
    pooled = ab.Model("score ~ week + (1 | arm) + (1 | `person id`)").fit(named, **said, seed=2, progress=False)
    assert pooled.has_person_effects
    assert not fit.has_person_effects
    assert fit.flow.analysed_people == PEOPLE - 1
    crossed = ab.Model("score ~ week + (1 | pid:arm)").fit(table(), **LONG, seed=2, progress=False)
    assert crossed.has_person_effects


def test_who_is_in_a_part_of_the_rows_is_counted_too() -> None:
    model = ab.Model("score ~ week + (1 | pid)", among={"week": {"at_least": 2}})
    data = table()
    part = data[data["week"] >= 2]
    flow = model.fit(data, **LONG, seed=2, progress=False).flow
    assert flow.steps[0] == FlowStep("week below 2, or missing", len(data) - len(part), PEOPLE, 0)
    assert (flow.analysed, flow.analysed_people) == (len(part.dropna()), part.dropna()["pid"].nunique())


def test_moments_and_the_study_have_no_persons(fit: ab.Fit) -> None:
    with pytest.raises(ab.UsageError, match="the study is of people, one row each"):
        ab.run_study(ab.read_cohort(table(), **LONG))


@pytest.mark.parametrize("formula", ["score ~ week + pid", "score ~ week + week:pid", "score ~ week + (0 + pid | arm)"])
def test_persons_have_no_coefficients_by_name(formula: str) -> None:
    with pytest.raises(
        ab.ModelError, match=r"'pid' says whose a row is, and as a predictor would have .* \(1 \| pid\)"
    ):
        ab.Model(formula).fit(table(), **LONG, progress=False)


def test_dates_have_no_slope() -> None:
    dated = table().assign(week=[f"2024-01-{day + 1:02.0f}" for day in table()["week"]])
    with pytest.raises(ab.ModelError, match=r"'week' holds dates, which have no slope\. Make a column of numbers"):
        RANDOM_LEVELS.fit(dated, **LONG, progress=False)
    fit = ab.Model("score ~ arm + (1 | pid)").fit(dated, **LONG, seed=2, draws=200, progress=False)
    assert fit.flow.unit == "session"


def test_those_left_out_by_checks_are_people_and_not_rows() -> None:
    """Of three sites of 22, 8 and 4 people with 6 rows each, one has twenty people to leave out."""
    rng = np.random.default_rng(3)
    who = np.repeat(np.arange(34), WEEKS)
    site = np.repeat(["a"] * 22 + ["b"] * 8 + ["c"] * 4, WEEKS)
    data = pd.DataFrame({"pid": [f"p{k}" for k in who], "week": np.tile(np.arange(WEEKS), 34), "site": site})
    data["score"] = rng.normal(0, 1, 34)[who] + rng.normal(0, 1, who.size)
    fit = ab.Model("score ~ week + (1 | pid) + (1 | site)").fit(data, **LONG, seed=1, draws=300, progress=False)
    table = fit.check(checks=["influence"]).results[0].table
    assert table[["factor", "level", "n"]].iloc[1:].values.tolist() == [["site", "a", 22]]
