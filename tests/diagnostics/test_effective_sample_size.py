"""Effective sample sizes and R-hat of blocks: what ArviZ gives for one quantity after the other."""

from __future__ import annotations

import numpy as np
import pytest
from arviz_stats.base import array_stats
from hypothesis import given, settings
from hypothesis import strategies as st

from alliance_bayes.diagnostics import effective_sample_size, rhat


def chains(k: int, n_chains: int, n: int, carry: float, seed: int = 0) -> np.ndarray:
    values = np.random.default_rng(seed).standard_normal((k, n_chains, n))
    for t in range(1, n):
        values[:, :, t] += carry * values[:, :, t - 1]
    return values


@pytest.mark.slow
@pytest.mark.parametrize("carry", [0.0, 0.5, 0.98, -0.8])
@pytest.mark.parametrize(("n_chains", "n"), [(8, 250), (4, 37), (1, 64), (2, 4), (2, 5), (3, 6), (2, 7)])
def test_blocks_are_what_arviz_gives_one_by_one(n_chains: int, n: int, carry: float) -> None:
    values = chains(30, n_chains, n, carry)
    values[20:] = values[20:] > 0.8
    # A draw of all false or true does not vary: its R-hat is not defined.
    moving = np.ptp(values, axis=(1, 2)) > 0
    # The same estimator: only the order of floating-point sums differs.
    np.testing.assert_allclose(
        effective_sample_size(values), array_stats.ess(values, method="identity"), rtol=1e-10, atol=0
    )
    if n_chains > 1:
        # A chain that stands still where another moves is no fault; chains that all do, at two places, are infinite.
        with np.errstate(divide="ignore"):
            expected = array_stats.rhat(values[moving], method="identity")
            np.testing.assert_allclose(rhat(values[moving]), expected, rtol=1e-12)


@given(
    values=st.lists(st.integers(-3, 3), min_size=8, max_size=40),
    n_chains=st.integers(1, 2),
)
@settings(max_examples=100, deadline=None)
def test_draws_of_few_values_have_arvizs_sample_size(values: list[int], n_chains: int) -> None:
    n = len(values) // n_chains
    draws = np.array(values[: n * n_chains], dtype=float).reshape(1, n_chains, n)
    expected = float(array_stats.ess(draws[0], method="identity"))
    found = float(effective_sample_size(draws)[0])
    # Sums of exact ties can be positive by rounding in one order of adding and negative in the other, which decides
    # where the sequence ends: the next pair adds no more than rounding either way.
    assert found == pytest.approx(expected, rel=1e-6)


def test_what_does_not_vary_and_what_is_too_short() -> None:
    assert effective_sample_size(np.full((2, 4, 10), 3.0)).tolist() == [40.0, 40.0]
    assert np.isnan(effective_sample_size(np.zeros((2, 4, 3)))).all()
    assert np.isnan(rhat(np.zeros((2, 4, 3)))).all()
    assert effective_sample_size(np.empty((0, 4, 10))).shape == (0,)
    apart = np.repeat(np.arange(2.0), 10).reshape(1, 2, 10)
    with np.errstate(divide="ignore"):
        assert np.isinf(rhat(apart)).all()


def test_the_sample_size_of_independent_draws_is_their_number() -> None:
    sizes = effective_sample_size(chains(400, 4, 500, 0.0))
    # One estimate of 2,000 independent draws varies by some 5 %; the mean of 400 by a quarter of a per cent. Cutting
    # the sequence where it turns negative makes it a little too small.
    assert 0.95 < sizes.mean() / 2000 < 1.01
    correlated = effective_sample_size(chains(400, 4, 5000, 0.5))
    # An autoregression of 1/2 leaves a third: (1 - 1/2) / (1 + 1/2).
    assert correlated.mean() / 20_000 == pytest.approx(1 / 3, rel=0.03)
