"""The collapsed engine against NUTS on the joint density: one posterior, whatever the model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import arviz as az
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from alliance_bayes.engines import SamplerSettings, sample_nuts
from alliance_bayes.engines.collapsed import sample_collapsed
from alliance_bayes.model import ModelSpec
from alliance_bayes.moments import moments_of
from engines.collapsed.agreement import deviations, once
from engines.collapsed.cases import table
from sizes import sized

# Deviations are counted in combined Monte Carlo standard errors of means and of SDs. The twelve models have 420
# quantities together, so 840 deviations: were all independent, one would be beyond 4.5 in 1 of 175 seeds. The seeds
# are fixed, but another processor may round otherwise and so draw other numbers. The limit does not depend on the
# number of draws, which the errors go by: fewer tell less, and raise no more false alarms.
LIMIT = 4.5
DRAWS = sized(4000, 1500)


@dataclass(frozen=True)
class Pair:
    """A model, and the table it is fitted to by both engines."""

    formula: str
    frame: pd.DataFrame
    quantities: int
    options: dict[str, Any] = field(default_factory=dict)


def levels(n: int, levels: int, *, tau: float, seed: int) -> pd.DataFrame:
    """Rows in one factor ``group`` of many levels whose sizes differ, some of one row, with effects of SD ``tau``."""
    rng, frame = np.random.default_rng(seed), table(n, seed=seed)
    group = np.r_[np.arange(levels), rng.choice(levels, n - levels, p=rng.dirichlet(np.full(levels, 0.5)))]
    frame["group"] = [f"g{k}" for k in group]
    u, slope = rng.normal(0, tau, levels), rng.normal(0, tau / 3, levels)
    frame["score"] += (u - u.mean())[group] + (slope - slope.mean())[group] * (frame["x"] - 4.5)
    return frame


def planted(n: int, *, seed: int) -> pd.DataFrame:
    """Residual SDs that differ by arm, and a bent association with x."""
    rng, frame = np.random.default_rng(seed), table(n, seed=seed)
    sd = frame["arm"].astype(str).map({"coach": 3.0, "therapist": 9.0, "both": 5.0}).to_numpy()
    frame["score"] = 50 - 3 * (frame["x"] - 4.5) ** 2 + 0.2 * frame["w"] + rng.normal(0, sd)
    return frame


HEAVY = {
    "sigma": "HalfStudentT(3, 10)",
    "tau_country[Intercept]": "HalfStudentT(4, 5)",
    "tau_country[x]": "Exponential(0.5)",
    "tau_arm": "Gamma(2, 0.4)",
}
PAIRS = {
    "few levels": Pair("score ~ x + (x || country)", table(90, seed=1), 15),
    "residual SDs by level": Pair("score ~ x + (1 | country)", planted(90, seed=2), 11, {"residual_by": "arm"}),
    "more coefficients than rows": Pair("score ~ x + w + (x || country) + (1 | site)", table(12, seed=3), 20),
    "many unbalanced levels": Pair("score ~ x + (x || group)", levels(150, 40, tau=4.0, seed=4), 85),
    "scales near zero": Pair("score ~ x + (x || group)", levels(120, 12, tau=1e-3, seed=5), 29),
    "correlated slopes": Pair("score ~ x + (x | group)", levels(150, 20, tau=4.0, seed=6), 46),
    "three correlated terms": Pair("score ~ x + w + (x + w | country) + (1 | sex)", table(120, seed=7), 28),
    "nested": Pair("score ~ x + (x || country) + (1 | country:site)", table(120, seed=8), 31),
    "smooth": Pair("score ~ s(x, k=6) + w + (1 | country)", planted(120, seed=9), 15),
    "exhaustive": Pair(
        "score ~ x + (x || arm) + (1 | sex) + (x || country)", table(100, seed=10), 26, {"exhaustive": ("arm", "sex")}
    ),
    "two big crossed factors": Pair("score ~ x + (1 | group) + (1 | provider)", levels(160, 30, tau=3.0, seed=11), 95),
    "heavy-tailed priors": Pair("score ~ x + (x || country) + (1 | arm)", table(80, seed=12), 19, {"priors": HEAVY}),
}
QUICK = ("few levels", "residual SDs by level", "more coefficients than rows")


def both(pair: Pair, *, draws: int) -> tuple[xr.Dataset, ...]:
    """Draws of the collapsed engine and of NUTS."""
    spec = ModelSpec(pair.formula, **{"autoscale": True, "exhaustive": (), **pair.options})
    design = spec.design(pair.frame)
    priors = spec.priors_for(design)
    mine, _ = sample_collapsed(design, priors, moments_of(design), SamplerSettings(draws=draws, seed=1))
    # The SD of a smooth's bend has few knots to tell it, and a prior as weak as its outcome is unknown.
    accept = 0.99 if design.smooths else 0.95
    theirs, _ = sample_nuts(design, priors, SamplerSettings(draws=draws, tune=800, seed=2, target_accept=accept))
    # Divergences would be a region that NUTS has not seen; a few at scales near zero are of no weight.
    assert int(theirs["sample_stats"]["diverging"].sum()) <= 4 * draws / 1000
    return tuple(once(tree["posterior"].to_dataset(), design) for tree in (mine, theirs))


def agree(name: str, *, draws: int) -> float:
    """Largest deviation, in Monte Carlo standard errors."""
    mine, theirs = both(PAIRS[name], draws=draws)
    for draws_of_one in (mine, theirs):
        assert max(float(values.max()) for values in az.rhat(draws_of_one).data_vars.values()) < 1.015
    z = deviations(mine, theirs)
    assert len(z) == 2 * PAIRS[name].quantities
    assert z.abs().max() < LIMIT, f"{z.abs().idxmax()}: {z[z.abs().idxmax()]:.2f}"
    # Were the errors stated too small by half, the mean square would be 4. It is 1 on average, and beyond 2.5 in 1 of
    # 150 seeds if the deviations are worth eight independent ones; they are worth more.
    assert (z**2).mean() < 2.5
    return float(z.abs().max())


@pytest.mark.slow
@pytest.mark.parametrize("name", QUICK)
def test_posterior_is_that_of_nuts_quickly(name: str) -> None:
    agree(name, draws=2000)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in PAIRS if name not in QUICK])
def test_posterior_is_that_of_nuts(name: str, record_property: Callable[[str, object], None]) -> None:
    found = agree(name, draws=DRAWS)
    record_property("furthest", f"{found:.1f} Monte Carlo SEs of {2 * PAIRS[name].quantities}")
    record_property("seeds", "1 and 2")
