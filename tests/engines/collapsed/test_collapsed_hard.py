"""Hard data: columns that repeat each other, tiny and huge units, one-row levels, outcomes without noise."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from alliance_bayes import Model, read_cohort
from alliance_bayes.engines import SamplerSettings
from alliance_bayes.engines.collapsed import marginal_posterior, proposal, sample_collapsed
from alliance_bayes.errors import ModelError, SamplingError
from alliance_bayes.model import ModelSpec
from alliance_bayes.moments import moments_of
from engines.collapsed.cases import table
from engines.collapsed.dense import exact_log_likelihood, natural, points

SETTINGS = SamplerSettings(draws=500, chains=4, cores=1, seed=5, tune=300)


def spec(formula: str, **options: Any) -> ModelSpec:
    return ModelSpec(formula, **{"autoscale": True, "exhaustive": (), **options})


def posterior(formula: str, frame: pd.DataFrame, **options: Any) -> xr.Dataset:
    model = spec(formula, **options)
    design = model.design(frame)
    tree, _ = sample_collapsed(design, model.priors_for(design), moments_of(design), SETTINGS)
    found = tree["posterior"].to_dataset()
    for values in found.data_vars.values():
        assert np.isfinite(values).all()
    return found


def agrees_with_dense_algebra(formula: str, frame: pd.DataFrame, *, rtol: float, **options: Any) -> None:
    model = spec(formula, **options)
    design = model.design(frame)
    priors = model.priors_for(design)
    marginal = marginal_posterior(design, priors, moments_of(design))
    theta = points(marginal.hyper, 3) + np.log(design.outcome.coded.std() / 6.0) * (
        np.arange(marginal.hyper.size) < marginal.hyper.positive
    )
    found = marginal.log_density(theta) - marginal.hyper.log_prior(theta)
    expected = [exact_log_likelihood(design, priors, natural(marginal.hyper, at)) for at in theta]
    np.testing.assert_allclose(found, expected, rtol=rtol)


# ---------------------------------------------------------------- columns


def test_constant_column_is_refused() -> None:
    with pytest.raises(ModelError) as raised:
        posterior("score ~ x + w", table().assign(x=4.5))
    assert str(raised.value) == (
        "'x' has the same value in all 60 analysed rows, so its coefficient cannot be estimated. Remove the term or "
        "check the table."
    )


def test_column_given_twice_shares_its_coefficient() -> None:
    frame = table().assign(again=lambda t: t["x"])
    agrees_with_dense_algebra("score ~ x + again + (x + again || country)", frame, rtol=1e-11)
    both = posterior("score ~ x + again", frame)["beta"]
    alone = posterior("score ~ x", frame, priors={"x": joint_prior(frame)})["beta"]
    # The sum is informed as one coefficient would be with the sum of both priors, the difference not at all.
    total = both.sel(term="x") + both.sel(term="again")
    error = 4.5 * float(alone.sel(term="x").std()) / np.sqrt(1000)  # of a difference of means of 2,000 near draws each
    assert abs(float(total.mean() - alone.sel(term="x").mean())) < error
    prior_sd = (
        spec("score ~ x + again").priors_for(spec("score ~ x + again").design(frame))["x"].prior.arguments["sigma"]
    )
    difference = (both.sel(term="x") - both.sel(term="again")) / (prior_sd * np.sqrt(2))
    # 2,000 draws of a standard normal variable: its SD within 4.5 x 1.6 %.
    assert float(difference.std()) == pytest.approx(1.0, abs=0.075)
    assert float(difference.mean()) == pytest.approx(0.0, abs=4.5 / np.sqrt(2000))


def joint_prior(frame: pd.DataFrame) -> str:
    model = spec("score ~ x + again")
    own = model.priors_for(model.design(frame))["x"].prior.arguments
    return f"Normal({2 * own['mu']!r}, {own['sigma'] * 2**0.5!r})"


def test_columns_that_nearly_repeat_each_other() -> None:
    rng = np.random.default_rng(1)
    frame = table().assign(again=lambda t: t["x"] + 1e-7 * rng.normal(size=len(t)))
    # Centred products of columns that differ in the eighth digit hold sixteen digits of 60 squares.
    agrees_with_dense_algebra("score ~ x + again + (1 | country)", frame, rtol=1e-10)


def test_factor_given_twice_under_two_names() -> None:
    frame = table().assign(again=lambda t: t["country"].astype(str))
    agrees_with_dense_algebra("score ~ x + (x || country) + (1 | again)", frame, rtol=1e-11)


def test_predictor_in_tiny_units() -> None:
    frame = table()
    plain = posterior("score ~ x + (x || country)", frame)
    tiny = posterior("score ~ x + (x || country)", frame.assign(x=frame["x"] * 1e-6))
    # Priors follow the unit (autoscale), so that draws do too: the same numbers a million times larger.
    np.testing.assert_allclose(tiny["beta"].sel(term="x") * 1e-6, plain["beta"].sel(term="x"), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(tiny["sigma"], plain["sigma"], rtol=1e-6)


# ---------------------------------------------------------------- outcomes


def test_outcome_without_variation_is_refused() -> None:
    frame = table().assign(score=52.0)
    model = spec("score ~ x + (1 | country)", priors=GIVEN)
    design = model.design(frame)
    with pytest.raises(ModelError) as raised:
        sample_collapsed(design, model.priors_for(design), moments_of(design), SETTINGS)
    assert str(raised.value) == (
        "the outcome 'score' has the same value in all analysed rows, so there is nothing to explain. Check the column."
    )
    with pytest.raises(ModelError) as raised:
        Model("score ~ x + (1 | country)", priors=GIVEN, exhaustive=()).fit(
            read_cohort(frame.drop(columns="provider")), progress=False
        )
    assert "has the same value in all analysed rows" in str(raised.value)


GIVEN = {
    "Intercept": "Normal(50, 25)",
    "x": "Normal(0, 5)",
    "sigma": "HalfNormal(25)",
    "tau_country": "HalfNormal(5)",
}


def test_outcome_in_the_billions() -> None:
    frame = table()
    frame["score"] = np.round(frame["score"] * 64) / 64
    far = frame.assign(score=frame["score"] + 4e9)
    here = posterior("score ~ x + (x || country)", frame, priors={**GIVEN})
    there = posterior("score ~ x + (x || country)", far, priors={**GIVEN, "Intercept": "Normal(4000000050, 25)"})
    # The same random numbers, so the same draws; a double near 4e9 holds seven decimal places.
    np.testing.assert_allclose(there["beta"].sel(term="Intercept") - 4e9, here["beta"].sel(term="Intercept"), atol=1e-5)
    for name in ("sigma", "u_country", "tau_country"):
        np.testing.assert_allclose(there[name], here[name], atol=1e-5, err_msg=name)


def test_outcome_that_varies_in_the_ninth_decimal_place() -> None:
    frame = table()
    tiny = frame.assign(score=(frame["score"] - 40) * 1e-10)
    here = posterior("score ~ x + (x || country)", frame.assign(score=frame["score"] - 40))
    there = posterior("score ~ x + (x || country)", tiny)
    assert float(tiny["score"].std()) == pytest.approx(1e-9, rel=0.5)
    for name in here.data_vars:
        np.testing.assert_allclose(there[name] * 1e10, here[name], rtol=1e-5, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("formula", ["score ~ x", "score ~ x + (1 | country)", "score ~ x + (x | country)"])
@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
def test_predictors_that_explain_the_outcome_exactly(formula: str, unit: float) -> None:
    frame = table().assign(score=lambda t: unit * (3 * t["x"] - 2))
    with pytest.raises(SamplingError) as raised:
        posterior(formula, frame)
    assert str(raised.value) == (
        "sigma runs to zero: the predictors explain the outcome exactly. Remove the term that repeats the outcome, "
        "or check the columns."
    )


def test_predictors_that_explain_the_outcome_of_one_level_exactly() -> None:
    frame = table().assign(score=lambda t: t["score"].where(t["arm"] != "therapist", 20 + 5 * t["x"]))
    with pytest.raises(SamplingError) as raised:
        posterior("score ~ x * arm", frame, residual_by="arm")
    assert str(raised.value).startswith("sigma[therapist] runs to zero: ")


@pytest.mark.parametrize("share", [1e-8, 1e-30])
def test_the_search_comes_back_from_a_residual_sd_of_next_to_nothing(
    monkeypatch: pytest.MonkeyPatch, share: float
) -> None:
    """A long step of the search may end there, and the model was then refused as if its predictors explained all."""
    model = spec("score ~ x + (x || country)", residual_by="arm")
    frame = table().astype({"arm": str})
    # Two rows that predictors and level effects can explain, but for their priors.
    frame.loc[frame.index[:2], "arm"] = "few"
    design = model.design(frame)
    marginal = marginal_posterior(design, model.priors_for(design), moments_of(design))
    usual = proposal.starting_point
    modes = [proposal.find_mode(marginal, marginal.equations.outcome_sd)[0]]

    def below(*arguments: Any) -> np.ndarray:
        start = usual(*arguments)
        start[marginal.hyper.names.index("sigma[few]")] += np.log(share)
        return start

    monkeypatch.setattr(proposal, "starting_point", below)
    modes.append(proposal.find_mode(marginal, marginal.equations.outcome_sd)[0])
    # Either search ends where the density has less than half of 1e-3 to rise.
    np.testing.assert_allclose(*(marginal.log_density(mode[None]) for mode in modes), rtol=0, atol=5e-4)


@pytest.mark.parametrize("noise", [1e-4, 1e-2])
def test_predictors_that_nearly_explain_the_outcome(noise: float) -> None:
    frame = table().assign(score=lambda t: 3 * t["x"] - 2 + noise * np.random.default_rng(2).normal(size=len(t)))
    found = posterior("score ~ x + (1 | country)", frame)
    # The SD of an estimated residual SD of 60 rows is 9 % of it.
    assert float(found["sigma"].mean()) == pytest.approx(noise, rel=0.32)


# ---------------------------------------------------------------- few and many rows


def test_two_rows() -> None:
    frame = pd.DataFrame({"score": [40.0, 60.0], "x": [4.0, 5.0], "group": ["a", "b"]})
    options: dict[str, Any] = {
        "priors": {**{k: GIVEN[k] for k in ("Intercept", "x", "sigma")}, "tau_group": "HalfNormal(5)"}
    }
    agrees_with_dense_algebra("score ~ x + (x || group)", frame, rtol=1e-12, **options)
    found = posterior("score ~ x + (x || group)", frame, **options)
    # Two rows hardly move what the prior says of the slope's SD of 5.
    assert 3 < float(found["beta"].sel(term="x").std()) < 6
    assert abs(float(found["beta"].sel(term="Intercept").mean()) - 50) < 3


def test_levels_of_one_row() -> None:
    frame = table(40).assign(own=[f"r{k}" for k in range(40)])
    agrees_with_dense_algebra("score ~ x + (x | own)", frame, rtol=1e-11)
    found = posterior("score ~ x + (1 | own)", frame)
    assert found.sizes["own"] == 40
    # Level and residual cannot be told apart: only the sum of both variances is known, and is that of the residuals.
    together = np.sqrt(found["sigma"] ** 2 + found["tau_own"].sel(own_term="Intercept") ** 2)
    residual = np.linalg.lstsq(np.c_[np.ones(40), frame["x"]], frame["score"], rcond=None)[1][0]
    assert float(together.mean()) == pytest.approx(np.sqrt(residual / 38), rel=0.15)  # one SD of it is 1 / sqrt(76)


def test_a_billion_rows_in_moments() -> None:
    frame, model = (
        table(),
        ModelSpec("score ~ x + w", priors={**{k: GIVEN[k] for k in ("Intercept", "x", "sigma")}, "w": "Normal(0, 1)"}),
    )
    design = model.design(frame)
    moments = moments_of(design)
    many = replace(moments, counts=1e9 * moments.counts, cross=1e9 * moments.cross)
    tree, info = sample_collapsed(design, model.priors_for(design), many, SETTINGS)
    assert "fallback" not in info
    beta, sigma = tree["posterior"]["beta"], tree["posterior"]["sigma"]
    x, y = design.rows.x, design.outcome.coded
    estimate, squares = np.linalg.lstsq(x, y, rcond=None)[:2]
    sd = np.sqrt(squares[0] / 60)
    error = sd * np.sqrt(np.diag(np.linalg.inv(1e9 * x.T @ x)))
    draws = beta.values.reshape(-1, 3)
    # Standard errors of 3e-5 and less; the prior moves nothing. Means of 2,000 near-independent draws, and their SDs.
    assert np.abs((draws.mean(axis=0) - estimate) / error).max() < 4.5 / np.sqrt(1500)
    np.testing.assert_allclose(draws.std(axis=0) / error, 1.0, atol=4.5 / np.sqrt(2 * 1500))
    z = (sigma.values.ravel() - sd) / (sd / np.sqrt(2 * 60e9))
    assert abs(z.mean()) < 4.5 / np.sqrt(1000)
    assert z.std() == pytest.approx(1.0, abs=4.5 / np.sqrt(2 * 1000))


def test_hundreds_of_levels_in_two_crossed_factors() -> None:
    rng, n = np.random.default_rng(3), 3000
    frame = pd.DataFrame(
        {
            "x": rng.normal(0, 1, n),
            "a": [f"a{k}" for k in rng.integers(0, 400, n)],
            "b": [f"b{k}" for k in rng.integers(0, 60, n)],
        }
    )
    a, b = rng.normal(0, 3, 400), rng.normal(0, 2, 60)
    frame["score"] = (
        10
        + 2 * frame["x"]
        + a[frame["a"].str[1:].astype(int)]
        + b[frame["b"].str[1:].astype(int)]
        + rng.normal(0, 4, n)
    )
    found = posterior("score ~ x + (1 | a) + (1 | b)", frame)
    for name, planted, sd in (("tau_a", 3.0, 0.16), ("tau_b", 2.0, 0.22)):
        # The SD of an estimated scale is near 1 / sqrt(2 levels) of it; three and a half of them.
        assert abs(float(found[name].mean()) - planted) < 3.5 * sd, name
    assert abs(float(found["sigma"].mean()) - 4.0) < 3.5 * 4 / np.sqrt(2 * 2540)
    assert abs(float(found["beta"].sel(term="x").mean()) - 2.0) < 3.5 * 4 / np.sqrt(2540)
