"""Pareto-smoothed importance sampling in blocks: what ArviZ gives row by row, and what cannot be smoothed."""

from __future__ import annotations

import numpy as np
import pytest
from arviz_stats.base import array_stats
from hypothesis import given, settings
from hypothesis import strategies as st

from alliance_bayes.diagnostics import smoothed


def ratios(kind: str, rows: int, draws: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((rows, draws))
    scales = rng.uniform(0.02, 2.0, (rows, 1))
    made = {
        "normal": scales * z,
        "squared": scales * z**2,
        "bounded": np.log(rng.random((rows, draws))),
        "heavy": np.tan(np.pi * (rng.random((rows, draws)) - 0.5)),
        "rounded": np.round(scales * z, 2),
    }
    return made[kind]


@pytest.mark.parametrize("efficiency", [0.3, 1.0, 1.4])
@pytest.mark.parametrize("draws", [40, 200, 4000])
@pytest.mark.parametrize("kind", ["normal", "squared", "bounded", "heavy"])
def test_a_block_is_what_arviz_gives_row_by_row(kind: str, draws: int, efficiency: float) -> None:
    log_ratios = ratios(kind, 12, draws)
    log_weights, k = smoothed(log_ratios, relative_efficiency=efficiency)
    # ArviZ takes log likelihoods, of which the ratios are the inverse. It has no estimate for some tails, or an
    # infinite one.
    expected_weights, expected_k = array_stats.psislw(-log_ratios, r_eff=efficiency)
    known = np.isfinite(expected_k)
    assert known.sum() >= 10 or kind == "heavy"
    # The same formulas on the same draws: only the order of sums may differ, and logarithms of 1 + x for small x.
    np.testing.assert_allclose(k[known], expected_k[known], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(log_weights[known], expected_weights[known], rtol=1e-9, atol=1e-9)
    assert not np.isfinite(k[~known]).any()


@pytest.mark.parametrize("kind", ["normal", "heavy", "rounded"])
def test_every_row_is_on_its_own(kind: str) -> None:
    log_ratios = ratios(kind, 7, 300, seed=3)
    log_weights, k = smoothed(log_ratios)
    for row in range(7):
        alone, own = smoothed(log_ratios[row : row + 1])
        np.testing.assert_allclose(alone[0], log_weights[row], rtol=1e-13)
        np.testing.assert_allclose(own[0], k[row], rtol=1e-13)


@given(seed=st.integers(0, 10_000), shift=st.floats(-500, 500), draws=st.integers(2, 400))
@settings(max_examples=60, deadline=None)
def test_weights_sum_to_one_and_only_the_tail_is_moved(seed: int, shift: float, draws: int) -> None:
    log_ratios = ratios("squared", 3, draws, seed)
    log_weights, k = smoothed(log_ratios)
    np.testing.assert_allclose(np.exp(log_weights).sum(axis=1), 1, rtol=1e-12)
    moved, again = smoothed(log_ratios + shift)
    # A constant of hundreds leaves a rounding error of 1e-13 in the ratios.
    np.testing.assert_allclose(moved, log_weights, atol=1e-8)
    np.testing.assert_allclose(again, k, atol=1e-8)
    body = np.argsort(log_ratios, axis=1)[:, : draws - max(draws // 5, 1)] if draws < 226 else None
    if body is not None:
        raw = np.take_along_axis(log_ratios - log_weights, body, axis=1)
        assert (np.ptp(raw, axis=1) < 1e-9).all()
    # Smoothing never makes a weight larger than the largest raw one.
    assert (log_weights.max(axis=1) - log_weights.min(axis=1) <= np.ptp(log_ratios, axis=1) + 1e-9).all()


def test_what_cannot_be_smoothed_keeps_its_weights() -> None:
    few = ratios("normal", 2, 24)
    log_weights, k = smoothed(few)
    assert np.isnan(k).all()
    np.testing.assert_allclose(np.exp(log_weights), np.exp(few) / np.exp(few).sum(axis=1, keepdims=True), rtol=1e-12)

    level = np.full((1, 200), -7.0)
    log_weights, k = smoothed(level)
    assert k.tolist() == [0.0]
    np.testing.assert_allclose(log_weights, -np.log(200), rtol=1e-14)

    # Half of the tail has the value where it starts: nothing like a Pareto distribution.
    tied = np.r_[np.zeros(180), np.linspace(0.1, 1, 20)][None]
    log_weights, k = smoothed(tied)
    assert np.isnan(k).all()
    np.testing.assert_allclose(np.exp(log_weights), np.exp(tied) / np.exp(tied).sum(), rtol=1e-12)
