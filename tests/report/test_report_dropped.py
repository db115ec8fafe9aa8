"""What a page says of rows that were left out: how far its answer moves once values are drawn for what they lack."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import alliance_bayes as ab
from alliance_bayes.imputation.quick import all_of
from alliance_bayes.report import Rendered, Report
from alliance_bayes.report.participants import describe
from alliance_bayes.report.text import MINUS

# Sentences and rows: nothing here is about figures, which take most of the time of a page.
pytestmark = pytest.mark.usefixtures("undrawn")

ROW = "answer/slope_contrast/x/sample"
OWN = "slope_contrast/x/sample"
NUMBER = rf"({MINUS}?[0-9]+(?:\.[0-9]+)?)"


def made(n: int = 400, *, seed: int = 4) -> pd.DataFrame:
    """A predictor that those with a high outcome lack more often: complete rows alone have another slope."""
    rng = np.random.default_rng(seed)
    w, g = rng.normal(0, 1, n), rng.integers(0, 8, n)
    x = 0.5 * w + rng.normal(0, 1, n)
    y = 1 + 2 * x + w + 0.3 * (g - 4) + rng.normal(0, 1.5, n)
    ids = [f"p{k}" for k in range(n)]
    out = pd.DataFrame({"participant_id": ids, "y": y, "x": x, "w": w, "g": pd.Categorical([f"g{k}" for k in g])})
    out.loc[rng.random(n) < 1 / (1 + np.exp(1.0 - 0.8 * (y - y.mean()))), "x"] = np.nan
    return out


def page(data: pd.DataFrame, formula: str = "y ~ x + w", **options: object) -> tuple[ab.Fit, Rendered]:
    fit = ab.Model(formula, contrast=(-1, 1), focal="x", **options).fit(  # type: ignore[arg-type]
        ab.read_cohort(data), seed=2, draws=1000, progress=False
    )
    return fit, Report(sections=["methods"]).render(fit)


def value(text: str) -> float:
    return float(text.replace(MINUS, "-"))


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    return made()


@pytest.mark.slow
def test_the_answer_moves_to_what_a_model_of_all_rows_says(data: pd.DataFrame) -> None:
    report = page(data)[1]
    assert report.rows is not None
    own, again = report.rows.loc[OWN], report.rows.loc[ROW]
    whole = ab.Model("y ~ x + w", contrast=(-1, 1), focal="x", missing="impute")
    imputed = whole.fit(ab.read_cohort(data), seed=5, draws=1000, progress=False).slopes().loc[OWN]
    # Two runs of their own: four Monte Carlo errors of their difference, as a page is verified with.
    assert abs(again["mean"] - imputed["mean"]) < 4 * np.hypot(again["mcse_mean"], imputed["mcse_mean"])
    assert again["sd"] == pytest.approx(imputed["sd"], rel=0.25)
    # In truth the contrast is 4; complete rows alone have less, by more than chance.
    assert own["mean"] < 4 - 2 * own["sd"] < again["mean"]
    said = report.numbers["answer"]
    found = re.search(rf"raises the estimate by about {NUMBER}, to {NUMBER} \({NUMBER} to {NUMBER}\)", said["dropped"])
    assert found is not None
    by, mean, lower, upper = map(value, found.groups())
    # As printed, to one decimal.
    assert [mean, lower, upper] == pytest.approx([again["mean"], again["lower"], again["upper"]], abs=0.0501)
    assert by == pytest.approx(again["mean"] - own["mean"], abs=0.1001)
    assert said["rows"][-1] == ROW
    assert " ".join(said["dropped"].split()) in " ".join(re.sub(r"<[^>]+>", "", report.html).split())
    assert "4 chains of 200 draws" in report.numbers["methods"]["text"]
    assert "nothing was imputed" not in report.numbers["methods"]["text"]


def test_a_contrast_told_without_its_sign_moves_without_it(data: pd.DataFrame) -> None:
    report = page(data.assign(y=-data["y"]))[1]
    assert report.rows is not None
    found = re.search(rf"raises the estimate by about {NUMBER}, to {NUMBER} \(", report.numbers["answer"]["dropped"])
    assert found is not None
    assert value(found[2]) == pytest.approx(-report.rows.loc[ROW, "mean"], abs=0.0501)


def test_the_summary_marks_it_as_missing_data(data: pd.DataFrame) -> None:
    report = page(data)[1]
    assert report.numbers["summary"][0]["holds"]["Missing data"] == "pass"


@pytest.mark.slow
def test_an_outcome_that_all_lack_tells_nothing(data: pd.DataFrame) -> None:
    whole = data.assign(x=made(400).x.fillna(0.0))
    whole.loc[:60, "y"] = np.nan
    whole.loc[:10, "x"] = np.nan
    fit, report = page(whole)
    assert report.numbers["answer"]["dropped"] == "imputing it adds nothing"
    assert report.numbers["answer"]["people"] == "339 people analysed of 400; 61 (15%) lacked y;"
    assert report.rows is not None
    assert ROW not in report.rows.index
    # The section on who was studied says nothing else.
    sentence = describe(fit, 10).context["missing"]
    assert sentence.endswith(
        "All of those left out lack y, and imputing it from these columns adds nothing; how far auxiliary columns move "
        "the estimates is what a report with --missing impute and --auxiliary says."
    )
    # That is so: with drawn outcomes the slope is the same, to four Monte Carlo errors of the difference.
    drawn = ab.Model("y ~ x + w", contrast=(-1, 1), focal="x", missing="impute")
    imputed = drawn.fit(ab.read_cohort(whole), seed=5, draws=1000, progress=False).slopes().loc[OWN]
    own = fit.slopes().loc[OWN]
    assert abs(own["mean"] - imputed["mean"]) < 4 * np.hypot(own["mcse_mean"], imputed["mcse_mean"])


def test_nothing_is_said_of_few_or_of_nobody(data: pd.DataFrame) -> None:
    full = data.assign(x=data["x"].fillna(data["x"].mean()))
    for lost in (0, 6):
        some = full.copy()
        some.loc[some.index[:lost], "x"] = np.nan
        report = page(some)[1]
        assert report.numbers["answer"]["dropped"] == ""
        assert report.rows is not None
        assert ROW not in report.rows.index


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"beside": None}, "a saved fit does not hold the rows left out"),
        ({"info": {"engine": "nuts"}}, "it would take minutes with this model"),
    ],
)
def test_a_run_that_is_not_made_is_said_so(data: pd.DataFrame, change: dict[str, object], why: str) -> None:
    fit = page(data)[0]
    if "info" in change:
        change = {"info": {**fit.info, "engine": "nuts"}}
    report = Report(sections=["effects"]).render(replace(fit, **change))  # type: ignore[arg-type]
    assert report.numbers["answer"]["dropped"].endswith(f"was not tried, since {why}")


@pytest.mark.slow
def test_levels_that_only_others_have(data: pd.DataFrame) -> None:
    some = data.copy()
    some["g"] = some["g"].cat.add_categories(["only"])
    some.loc[some.index[some["x"].isna()][:12], "g"] = "only"
    # A level of a sample of levels is one more; of a predictor it is none of the model's.
    for formula, rows in (("y ~ x + w + (1 | g)", 400), ("y ~ x + w + g", 388)):
        fit, report = page(some, formula)
        assert fit.beside is not None
        assert fit.beside.lacking is not None
        assert len(all_of(fit.design, fit.beside.lacking, [])) == rows
        assert report.rows is not None
        (name,) = [name for name in report.rows.index if name.startswith("answer/slope_contrast/")]
        assert report.rows.loc[name, "mean"] > report.rows.loc[name.removeprefix("answer/"), "mean"]


def test_differences_of_arms_move(data: pd.DataFrame) -> None:
    some = data.assign(arm=np.where(np.arange(400) % 2 == 0, "a", "b"))
    fit = ab.Model("y ~ arm + x + w", focal="arm").fit(ab.read_cohort(some), seed=2, draws=1000, progress=False)
    report = Report(sections=["effects"]).render(fit)
    assert report.rows is not None
    (name,) = [name for name in report.rows.index if name.startswith("answer/contrast_of_means")]
    own = report.rows.loc[name.removeprefix("answer/")]
    assert (own["level"], own["versus"]) == tuple(report.rows.loc[name, ["level", "versus"]])


@pytest.mark.slow
def test_the_page_is_verified(data: pd.DataFrame, tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    page(data)[1].write(file)
    assert ab.verify_report(file, ab.read_cohort(data)).problems == ()
    text = file.read_text(encoding="utf-8")
    # Another number in the sentence is found.
    forged = re.sub(r"(raises the estimate by about )([0-9.]+)", r"\g<1>0.1", text, count=1)
    assert forged != text
    file.write_text(forged, encoding="utf-8")
    assert not ab.verify_report(file, ab.read_cohort(data)).passed
