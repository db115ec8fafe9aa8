"""Tables with gaps in a column of parts within and between persons, and their joint density as a graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

import alliance_bayes as ab
from alliance_bayes.diagnostics import convergence
from alliance_bayes.imputation.regressions import COEFFICIENT_SD, GROUP_SCALE, VARIANCE_PRIOR
from sizes import sized

FORMULA = "y ~ within(x) + between(x) + z + (1 | pid)"
TRUTH = np.array([0.5, 1.0, 0.3])


def made(seed: int, persons: int = 100, occasions: int = 5, missing: float = -1.1) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A complete table, and the same with gaps in `x`, more where the outcome is high."""
    rng, n = np.random.default_rng(seed), persons * occasions
    person = np.repeat(np.arange(persons), occasions)
    z = rng.normal(0, 1, n)
    x = 0.4 * z + rng.normal(0, 0.8, persons)[person] + rng.normal(0, 1, n)
    mean = pd.Series(x).groupby(person).transform("mean").to_numpy()
    within, between, of_z = TRUTH
    y = within * (x - mean) + between * mean + of_z * z + rng.normal(0, 0.7, persons)[person] + rng.normal(0, 1, n)
    full = pd.DataFrame({"pid": [f"p{k}" for k in person], "week": np.arange(n) % occasions, "y": y, "x": x, "z": z})
    lost = rng.random(n) < 1 / (1 + np.exp(-missing - (y - y.mean())))
    return full, full.assign(x=full["x"].mask(lost))


def fitted(data: pd.DataFrame, formula: str = FORMULA, *, time: str | None = None, **given: Any) -> ab.Fit:
    options = {name: given.pop(name) for name in ("error", "among", "auxiliary") if name in given}
    model = ab.Model(formula, missing=given.pop("missing", "impute"), **options)
    return model.fit(ab.read_cohort(data, person="pid", time=time), progress=False, **given)


def graph(fit: ab.Fit, data: pd.DataFrame) -> Any:
    """The joint density of the table and the parameters: means of persons are of the values seen and those free."""
    import pymc as pm
    import pytensor.tensor as pt

    design, priors = fit.design, fit.priors
    seen, z = data["x"].to_numpy(float), data["z"].to_numpy(float)
    gaps, person = np.flatnonzero(np.isnan(seen)), pd.factorize(data["pid"])[0]
    n, centre, scale = int(person.max()) + 1, np.nanmean(seen), np.nanstd(seen, ddof=1)
    member = np.equal.outer(np.arange(n), person) / np.bincount(person)[:, None]
    rows = np.flatnonzero(data["week"] > 0) if "lag(x)" in design.terms else np.arange(len(data))

    def prior(name: str, of: str) -> Any:
        one = priors[of].prior
        return getattr(pm, one.distribution)(name, **one.arguments)

    with pm.Model() as model:
        beta = {name: prior(f"beta[{name}]", name) for name in design.terms}
        sigma = prior("sigma", "sigma")
        tau = prior("tau", next(name for name in priors if name.startswith("tau_pid")))
        u = tau * pm.Normal("raw y", 0, 1, size=n)
        b, v = pm.Normal("b", 0, COEFFICIENT_SD, size=2), pm.InverseGamma("v", *VARIANCE_PRIOR)
        usual = pm.HalfCauchy("tau x", GROUP_SCALE) * pm.Normal("raw x", 0, 1, size=n)
        free = pm.Flat("x_missing", size=len(gaps), initval=np.zeros(len(gaps)))
        x = pt.set_subtensor(pt.as_tensor(np.nan_to_num((seen - centre) / scale))[gaps], free)
        expected = b[0] + b[1] * (z - z.mean()) / z.std(ddof=1) + usual[person]
        natural = centre + scale * x
        mean = pt.dot(member, natural)[person]
        value = {"within(x)": natural - mean, "between(x)": mean, "z": pt.as_tensor(z), "x": natural}
        value = {name: column[rows] for name, column in value.items()}
        value |= {"Intercept": 1.0, "lag(x)": natural[rows - 1]}
        eta = sum(beta[name] * (value[name] - design.centres.get(name, 0.0)) for name in design.terms)
        pm.Potential("x", pm.logp(pm.Normal.dist(expected, pt.sqrt(v)), x).sum())
        pm.Potential("y", pm.logp(pm.Normal.dist(eta + u[person[rows]], sigma), data["y"].to_numpy()[rows]).sum())
    return model


def apart(own: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    """How far means and SDs of two sets of draws (chain, draw) are from each other, in Monte Carlo errors of means."""
    errors = [
        draws.std() / np.sqrt(convergence(draws[None], np.quantile(draws, [[0.055, 0.945]]))["ess_mean"][0])
        for draws in (own, other)
    ]
    error = float(np.hypot(*errors))
    return abs(own.mean() - other.mean()) / error, abs(own.std() - other.std()) / error


def hold_to_graph(fit: ab.Fit, model: Any, record: Callable[[str, object], None]) -> None:
    """Sample a graph by NUTS, and hold means and SDs of coefficients and SDs of a fit to it, in Monte Carlo errors."""
    import pymc as pm

    with model:
        reference = pm.sample(
            sized(3000, 1500), tune=1000, chains=4, cores=2, random_seed=1, nuts_sampler="nutpie", progressbar=False,
            target_accept=0.95,
        )["posterior"]  # fmt: skip
    own = {name: fit.posterior["beta"].sel(term=name) for name in fit.design.terms}
    own |= {"sigma": fit.posterior["sigma"], "tau": fit.posterior["tau_pid"]}
    found = {}
    for name, draws in own.items():
        other = reference[f"beta[{name}]" if name in fit.design.terms else name]
        found[name] = apart(*(np.asarray(one.values).reshape(4, -1) for one in (draws, other)))
    record("means apart, in Monte Carlo errors", ", ".join(f"{k} {v:.2f}" for k, (v, _) in found.items()))
    assert max(max(both) for both in found.values()) < 4, found
