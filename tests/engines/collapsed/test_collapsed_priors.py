"""The hyperparameters' own scale: prior densities that integrate to one, and correlation matrices that are valid."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from alliance_bayes.engines import sample_prior
from alliance_bayes.engines.collapsed.hyper import Hyper, prior_slope
from alliance_bayes.model import Prior, parse_prior
from engines.collapsed.cases import BY_NAME, CASES, Case
from engines.collapsed.dense import log_lkj_constant, log_prior, natural, points

SCALES = [
    "HalfNormal(3)",
    "HalfNormal(0.01)",
    "HalfStudentT(1, 2)",
    "HalfStudentT(4, 25)",
    "Exponential(0.05)",
    "Exponential(40)",
    "Gamma(0.6, 2)",
    "Gamma(5, 0.1)",
]


def alone(prior: Prior) -> Hyper:
    """One residual SD."""
    return Hyper(("sigma",), (), (prior,), ())


def correlated(q: int, eta: float) -> Hyper:
    """A residual SD, and one factor with correlated terms (their scales are left out)."""
    return Hyper(("sigma",), (), (parse_prior("HalfNormal(1)"),), (("g", q, eta),))


# ---------------------------------------------------------------- scales


@pytest.mark.parametrize("text", SCALES)
def test_prior_of_a_scale_integrates_to_one_over_its_logarithm(text: str) -> None:
    hyper = alone(parse_prior(text))

    def density(theta: float) -> float:
        return float(np.exp(hyper.log_prior(np.array([[theta]]))[0]))

    # Pieces, so that no peak is missed; the gamma prior's left tail falls as exp(0.6 theta), 1e-10 of it beyond -40.
    value = sum(integrate.quad(density, a, b, epsabs=1e-11)[0] for a, b in pairwise(np.arange(-40.0, 41.0, 5.0)))
    assert value == pytest.approx(1.0, abs=1e-8)


@pytest.mark.parametrize("text", SCALES)
def test_prior_of_a_scale_is_the_law_of_its_draws(text: str) -> None:
    prior = parse_prior(text)
    hyper = alone(prior)
    grid = np.linspace(-45.0, 45.0, 200_001)
    density = np.exp(hyper.log_prior(grid[:, None]))
    cdf = integrate.cumulative_simpson(density, x=grid, initial=0.0)
    drawn = np.log(prior.draw(np.random.default_rng(1), 20_000))
    # Eight Kolmogorov-Smirnov tests with a floor of 1e-5: a false alarm in 12,500 seeds.
    assert stats.kstest(drawn, lambda x: np.interp(x, grid, cdf)).pvalue > 1e-5


@pytest.mark.parametrize("text", SCALES)
def test_gradient_of_the_prior_of_a_scale(text: str) -> None:
    hyper, step = alone(parse_prior(text)), 1e-3
    for theta in np.linspace(-6.0, 5.0, 12):
        around = hyper.log_prior(theta + step * np.array([[-2.0], [-1.0], [1.0], [2.0]]))
        slope = (around[0] - 8 * around[1] + 8 * around[2] - around[3]) / (12 * step)
        # Rounding is 1e-16 of the density over the step; the rule's own error (2 step)^4 of it.
        room = 1e-11 * np.abs(around).max() + 1e-9
        out = np.empty(1)
        prior_slope(np.array([theta]), *hyper.prior, out)
        assert out[0] == pytest.approx(slope, abs=room)


# ---------------------------------------------------------------- correlations


@pytest.mark.parametrize("eta", [0.7, 1.0, 2.0, 8.0])
def test_prior_of_one_correlation_is_lkj(eta: float) -> None:
    hyper = correlated(2, eta)
    theta = np.linspace(-3.0, 3.0, 13)
    found = hyper.log_prior(np.column_stack([np.zeros(13), theta])) - hyper.log_prior(np.zeros((1, 2)))
    r = np.tanh(theta)
    # LKJ(eta) of two variables: (1 + r) / 2 ~ Beta(eta, eta); the derivative of r by theta is 1 - r^2.
    law = stats.beta.logpdf((1 + r) / 2, eta, eta) + np.log1p(-(r**2))
    np.testing.assert_allclose(found, law - law[6], atol=1e-12)  # a few logarithms
    np.testing.assert_allclose(theta[6], 0.0, atol=1e-15)


@pytest.mark.parametrize("eta", [0.7, 1.0, 2.0, 8.0])
def test_prior_of_correlations_integrates_to_one(eta: float) -> None:
    one = alone(parse_prior("HalfNormal(1)")).log_prior(np.zeros((1, 1)))[0]
    # The densities fall as exp(-2 eta |theta|) at least: 1e-10 of them lie beyond these ends. The trapezoidal rule
    # converges geometrically for what is smooth and falls off exponentially; this step leaves 1e-8.
    end = min(16.0, 14.0 / eta)
    axis, step = np.linspace(-end, end, 81, retstep=True)
    pair = correlated(2, eta).log_prior(np.column_stack([np.zeros(81), axis])) - one
    assert np.exp(pair).sum() * step == pytest.approx(1.0, abs=1e-7)
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    triple = correlated(3, eta).log_prior(np.column_stack([np.zeros(len(grid)), grid])) - one
    assert np.exp(triple).sum() * step**3 == pytest.approx(1.0, abs=1e-7)


@pytest.mark.parametrize(("q", "eta"), [(2, 0.7), (2, 2.0), (3, 0.7), (3, 1.0), (3, 2.0), (3, 8.0)])
def test_prior_of_correlations_is_a_power_of_their_determinant(q: int, eta: float) -> None:
    hyper = correlated(q, eta)
    theta = np.random.default_rng(2).normal(0, 0.8, (20, hyper.size))
    found = hyper.log_prior(theta)
    np.testing.assert_allclose(found, [log_prior(hyper, at) for at in theta], atol=1e-10)  # determinants of 0.01


def test_reference_constant_is_the_integral_of_the_determinant() -> None:
    for eta in (1.0, 2.0, 3.5):
        pair = integrate.quad(lambda r, e=eta: (1 - r * r) ** (e - 1), -1, 1)[0]
        assert log_lkj_constant(2, eta) == pytest.approx(np.log(pair), abs=1e-9)
    # The volume of correlation matrices of three variables (Rousseeuw and Molenberghs 1994).
    assert log_lkj_constant(3, 1.0) == pytest.approx(np.log(np.pi**2 / 2), abs=1e-12)


@pytest.mark.parametrize("q", [2, 3, 4])
def test_correlations_by_their_prior_are_those_that_the_package_draws(q: int) -> None:
    # Draws of partial correlations by the engine's prior, as independent betas, against the onion method's draws.
    eta, rng = 2.0, np.random.default_rng(3)
    partial = [2 * rng.beta(s, s, 20_000) - 1 for i in range(q) for j in range(i) for s in [eta + (q - 2 - j) / 2]]
    theta = np.column_stack([np.zeros(20_000), np.arctanh(np.array(partial).T)])
    root = correlated(q, eta).natural(theta)[2]["g"]
    correlation = root @ root.transpose(0, 2, 1)
    for i in range(q):
        for j in range(i):
            # Every element of LKJ(eta) is 2 Beta(eta - 1 + q/2, eta - 1 + q/2) - 1 (Lewandowski et al. 2009). Ten
            # tests with a floor of 1e-5: a false alarm in 10,000 seeds.
            law = stats.beta(eta - 1 + q / 2, eta - 1 + q / 2)
            assert stats.kstest((correlation[:, i, j] + 1) / 2, law.cdf).pvalue > 1e-5


@given(
    q=st.integers(2, 5),
    values=st.lists(st.floats(-40, 40, allow_nan=False), min_size=10, max_size=10),
)
def test_correlation_matrices_are_valid(q: int, values: list[float]) -> None:
    free = q * (q - 1) // 2
    hyper = correlated(q, 2.0)
    root = hyper.natural(np.array([[0.0, *values[:free]]]))[2]["g"][0]
    correlation = root @ root.T
    np.testing.assert_array_equal(root, np.tril(root))
    np.testing.assert_allclose(np.diag(correlation), 1.0, rtol=1e-12)  # sums of five squares
    assert (np.abs(correlation) <= 1 + 1e-12).all()
    assert (np.diag(root) > 0).all()
    assert np.linalg.eigvalsh(correlation).min() > -1e-12


# ---------------------------------------------------------------- all together


@pytest.mark.parametrize("case", CASES, ids=str)
def test_prior_of_all_is_that_of_the_stated_priors(case: Case) -> None:
    hyper = case.marginal.hyper
    theta = points(hyper, 3)
    np.testing.assert_allclose(hyper.log_prior(theta), [log_prior(hyper, at) for at in theta], rtol=1e-12)


def test_names_and_natural_units() -> None:
    hyper = BY_NAME["everything"].marginal.hyper
    assert hyper.names == (
        "sigma[coach]",
        "sigma[therapist]",
        "sigma[both]",
        "tau_s_w",
        "tau_arm[Intercept]",
        "tau_arm[x]",
        "tau_country[Intercept]",
        "tau_country[x]",
        "tau_sex[Intercept]",
        "tau_provider[Intercept]",
        "tau_provider[x]",
        "partial_corr_arm[1,0]",
        "partial_corr_country[1,0]",
    )
    assert hyper.size == 13
    theta = points(hyper, 5)
    sigma, tau, roots = hyper.natural(theta)
    for k, at in enumerate(theta):
        reference = natural(hyper, at)
        np.testing.assert_allclose(sigma[k], reference.sigma, rtol=1e-14)
        np.testing.assert_allclose(tau[k], list(reference.tau.values()), rtol=1e-14)
        for factor, root in roots.items():
            np.testing.assert_allclose(root[k] @ root[k].T, reference.correlation[factor], atol=1e-14)


def test_prior_draws_of_the_package_have_this_prior() -> None:
    # E[p(theta) / q(theta)] = 1 with theta drawn from q would need an overlap; the prior's own CDF is simpler: each
    # element's marginal density against draws of the whole prior.
    case = BY_NAME["heavy_tails"]
    hyper, prior = case.marginal.hyper, sample_prior(case.design, case.priors, draws=20_000, seed=4).isel(chain=0)
    drawn = {
        "sigma": prior["sigma"],
        "tau_country[Intercept]": prior["tau_country"].sel(country_term="Intercept"),
        "tau_country[x]": prior["tau_country"].sel(country_term="x"),
        "tau_arm[Intercept]": prior["tau_arm"].sel(arm_term="Intercept"),
        "tau_arm[x]": prior["tau_arm"].sel(arm_term="x"),
        "partial_corr_arm[1,0]": prior["corr_arm"].sel(arm_term="Intercept", arm_term_other="x"),
    }
    assert tuple(drawn) == hyper.names
    grid = np.linspace(-45.0, 45.0, 100_001)
    for k, (name, values) in enumerate(drawn.items()):
        theta = np.zeros((len(grid), hyper.size))
        theta[:, k] = grid
        density = np.exp(hyper.log_prior(theta) - hyper.log_prior(np.zeros((1, hyper.size))))
        cdf = integrate.cumulative_simpson(density, x=grid, initial=0.0)
        own = np.arctanh(values.values) if name.startswith("partial") else np.log(values.values)
        # Six tests with a floor of 1e-5: a false alarm in 16,000 seeds.
        assert stats.kstest(own, lambda x, c=cdf: np.interp(x, grid, c / c[-1])).pvalue > 1e-5, name
