"""The smoothed density of draws is the density of what they were drawn from, and keeps to where it can be."""

from __future__ import annotations

import numpy as np
import pytest
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
