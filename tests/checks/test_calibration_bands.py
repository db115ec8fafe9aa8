from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from alliance_bayes.checks.calibration import POINTS, binomial_limits, uniformity


@pytest.mark.parametrize("n", [20, 300])
def test_uniform_values_leave_the_band_at_the_stated_rate_and_the_p_value_says_the_same(n):
    rng, rate, repeats = np.random.default_rng(7), 0.1, 1000
    found = [uniformity(rng.random(n), rate=rate) for _ in range(repeats)]
    outside = np.array([bool(((u.ecdf < u.lower) | (u.ecdf > u.upper)).any()) for u in found])
    fired = np.array([u.p < rate for u in found])
    np.testing.assert_array_equal(outside, fired)
    # Four standard errors of a share of 1,000 repeats, and of the 10,000 simulations behind the band.
    assert abs(fired.mean() - rate) < 4 * np.sqrt(rate * (1 - rate) * (1 / repeats + 1 / 10_000))
    p = np.array([u.p for u in found])
    assert abs(np.mean(p < 0.5) - 0.5) < 4 * np.sqrt(0.25 / repeats)


def test_the_distribution_is_evaluated_where_it_says():
    values = np.array([0.005, 0.2, 0.2, 0.9])
    found = uniformity(values, rate=0.05)
    np.testing.assert_array_equal(found.points, POINTS)
    np.testing.assert_allclose(found.ecdf, [(values <= point).mean() for point in POINTS])
    assert (found.lower <= found.upper).all()
    assert POINTS[[0, -1]].tolist() == [1e-6, 1 - 1e-6]


def test_it_fires_on_values_that_lean_that_crowd_and_that_lie_far_out():
    rng = np.random.default_rng(1)
    spoilt = rng.random(300)
    # Two of 300 values beyond one in a million: no hundredth of the distribution shows it.
    spoilt[:2] = 1e-9
    for values in (rng.beta(1.5, 1, 300), rng.beta(1.6, 1.6, 300), rng.beta(0.6, 0.6, 300), spoilt):
        assert uniformity(values, rate=0.01).p < 0.01


@pytest.mark.parametrize("n", [1, 7, 300, 9_999])
@pytest.mark.parametrize("tail", [0.4, 0.005, 3.3e-7])
def test_limits_of_binomial_counts_are_its_quantiles(n, tail):
    lower, upper = binomial_limits(tail, n, POINTS)
    np.testing.assert_array_equal(lower, stats.binom.ppf(tail, n, POINTS))
    np.testing.assert_array_equal(upper, stats.binom.isf(tail, n, POINTS))
