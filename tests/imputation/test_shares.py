"""Factors of many levels with gaps: shares of levels, and the joint density with the missing ones summed out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import special

import alliance_bayes as ab
from alliance_bayes.diagnostics import convergence
from alliance_bayes.imputation.regressions import COEFFICIENT_SD, GROUP_SCALE, VARIANCE_PRIOR
from alliance_bayes.imputation.shares import CONCENTRATIONS, SHARE_PRIOR, Shares, explained_by
from alliance_bayes.imputation.table import Column, columns_of_table
from sizes import sized

LEVELS = [f"g{k:02d}" for k in range(14)]


def table(seed: int = 4, n: int = 160) -> pd.DataFrame:
    """A factor of 14 levels, which differ in a number, an indicator and the outcome, with gaps by the outcome."""
    rng = np.random.default_rng(seed)
    g = np.r_[np.arange(14), rng.choice(14, n - 14, p=rng.dirichlet(np.full(14, 4.0)))]
    level = rng.normal(0, 1, (3, 14))
    w = 1.2 * level[0, g] + rng.normal(0, 1, n)
    b = (rng.random(n) < special.expit(level[1, g])).astype(float)
    y = 1 + 0.5 * w - 0.4 * b + level[2, g] + rng.normal(0, 1, n)
    frame = pd.DataFrame({"participant_id": [f"p{k}" for k in range(n)], "y": y, "w": w, "b": b})
    frame["g"] = pd.Series([LEVELS[k] for k in g]).where((rng.random(n) < special.expit(1 - y)) | (np.arange(n) < 14))
    return frame


def column(name: str, values: list[str | None]) -> Column:
    frame = pd.DataFrame({name: pd.Categorical(values)})
    return columns_of_table(frame, [name], {}, {}, "y")[name]


def test_shares_by_group_are_those_of_the_prior_weighted_by_the_likelihood() -> None:
    """Of a row without a level: expected shares against draws of the prior, weighted by what the other rows say."""
    rng = np.random.default_rng(1)
    group, level = np.array([0, 0, 0, 0, 1, 1, 2, 0, 1, 2, 3]), np.array([0, 0, 0, 1, 2, 2, 1, 0, 0, 0, 0])
    seen, chains = slice(0, 7), 40
    counts = np.zeros((4, 3))
    np.add.at(counts, (group[seen], level[seen]), 1)
    own = np.tile(level, (chains, 1))
    shares = Shares("f", own, 3, "by", np.tile(group, (chains, 1)), 4)
    lost, drawn = np.arange(7, 11), []
    for step in range(1500):
        shares.draw_parameters(rng)
        log_mass = shares.log_mass(lost)
        assert np.allclose(special.logsumexp(log_mass, axis=-1), 0)
        own[:, lost] = np.argmax(log_mass + rng.gumbel(size=log_mass.shape), axis=-1)
        if step >= 100:
            drawn.append(np.exp(log_mass).mean(axis=0))
    n = 400_000
    of_all = rng.dirichlet(np.full(3, SHARE_PRIOR), n)
    near = rng.choice(CONCENTRATIONS, n)[:, None, None]
    part = near * of_all[:, None, :]
    with np.errstate(all="ignore"):
        each = np.where(counts > 0, special.gammaln(part + counts) - special.gammaln(part), 0.0).sum(axis=(1, 2))
    size = counts.sum(axis=1)
    each += (special.gammaln(near[:, :, 0]) - special.gammaln(near[:, :, 0] + size)).sum(axis=1)
    weight = np.exp(each - np.nanmax(each))
    weight = np.nan_to_num(weight / np.nansum(weight))
    expected = np.einsum("n,ngl->gl", weight, (part + counts) / (near + size[:, None]))
    # Forty chains of 1,400 sweeps, each worth a tenth of a draw at the least, and 400,000 draws of the prior worth some
    # thousands: errors of .003 and .005.
    assert np.mean(drawn, axis=0) == pytest.approx(expected, abs=0.02)
    # Of four rows three, and of two none: the shares of a group are drawn to its own.
    assert expected[0, 0] > expected[3, 0] + 0.1 > expected[1, 0] + 0.2


def test_what_a_group_says_of_the_levels_of_another_column() -> None:
    """Shares by group as the density of the group: the same numbers, looked up the other way round."""
    rng = np.random.default_rng(2)
    codes, groups = rng.integers(0, 5, (3, 30)), rng.integers(0, 4, (3, 30))
    shares = Shares("f", codes, 5, "by", groups, 4)
    shares.draw_parameters(rng)
    rows = np.array([3, 7, 20])
    found = shares.log_density("by", rows, np.zeros((4, 0)), range(4))
    for chain in range(3):
        for place, row in enumerate(rows):
            assert np.array_equal(found[chain, place], shares.log_shares[chain, :, codes[chain, row]])


def test_a_column_is_explained_by_the_one_that_tells_it() -> None:
    rng = np.random.default_rng(3)
    site = rng.integers(0, 40, 400)
    country = column("country", [f"c{k // 2}" for k in site])
    sites, person = column("site", [f"s{k}" for k in site]), column("person", [f"p{k}" for k in range(400)])
    noise = column("noise", [f"n{k}" for k in rng.integers(0, 20, 400)])
    assert explained_by(country, [noise, sites, person]) == "site"
    # One row of a level tells nothing of others, nor does what has nothing to do with it.
    assert explained_by(country, [person, noise]) is None
    assert explained_by(country, []) is None


def graph(fit: ab.Fit, data: pd.DataFrame) -> Any:
    """The joint density of the table and the parameters, with missing levels summed out row by row."""
    import pymc as pm
    import pytensor.tensor as pt

    design, priors, n_levels = fit.design, fit.priors, len(LEVELS)
    column = columns_of_table(data, ["w"], {}, {}, "y")
    w = column["w"].standard(data["w"].to_numpy(float))
    seen = np.flatnonzero(data["g"].notna())
    lost = np.flatnonzero(data["g"].isna())
    code = data["g"].cat.codes.to_numpy()[seen]
    own = {name: data[name].to_numpy(float) for name in ("y", "w", "b")}

    def prior(name: str) -> Any:
        made = priors[name].prior
        return getattr(pm, made.distribution)(f"prior {name}", **made.arguments)

    def pooled(name: str) -> Any:
        tau = pm.HalfCauchy(f"tau {name}", GROUP_SCALE)
        return tau * pm.Normal(f"raw {name}", 0, 1, size=n_levels)

    with pm.Model() as model:
        shares = pm.Dirichlet("shares", np.full(n_levels, SHARE_PRIOR))
        b_w, v_w, u_w = pm.Normal("b_w", 0, COEFFICIENT_SD), pm.InverseGamma("v_w", *VARIANCE_PRIOR), pooled("w")
        b_b, u_b = pm.Normal("b_b", 0, COEFFICIENT_SD, size=2), pooled("b")
        beta = {name: prior(name) for name in design.terms}
        sigma = prior("sigma")
        tau = prior(next(name for name in priors if name.startswith("tau_g")))
        u = tau * pm.Normal("raw y", 0, 1, size=n_levels)
        for name, value in (*((f"beta[{name}]", one) for name, one in beta.items()), ("sigma", sigma), ("tau", tau)):
            pm.Deterministic(name, value)

        def at(rows: np.ndarray, level: Any) -> Any:
            """Log density of some rows, shape (n,) or (n, levels), at levels of that shape."""
            wide = (slice(None), None) if level is None else (slice(None),)

            def of(effects: Any) -> Any:
                return effects[None, :] if level is None else effects[level]

            w_, b_ = w[rows][wide], own["b"][rows][wide]
            total = of(pt.log(shares)) + pm.logp(pm.Normal.dist(b_w + of(u_w), pt.sqrt(v_w)), w_)
            probit = b_b[0] + b_b[1] * w_ + of(u_b)
            total += pm.logp(pm.Bernoulli.dist(p=pm.math.invprobit(probit)), b_ + pt.zeros_like(probit))
            eta = beta["Intercept"] + of(u)
            for name in ("w", "b"):
                eta = eta + beta[name] * (own[name][rows][wide] - design.centres[name])
            return total + pm.logp(pm.Normal.dist(eta, sigma), own["y"][rows][wide])

        pm.Potential("seen", at(seen, code).sum())
        pm.Potential("lost", pm.math.logsumexp(at(lost, None), axis=1).sum())
        pm.Deterministic("level", pm.math.softmax(at(lost, None), axis=1))
    return model


@pytest.mark.slow
def test_the_posterior_is_that_of_missing_levels_summed_out() -> None:
    import pymc as pm

    data = table()
    model = ab.Model("y ~ w + b + (1 | g)", missing="impute", roles={"g": "group"})
    cohort = ab.read_cohort(data)
    fit = model.fit(cohort, seed=3, draws=sized(2000, 800), progress=False)
    assert fit.flow.analysed == len(data)
    frame = cohort.data.assign(g=lambda one: one["g"].astype(pd.CategoricalDtype(LEVELS)))
    with graph(fit, frame):
        reference = pm.sample(
            1500, tune=1000, chains=4, cores=2, random_seed=1, nuts_sampler="nutpie", progressbar=False,
            target_accept=0.95,
        )["posterior"]  # fmt: skip
    for name in (*fit.design.terms, "sigma", "tau"):
        own = {"sigma": fit.posterior["sigma"], "tau": fit.posterior["tau_g"].isel(g_term=0)}.get(
            name, fit.posterior["beta"].sel(term=name) if name in fit.design.terms else None
        )
        other = reference[f"beta[{name}]" if name in fit.design.terms else name]
        both, errors = [np.asarray(draws.values).reshape(4, -1) for draws in (own, other)], []
        for draws in both:
            errors.append(
                draws.std() / np.sqrt(convergence(draws[None], np.quantile(draws, [[0.055, 0.945]]))["ess_mean"][0])
            )
        error = float(np.hypot(*errors))
        assert abs(both[0].mean() - both[1].mean()) < 4 * error, name
        assert abs(both[0].std() - both[1].std()) < 4 * error, name
    # Probability of each level of each row that lacks it, by 40 completed tables: an error of .08 each, and of shares
    # of all that are summed over 60 rows, .01.
    lost = frame["g"].isna().to_numpy()
    drawn = pd.concat([one["g"][lost] for one in fit.imputed()])
    shares = drawn.value_counts(normalize=True).reindex(LEVELS, fill_value=0).to_numpy()
    expected = reference["level"].mean(("chain", "draw")).to_numpy()
    assert shares == pytest.approx(expected.mean(axis=0), abs=0.04)
    # Each row's own, squared deviations against those of 40 independent draws.
    by_row = np.array([(one["g"][lost].astype(str).to_numpy()[:, None] == LEVELS) for one in fit.imputed()]).mean(
        axis=0
    )
    spread = expected * (1 - expected) / 40
    assert 0.8 < ((by_row - expected) ** 2).sum() / spread.sum() < 1.35
