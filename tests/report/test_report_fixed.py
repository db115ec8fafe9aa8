"""What a model has decided before the data is no finding: slopes that are one on the scale of its linear predictor."""

from __future__ import annotations

import contextlib
from typing import Any

import matplotlib as mpl
import pytest

import alliance_bayes as ab
from alliance_bayes.report.fixed import slope_differs
from builders import fitted, of_family, rendered, rows
from report.test_report_page import parsed

ALIKE = "who5_followup ~ alliance + who5_baseline + (1 | provider_type)"
VARYING = "who5_followup ~ alliance + who5_baseline + (alliance || provider_type)"


def page(formula: str, family: str) -> Any:
    frame, options = of_family(rows(300), family)
    small = {} if family == "gaussian" else {"means": {"beta": 0.01}, "sds": {"beta": 0.005}}
    return rendered(fitted(frame, formula=formula, spec=options, draws=1000, **small))


@pytest.mark.slow
@pytest.mark.parametrize("family", ["gaussian", "bernoulli", "cumulative"])
def test_slopes_that_the_model_makes_one_are_no_finding_in_any_family(family: str) -> None:
    report = page(ALIKE, family)
    tree = parsed(report.html)

    assert not any(finding["name"].startswith("slopes: ") for finding in report.numbers["summary"])
    assert not [picture for picture in tree.all("figure") if "Slope of alliance by" in picture.text]
    said = [
        p.text for p in tree.all("p") if p.text.startswith("The model gives all levels of this factor the same slope")
    ]
    assert len(said) == 1
    assert ("linear predictor" in said[0]) is (family != "gaussian")


@pytest.mark.usefixtures("gate_alone", "undrawn")
@pytest.mark.parametrize(("pooled", "differ"), [("(1 | country)", False), ("(alliance || country)", True)])
def test_many_levels_have_slopes_of_their_own_only_where_the_model_gives_them(pooled: str, differ: bool) -> None:
    """Pairs of so many are not in the table, and 120 equal slopes were drawn in an order of their own."""
    frame = rows(1500, countries=120)
    made = fitted(frame, formula=f"who5_followup ~ alliance + who5_baseline + {pooled}", draws=600)
    fit = ab.Fit(**{name: getattr(made, name) for name in ("spec", "design", "priors", "tree", "flow", "info")})
    report = rendered(made, sections=["groups"])
    tree = parsed(report.html)
    assert fit.effects().query("estimand == 'contrast_of_slopes'").empty
    assert any("Slope of alliance by" in picture.text for picture in tree.all("figure")) is differ
    assert ("The model gives all levels of this factor the same slope." in report.html) is not differ
    mpl.use("Agg")
    with contextlib.ExitStack() as stack:
        if not differ:
            stack.enter_context(pytest.raises(ab.UsageError, match="by which the slope differs"))
        fit.plot("slopes", factor="country")


@pytest.mark.slow
@pytest.mark.parametrize("family", ["bernoulli", "cumulative"])
def test_slopes_that_it_lets_differ_are(family: str) -> None:
    report = page(VARYING, family)

    assert any(finding["name"] == "slopes: provider_type" for finding in report.numbers["summary"])
    assert "The model gives all levels of this factor the same slope" not in report.html


@pytest.mark.parametrize(
    ("formula", "differs"),
    [
        (ALIKE, False),
        (VARYING, True),
        ("who5_followup ~ alliance * provider_type + who5_baseline", True),
        ("who5_followup ~ alliance + provider_type * who5_baseline", False),
        ("who5_followup ~ alliance + age + (1 | provider_type) + (alliance || sex)", False),
        ("who5_followup ~ alliance + (0 + alliance | provider_type:sex)", True),
        ("who5_followup ~ alliance + (provider_type | sex)", False),
    ],
)
def test_a_slope_differs_where_a_term_has_both(formula: str, differs: bool) -> None:
    design = fitted(rows(200), formula=formula, draws=10).design
    assert slope_differs(design, "alliance", "provider_type") is differs
