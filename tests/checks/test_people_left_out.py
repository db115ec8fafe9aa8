"""Persons left out with all their rows, against dense covariances, numerical integration and exact refits."""

from __future__ import annotations

import dataclasses
import math
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, special, stats

import alliance_bayes as ab
from alliance_bayes.checks import Context
from alliance_bayes.checks.comparison import compare
from alliance_bayes.checks.people import _gaussian, leave_people_out, log_likelihood_of_people, why_rows
from alliance_bayes.checks.refits import refitted
from alliance_bayes.fit import FittedModel
from builders import fitted

PERSON = {"roles": {"pid": "person"}, "priors": "weak"}


def long_table(n: int = 12, times: int = 5, *, seed: int = 0) -> pd.DataFrame:
    """Rows of people in no order, of whom some lack a row."""
    rng = np.random.default_rng(seed)
    pid, time = np.repeat(np.arange(n), times), np.tile(np.arange(float(times)), n)
    level, trend = rng.normal(0, 4, n), rng.normal(0, 1, n)
    y = 20 + level[pid] + (1 + trend[pid]) * time + rng.normal(0, 2, n * times)
    table = pd.DataFrame({"pid": [f"p{k}" for k in pid], "time": time, "y": y, "event": (y > 20).astype(float)})
    table["arm"] = np.where(pid % 2 == 0, "a", "b")
    return table.drop(index=[1, 7]).sample(frac=1, random_state=3).reset_index(drop=True)


def built(table: pd.DataFrame, formula: str, **options: Any) -> FittedModel:
    """Made-up draws, with the person of each row."""
    fit = fitted(table, formula=formula, chains=2, draws=20, spec=PERSON | options.pop("spec", {}), **options)
    return dataclasses.replace(fit, people=pd.factorize(table["pid"])[0])


def by_person(fit: FittedModel, which: np.ndarray, person: int) -> np.ndarray:
    """Their log densities at some draws."""
    assert fit.people is not None
    places = np.flatnonzero(fit.people == person)
    rows, outcome = fit.design.rows.take(places), fit.design.outcome.take(places)
    return log_likelihood_of_people(fit, rows, outcome, np.zeros(1, dtype=int), fit.design.factors[0], which)[:, 0]


@pytest.mark.parametrize(
    ("formula", "residual_by"),
    [
        ("y ~ time + (1 | pid)", None),
        ("y ~ time + (time || pid)", None),
        ("y ~ time + (time | pid)", "arm"),
    ],
)
def test_gaussian_densities_are_those_of_dense_covariances(formula: str, residual_by: str | None) -> None:
    table = long_table()
    fit = built(table, formula, spec={"residual_by": residual_by}, means={"sigma": 2.0, "tau_pid": 3.0})
    which, draws = np.array([0, 7, 39]), fit.stacked
    for person in (0, 5, 11):
        at = np.flatnonzero(fit.people == person)
        mean = fit.linear_predictor(fit.design.rows.take(at), which=which, without=("pid",))
        z, sigma = fit.design.rows.z["pid"][at], np.asarray(draws["sigma"])
        own = sigma[:, fit.design.rows.strata[at]] if residual_by else np.tile(sigma[:, None], at.size)
        expected = [
            stats.multivariate_normal(
                mean[k],
                z @ fit.level_covariance("pid")[draw] @ z.T + np.diag(own[draw] ** 2),
            ).logpdf(fit.design.outcome.coded[at])
            for k, draw in enumerate(which)
        ]
        np.testing.assert_allclose(by_person(fit, which, person), expected, rtol=1e-10)


def test_probabilities_are_those_of_numerical_integration() -> None:
    table = long_table()
    # Effects of persons near where their outcomes have them, as those of a posterior are.
    where = special.logit(0.1 + 0.8 * table.groupby("pid")["event"].mean().to_numpy())
    fit = built(
        table,
        "event ~ time + (1 | pid)",
        spec={"family": "bernoulli"},
        means={"beta": [0.2, 0.1], "tau_pid": 1.5, "u_pid": where[:, None]},
        sds={"beta": 0.05, "u_pid": 0.8},
    )
    which = np.array([0, 7, 39])
    for person in (0, 5, 11):
        at = np.flatnonzero(fit.people == person)
        eta = fit.linear_predictor(fit.design.rows.take(at), which=which, without=("pid",))
        sign = 2 * fit.design.outcome.coded[at] - 1
        tau = np.asarray(fit.stacked["tau_pid"])[which, 0]

        def likelihood(
            u: float, k: int, eta: np.ndarray = eta, sign: np.ndarray = sign, tau: np.ndarray = tau
        ) -> float:
            return float(np.prod(special.expit(sign * (eta[k] + u))) * stats.norm.pdf(u, 0, tau[k]))

        whole = [integrate.quad(likelihood, -15, 15, args=(k,), epsabs=1e-13, limit=400)[0] for k in range(3)]
        # The rule's own error at 25 points: some 1e-5 where a density is normal.
        np.testing.assert_allclose(by_person(fit, which, person), np.log(whole), atol=1e-3)


def test_scores_are_those_of_exact_refits() -> None:
    table = long_table(10, 6, seed=5)
    model = ab.Model("y ~ time + (time | pid)", roles={"pid": "person"})
    fit = model.fit(table, seed=2, progress=False)
    found = leave_people_out(fit)
    assert fit.people is not None
    exact = []
    for person in range(10):
        own = fit.people == person
        other = refitted(fit, keep=~own)
        rows = other.design.evaluate(fit.design.frame[own].reset_index(drop=True))
        draws = np.arange(np.prod(other.shape))
        density = log_likelihood_of_people(
            other, rows, fit.design.outcome.take(np.flatnonzero(own)), np.zeros(1, int), other.design.factors[0], draws
        )[:, 0]
        exact.append(special.logsumexp(density) - np.log(density.size))
    # Both are Monte Carlo estimates: of 1,600 draws, and of 4,000 weighed ones.
    np.testing.assert_allclose(found.elpd, exact, atol=0.15)
    np.testing.assert_allclose(found.elpd.sum(), np.sum(exact), atol=0.4)
    assert table["pid"].nunique() == found.elpd.size


def test_somebody_far_from_all_others_is_left_out_by_a_refit() -> None:
    table = long_table(14, 4, seed=8)
    table.loc[table["pid"] == "p3", "y"] += 90.0
    fit = ab.Model("y ~ time + (1 | pid)", roles={"pid": "person"}).fit(table, seed=2, progress=False)
    found = leave_people_out(fit)
    assert fit.people is not None
    (again,) = np.flatnonzero(found.refitted)
    assert table["pid"].iloc[int(found.first[again])] == "p3"
    assert found.pareto_k.max() <= found.good_k
    (result,) = fit.check(checks=["loo"]).results
    assert result.verdict == "pass"
    quantities = dict(zip(result.table["quantity"], result.table["value"], strict=True))
    assert quantities["people left out by fitting the model again"] == 1
    assert sum(value for name, value in quantities.items() if name.startswith("people")) == 14


def test_without_an_effect_of_persons_their_rows_are_added_up() -> None:
    table = long_table()
    fit = built(table, "y ~ time + arm", spec={"roles": {}})
    found = leave_people_out(fit)
    rows = fit.log_likelihood_at()
    for person, first in enumerate(found.first):
        assert fit.people is not None
        own = rows[:, fit.people == fit.people[first]].sum(axis=1)
        np.testing.assert_allclose(found.elpd[person] + found.p[person], special.logsumexp(own) - np.log(40), rtol=1e-9)


def test_models_of_persons_are_compared_by_persons_left_out() -> None:
    table = long_table()
    fits = {
        "level": built(table, "y ~ time + (1 | pid)", means={"beta": [22.0, 1.0], "tau_pid": 4.0, "sigma": 3.0}),
        "trend": built(
            table, "y ~ time + (time || pid)", means={"beta": [22.0, 1.0], "tau_pid": [4.0, 1.0], "sigma": 2.0}
        ),
    }
    found = compare(fits)
    assert set(found.table["score"]) == {"density of all rows of a person"}
    assert found.pointwise.shape == (12, 2)
    for name, fit in fits.items():
        alone = Context(fit).loo_of_people
        np.testing.assert_array_equal(found.pointwise[:, found.models.index(name)], alone.elpd)
        np.testing.assert_array_equal(found.rows, alone.first)
    assert "the 12 people best" in found.sentence
    # By the probability of levels, where one is asked for: rows.
    assert compare(fits, step=1.0).pointwise.shape == (len(table), 2)


def test_what_cannot_be_integrated_over_is_said() -> None:
    table = long_table()
    two = built(table, "y ~ time + (1 | pid) + (1 | pid:time)")
    assert why_rows(two) == "persons have effects of 2 factors of their own"
    three = built(table, "event ~ time + I(time ** 2) + (time + I(time ** 2) || pid)", spec={"family": "bernoulli"})
    assert "3 effects each" in why_rows(three)
    assert why_rows(built(table, "y ~ time + I(time ** 2) + (time + I(time ** 2) || pid)")) == ""
    assert why_rows(fitted()) == ""


def exact(y: np.ndarray, z: np.ndarray, root: np.ndarray, sigma: float) -> float:
    """Log density of a normal vector whose covariance is z root root' z' + sigma^2, in fractions."""
    n = len(y)
    loaded = [[sum(Fraction(z[i, k]) * Fraction(root[k, j]) for k in range(2)) for j in range(2)] for i in range(n)]
    rows = [
        [sum(loaded[i][k] * loaded[j][k] for k in range(2)) + (Fraction(sigma) ** 2 if i == j else 0) for j in range(n)]
        + [Fraction(y[i])]
        for i in range(n)
    ]
    log_det, square = 0.0, Fraction(0)
    for i in range(n):
        pivot = rows[i][i]
        log_det += math.log(pivot.numerator) - math.log(pivot.denominator)
        square += rows[i][n] ** 2 / pivot
        for j in range(i + 1, n):
            share = rows[j][i] / pivot
            rows[j] = [a - share * b for a, b in zip(rows[j], rows[i], strict=True)]
    return -0.5 * float(square) - 0.5 * log_det - 0.5 * n * math.log(2 * math.pi)


@pytest.mark.parametrize("scale", [1.0, 1e5, 1e8, 1e11])
def test_effects_that_dwarf_residuals(scale: float) -> None:
    """Sums of squares lose the residuals' part there, and had no root."""
    rng = np.random.default_rng(5)
    z = np.column_stack([np.ones(7), rng.normal(50, 1, 7)])
    root = scale * np.array([[[2.0, 0.0], [0.3, 0.7]], [[1.0, 0.0], [-0.9, 1e-3]]])
    sigma, starts = np.array([0.5, 2.0]), np.array([0, 4])
    eta = np.zeros((2, 7))
    y = z @ rng.normal(0, scale, 2) + rng.normal(0, 1, 7)
    found = _gaussian(eta, {"sigma": sigma}, SimpleNamespace(coded=y), z, root, starts)  # type: ignore[arg-type]
    expected = [[exact(y[own], z[own], root[d], sigma[d]) for own in (slice(4), slice(4, 7))] for d in range(2)]
    # Eight digits of a residual, of which the products with effects keep as many as the scale leaves.
    np.testing.assert_allclose(found, expected, rtol=max(1e-8, 1e-15 * 50 * scale))


def test_values_without_a_density_have_none() -> None:
    """They are no numbers, and no error of the decomposition."""
    z, y = np.column_stack([np.ones(3), [1e300, 1.0, 2.0]]), np.array([1.0, 2.0, 3.0])
    root = 1e10 * np.eye(2)[None]
    with np.errstate(all="ignore"):
        found = _gaussian(np.zeros((1, 3)), {"sigma": np.ones(1)}, SimpleNamespace(coded=y), z, root, np.array([0, 1]))  # type: ignore[arg-type]
    assert np.isnan(found[0, 0])
    assert np.isfinite(found[0, 1])


def test_correlations_of_one_have_a_root() -> None:
    """Of SDs of any size."""
    fit, sd = built(long_table(), "y ~ time + (1 + time | pid)"), np.array([1e-30, 1e30])
    fit.stacked["corr_pid"][:] = [[1.0, -1.0], [-1.0, 1.0]]
    fit.stacked["tau_pid"][:] = sd
    covariance, root = fit.level_covariance("pid"), fit.level_root("pid")
    np.testing.assert_allclose(covariance / np.outer(sd, sd), fit.stacked["corr_pid"], rtol=1e-14)
    np.testing.assert_allclose(
        root @ np.swapaxes(root, 1, 2) / np.outer(sd, sd), covariance / np.outer(sd, sd), atol=1e-9
    )
