"""Offsets: added to the linear predictor with a coefficient of 1, in every family and wherever a fit is used."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import special

import alliance_bayes as ab
from alliance_bayes.effects.slopes import slopes
from alliance_bayes.effects.variance import bayesian_r2, variance_partition
from alliance_bayes.errors import DataError, ModelError
from alliance_bayes.model import FAMILIES, ModelSpec, card_arguments, card_text
from alliance_bayes.moments.from_rows import moments_of
from alliance_bayes.moments.weighted import design_of_moments
from alliance_bayes.report.text import MINUS, equations, exact
from builders import fitted, of_family, rows

QUICK: dict[str, Any] = {"seed": 3, "chains": 2, "tune": 300, "draws": 300, "progress": False}
PRIORS = {
    "alliance": "Normal(0, 20)",
    "sigma": "HalfNormal(30)",
    "tau_country": "HalfNormal(5)",
}


def of(table: pd.DataFrame, estimand: str) -> pd.DataFrame:
    return table[table["estimand"] == estimand]


def with_change(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(gain=frame["who5_followup"] - frame["who5_baseline"])


@pytest.mark.parametrize("residual_by", [None, "provider_type"])
def test_a_gaussian_model_is_that_of_the_outcome_less_the_offset(residual_by: str | None) -> None:
    frame = with_change(rows(200))
    middle = float(frame["who5_baseline"].mean())
    own = ab.Model(
        "who5_followup ~ alliance + offset(who5_baseline) + (1 | country)",
        priors={**PRIORS, "Intercept": f"Normal({middle!r}, 50)"},
        residual_by=residual_by,
    ).fit(frame, engine="collapsed", **QUICK)
    less = ab.Model(
        "gain ~ alliance + (1 | country)", priors={**PRIORS, "Intercept": "Normal(0, 50)"}, residual_by=residual_by
    ).fit(frame, engine="collapsed", **QUICK)
    assert own.design.terms == less.design.terms == ("Intercept", "alliance")
    # The same computation in the same order, but for the mean of the offset, so that only rounding differs.
    np.testing.assert_allclose(own.stacked["beta"] - [middle, 0.0], less.stacked["beta"], rtol=0, atol=1e-8)
    for name in ("sigma", "u_country", "tau_country"):
        np.testing.assert_allclose(own.stacked[name], less.stacked[name], rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(
        own.predict().values - frame["who5_baseline"].to_numpy(), less.predict().values, rtol=0, atol=1e-8
    )
    np.testing.assert_allclose(own.log_likelihood().values, less.log_likelihood().values, rtol=1e-8)
    for estimand in ("slope", "slope_by_level", "slope_p10_p90"):
        mine, theirs = (of(fit.effects(), estimand)[["mean", "sd"]] for fit in (own, less))
        np.testing.assert_allclose(mine, theirs, rtol=1e-6, atol=1e-8)


def test_both_samplers_agree_with_least_squares() -> None:
    frame = with_change(rows(400, seed=1))
    x = np.column_stack([np.ones(400), frame["alliance"] - frame["alliance"].mean()])
    squares = np.linalg.lstsq(x, frame["gain"].to_numpy(), rcond=None)[0] + [frame["who5_baseline"].mean(), 0.0]
    priors = {"Intercept": "Normal(0, 1000)", "alliance": "Normal(0, 1000)", "sigma": "HalfNormal(100)"}
    for engine in ("collapsed", "nuts"):
        fit = ab.Model("who5_followup ~ alliance + offset(who5_baseline)", priors=priors).fit(
            frame, engine=engine, **QUICK
        )
        beta = fit.stacked["beta"]
        # 600 nearly independent draws: 5 standard errors of a mean are .2 posterior SDs; the priors add little.
        assert np.all(np.abs(beta.mean(axis=0) - squares) < 0.25 * beta.std(axis=0))


@pytest.mark.slow
def test_a_bernoulli_posterior_is_that_of_numerical_integration() -> None:
    rng = np.random.default_rng(4)
    frame = rows(150)
    known = np.log(frame["days_in_care"] + 1.0)
    away, offset = (values - values.mean() for values in (frame["alliance"], known))
    frame["event"] = (rng.random(150) < special.expit(-0.5 + 0.8 * away + offset)).astype(float)
    fit = ab.Model(
        "event ~ alliance + offset(log(days_in_care + 1))",
        family="bernoulli",
        priors={"Intercept": "Normal(0, 2)", "alliance": "Normal(0, 2)"},
    ).fit(frame, seed=1, chains=4, draws=1000, progress=False)
    a, b = np.meshgrid(np.linspace(-3, 3, 301), np.linspace(-3, 4, 301), indexing="ij")
    eta = a[..., None] + b[..., None] * away.to_numpy() + offset.to_numpy()
    y = frame["event"].to_numpy()
    log_p = (y * special.log_expit(eta) + (1 - y) * special.log_expit(-eta)).sum(axis=-1) - (a**2 + b**2) / 8
    weight = np.exp(log_p - log_p.max())
    weight /= weight.sum()
    beta = fit.stacked["beta"]
    for draws, values in zip(beta.T, (a, b), strict=True):
        mean = float((weight * values).sum())
        sd = float(np.sqrt((weight * (values - mean) ** 2).sum()))
        # 4,000 draws of NUTS are worth some 2,000 independent ones: .1 SD is more than 4 standard errors.
        assert draws.mean() == pytest.approx(mean, abs=0.1 * sd)
        assert draws.std() == pytest.approx(sd, rel=0.1)


def test_several_offsets_and_new_rows() -> None:
    frame = rows(60)
    formula = "who5_followup ~ alliance + offset(who5_baseline) + offset(log(age) * 3) + (1 | country)"
    fit = fitted(frame, formula=formula, chains=1, draws=5)
    design, known = fit.design, frame["who5_baseline"] + 3 * np.log(frame["age"])
    np.testing.assert_allclose(design.rows.offset, known - known.mean(), atol=1e-10)
    assert design.centres["offset(log(age) * 3)"] == pytest.approx(3 * np.log(frame["age"]).mean())
    beta, u = fit.stacked["beta"], fit.stacked["u_country"]
    new = rows(30, seed=5)
    expected = (
        beta[:, :1]
        + beta[:, 1:] * (new["alliance"].to_numpy() - frame["alliance"].mean())
        + u[:, new["country"].cat.codes, 0]
        + (new["who5_baseline"] + 3 * np.log(new["age"]) - known.mean()).to_numpy()
    )
    np.testing.assert_allclose(fit.predict(new).values[0], expected, rtol=1e-12)
    assert design.predictors == ("alliance", "who5_baseline", "age", "country")


@pytest.mark.parametrize("family", FAMILIES)
def test_predictions_and_likelihood_have_the_offset(family: str) -> None:
    frame, options = of_family(rows(40), family, above=40)
    formula = "who5_followup ~ alliance + offset(who5_baseline / 40)"
    fit = fitted(frame, formula=formula, chains=1, draws=4, spec=options | {"autoscale": True})
    design, beta = fit.design, fit.stacked["beta"]
    known = frame["who5_baseline"].to_numpy() / 40
    eta = beta[:, -1:] * (frame["alliance"] - frame["alliance"].mean()).to_numpy() + known - known.mean()
    eta = eta + (beta[:, :1] if "Intercept" in design.terms else 0.0)
    own = fit.parameters_at()
    np.testing.assert_allclose(fit.predict().values[0], design.family.expectation(eta, own, design.outcome), rtol=1e-12)
    np.testing.assert_allclose(
        fit.log_likelihood().values[0], design.family.log_density(eta, own, design.outcome), rtol=1e-10
    )


def test_effects_and_variances_have_the_offset() -> None:
    frame = rows(120)
    fit = fitted(frame, formula="who5_followup ~ alliance + offset(who5_baseline) + (1 | country)", draws=20)
    # One point of the baseline is one point of the outcome, in every draw.
    table = slopes(fit, predictor="who5_baseline")
    assert of(table, "slope")["mean"].to_numpy() == pytest.approx([1.0])
    assert of(table, "slope")["sd"].to_numpy() == pytest.approx([0.0], abs=1e-12)
    assert fit.spec.focal_predictor(fit.design) == "alliance"
    eta = fit.linear_predictor()
    spread, sigma2 = eta.var(axis=1, ddof=1), fit.stacked["sigma"] ** 2
    assert bayesian_r2(fit)["mean"].to_numpy() == pytest.approx([(spread / (spread + sigma2)).mean()])
    shares = of(variance_partition(fit), "variance_share")
    assert shares["mean"].sum() == pytest.approx(1.0)
    common = fit.linear_predictor(without=["country"]).var(axis=1, ddof=1)
    row = shares[shares["term"] == "common terms"]
    assert row["mean"].to_numpy() == pytest.approx([(common / (spread + sigma2)).mean()])


def test_a_stated_centre_and_none_without_an_intercept() -> None:
    frame = rows(50)
    formula = "who5_followup ~ alliance + offset(who5_baseline)"
    stated = ModelSpec(formula, centre={"offset(who5_baseline)": 40.0}).design(frame)
    np.testing.assert_allclose(stated.rows.offset, frame["who5_baseline"] - 40)
    bare = ModelSpec("who5_followup ~ 0 + alliance + offset(who5_baseline)").design(frame)
    np.testing.assert_array_equal(bare.rows.offset, frame["who5_baseline"])


def test_cards_reports_and_saved_fits_keep_the_offset(tmp_path: Any) -> None:
    spec = ModelSpec("who5_followup ~ alliance + offset(who5_baseline)")
    assert ModelSpec(**card_arguments(card_text(spec))).parsed == spec.parsed
    fit = ab.Model(spec.formula).fit(rows(80), **QUICK)
    fit.save(tmp_path / "fit.nc")
    again = ab.load_fit(tmp_path / "fit.nc")
    np.testing.assert_array_equal(again.predict().values, fit.predict().values)
    np.testing.assert_array_equal(again.predict(rows(9, seed=2)).values, fit.predict(rows(9, seed=2)).values)
    middle = fit.design.centres["offset(who5_baseline)"]
    assert equations(fit.design)[1].endswith(f" + (offset(who5_baseline) {MINUS} {exact(middle)})")


def test_moments_refuse_an_offset_by_name() -> None:
    spec = ModelSpec("who5_followup ~ alliance + offset(who5_baseline)")
    plain = ModelSpec("who5_followup ~ alliance + who5_baseline")
    frame = rows(50)
    moments = moments_of(plain.design(frame))
    for refused in (
        lambda: design_of_moments(moments, spec),
        lambda: moments_of(spec.design(frame), spec=spec),
    ):
        with pytest.raises(ModelError, match=r"moments do not hold offset\(who5_baseline\)"):
            refused()


def test_an_offset_that_is_not_finite_or_no_number_is_named() -> None:
    frame = rows(30).assign(zero=0.0)
    with pytest.raises(DataError) as error:
        ModelSpec("who5_followup ~ alliance + offset(log(zero))").design(frame)
    assert [(p.column, p.row, p.value) for p in error.value.problems] == [
        ("offset(log(zero))", row, -np.inf) for row in range(30)
    ]
    with pytest.raises(ModelError, match=r"offset\(sex\) needs numbers, and 'sex' holds levels"):
        ModelSpec("who5_followup ~ alliance + offset(sex)").design(frame)


def test_an_offset_that_stands_twice_is_pointed_at() -> None:
    with pytest.raises(ModelError) as error:
        ModelSpec("who5_followup ~ alliance + offset(age) + offset(age)")
    assert "offset(age) stands twice. Offsets add up: write offset(2 * (age)) if that is meant." in str(error.value)
    assert len(ModelSpec("who5_followup ~ alliance + offset(age) + offset(2 * age)").parsed.offsets) == 2
