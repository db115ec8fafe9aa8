"""The plain table of parameters: coefficients with predictors at zero give the predictions of the fit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import alliance_bayes as ab
from alliance_bayes.effects import coefficients, effects
from alliance_bayes.effects.table import EffectTable
from alliance_bayes.errors import UsageError
from alliance_bayes.fit import FittedModel
from builders import fitted, of_family, rows


def draws(table: EffectTable, estimand: str) -> dict[str, np.ndarray]:
    at = table[table["estimand"] == estimand]
    return {str(row["term"]): table.draws[str(name)].ravel() for name, row in at.iterrows()}


def test_at_zero_they_are_those_of_columns_without_centring() -> None:
    """A product with a factor's levels, one of two numbers, and an offset: the whole predictor, written out."""
    frame = rows(60, countries=3).assign(start=np.linspace(2, 9, 60))
    fit = fitted(
        frame,
        formula="who5_followup ~ alliance * sex + who5_baseline * alliance + offset(start) + (1 | country)",
        chains=2,
        draws=5,
        sds={"beta": 0.7},
    )
    found = draws(coefficients(fit), "coefficient")
    male = (fit.design.frame["sex"] == "male").to_numpy(float)
    x, w, start = (fit.design.frame[name].to_numpy() for name in ("alliance", "who5_baseline", "start"))
    columns = {
        "Intercept": np.ones(60),
        "alliance": x,
        "sex[male]": male,
        "who5_baseline": w,
        "alliance:sex[male]": x * male,
        "who5_baseline:alliance": x * w,
    }
    assert set(found) == set(columns)
    eta = sum(np.outer(found[name], column) for name, column in columns.items()) + start
    np.testing.assert_allclose(eta, fit.linear_predictor(without=("country",)), rtol=0, atol=1e-8)


def test_sds_and_correlations_of_correlated_effects_move_with_the_predictor() -> None:
    fit = fitted(
        rows(60, countries=4),
        formula="who5_followup ~ alliance + (alliance | country)",
        chains=1,
        draws=6,
        means={"tau_country": [3.0, 2.0]},
    )
    posterior = fit.posterior
    corr = np.broadcast_to([[1.0, 0.5], [0.5, 1.0]], posterior["corr_country"].shape).copy()
    posterior["corr_country"] = (posterior["corr_country"].dims, corr)
    fit = replace(
        fit,
        tree=xr.DataTree.from_dict({"posterior": posterior, "sample_stats": fit.tree["sample_stats"].to_dataset()}),
    )
    table, tau, c = coefficients(fit), fit.stacked["tau_country"], fit.design.centres["alliance"]
    level, slope = tau.T
    # Of u0 - c u1, the effect at an alliance of 0.
    variance = level**2 - 2 * c * 0.5 * level * slope + c**2 * slope**2
    covariance = 0.5 * level * slope - c * slope**2
    sds = draws(table, "level_sd")
    np.testing.assert_allclose(sds["Intercept"], np.sqrt(variance), rtol=1e-9)
    np.testing.assert_allclose(sds["alliance"], slope, rtol=1e-12)
    correlation = draws(table, "level_correlation")["Intercept, alliance"]
    np.testing.assert_allclose(correlation, covariance / np.sqrt(variance) / slope, rtol=1e-9)
    centred = coefficients(fit, at="centre")
    np.testing.assert_allclose(draws(centred, "level_sd")["Intercept"], level, rtol=1e-12)
    np.testing.assert_allclose(draws(centred, "level_correlation")["Intercept, alliance"], 0.5, rtol=1e-12)
    beta = fit.stacked["beta"]
    np.testing.assert_allclose(draws(centred, "coefficient")["Intercept"], beta[:, 0], rtol=1e-12)
    np.testing.assert_allclose(draws(table, "coefficient")["Intercept"], beta[:, 0] - c * beta[:, 1], rtol=1e-9)


def test_what_cannot_be_moved_says_where_it_is() -> None:
    fit = fitted(rows(60), formula="who5_followup ~ alliance + (alliance || country)", chains=1, draws=4)
    table = coefficients(fit)
    notes = table[table["estimand"] == "level_sd"]["note"]
    assert notes.tolist() == [f"at alliance = {fit.design.centres['alliance']:.4g}"] * 2
    assert table[table["estimand"] == "coefficient"]["note"].isna().all()
    # With a centring value of 0 there is nothing to move.
    fit = fitted(
        rows(60),
        formula="who5_followup ~ alliance + (alliance || country)",
        chains=1,
        draws=4,
        spec={"centre": {"alliance": 0.0}},
    )
    assert coefficients(fit)["note"].isna().all()


def test_parameters_of_the_family_and_of_residual_strata() -> None:
    frame, spec = of_family(rows(60), "cumulative")
    fit = fitted(frame, formula="who5_followup ~ alliance + (1 | country)", chains=1, draws=4, spec=spec)
    found = draws(coefficients(fit), "parameter")
    cutpoints = fit.stacked["cutpoints"]
    assert list(found) == [f"cutpoints[{k + 1}]" for k in range(cutpoints.shape[1])]
    np.testing.assert_array_equal(found["cutpoints[2]"], cutpoints[:, 1])
    # Without an intercept, a slope's predictor cannot be moved: the cutpoints are the intercepts.
    table = coefficients(fit)
    assert table.loc["coefficient/alliance", "note"] == f"at alliance = {fit.design.centres['alliance']:.4g}"
    strata = fitted(rows(60), formula="who5_followup ~ alliance", chains=1, draws=4, spec={"residual_by": "sex"})
    table = coefficients(strata)
    own = table[table["estimand"] == "parameter"]
    assert own["level"].tolist() == ["female", "male"]
    np.testing.assert_array_equal(table.draws[own.index[1]].ravel(), strata.stacked["sigma"][:, 1])


def test_units_populations_and_refusals() -> None:
    fit = fitted(rows(60), formula="who5_followup ~ alliance * age + (alliance | country)", chains=1, draws=4)
    table = coefficients(fit, prob=0.5, interval="hdi")
    assert table.loc["coefficient/alliance:age", "unit"] == "WHO-5 point per alliance point × year"
    assert table["population"].isna().all()
    assert set(table["prob"]) == {0.5}
    with pytest.raises(UsageError, match="at should be one of 'zero', 'centre' but got 'mean'"):
        coefficients(fit, at="mean")  # type: ignore[arg-type]
    both = effects(fit, {"slopes": {}, "coefficients": {"at": "centre"}})
    assert isinstance(both, pd.DataFrame)
    assert "coefficient/alliance" in both.index


def fit_of_moments(folder: Path) -> FittedModel:
    """Rows out of reach: weighted points of the same moments stand for them."""
    table = ab.write_cohort(ab.simulate_cohort(n=400, seed=3), folder / "cohort.csv")
    model = ab.Model("who5_followup ~ alliance * who5_baseline + (1 | country)")
    return model.fit(ab.reduce_table(table, model), seed=1, progress=False)


def test_a_fit_of_moments_has_them_too(tmp_path: Path) -> None:
    fit = fit_of_moments(tmp_path)
    found, beta, c = draws(coefficients(fit), "coefficient"), fit.stacked["beta"], fit.design.centres
    x, w = c["alliance"], c["who5_baseline"]
    place = {term: k for k, term in enumerate(fit.design.terms)}
    product = beta[:, place["alliance:who5_baseline"]]
    np.testing.assert_allclose(found["alliance"], beta[:, place["alliance"]] - w * product, rtol=1e-7)
    expected = beta[:, 0] - x * beta[:, place["alliance"]] - w * beta[:, place["who5_baseline"]] + x * w * product
    np.testing.assert_allclose(found["Intercept"], expected, rtol=1e-7)


def test_odds_ratios_are_exponentials_of_coefficients_on_log_odds() -> None:
    frame, spec = of_family(rows(80), "bernoulli")
    fit = fitted(frame, formula="who5_followup ~ alliance * sex", spec=spec, means={"beta": 0.3})
    table = coefficients(fit)
    ratios = table[table["estimand"] == "odds_ratio"]
    assert ratios["term"].tolist() == ["alliance", "sex[male]", "alliance:sex[male]"]
    for row, term in zip(ratios.index, ratios["term"], strict=True):
        np.testing.assert_allclose(table.draws[row], np.exp(table.draws[f"coefficient/{term}"]), rtol=1e-12)
    # One is no effect, so there is no probability of being above zero.
    assert ratios["p_direction"].isna().all()
    assert "odds_ratio" not in set(coefficients(fitted(rows(80), formula="who5_followup ~ alliance"))["estimand"])
