"""How often the interval of the difference of arms covers the one that a Gaussian trial was drawn from."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import alliance_bayes as ab
from sizes import sized

#: Sets, and how many covered are within 1 in 10,000 to either side of 89 %.
SETS = sized(400, 60)
LEAST, MOST = stats.binom.ppf([1e-4, 1 - 1e-4], SETS, 0.89)
EFFECT = -3.5


def trial(seed: int, n: int = 60) -> pd.DataFrame:
    """A small trial with a baseline, whose scores at the end differ by so much between arms."""
    rng = np.random.default_rng([18, seed])
    arm, start = rng.permutation(np.resize(["TAU", "CBT"], n)), rng.normal(24, 7, n)
    return pd.DataFrame(
        {"score": 8 + 0.5 * start + EFFECT * (arm == "CBT") + rng.normal(0, 7, n), "start": start, "arm": arm}
    )


@pytest.mark.slow
def test_the_interval_of_the_difference_covers_it(record_property: Callable[[str, object], None]) -> None:
    model = ab.Model("score ~ arm + start", focal="arm", levels={"arm": ("TAU", "CBT")})
    covered, exact, moved = [], [], []
    for seed in range(SETS):
        frame = trial(seed)
        row = (
            model.fit(frame, draws=500, seed=seed, progress=False)
            .effects()
            .loc["contrast_of_means/arm=CBT vs TAU/sample"]
        )
        covered.append(row["lower"] <= EFFECT <= row["upper"])
        x = np.column_stack([np.ones(len(frame)), frame["arm"] == "CBT", frame["start"]]).astype(float)
        beta, rest, *_ = np.linalg.lstsq(x, frame["score"].to_numpy(), rcond=None)
        error = np.sqrt(np.linalg.inv(x.T @ x)[1, 1] * rest[0] / (len(frame) - 3))
        exact.append(abs(beta[1] - EFFECT) < stats.t.ppf(0.945, len(frame) - 3) * error)
        moved.append((row["mean"] - beta[1]) / error)
    record_property("seeds", f"0 to {SETS - 1}")
    record_property("coverage", f"{np.mean(covered):.3f}")
    record_property("coverage of the t interval, which is exact", f"{np.mean(exact):.3f}")
    record_property("mean shift from least squares, in standard errors", f"{np.mean(moved):+.3f}")
    assert LEAST <= np.sum(covered) <= MOST
    # Of the same sets: what the prior and 2,000 draws do to the ends of an interval concerns a few sets near them.
    assert abs(np.mean(covered) - np.mean(exact)) < 0.06
    # 2.5 SDs of the outcome are ten standard errors here: the prior draws an estimate in by a hundredth of itself.
    assert np.abs(moved).max() < 0.15
