"""Variance shares, intraclass correlations and R2, against the linear predictor row by row."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import special

from alliance_bayes.effects import bayesian_r2, slopes, variance_partition
from alliance_bayes.fit import FittedModel
from alliance_bayes.model import FAMILIES, Rows
from builders import fitted, of_family, rows

FORMULA = "who5_followup ~ alliance + who5_baseline + (alliance || sex) + (alliance | country) + (1 | sex:country)"


def built(family: str) -> FittedModel:
    frame, options = of_family(rows(60, countries=4, seed=5), family)
    linear = family in ("gaussian", "student_t", "censored_gaussian")
    return fitted(
        frame,
        formula=FORMULA,
        means={} if linear else {"beta": 0.1},
        sds={"beta": 0.1, "u_country": 1.0 if linear else 0.3, "u_sex": 1.0 if linear else 0.3, "sigma": 1.0},
        chains=2,
        draws=10,
        spec=options,
    )


@pytest.fixture(scope="module", params=list(FAMILIES))
def fit(request: pytest.FixtureRequest) -> FittedModel:
    return built(request.param)


def part(fit: FittedModel, name: str | None) -> np.ndarray:
    """What one factor (None: the common terms) adds to the linear predictor, shape (n_draws, n_rows)."""
    own = fit.design.rows
    x = own.x if name is None else np.zeros_like(own.x)
    z = {factor: values if factor == name else np.zeros_like(values) for factor, values in own.z.items()}
    return fit.linear_predictor(Rows(x, z, own.index))


def latent_residual(fit: FittedModel) -> np.ndarray:
    match fit.spec.family:
        case "gaussian" | "censored_gaussian":
            return fit.stacked["sigma"] ** 2
        case "student_t":
            return fit.stacked["sigma"] ** 2 * fit.stacked["nu"] / (fit.stacked["nu"] - 2)
        case "bernoulli" | "binomial" | "cumulative":
            return np.full(20, np.pi**2 / 3)
        case "poisson":
            return special.polygamma(1, fit.predict().mean("obs").values.ravel())
        case "negative_binomial":
            mean = fit.predict().mean("obs").values.ravel()
            return special.polygamma(1, 1 / (1 / mean + 1 / fit.stacked["alpha"]))
    # 25 steps of 4 points: variance of the score over the squared slope of 100 p with respect to the linear predictor.
    p = fit.predict().mean("obs").values.ravel() / 100
    variance = 16 * 25 * p * (1 - p) * (1 + 24 / (fit.stacked["phi"] + 1))
    return np.asarray(variance / (100 * p * (1 - p)) ** 2)


def test_shares_are_variances_of_contributions(fit: FittedModel) -> None:
    table = variance_partition(fit)
    shares = table[table["estimand"] == "variance_share"]
    names = shares["factor"].where(shares["factor"].notna(), shares["term"]).tolist()
    assert names == ["common terms", "sex", "country", "sex:country", "covariance", "residual"]
    total = fit.linear_predictor().var(axis=1, ddof=1) + latent_residual(fit)
    draws = {name: shares.draws[row].ravel() for name, row in zip(names, shares.index, strict=True)}
    # Averages of the beta-binomial and of counts are interpolated, to 1e-8 of the range; all else is exact to rounding.
    rtol = 1e-6 if fit.spec.family in ("beta_binomial", "poisson", "negative_binomial") else 1e-9
    for name in ("sex", "country", "sex:country"):
        np.testing.assert_allclose(draws[name], part(fit, name).var(axis=1, ddof=1) / total, rtol=rtol)
    np.testing.assert_allclose(draws["common terms"], part(fit, None).var(axis=1, ddof=1) / total, rtol=rtol)
    np.testing.assert_allclose(draws["residual"], latent_residual(fit) / total, rtol=rtol)
    np.testing.assert_allclose(sum(draws.values()), np.ones(20), rtol=1e-12)
    latent = " (scale of the linear predictor)" if fit.design.family.link != "identity" else ""
    assert set(shares["denominator"]) == {f"variance of the linear predictor + residual variance{latent}"}
    assert set(shares["unit"]) == {"share of variance"}


def test_icc_is_the_correlation_of_two_people_of_one_new_level(fit: FittedModel) -> None:
    table = variance_partition(fit)
    rows_ = table[table["estimand"] == "icc"]
    assert rows_["factor"].tolist() == ["country", "sex:country"]
    assert rows_["population"].tolist() == ["new", "new"]
    assert set(rows_["unit"]) == {"correlation"}
    assert "two people of one sex:country share country, too" in rows_["note"].tolist()[1]
    z = fit.design.rows.z["country"]
    tau, correlation = fit.stacked["tau_country"], fit.stacked["corr_country"]
    covariance = tau[:, :, None] * correlation * tau[:, None, :]
    # Over all pairs of the analysed people, themselves included: two people drawn at random.
    pairs = np.einsum("it,dts,js->dij", z, covariance, z)
    shared, own = pairs.mean(axis=(1, 2)), np.einsum("dii->di", pairs).mean(axis=1)
    combined = fit.stacked["tau_sex:country"][:, 0] ** 2
    total = own + combined + latent_residual(fit)
    np.testing.assert_allclose(table.draws["icc/country/new"].ravel(), shared / total, rtol=1e-6)
    np.testing.assert_allclose(table.draws["icc/sex:country/new"].ravel(), (shared + combined) / total, rtol=1e-6)


@pytest.mark.parametrize("correlation", [-0.6, 0.0, 0.6])
def test_icc_by_simulation_of_new_levels(correlation: float) -> None:
    # People of 40 clinics, of which 8 are in a region; the slope varies between clinics, its mean is far from 0.
    rng = np.random.default_rng(0)
    clinic = np.repeat(np.arange(40), 5)
    frame = pd.DataFrame({"clinic": clinic.astype(str), "region": (clinic // 8).astype(str)})
    frame["x"], frame["y"] = 3 + rng.normal(size=200), rng.normal(size=200)
    fit = fitted(
        frame,
        formula="y ~ x + (x | clinic) + (1 | region)",
        means={"tau_clinic": [1.0, 0.8], "tau_region": 0.7, "sigma": 1.5},
        sds=dict.fromkeys(("tau_clinic", "tau_region", "sigma"), 0.0),
        spec={"autoscale": True, "centre": {"x": 2.0}},
        chains=1,
        draws=4,
    )
    matrix = np.broadcast_to(np.array([[1, correlation], [correlation, 1]]), (1, 4, 2, 2))
    fit.tree["posterior"] = fit.posterior.assign(corr_clinic=(fit.posterior["corr_clinic"].dims, matrix))
    fit = FittedModel(fit.spec, fit.design, fit.priors, fit.tree, fit.flow, fit.info)
    found = variance_partition(fit).set_index("estimand").loc["icc"].set_index("factor")["mean"]
    pairs = 400_000
    u = rng.multivariate_normal([0, 0], [[1, 0.8 * correlation], [0.8 * correlation, 0.64]], size=(pairs, 2))
    region = 0.7 * rng.normal(size=(pairs, 2))
    x = rng.choice(frame["x"].to_numpy(), (pairs, 2)) - 2.0
    noise = 1.5 * rng.normal(size=(pairs, 2))

    def correlated(clinics: np.ndarray, regions: np.ndarray) -> float:
        return float(np.corrcoef((clinics[..., 0] + clinics[..., 1] * x + regions + noise).T)[0, 1])

    # The SE of a correlation of 400,000 pairs is below .0016.
    assert found["clinic"] == pytest.approx(correlated(u[:, [0, 0]], region[:, [0, 0]]), abs=0.008)
    assert found["region"] == pytest.approx(correlated(u, region[:, [0, 0]]), abs=0.008)


def test_bayesian_r2_is_that_of_gelman_et_al(fit: FittedModel) -> None:
    table = bayesian_r2(fit)
    assert (len(table), table["estimand"].iloc[0], table["population"].iloc[0]) == (1, "bayesian_r2", "sample")
    eta = fit.linear_predictor()
    expected = fit.predict().values.reshape(20, -1).var(axis=1, ddof=1)
    residual = fit.design.family.residual_variance(eta, fit.parameters, fit.design.outcome).mean(axis=1)
    # Interpolated for families that are not linear, to 1e-8 of the outcome's range.
    np.testing.assert_allclose(table.draws["bayesian_r2/sample"].ravel(), expected / (expected + residual), rtol=1e-6)


def test_a_model_without_anything_to_explain() -> None:
    fit = fitted(rows(30), formula="who5_followup ~ 1", chains=1, draws=6)
    table = variance_partition(fit).set_index("term")
    assert table["mean"].to_dict() == {"common terms": 0.0, "covariance": 0.0, "residual": 1.0}
    assert bayesian_r2(fit)["mean"].tolist() == [0.0]


def test_a_predictor_that_the_priors_let_vary_but_that_does_nothing() -> None:
    fit = fitted(rows(30), formula="who5_followup ~ alliance", means={"beta": [45.0, 0.0]}, sds={"beta": [1.0, 0.0]})
    found = slopes(fit).set_index("estimand")["mean"]
    assert found[["slope", "delta_r2", "partial_correlation"]].tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("nu", [1.5, 2.0])
def test_an_infinite_residual_variance_is_all_there_is(nu: float) -> None:
    fit = fitted(
        rows(40),
        formula="who5_followup ~ alliance + (1 | country)",
        means={"nu": nu},
        sds={"nu": 0.0},
        spec={"family": "student_t"},
        chains=2,
        draws=10,
    )
    note = "the residual variance is infinite (nu <= 2) in 100.0% of the draws, which count as 0"
    table = variance_partition(fit)
    assert table["mean"].tolist() == [0.0, 0.0, 0.0, 1.0, 0.0]
    assert set(table["note"]) == {note}
    assert (bayesian_r2(fit)["mean"].tolist(), bayesian_r2(fit)["note"].tolist()) == ([0.0], [note])
    shares = slopes(fit).set_index("estimand").loc[["partial_correlation", "delta_r2"]]
    assert (shares["mean"].tolist(), set(shares["note"])) == ([0.0, 0.0], {note})


def test_centring_values_far_away_cost_no_digits() -> None:
    frame = rows(60)
    near = fitted(frame, formula="who5_followup ~ alliance + age", chains=2, draws=10)
    far = fitted(
        frame,
        formula="who5_followup ~ alliance + age",
        chains=2,
        draws=10,
        spec={"centre": {"alliance": 1e7, "age": -1e7}},
    )
    # 1e7 leaves 9 digits of the columns; squared without taking means out first, nothing would be left.
    np.testing.assert_allclose(bayesian_r2(far)["mean"], bayesian_r2(near)["mean"], rtol=1e-7)


def test_a_large_factor_is_no_burden() -> None:
    frame = rows(3000, countries=1200)
    fit = fitted(frame, formula="who5_followup ~ alliance + (alliance || country)", chains=1, draws=8)
    shares = variance_partition(fit).draws
    total = fit.linear_predictor().var(axis=1, ddof=1) + fit.stacked["sigma"] ** 2
    np.testing.assert_allclose(
        shares["variance_share/country/sample"].ravel(), part(fit, "country").var(axis=1, ddof=1) / total, rtol=1e-9
    )
    assert np.isfinite(slopes(fit)["median"]).all()
