"""The multiverse: every row is what a model written by hand says; what has none says why; and its page."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import alliance_bayes as ab
from alliance_bayes.checks import multiverse
from alliance_bayes.errors import UsageError
from alliance_bayes.report import Rendered
from alliance_bayes.report.page import read_manifest, rows_by_id
from builders import rendered, rows
from report.test_report_page import parsed

FORMULA = "who5_followup ~ alliance + who5_baseline + age + days_in_care + (1 | sex)"
ROLES: Any = {"who5_baseline": "confounder", "age": "precision", "days_in_care": "post-baseline", "sex": "precision"}
SETS = {
    "as declared": FORMULA,
    "without post-baseline covariates": "who5_followup ~ alliance + who5_baseline + age + (1 | sex)",
    "confounders only": "who5_followup ~ alliance + who5_baseline",
    "without covariates": "who5_followup ~ alliance",
}


def table() -> pd.DataFrame:
    frame = rows(300, seed=5)
    # Longer care follows from a better alliance, and goes with well-being: adjusted for, it hides some of it.
    rng = np.random.default_rng(8)
    # Enough low ratings to be left out.
    frame.loc[:29, "alliance"] = np.linspace(2, 2.9, 30)
    frame["days_in_care"] = 60 + 12 * (frame["alliance"] - 4) + rng.normal(0, 8, 300)
    frame["who5_followup"] = np.clip(
        4 * np.round((frame["who5_followup"] + 0.5 * (frame["days_in_care"] - 60)) / 4), 0, 100
    )
    return frame


@pytest.fixture(scope="module")
def fit() -> ab.Fit:
    return ab.Model(FORMULA, covariates=ROLES, contrast=(3, 5)).fit(table(), seed=4, draws=1000, progress=False)


@pytest.fixture(scope="module")
def found(fit: ab.Fit) -> ab.effects.EffectTable:
    return fit.multiverse()


@pytest.fixture(scope="module")
def page(fit: ab.Fit) -> Rendered:
    return rendered(fit, sections=["adjustment", "limitations"])


def test_every_row_is_that_of_a_model_written_by_hand(fit: ab.Fit, found: ab.effects.EffectTable) -> None:
    frame = table()
    low = frame["alliance"] < 3
    assert low.sum() >= 20
    expected = {}
    for name, formula in SETS.items():
        for whom, people in (("", frame), ("without alliance below 3", frame[~low])):
            label = "; ".join(filter(None, ["" if name == "as declared" else name, whom])) or "as declared"
            centre = {} if whom else dict(fit.design.centres)
            expected[label] = formula, people, centre
    plain = found[~found["term"].str.contains("wider")].set_index("term")
    assert plain.index.tolist() == list(expected)
    assert found["term"].tolist()[0] == "as declared"
    assert len(found) == 2 * len(plain)
    assert found.left_out == ()
    for label, (formula, people, _) in expected.items():
        own = ab.Model(formula, contrast=(3, 5)).fit(people.reset_index(drop=True), seed=99, progress=False)
        row = own.slopes().iloc[lambda one: np.flatnonzero(one["estimand"] == "slope_contrast")].iloc[0]
        # Other seeds: four Monte Carlo standard errors of the two.
        error = 4 * np.hypot(row["mcse_mean"], plain.loc[label, "mcse_mean"])
        assert plain.loc[label, "mean"] == pytest.approx(row["mean"], abs=error), label
        assert plain.loc[label, "sd"] == pytest.approx(row["sd"], rel=0.1), label
    # What care brought about hides some of it.
    assert plain.loc["without post-baseline covariates", "mean"] > plain.loc["as declared", "mean"] + 2


def test_wider_priors_move_what_data_do_not_decide(found: ab.effects.EffectTable) -> None:
    wider = found[found["term"].str.contains("wider")].reset_index(drop=True)
    plain = found[~found["term"].str.contains("wider")].reset_index(drop=True)
    assert (wider["sd"] > 0.97 * plain["sd"]).all()
    assert wider["rope_high"].tolist() == [2.0] * len(wider)


@pytest.mark.slow
def test_the_page_marks_the_declared_analysis_and_counts(
    fit: ab.Fit, found: ab.effects.EffectTable, page: Rendered
) -> None:
    body = [
        [cell.text for cell in line.all("th", "td")] for line in parsed(page.html).by_id("multiverse-data").all("tr")
    ]
    assert [row[0] for row in body].count("AS DECLARED") == 1
    means = [float(row[1].replace("\N{MINUS SIGN}", "-")) for row in body[1:]]
    assert means == sorted(means)
    assert len(means) == len(found)
    text = re.sub(r"\s+", " ", parsed(page.html).by_id("adjustment").text)
    apart = int(((found["lower"] > 0) | (found["upper"] < 0)).sum())
    said = "In all of them" if apart == len(found) else "In none of them" if not apart else f"In {apart} of them"
    assert f"The same contrast in {len(found)} analyses" in text
    assert said in text
    low, high = re.search(r"lies between (\S+) and (\S+) WHO-5", text).groups()  # type: ignore[union-attr]
    assert [float(low), float(high)] == pytest.approx([found["mean"].min(), found["mean"].max()], abs=0.51)
    listed = rows_by_id(read_manifest(page.html, name="page"))
    for name, row in found.iterrows():
        assert listed[f"adjustment/{name}"]["mean"] == pytest.approx(row["mean"], abs=1e-4 * row["sd"])


@pytest.mark.slow
def test_the_drawing_says_in_words_what_it_shows_and_the_flag_is_among_the_limitations(page: Rendered) -> None:
    text = parsed(page.html).by_id("causes-desc").text
    assert "baseline WHO-5: confounders" in text.replace("Baseline", "baseline")
    assert "Age and sex: for precision" in text
    assert "Days in care: measured after care began, between alliance and follow-up WHO-5" in text
    roles = [[cell.text for cell in line.all("th", "td")] for line in parsed(page.html).by_id("causes-data").all("tr")]
    assert roles[1:] == [
        ["baseline WHO-5", "confounder"],
        ["age", "precision"],
        ["days in care", "post-baseline"],
        ["sex", "precision"],
    ]
    limits = re.sub(r"\s+", " ", parsed(page.html).by_id("limitations").text)
    assert "Days in care was measured after care began. It may be a consequence of alliance" in limits


@pytest.mark.slow
def test_without_declared_roles_there_is_the_flag_alone(fit: ab.Fit) -> None:
    plain = replace(fit, spec=replace(fit.spec, covariates={}))
    page = rendered(plain, sections=["adjustment", "limitations"])
    assert "multiverse" not in page.numbers
    assert "Days in care was measured after care began" in re.sub(r"\s+", " ", page.html)
    with pytest.raises(UsageError, match="does not say why its covariates"):
        plain.multiverse()
    with pytest.raises(UsageError, match="besides 'gaussian'"):
        fit.multiverse(families=["gaussian"])
    with pytest.raises(UsageError, match="declared to be a covariate"):
        replace(fit, spec=replace(fit.spec, covariates={"alliance": "confounder"})).multiverse()


@pytest.mark.slow
def test_it_is_verified(fit: ab.Fit, tmp_path: Path) -> None:
    effects = fit.effects()
    checks = fit.check(effects=effects, checks=["convergence"])
    fit.report(tmp_path / "page.html", effects=effects, checks=checks, sections=["adjustment"])
    done = ab.verify_report(tmp_path / "page.html", ab.read_cohort(table()))
    assert done.problems == ()
    assert any(name.startswith("adjustment/contrast_in_universe/confounders only") for name in done.table["row"])


def test_weights_of_rows_are_kept() -> None:
    frame = table().assign(weight=np.where(np.arange(300) % 3 == 0, 3.0, 0.5))
    options: Any = {"weights": "weight", "weights_kind": "sampling", "contrast": (3, 5)}
    whole = ab.Model(FORMULA, covariates={"days_in_care": "post-baseline"}, **options)
    found = whole.fit(frame, seed=4, draws=1000, progress=False).multiverse().set_index("term")
    own = ab.Model(SETS["without post-baseline covariates"], **options).fit(frame, seed=9, draws=1000, progress=False)
    row = own.slopes().iloc[lambda one: np.flatnonzero(one["estimand"] == "slope_contrast")].iloc[0]
    made = found.loc["without post-baseline covariates"]
    assert made["mean"] == pytest.approx(row["mean"], abs=4 * np.hypot(made["mcse_mean"], row["mcse_mean"]))
    # Without the weights it is another number.
    unweighted = ab.Model(SETS["without post-baseline covariates"], contrast=(3, 5)).fit(frame, seed=9, progress=False)
    plain = unweighted.slopes().iloc[lambda one: np.flatnonzero(one["estimand"] == "slope_contrast")].iloc[0]
    assert abs(plain["mean"] - row["mean"]) > 0.5


def test_other_scorings_are_further_tables_with_all_their_choices() -> None:
    """Ratings of which some people did not give one item: complete ones alone, and those of most items."""
    rng = np.random.default_rng(3)
    n = 240
    trait = rng.normal(0, 0.6, n)
    items = np.clip(np.rint(3.8 + trait[:, None] + rng.normal(0, 0.8, (n, 12))), 1, 5)
    total = items.mean(axis=1)
    baseline = 4 * rng.integers(5, 20, n)
    outcome = np.clip(4 * np.rint((10 + 8 * total + 0.4 * baseline + rng.normal(0, 10, n)) / 4), 0, 100)
    frame = pd.DataFrame({"participant_id": [f"p{k}" for k in range(n)], "who5_baseline": baseline})
    frame = frame.assign(who5_followup=outcome)
    gaps = items.copy()
    gaps[: n // 4, 3] = np.nan
    few, most = (
        ab.read_cohort(frame.assign(alliance=np.where(np.isnan(gaps).any(axis=1), np.nan, total))),
        ab.read_cohort(frame.assign(alliance=np.round(np.nanmean(gaps, axis=1) * 12) / 12)),
    )
    model = ab.Model(
        "who5_followup ~ alliance + who5_baseline", covariates={"who5_baseline": "confounder"}, contrast=(3, 5)
    )
    fit = model.fit(few, seed=1, draws=1000, progress=False)
    plain, found = fit.multiverse(), fit.multiverse(scorings={"most items": most})
    assert found["term"].tolist()[: len(plain)] == plain["term"].tolist()
    others = found.iloc[len(plain) :]
    assert others["term"].iloc[0] == "most items"
    assert all(term.endswith("most items") for term in others["term"])
    rows_ = others.set_index("term")
    for label, formula in (
        ("most items", model.formula),
        ("without covariates; most items", "who5_followup ~ alliance"),
    ):
        own = ab.Model(formula, contrast=(3, 5)).fit(most, seed=7, progress=False).slopes()
        row = own[own["estimand"] == "slope_contrast"].iloc[0]
        # Other seeds: four Monte Carlo standard errors of the two.
        error = 4 * np.hypot(row["mcse_mean"], rows_.loc[label, "mcse_mean"])
        assert rows_.loc[label, "mean"] == pytest.approx(row["mean"], abs=error)
        assert rows_.loc[label, "sd"] == pytest.approx(row["sd"], rel=0.1)
    # More people tell more.
    assert rows_.loc["most items", "sd"] < 0.95 * found.iloc[0]["sd"]
    for wrong in ({"most": frame}, {"as declared": most}, {" ": most}, [most]):
        with pytest.raises(UsageError, match="scoring"):
            fit.multiverse(scorings=wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "families", [5, None, 0, "student_t", {"student_t"}, ["student_t"] * 2, ["many"], [5], [None], [""], ["gaussian"]]
)
def test_families_that_are_none_are_refused_before_anything_is_fitted(
    fit: ab.Fit, families: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They ended in a TypeError, in rows that came twice after all were sampled, or were left out one by one."""
    monkeypatch.setattr(multiverse, "_fitted", None)
    with pytest.raises(UsageError, match=r"families should be a list of families besides 'gaussian', each once"):
        fit.multiverse(families=families)


def test_families_that_cannot_take_the_outcome_are_named_at_once(fit: ab.Fit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multiverse, "_fitted", None)
    with pytest.raises(UsageError) as caught:
        fit.multiverse(families=["student_t", "bernoulli", "binomial"])
    said = str(caught.value)
    assert "family 'bernoulli': " in said
    assert "family 'binomial': " in said
    assert "student_t'" not in said


NAMES = [
    "",
    " ",
    "most ",
    "as declared",
    "wider priors",
    "without covariates",
    "everybody",
    "a; b",
    "a\n<b>",
    "n" * 81,
    5,
]


@pytest.mark.parametrize("name", NAMES)
def test_a_scoring_has_a_name_that_can_stand_beside_other_choices(
    fit: ab.Fit, name: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names of other choices made rows that came twice."""
    monkeypatch.setattr(multiverse, "_fitted", None)
    with pytest.raises(UsageError, match="a scoring should have a name of its own, of one line"):
        fit.multiverse(scorings={name: ab.read_cohort(table())})


def test_scorings_of_other_tables_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of other people, in other points, without a column: the last ended the whole, and the others were fitted."""
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(rng.normal(0, 1, (60, 3)), columns=["y", "x", "w"])
    model = ab.Model("y ~ x + w", covariates={"w": "precision"}, focal="x")
    fit = model.fit(frame, seed=1, draws=50, progress=False)
    monkeypatch.setattr(multiverse, "_fitted", None)
    for empty in ([], 0, ""):
        with pytest.raises(UsageError, match="scorings should be cohorts by what they are called"):
            fit.multiverse(scorings=empty)  # type: ignore[arg-type]
    tables = {
        "half of them": frame.head(30),
        "in tenths": frame.assign(x=frame["x"] * 10),
        "from zero": frame.assign(y=frame["y"] + 100),
        "without w": frame.drop(columns="w"),
    }
    with pytest.raises(UsageError) as caught:
        fit.multiverse(scorings={name: ab.read_cohort(one) for name, one in tables.items()})
    said = str(caught.value)
    assert "scoring 'half of them': it has 30 rows, and the table of the fit 60." in said
    mean, sd = frame["x"].mean(), frame["x"].std(ddof=0)
    assert f"scoring 'in tenths': 'x' has mean {10 * mean:.4g} and SD {10 * sd:.4g} there, and {mean:.4g} and" in said
    assert f"scoring 'from zero': 'y' has mean {frame['y'].mean() + 100:.4g} and SD" in said
    assert "scoring 'without w': " in said


def test_a_bent_predictor_is_compared_at_its_two_values() -> None:
    """Not by its average slope times their distance: of a square, that differs by where people are."""
    frame = rows(300, seed=5)
    frame["who5_followup"] = 4 * np.round(np.clip(8 * (frame["alliance"] - 3) ** 2, 0, 100) / 4)
    formula = "who5_followup ~ alliance + I(alliance ** 2) + age"
    model = ab.Model(formula, contrast=(3, 4), covariates={"age": "precision"})
    fit = model.fit(frame, seed=4, progress=False)
    beta = fit.posterior["beta"].mean(("chain", "draw"))
    expected = float(beta.sel(term="alliance") + (4**2 - 3**2) * beta.sel(term="I(alliance ** 2)"))
    found = fit.multiverse()
    assert len(found) > 2
    np.testing.assert_allclose(found["mean"].to_numpy(), expected, rtol=0.1)
