"""A report of a model whose residual SD differs by level: in words, in symbols, in its priors and its figure."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from alliance_bayes.checks import CheckReport
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
