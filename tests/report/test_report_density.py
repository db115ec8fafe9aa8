"""The smoothed density of draws is the density of what they were drawn from, and keeps to where it can be."""

from __future__ import annotations

import numpy as np
import pytest
from arviz_stats.base import array_stats
from scipy import stats

from alliance_bayes.report.figures import density_curve

# Evenly spread over their distribution, so that no test is left to chance.
DRAWS = stats.norm.ppf((np.arange(8000) + 0.5) / 8000)


def test_normal_draws_have_a_normal_density() -> None:
    x, density = density_curve(10 + 3 * DRAWS)
    # A Gaussian kernel adds its own variance; Scott's has an SD of 1.06 n^(-1/5) SDs.
    smoothed = stats.norm.pdf(x, 10, 3 * np.hypot(1, 1.06 * 8000**-0.2))
    # The draws are counted in 161 bins: a hundredth of the top.
    np.testing.assert_allclose(density, smoothed, rtol=0, atol=0.01 * smoothed.max())
    assert x[0] < 10 - 3 * 3.2 < 10 + 3 * 3.2 < x[-1]


def test_what_is_positive_has_its_density_above_zero() -> None:
    draws = np.abs(DRAWS)
    x, density = density_curve(draws, positive=True)
    assert 0 < x[0] < x[1] - x[0]
    smoothed = 2 * stats.norm.pdf(x)
    # Within a kernel's SD (0.11 of theirs) of the end the mirrored draws keep the curve level.
    np.testing.assert_allclose(density, smoothed, rtol=0, atol=0.03 * smoothed.max())
    assert np.sum(density) * (x[1] - x[0]) == pytest.approx(np.mean(draws < x[-1]), abs=1e-3)


def test_draws_that_do_not_vary_have_none() -> None:
    x, density = density_curve(np.full(100, 3.0))
    assert x.size == density.size == 0


def test_a_chain_that_was_stuck_has_a_finite_one() -> None:
    x, density = density_curve(np.r_[np.full(900, 1.0), np.linspace(0, 2, 100)])
    assert np.isfinite(x).all()
    assert np.isfinite(density).all()


@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_it_is_the_density_that_arviz_gives(positive: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    draws = rng.standard_t(3, size=int(rng.integers(50, 5000))) * 10.0**seed
    draws = np.abs(draws) if positive else draws

    x, density = density_curve(draws, positive=positive)

    low, high = np.quantile(draws, [0.0005, 0.9995])
    ends = (0.0 if positive else low - 0.12 * (high - low), high + 0.12 * (high - low))
    shown = draws[(ends[0] <= draws) & (draws <= ends[1])]
    at, expected, _ = array_stats.kde(shown, grid_len=x.size, custom_lims=ends, bw="scott")
    np.testing.assert_allclose(x, at, rtol=1e-12)
    # The same sums in another order.
    np.testing.assert_allclose(density, expected * shown.size / draws.size, rtol=1e-9, atol=1e-9 * density.max())


def test_what_varies_in_a_few_outlying_draws_alone_has_none() -> None:
    x, density = density_curve(np.r_[np.full(9999, 1.0), 50.0])
    assert x.size == density.size == 0
