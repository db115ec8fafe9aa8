from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from alliance_bayes.checks.context import rounding_step
from alliance_bayes.model.families import FAMILIES, Outcome
from alliance_bayes.model.scales import BUILT_IN

WHO5 = BUILT_IN["who5"]
VALUES = np.array([0.0, 4.0, 48.0, 96.0, 100.0])
ETA = np.array([[20.0, 30.0, 50.0, 70.0, 80.0], [5.0, 10.0, 40.0, 90.0, 110.0]])
SIGMA, NU = np.array([15.0, 8.0]), np.array([3.0, 12.5])


def outcome(family, values=VALUES, scale=WHO5) -> Outcome:
    return FAMILIES[family].prepare("who5_followup", values, scale)


@pytest.mark.parametrize("step", [None, 4.0])
@pytest.mark.parametrize("family", ["gaussian", "student_t"])
def test_continuous_families_give_the_probabilities_up_to_both_ends_of_the_rounding_interval(family, step):
    own = {"sigma": SIGMA, "nu": NU}
    low, high = FAMILIES[family].cumulative_bounds(ETA, own, outcome(family), step)
    half = 0 if step is None else 2
    for s in range(2):
        law = stats.norm(ETA[s], SIGMA[s]) if family == "gaussian" else stats.t(NU[s], ETA[s], SIGMA[s])
        np.testing.assert_allclose(low[s], law.cdf(VALUES - half), rtol=1e-10)
        np.testing.assert_allclose(high[s], law.cdf(VALUES + half), rtol=1e-10)


@pytest.mark.parametrize("step", [None, 4.0])
def test_censoring_limits_have_the_whole_tail(step):
    low, high = FAMILIES["censored_gaussian"].cumulative_bounds(
        ETA, {"sigma": SIGMA}, outcome("censored_gaussian"), step
    )
    half = 0 if step is None else 2
    for s in range(2):
        law = stats.norm(ETA[s], SIGMA[s])
        np.testing.assert_allclose(low[s], np.r_[0.0, law.cdf(VALUES - half)[1:]], rtol=1e-10)
        np.testing.assert_allclose(high[s], np.r_[law.cdf(VALUES + half)[:-1], 1.0], rtol=1e-10)


@pytest.mark.parametrize("family", ["gaussian", "student_t", "censored_gaussian"])
def test_a_residual_sd_by_row_is_one_for_every_row(family):
    sigma = np.array([[15.0, 8.0, 3.0, 30.0, 11.0], [9.0, 20.0, 14.0, 5.0, 6.0]])
    made = outcome(family)
    bounds = FAMILIES[family].cumulative_bounds(ETA, {"sigma": sigma, "nu": NU}, made, 4.0)
    level = FAMILIES[family].level_probability(ETA, {"sigma": sigma, "nu": NU}, made, 4.0)
    for i in range(5):
        own = {"sigma": sigma[:, i], "nu": NU}
        alone = FAMILIES[family].cumulative_bounds(ETA, own, made, 4.0)
        for whole, one in zip(bounds, alone, strict=True):
            np.testing.assert_array_equal(whole[:, i], one[:, i])
        np.testing.assert_array_equal(level[:, i], FAMILIES[family].level_probability(ETA, own, made, 4.0)[:, i])


def test_beta_binomial_sums_its_mass_function():
    eta, phi = np.array([[-1.0, 0.2, 0.0, 1.5, 6.0], [2.0, -6.0, 0.5, 0.0, 3.0]]), np.array([4.0, 0.7])
    low, high = FAMILIES["beta_binomial"].cumulative_bounds(eta, {"phi": phi}, outcome("beta_binomial"), None)
    mean, k = 1 / (1 + np.exp(-eta)), VALUES / 4
    law = stats.betabinom(25, mean * phi[:, None], (1 - mean) * phi[:, None])
    np.testing.assert_allclose(high, law.cdf(k), rtol=1e-9)
    np.testing.assert_allclose(low, law.cdf(k - 1), rtol=1e-9, atol=1e-15)


def test_bernoulli_and_cumulative_are_what_their_definitions_say():
    values = np.array([0.0, 1.0, 1.0])
    eta = np.array([[0.0, 1.0, -2.0]])
    p = 1 / (1 + np.exp(-eta))
    low, high = FAMILIES["bernoulli"].cumulative_bounds(eta, {}, outcome("bernoulli", values, None), None)
    np.testing.assert_allclose(low, np.where(values > 0, 1 - p, 0))
    np.testing.assert_allclose(high, np.where(values > 0, 1, 1 - p))
    values = np.array([1.0, 2.0, 3.0])
    cutpoints = np.array([[-1.0, 0.5]])
    low, high = FAMILIES["cumulative"].cumulative_bounds(
        eta, {"cutpoints": cutpoints}, outcome("cumulative", values, None), None
    )
    below = 1 / (1 + np.exp(-(cutpoints[0] - eta.T)))
    np.testing.assert_allclose(low[0], [0, below[1, 0], below[2, 1]])
    np.testing.assert_allclose(high[0], [below[0, 0], below[1, 1], 1])


def test_counts_have_the_probabilities_of_scipy():
    values = np.array([0.0, 1.0, 7.0, 200.0])
    eta, alpha = np.array([[-3.0, 0.5, 2.0, 5.0], [1.0, -1.0, 1.5, 6.0]]), np.array([0.4, 30.0])
    mean = np.exp(eta)
    for family, law in (
        ("poisson", stats.poisson(mean)),
        ("negative_binomial", stats.nbinom(alpha[:, None], alpha[:, None] / (alpha[:, None] + mean))),
    ):
        low, high = FAMILIES[family].cumulative_bounds(eta, {"alpha": alpha}, outcome(family, values, None), None)
        np.testing.assert_allclose(low, law.cdf(values - 1), rtol=1e-9)
        np.testing.assert_allclose(high, law.cdf(values), rtol=1e-9)


def test_level_probabilities_keep_their_digits_far_out_in_either_tail():
    values, eta = np.array([0.0, 100.0, 48.0]), np.array([[100.0, 0.0, 50.0]])
    sigma = np.array([5.0])
    p = FAMILIES["gaussian"].level_probability(eta, {"sigma": sigma}, outcome("gaussian", values), 4.0)[0]
    far = stats.norm.sf(98, 0, 5) - stats.norm.sf(102, 0, 5)
    # 20 SDs out the distribution function itself is 1 to every digit; by symmetry both tails must agree.
    np.testing.assert_allclose(p, [far, far, stats.norm.cdf(50, 50, 5) - stats.norm.cdf(46, 50, 5)], rtol=1e-9)


def test_the_step_is_the_scales_or_seen_in_repeated_values_on_a_lattice():
    rng = np.random.default_rng(0)

    def step(values, scale=None):
        return rounding_step(FAMILIES["gaussian"], outcome("gaussian", values, None), scale)

    # Few distinct values need not show the scale's step; a few off the levels (pro-rated ones) do not take it away.
    assert step(np.repeat([0.0, 40.0], 5), WHO5) == 4.0
    assert step(np.r_[np.repeat([0.0, 40.0], 5), 13.3], WHO5) == 4.0
    assert step(rng.normal(50, 10, size=50), WHO5) is None
    assert step(rng.integers(0, 5, 50) * 0.25) == 0.25
    assert step(rng.normal(size=50)) is None
    # Means of two and of three ratings: their levels lie on no common lattice of the smallest gap.
    assert step(np.repeat([1.0, 1.5, 1.6667, 2.0, 2.3333], 10)) is None
    assert step(np.full(10, 3.0)) is None
    assert rounding_step(FAMILIES["beta_binomial"], outcome("beta_binomial"), WHO5) is None
