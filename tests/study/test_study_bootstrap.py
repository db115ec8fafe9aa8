"""Statistics of the Bayesian bootstrap: each against its weighted definition, and means against theory."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from alliance_bayes.study.replication import BootstrapWeights

DRAWS = 5
# Sums of a dozen products of numbers of order 100: rounding stays far below this.
ROUNDING = {"rel": 1e-9, "abs": 1e-9}
VALUES = st.integers(3, 12).flatmap(
    lambda n: hnp.arrays(np.float64, n, elements=st.floats(-100, 100).map(lambda x: round(x, 1)))
)


def weights_of(made: BootstrapWeights, n: int) -> np.ndarray:
    """The weights themselves: those of a mask that marks everybody."""
    return made.of(np.ones(n, dtype=bool))


def mean(w: np.ndarray, x: np.ndarray) -> float:
    return sum(a * b for a, b in zip(w, x, strict=True)) / sum(w)


def variance(w: np.ndarray, x: np.ndarray) -> float:
    return mean(w, (x - mean(w, x)) ** 2)


@given(st.integers(1, 20), st.integers(0, 99))
def test_weights_are_positive_and_sum_to_one(n: int, seed: int) -> None:
    w = weights_of(BootstrapWeights(n, draws=DRAWS, seed=seed), n)

    assert w.shape == (DRAWS, n)
    assert (w > 0).all()
    assert w.sum(axis=1) == pytest.approx(np.ones(DRAWS), rel=1e-12)  # rounding


def test_the_same_seed_gives_the_same_weights() -> None:
    first, again, other = (weights_of(BootstrapWeights(4, draws=3, seed=seed), 4) for seed in (1, 1, 2))

    assert (first == again).all()
    assert (first != other).any()


@given(VALUES, st.integers(0, 9))
def test_mean_and_sd(values: np.ndarray, seed: int) -> None:
    made = BootstrapWeights(values.size, draws=DRAWS, seed=seed)
    w = weights_of(made, values.size)

    assert made.mean(values) == pytest.approx([mean(row, values) for row in w], **ROUNDING)
    if np.ptp(values) > 0.05:
        expected = [math.sqrt(variance(row, values)) for row in w]
        # A difference of squares: rounding relative to the spread of the data, not to the SD.
        assert made.sd(values) == pytest.approx(expected, rel=1e-6, abs=1e-5)


@given(VALUES, st.data())
def test_gaps_are_left_out(values: np.ndarray, data: st.DataObject) -> None:
    known = data.draw(hnp.arrays(np.bool_, values.size).filter(lambda mask: mask.sum() >= 2))
    gappy = np.where(known, values, np.nan)
    made = BootstrapWeights(values.size, draws=DRAWS)
    w = weights_of(made, values.size)[:, known]

    assert made.mean(gappy) == pytest.approx([mean(row, values[known]) for row in w], **ROUNDING)
    assert made.median(gappy) == pytest.approx([median(row, values[known]) for row in w], rel=0)


def median(w: np.ndarray, x: np.ndarray) -> float:
    """The smallest value that half of the weight does not exceed."""
    return next(v for v in sorted(set(x)) if sum(w[x <= v]) >= sum(w) * (0.5 - 1e-12))


@given(VALUES, st.data())
def test_median_of_some(values: np.ndarray, data: st.DataObject) -> None:
    mask = data.draw(hnp.arrays(np.bool_, values.size).filter(lambda marked: marked.any()))
    made = BootstrapWeights(values.size, draws=DRAWS)
    w = weights_of(made, values.size)[:, mask]

    assert made.median(values, mask).tolist() == [median(row, values[mask]) for row in w]


@given(VALUES, st.data())
def test_correlation(x: np.ndarray, data: st.DataObject) -> None:
    y = data.draw(hnp.arrays(np.float64, x.size, elements=st.floats(-100, 100).map(lambda v: round(v, 1))))
    made = BootstrapWeights(x.size, draws=DRAWS)
    w = weights_of(made, x.size)
    if min(min(variance(row, x), variance(row, y)) for row in w) < 1e-2:
        return

    expected = [
        mean(row, (x - mean(row, x)) * (y - mean(row, y))) / math.sqrt(variance(row, x) * variance(row, y)) for row in w
    ]
    found = made.correlation(x, y)

    # Numbers of order 100 over variances of 0.01 and more: 1e4 / 1e-2 times the rounding of 1e-16.
    assert found == pytest.approx(expected, abs=1e-8)
    assert made.correlation(y, x) == pytest.approx(found, abs=1e-8)
    assert (np.abs(found) <= 1 + 1e-8).all()


@given(
    st.integers(3, 12).flatmap(lambda n: hnp.arrays(np.float64, n, elements=st.sampled_from([3.0, 4.0, 4.5, 5.0]))),
    st.data(),
)
def test_superiority(values: np.ndarray, data: st.DataObject) -> None:
    first = data.draw(hnp.arrays(np.bool_, values.size).filter(lambda marked: 0 < marked.sum() < marked.size))
    made = BootstrapWeights(values.size, draws=DRAWS)
    w = weights_of(made, values.size)
    pairs = list(itertools.product(np.flatnonzero(first), np.flatnonzero(~first)))

    expected = [
        sum(row[i] * row[j] * ((values[i] > values[j]) + 0.5 * (values[i] == values[j])) for i, j in pairs)
        / sum(row[i] * row[j] for i, j in pairs)
        for row in w
    ]
    found = made.superiority(values, first, ~first)

    assert found == pytest.approx(expected, **ROUNDING)
    assert made.superiority(values, ~first, first) == pytest.approx(1 - found, **ROUNDING)


@given(st.integers(4, 10), st.integers(2, 3), st.integers(0, 9))
def test_alpha(n: int, k: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    items = rng.normal(size=(n, 1)) + rng.normal(size=(n, k))
    made = BootstrapWeights(n, draws=DRAWS, seed=seed)

    expected = [
        k / (k - 1) * (1 - sum(variance(row, items[:, j]) for j in range(k)) / variance(row, items.sum(axis=1)))
        for row in weights_of(made, n)
    ]

    assert made.alpha(items) == pytest.approx(expected, rel=1e-7, abs=1e-9)  # differences of squares of order one
    holes = np.vstack([items, np.full((2, k), np.nan)])
    assert BootstrapWeights(n + 2, draws=DRAWS, seed=seed).alpha(holes).shape == (DRAWS,)


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 99))
def test_posterior_of_a_mean_is_that_of_theory(seed: int) -> None:
    """Under Dirichlet(1, ..., 1) weights the mean has expectation x-bar and variance s2 / (n + 1), s2 over n."""
    n, draws = 40, 20_000
    values = np.random.default_rng(seed).normal(50, 19, n)

    found = BootstrapWeights(n, draws=draws, seed=seed).mean(values)

    sd = values.std() / math.sqrt(n + 1)
    # Five Monte Carlo standard errors each: sd / sqrt(draws) of a mean, about sd / sqrt(2 draws) of an SD.
    assert found.mean() == pytest.approx(values.mean(), abs=5 * sd / math.sqrt(draws))
    assert found.std() == pytest.approx(sd, rel=5 / math.sqrt(2 * draws))


def test_posterior_of_a_share_is_a_beta() -> None:
    n, count, draws = 30, 12, 20_000
    values = (np.arange(n) < count).astype(float)

    found = BootstrapWeights(n, draws=draws, seed=3).mean(values)

    # Beta(12, 18): quantiles of 20,000 draws have standard errors below 0.0016; five of them.
    from scipy import stats

    for prob in (0.1, 0.5, 0.9):
        assert np.quantile(found, prob) == pytest.approx(stats.beta.ppf(prob, count, n - count), abs=0.008)
