"""Clinical end points: what is shared out, among whom, and what is not told of few people."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from alliance_bayes.checks import CheckReport
from alliance_bayes.effects import improvement, responders
from alliance_bayes.fit import FittedModel
from alliance_bayes.report import Rendered
from alliance_bayes.report.endpoints import endpoint_effects
from builders import fitted, own_check, rendered, rows
from lightly import lightly
from report.test_report_page import cells, parsed

FORMULA = "who5_followup ~ alliance + who5_baseline + (1 | provider_type) + (1 | sex) + (1 | country)"


@pytest.fixture(scope="module")
def fit() -> FittedModel:
    return fitted(rows(300, countries=3), formula=FORMULA, draws=1000)


@pytest.fixture(scope="module")
def report(fit: FittedModel) -> Rendered:
    with lightly():
        return rendered(fit, sections=["endpoints"])


def test_a_followup_score_has_improvement_and_recovery(fit: FittedModel) -> None:
    table = endpoint_effects(fit, prob=0.89, small=10)
    assert table is not None
    low = fit.design.frame["who5_baseline"].to_numpy(float) <= 28
    shares = table[table["estimand"] != "risk_difference"]
    assert shares["estimand"].tolist() == ["share_improved"] * 2 + ["share_at_least"] * (1 + 3 + 2 + 3)
    # Everybody once, then the levels of each factor.
    assert shares["factor"].isna().tolist() == [True] * 3 + [False] * 8
    everybody = improvement(fit, among=None)
    recovered = responders(fit, at_least=32, among=low, factor=["provider_type", "sex", "country"], population="sample")
    recovered = recovered[recovered["factor"].isna() | (recovered["factor"] == "sex")]
    assert shares["mean"].iloc[0] == everybody["mean"].iloc[0]
    ours = table[(table["factor"] == "sex") & (table["estimand"] == "risk_difference")]
    theirs = recovered[recovered["estimand"] == "risk_difference"]
    np.testing.assert_array_equal(ours["mean"], theirs["mean"])


def test_a_change_has_improvement_by_group() -> None:
    frame = rows(300).assign(who5_change=lambda data: data["who5_followup"] - data["who5_baseline"])
    formula = "who5_change ~ alliance + who5_baseline + (1 | sex)"
    table = endpoint_effects(fitted(frame, formula=formula), prob=0.5, small=10)
    assert table is not None
    assert set(table["estimand"]) == {"share_at_least", "risk_difference"}
    assert table["term"].str.startswith("who5_change >= 10").all()
    assert (table["prob"] == 0.5).all()


@pytest.mark.parametrize(
    ("formula", "family"),
    [
        ("alliance ~ age + (1 | sex)", "gaussian"),
        ("who5_baseline ~ age + (1 | sex)", "gaussian"),
        ("who5_followup ~ age + (1 | sex)", "gaussian"),
    ],
)
def test_other_outcomes_and_models_without_a_baseline_have_none(formula: str, family: str) -> None:
    assert endpoint_effects(fitted(rows(100), formula=formula, spec={"family": family}), prob=0.89, small=10) is None


def test_shares_of_few_people_are_not_computed() -> None:
    """Nineteen people start low: neither their share nor their number is told."""
    frame = rows(300)
    start = frame["who5_baseline"].clip(lower=32)
    start.iloc[:19] = 20.0
    table = endpoint_effects(fitted(frame.assign(who5_baseline=start), formula=FORMULA), prob=0.89, small=10)
    assert table is not None
    assert table["term"].tolist() == ["who5_followup - who5_baseline >= 10"]


def test_table_figure_and_json_are_the_same_numbers(report: Rendered, fit: FittedModel) -> None:
    page = parsed(report.html)
    head, *body = cells(page.by_id("table-endpoints"))
    assert head == ["End point", "Group", "Model-based share", "89% equal-tailed interval", "Observed share"]
    records = [row for row in report.numbers["endpoints"] if row["estimand"] != "risk_difference"]
    assert [line[2] for line in body] == [f"{100 * row['mean']:.1f}%" for row in records]
    assert len(cells(page.by_id("endpoints-data"))) == len(body) + 1
    assert len(page.by_id("endpoints").all("figure")) == 1


def share(event: pd.Series[bool]) -> str:
    return f"{int(event.sum()):,} of {event.size:,} ({100 * event.mean():.1f}%)"


def test_the_observed_share_is_the_share_of_those_it_is_about(report: Rendered, fit: FittedModel) -> None:
    frame = fit.design.frame
    gained = frame["who5_followup"].astype(float) - frame["who5_baseline"].astype(float) >= 10
    low = frame["who5_baseline"].astype(float) <= 28
    _, *body = cells(parsed(report.html).by_id("table-endpoints"))
    assert body[0][-1] == share(gained)
    assert body[1][-1] == share(gained[low])
    after = frame["who5_followup"].astype(float) > 28
    shown = [line[-1] for line in body[3:]]
    groups = [(name, level) for name in ("provider_type", "sex", "country") for level in frame[name].cat.categories]
    for cell, (factor, level) in zip(shown, groups, strict=True):
        own = frame[factor] == level
        events = (gained, low & gained, low & ~gained, low & after, low & ~after, ~low & gained, ~low & ~gained)
        few = any(0 < int((event & own).sum()) < 10 for event in events)
        assert cell == "–" or (not few and cell == share(after[low & own]))
    assert {"–"} < set(shown)


@pytest.mark.usefixtures("gate_alone", "undrawn")
def test_nothing_is_told_when_conclusions_are_withheld() -> None:
    page = rendered(fitted(rows(300), formula=FORMULA, draws=1000, divergences=3))
    assert page.withheld
    assert "endpoints" not in page.numbers
    assert "endpoints" not in [node.attributes.get("id") for node in parsed(page.html).all("section")]


def test_people_are_not_lost_between_groups(fit: FittedModel) -> None:
    """Everybody's share lies within those of the levels, whose people everybody is placed in."""
    table = endpoint_effects(fit, prob=0.89, small=10)
    assert table is not None
    shares = table[(table["estimand"] == "share_at_least")]
    for factor in ("provider_type", "sex"):
        by_level = shares.loc[shares["factor"] == factor, "mean"]
        overall = shares.loc[shares["factor"].isna(), "mean"].iloc[0]
        assert by_level.min() <= overall <= by_level.max()
    assert pd.Series(shares["mean"]).between(0, 1).all()


@pytest.mark.parametrize("small", [10, 60])
def test_shares_are_of_as_many_people_as_the_page_may_tell(small: int) -> None:
    frame = rows(300, countries=3)
    start = frame["who5_baseline"].where(np.arange(300) >= 40, 20.0).where(np.arange(300) < 40, 60.0)
    table = endpoint_effects(fitted(frame.assign(who5_baseline=start), formula=FORMULA), prob=0.89, small=small)
    assert table is not None
    among = table["term"].str.contains(" among ")
    # 40 of 300 started low: a page that tells of 60 at least says nothing of them.
    assert among.any() == (small == 10)


def test_what_is_wrong_with_predictions_stands_beside_the_shares(
    fit: FittedModel, checks_of: Callable[..., CheckReport]
) -> None:
    """Shares are of predicted outcomes: the section says which checks of these warn."""
    wrong = own_check("own", concerns=("endpoints",))
    made = checks_of(passed=True)
    warned = wrong.result("warn", "Another shape.")
    page = rendered(fit, checks=replace(made, results=(*made.results, warned)), sections=["endpoints"]).html
    section = page[page.index('<section id="endpoints"') :]
    assert "Read with" in section[: section.index("A title")]
