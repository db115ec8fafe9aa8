"""Diagnostics do not depend on the unit of a quantity, however small or large it makes the draws."""

import numpy as np
import pytest

from alliance_bayes.diagnostics import convergence, effective_sample_size, rhat


@pytest.mark.parametrize("power", [-1000, -700, -500, 500, 700, 1000])
@pytest.mark.parametrize("infinite", [False, True])
def test_powers_of_two_change_nothing(power: int, infinite: bool) -> None:
    # Squares of draws of 1e-200 are zero, those of 1e200 infinite.
    draws = np.random.default_rng(0).normal(size=(3, 4, 100)).cumsum(axis=2)
    if infinite:
        draws[1, 0, 0] = np.inf
    limits = np.quantile(draws.reshape(3, -1), [0.055, 0.945], axis=1).T
    expected = convergence(draws, limits)
    found = convergence(np.ldexp(draws, power), np.ldexp(limits, power))
    for name, values in expected.items():
        assert np.array_equal(found[name], values, equal_nan=True), name
    if not infinite:
        for diagnosed in (effective_sample_size, rhat):
            assert np.array_equal(diagnosed(np.ldexp(draws, power)), diagnosed(draws))
