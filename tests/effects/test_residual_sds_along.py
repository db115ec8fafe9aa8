"""Where the residual SD differs along columns, effects use each row's own, and where rows are set, that of it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from alliance_bayes.effects import (
    adjusted_means,
    bayesian_r2,
    coefficients,
    contrasts,
    improvement,
    predictions,
    responders,
    slopes,
    superiority,
    variance_partition,
)
from alliance_bayes.fit import FittedModel
from alliance_bayes.model import Rows
from builders import fitted, rows

FORMULA = "who5_followup ~ alliance + who5_baseline + sex + (1 || country)"


def built(family: str) -> FittedModel:
    return fitted(
        rows(90, countries=3, seed=4),
        formula=FORMULA,
        means={"sigma": 14.0, "nu": 8.0, "gamma": [-0.6, 0.4]},
        sds={"sigma": 0.5, "beta": 0.3, "u_country": 2.0, "gamma": 0.05},
        chains=2,
        draws=15,
        spec={"family": family, "sigma": "~ alliance + sex"},
    )


@pytest.fixture(scope="module", params=["gaussian", "student_t", "censored_gaussian"])
def fit(request: pytest.FixtureRequest) -> FittedModel:
    return built(request.param)


def sigma_of(fit: FittedModel, frame: pd.DataFrame) -> np.ndarray:
    """Residual SDs of rows by the definition, shape (n_draws, n)."""
    columns = np.column_stack([frame["alliance"] - fit.design.frame["alliance"].mean(), frame["sex"] == "male"])
    return np.array(
        [s * np.exp(columns.astype(float) @ g) for s, g in zip(fit.stacked["sigma"], fit.stacked["gamma"], strict=True)]
    )


def own(fit: FittedModel, frame: pd.DataFrame) -> tuple[np.ndarray, dict[str, np.ndarray], Rows]:
    made = fit.design.evaluate(frame)
    return fit.linear_predictor(made), {**fit.parameters, "sigma": sigma_of(fit, frame)}, made


def test_every_row_has_its_own_sd_in_likelihood_and_predictions(fit: FittedModel) -> None:
    frame, family, outcome = fit.design.frame, fit.design.family, fit.design.outcome
    np.testing.assert_allclose(fit.parameters_at()["sigma"], sigma_of(fit, frame), rtol=1e-12)
    eta, parameters, _ = own(fit, frame)
    expected = family.log_density(eta, parameters, outcome)
    np.testing.assert_allclose(fit.log_likelihood().values.reshape(30, -1), expected, rtol=1e-12)
    other = frame.head(4).assign(alliance=[1.0, 2.0, 4.0, 5.0])
    eta, parameters, made = own(fit, other)
    np.testing.assert_allclose(
        fit.predict(other).values.reshape(30, -1), family.expectation(eta, parameters, outcome.of(made.trials))
    )
    spread = fit.predict(pd.concat([other] * 300), kind="outcome").values.reshape(30, 300, 4)
    if fit.spec.family == "gaussian":
        # SDs of 9,000 simulated outcomes around their draws' expectations: known to 0.75 %, five of these.
        away = (spread - eta[:, None]) / parameters["sigma"][:, None]
        np.testing.assert_allclose(away.std(axis=(0, 1)), 1.0, atol=0.0375)


def test_r2_cohens_d_and_shares_take_the_mean_over_rows_of_the_variance(fit: FittedModel) -> None:
    frame, family, outcome = fit.design.frame, fit.design.family, fit.design.outcome
    eta, parameters, _ = own(fit, frame)
    residual = family.residual_variance(eta, parameters, outcome).mean(axis=1)
    explained = family.expectation(eta, parameters, outcome).var(axis=1, ddof=1)
    found = bayesian_r2(fit).draws["bayesian_r2/sample"].ravel()
    np.testing.assert_allclose(found, explained / (explained + residual), rtol=1e-10)
    table = contrasts(fit, "sex")
    points = table.draws[table.index[table["estimand"] == "contrast_of_means"][0]].ravel()
    d = table.draws[table.index[table["estimand"] == "cohens_d_of_means"][0]].ravel()
    np.testing.assert_allclose(d, points / np.sqrt(residual), rtol=1e-9)
    latent = (parameters["sigma"] ** 2).mean(axis=1)
    if fit.spec.family == "student_t":
        latent = latent * fit.stacked["nu"] / (fit.stacked["nu"] - 2)
    shares = variance_partition(fit)
    row = shares.index[shares["term"] == "residual"][0]
    np.testing.assert_allclose(shares.draws[row].ravel(), latent / (eta.var(axis=1, ddof=1) + latent), rtol=1e-10)


def chance(fit: FittedModel, frame: pd.DataFrame, cut: float) -> np.ndarray:
    """Probability of more than a cut of each row, shape (n_draws, n)."""
    eta, parameters, _ = own(fit, frame)
    return 1 - fit.design.family.standard_cdf((cut - eta) / parameters["sigma"], parameters)


def test_shares_beyond_a_value_are_of_each_rows_distribution_where_it_is_set(fit: FittedModel) -> None:
    frame = fit.design.frame
    table = responders(fit, at_least=60, factor="sex", population="sample")
    for level in ("female", "male"):
        row = table.index[(table["level"] == level) & (table["estimand"] == "share_at_least")][0]
        # A score of at least 60 in steps of 4 is cut at 58. What is set has the SD of its level, too.
        expected = chance(fit, frame.assign(sex=level), 58.0).mean(axis=1)
        np.testing.assert_allclose(table.draws[row].ravel(), expected, rtol=1e-10)
    table = responders(fit, at_least=60, at={"alliance": [2, 5]}, population="sample")
    for value, row in zip((2.0, 5.0), table.index, strict=True):
        np.testing.assert_allclose(
            table.draws[row].ravel(), chance(fit, frame.assign(alliance=value), 58.0).mean(axis=1)
        )
    better = improvement(fit, by=10)
    # At least 10 more, in steps of 4, is more than the baseline by 10, which nobody above 88 reaches on a scale to 100.
    found = chance(fit, frame, frame["who5_baseline"].to_numpy() + 10.0)
    found = np.where(frame["who5_baseline"].to_numpy() + 10 <= 100, found, 0.0).mean(axis=1)
    np.testing.assert_allclose(better.draws[better.index[0]].ravel(), found, rtol=1e-9)


def test_level_effects_that_are_integrated_out_widen_every_rows_distribution(fit: FittedModel) -> None:
    frame = fit.design.frame
    table = responders(fit, at_least=60, population="average")
    made = fit.design.evaluate(frame)
    eta = fit.linear_predictor(made, without=("country",))
    nodes, weights = np.polynomial.hermite_e.hermegauss(41)
    tau, parameters = fit.stacked["tau_country"], {**fit.parameters, "sigma": sigma_of(fit, frame)}
    expected = sum(
        weight * (1 - fit.design.family.standard_cdf((58.0 - eta - tau * node) / parameters["sigma"], parameters))
        for node, weight in zip(nodes, weights / weights.sum(), strict=True)
    ).mean(axis=1)
    # Quadrature is right to 1e-6.
    np.testing.assert_allclose(table.draws[table.index[0]].ravel(), expected, rtol=0, atol=2e-6)


def test_an_outcome_of_one_further_person_has_the_sd_of_what_it_is_set_to() -> None:
    fit = built("gaussian")
    table = predictions(fit, kind="outcome", at={"alliance": [2, 5]}, population="sample")
    # exp(-0.6 * 3): the same rows and random numbers, so that residuals have this ratio to the draw.
    low, high = (table.draws[row].ravel() for row in table.index)
    rng = np.random.default_rng([0, 0])
    place = rng.integers(fit.design.rows.n, size=30)
    residuals = []
    for value, drawn in ((2.0, low), (5.0, high)):
        eta = fit.linear_predictor(fit.design.evaluate(fit.design.frame.assign(alliance=value)))[np.arange(30), place]
        residuals.append(drawn - eta)
    np.testing.assert_allclose(residuals[1] / residuals[0], np.exp(3 * fit.stacked["gamma"][:, 0]), rtol=1e-9)


def test_superiority_and_slopes_are_there(fit: FittedModel) -> None:
    table = superiority(fit, "sex", population="sample")
    row = table.index[table["estimand"] == "probability_of_superiority"][0]
    if fit.spec.family == "gaussian":
        from scipy import special

        frame = fit.design.frame
        (a, pa, _), (b, pb, _) = (own(fit, frame.assign(sex=level)) for level in ("male", "female"))
        apart = (a[:, :, None] - b[:, None]) / np.hypot(pa["sigma"][:, :, None], pb["sigma"][:, None])
        # Cells of an eighth of an SD.
        np.testing.assert_allclose(table.draws[row].ravel(), special.ndtr(apart).mean(axis=(1, 2)), atol=1e-4)
    assert np.isfinite(slopes(fit)["median"]).all()


def test_a_censored_means_slope_has_the_sds_part_in_it() -> None:
    fit = built("censored_gaussian")
    frame, outcome = fit.design.frame, fit.design.outcome

    def mean(by: float) -> np.ndarray:
        eta, parameters, _ = own(fit, frame.assign(alliance=frame["alliance"] + by))
        return fit.design.family.expectation(eta, parameters, outcome).mean(axis=1)

    table = slopes(fit, population="sample")
    found = table.draws["slope/alliance/sample"].ravel()
    # Both are central differences.
    np.testing.assert_allclose(found, (mean(1e-4) - mean(-1e-4)) / 2e-4, rtol=1e-5, atol=1e-7)
    levels = adjusted_means(fit, "sex", population="sample")
    for level in ("female", "male"):
        eta, parameters, _ = own(fit, frame.assign(sex=level))
        expected = fit.design.family.expectation(eta, parameters, outcome).mean(axis=1)
        row = levels.index[levels["level"] == level][0]
        np.testing.assert_allclose(levels.draws[row].ravel(), expected, rtol=1e-10)


def test_the_table_of_parameters_has_the_sd_at_the_centre_and_its_slopes(fit: FittedModel) -> None:
    table = coefficients(fit)
    parameters = table[table["estimand"] == "parameter"].set_index("term")
    assert {"sigma", "gamma[alliance]", "gamma[sex[male]]"} <= set(parameters.index)
    assert parameters.loc["gamma[alliance]", "mean"] == pytest.approx(fit.stacked["gamma"][:, 0].mean(), rel=1e-12)
