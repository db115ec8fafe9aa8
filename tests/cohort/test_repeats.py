"""Later values that repeat earlier ones: found where some were carried forward, and not where people change little."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import alliance_bayes as ab
from alliance_bayes.cohort.repeats import repeats_of


def scores(seed, *, n=600, sd=12.0, grid=4.0, carried=0.0, shape="normal"):
    """Baseline and follow-up scores of 0 to 100 on a grid, of which some are those at baseline."""
    rng = np.random.default_rng([5, seed])
    before = rng.normal(50, 18, n)
    noise = {
        "normal": rng.normal(size=n),
        "double exponential": rng.laplace(size=n) / np.sqrt(2),
        "t": rng.standard_t(3, n) / np.sqrt(3),
        "two kinds of people": np.where(rng.random(n) < 0.3, 0.3, 1.2) * rng.normal(size=n),
    }[shape]
    after = before + sd * noise
    which = rng.random(n) < carried
    after[which] = before[which]
    if grid:
        before, after = grid * np.round(before / grid), grid * np.round(after / grid)
    return np.clip(before, 0, 100), np.clip(after, 0, 100), which


@pytest.mark.parametrize("grid", [0, 1, 4, 10])
@pytest.mark.parametrize("shape", ["normal", "double exponential", "t", "two kinds of people"])
def test_people_who_change_little_repeat_nothing(shape, grid):
    # At most one of a hundred; none of 400 was in any of these cases.
    assert [seed for seed in range(40) if repeats_of(*scores(seed, shape=shape, grid=grid)[:2])] == []


@pytest.mark.parametrize(("grid", "carried"), [(0, 0.08), (1, 0.1), (4, 0.25)])
def test_values_that_were_carried_forward_are_found(grid, carried):
    for seed in range(20):
        before, after, which = scores(seed, grid=grid, carried=carried)
        found = repeats_of(before, after)
        assert found is not None
        inside = (before > 0) & (before < 100) & (after > 0) & (after < 100)
        # Ends of the observed values are left out, a few rows inside the scale's own.
        assert abs(found.compared - inside.sum()) <= 0.02 * inside.size
        assert found.rows == pytest.approx((before == after)[inside].sum(), abs=3)
        # Those that chance alone made so, of which some were carried forward besides; four SDs of their number.
        alone = ((before == after) & inside & ~which).sum() / (1 - carried)
        assert abs(found.expected - alone) <= 4 * np.sqrt(alone + found.expected + 1)


def test_values_at_the_ends_of_a_scale_and_few_values_are_passed_over():
    rng = np.random.default_rng(0)
    before = np.where(rng.random(400) < 0.4, 0.0, rng.integers(1, 28, 400))
    after = np.where((before == 0) & (rng.random(400) < 0.8), 0.0, rng.integers(0, 28, 400))
    assert (before == after).mean() > 0.25
    assert repeats_of(before, after) is None
    answers = rng.integers(1, 6, 400).astype(float)
    assert repeats_of(answers, np.where(rng.random(400) < 0.7, answers, 6 - answers)) is None
    assert repeats_of(np.full(400, np.nan), after) is None
    assert repeats_of(before[:40], before[:40]) is None


def test_a_table_says_how_many():
    before, after, _ = scores(3, carried=0.3)
    before[:20] = np.nan
    frame = pd.DataFrame(
        {"who5_baseline": before, "who5_followup": after, "phq9_pre": after % 27, "phq9_post": np.roll(after, 1) % 27}
    )
    doubts = [doubt for doubt in ab.read_cohort(frame).doubts() if doubt.kind == "repeated"]
    assert [doubt.problem.column for doubt in doubts] == ["who5_followup"]
    found = repeats_of(before, after)
    assert found is not None
    assert dict(doubts[0].details) == {
        "rows": found.rows,
        "expected": round(found.expected),
        "compared": found.compared,
    }
    assert f"exactly the value of 'who5_baseline' in {found.rows} rows of {found.compared}" in str(doubts[0])
