"""Levels of a factor whose values are in wider steps than those of others."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import alliance_bayes as ab
from alliance_bayes.checks import run_checks
from alliance_bayes.cohort.coarse import Coarse, coarse_levels


def scores(rng: np.random.Generator, n: int = 600) -> np.ndarray:
    """Like WHO-5 scores: in steps of 4, from 0 to 100."""
    return np.clip(np.round(rng.normal(55, 20, n) / 4) * 4, 0, 100)


@pytest.mark.parametrize("step", [8.0, 20.0])
def test_a_site_that_rounds_is_found_with_its_step(step: float) -> None:
    rng = np.random.default_rng(1)
    values, codes = scores(rng), rng.integers(0, 8, 600)
    assert coarse_levels(values, codes) == []
    there = codes == 3
    values[there] = np.clip(np.round(values[there] / step) * step, 0, 100)
    (found,) = coarse_levels(values, codes)
    inside = (values > 0) & (values < 100)
    assert (found.level, found.step, found.share) == (3, step, 1.0)
    assert found.elsewhere == pytest.approx((values[inside & ~there] % step == 0).mean(), abs=1e-12)
    # One in thirty may be none, and other offsets than 0 are steps, too.
    values[np.flatnonzero(there & inside)[:2]] = 52
    values += 3
    assert [(one.level, one.step) for one in coarse_levels(values, codes)] == [(3, step)]


def test_numbers_without_steps_are_rounded_where_others_are_not() -> None:
    rng = np.random.default_rng(2)
    values, codes = rng.normal(170, 10, 300), rng.integers(0, 3, 300)
    values[codes == 1] = np.round(values[codes == 1])
    assert coarse_levels(values, codes) == [Coarse(1, 1.0, 1.0, 0.0)]
    assert coarse_levels(np.where(codes == 1, values, np.round(values)), codes) == []


def test_rows_of_one_person_are_one_value() -> None:
    """One person with many rows of four values says nothing of a site."""
    rng = np.random.default_rng(3)
    values, codes = scores(rng), rng.integers(0, 4, 600)
    values[codes == 2] = rng.choice([20.0, 40.0, 60.0, 80.0], int((codes == 2).sum()))
    own = np.where(codes == 2, 0, 1 + np.arange(600))
    assert [one.level for one in coarse_levels(values, codes)] == [2]
    assert coarse_levels(values, codes, whose=own) == []


def test_levels_that_differ_in_mean_spread_and_ends_are_no_alarm() -> None:
    """None of 600 made tables: at most one of a hundred is what the rate allows."""
    alarms = 0
    for seed in range(600):
        rng = np.random.default_rng(seed)
        n, levels = int(rng.integers(60, 1500)), int(rng.integers(2, 20))
        codes = rng.integers(0, levels, n)
        mean, sd = rng.normal(0, 10, levels)[codes], 8 * np.exp(rng.normal(0, 1, levels))[codes]
        noise = rng.normal(0, 1, n)
        values = (
            np.clip(np.round((55 + mean + sd * noise) / 4) * 4, 0, 100),
            rng.poisson(np.exp(np.clip(1 + mean / 8, -3, 4))).astype(float),
            mean + sd * noise,
            np.round(mean + sd * noise),
            np.round(np.exp(mean / 8 + noise), 2),
        )[seed % 5]
        alarms += bool(coarse_levels(values, codes))
    assert alarms == 0


@pytest.mark.parametrize("values", [np.full(60, np.nan), np.ones(60), np.r_[np.ones(30), np.zeros(30)], np.zeros(0)])
def test_what_has_no_steps_has_no_wider_ones(values: np.ndarray) -> None:
    assert coarse_levels(values, np.arange(len(values)) % 2) == []


def test_validate_says_where_and_a_check_that_it_is_so() -> None:
    rng = np.random.default_rng(4)
    site, bond = rng.choice(list("ABCDEFGH"), 600), np.round(np.clip(rng.normal(4, 0.7, 600), 1, 5), 1)
    frame = pd.DataFrame({"participant_id": np.arange(600).astype(str), "site": site, "bond": bond})
    plain = frame.assign(score=np.clip(scores(rng) + 4 * np.round(2 * (bond - 4)), 0, 100))
    rounded = plain.assign(score=np.where(site == "C", np.round(plain["score"] / 20) * 20, plain["score"]))
    for data, steps in ((plain, []), (rounded, [{"C": 20.0}])):
        doubts = [doubt for doubt in ab.read_cohort(data).doubts() if doubt.kind == "coarse"]
        assert [doubt.details["steps"] for doubt in doubts] == steps
        assert [doubt.problem.column for doubt in doubts] == ["score"] * len(steps)
        fit = ab.Model("score ~ bond + (1 | site)").fit(data, draws=100, progress=False)
        result = run_checks(fit, checks=["copies"])["copies"]
        assert result.verdict == ("warn" if steps else "pass")
        assert result.table["rounded"].tolist() == ["yes" if steps else "no"]
        assert (" score by site." in result.sentence) == bool(steps)
