"""Normal scores of ranks, of draws and of their distances from the median, against SciPy's ranks."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from alliance_bayes.diagnostics import convergence, normal_scores


def scored(values: np.ndarray) -> np.ndarray:
    return np.asarray(stats.norm.ppf((stats.rankdata(values) - 3 / 8) / (values.size + 1 / 4)))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(-6, 6).map(float) | st.sampled_from([0.25, np.inf, -np.inf]), min_size=2, max_size=40))
def test_scores_are_those_of_average_ranks(values: list[float]) -> None:
    draws = np.array(values)[None]

    own, folded = normal_scores(draws, np.argsort(draws, axis=1))[:, 0]

    np.testing.assert_allclose(own, scored(draws[0]), rtol=1e-12, atol=1e-12)
    with np.errstate(invalid="ignore"):
        middle = np.median(draws[0])
    if np.isfinite(middle):
        np.testing.assert_allclose(folded, scored(np.abs(draws[0] - middle)), rtol=1e-12, atol=1e-12)
    else:
        assert np.isnan(folded).all()


def test_neighbours_that_rounding_tells_apart_are_tied() -> None:
    draws = np.array([[3.0, 1.0, 1.0 + 1e-13, 2.0, 2.0 - 1e-13, 0.0]])

    own, _ = normal_scores(draws, np.argsort(draws, axis=1))[:, 0]

    np.testing.assert_allclose(own, scored(np.array([3.0, 1.0, 1.0, 2.0, 2.0, 0.0])), rtol=1e-12, atol=1e-12)


@settings(max_examples=50, deadline=None)
@given(k=st.integers(1, 5), chains=st.integers(1, 4), n=st.integers(4, 31), seed=st.integers(0, 1000))
def test_an_order_that_is_known_changes_nothing(k: int, chains: int, n: int, seed: int) -> None:
    draws = np.round(np.random.default_rng(seed).normal(size=(k, chains, n)), 1)
    limits = np.quantile(draws.reshape(k, -1), [0.1, 0.9], axis=1).T

    alone = convergence(draws, limits)
    known = convergence(draws, limits, order=np.argsort(draws.reshape(k, -1), axis=1))

    for name, values in alone.items():
        np.testing.assert_array_equal(known[name], values)
