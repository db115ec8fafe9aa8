"""Estimates with everybody set to some values on a page: each says at which, none stands for everybody as they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import alliance_bayes as ab
from alliance_bayes.checks import CheckReport, run_checks
from alliance_bayes.effects import EffectTable, adjusted_means, contrasts, effects, predictions, slopes
from alliance_bayes.fit import FittedModel
from alliance_bayes.report.estimates import Estimates
from alliance_bayes.report.small_counts import hidden_rows
from builders import fitted, rendered, rows
from report.test_report_page import parsed

# No test here looks at a figure.
pytestmark = pytest.mark.usefixtures("undrawn")

AT: dict[str, Any] = {"who5_baseline": [20, 60]}


@pytest.fixture(scope="module")
def crossed() -> FittedModel:
    frame = rows(300, countries=3)
    return fitted(frame, formula="who5_followup ~ alliance * sex * who5_baseline + (1 | country)", draws=250)


def checks(fit: FittedModel, table: EffectTable) -> CheckReport:
    return run_checks(fit, effects=table, checks=["convergence"])


def test_rows_at_values_are_in_the_table_of_others_and_said_with_the_values(crossed: FittedModel) -> None:
    own = contrasts(crossed, "sex", at=AT)
    table = EffectTable.concat([effects(crossed), own])
    page = rendered(crossed, effects=table, checks=checks(crossed, table), sections=["effects"])
    names = [line.all("th")[0].text for line in parsed(page.html).by_id("table-further").all("tr")][1:]
    low, high = "with baseline WHO-5 at 20", "with baseline WHO-5 at 60"
    pair = "Male minus female"
    assert names == [
        *(f"{pair}, {low}", f"{pair}, {low}", f"{pair}, {high}", f"{pair}, {high}"),
        "Difference in differences: male minus female, baseline WHO-5 at 60 minus baseline WHO-5 at 20",
    ]
    shown = Estimates.of(crossed, table)
    said = [finding for finding in page.numbers["findings"] if finding["name"].startswith("at values")]
    assert [finding["rows"] for finding in said] == [[row] for row in own.index if not row.startswith("cohens_d")]
    (_, row), *_ = shown.with_at().iterrows()
    assert said[0]["text"] == (
        f"{pair} in the adjusted mean, {low}: {shown.mean(row)} WHO-5 points over all countries that there could be "
        f"({shown.spoken(row)}; {shown.direction_spoken(row)})."
    )
    assert said[2]["text"].startswith(
        "Difference in differences: male minus female in the adjusted mean, baseline WHO-5 at 60 minus baseline "
        "WHO-5 at 20: "
    )
    # What is said of everybody as they are is of these rows alone.
    alone = rendered(crossed, effects=effects(crossed), checks=checks(crossed, table), sections=["effects"])
    assert [f for f in page.numbers["findings"] if not f["name"].startswith("at values")] == alone.numbers["findings"]
    records = page.numbers["effects"]
    assert [record.get("at") for record in records if record["id"] in own.index] == own["at"].tolist()
    assert all("at" not in record for record in records if record["id"] not in own.index)


def test_more_than_six_rows_are_in_the_table_alone(crossed: FittedModel) -> None:
    table = effects(
        crossed, {"slopes": {}, "predictions": {"at": {"alliance": [1, 2, 3, 4, 5], "sex": ["male", "female"]}}}
    )
    page = rendered(crossed, effects=table, checks=checks(crossed, table), sections=["effects"])
    assert not [finding for finding in page.numbers["findings"] if finding["name"].startswith("at values")]
    assert "Expected outcome, with alliance at 2 and sex at male" in page.html


def test_what_is_extrapolated_is_said_to_be(crossed: FittedModel) -> None:
    table = effects(crossed, {"slopes": {}, "predictions": {"at": {"alliance": 9}}})
    page = rendered(crossed, effects=table, checks=checks(crossed, table), sections=["effects"])
    (said,) = [finding for finding in page.numbers["findings"] if finding["name"].startswith("at values")]
    assert said["text"].startswith("Expected outcome, with alliance at 9: ")
    assert said["text"].endswith(" It is extrapolated: no analysed row reaches alliance = 9.")
    assert ">Expected outcome, with alliance at 9: extrapolated: no analysed row reaches alliance = 9.<" in page.html


def test_a_table_of_nothing_else_makes_a_page_that_says_so(crossed: FittedModel) -> None:
    table = effects(crossed, at={"who5_baseline": 40})
    page = rendered(crossed, effects=table, checks=checks(crossed, table), sections=["effects", "groups"])
    assert "The table of effects has no slope of alliance with everybody as they are." in page.html
    assert "with baseline WHO-5 at 40" in page.html
    assert not {"slope", "span"} & {finding["name"] for finding in page.numbers["findings"]}


def test_levels_of_a_few_people_have_no_estimate_at_them() -> None:
    """Neither where everybody is set to such a level, nor at a level in a cell of a few people."""
    frame = rows(200, countries=3)
    frame["country"] = pd.Categorical(np.where(np.arange(200) < 4, "C0", np.where(np.arange(200) < 60, "C1", "C2")))
    # 3 men in C1: the cell is small, and neither of its levels is.
    frame["sex"] = np.where((frame["country"] == "C1") & (np.arange(200) >= 7), "female", frame["sex"].astype(str))
    frame.loc[4:6, "sex"] = "male"
    fit = fitted(frame, formula="who5_followup ~ alliance + sex + (1 | country)", chains=1, draws=20)
    parts = {
        "few": predictions(fit, at={"country": ["C0", "C2"]}),
        "cell": adjusted_means(fit, "sex", at={"country": ["C1"]}),
        "together": predictions(fit, at={"country": "C1", "sex": "male"}),
        "many": slopes(fit, at={"sex": "male"}),
        "numbers": adjusted_means(fit, "sex", at={"alliance": 4}),
    }
    hidden = {name: hidden_rows(fit, table, 10).tolist() for name, table in parts.items()}
    # C0 is one of three: that of C1 or C2 which would tell its count is hidden with it, as on every page.
    assert hidden["few"][0]
    assert all(hidden["cell"])
    assert all(hidden["together"])
    assert not any(hidden["many"])
    assert not any(hidden["numbers"])
    made_by_hand = parts["many"].assign(at="male")
    assert hidden_rows(fit, made_by_hand, 10).all()


def test_a_page_with_values_is_verified(tmp_path: Path) -> None:
    frame = rows(120, seed=3)
    fit = ab.Model("who5_followup ~ alliance * sex + who5_baseline + (1 || provider_type)").fit(
        frame, seed=11, draws=500, progress=False
    )
    found = fit.effects({"slopes": {}, "contrasts": {"factor": "sex", "of": "mean", "at": {"alliance": [3, 5]}}})
    gate = fit.check(effects=found, checks=["convergence"])
    assert gate.gate.passed
    path = tmp_path / "page.html"
    page = ab.Report(sections=["data", "effects"]).render(fit, effects=found, checks=gate)
    page.write(path)
    assert ab.verify_report(path, ab.read_cohort(frame)).problems == ()
    numbers = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert {record.get("at") for record in numbers["effects"]} == {
        None,
        "alliance = 3",
        "alliance = 5",
        "alliance = 5 minus alliance = 3",
    }
