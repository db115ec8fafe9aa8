"""A factor of persons: people and rows are counted apart, nobody is named, and the slope is that of all people."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import alliance_bayes as ab
from alliance_bayes.model.roles import person_column
from lightly import lightly

PEOPLE, EACH = 14, 8


def sessions(name: str = "pid") -> pd.DataFrame:
    """Scores of people in several sessions; names that no number of a page could be mistaken for."""
    rng = np.random.default_rng(11)
    who = np.repeat(np.arange(PEOPLE), EACH)
    week = np.tile(np.arange(EACH), PEOPLE).astype(float)
    score = 40 + rng.normal(0, 6, PEOPLE)[who] + (1.5 + rng.normal(0, 0.8, PEOPLE)[who]) * week
    return pd.DataFrame(
        {"score": score + rng.normal(0, 3, who.size), "week": week, name: [f"Zoltan{k:02d}" for k in who]}
    )


def made(name: str, **options: object) -> ab.Fit:
    model = ab.Model(f"score ~ week + (week | {name})", **options)  # type: ignore[arg-type]
    return model.fit(sessions(name), seed=3, progress=False)


@pytest.fixture(scope="module")
def fit() -> ab.Fit:
    return made("pid", roles={"pid": "person"})


@pytest.fixture(scope="module")
def page(fit: ab.Fit) -> str:
    with lightly():
        return fit.report().html


def text_of(page: str) -> str:
    page = re.sub(r"<(style|script|svg).*?</\1>", "", page, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def test_people_and_rows_are_counted_apart(fit: ab.Fit, page: str) -> None:
    people = fit.people
    assert people is not None
    assert np.unique(people).size == PEOPLE
    text = text_of(page)
    for said in (
        f"{PEOPLE} people, {PEOPLE * EACH} rows analysed",
        f"{PEOPLE} people, {PEOPLE * EACH} rows in the table",
        f"{PEOPLE} people, {PEOPLE * EACH} rows (100.0%) analysed",
        f"People analysed (n = {PEOPLE}, {PEOPLE * EACH} rows)",
        f"in {PEOPLE * EACH} rows of {PEOPLE} people, none with a missing value",
    ):
        assert said in text
    assert f"{PEOPLE * EACH} people" not in text


@pytest.mark.slow
@pytest.mark.parametrize(("name", "declared"), [("client", True), ("Zimmer", False)])
def test_nobody_is_named_whatever_the_column_is_called(name: str, declared: bool, tmp_path: Path) -> None:
    fit = made(name, roles={name: "person"} if declared else {})
    rendered = fit.report()
    assert "Zoltan" not in rendered.html
    assert "Zoltan" not in rendered.json
    written = rendered.bundle(tmp_path)
    assert len(written) > 10
    for path in written:
        assert b"Zoltan" not in path.read_bytes(), path
    with zipfile.ZipFile(tmp_path / "manuscript.docx") as word:
        assert not [one for one in word.namelist() if b"Zoltan" in word.read(one)]
    for shown in (fit, fit.check(), fit.priors, ab.read_cohort(sessions(name))):
        assert "Zoltan" not in shown._repr_html_()
    table = fit.effects()
    assert not table["factor"].isin([name]).where(table["level"].notna(), other=False).any()
    assert any(f"'{name}'" in left and "single persons" in left for left in table.left_out)
    # By name they are to be had, for whoever has the data.
    assert len(fit.adjusted_means(name)) == PEOPLE


def test_the_headline_is_of_all_people_and_says_so(fit: ab.Fit, page: str) -> None:
    slope = fit.slopes().loc["slope/week/average"]
    np.testing.assert_allclose(
        fit.slopes().draws["slope/week/average"], fit.with_chains(fit.stacked["beta"][:, 1]), atol=1e-10
    )
    text = text_of(page)
    assert f"by {slope['mean']:.1f}" in text or f"by {slope['mean']:.2f}" in text
    assert "on average over all persons that there could be" in text
    inside = fit.slopes().loc["slope_in_sample/week/sample"]
    assert inside["sd"] < 0.9 * slope["sd"]
    assert "Over the persons in the data alone, each as often as among those analysed" in text
    assert "It is surer, since it says nothing of other persons." in text


@pytest.mark.usefixtures("gate_alone", "undrawn")
def test_where_the_two_populations_are_one_only_one_is_told() -> None:
    """Levels that differ in level alone leave the slope of an identity link as it is."""
    fit = ab.Model("score ~ week + (1 | pid)", roles={"pid": "person"}).fit(sessions(), seed=3, progress=False)
    assert "slope_in_sample/week/sample" not in fit.slopes().index
    assert "in the data alone" not in text_of(fit.report().html)


def test_whom_a_combination_is_of() -> None:
    frame = sessions().assign(site=np.repeat(["a", "b"], PEOPLE * EACH // 2))
    assert person_column(["site", "pid:site"], frame, {"pid": "person"}) == "pid"
    # A factor of groups is of no persons, and one of as many levels as rows is of no unit but the row.
    assert person_column(["site"], frame, {}) is None
    assert person_column(["pid"], frame.assign(pid=[f"r{k}" for k in range(len(frame))]), {"pid": "person"}) is None


def test_who_has_an_id_of_their_own_is_one_person_whatever_few_levels_are_pooled() -> None:
    """Forty people of four therapists were four people with ten rows each."""
    rng = np.random.default_rng(4)
    frame = pd.DataFrame({"participant_id": [f"p{k}" for k in range(40)], "coach": [f"c{k % 4}" for k in range(40)]})
    frame["score"], frame["week"] = rng.normal(size=(2, 40))
    model = ab.Model("score ~ week + (1 | coach)")
    fit = model.fit(frame, seed=3, draws=50, progress=False)
    assert (fit.people, fit.count_people()) == (None, 40)
    # Without ids, or with a role, it is as it was.
    assert model.fit(frame.drop(columns="participant_id"), seed=3, draws=50, progress=False).count_people() == 4
    declared = ab.Model(model.formula, roles={"coach": "person"})
    assert declared.fit(frame, seed=3, draws=50, progress=False).count_people() == 4


def test_a_factor_of_unknown_role_is_asked_about(caplog: pytest.LogCaptureFixture) -> None:
    model = ab.Model("score ~ week + (week | client)")
    with caplog.at_level("WARNING", logger="alliance_bayes"):
        model.fit(sessions("client"), seed=3, progress=lambda done, total, divergences: None)
    assert [record.getMessage() for record in caplog.records] == [
        f"'client' has {PEOPLE} levels in {PEOPLE * EACH} rows, and nothing says what they are, so they are taken for "
        "persons. Say whether they are persons, providers or groups (roles={'client': 'provider'}, say): priors, the "
        "people that are counted, and who is named in a report follow it."
    ]
