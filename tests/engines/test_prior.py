"""Draws from the prior against closed forms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr
from scipy import special, stats

from alliance_bayes import Model, read_cohort
from alliance_bayes.engines import posterior_coords, posterior_dims, sample_prior
from alliance_bayes.model import Design, ModelSpec
from builders import rows

DRAWS = 20_000
# Every p-value below is of one Kolmogorov-Smirnov test, of which this file makes about 60: with a floor of 1e-5 a false
# alarm comes once in 1,600 seeds, and with 20,000 draws a shift of 3 % of an SD is seen.
FLOOR = 1e-5


def drawn(formula: str, *, draws: int = DRAWS, seed: int = 1, **options: Any) -> tuple[Design, xr.Dataset]:
    spec = ModelSpec(formula, autoscale=True, **options)
    frame = rows(60, countries=4)
    design = spec.design(frame)
    return design, sample_prior(design, spec.priors_for(design), draws=draws, seed=seed).isel(chain=0)


def assert_follows(values: xr.DataArray, cdf: Any) -> None:
    assert stats.kstest(values.values, cdf).pvalue > FLOOR


PRIORS = {
    "Intercept": "StudentT(5, 50, 10)",
    "alliance": "Normal(3, 4)",
    "sigma": "HalfStudentT(3, 10)",
    "nu": "Gamma(2, 0.1)",
    "tau_country[Intercept]": "HalfNormal(5)",
    "tau_country[alliance]": "Exponential(0.5)",
    "tau_sex": "HalfNormal(3)",
}


@pytest.fixture(scope="module")
def plain() -> tuple[Design, xr.Dataset]:
    return drawn("who5_followup ~ alliance + (alliance || country) + (1 || sex)", family="student_t", priors=PRIORS)


def test_layout_is_that_of_the_posterior(plain: tuple[Design, xr.Dataset]) -> None:
    design, prior = plain
    assert {name: variable.dims for name, variable in prior.data_vars.items()} == {
        name: ("draw", *dims) for name, dims in posterior_dims(design).items()
    }
    assert {name: prior[name].values.tolist() for name in posterior_coords(design)} == posterior_coords(design)
    assert prior.sizes["draw"] == DRAWS


def test_parameters_follow_their_stated_priors(plain: tuple[Design, xr.Dataset]) -> None:
    _, prior = plain
    assert_follows(prior["beta"].sel(term="Intercept"), stats.t(5, 50, 10).cdf)
    assert_follows(prior["beta"].sel(term="alliance"), stats.norm(3, 4).cdf)
    assert_follows(prior["sigma"], lambda x: 2 * stats.t(3, 0, 10).cdf(x) - 1)
    assert_follows(prior["nu"], stats.gamma(2, scale=10).cdf)
    assert_follows(prior["tau_country"].sel(country_term="Intercept"), stats.halfnorm(scale=5).cdf)
    assert_follows(prior["tau_country"].sel(country_term="alliance"), stats.expon(scale=2).cdf)
    assert_follows(prior["tau_sex"].sel(sex_term="Intercept"), stats.halfnorm(scale=3).cdf)


def test_every_level_has_a_residual_sd_from_its_own_prior() -> None:
    priors = {"sigma": "HalfNormal(10)", "sigma[both]": "Exponential(0.2)"}
    design, prior = drawn("who5_followup ~ alliance", residual_by="provider_type", priors=priors)
    assert prior["sigma"].dims == ("draw", *posterior_dims(design)["sigma"]) == ("draw", "provider_type")
    assert prior["provider_type"].values.tolist() == ["coach", "therapist", "both"]
    assert_follows(prior["sigma"].sel(provider_type="coach"), stats.halfnorm(scale=10).cdf)
    assert_follows(prior["sigma"].sel(provider_type="both"), stats.expon(scale=5).cdf)
    # Independent: 4.5 standard errors have a chance of 1 in 150,000.
    assert abs(np.corrcoef(prior["sigma"][:, 0], prior["sigma"][:, 1])[0, 1]) < 4.5 / np.sqrt(DRAWS)


def test_level_effects_are_normal_given_their_scale_and_independent(plain: tuple[Design, xr.Dataset]) -> None:
    _, prior = plain
    z = prior["u_country"] / prior["tau_country"]
    flat = z.stack(element=("country", "country_term")).values
    for k in range(flat.shape[1]):
        assert stats.kstest(flat[:, k], "norm").pvalue > FLOOR
    correlations = np.corrcoef(np.column_stack([flat, prior["tau_country"].values, prior["beta"].values]).T)
    # The largest of 66 correlations of independent columns: 4.5 standard errors have a chance of 1 in 2,000.
    assert np.abs(correlations - np.eye(len(correlations))).max() < 4.5 / np.sqrt(DRAWS)


def test_unconditional_level_effect_is_a_scale_mixture(plain: tuple[Design, xr.Dataset]) -> None:
    # E u^2 = E tau^2: s^2 for HalfNormal(s), 2 / lambda^2 for Exponential(lambda). Fourth moments: 3 E tau^4 = 9 s^4
    # and 72 / lambda^4.
    _, prior = plain
    for term, second, fourth in (("Intercept", 25.0, 9 * 625.0), ("alliance", 8.0, 72 * 16.0)):
        u = prior["u_country"].sel(country="C2", country_term=term)
        standard_error = np.sqrt((fourth - second**2) / DRAWS)
        assert abs(float((u**2).mean()) - second) < 4.5 * standard_error


def test_exhaustive_effects_sum_to_zero_with_the_variance_of_a_projection(plain: tuple[Design, xr.Dataset]) -> None:
    _, prior = plain
    u = prior["u_sex"].sel(sex_term="Intercept")
    np.testing.assert_allclose(u.sum("sex"), 0.0, atol=1e-12)
    # Two levels that sum to zero: each is tau z / sqrt(2).
    assert_follows(np.sqrt(2) * u.sel(sex="male") / prior["tau_sex"].sel(sex_term="Intercept"), stats.norm.cdf)


@pytest.mark.parametrize(
    ("terms", "eta"),
    [("alliance", 1.0), ("alliance", 2.0), ("alliance + age", 2.0), ("alliance + age + days_in_care", 0.7)],
)
def test_correlations_are_lkj(terms: str, eta: float) -> None:
    design, prior = drawn(f"who5_followup ~ {terms} + ({terms} | country)", priors={"corr_country": f"LKJ({eta})"})
    correlation = prior["corr_country"].values
    q = len(design.factor("country").terms)
    assert correlation.shape == (DRAWS, q, q)
    np.testing.assert_array_equal(correlation, np.swapaxes(correlation, 1, 2))
    np.testing.assert_allclose(np.diagonal(correlation, axis1=1, axis2=2), 1.0, atol=1e-12)
    # Lewandowski, Kurowicka and Joe (2009): each off-diagonal element is 2 B - 1 with B ~ Beta(eta - 1 + q/2, eta - 1 +
    # q/2).
    shape = eta - 1 + q / 2
    for i in range(q):
        for j in range(i):
            assert stats.kstest((correlation[:, i, j] + 1) / 2, stats.beta(shape, shape).cdf).pvalue > FLOOR
    # Their determinant's moments: E det = prod over k = 1 .. q - 1 of a_k / (a_k + k / 2), with a_k = eta + (q - 1 - k)
    # / 2.
    k = np.arange(1, q)
    a = eta + (q - 1 - k) / 2
    mean, second = np.prod(a / (a + k / 2)), np.prod(a * (a + 1) / ((a + k / 2) * (a + k / 2 + 1)))
    determinant = np.linalg.det(correlation)
    assert abs(determinant.mean() - mean) < 4.5 * np.sqrt((second - mean**2) / DRAWS)


def test_correlated_effects_have_the_drawn_correlation() -> None:
    _, prior = drawn("who5_followup ~ alliance + (alliance | country)")
    z = prior["u_country"] / prior["tau_country"]
    first, second = (z.sel(country="C1", country_term=term).values for term in ("Intercept", "alliance"))
    rho = prior["corr_country"].values[:, 0, 1]
    # Given rho both are unit normals with that correlation, so the residual of one on the other is normal again.
    assert stats.kstest(first, "norm").pvalue > FLOOR
    assert stats.kstest((second - rho * first) / np.sqrt(1 - rho**2), "norm").pvalue > FLOOR
    other = z.sel(country="C3", country_term="Intercept").values
    assert abs(np.corrcoef(first, other)[0, 1]) < 4.5 / np.sqrt(DRAWS)


def test_cutpoints_give_the_shares_of_a_dirichlet() -> None:
    design, prior = drawn(
        "who5_followup ~ alliance + (1 || country)", family="cumulative", priors={"cutpoints": "Dirichlet(2)"}
    )
    cutpoints = prior["cutpoints"].values
    assert (np.diff(cutpoints, axis=1) > 0).all()
    levels = len(design.outcome.levels)
    below = special.expit(cutpoints)
    shares = np.diff(np.column_stack([np.zeros(DRAWS), below, np.ones(DRAWS)]), axis=1)
    assert shares.shape == (DRAWS, levels) == (DRAWS, 26)
    # A share of Dirichlet(2) over 26 levels is Beta(2, 50).
    for k in (0, 1, 12, 25):
        assert stats.kstest(shares[:, k], stats.beta(2, 50).cdf).pvalue > FLOOR


def test_seed_makes_the_draws() -> None:
    formula = "who5_followup ~ alliance + (alliance | country)"
    _, first = drawn(formula, draws=20, seed=5)
    _, again = drawn(formula, draws=20, seed=5)
    _, other = drawn(formula, draws=20, seed=6)
    xr.testing.assert_identical(first, again)
    assert not any(
        (first[name].values == other[name].values).any() for name in ("beta", "sigma", "u_country", "tau_country")
    )


def test_prior_predictive_has_the_prior_mean_and_spread() -> None:
    # One observation's variance is the sum of its parts: intercept, slope, level effects, residual.
    priors = {
        "Intercept": "Normal(40, 3)",
        "alliance": "Normal(2, 4)",
        "sigma": "HalfNormal(5)",
        "tau_country": "HalfNormal(2)",
    }
    frame = rows(60, countries=4)
    model = Model("who5_followup ~ alliance + (alliance || country)", priors=priors, centre={"alliance": 4.0})
    tree = model.prior_predictive(read_cohort(frame), draws=DRAWS, seed=3)
    assert set(tree.children) == {"prior", "prior_predictive", "observed_data"}
    simulated = tree["prior_predictive"]["who5_followup"]
    assert simulated.dims == ("chain", "draw", "obs")
    x = frame["alliance"].to_numpy() - 4.0
    variance = 9 + 16 * x**2 + 4 * (1 + x**2) + 25
    z = (simulated.values[0].mean(axis=0) - (40 + 2 * x)) / np.sqrt(variance / DRAWS)
    assert np.abs(z).max() < 4.5
    # Mixtures of normals: the kurtosis is at most 9, so the variance's relative standard error is below sqrt(8 / n).
    assert np.abs(simulated.values[0].var(axis=0) / variance - 1).max() < 4.5 * np.sqrt(8 / DRAWS)
    np.testing.assert_array_equal(tree["observed_data"]["who5_followup"], frame["who5_followup"])
