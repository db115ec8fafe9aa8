"""Models of the same people: no two pages, and no two models of a page, differ by a few."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import alliance_bayes as ab
from alliance_bayes.cli import main
from alliance_bayes.model import write_card
from alliance_bayes.report.page import read_manifest
from alliance_bayes.study.study import COLUMNS
from builders import rows

FIRST = "who5_followup ~ alliance + who5_baseline + (1 | sex)"
SECOND = "alliance ~ age + who5_baseline + (1 | sex)"


@pytest.fixture(scope="module")
def cohort() -> ab.Cohort:
    """Some lack a follow-up, some their age; a few both."""
    rng = np.random.default_rng(3)
    frame = rows(200, seed=3)
    frame.loc[rng.choice(200, 30, replace=False), "who5_followup"] = np.nan
    frame.loc[rng.choice(200, 9, replace=False), "age"] = np.nan
    return ab.read_cohort(frame)


def test_models_are_fitted_to_those_who_are_complete_for_all(cohort: ab.Cohort) -> None:
    first, second = ab.Model(FIRST), ab.Model(SECOND)
    alone = [model.fit(cohort, seed=1, draws=50, progress=False) for model in (first, second)]
    both = [
        model.fit(cohort, seed=1, draws=50, same_people=[other], progress=False)
        for model, other in ((first, second), (second, first))
    ]
    complete = cohort.data[["who5_followup", "alliance", "who5_baseline", "age", "sex"]].notna().all(axis=1)
    assert len({fit.flow.analysed for fit in alone}) == 2
    assert [fit.flow for fit in both] == [both[0].flow] * 2
    assert both[0].flow.analysed == complete.sum()
    for fit in both:
        assert fit.design.frame["alliance"].tolist() == cohort.data.loc[complete, "alliance"].tolist()
        # By name the same, in whatever order they were given, and known to a page that is made again.
        assert fit.info["same_people"] == ["age", "alliance", "sex", "who5_baseline", "who5_followup"]
        assert fit.info["cohort_hash"] == cohort.hash
    by_name = first.fit(cohort, seed=1, draws=50, same_people=["age"], progress=False)
    assert np.array_equal(by_name.stacked["beta"], both[0].stacked["beta"])


def test_a_page_of_the_same_people_is_verified(cohort: ab.Cohort, tmp_path: Path) -> None:
    fit = ab.Model(FIRST).fit(cohort, seed=1, draws=400, same_people=["age"], progress=False)
    fit.report(tmp_path / "p.html", checks=fit.check(checks=["convergence"]), sections=["data", "reproduction"])
    manifest = read_manifest((tmp_path / "p.html").read_text(encoding="utf-8"), name="p")
    assert manifest["info"]["same_people"] == ["age", "alliance", "sex", "who5_baseline", "who5_followup"]


@pytest.mark.parametrize(
    ("given", "said"),
    [("age", r"same_people should be a list"), ([3], r"same_people should be a list"), (["agee"], r"no column 'agee'")],
)
def test_what_is_no_model_is_refused(cohort: ab.Cohort, given: object, said: str) -> None:
    with pytest.raises(ab.UsageError, match=said):
        ab.Model(FIRST).fit(cohort, same_people=given, progress=False)  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.usefixtures("gate_alone", "undrawn")
def test_the_study_is_of_the_same_people(cohort: ab.Cohort) -> None:
    study = ab.run_study(cohort, same_people=True, progress=False)
    complete = cohort.data[list(COLUMNS)].dropna()
    low = complete["who5_baseline"] <= 28
    sizes = {name: made.fit.flow.analysed for name, made in study.fitted.items()}  # type: ignore[union-attr]
    assert set(sizes.values()) == {len(complete), int(low.sum())}
    assert {name for name, size in sizes.items() if size == low.sum()} == {name for name in sizes if "elevated" in name}
    flows = {made.fit.flow for name, made in study.fitted.items() if "elevated" not in name}  # type: ignore[union-attr]
    assert len(flows) == 1
    page = study.report()
    assert page.numbers["meta"]["options"]["same_people"] is True
    assert "--same-people" in page.html


@pytest.mark.slow
@pytest.mark.usefixtures("gate_alone", "undrawn")
def test_the_command_takes_cards_and_columns(
    cohort: ab.Cohort, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ab.write_cohort(cohort, tmp_path / "c.csv")
    for name, formula in (("one", FIRST), ("two", SECOND)):
        write_card(ab.Model(formula), tmp_path / f"{name}.toml")
    for name, others in (("one", ["two.toml"]), ("two", ["one.toml", "days_in_care"])):
        given = [
            text for other in others for text in ("--same-people", str(tmp_path / other) if "." in other else other)
        ]
        arguments = ["report", tmp_path / f"{name}.toml", tmp_path / "c.csv", "-o", tmp_path / f"{name}.html", *given]
        with pytest.raises(SystemExit) as stopped:
            main(list(map(str, arguments)))
        assert stopped.value.code in (0, None), capsys.readouterr().err
    pages = [
        read_manifest((tmp_path / f"{name}.html").read_text(encoding="utf-8"), name=name) for name in ("one", "two")
    ]
    assert pages[0]["data"]["analysed"] == pages[1]["data"]["analysed"]
    assert (tmp_path / "one.key").read_text() != (tmp_path / "two.key").read_text()
