"""Where the residual SD differs by level, effects use each row's own, and denominators its average over the rows."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest

from alliance_bayes.effects import adjusted_means, bayesian_r2, contrasts, slopes, variance_partition
from alliance_bayes.fit import FittedModel
from builders import fitted, rows

FORMULA = "who5_followup ~ alliance + sex + (alliance || country)"
SIGMA = [6.0, 30.0, 15.0]


def built(family: str, *, residual_by: str = "provider_type", sigma: object = SIGMA) -> FittedModel:
    return fitted(
        rows(90, countries=3, seed=4),
        formula=FORMULA,
        means={"sigma": sigma, "nu": 8.0},
        sds={"sigma": 0.5, "beta": 0.3, "u_country": 2.0},
        chains=2,
        draws=15,
        spec={"family": family, "residual_by": residual_by},
    )


@pytest.fixture(scope="module", params=["gaussian", "student_t", "censored_gaussian"])
def fit(request: pytest.FixtureRequest) -> FittedModel:
    return built(request.param)


def average_of_rows(fit: FittedModel) -> np.ndarray:
    """Residual variance row by row, averaged, shape (n_draws,)."""
    design = fit.design
    by_row = design.family.residual_variance(fit.linear_predictor(), fit.parameters_at(), design.outcome)
    return by_row.mean(axis=1)


def test_r2_and_cohens_d_take_the_average_of_the_rows(fit: FittedModel) -> None:
    residual = average_of_rows(fit)
    explained = fit.predict().values.reshape(30, -1).var(axis=1, ddof=1)
    # The censored family is interpolated, to 1e-8 of the outcome's range; the others are exact to rounding.
    rtol = 1e-6 if fit.spec.family == "censored_gaussian" else 1e-10
    found = bayesian_r2(fit).draws["bayesian_r2/sample"].ravel()
    np.testing.assert_allclose(found, explained / (explained + residual), rtol=rtol)
    table = contrasts(fit, "sex")
    points = table.draws[table.index[table["estimand"] == "contrast_of_means"][0]].ravel()
    d = table.draws[table.index[table["estimand"] == "cohens_d_of_means"][0]].ravel()
    np.testing.assert_allclose(d, points / np.sqrt(residual), rtol=10 * rtol)
    assert np.ptp(np.sqrt(residual)) > 0


def test_shares_and_icc_take_the_average_of_the_latent_variance(fit: FittedModel) -> None:
    sigma = fit.stacked["sigma"][:, fit.design.rows.residual]
    latent = (sigma**2).mean(axis=1)
    if fit.spec.family == "student_t":
        latent = latent * fit.stacked["nu"] / (fit.stacked["nu"] - 2)
    table = variance_partition(fit)
    total = fit.linear_predictor().var(axis=1, ddof=1) + latent
    row = table.index[table["term"] == "residual"][0]
    np.testing.assert_allclose(table.draws[row].ravel(), latent / total, rtol=1e-10)
    z, tau = fit.design.rows.z["country"], fit.stacked["tau_country"]
    # Two people of a new country, drawn from those analysed: their covariance over their variance.
    shared, country = (tau**2) @ z.mean(axis=0) ** 2, (tau**2) @ (z**2).mean(axis=0)
    np.testing.assert_allclose(table.draws["icc/country/new"].ravel(), shared / (country + latent), rtol=1e-10)


def test_slopes_are_there_and_finite(fit: FittedModel) -> None:
    assert np.isfinite(slopes(fit)["median"]).all()


def setting(frame: pd.DataFrame, **columns: str) -> pd.DataFrame:
    return frame.assign(**{name: pd.Series([level] * len(frame)) for name, level in columns.items()})


def test_censoring_at_a_level_uses_that_levels_sd() -> None:
    fit = built("censored_gaussian", residual_by="country", sigma=[5.0, 60.0, 20.0])
    frame = fit.design.frame
    table = adjusted_means(fit, "country")
    for level in ("C0", "C1", "C2"):
        expected = fit.predict(setting(frame, country=level)).mean("obs").values
        row = table.index[table["level"] == level][0]
        # Interpolated to 1e-8 of a range of 100.
        np.testing.assert_allclose(table.draws[row], expected, rtol=0, atol=1e-6)


def test_equal_levels_count_those_of_the_residual_factor_where_they_matter() -> None:
    fit = built("censored_gaussian", sigma=[5.0, 60.0, 20.0])
    frame = fit.design.frame
    cells = product(("coach", "therapist", "both"), ("female", "male"))
    expected = np.mean(
        [fit.predict(setting(frame, provider_type=p, sex=s, country="C1")).mean("obs").values for p, s in cells], axis=0
    )
    table = adjusted_means(fit, "country", population="equal")
    np.testing.assert_allclose(table.draws[table.index[table["level"] == "C1"][0]], expected, rtol=0, atol=1e-6)
