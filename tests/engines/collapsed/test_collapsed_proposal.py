"""Proposal, importance sampling and independence chains on densities that are known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import special, stats

from alliance_bayes.engines.collapsed.proposal import Proposal, adapt, along_ridges, independence_chains
from alliance_bayes.engines.collapsed.sample import _tail_shape

LogDensity = Callable[[np.ndarray], np.ndarray]
MEAN = np.array([1.0, -2.0, 0.5])
COVARIANCE = np.array([[1.0, 0.6, 0.0], [0.6, 0.5, -0.1], [0.0, -0.1, 4.0]])
SHAPES = np.array([0.5, 1.0, 3.0])  # of gamma variables, whose logarithms have long left tails


def normal(theta: np.ndarray) -> np.ndarray:
    return np.asarray(stats.multivariate_normal(MEAN, COVARIANCE).logpdf(theta))


def log_gamma(theta: np.ndarray) -> np.ndarray:
    return np.asarray((SHAPES * theta - np.exp(theta) - special.gammaln(SHAPES)).sum(axis=1))


def funnel(theta: np.ndarray) -> np.ndarray:
    """A scale, and a number that is as wide as the scale."""
    return np.asarray(stats.norm.logpdf(theta[:, 0], 0, 0.7) + stats.norm.logpdf(theta[:, 1], 0, np.exp(theta[:, 0])))


KNOWN: dict[str, tuple[LogDensity, np.ndarray, np.ndarray, int]] = {
    "normal": (normal, MEAN, COVARIANCE, 0),
    "normal, roughly": (normal, MEAN + 0.7, 2 * np.eye(3), 0),
    "normal, nearly": (normal, MEAN + 0.2, COVARIANCE + 0.2 * np.diag(np.diag(COVARIANCE)), 0),
    "logarithms of gamma variables": (log_gamma, np.log(SHAPES), np.diag(1 / SHAPES), 3),
    "funnel": (funnel, np.array([-0.49, 0.0]), np.diag([0.49, np.exp(-0.98)]), 1),
    "one dimension": (lambda theta: normal_1d(theta), np.array([3.0]), np.array([[0.25]]), 0),
}


def normal_1d(theta: np.ndarray) -> np.ndarray:
    return np.asarray(stats.norm.logpdf(theta[:, 0], 3.0, 0.5))


def proposal(name: str) -> tuple[LogDensity, Proposal]:
    log_density, mode, covariance, logarithms = KNOWN[name]
    return log_density, along_ridges(log_density, mode, covariance, logarithms=logarithms)


# ---------------------------------------------------------------- proposal


@pytest.mark.parametrize("name", KNOWN)
def test_density_of_the_proposal_integrates_to_one(name: str) -> None:
    # The mean of p / q over draws of q is the integral of p, which is 1, if the stated density is that of the draws.
    log_density, q = proposal(name)
    rng = np.random.default_rng(1)
    for _ in range(2):
        theta, z, log_q = q.draw(rng, 100_000)
        weight = np.exp(log_density(theta) - log_q)
        # Ten means: beyond 4.5 of their standard errors in 1 of 15,000 seeds.
        assert abs(weight.mean() - 1) < 4.5 * weight.std() / np.sqrt(len(weight))
        assert weight.std() > 0.01
        # After a refit, and with one more component, its density is still stated as it is.
        q = q.refitted(z, weight / weight.sum()).widened(z, weight / weight.sum())


@pytest.mark.parametrize("name", KNOWN)
def test_density_of_a_point_is_that_of_the_draw_at_it(name: str) -> None:
    log_density, q = proposal(name)
    rng = np.random.default_rng(5)
    theta, z, log_q = q.draw(rng, 500)
    # Digits: scores are found by dividing by slopes of tabulated quantiles.
    np.testing.assert_allclose(q.log_density(theta), log_q, rtol=1e-9, atol=1e-9)
    weight = np.exp(log_density(theta) - log_q)
    wide = q.widened(z, weight / weight.sum())
    parts = [
        part.share * stats.multivariate_t(part.centre, part.spread**2 * part.root @ part.root.T, part.df).pdf(z)
        for part in wide.components
    ]
    slope = np.sum([one(z[:, k])[1] for k, one in enumerate(wide.marginals)], axis=0)
    np.testing.assert_allclose(wide.log_density(theta), np.log(np.sum(parts, axis=0)) - slope, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("name", "efficiency"), [("normal", 0.92), ("logarithms of gamma variables", 0.93)])
def test_proposal_resembles_what_it_was_made_from(name: str, efficiency: float) -> None:
    # Were it the density itself, all would be 1; wider tails cost 6 %.
    log_density, q = proposal(name)
    theta, _, log_q = q.draw(np.random.default_rng(2), 20_000)
    weight = np.exp(log_density(theta) - log_q)
    assert weight.sum() ** 2 / (weight**2).sum() / len(weight) > efficiency
    # Nowhere is the density more than twice the proposal's, tails included: no region is proposed too rarely.
    assert weight.max() < 2


def test_tails_of_the_proposal_are_wider() -> None:
    log_density, q = proposal("logarithms of gamma variables")
    log_density_at_the_edge = []
    for seed in range(20):
        theta, _, log_q = q.draw(np.random.default_rng(seed), 50_000)
        far = np.argsort(log_density(theta))[:50]
        log_density_at_the_edge.append((log_density(theta) - log_q)[far].max())
    # A million draws: the least likely are over-proposed all of them.
    assert max(log_density_at_the_edge) < 0


def test_refitting_finds_a_density_that_lies_elsewhere() -> None:
    log_density, q = proposal("normal, roughly")
    rng = np.random.default_rng(3)
    first = adapt(log_density, q, rng, size=2000, rounds=1, good=1.0)
    adapted = adapt(log_density, q, rng, size=2000, rounds=6, good=0.9)
    assert first.rounds == 1
    assert first.efficiency < 0.6
    assert adapted.efficiency > first.efficiency + 0.2
    assert 1 < adapted.rounds <= 6
    assert adapt(log_density, q, rng, size=2000, rounds=6, good=0.0).rounds == 1


def test_adaptation_gives_up_where_nothing_can_be_computed() -> None:
    _, q = proposal("normal")
    nowhere = adapt(
        lambda theta: np.full(len(theta), -np.inf), q, np.random.default_rng(4), size=50, rounds=3, good=0.5
    )
    assert nowhere.efficiency == 0.0
    assert nowhere.proposal is q


# ---------------------------------------------------------------- chains


def test_chains_have_the_density_from_their_first_draw() -> None:
    # A proposal that lies beside the density, in many short chains: what acceptance does is what is tested.
    log_density, q = proposal("normal, nearly")
    found = independence_chains(log_density, q, np.random.default_rng(5), chains=4000, draws=6, steps=1)
    assert found.theta.shape == (4000, 6, 3)
    sd = np.sqrt(np.diag(COVARIANCE))
    for draw in (0, 5):
        z = (found.theta[:, draw].mean(axis=0) - MEAN) / (sd / np.sqrt(4000))
        spread = (found.theta[:, draw].std(axis=0) / sd - 1) * np.sqrt(2 * 4000)
        # Twelve deviations: beyond 4.5 in 1 of 12,000 seeds.
        assert np.abs(np.r_[z, spread]).max() < 4.5
        p = [stats.kstest(found.theta[:, draw, k], stats.norm(MEAN[k], sd[k]).cdf).pvalue for k in range(3)]
        assert min(p) > 1e-5
    white = np.linalg.solve(np.linalg.cholesky(COVARIANCE), (found.theta[:, -1] - MEAN).T)
    correlation = np.corrcoef(white)[np.tril_indices(3, -1)]
    assert np.abs(correlation).max() < 4.5 / np.sqrt(4000)


def test_chains_state_what_they_are() -> None:
    log_density, q = proposal("normal, roughly")
    found = independence_chains(log_density, q, np.random.default_rng(6), chains=3, draws=200, steps=4)
    np.testing.assert_allclose(found.log_density, log_density(found.theta.reshape(-1, 3)).reshape(3, 200), rtol=1e-12)
    assert found.accepted.shape == (3, 200)
    assert set(np.unique(found.accepted)) <= {0.0, 0.25, 0.5, 0.75, 1.0}
    # Where nothing was accepted on the way, the draw is the one before; where something was, it is another.
    moved = (np.diff(found.theta[..., 0], axis=1) != 0).ravel()
    np.testing.assert_array_equal(moved, found.accepted[:, 1:].ravel() > 0)
    assert found.log_weight.shape == (3 * (50 + 200 * 4),)
    # The stationary rate of acceptance of an independence chain is E min(1, w'/w) with w from the target.
    weight = np.exp(found.log_weight)
    rng = np.random.default_rng(7)
    current = rng.choice(weight, 100_000, p=weight / weight.sum())
    expected = np.minimum(1, rng.choice(weight, 100_000) / current).mean()
    # 2,400 steps, neighbours correlated: worth a quarter of that, so an error of at most 0.02; three of them.
    assert found.accepted.mean() == pytest.approx(expected, abs=0.06)


def test_one_number_where_there_is_one_chain_of_one_draw() -> None:
    log_density, q = proposal("one dimension")
    found = independence_chains(log_density, q, np.random.default_rng(8), chains=1, draws=1, steps=1)
    assert found.theta.shape == (1, 1, 1)
    assert np.isfinite(found.theta).all()


# ---------------------------------------------------------------- Pareto k


@pytest.mark.parametrize("k", [0.2, 0.5, 0.7, 1.0])
def test_tail_shape_of_pareto_weights(k: float) -> None:
    found = [_tail_shape(-k * np.log(np.random.default_rng(seed).random(20_000))) for seed in range(10)]
    # Its SD over samples of this size is 0.06, its bias -0.03 at most.
    assert np.mean(found) == pytest.approx(k, abs=0.08)


def test_tail_shape_of_weights_without_a_tail() -> None:
    assert _tail_shape(np.zeros(1000)) == 0
    # What cannot be computed counts as the worst.
    assert _tail_shape(np.full(1000, -np.inf)) == np.inf
    assert _tail_shape(np.r_[2000.0, np.random.default_rng(9).normal(size=999)]) == np.inf
    assert _tail_shape(np.log(np.random.default_rng(9).uniform(0.9, 1.1, 5000))) < 0
    # Proposals that cannot be computed have a weight of nothing, which is no tail.
    heavy = -np.log(np.random.default_rng(10).random(5000))
    assert _tail_shape(np.r_[heavy, np.full(500, -np.inf)]) == pytest.approx(_tail_shape(heavy), abs=1e-12)
