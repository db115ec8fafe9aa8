"""The gradient of the marginal log density against central differences of the density."""

from __future__ import annotations

import numpy as np
import pytest

from alliance_bayes.engines.collapsed.marginal import Marginal
from engines.collapsed.cases import BY_NAME, CASES, Case
from engines.collapsed.dense import extremes, points


def differences(marginal: Marginal, theta: np.ndarray, step: float = 2e-3) -> np.ndarray:
    """Central differences with the first two error terms taken off: the error is of order step^6."""
    unit = np.eye(marginal.hyper.size) * step
    found = [
        (marginal.log_density(theta + k * unit) - marginal.log_density(theta - k * unit)) / (2 * k * step)
        for k in (1, 2, 3)
    ]
    return np.asarray((15 * found[0] - 6 * found[1] + found[2]) / 10)


def room(case: Case, theta: np.ndarray, density: float) -> float:
    """What rounding leaves in a difference: 1e-15 over the step of the density's largest parts."""
    outcome, strata = case.design.outcome.coded, len(case.marginal.hyper.sigma)
    squares = ((outcome - outcome.mean()) ** 2).sum() / np.exp(2 * theta[:strata].min())
    offset = (case.marginal.equations.offset**2).sum()
    return float(1e-15 / 2e-3 * 10 * (abs(density) + squares + offset) + 1e-9)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_gradient_is_that_of_the_density(case: Case) -> None:
    marginal = case.marginal
    for theta in points(marginal.hyper, 4, seed=5):
        value, gradient = marginal.value_and_gradient(theta)
        density = marginal.log_density(theta[None])[0]
        assert value == pytest.approx(density, rel=1e-13, abs=1e-11)  # the same sums in another order
        gap = gradient - differences(marginal, theta)
        assert (np.abs(gap) < room(case, theta, density) + 1e-8 * np.abs(gradient)).all(), gap
        assert np.abs(gradient).min() > 1e-6


@pytest.mark.parametrize("case", CASES, ids=str)
def test_gradient_is_that_of_the_density_at_the_edges(case: Case) -> None:
    marginal = case.marginal
    # Residual SDs of 1,000 and 0.01, scales of 50 beside others of 1e-8, correlations of 0.999; left out are scales of
    # 1e3, whose prior alone would leave no digits to differences.
    for theta in np.delete(extremes(marginal.hyper), 1, axis=0):
        value, gradient = marginal.value_and_gradient(theta)
        gap = gradient - differences(marginal, theta)
        # Pivots beside a correlation r keep 1 - r^2 of their size, and lose the digits of the rest.
        left = 1 - 0.999**2 if case.marginal.hyper.correlated else 1.0
        assert (np.abs(gap) < room(case, theta, value) / left + 1e-7 * np.abs(gradient)).all(), gap


@pytest.mark.parametrize("name", ["heavy_tails", "correlated_2", "correlated_3", "everything"])
def test_gradient_is_a_number_however_wild_theta_is(name: str) -> None:
    hyper = BY_NAME[name].marginal.hyper
    for value in (-1e4, -800.0, -25.0, 19.0, 25.0, 800.0, 1e4):
        for part in (slice(None), slice(hyper.positive, None)):
            theta = points(hyper, 1)[0]
            theta[part] = value
            density, gradient = BY_NAME[name].marginal.value_and_gradient(theta)
            assert density < -100
            assert np.isfinite(gradient).all()
            if density == -np.inf:
                np.testing.assert_array_equal(gradient, np.zeros(hyper.size))
            elif part.start is not None:
                # A correlation next to 1 is pulled back.
                assert (np.sign(gradient[part]) == -np.sign(value)).all()
