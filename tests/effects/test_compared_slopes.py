"""The slope of one predictor minus that of another: draw by draw, in one unit, and where the model asks for it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from alliance_bayes.effects import compared_slopes, effects, slopes
from alliance_bayes.errors import ModelError, UsageError
from alliance_bayes.fit import FittedModel
from alliance_bayes.model import ModelSpec, Scale, card_arguments, card_text
from builders import fitted, rows

FORMULA = "who5_followup ~ within + between + age + (1 | country)"
SCALES = {name: Scale(mean, 0.7, unit="alliance point") for name, mean in (("within", 0.0), ("between", 4.5))}
COMPARED: dict[str, Any] = {"focal": "within", "against": "between", "scales": SCALES, "priors": "weak"}


def fit_of(**spec: Any) -> FittedModel:
    frame = rows(60, countries=3)
    halves = np.arange(len(frame)) % 5 / 10
    frame = frame.assign(within=frame["alliance"] - 4 - halves, between=4 + halves)
    return fitted(frame, formula=FORMULA, chains=2, draws=40, spec=COMPARED | spec)


def test_it_is_the_difference_of_the_two_coefficients() -> None:
    fit = fit_of()
    table = compared_slopes(fit, rope=(-2.0, 2.0))
    assert table["estimand"].tolist() == ["compared_slope", "slope_minus_focal"]
    assert table["term"].tolist() == ["between", "between"]
    assert table["unit"].tolist() == ["WHO-5 point per alliance point"] * 2
    beta, terms = fit.stacked["beta"], list(fit.design.terms)
    within, between = (beta[:, terms.index(name)] for name in ("within", "between"))
    for row, expected in zip(table.index, (between, between - within), strict=True):
        np.testing.assert_allclose(table.draws[row].ravel(), expected, rtol=1e-10)
    # Half of the ROPE over the step from the 10th to the 90th percentile; margins in points are of no slope.
    low, high = np.quantile(fit.design.frame["between"], (0.1, 0.9))
    assert table["rope_high"].tolist() == pytest.approx([np.nan, 1.0 / (high - low)], nan_ok=True)
    assert table["relevant"].isna().all()
    assert table["p_rope_prior"].notna().tolist() == [False, True]


def test_a_model_that_names_what_to_compare_has_it_in_its_table() -> None:
    fit = fit_of()
    assert effects(fit)["estimand"].tolist()[-2:] == ["compared_slope", "slope_minus_focal"]
    plain = effects(fit_of(against=None))
    assert not {"compared_slope", "slope_minus_focal"} & set(plain["estimand"])
    assert len(plain) == len(effects(fit)) - 2
    # Whoever asks for another predictor, or names estimands, gets what was asked for.
    assert set(effects(fit, ["slopes"])["estimand"]) == set(slopes(fit)["estimand"])
    assert "compared_slope" not in set(effects(fit, predictor="age")["estimand"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {},
            "the model names no predictor to compare with that of 'within'. Name it: against=..., or against of the "
            "model.",
        ),
        (
            {"against": "age"},
            "the slopes of 'age' (per year) and 'within' (per alliance point) have no difference. Compare two "
            "predictors in one unit, which scales may name.",
        ),
        (
            {"against": "within"},
            "the slopes of 'within' (per alliance point) and 'within' (per alliance point) have no difference. Compare "
            "two predictors in one unit, which scales may name.",
        ),
        (
            {"against": "country"},
            "'country' is not a numeric predictor of this model but a factor, whose levels are compared by "
            "contrasts(). Numeric predictors: within, between, age.",
        ),
    ],
)
def test_slopes_that_have_no_difference_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        compared_slopes(fit_of(against=None), **options)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            {"against": "provider"},
            "against names 'provider', which is not in the formula. Its predictors: within, between, age, country.",
        ),
        (
            {"against": "within"},
            "against='within' is compared with another predictor, which is that of interest. Name it: focal.",
        ),
        (
            {"focal": None},
            "against='between' is compared with another predictor, which is that of interest. Name it: focal.",
        ),
        (
            {"against": "country"},
            "slopes are compared per one unit, but there is 'country' in no known unit and 'within' in alliance point. "
            "Give scales of one unit.",
        ),
        (
            {"against": "age"},
            "slopes are compared per one unit, but there is 'age' in year and 'within' in alliance point. Give scales "
            "of one unit.",
        ),
    ],
)
def test_a_model_that_names_what_cannot_be_compared_is_refused(spec: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError) as caught:
        ModelSpec(FORMULA, **COMPARED | spec)
    assert str(caught.value) == message


def test_it_reads_back_from_a_card() -> None:
    spec = ModelSpec(FORMULA, **COMPARED)
    assert ModelSpec(**card_arguments(card_text(spec))).against == "between"
