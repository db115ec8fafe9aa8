"""The sentences at the top, word for word, for draws that leave no doubt about what they must say."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest

from alliance_bayes.checks import CheckReport
from alliance_bayes.checks.refits import focal
from alliance_bayes.effects import effects
from alliance_bayes.fit import FittedModel
from alliance_bayes.report import Rendered
from alliance_bayes.report.checked import Checked
from alliance_bayes.report.estimates import Estimates
from alliance_bayes.report.findings import _association
from alliance_bayes.report.text import MINUS, capital, factor_name
from builders import fitted, of_family, rendered, rows

# Sentences and tables: nothing here is about figures, which take most of the time of a page.
pytestmark = pytest.mark.usefixtures("undrawn")

FORMULA = "who5_followup ~ alliance + age + (1 | sex)"
# Constant draws: no Monte Carlo error and no spread, so that the numbers in a sentence are the ones planted.
FIXED = {"beta": 0.0, "u_sex": 0.0, "sigma": 0.0, "tau_sex": 0.0}


def made(checks: CheckReport, *, beta: list[float], sex: float, slope_sd: float = 0.0, sex_sd: float = 0.0) -> Rendered:
    means = {"beta": beta, "u_sex": np.array([[sex], [-sex]]), "sigma": 15.0}
    sds = FIXED | {"beta": [0.0, slope_sd, 0.0], "u_sex": sex_sd}
    fit = fitted(rows(200), formula=FORMULA, means=means, sds=sds, draws=100)
    return rendered(fit, effects=effects(fit), checks=checks)


def test_a_clear_slope_and_a_clear_group_difference(checks_of: Callable[..., CheckReport]) -> None:
    report = made(checks_of(), beta=[45.0, 3.0, 0.1], sex=2.0)

    assert report.findings == (
        "For each additional alliance point, the mean of follow-up WHO-5 was almost certainly higher, by 3.00 "
        "WHO-5 points on "
        "average, adjusted for age and sex (89% equal-tailed interval 3.00 to 3.00; more than 99% "
        "probability of being above zero).",
        "A difference of 10 WHO-5 points, the smallest that is relevant, goes with 3.33 alliance points (median; 89% "
        "equal-tailed interval 3.33 to 3.33), if the association is a straight line.",
        "Between people at the 10th and at the 90th percentile of alliance (3.75 and 5.00), the mean of "
        "follow-up WHO-5 "
        "was almost certainly higher at the latter, by 3.75 WHO-5 points (89% equal-tailed interval "
        "3.75 to 3.75). The probability that this difference is too small to matter (within ±2 WHO-5 points) is less "
        "than 1%. The probability that this reaches the "
        "smallest relevant difference, 10 WHO-5 points, is less than 1%.",
        # Nothing about slopes: the model gives both the same.
        f"Sex: the adjusted means differ: male {MINUS} female, {MINUS}4.00 WHO-5 points, almost certainly below zero "
        f"(89% equal-tailed interval {MINUS}4.00 to {MINUS}4.00; more than 99% probability of being below zero).",
        report.findings[4],
    )
    assert report.findings[4].startswith("The model explains ")
    assert report.findings[4].count("%") == 4  # the share, the interval's probability, both ends


def test_an_interval_with_zero_in_it_settles_nothing(checks_of: Callable[..., CheckReport]) -> None:
    report = made(checks_of(), beta=[45.0, 0.1, 0.0], sex=0.0, slope_sd=2.0, sex_sd=1.0)

    assert report.findings[0].startswith(
        "Whether the mean of follow-up WHO-5 was higher or lower with more alliance is not settled: for each "
        "additional alliance "
        "point the estimate is "
    )
    assert "higher, adjusted" not in report.findings[0]
    assert report.findings[2].startswith(
        f"Sex: whether the adjusted means differ is not settled: male {MINUS} female, "
    )


def test_what_the_model_fixes_at_zero_is_no_finding(checks_of: Callable[..., CheckReport]) -> None:
    report = made(checks_of(), beta=[45.0, 3.0, 0.0], sex=2.0)

    assert "The model gives all levels of this factor the same slope." in report.html
    assert 'id="table-slope-pairs-1"' not in report.html
    assert 'id="slopes-1-title"' not in report.html
    assert 'id="table-mean-pairs-1"' in report.html


def test_a_negative_slope_is_lower(checks_of: Callable[..., CheckReport]) -> None:
    report = made(checks_of(), beta=[45.0, -3.0, 0.0], sex=0.0)

    assert report.findings[0].startswith(
        "For each additional alliance point, the mean of follow-up WHO-5 was almost certainly lower, by 3.00 "
        "WHO-5 points on "
        "average, adjusted for age and sex (89% equal-tailed interval 3.00 to 3.00; more than 99% probability of "
        "being lower)."
    )


def test_what_must_not_be_concluded_depends_on_the_model(
    fit: FittedModel, report: Rendered, checks_of: Callable[..., CheckReport]
) -> None:
    assert "That raising alliance would change the outcome." in report.html
    assert "That one provider type works better than another." in report.html
    without = made(checks_of(), beta=[45.0, 3.0, 0.1], sex=2.0)
    assert "provider type" not in without.html


def test_people_left_out_are_named_as_a_limit(checks_of: Callable[..., CheckReport]) -> None:
    import dataclasses

    from alliance_bayes.cohort import Flow, FlowStep

    fit = fitted(rows(200), formula=FORMULA, draws=100)
    fit = dataclasses.replace(fit, flow=Flow(250, (FlowStep("no follow-up WHO-5", 40), FlowStep("age unknown", 10))))

    report = rendered(fit, effects=effects(fit), checks=checks_of())

    assert "That the results hold for the 50 people (20%) who were left out because a value is missing" in report.html
    assert "250 participants in the table" in report.html
    assert "40 left out: no follow-up WHO-5" in report.html
    assert "200 analysed (80.0%)" in report.html
    assert report.numbers["participants"]["left_out"] == [
        {"reason": "no follow-up WHO-5", "n": 40},
        {"reason": "age unknown", "n": 10},
    ]


def test_simulated_data_are_called_so(checks_of: Callable[..., CheckReport]) -> None:
    import dataclasses

    fit = fitted(rows(200), formula=FORMULA, draws=100)
    table = effects(fit)
    simulated = dataclasses.replace(fit, info={**fit.info, "cohort_source": "simulated (n=200, seed=1)"})

    assert "The data are simulated." in rendered(simulated, effects=table, checks=checks_of()).html
    assert "The data are simulated." not in rendered(fit, effects=table, checks=checks_of()).html


@pytest.mark.parametrize(
    ("formula", "family", "start"),
    [
        ("who5_followup ~ 1 + (1 | country)", "gaussian", "Country: none of the 10 differences of adjusted means"),
        (
            "who5_followup ~ alliance",
            "gaussian",
            "For each additional alliance point, the mean of follow-up WHO-5 was almost certainly higher, by 2.2",
        ),
        (
            "who5_followup ~ age",
            "gaussian",
            "Whether the mean of follow-up WHO-5 was higher or lower with more age is not settled: for each "
            "additional year of age",
        ),
    ],
)
def test_models_without_a_slope_or_groups_have_the_findings_they_can(
    formula: str, family: str, start: str, checks_of: Callable[..., CheckReport]
) -> None:
    fit = fitted(rows(200), formula=formula, spec={"family": family}, draws=100)

    report = rendered(fit, effects=effects(fit), checks=checks_of())

    assert report.findings[0].startswith(start)
    assert len(report.findings) == {"who5_followup ~ alliance": 4, "who5_followup ~ age": 3}.get(formula, 2)


def test_a_difference_of_probabilities_is_in_percentage_points(checks_of: Callable[..., CheckReport]) -> None:
    frame = rows(200)
    frame["improved"] = (frame["who5_followup"] > 50).astype(float)
    fit = fitted(
        frame,
        formula="improved ~ alliance",
        spec={"family": "bernoulli"},
        means={"beta": [0.0, 1.0]},
        sds={"beta": 0.0},
        draws=100,
    )

    report = rendered(fit, effects=effects(fit), checks=checks_of())

    # Log odds are one more a point from the mean on, so that a probability p changes by p (1 - p) a point.
    p = 1 / (1 + np.exp(frame["alliance"].mean() - frame["alliance"]))
    points = f"{100 * (p * (1 - p)).mean():.0f}"
    assert report.findings[0].startswith(
        "For each additional alliance point, the probability of “improved” was almost certainly higher, by "
        f"{points} percentage points on average (89% equal-tailed interval {points} to {points}; "
    )


@pytest.mark.parametrize("family", ["bernoulli", "binomial"])
def test_probabilities_have_no_unit_in_any_finding(family: str, checks_of: Callable[..., CheckReport]) -> None:
    frame, options = of_family(rows(200), family, above=50)
    formula = "who5_followup ~ alliance + (alliance || provider_type)"
    fit = fitted(frame, formula=formula, spec=options, means={"beta": [0.0, 0.5]}, sds={"beta": 0.05}, draws=100)

    found = " ".join(rendered(fit, effects=effects(fit), checks=checks_of()).findings)

    assert "differences of adjusted means" in found
    # Of directions (in per cent), and of the outcome itself.
    assert all(
        re.fullmatch(r"the|\d+(\.\d+)?%", word) for word in re.findall(r"(\S+) probabilit", found, re.IGNORECASE)
    )
    assert "expected the" not in found


def test_where_there_is_no_slope_the_difference_that_goes_with_a_step_speaks() -> None:
    fit = fitted(
        formula="who5_followup ~ I(alliance >= 4.5) + (1 | sex)",
        spec={"focal": "alliance", "autoscale": True},
        means={"beta": [45.0, 8.0]},
        sds={"beta": 0.5},
    )
    jump = fit.stacked["beta"][:, 1]
    own = focal(fit)
    assert own.estimand == "slope_p10_p90"
    np.testing.assert_allclose(own.draws().ravel(), jump, rtol=1e-10)
    table = effects(fit)
    (found,) = _association(fit, Estimates.of(fit, table), Checked(()), 10)
    assert found.name == "span"
    assert f"by {jump.mean():.1f} WHO-5 points" in found.text
    assert found.rows == ("slope_p10_p90/alliance/sample",)


@pytest.mark.parametrize(
    ("formula", "factor", "population", "said"),
    [
        ("(sex | country)", "sex", "average", " over all countries that there could be"),
        ("(sex | country)", "sex", "sample", " over the countries in the data"),
        ("(sex | country)", "country", "average", ""),
        # Where the difference is the same in every country, it does not matter which there are.
        ("(1 | country)", "sex", "average", ""),
        ("(alliance | country)", "sex", "sample", ""),
    ],
)
def test_differences_of_groups_say_over_whom_they_are_where_it_matters(
    checks_of: Callable[..., CheckReport], formula: str, factor: str, population: str, said: str
) -> None:
    fit = fitted(formula=f"who5_followup ~ alliance + sex + {formula}")
    findings = rendered(fit, effects=effects(fit, population=population), checks=checks_of()).findings
    (group,) = [text for text in findings if text.startswith(f"{capital(factor_name(factor))}:")]
    over = (" over all countries that there could be", " over the countries in the data")
    assert [words for words in over if words in group] == [words for words in over if words == said]
