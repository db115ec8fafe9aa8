"""Words that readers stumbled over: each says what is so on the page at hand, by the numbers of the same page."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

import alliance_bayes as ab
from alliance_bayes.checks import CheckReport
from alliance_bayes.checks.context import Context
from alliance_bayes.effects import effects
from alliance_bayes.report.phrases import adjusted_for
from builders import fitted, rendered, rows
from report.test_report_endpoints_by_instrument import fit_of, scored


def plain(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def test_providers_are_no_covariate() -> None:
    frame = rows(240).assign(ther=[f"T{k % 8}" for k in range(240)])
    formula = "who5_followup ~ alliance + age + (1 | ther) + (1 | sex)"
    fit = fitted(frame, formula=formula, draws=4, spec={"roles": {"ther": "provider"}})
    assert adjusted_for(fit, "alliance") == ", adjusted for age and sex, with differences between providers allowed for"
    # Those of whom the question is are not allowed for.
    assert adjusted_for(fit, "ther") == ", adjusted for alliance, age and sex"
    alone = fitted(
        frame, formula="who5_followup ~ alliance + (1 | ther)", draws=4, spec={"roles": {"ther": "provider"}}
    )
    assert adjusted_for(alone, "alliance") == ", with differences between providers allowed for"
    group = fitted(frame, formula="who5_followup ~ alliance + (1 | ther)", draws=4, spec={"roles": {"ther": "group"}})
    assert adjusted_for(group, "alliance") == ", adjusted for ther"


@pytest.mark.usefixtures("undrawn")
def test_of_how_many_pairs_some_are_is_said_where_others_may_not_be_shown(
    checks_of: Callable[..., CheckReport],
) -> None:
    sizes = {"A": 80, "B": 60, "C": 40, "D": 5, "E": 3}
    frame = rows(sum(sizes.values()))
    frame["ward"] = pd.Categorical(np.repeat(list(sizes), list(sizes.values())))
    fit = fitted(frame, formula="who5_followup ~ alliance + (1 | ward)", draws=200, spec={"roles": {"ward": "group"}})
    page = rendered(fit, effects=effects(fit), checks=checks_of())
    shown = [
        row for row in page.numbers["effects"] if row["estimand"] == "contrast_of_means" and row["factor"] == "ward"
    ]
    (said,) = [one["text"] for one in page.numbers["findings"] if one["name"] == "groups: ward"]
    assert len(shown) < 10
    assert re.search(rf"\b{len(shown)} differences? of adjusted means.* that may be shown", said) or len(shown) == 1
    assert "There are 10 between the 5 levels; the others are of a level with too few people" in said
    # Where all are shown, nothing has to be said.
    whole = fitted(rows(240, countries=3), formula="who5_followup ~ alliance + (1 | country)", draws=200)
    page = rendered(whole, effects=effects(whole), checks=checks_of())
    assert not any("may be shown" in sentence for sentence in page.findings)


@pytest.mark.parametrize("pooled", [False, True])
@pytest.mark.usefixtures("undrawn")
def test_pooling_is_spoken_of_where_something_is_pooled(pooled: bool, checks_of: Callable[..., CheckReport]) -> None:
    formula = f"who5_followup ~ alliance + {'(1 | sex)' if pooled else 'sex'}"
    fit = fitted(rows(160), formula=formula, draws=60)
    page = rendered(fit, effects=effects(fit), checks=checks_of(), sections=["model", "groups"])
    text = plain(page.html)
    assert ("drawn towards each other" in text) is pooled
    assert ("Stacked boxes" in text) is pooled
    assert "An adjusted mean is the expected" in text


@pytest.mark.parametrize("formula", ["score ~ arm", "score ~ arm + start"])
@pytest.mark.usefixtures("gate_alone")
def test_a_size_in_residual_sds_is_called_what_it_is(formula: str) -> None:
    rng = np.random.default_rng(2)
    arm, start = np.arange(160) % 2, rng.normal(20, 5, 160)
    frame = pd.DataFrame({"arm": np.array(["a", "b"])[arm], "start": start})
    frame["score"] = 8 + 0.9 * start - 3 * arm + rng.normal(0, 4, 160)
    fit = ab.Model(formula, focal="arm").fit(frame, seed=5, progress=False)
    page = fit.report(sections=["effects"])
    (row,) = [row for row in page.numbers["effects"] if row["estimand"] == "cohens_d_of_means"]
    (said,) = [one["text"] for one in page.numbers["findings"] if one["name"] == "size of the difference"]
    found = re.match("In units of the residual SD the difference is \N{MINUS SIGN}([\\d.]+)", said)
    assert found is not None
    # Printed to two decimals.
    assert float(found[1]) == pytest.approx(-row["mean"], abs=0.0051)
    # The usual one is over the SD within arms, which is the residual SD where nothing else is in the model.
    within = np.sqrt(frame.groupby("arm")["score"].var().mean())
    usual = float(np.diff(frame.groupby("arm")["score"].mean())[0]) / within
    same = formula == "score ~ arm"
    assert ("This is not the usual Cohen’s d" in said) is not same
    assert bool(abs(row["mean"] - usual) < 0.05) is same
    assert "d by the residual SD" in page.html
    assert "Cohen’s d (residual SD)" not in page.html


@pytest.mark.parametrize(("low", "said"), [(0.03, True), (0.5, False), (0.97, True), (1.0, False)])
@pytest.mark.usefixtures("gate_alone", "undrawn")
def test_end_points_of_cases_that_are_left_out_are_named(low: float, said: bool) -> None:
    frame = scored("phq9")
    # A case has 10 points or more at baseline.
    cases = np.arange(len(frame)) < round(low * len(frame))
    frame["phq9_baseline"] = np.where(cases, 10.0 + np.arange(len(frame)) % 9, np.arange(len(frame)) % 9)
    page = rendered(fit_of("phq9", frame=frame), sections=["endpoints"])
    text = plain(page.html)
    assert ("Not given here" in text) is said
    assert ("“Recovered: below 10 at follow-up”" in text) is said
    labels = {row["term"] for row in page.numbers["endpoints"]}
    assert any(" among " in label for label in labels) is not said
    if said:
        assert "These are of people at 10 or above at baseline. Fewer than 20 of those analysed were cases" in text


def test_an_arm_of_zero_and_one_is_a_group_of_the_checks() -> None:
    frame = rows(120)
    frame["treated"] = (np.arange(120) % 3 == 0).astype(float)
    frame["odd"] = np.arange(120) % 2
    fit = fitted(frame, formula="who5_followup ~ treated + age + (1 | sex)", draws=60)
    groupings = {one.name: one for one in Context(fit).groupings}
    # The other column is not one of the model's.
    assert list(groupings) == ["sex", "treated"]
    assert groupings["treated"].levels == ("0", "1")
    np.testing.assert_array_equal(groupings["treated"].counts, [80, 40])
    (result,) = ab.run_checks(fit, checks=["groups"]).results
    own = result.table[result.table["column"] == "treated"].set_index("level")
    expected = fit.design.outcome.values - fit.predict().mean(dim=("chain", "draw")).to_numpy()
    for level, value in (("0", 0.0), ("1", 1.0)):
        # The check leaves one draw a replicate, and so another mean of few draws.
        assert own.loc[level, "residual"] == pytest.approx(expected[frame["treated"] == value].mean(), abs=1e-3)


def test_reasons_of_priors_are_about_the_column_at_hand() -> None:
    fit = fitted(rows(120), draws=4)
    for name in ("provider_type", "sex"):
        stated = fit.priors[f"tau_{name}[Intercept]"]
        assert stated.prior.exact == "HalfNormal(5.0)"
        share = round(5 / 19, 2)
        assert stated.reason == (
            f"levels of '{name}' are groups: a level SD of 5 is {share} of the SD 19 of 'who5_followup'"
        )
    assert "Europe" in fit.priors["tau_country[Intercept]"].reason


@pytest.mark.usefixtures("undrawn")
def test_units_and_denominators_are_in_words(checks_of: Callable[..., CheckReport]) -> None:
    fit = fitted(
        rows(160), formula="who5_followup ~ who5_baseline + (1 | sex)", draws=60, spec={"focal": "who5_baseline"}
    )
    page = rendered(fit, effects=effects(fit), checks=checks_of(), sections=["effects", "variance"])
    (table,) = re.findall(r'<table id="table-slopes".*?</table>', page.html, re.DOTALL)
    text = plain(table)
    assert "sample SDs of baseline WHO-5" in text
    assert "who5_" not in text
    # For programs the names are what they are.
    assert any("who5_baseline" in (row["denominator"] or "") for row in page.numbers["effects"])
