"""Values and parameters drawn in turn: the joint density as a graph, coverage of the truth, error of measurement."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import alliance_bayes as ab
from alliance_bayes.diagnostics import convergence
from imputing import FORMULA, PROB, Record, graph, paired, table
from sizes import sized

SETS = sized(200, 8)
# A fit of events takes some times as long.
EVENT_SETS = sized(200, 4)
NAMES, TRUTH = ("x", "base", "z", "x:z"), np.array([1.0, 0.8, -0.3, 0.5])


@pytest.mark.slow
def test_posterior_is_that_of_the_graph(record_property: Record) -> None:
    """With an interaction with a missing indicator, a square of a missing number, missing outcomes, an auxiliary."""
    import pymc as pm

    data = table()
    model = ab.Model(FORMULA, missing="impute", auxiliary=("aux",))
    fit = model.fit(ab.read_cohort(data), seed=3, draws=sized(4000, 1000), progress=False)
    with graph(fit, data):
        # Deviations are counted in errors that go by the number of draws.
        reference = pm.sample(
            sized(2000, 800),
            tune=sized(1500, 800),
            chains=4,
            cores=2,
            random_seed=1,
            nuts_sampler="nutpie",
            progressbar=False,
        )
    furthest = 0.0
    for name in (*fit.design.terms, "sigma"):
        own = fit.posterior["sigma"] if name == "sigma" else fit.posterior["beta"].sel(term=name)
        other = reference["posterior"]["sigma" if name == "sigma" else f"beta[{name}]"]
        both, errors = [np.asarray(draws.values) for draws in (own, other)], []
        for draws in both:
            size = convergence(draws[None], np.quantile(draws, [[0.055, 0.945]]))["ess_mean"][0]
            errors.append(draws.std() / np.sqrt(size))
        error = float(np.hypot(*errors))
        furthest = max(furthest, abs(both[0].mean() - both[1].mean()) / error)
        # The error of an SD is that of the mean over the root of two for a normal posterior, and no more than that of
        # the mean for the skew one of a residual SD.
        assert abs(both[0].std() - both[1].std()) < 4 * error, name
    record_property("furthest mean, in Monte Carlo standard errors", f"{furthest:.2f}")
    assert furthest < 4


def made(seed: int, n: int = 400) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A complete table, and the same with gaps in two predictors and the outcome that depend on an auxiliary column."""
    rng = np.random.default_rng(1000 + seed)
    z, base = rng.binomial(1, 0.5, n).astype(float), rng.normal(0, 1, n)
    x = 0.3 * base + 0.2 * z + rng.normal(0, 1, n)
    y = 1.0 * x + 0.8 * base + 0.5 * x * z - 0.3 * z + rng.normal(0, 1.5, n)
    aux = 0.5 * y + rng.normal(0, 1, n)
    ids = [f"p{k}" for k in range(n)]
    full = pd.DataFrame({"participant_id": ids, "y": y, "x": x, "base": base, "z": z, "aux": aux})
    gaps = full.copy()
    for name, logit in (("x", -1.1 + 0.8 * aux), ("base", -1.1 - 0.8 * aux), ("y", -1.4 + 0.8 * aux)):
        gaps.loc[rng.random(n) < 1 / (1 + np.exp(-logit)), name] = np.nan
    return full, gaps


@pytest.mark.slow
def test_missing_at_random_is_made_up_for(record_property: Record) -> None:
    """Bias, paired with the complete data of the same set, and how often intervals hold the truth.

    Gaps in about a third of `x` and of `base` and a quarter of `y` depend on the auxiliary column, which depends on the
    outcome: leaving rows out is biased.
    """
    means: dict[str, list[np.ndarray]] = {"imputed": [], "complete": [], "dropped": []}
    covered = []
    for seed in range(SETS):
        full, gaps = made(seed)
        for name, data in (("imputed", gaps), ("complete", full), ("dropped", gaps)):
            imputing = {"missing": "impute", "auxiliary": ("aux",)} if name == "imputed" else {}
            model = ab.Model("y ~ x*z + base", centre={"x": 0.0, "z": 0.0, "base": 0.0}, **imputing)  # type: ignore[arg-type]
            fit = model.fit(ab.read_cohort(data), seed=seed, draws=800 if imputing else 500, progress=False)
            draws = fit.posterior["beta"].sel(term=list(NAMES)).to_numpy().reshape(-1, len(NAMES))
            means[name].append(draws.mean(axis=0))
            if imputing:
                low, high = np.quantile(draws, [(1 - PROB) / 2, (1 + PROB) / 2], axis=0)
                covered.append((low < TRUTH) & (high > TRUTH))
    shifts, spread, coverage = paired(record_property, NAMES, means, covered)
    error = shifts["imputed"].std(axis=0, ddof=1) / np.sqrt(SETS)
    assert (np.abs(shifts["imputed"].mean(axis=0)) < 3 * error).all()
    if SETS == 200:
        assert (np.abs(shifts["imputed"].mean(axis=0)) < 0.15 * spread).all()
        assert ((coverage > 0.83) & (coverage < 0.95)).all()
    else:
        # 3.3 standard errors of a coverage of .89.
        assert (coverage > PROB - 3.3 * np.sqrt(PROB * (1 - PROB) / SETS)).all()
    assert (np.abs(shifts["dropped"].mean(axis=0)[:2]) > 0.3 * spread[:2]).all()


@pytest.mark.slow
def test_error_of_measurement_is_made_up_for(record_property: Record) -> None:
    """A slope attenuated by a reliability of .7 within groups: against least squares corrected for the error.

    The groups differ in the predictor and not in the outcome given it, so that the error makes them look different.
    """
    rng, n = np.random.default_rng(501), 800
    z = rng.binomial(1, 0.5, n).astype(float)
    x = rng.normal(0, 1, n) + 0.8 * z
    y, error = x + rng.normal(0, 1, n), float(np.sqrt(3 / 7))
    seen = x + rng.normal(0, error, n)
    data = ab.read_cohort(pd.DataFrame({"participant_id": [f"p{k}" for k in range(n)], "y": y, "x": seen, "z": z}))
    naive = ab.Model("y ~ x + z").fit(data, seed=1, draws=500, progress=False)
    fit = ab.Model("y ~ x + z", missing="impute", error={"x": error}).fit(data, seed=1, draws=500, progress=False)
    own, other = (
        {name: one.posterior["beta"].sel(term=name).to_numpy() for name in ("x", "z")} for one in (fit, naive)
    )
    # Fuller (1987), Measurement Error Models, 2.2: cross-products without the error's part.
    columns = np.column_stack([seen - seen.mean(), z - z.mean()])
    cross = columns.T @ columns / n - np.diag([error**2, 0.0])
    slope, difference = np.linalg.solve(cross, columns.T @ (y - y.mean()) / n)
    record_property(
        "slope and difference: naive, corrected least squares, drawn",
        f"{other['x'].mean():.3f}, {slope:.3f}, {own['x'].mean():.3f}; "
        f"{other['z'].mean():.3f}, {difference:.3f}, {own['z'].mean():.3f}",
    )
    # Weak priors and the known normality of errors are felt by less than a third of a posterior SD.
    assert own["x"].mean() == pytest.approx(slope, abs=own["x"].std() / 3)
    assert own["z"].mean() == pytest.approx(difference, abs=own["z"].std() / 3)
    assert abs(other["x"].mean() - 1) > 4 * other["x"].std()
    assert abs(own["x"].mean() - 1) < 3 * own["x"].std()
    assert abs(own["z"].mean()) < 3 * own["z"].std()
    assert other["z"].mean() > 3 * other["z"].std()


def made_event(seed: int, n: int = 500) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A complete table of an event, and the same with gaps in about 30 % of both predictors, by columns and outcome."""
    rng = np.random.default_rng(5000 + seed)
    base, w = rng.normal(0, 1, n), rng.normal(0, 1, n)
    x = 0.4 * base + rng.normal(0, 1, n)
    y = (rng.random(n) < 1 / (1 + np.exp(0.3 - 0.8 * x - 0.6 * base - 0.4 * w))).astype(float)
    ids = [f"p{k}" for k in range(n)]
    full = pd.DataFrame({"participant_id": ids, "y": y, "x": x, "base": base, "w": w})
    gaps = full.copy()
    gaps.loc[rng.random(n) < 1 / (1 + np.exp(1.2 - 1.2 * y - 0.8 * w)), "x"] = np.nan
    gaps.loc[rng.random(n) < 1 / (1 + np.exp(0.6 + 0.8 * y - 0.8 * w)), "base"] = np.nan
    return full, gaps


@pytest.mark.slow
def test_an_event_missing_at_random_is_made_up_for(record_property: Record) -> None:
    """Log odds, paired with the complete data of the same set, and how often intervals hold the truth.

    Whether a predictor is missing depends on another column and on the event.
    """
    names, truth = ("x", "base", "w"), np.array([0.8, 0.6, 0.4])
    means: dict[str, list[np.ndarray]] = {"imputed": [], "complete": []}
    covered = []
    for seed in range(EVENT_SETS):
        full, gaps = made_event(seed)
        for name, data in (("imputed", gaps), ("complete", full)):
            model = ab.Model(
                "y ~ x + base + w",
                family="bernoulli",
                missing="impute" if name == "imputed" else "drop",
            )
            fit = model.fit(ab.read_cohort(data), seed=seed, draws=500, progress=False)
            draws = fit.posterior["beta"].sel(term=list(names)).to_numpy().reshape(-1, len(names))
            means[name].append(draws.mean(axis=0))
            if name == "imputed":
                low, high = np.quantile(draws, [(1 - PROB) / 2, (1 + PROB) / 2], axis=0)
                covered.append((low < truth) & (high > truth))
    shifts, spread, coverage = paired(record_property, names, means, covered)
    shift = shifts["imputed"]
    error = shift.std(axis=0, ddof=1) / np.sqrt(EVENT_SETS)
    # A posterior mean of log odds lies further from zero the less is known of them: by less than a fifth of an SD here.
    assert (np.abs(shift.mean(axis=0)) < 3 * error + 0.2 * spread).all()
    assert (coverage > PROB - 3.3 * np.sqrt(PROB * (1 - PROB) / EVENT_SETS)).all()
