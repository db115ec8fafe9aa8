"""Explained and residual variance of the outcome, and the part that one predictor alone explains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from scipy import linalg, sparse

from alliance_bayes.effects.averages import is_linear
from alliance_bayes.effects.contributions import Contribution, contributions, covariance, second_moment
from alliance_bayes.effects.tabulated import Tabulations
from alliance_bayes.fit import FittedModel
from alliance_bayes.model import Rows
from alliance_bayes.model.likelihood import residual_variance

__all__ = ["Spread", "outcome_spread", "total_covariance", "unique_variance"]


# Gone with the fit.
_FOUND: WeakKeyDictionary[FittedModel, Spread] = WeakKeyDictionary()


@dataclass(frozen=True, eq=False)
class Spread:
    """How the outcome varies over the analysed rows, each of shape (n_draws,).

    Parameters
    ----------
    explained
        Variance over rows (divisor n - 1) of the expected outcome.
    residual
        Variance of the outcome around its expectation, averaged over rows; infinite for a Student t with nu <= 2.
    """

    explained: np.ndarray
    residual: np.ndarray

    @property
    def total(self) -> np.ndarray:
        """Explained plus residual variance."""
        return np.asarray(self.explained + self.residual)


def outcome_spread(fit: FittedModel, *, tables: Tabulations | None = None) -> Spread:
    """Explained and residual variance of the outcome, draw by draw.

    Notes
    -----
    The two variances of the Bayesian R2 [1]_: the residual variance is the one the model states, not that of the
    residuals at hand.

    References
    ----------
    .. [1] Gelman, Goodrich, Gabry, Vehtari (2019). R-squared for Bayesian regression models. The American Statistician
       73(3). doi 10.1080/00031305.2018.1549100
    """
    # Slopes and contrasts of means and of slopes each ask for it; where it is not linear it takes seconds.
    if (found := _FOUND.get(fit)) is None:
        found = _FOUND[fit] = _spread(fit, tables)
    return found


def _spread(fit: FittedModel, tables: Tabulations | None) -> Spread:
    family, outcome, rows = fit.design.family, fit.design.outcome, fit.design.rows
    n_draws = prod(fit.shape)
    if is_linear(fit):
        # The residual variance depends on the row's level of the residual factor at most, so one row a level gives it.
        shares = fit.design.residual_shares
        by_level = residual_variance(family, np.zeros((n_draws, shares.size)), fit.parameters, outcome)
        return Spread(np.maximum(total_covariance(contributions(fit)), 0.0), by_level @ shares)
    tables = tables or Tabulations(fit)
    explained, residual = np.empty(n_draws), np.empty(n_draws)
    nothing, strata = np.zeros((rows.n, 0)), tables.strata(rows)
    for which in fit.blocks(rows.n):
        eta = fit.linear_predictor(rows, which=which)
        table = tables.expected(which, eta.min(axis=1), eta.max(axis=1))
        explained[which] = table(eta, strata).var(axis=1, ddof=1)
        residual[which] = tables.residual(which, table).mean(eta, strata, np.zeros((len(eta), 0)), nothing)
    return Spread(explained, residual)


def total_covariance(parts: Sequence[Contribution]) -> np.ndarray:
    """Variance over rows of the sum of some parts of the linear predictor, shape (n_draws,)."""
    total = np.zeros(len(parts[0].draws)) if parts else np.zeros(1)
    for number, part in enumerate(parts):
        total = total + covariance(part, part)
        for other in parts[:number]:
            total = total + 2 * covariance(part, other)
    return total


def unique_variance(fit: FittedModel, held: Rows, *, tables: Tabulations | None = None) -> np.ndarray:
    """Variance of the expected outcome that a predictor explains beyond all other columns, draw by draw.

    Parameters
    ----------
    fit
        The fitted model.
    held
        The analysed rows with the predictor held at its mean.
    tables
        The fit's tables, where there are some already.

    Returns
    -------
    numpy.ndarray
        Shape (n_draws,).

    Notes
    -----
    What the predictor does to each row's expected outcome (expected outcome minus that with the predictor held at its
    mean) is regressed on every design column that does not hold the predictor, among them an indicator of every level
    of every pooled factor; the variance of what is left (divisor n - 1) is unique to the predictor. In a linear model
    with flat priors and many rows it is the fall of the explained variance when the predictor, with all its products,
    is dropped and the rest refitted. For families that are not linear it is the same on the outcome's scale.
    """
    rows, n = fit.design.rows, fit.design.n
    effect = Rows(
        rows.x - held.x,
        {name: rows.z[name] - held.z[name] for name in rows.z},
        rows.index,
        basis={name: rows.basis[name] - held.basis[name] for name in rows.basis},
        offset=None if rows.offset is None or held.offset is None else rows.offset - held.offset,
    )
    levels, others = _basis(fit, effect)
    if is_linear(fit):
        parts = contributions(fit, effect)
        sum_of_squares = np.zeros(prod(fit.shape))
        for a in parts:
            for b in parts:
                sum_of_squares += second_moment(a, b)
        rooted = [(part.draws, _rooted(fit, part.matrix)) for part in parts]
        for basis in (levels, others):
            fitted = sum((draws @ np.asarray(_dense(basis.T @ matrix)).T for draws, matrix in rooted), np.zeros(1))
            sum_of_squares -= (fitted**2).sum(axis=1)
        return np.maximum(sum_of_squares, 0.0) / (n - 1)
    tables, out = tables or Tabulations(fit), np.empty(prod(fit.shape))
    strata = tables.strata(rows)
    for which in fit.blocks(n):
        actual, without = fit.linear_predictor(rows, which=which), fit.linear_predictor(held, which=which)
        low, high = np.minimum(actual, without).min(axis=1), np.maximum(actual, without).max(axis=1)
        table = tables.expected(which, low, high)
        change = table(actual, strata) - table(without, strata)
        fitted_squares = sum(((change @ basis) ** 2).sum(axis=1) for basis in (levels, others))
        out[which] = np.maximum((change**2).sum(axis=1) - fitted_squares, 0.0) / (n - 1)
    return out


def _basis(fit: FittedModel, effect: Rows) -> tuple[Any, np.ndarray]:
    """Orthonormal basis of the columns that do not hold the predictor, in two blocks, shapes (n, levels) and (n, rank).

    Rows that stand for several participants are the roots of their numbers long, so that sums of squares are right.

    The first block is the indicators of the largest factor's levels, which are orthogonal as they are, so that a
    factor of thousands of levels costs nothing; the second is everything else with its means by those levels taken
    out.
    """
    rows, n = fit.design.rows, fit.design.rows.n
    constant = np.zeros(n, dtype=int)
    indices = [np.asarray(rows.index[f.name]) for f in fit.design.factors if "Intercept" in f.terms]
    largest = max(indices, key=lambda index: int(index.max()), default=constant)
    counts = np.bincount(largest, weights=fit.design.weights)
    levels = _rooted(
        fit, sparse.csr_array((1 / np.sqrt(counts[largest]), (np.arange(n), largest)), shape=(n, len(counts)))
    )
    columns = [rows.x[:, ~effect.x.any(axis=0)]]
    for factor in fit.design.factors:
        for term in np.flatnonzero(~effect.z[factor.name].any(axis=0)):
            if rows.index[factor.name] is largest and factor.terms[term] == "Intercept":
                continue
            spread = np.zeros((n, len(factor.levels)))
            spread[np.arange(n), rows.index[factor.name]] = rows.z[factor.name][:, term]
            columns.append(spread)
    columns += [rows.basis[smooth.name] for smooth in fit.design.smooths if not effect.basis[smooth.name].any()]
    matrix = _rooted(fit, np.hstack(columns))
    matrix = matrix / np.maximum(np.linalg.norm(matrix, axis=0), 1e-300)
    matrix = matrix - levels @ (levels.T @ matrix)
    if not matrix.shape[1]:
        return levels, np.zeros((n, 0))
    q, r, _ = linalg.qr(matrix, mode="economic", pivoting=True)
    # Columns have length 1 before the means are taken out: what is below 1e-8 then is rounding of a dependent column.
    rank = int((np.abs(np.diag(r)) > 1e-8).sum())
    return levels, q[:, :rank]


def _rooted(fit: FittedModel, matrix: Any) -> Any:
    """A matrix of the analysed rows, each times the root of the number of participants it stands for."""
    weights = fit.design.weights
    return matrix if weights is None else sparse.diags_array(np.sqrt(weights)) @ matrix


def _dense(matrix: Any) -> np.ndarray:
    return np.asarray(matrix.toarray() if hasattr(matrix, "toarray") else matrix)
