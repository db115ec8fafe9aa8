"""The coefficients given the hyperparameters: their exact mean, covariance and draws against dense algebra."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from alliance_bayes.engines import posterior_dims
from alliance_bayes.engines.collapsed.sample import unpack
from engines.collapsed.cases import BY_NAME, CASES, Case
from engines.collapsed.dense import coefficients, extremes, natural, points, prior_of_coefficients

DRAWS = 4000


def drawn(case: Case, theta: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """Draws (N, p) at thetas (N, size), in the dense reference's order: beta, effects of factors, then of smooths."""
    return stacked(case, theta, case.marginal.draw(theta, seed=np.random.SeedSequence(seed)))


def stacked(case: Case, theta: np.ndarray, draws: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    design = case.design
    posterior = unpack(design, case.marginal, theta[None], *draws)
    order = ["beta"] * bool(design.terms) + [f"u_{part.name}" for part in (*design.factors, *design.smooths)]
    return np.hstack([posterior[name].values.reshape(len(theta), -1) for name in order])


class Written:
    """In place of a generator: writes rows of a matrix where standard normal numbers are asked for."""

    def __init__(self, values: np.ndarray) -> None:
        self.values, self.column = values, 0

    def standard_normal(self, *, out: np.ndarray) -> None:
        width = int(np.prod(out.shape[1:]))
        out[:] = self.values[:, self.column : self.column + width].reshape(out.shape)
        self.column += width


def moments(case: Case, theta: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> tuple[np.ndarray, np.ndarray]:
    """Mean (p,) and covariance (p, p) that the draws at one theta have, without Monte Carlo error.

    A draw is a linear function of standard normal numbers: of all zeros it is the mean, and of a one among zeros the
    mean and a column of a root of the covariance.
    """
    size = case.marginal.equations.n_coefficients
    written, thetas = Written(np.vstack([np.zeros(size), np.eye(size)])), np.tile(theta, (size + 1, 1))
    real = np.random.default_rng
    with monkeypatch.context() as patch:
        # Libraries that are first imported meanwhile ask for generators without a seed.
        patch.setattr(np.random, "default_rng", lambda seed=None: real() if seed is None else written)
        draws = case.marginal.draw(thetas, seed=np.random.SeedSequence(0))
    assert written.column == size
    found = stacked(case, thetas, draws)
    root = found[1:] - found[0]
    return found[0], root.T @ root


@pytest.mark.parametrize("case", CASES, ids=str)
def test_mean_and_covariance_are_those_of_dense_algebra(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    hyper = case.marginal.hyper
    # Residual SDs of 0.01 and scales of 1e3 beside them are left to the density's tests: there the dense reference,
    # which is not exact, loses more digits than the engine.
    for theta in (*points(hyper, 2, seed=6), extremes(hyper)[0], *extremes(hyper)[4:]):
        mean, covariance = moments(case, theta, monkeypatch)
        expected_mean, expected = coefficients(case.design, case.priors, natural(hyper, theta))
        # In units of the posterior SDs. Prior variances are up to 1e5 residual ones, so that ten digits stay; the
        # difference of draws and mean leaves 1e-16 of a mean of up to 1e3 SDs.
        sd = np.sqrt(np.maximum(np.diag(expected), 1e-18))
        np.testing.assert_allclose(mean / sd, expected_mean / sd, rtol=1e-9, atol=1e-8)
        np.testing.assert_allclose(covariance / np.outer(sd, sd), expected / np.outer(sd, sd), atol=1e-8)


@pytest.mark.parametrize(
    "name", ["everything", "correlated_3", "crossed", "residual_by", "more_coefficients_than_rows"]
)
def test_draws_have_that_mean_and_covariance(name: str) -> None:
    case = BY_NAME[name]
    theta = points(case.marginal.hyper, 1, seed=7)[0]
    found = drawn(case, np.tile(theta, (DRAWS, 1)))
    mean, covariance = coefficients(case.design, case.priors, natural(case.marginal.hyper, theta))
    sd = np.sqrt(np.diag(covariance))
    z = (found.mean(axis=0) - mean) / (sd / np.sqrt(DRAWS))
    # 30 to 75 coefficients of each of five models: beyond 4.5 standard errors in 1 of 500 seeds.
    assert np.abs(z).max() < 4.5
    spread = np.sqrt((np.outer(sd, sd) ** 2 + covariance**2) / DRAWS)
    z = (np.cov(found.T) - covariance) / spread
    # Up to 2,800 pairs of each: beyond 5.5 in 1 of 2,500 seeds.
    assert np.abs(z).max() < 5.5
    # Each piece of work has a stream of its own: no two draws are alike.
    assert len(np.unique(found[:, 0])) == DRAWS


def test_draws_at_many_thetas_belong_to_their_theta() -> None:
    case = BY_NAME["exhaustive_crossed"]
    hyper = case.marginal.hyper
    thetas = points(hyper, 40, seed=8)
    repeated = np.repeat(thetas, 100, axis=0)
    found = drawn(case, repeated).reshape(40, 100, -1)
    worst = 0.0
    for theta, draws in zip(thetas, found, strict=True):
        mean, covariance = coefficients(case.design, case.priors, natural(hyper, theta))
        sd = np.sqrt(np.diag(covariance))
        worst = max(worst, float(np.abs((draws.mean(axis=0) - mean) / (sd / 10)).max()))
    # 40 thetas of 53 coefficients: beyond 5 in 1 of 800 seeds, if all were independent.
    assert worst < 5.0


def test_effects_of_exhaustive_factors_sum_to_zero() -> None:
    case = BY_NAME["everything"]
    theta = points(case.marginal.hyper, 50, seed=9)
    dense, eliminated = case.marginal.draw(theta, seed=np.random.SeedSequence(1))
    posterior = unpack(case.design, case.marginal, theta[None], dense, eliminated)
    for factor in ("arm", "sex"):
        u = posterior[f"u_{factor}"]
        assert float(u.std()) > 0.1
        np.testing.assert_allclose(u.sum(factor), 0.0, atol=1e-12)  # a sum of three


def test_draws_carry_the_shared_names_dims_and_hyperparameters() -> None:
    case = BY_NAME["everything"]
    marginal = case.marginal
    theta = points(marginal.hyper, 6, seed=10)
    dense, eliminated = marginal.draw(theta, seed=np.random.SeedSequence(1))
    posterior = unpack(case.design, marginal, theta.reshape(2, 3, -1), dense, eliminated)
    dims: dict[str, Any] = {name: ("chain", "draw", *own) for name, own in posterior_dims(case.design).items()}
    assert {name: values.dims for name, values in posterior.data_vars.items()} == dims
    assert list(posterior["term"].values) == list(case.design.terms)
    at = natural(marginal.hyper, theta[4])  # chain 1, draw 1
    own = posterior.isel(chain=1, draw=1)
    np.testing.assert_allclose(own["sigma"].sel(arm=["coach", "therapist", "both"]), at.sigma, rtol=1e-14)
    for name, value in at.tau.items():
        if name == "tau_s_w":
            assert float(own["tau_s_w"]) == pytest.approx(value, rel=1e-14)
            continue
        factor, term = name[4:-1].split("[")
        assert float(own[f"tau_{factor}"].sel({f"{factor}_term": term})) == pytest.approx(value, rel=1e-14)
    for factor, correlation in at.correlation.items():
        np.testing.assert_allclose(own[f"corr_{factor}"], correlation, atol=1e-14)


def test_reference_agrees_with_itself() -> None:
    # The dense mean solves the normal equations of the penalised least squares.
    case = BY_NAME["everything"]
    theta = points(case.marginal.hyper, 1)[0]
    at = natural(case.marginal.hyper, theta)
    w, prior_mean, prior, names = prior_of_coefficients(case.design, case.priors, at)
    mean, _ = coefficients(case.design, case.priors, at)
    assert [name for name, _ in names] == ["beta", "u_arm", "u_country", "u_sex", "u_provider", "u_s_w"]
    weight = 1 / at.sigma[case.design.rows.residual] ** 2
    gradient = prior @ (w.T @ (weight * (case.design.outcome.coded - w @ mean)))
    # Exhaustive factors have a singular prior, so its inverse is not taken. Twelve digits of sums of up to 1e4.
    np.testing.assert_allclose(gradient, mean - prior_mean, atol=1e-8)
