"""Estimands without a place of their own on the page, and those of an analyst: a table and sentences, all text."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from alliance_bayes.checks import CheckReport
from alliance_bayes.effects import ESTIMANDS, Analysis, EffectTable, Estimand, Estimate, Measure, effects
from alliance_bayes.fit import FittedModel
from alliance_bayes.model import Scale
from alliance_bayes.report.effect_sizes import SLOPES, further_rows
from alliance_bayes.report.estimates import Estimates
from alliance_bayes.report.rows import measured, rows_of
from builders import fitted, rendered, rows
from report.test_report_page import parsed

MARKUP = "<script>alert(1)</script>"


class Own(Estimand):
    """Two rows: one that says what it is in hostile words, and one that says nothing."""

    name = "own"
    title = "own"
    measures = {  # noqa: RUF012
        "own_share": Measure(
            f"Share {MARKUP} {{level}}",
            f"share {MARKUP}",
            sentence=f"{MARKUP} of {{factor}} {{level}}: {{mean}} ({{interval}}){{further}}.",
        ),
        "own_difference": Measure(
            sentence="{outcome} was {word} {way} by {size}{points} ({interval}).",
            unsettled="whether {outcome} differs is not settled{leaning}.",
            difference=True,
            judged=True,
        ),
        "own_plain": Measure(),
    }

    def estimates(self, analysis: Analysis, *, by: float = 4.0) -> Iterator[Estimate]:
        noise = np.random.default_rng(1).uniform(-1, 1, analysis.n_draws)
        yield self.row(analysis, "own_share", 0.5 + 0.1 * noise, factor="sex", level=f'"{MARKUP}')
        yield self.row(analysis, "own_difference", by + noise, factor="sex", level="male", versus="female")
        yield self.row(analysis, "own_plain", 3 + noise, factor="country", level="C4")


def table_below(html: str) -> list[list[str]]:
    return [[cell.text for cell in line.all("td")] for line in parsed(html).by_id("table-further").all("tr")][1:]


@pytest.mark.slow
def test_rows_without_a_place_have_a_table_and_sentences(
    fit: FittedModel, table: EffectTable, checks_of: Callable[..., CheckReport]
) -> None:
    page = rendered(fit, effects=EffectTable.concat([table, Own()(fit)]), checks=checks_of())
    assert MARKUP not in page.html
    lines = table_below(page.html)
    assert [line[-1] for line in lines] == [f"share {MARKUP}", "WHO-5 point", "WHO-5 point"]
    found = [sentence for sentence in page.findings if MARKUP in sentence]
    assert len(found) == 1
    assert re.fullmatch(rf'{re.escape(MARKUP)} of sex "{re.escape(MARKUP)}: 0\.50 \(89% equal-tailed .*\)\.', found[0])
    assert any(
        re.match(r"The mean of follow-up WHO-5 was almost certainly higher by 4\.0\d* WHO-5 points \(", s)
        for s in page.findings
    )
    numbers = json.loads(page.json)
    assert {"own_share", "own_difference", "own_plain"} <= {row["estimand"] for row in numbers["effects"]}
    assert "Other estimands" not in rendered(fit, effects=table, checks=checks_of()).html


@pytest.mark.usefixtures("undrawn")
def test_a_difference_that_is_not_settled_is_said_so(fit: FittedModel, checks_of: Callable[..., CheckReport]) -> None:
    page = rendered(fit, effects=effects(fit, {"slopes": {}, Own(): {"by": 0.1}}), checks=checks_of())
    assert "Whether the mean of follow-up WHO-5 differs is not settled." in page.findings
    claims = {found["name"]: found["claims"] for found in json.loads(page.json)["findings"]}
    assert [said["settled"] for said in claims["estimand: own_difference/sex=male vs female/average"]] == [False]
    assert claims['estimand: own_share/sex="<script>alert(1)<\\/script>/average'] == []


@pytest.mark.usefixtures("undrawn")
def test_levels_that_are_hidden_stay_hidden(checks_of: Callable[..., CheckReport]) -> None:
    frame = rows(200, countries=5)
    frame["country"] = frame["country"].cat.add_categories("C5").where(frame.index > 1, "C5")
    few = fitted(frame)

    class Levels(Own):
        def estimates(self, analysis: Analysis) -> Iterator[Estimate]:  # type: ignore[override]
            for level in analysis.levels("country"):
                yield self.row(analysis, "own_plain", np.arange(analysis.n_draws), factor="country", level=level)

    page = rendered(few, effects=effects(few, ["slopes", Levels()]), checks=checks_of())
    shown = [line[0] for line in table_below(page.html)]
    assert len(shown) >= 4
    assert not any("C5" in label for label in shown)


@pytest.mark.parametrize(("people", "shown"), [(9, False), (10, True), (190, True), (191, False), (200, True)])
def test_shares_among_a_few_people_are_on_no_page(
    fit: FittedModel, checks_of: Callable[..., CheckReport], people: int, shown: bool
) -> None:
    among = np.arange(200) < people
    found = effects(
        fit, {"slopes": {}, "responders": {"at_least": 32, "among": among}, "improvement": {"among": among}}
    )
    page = rendered(fit, effects=found, checks=checks_of(), sections=["effects"])
    told = [f"among {people} of 200" in text for text in (page.html, page.json)]
    assert told == [shown, shown]


@pytest.mark.usefixtures("undrawn")
def test_what_is_withheld_has_no_other_estimands(
    fit: FittedModel, table: EffectTable, checks_of: Callable[..., CheckReport]
) -> None:
    page = rendered(fit, effects=EffectTable.concat([table, Own()(fit)]), checks=checks_of(passed=False))
    assert page.withheld
    assert "own plain" not in page.html.lower()
    assert "table-further" not in page.html


@pytest.mark.parametrize("name", ESTIMANDS)
def test_every_row_of_every_estimand_has_a_name(name: str) -> None:
    formula = "who5_followup ~ alliance + who5_baseline + (1 | sex)"
    if name == "moderation":
        formula = "who5_followup ~ alliance * who5_baseline + (1 | sex)"
    options = {
        "responders": {"at_least": 32, "factor": "sex"},
        "regression_to_mean": {"at_most": 28},
        "compared_slopes": {"against": "who5_baseline"},
        "predictions": {"at": {"alliance": 4}},
    }
    scales = {"who5_baseline": Scale(50, 19, unit="alliance point")} if name == "compared_slopes" else {}
    made = fitted(rows(60), formula=formula, chains=2, draws=20, spec={"scales": scales})
    given = options.get(name, {})
    found = effects(made, {name: given})
    labels = [measured(found, row, design=made.design) for row in rows_of(found)]
    assert all(label and "{" not in label and "_" not in label for label in labels)
    assert len(further_rows(Estimates(found, ()))) in (0, len(found))


def test_the_names_of_the_slopes() -> None:
    made = fitted(rows(60), chains=2, draws=20)
    found = effects(made, ["slopes"])
    # The model declares no contrast of its own.
    assert found["estimand"].tolist() == [name for name in SLOPES if name != "slope_contrast"]
    assert [measured(found, row, design=made.design) for row in rows_of(found)] == [
        "Per alliance point",
        "Per alliance point, over the levels in the data",
        "Per SD of alliance",
        "From the 10th to the 90th percentile of alliance",
        "Standardised slope",
        "Partial correlation",
        "ΔR²: share of the variance that goes with the average slope of alliance",
        "alliance points that go with 10 WHO-5 points (median)",
    ]
    short = [measured(found, row, short=True, unit="point") for row in rows_of(found)]
    assert short[:3] == ["per point", "per point, levels in the data", "per SD"]
    assert short[3:6] == ["10th to 90th percentile", "standardised", "partial correlation"]
    # Without what says what they measure, rows go by their names.
    bare = replace(Estimates(found, ()), table=EffectTable(pd.DataFrame(found))).table
    assert measured(bare, rows_of(found)[2]) == "slope per sd"
