"""The log density at residual SDs far below what coefficients explain, against 60 digits over the rows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import pytest
from scipy import linalg

from alliance_bayes.engines.collapsed import marginal_posterior
from alliance_bayes.engines.collapsed.compressed import triangular
from alliance_bayes.engines.collapsed.kernels import draw_coefficients, log_densities
from alliance_bayes.engines.collapsed.marginal import Marginal
from alliance_bayes.engines.collapsed.orthogonal import (
    draw_by_rows,
    gradient_by_rows,
    log_densities_by_rows,
    triangularise,
)
from alliance_bayes.engines.collapsed.roots import roots
from alliance_bayes.model import Design, ModelSpec, PriorTable
from alliance_bayes.moments import moments_of
from engines.collapsed.cases import BY_NAME, CASES, Case, table
from engines.collapsed.dense import exact_log_likelihood, natural, points


def rows(n: int) -> pd.DataFrame:
    """A level a row (row), and strata of one row but for the last (stratum)."""
    frame = table(n, seed=3)
    frame["row"] = [f"r{k:02d}" for k in range(n)]
    frame["stratum"] = [f"s{min(k, n // 2):02d}" for k in range(n)]
    return frame


@dataclass(frozen=True)
class Tiny:
    """A model that can explain all rows of some strata."""

    name: str
    formula: str
    n: int
    residual_by: str | None = None

    @cached_property
    def spec(self) -> ModelSpec:
        return ModelSpec(self.formula, autoscale=True, exhaustive=(), residual_by=self.residual_by)

    @cached_property
    def design(self) -> Design:
        return self.spec.design(rows(self.n))

    @cached_property
    def priors(self) -> PriorTable:
        return self.spec.priors_for(self.design)

    @cached_property
    def marginal(self) -> Marginal:
        return marginal_posterior(self.design, self.priors, None)

    def __str__(self) -> str:
        return self.name


TINY = (
    Tiny("one_row_strata", "score ~ x + w + (x | country)", 24, "stratum"),
    Tiny("one_row_strata_eliminated", "score ~ x + (1 | stratum) + (1 | country)", 20, "stratum"),
    Tiny("level_a_row", "score ~ x + (1 | row) + (x | arm)", 20),
    Tiny("slopes_a_row", "score ~ x + (x | row) + (x || arm)", 16, "arm"),
    Tiny("more_coefficients_than_rows", "score ~ x + w + (x + w || country) + (x + w | provider)", 14),
    Tiny("smooths", "score ~ s(x, k=5) + w + (1 | site)", 8, "site"),
    Tiny("common_only", "score ~ x * w + sex", 5),
)


def wide(marginal: Marginal, n: int) -> np.ndarray:
    """Thetas of residual SDs down to 1e-10, scales from 1e-8 to 1e3, and correlations of up to 0.999."""
    hyper, rng = marginal.hyper, np.random.default_rng(7)
    theta, s = points(hyper, n, seed=8), len(hyper.sigma)
    small = rng.random((n, s)) < rng.choice([0.1, 0.5, 1.0], (n, 1))
    theta[:, :s] = np.where(small, np.log(10.0) * rng.uniform(-10, 1, (n, s)), theta[:, :s])
    t = slice(s, hyper.positive)
    far = rng.random(theta[:, t].shape) < 0.3
    theta[:, t] = np.where(far, np.log(10.0) * rng.uniform(-8, 3, far.shape), theta[:, t])
    theta[:, hyper.positive :] = rng.normal(0, 1.5, theta[:, hyper.positive :].shape)
    return theta


def by_rows(marginal: Marginal, theta: np.ndarray) -> np.ndarray:
    eq, out = marginal.equations, np.empty(len(theta))
    log_densities_by_rows(theta, *marginal._layout, eq.n, eq.fixed, eq.group, eq.compressed.kernel, eq.kernel, out)
    return out


def by_products(marginal: Marginal, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    eq, out, sure = marginal.equations, np.empty(len(theta)), np.empty(len(theta), dtype=bool)
    log_densities(theta, *marginal._layout, eq.n, eq.squares, eq.fixed, eq.group, eq.kernel, out, sure)
    return out, sure


@pytest.mark.parametrize("case", TINY, ids=str)
def test_density_is_right_at_residual_sds_that_are_next_to_nothing(case: Tiny) -> None:
    marginal = case.marginal
    theta = wide(marginal, 8)
    expected = np.array([exact_log_likelihood(case.design, case.priors, natural(marginal.hyper, at)) for at in theta])
    prior = marginal.hyper.log_prior(theta)
    # Eight digits are asked for of all, the prior's own 16 aside; what is far out may lose six of the rows' 16.
    room = 1e-8 * np.abs(expected) + 1e-15 * np.abs(prior)
    assert (np.abs(marginal.log_density(theta) - prior - expected) < room).all()
    assert (np.abs(by_rows(marginal, theta) - prior - expected) < room).all()
    # Sums of products alone do not have them, say so, and where they say that they have they do.
    found, sure = by_products(marginal, theta)
    assert not sure.all()
    assert (np.abs(found - prior - expected)[sure] < room[sure]).all()


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=str)
def test_rows_and_their_products_give_the_same_density_gradient_and_draws(case: Case) -> None:
    marginal, eq = case.marginal, case.marginal.equations
    theta = points(marginal.hyper, 3, seed=9)
    found, sure = by_products(marginal, theta)
    assert sure.all()
    # Far priors make sums of 1e6 that cancel.
    np.testing.assert_allclose(by_rows(marginal, theta), found, rtol=1e-11)
    arguments = (*marginal._layout, eq.n, eq.fixed, eq.group, eq.compressed.kernel, eq.kernel, *marginal._columns)
    for at in theta:
        gradient = np.empty(marginal.hyper.size)
        gradient_by_rows(at, *arguments, gradient)
        expected = marginal.value_and_gradient(at)[1]
        np.testing.assert_allclose(gradient, expected, rtol=1e-7, atol=1e-8 * np.abs(expected).max())
    # With the same standard normal numbers the draws are the same: the factors differ by signs of rows at most, so that
    # numbers of nothing give the means.
    zeros = np.zeros((1, len(eq.offset))), np.zeros((1, *eq.g_e.shape[1:3]))
    sizes, place, _ = marginal._layout
    draw_by_rows(theta[:1], sizes, place, eq.fixed, eq.group, eq.compressed.kernel, eq.kernel, *zeros)
    means = _means(marginal, theta[:1])
    for mean, expected in zip(zeros, means, strict=True):
        np.testing.assert_allclose(mean, expected, rtol=1e-6, atol=1e-8 * np.abs(expected).max(initial=1.0))


def _means(marginal: Marginal, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    eq = marginal.equations
    sizes, place, _ = marginal._layout
    dense, eliminated = np.zeros((1, len(eq.offset))), np.zeros((1, *eq.g_e.shape[1:3]))
    sure = np.empty(1, dtype=bool)
    draw_coefficients(theta, sizes, place, eq.n, eq.squares, eq.fixed, eq.group, eq.kernel, dense, eliminated, sure)
    assert sure.all()
    return dense, eliminated


@pytest.mark.slow
def test_gradient_at_a_residual_sd_next_to_nothing() -> None:
    # Where products have no digits the density still has differences: of its own values, which are right to 1e-12.
    case = TINY[0]
    marginal = case.marginal
    theta = points(marginal.hyper, 1, seed=10)[0]
    theta[:4] = np.log(1e-7)
    assert not by_products(marginal, theta[None])[1][0]
    gradient = marginal.value_and_gradient(theta)[1]
    step = 1e-3 * np.eye(marginal.hyper.size)
    above, below = marginal.log_density(theta + step), marginal.log_density(theta - step)
    # The third derivative is of order one: 1e-6 / 6 of it.
    np.testing.assert_allclose(gradient, (above - below) / 2e-3, atol=1e-5, rtol=1e-5)


def test_draws_at_a_residual_sd_next_to_nothing_meet_the_row() -> None:
    case = TINY[0]
    marginal, design = case.marginal, case.design
    theta = points(marginal.hyper, 1, seed=10)
    theta[:, 0] = np.log(1e-7)
    dense, eliminated = marginal.draw(np.repeat(theta, 20, axis=0), seed=np.random.SeedSequence(3))
    eq = marginal.equations
    row = int(np.flatnonzero(design.rows.residual == 0)[0])
    beta = dense[:, : len(design.terms)] + eq.pilot
    level = design.rows.index["country"][row]
    mean = beta @ design.rows.x[row] + eliminated[:, level] @ design.rows.z["country"][row]
    # Twenty draws of residuals of SD 1e-7.
    residual = design.outcome.coded[row] - mean
    assert 1e-8 < np.abs(residual).max() < 5e-7
    assert dense.std(axis=0).max() > 0.1


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_triangular_factor_has_the_products_of_the_rows(seed: int) -> None:
    rng = np.random.default_rng(seed)
    weights = 10.0 ** rng.integers(-3, 9, 12)
    given = rng.normal(size=(12, 6)) * weights[:, None]
    given[rng.random(given.shape) < 0.3] = 0.0
    for keep in (False, True):
        a = given.copy()
        log_det = triangularise(a, 12, 4, 6, keep)
        # Least squares of the last two columns on the others, by LAPACK from rows in order of their weight.
        order = np.argsort(-weights)
        q, r, _ = linalg.qr(given[order, :4], mode="economic", pivoting=True)
        assert log_det == pytest.approx(np.log(np.abs(np.diag(r))).sum(), rel=1e-10)
        left = given[order, 4:] - q @ (q.T @ given[order, 4:])
        np.testing.assert_allclose(
            (a[4:, 4:] ** 2).sum(axis=0), (left**2).sum(axis=0), rtol=1e-5, atol=1e-12 * weights.max() ** 2
        )
        assert not np.tril(a[:, :4], -1).any()
        if keep:
            np.testing.assert_allclose(
                a[:4].T @ a[:4], (given.T @ given) - a[4:].T @ a[4:], atol=1e-10 * weights.max() ** 2
            )


def test_rows_of_cells_have_the_cells_products() -> None:
    rng = np.random.default_rng(4)
    counts = np.array([1, 2, 3, 9, 40])
    cross = []
    for count in counts:
        values = rng.normal(size=(count, 5)) * np.array([1.0, 1e-6, 1e5, 1.0, 1.0])
        values[:, 3] = 2.0  # a column that does not vary
        values -= values.mean(axis=0)
        cross.append(values.T @ values)
    cell, found = roots(np.array(cross), counts - 1)
    assert np.bincount(cell, minlength=5).tolist() == [0, 1, 2, 4, 4]
    assert not found[:, 0].any()
    for k in range(5):
        own = found[cell == k, 1:]
        size = np.sqrt(np.diag(cross[k]))
        np.testing.assert_allclose(own.T @ own, cross[k], atol=1e-12 * np.outer(size, size).max(), rtol=1e-9)


def test_many_rows_become_few_with_the_same_products() -> None:
    rng = np.random.default_rng(5)
    given = rng.normal(size=(500, 6))
    given[:, 2] = given[:, 1]
    found = triangular(given)
    assert found.shape == (6, 6) or found.shape == (5, 6)
    np.testing.assert_allclose(found.T @ found, given.T @ given, atol=1e-11)


def test_moments_have_the_rows_that_the_table_has() -> None:
    # Cells of several rows are told apart by their products alone.
    for name in ("everything", "residual_by", "smooth"):
        case = BY_NAME[name]
        of_rows = marginal_posterior(case.design, case.priors, None)
        of_moments = marginal_posterior(case.design, case.priors, moments_of(case.design))
        theta = points(of_rows.hyper, 4, seed=11)
        theta[:, 0] = np.log(0.01)
        np.testing.assert_allclose(by_rows(of_moments, theta), by_rows(of_rows, theta), rtol=1e-9)
