"""Missing levels of a factor of many: bias, paired with complete data, and coverage of the truth."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import alliance_bayes as ab
from imputing import PROB, Record, paired
from sizes import sized

FACTOR_SETS = sized(200, 3)


def made_factor(seed: int, n: int = 400, levels: int = 25) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A complete table with a factor of many levels, and the same with gaps in it by outcome, and in a predictor."""
    rng = np.random.default_rng(9000 + seed)
    g = np.r_[np.arange(levels), rng.choice(levels, n - levels, p=rng.dirichlet(np.full(levels, 3.0)))]
    means, slopes, of_w = rng.normal(0, 1, levels), rng.normal(0, 0.3, levels), rng.normal(0, 1, levels)
    w = of_w[g] + rng.normal(0, 1, n)
    x = 0.3 * w + rng.normal(0, 1, n)
    y = 1.0 * x + 0.5 * w + 0.7 * means[g] + slopes[g] * x + rng.normal(0, 1, n)
    full = pd.DataFrame({"participant_id": [f"p{k}" for k in range(n)], "y": y, "x": x, "w": w})
    full["g"] = [f"g{k:02d}" for k in g]
    gaps = full.copy()
    gaps["g"] = full["g"].where((rng.random(n) > 1 / (1 + np.exp(1.0 - 0.8 * y))) | (np.arange(n) < levels))
    gaps.loc[rng.random(n) < 0.2, "x"] = np.nan
    return full, gaps


@pytest.mark.slow
def test_a_factor_of_many_levels_is_made_up_for(record_property: Record) -> None:
    """Slopes and the SD of levels, paired with the complete data of the same set, and coverage of the truth.

    A third of the levels are missing, more often where the outcome is high, so that leaving rows out is biased. The
    posterior mean of an SD depends on how much is known, so that of levels is compared with complete rows of which as
    many are missing completely at random.
    """
    names, truth = ("x", "w", "SD of levels"), np.array([1.0, 0.5, 0.7])
    means: dict[str, list[np.ndarray]] = {"imputed": [], "complete": [], "dropped": [], "fewer": []}
    covered = []
    for seed in range(FACTOR_SETS):
        full, gaps = made_factor(seed)
        lost = int(gaps.isna().any(axis=1).sum())
        some = full.drop(index=np.random.default_rng(9500 + seed).choice(np.arange(25, 400), lost, replace=False))
        for name, data in (("imputed", gaps), ("complete", full), ("dropped", gaps), ("fewer", some)):
            model = ab.Model(
                "y ~ x + w + (x || g)", roles={"g": "group"}, missing="impute" if name == "imputed" else "drop"
            )
            fit = model.fit(ab.read_cohort(data), seed=seed, draws=500, progress=False)
            slopes = fit.posterior["beta"].sel(term=list(names[:2])).to_numpy().reshape(-1, 2)
            draws = np.column_stack([slopes, fit.posterior["tau_g"].sel(g_term="Intercept").to_numpy().ravel()])
            means[name].append(draws.mean(axis=0))
            if name == "imputed":
                low, high = np.quantile(draws, [(1 - PROB) / 2, (1 + PROB) / 2], axis=0)
                covered.append((low < truth) & (high > truth))
    shifts, spread, coverage = paired(record_property, names, means, covered)
    apart = shifts["imputed"].copy()
    apart[:, 2] -= shifts["fewer"][:, 2]
    error, shift = apart.std(axis=0, ddof=1) / np.sqrt(FACTOR_SETS), np.abs(apart.mean(axis=0))
    if FACTOR_SETS == 200:
        assert (shift < 3 * error).all()
        assert (shift < 0.15 * spread).all()
        assert ((coverage > 0.83) & (coverage < 0.95)).all()
        assert (shifts["dropped"].mean(axis=0) < -0.5 * spread).all()
    else:
        # 3.3 standard errors of a coverage of .89.
        assert (coverage > PROB - 3.3 * np.sqrt(PROB * (1 - PROB) / FACTOR_SETS)).all()
        # Three sets cannot tell the bias of one of them: of all three together it is less than where rows are left out.
        assert np.abs(shifts["imputed"].mean(axis=0)).sum() < np.abs(shifts["dropped"].mean(axis=0)).sum() / 2
