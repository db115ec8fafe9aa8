"""A report of a model with a smooth: said in words, drawn as a curve, and no knot is anybody's value."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from alliance_bayes.checks import CheckReport
from alliance_bayes.report.curve import average_curve
from builders import fitted, rendered, rows


def test_the_curve_of_the_report_bends_as_predictions_do() -> None:
    for family in ("gaussian", "beta_binomial"):
        fit = fitted(
            rows(120, countries=3),
            formula="who5_followup ~ s(alliance) + (1 | country)",
            sds={"u_s_alliance": 0.0},
            means={"u_s_alliance": 2.0, **({} if family == "gaussian" else {"beta": 0.1, "u_s_alliance": 0.3})},
            chains=2,
            draws=60,
            spec={"family": family},
        )
        curve = average_curve(fit, "alliance", prob=0.9, small=10, population="sample")
        for place in (0, 12, 24):
            at = fit.predict(fit.design.frame.assign(alliance=curve["x"][place])).mean().item()
            np.testing.assert_allclose(curve["mean"][place], at, rtol=1e-10 if family == "gaussian" else 1e-7)
        # Curvature: the middle is off the chord between the ends by more than rounding.
        chord = (curve["mean"][0] + curve["mean"][24]) / 2
        assert abs(curve["mean"][12] - chord) > 0.1


@pytest.mark.usefixtures("undrawn")
def test_the_model_is_said(checks_of: Callable[..., CheckReport]) -> None:
    formula = "who5_followup ~ s(alliance) + s(age, knots=(30, 44.5)) + (1 | country)"
    fit = fitted(rows(150, countries=3), formula=formula, draws=100, spec={"priors": "weak"})
    report = rendered(fit, checks=checks_of())
    html = report.html
    tail = "which is drawn towards zero and is straight again beyond the values observed"
    start = "the association may bend: a straight line, plus a smooth departure from it with"
    assert f"<b>alliance</b>: {start} 6 knots at equally spaced quantiles of its values, {tail}." in html
    assert f"<b>age</b>: {start} 2 knots at 30 and 44.5, {tail}." in html
    assert "+ Σₖ u[s(alliance), k] · Bₖ(alliance) + Σₖ u[s(age), k] · Bₖ(age)" in html
    assert "u[s(alliance)] ~ Normal(0, τ[s(alliance)]) for each of 6 natural cubic splines Bₖ" in html
    assert "SD of the departure from a straight line along alliance, WHO-5 points" in html
    assert "SD of the bend: alliance" in html
    assert "Share: bend of alliance" in html
    assert "The association may bend; this is its average over those analysed." in html
    priors = {entry["parameter"]: entry["prior"] for entry in report.numbers["model"]["priors"]}
    assert (priors["tau_s_alliance"], priors["tau_s_age"]) == ("HalfNormal(5.0)", "HalfNormal(5.0)")
