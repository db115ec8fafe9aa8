"""A report of a model whose residual SD differs by level: in words, in symbols, in its priors and its figure."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup

import alliance_bayes as ab
from alliance_bayes.checks import CheckReport
from alliance_bayes.report.residual_sds import residual_sd_effects
from alliance_bayes.report.text import MINUS
from builders import fitted, rendered, rows

FORMULA = "who5_followup ~ alliance + (1 | country)"


@pytest.mark.usefixtures("undrawn")
def test_the_model_is_said_and_every_levels_sd_is_shown(checks_of: Callable[..., CheckReport]) -> None:
    fit = fitted(rows(150, countries=3), formula=FORMULA, draws=100, spec={"residual_by": "provider_type"})
    report = rendered(fit, checks=checks_of())
    html = report.html
    assert (
        "varies around its expectation as a normal distribution with SD σ; σ differs between the 3 levels of provider "
        "type, each of which has a prior of its own" in html
    )
    assert "who5_followup ~ Normal(η, σ[provider_type])" in html
    for level in ("coach", "therapist", "both"):
        assert f"sigma[{level}]" in html
        assert f"SD of the outcome around its expectation, WHO-5 points; provider type: {level}" in html
        assert f"residual SD σ: {level}" in html
    priors = {entry["parameter"]: entry["prior"] for entry in report.numbers["model"]["priors"]}
    assert [name for name in priors if name.startswith("sigma")] == [
        "sigma[coach]",
        "sigma[therapist]",
        "sigma[both]",
    ]
    variables = [entry["variable"] for entry in report.numbers["participants"]["summary"]]
    assert "provider_type" in variables


@pytest.mark.usefixtures("undrawn")
def test_every_levels_sd_has_its_interval(checks_of: Callable[..., CheckReport]) -> None:
    fit = fitted(
        rows(150, countries=3),
        formula=FORMULA,
        draws=500,
        means={"sigma": [8.0, 16.0, 12.0]},
        sds={"sigma": 0.5},
        spec={"residual_by": "provider_type"},
    )
    report = rendered(fit, checks=checks_of())
    page = BeautifulSoup(report.html, "html.parser")
    found = {}
    for row in page.select("#table-residual-sds tbody tr"):
        quantity, mean, interval = (" ".join(cell.get_text().split()) for cell in row.select("th, td"))
        found[quantity] = (float(mean), *map(float, interval.strip("()").split(" to ")))
    levels = ("coach", "therapist", "both")
    draws = dict(zip(levels, fit.posterior["sigma"].to_numpy().reshape(-1, 3).T, strict=True))
    expected = {f"provider type: {level}": draws[level] for level in levels}
    expected |= {
        f"provider type: {level} over coach, ratio of SDs": draws[level] / draws["coach"] for level in levels[1:]
    }
    assert found.keys() == expected.keys()
    for quantity, values in expected.items():
        # As printed: half of the last of the digits that 2,000 draws justify.
        assert found[quantity] == pytest.approx((values.mean(), *np.quantile(values, [0.055, 0.945])), abs=0.051)
    # The page's numbers are those of its rows, which a verification makes again.
    told = {(row["estimand"], row["level"]) for row in report.numbers["residual_sds"]}
    assert told == {("residual_sd", level) for level in levels} | {("residual_sd_ratio", level) for level in levels[1:]}
    assert {row.partition("/")[0] for row in residual_sd_effects(fit, prob=0.89, small=10).index} == {
        "residual_sd",
        "residual_sd_ratio",
    }


@pytest.mark.usefixtures("gate_alone", "undrawn")
def test_a_page_with_sds_by_level_is_verified(tmp_path: Path) -> None:
    cohort = ab.simulate_cohort(n=200, seed=3)
    fit = ab.Model("who5_followup ~ alliance", residual_by="provider_type").fit(cohort, seed=1, progress=False)
    fit.report(tmp_path / "page.html", sections=["variance"])
    assert 'id="table-residual-sds"' in (tmp_path / "page.html").read_text(encoding="utf-8")
    assert ab.verify_report(tmp_path / "page.html", cohort).problems == ()


@pytest.mark.slow
def test_levels_that_may_be_one_person_are_not_named(checks_of: Callable[..., CheckReport]) -> None:
    frame = rows(60, countries=3)
    frame["provider_id"] = [f"PROV-{k // 2}" for k in range(60)]
    fit = fitted(frame, formula=FORMULA, draws=60, spec={"residual_by": "provider_id"})
    report = rendered(fit, checks=checks_of())
    assert "PROV-" not in report.html
    assert "PROV-" not in json.dumps(report.numbers)
    stated = [entry for entry in report.numbers["model"]["priors"] if entry["parameter"].startswith("sigma")]
    assert [(entry["parameter"], entry["prior"]) for entry in stated] == [("sigma", "HalfNormal(25.0)")]
    assert "σ differs between the 30 levels of provider" in report.html

    mixed = {"residual_by": "provider_id", "priors": {"sigma[PROV-3]": "HalfNormal(5)"}}
    stated = rendered(fitted(frame, formula=FORMULA, draws=60, spec=mixed), checks=checks_of()).numbers
    named = [entry for entry in stated["model"]["priors"] if entry["parameter"].startswith("sigma")]
    assert [(entry["parameter"], entry["prior"]) for entry in named] == [
        ("sigma 1", "HalfNormal(25.0)"),
        ("sigma 2", "HalfNormal(5.0)"),
    ]


@pytest.mark.usefixtures("undrawn")
def test_an_sd_along_columns_is_said_in_words_symbols_and_numbers(checks_of: Callable[..., CheckReport]) -> None:
    frame = rows(150, countries=3)
    fit = fitted(
        frame,
        formula=FORMULA,
        draws=100,
        means={"sigma": 12.0, "gamma": [-0.3, 0.2]},
        sds={"sigma": 0.01, "gamma": 0.001},
        spec={"sigma": "~ alliance + sex", "contrast": (3.0, 5.0), "focal": "alliance"},
    )
    report = rendered(fit, checks=checks_of())
    page = BeautifulSoup(report.html, "html.parser")
    text = " ".join(page.get_text(" ").split())
    assert "with SD σ; σ differs with alliance and sex: its logarithm is linear in them" in text
    assert "of the residual SD: ~ alliance + sex" in text
    centre = frame["alliance"].mean()
    lines = [line.get_text() for line in page.select("ul.equations li")]
    assert lines[0] == "who5_followup ~ Normal(η, σ)"
    assert f"σ = σ₀ · exp(γ[alliance] · (alliance {MINUS} {centre:.5g}) + γ[sex[male]] · 1[sex[male]])" in lines
    assert "and a residual SD whose logarithm is linear in columns (~ alliance + sex)" in text
    priors = {entry["parameter"]: entry["prior"] for entry in report.numbers["model"]["priors"]}
    assert (priors["sigma"], priors["gamma[sex[male]]"]) == ("HalfNormal(25.0)", "Normal(0.0, 0.5)")

    table = page.select("#table-residual-sds")[0]
    found = {}
    for row in table.select("tbody tr"):
        quantity, mean, *_ = (" ".join(cell.get_text().split()) for cell in row.select("th, td"))
        found[quantity] = float(mean)
    men = np.exp(2 * 0.2 * (frame["sex"] == "male"))
    at = {value: 12 * np.exp(-0.3 * (value - centre)) * np.sqrt(men.mean()) for value in (3.0, 5.0)}
    slope = np.exp(-0.6 * (frame["alliance"] - centre))
    women = 12 * np.sqrt(slope.mean())
    expected = {
        "alliance: 3": at[3.0],
        "alliance: 5": at[5.0],
        "alliance: 5 over 3, ratio of SDs": np.exp(-0.6),
        "sex: female": women,
        "sex: male": women * np.exp(0.2),
        "sex: male over female, ratio of SDs": np.exp(0.2),
    }
    assert found.keys() == expected.keys()
    for quantity, value in expected.items():
        # Two digits of the posterior SD, and 400 draws with an SD of a thousandth.
        assert found[quantity] == pytest.approx(value, rel=2e-3), quantity


@pytest.mark.usefixtures("undrawn")
def test_sds_of_levels_of_a_few_people_are_not_shown(checks_of: Callable[..., CheckReport]) -> None:
    frame = rows(150, countries=3)
    frame["provider_type"] = pd.Categorical(["both"] * 2 + ["coach"] * 74 + ["therapist"] * 74, ordered=True)
    fit = fitted(frame, formula=FORMULA, draws=60, means={"sigma": 12.0}, spec={"sigma": "~ provider_type"})
    report = rendered(fit, checks=checks_of(), small=5)
    assert not BeautifulSoup(report.html, "html.parser").select("#table-residual-sds")
