"""Unknown values drawn at once with effects: systems against dense ones, how chains mix, what they are judged by."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import alliance_bayes as ab
from alliance_bayes.diagnostics import convergence
from alliance_bayes.engines.nuts import SamplerSettings
from alliance_bayes.imputation.agreement import agree
from alliance_bayes.imputation.impute import all_rows, begin
from alliance_bayes.imputation.linked import with_stand_ins
from alliance_bayes.imputation.regressions import COEFFICIENT_SD, Factor, NormalRegression
from alliance_bayes.imputation.sampler import Imputer
from alliance_bayes.imputation.systems import Systems
from alliance_bayes.imputation.together import Blocks
from linking import FORMULA, fitted, made

CHAINS = 20_000
# The largest of some twenty means of Normal draws, and of two hundred products of two, lies within so many of its
# Monte Carlo errors but once in ten thousand.
FURTHEST = 5.0


def alike(draws: np.ndarray, mean: np.ndarray, covariance: np.ndarray) -> None:
    """Means and covariances of draws, shape (n, k), of a Normal distribution."""
    n, sd = len(draws), np.sqrt(np.diag(covariance))
    assert (np.abs(draws.mean(axis=0) - mean) < FURTHEST * sd / np.sqrt(n)).all()
    errors = np.sqrt((covariance**2 + np.outer(sd, sd) ** 2) / n)
    assert (np.abs(np.cov(draws.T) - covariance) < FURTHEST * errors).all()


def test_systems_are_drawn_as_a_dense_one_is() -> None:
    """Of five sizes, one without rows, rows and unknowns in no order."""
    rng = np.random.default_rng(1)
    unknown = rng.permutation(np.repeat(np.arange(5), [1, 2, 3, 6, 1]))
    rows = rng.permutation(np.repeat(np.arange(4), [3, 1, 7, 9]))
    entries = np.array([(r, u) for r in range(len(rows)) for u in range(len(unknown)) if rows[r] == unknown[u]]).T
    square = [(i, j) for i in range(len(unknown)) for j in range(len(unknown)) if unknown[i] == unknown[j]]
    pairs = np.array(square).T
    by, left, weight = (rng.normal(size=len(entries.T)), rng.normal(size=len(rows)), rng.gamma(2.0, size=len(rows)))
    pull = rng.normal(size=len(unknown))
    root = np.zeros((len(unknown), len(unknown)))
    root[tuple(pairs)] = rng.normal(size=len(pairs.T))
    prior = root @ root.T + np.eye(len(unknown))
    columns = np.zeros((len(rows), len(unknown)))
    columns[tuple(entries)] = by
    covariance = np.linalg.inv(columns.T @ np.diag(weight) @ columns + prior)
    mean = covariance @ (columns.T @ (weight * left) + pull)
    many = [np.tile(one, (CHAINS, 1)) for one in (by, left, weight, prior[tuple(pairs)], pull)]
    alike(Systems(unknown, rows, entries, pairs).draw(*many, rng), mean, covariance)


def test_coefficients_and_intercepts_are_drawn_as_one_regression() -> None:
    """Two factors, of which the one of more levels is integrated out, against the dense conditional distribution."""
    rng, n = np.random.default_rng(2), 30
    x = np.column_stack([np.ones(n), rng.normal(size=n)])
    many, few = np.repeat(np.arange(10), 3), np.arange(n) % 3
    target, counts = rng.normal(2.0, 1.0, n), (np.arange(n) != 4).astype(float)
    factors = {"few": Factor(np.tile(few, (CHAINS, 1)), 3), "many": Factor(np.tile(many, (CHAINS, 1)), 10)}
    for factor, variance in zip(factors.values(), (0.2, 0.7), strict=True):
        factor.variance = np.full(CHAINS, variance)
    given = rng.normal(size=3)
    factors["few"].effects = np.tile(given, (CHAINS, 1))
    one = NormalRegression("t", {}, np.tile(x, (CHAINS, 1, 1)), factors, counts, np.tile(target, (CHAINS, 1)))
    one.draw_parameters(rng)
    columns = np.column_stack([x, np.eye(10)[many]])
    prior = np.r_[np.full(2, COEFFICIENT_SD**-2), np.full(10, 1 / 0.7)]
    covariance = np.linalg.inv(columns.T @ (counts[:, None] * columns) + np.diag(prior))
    mean = covariance @ columns.T @ (counts * (target - given[few]))
    alike(np.hstack([one.coefficients, factors["many"].effects]), mean, covariance)


def test_levels_are_drawn_with_values_where_no_other_block_has_rows_of_them() -> None:
    """Three values of two persons of one site, and one of a person of another site that has somebody complete, too."""
    person = np.array([0, 0, 1, 1, 2, 2, 3, 3])
    site = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    at = np.array([0, 1, 2, 4])
    units = sparse.csr_matrix((np.ones(4), (at, np.arange(4))), shape=(8, 4))
    same = (person[:, None] == person[at]).astype(float)
    found = Blocks.of(units, sparse.csr_matrix(same), [person], {"pid": person, "site": site}, {"pid": person})
    # Persons 0 and 1 are blocks of their own, so that the effect of their site is of two; site 1 is of one alone.
    assert [list(one) for one in found.levels["pid"]] == [[0, 1, 2], [0, 1, 2]]
    assert [list(one) for one in found.levels["site"]] == [[1], [2]]
    assert list(found.rows) == [0, 0, 1, 1, 2, 2, 2, 2]
    assert list(found.own) == [0, 0, 1, 1, 2, 2, -1, -1]
    joint = Blocks.of(units, sparse.csr_matrix(same), [person, site], {"pid": person, "site": site}, {})
    assert [list(one) for one in joint.levels["site"]] == [[0, 1], [0, 1]]


def imputer(data: pd.DataFrame, formula: str = FORMULA, **options: Any) -> Imputer:
    model = ab.Model(formula, missing="impute", **options)
    cohort = model.derive(ab.read_cohort(data, person="pid", time="week"))
    gaps, _, _ = all_rows(model, with_stand_ins(model, cohort))
    stated, columns, filled = begin(model, gaps, seed=0)
    design = stated.design(filled.iloc[gaps.analysed])
    gaps = type(gaps)(filled, gaps.analysed, gaps.parts, gaps.person, gaps.time)
    settings, rng = SamplerSettings(draws=100, chains=4, cores=1, seed=1), np.random.default_rng(1)
    return Imputer(model, columns, design, stated.priors_for(design), gaps, settings, rng)


def log_joint(sampler: Imputer) -> np.ndarray:
    """Log density of the outcome, of `x`, of `w` by `x`, and of all effects, by chain, from the values as they are."""
    own, chains, n = sampler._values, sampler.chains, len(sampler.at)
    frame = pd.DataFrame({name: values.ravel() for name, values in sampler.changing.values.items()})
    made_again = sampler.changing.at(
        {name: frame[name].to_numpy() for name in sampler.changing.moved}, np.arange(chains * n), sampler.rows
    )
    left = sampler.outcomes.coded - sampler._predictor(made_again)
    sigma = own["sigma"].reshape(chains, -1)[:, sampler.rows.strata.reshape(chains, n)[0]]
    out = -0.5 * ((left / sigma) ** 2).sum(axis=1)
    for factor in sampler.design.factors:
        u, tau, q = own[f"u_{factor.name}"], own[f"tau_{factor.name}"], len(factor.terms)
        corr = own[f"corr_{factor.name}"] if factor.correlated else np.tile(np.eye(q), (chains, 1, 1))
        covariance = tau[:, :, None] * corr * tau[:, None, :]
        out -= 0.5 * np.einsum("clq,cqr,clr->c", u, np.linalg.inv(covariance), u)
    for regression in sampler.regressions.values():
        assert isinstance(regression, NormalRegression)
        squares = (regression.counts * (regression.target - regression.mean()) ** 2).sum(axis=1)
        out -= 0.5 * squares / regression.variance
        for factor in regression.factors.values():
            out -= 0.5 * (factor.effects**2).sum(axis=1) / factor.variance
    x = sampler.columns["x"]
    if x.error:
        seen = ~x.missing
        away = x.natural(sampler.standard["x"][:, seen]) - x.values.to_numpy()[seen]
        out -= 0.5 * ((away / x.error) ** 2).sum(axis=1)
    return out


@pytest.mark.parametrize(
    ("formula", "options"),
    [
        ("y ~ within(x) + between(x) + z + w + (1 | pid)", {}),
        ("y ~ within(x) * z + between(x) + w + (1 + within(x) + z | pid) + (1 | site)", {"residual_by": "arm"}),
        ("y ~ x + lag(x) + w + (0 + z || pid)", {}),
        ("y ~ x + between(x, site) + between(x) + w + (1 | pid) + (1 | site)", {"error": {"x": 0.4}}),
    ],
)
def test_what_is_drawn_at_once_is_of_the_joint_density(
    formula: str, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The systems' log density changes by a draw as that of everything does, another column with gaps among it."""
    data, rng = made(3, persons=24)[1], np.random.default_rng(4)
    person = pd.factorize(data["pid"])[0]
    data = data.assign(site=[f"s{k % 5}" for k in person], arm=[f"a{k % 2}" for k in person])
    data["w"] = (0.3 * data["x"].fillna(0.0) + rng.normal(size=len(data))).mask(rng.random(len(data)) < 0.2)
    data["y"] = data["y"].mask(rng.random(len(data)) < 0.1)
    sampler, changes, draw = imputer(data, formula, **options), [], Systems.draw

    def told(systems: Systems, *arguments: Any) -> np.ndarray:
        by, left, weight, prior, pull, _ = arguments
        moved = draw(systems, *arguments)
        row, unknown = systems.entries
        shift = np.stack([np.bincount(row, one, minlength=left.shape[1]) for one in by * moved[:, unknown]])
        first, second = systems.pairs
        change = (weight * (left * shift - shift**2 / 2)).sum(axis=1) + (pull * moved).sum(axis=1)
        changes.append(change - (prior * moved[:, first] * moved[:, second]).sum(axis=1) / 2)
        return moved

    monkeypatch.setattr(Systems, "draw", told)
    sampler._draw_model(1, fresh=True)
    for step in range(4):
        sampler._draw_values()
        sampler._draw_model(1, fresh=False)
        before = log_joint(sampler)
        sampler._draw_together("x")
        found = log_joint(sampler) - before
        assert np.abs(found).min() > 0.01
        assert changes[-1] == pytest.approx(found, abs=1e-7), step


def test_design_is_that_of_the_drawn_values_however_often_they_were_drawn() -> None:
    """Slopes are differences of design columns, by which rounding had grown from draw to draw."""
    sampler = imputer(made(7, persons=20)[1])
    sampler._draw_model(1, fresh=True)
    for _ in range(150):
        sampler._draw_values()
        sampler._draw_model(1, fresh=False)
    own = {name: sampler.changing.values[name] for name in ("within(x)", "between(x)")}
    every = np.arange(sampler.rows.n)
    anew = sampler.changing.at(own, every, sampler.rows.take(every))
    assert sampler.rows.x == pytest.approx(anew.x, abs=1e-12)
    x = sampler.columns["x"].natural(sampler.standard["x"])
    mean = pd.DataFrame(x.T).groupby(sampler.filled["pid"].to_numpy(), sort=False).transform("mean").to_numpy().T
    assert own["between(x)"].reshape(4, -1) == pytest.approx(mean[:, sampler.at], abs=1e-12)


@pytest.mark.slow
def test_effects_of_persons_mix_with_their_values() -> None:
    """At once: no chain goes on. Drawn one given the other, effects were worth 53 of 4,000 draws."""
    fit = fitted(made(5)[1], seed=1)
    draws = np.moveaxis(fit.posterior["u_pid"].to_numpy()[..., 0], 2, 0)
    found = convergence(draws, np.quantile(draws, [0.055, 0.945], axis=(1, 2)).T)
    assert draws.shape[0] == 100
    assert draws[0].size == 4000
    assert min(found["ess_bulk"].min(), found["ess_tail"].min()) > 400
    assert found["rhat"].max() < 1.01
    assert fit.info["imputation"]["every"] == 1


def test_chains_go_on_until_level_effects_agree() -> None:
    """Of levels in whose rows values are drawn: others follow the parameters."""
    data = made(5, persons=12)[1]
    complete = data["pid"] == "p4"
    data["x"] = (
        data["x"].mask(~complete & (np.arange(len(data)) % 5 == 0)).where(~complete, np.arange(len(data)) / 10.0)
    )
    sampler, rng = imputer(data), np.random.default_rng(3)
    levels = sampler.design.factors[0].levels
    draws = {
        "beta": rng.normal(size=(4, 1000, 4)),
        "sigma": rng.normal(size=(4, 1000)),
        "u_pid": rng.normal(size=(4, 1000, len(levels), 1)),
    }
    levels_with_draws = sampler._with_draws()
    assert agree(draws, levels_with_draws)
    for person, same in (("p4", True), ("p7", False)):
        apart = {name: values.copy() for name, values in draws.items()}
        apart["u_pid"][:, :, levels.index(person)] += np.arange(4)[:, None, None]
        assert agree(apart, levels_with_draws) == same
