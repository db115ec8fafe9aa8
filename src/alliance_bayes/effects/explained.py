"""Explained and residual variance of the outcome, what each part contributes, and what a predictor has of its own."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from scipy import linalg, sparse

from alliance_bayes.effects.completed import by_table
from alliance_bayes.effects.exposure import Exposure
from alliance_bayes.effects.tabulated import Tabulations
from alliance_bayes.fit import FittedModel
from alliance_bayes.model import PooledFactor, Rows
from alliance_bayes.rounding import ROUNDING

__all__ = [
    "Contribution",
    "Spread",
    "Unique",
    "basis_of",
    "beyond",
    "by_level",
    "contributions",
    "covariance",
    "dense",
    "levels_of_variation",
    "mean_square_sigma",
    "other_columns",
    "outcome_spread",
    "projected",
    "rooted",
    "sigma_ends",
    "unique_variance",
]


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
    if (spread := _FOUND.get(fit)) is None:
        spread = _FOUND[fit] = _over_tables(fit) if fit.imputation is not None else _spread(fit, tables)
    return spread


def _over_tables(fit: FittedModel) -> Spread:
    """That of each draw's own completed table."""
    parts = [(_spread(completed, None), which) for completed, which in by_table(fit)]
    out = np.empty((2, prod(fit.shape)))
    for part, which in parts:
        out[:, which] = part.explained, part.residual
    return Spread(*out)


def _spread(fit: FittedModel, tables: Tabulations | None) -> Spread:
    family, outcome, rows = fit.design.family, fit.design.outcome, fit.design.rows
    n_draws = prod(fit.shape)
    if family.linear:
        explained = np.maximum(total_covariance(contributions(fit)), 0.0)
        if fit.design.sigma is not None:
            return Spread(explained, _of_rows(fit))
        # The residual variance depends on the row's level of the residual factor at most, so one row a level gives it.
        shares = fit.design.residual_shares
        by_level = family.residual_variance(np.zeros((n_draws, shares.size)), fit.parameters, outcome)
        return Spread(explained, by_level @ shares)
    tables = tables or Tabulations(fit)
    explained, residual = np.empty(n_draws), np.empty(n_draws)
    nothing, strata = np.zeros((rows.n, 0)), rows.strata
    for which in fit.blocks(rows.n):
        eta = fit.linear_predictor(rows, which=which)
        if fit.design.sigma is not None:
            parameters = fit.parameters_at(which)
            explained[which] = _variance(family.expectation(eta, parameters, outcome), rows.weights)
            residual[which] = np.average(
                family.residual_variance(eta, parameters, outcome), axis=1, weights=rows.weights
            )
            continue
        table = tables.expected(which, eta.min(axis=1), eta.max(axis=1))
        explained[which] = _variance(table(eta, strata), rows.weights)
        if outcome.trials is not None:
            # Every row has a variance of its own.
            parameters = fit.parameters_at(which)
            each = family.residual_variance(eta, parameters, outcome)
            residual[which] = np.average(each, axis=1, weights=rows.weights)
            continue
        residual[which] = tables.residual(which, table).mean(
            eta, strata, np.zeros((len(eta), 0)), nothing, rows.weights
        )
    return Spread(explained, residual)


def _of_rows(fit: FittedModel) -> np.ndarray:
    """Residual variance of a family that is linear, averaged over rows of which each has its own, shape (n_draws,)."""
    design, out = fit.design, np.empty(prod(fit.shape))
    for which in fit.blocks(design.rows.n):
        parameters = fit.parameters_at(which)
        each = design.family.residual_variance(np.zeros_like(parameters["sigma"]), parameters, design.outcome)
        out[which] = np.average(each, axis=1, weights=design.weights)
    return out


def sigma_ends(fit: FittedModel) -> np.ndarray:
    """The residual SDs, shape (n_draws,) or (n_draws, k): of rows with SDs of their own the least and the largest."""
    if fit.design.sigma is None:
        return fit.stacked["sigma"]
    each = (fit.parameters_at(which)["sigma"] for which in fit.blocks(fit.design.rows.n))
    return np.concatenate([np.stack([sigma.min(axis=1), sigma.max(axis=1)], axis=1) for sigma in each])


def mean_square_sigma(fit: FittedModel) -> np.ndarray:
    """Mean over the analysed rows of the squared residual SD, of which each has its own, shape (n_draws,)."""
    each = (fit.parameters_at(which)["sigma"] for which in fit.blocks(fit.design.rows.n))
    return np.concatenate([np.average(sigma**2, axis=1, weights=fit.design.weights) for sigma in each])


def _variance(values: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    """Variance over rows (divisor n - 1) of values of shape (n_draws, n_rows)."""
    if weights is None:
        return np.asarray(values.var(axis=1, ddof=1))
    away = values - np.average(values, axis=1, weights=weights)[:, None]
    return np.asarray(away**2 @ weights / (weights.sum() - 1))


def total_covariance(parts: Sequence[Contribution]) -> np.ndarray:
    """Variance over rows of the sum of some parts of the linear predictor, shape (n_draws,)."""
    total = np.zeros(len(parts[0].draws)) if parts else np.zeros(1)
    for number, part in enumerate(parts):
        total = total + covariance(part, part)
        for other in parts[:number]:
            total = total + 2 * covariance(part, other)
    return total


@dataclass(frozen=True, eq=False)
class Unique:
    """What a predictor has of its own.

    Parameters
    ----------
    variance
        Variance over the analysed rows (divisor n - 1) of the predictor given the other common terms, at the level at
        which it varies; see :func:`unique_variance`. A number, or one for each draw where values were drawn.
    left
        Variance of the expected outcome that neither the predictor nor the others have and that counts as unexplained
        at that level: of the effects of the factors within whose levels the predictor is constant; shape (n_draws,).
    level
        The factor whose levels the predictor tells apart; None where it varies within the levels of all.
    """

    variance: float | np.ndarray
    left: np.ndarray
    level: str | None


def unique_variance(fit: FittedModel, predictor: str | Exposure, *, tables: Tabulations | None = None) -> Unique:
    """Variance of a predictor given the other common terms, at the level at which it varies.

    Parameters
    ----------
    fit
        The fitted model.
    predictor
        A numeric column; or two levels of a factor, one against the other.
    tables
        The fit's tables, where there are some already.

    Notes
    -----
    The predictor is regressed on every common column that does not hold it, and on an indicator of every level of
    every pooled factor within whose levels it varies: a difference between levels of such a factor is the factor's. A
    predictor that is constant within the levels of a factor (a person's baseline, a provider's mean alliance) varies
    between them, and its factor's indicators would leave nothing of it: they are left out, and the other columns
    enter by their means over the levels (of the factor with the fewest levels, where there are several).

    Partial correlation and delta R2 of an average slope b are then, with v this variance, signed roots of
    b^2 v / (b^2 v + unexplained variance), and b^2 v / total variance. With flat priors they are those of least
    squares with the same columns.

    Of two levels of a factor the predictor is the indicator of one of them, and indicators of the levels that are
    neither are among the other columns, in place of all terms of the factor.
    """
    exposure = Exposure(predictor) if isinstance(predictor, str) else predictor
    if fit.imputation is None:
        return _unique(fit, exposure, tables)
    parts = [(_unique(completed, exposure, None), which) for completed, which in by_table(fit)]
    variance, left = np.empty((2, prod(fit.shape)))
    for part, which in parts:
        variance[which], left[which] = part.variance, part.left
    return Unique(variance, left, parts[0][0].level)


def _unique(fit: FittedModel, exposure: Exposure, tables: Tabulations | None) -> Unique:
    """The same of one table."""
    design, x = fit.design, exposure.values(fit)
    within, between, level, index = levels_of_variation(fit, x, but=exposure.factors(design))
    terms = exposure.terms(design)
    others = np.column_stack([other_columns(fit, terms), exposure.besides(fit)])
    centred = rooted(fit, x - design.average(x))
    rest = centred - projected(centred, basis_of(fit, within, others, index))
    n, total = design.n, float(centred @ centred)
    variance = float(rest @ rest)
    # Below this share of its own variance the predictor is a combination of the others.
    variance = 0.0 if variance <= ROUNDING * total else variance / (n - 1)
    left = np.zeros(prod(fit.shape))
    if between:
        # What the factors of its level add to the expected outcome, beyond what it and the others explain of that.
        rows, z = design.rows, dict(design.rows.z)
        for factor in between:
            keep = [f"{column.term}|{factor.name}" in terms for column in factor.columns]
            z[factor.name] = np.where(keep, rows.z[factor.name], 0.0)
        left = _left_over(fit, replace(rows, z=z), basis_of(fit, within, np.column_stack([others, x]), None), tables)
    return Unique(variance, left, level)


def levels_of_variation(
    fit: FittedModel, x: np.ndarray, *, but: Collection[str] = ()
) -> tuple[list[str], list[PooledFactor], str | None, np.ndarray | None]:
    """Within the levels of which pooled factors a column varies, within which it does not, and the level it is of.

    Parameters
    ----------
    fit
        The fitted model.
    x
        Of the analysed rows, shape (n_rows,).
    but
        Pooled factors that are not looked at: those whose levels the column tells apart.

    Returns
    -------
    tuple
        Names of the first, the second, the one of these with the fewest levels and its level by row; None without any.
    """
    pooled = [factor for factor in fit.design.factors if "Intercept" in factor.terms and factor.name not in but]
    between = [factor for factor in pooled if constant_within(x, fit.design.rows.index[factor.name])]
    within = [factor.name for factor in pooled if factor not in between]
    level = min(between, key=lambda factor: len(factor.levels), default=None)
    if level is None:
        return within, between, None, None
    return within, between, level.name, np.asarray(fit.design.rows.index[level.name])


def constant_within(x: np.ndarray, index: np.ndarray) -> bool:
    """Whether a column does not vary within any level."""
    order = np.argsort(index, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(index[order]) != 0])
    low, high = np.minimum.reduceat(x[order], starts), np.maximum.reduceat(x[order], starts)
    return bool((high - low <= ROUNDING * np.abs(x).max(initial=0.0)).all())


def other_columns(fit: FittedModel, excluded: set[str]) -> np.ndarray:
    """Common columns, a constant among them, and bases of smooths that do not hold a predictor, shape (n, k)."""
    design, rows = fit.design, fit.design.rows
    common = np.hstack([np.ones((rows.n, 1)), rows.x[:, [column.term not in excluded for column in design.columns]]])
    bent = [rows.basis[smooth.name] for smooth in design.smooths if smooth.title not in excluded]
    # Means are taken out for the digits of columns that are far from 0; the first is the constant.
    return np.hstack([common[:, :1], common[:, 1:] - design.average(common)[1:], *bent])


def _left_over(fit: FittedModel, without: Rows, basis: Sequence[Any], tables: Tabulations | None) -> np.ndarray:
    """Variance of what the expected outcome owes to some columns that a basis does not explain, draw by draw.

    Parameters
    ----------
    fit
        The fitted model.
    without
        The analysed rows with these columns zero.
    basis
        Orthonormal columns in blocks, as :func:`basis_of` has them.
    tables
        The fit's tables, where there are some already.
    """
    rows, n = fit.design.rows, fit.design.n
    if fit.design.family.linear:
        effect = Rows(
            rows.x - without.x,
            {name: rows.z[name] - without.z[name] for name in rows.z},
            rows.index,
            basis={name: rows.basis[name] - without.basis[name] for name in rows.basis},
            offset=None if rows.offset is None or without.offset is None else rows.offset - without.offset,
        )
        return beyond(fit, contributions(fit, effect), basis)
    tables, out = tables or Tabulations(fit), np.empty(prod(fit.shape))
    strata = rows.strata
    for which in fit.blocks(n):
        actual, other = fit.linear_predictor(rows, which=which), fit.linear_predictor(without, which=which)
        low, high = np.minimum(actual, other).min(axis=1), np.maximum(actual, other).max(axis=1)
        if fit.design.sigma is None:
            table = tables.expected(which, low, high)
            change = table(actual, strata) - table(other, strata)
        else:
            family, parameters = fit.design.family, fit.parameters_at(which)
            change = np.subtract(*(family.expectation(eta, parameters, fit.design.outcome) for eta in (actual, other)))
        fitted_squares = sum(((change @ block) ** 2).sum(axis=1) for block in basis)
        out[which] = np.maximum((change**2).sum(axis=1) - fitted_squares, 0.0) / (n - 1)
    return out


def beyond(fit: FittedModel, parts: Sequence[Contribution], basis: Sequence[Any]) -> np.ndarray:
    """Variance over rows of the sum of some parts that a basis of the rows does not explain, shape (n_draws,).

    Parameters
    ----------
    fit
        The fitted model.
    parts
        Of the linear predictor.
    basis
        Orthonormal columns in blocks, as :func:`basis_of` has them.
    """
    parts = [used for part in parts if (used := part.used).draws.shape[1]]
    sum_of_squares = np.zeros(prod(fit.shape))
    for number, a in enumerate(parts):
        sum_of_squares += second_moment(a, a)
        for b in parts[:number]:
            sum_of_squares += 2 * second_moment(a, b)
    scaled, left = [(part.draws, rooted(fit, part.matrix)) for part in parts], sum_of_squares
    for block in basis:
        fitted = sum((draws @ np.asarray(dense(block.T @ matrix)).T for draws, matrix in scaled), np.zeros(1))
        left = left - (fitted**2).sum(axis=1)
    # What the basis has whole leaves rounding of the sums, on every processor another.
    return np.where(left > ROUNDING * sum_of_squares, left, 0.0) / (fit.design.n - 1)


def projected(values: np.ndarray, basis: Sequence[Any]) -> np.ndarray:
    """The part of some values, shape (n,), that orthonormal columns explain."""
    return np.asarray(sum((block @ (block.T @ values) for block in basis), np.zeros(len(values))))


def basis_of(
    fit: FittedModel, factors: Sequence[str], others: np.ndarray, level: np.ndarray | None
) -> tuple[Any, np.ndarray]:
    """Orthonormal basis of indicators of some factors' levels and of other columns, shapes (n, levels) and (n, rank).

    Rows that stand for several participants are the roots of their numbers long, so that sums of squares are right.
    Where ``level`` gives a number to each row, columns are first replaced by their means over the rows of a number.

    The first block is the indicators of the largest factor's levels, which are orthogonal as they are, so that a
    factor of thousands of levels costs nothing; the second is everything else with its means by those levels taken
    out.
    """
    rows, n = fit.design.rows, fit.design.rows.n
    indices = [np.asarray(rows.index[name]) for name in factors]
    columns = [others]
    largest = np.zeros(n, dtype=int)
    if indices and level is None:
        largest = max(indices, key=lambda index: int(index.max()))
    for index in indices:
        if index is not largest:
            spread = np.zeros((n, int(index.max()) + 1))
            spread[np.arange(n), index] = 1.0
            columns.append(spread)
    matrix = np.hstack(columns)
    if level is not None:
        matrix = by_level(fit, matrix, level)
    counts = np.bincount(largest, weights=fit.design.weights)
    each = 1 / np.sqrt(counts[largest])
    levels = rooted(fit, sparse.csr_array((each, (np.arange(n), largest)), shape=(n, len(counts))))
    matrix = rooted(fit, matrix)
    size = np.linalg.norm(matrix, axis=0)
    matrix = matrix / np.where(size > 0, size, 1.0)
    matrix = matrix - levels @ (levels.T @ matrix)
    q, r, _ = linalg.qr(matrix, mode="economic", pivoting=True)
    # Columns have length 1 before the means are taken out: what is below 1e-8 then is rounding of a dependent column.
    rank = int((np.abs(np.diag(r)) > 1e-8).sum())
    return levels, q[:, :rank]


def by_level(fit: FittedModel, matrix: np.ndarray, level: np.ndarray) -> np.ndarray:
    """Columns of the analysed rows, replaced by their means over the rows of a level, shape (n, k)."""
    n = len(matrix)
    weights = np.ones(n) if fit.design.weights is None else fit.design.weights
    adding = sparse.csr_array((weights, (level, np.arange(n))))
    return np.asarray(adding @ matrix / np.maximum(adding.sum(axis=1), np.finfo(float).tiny)[:, None])[level]


def rooted(fit: FittedModel, matrix: Any) -> Any:
    """A matrix of the analysed rows, each times the root of the number of participants it stands for."""
    weights = fit.design.weights
    return matrix if weights is None else sparse.diags_array(np.sqrt(weights)) @ matrix


def dense(matrix: Any) -> np.ndarray:
    """A matrix, sparse or not, as an array."""
    return np.asarray(matrix.toarray() if hasattr(matrix, "toarray") else matrix)


@dataclass(frozen=True, eq=False)
class Contribution:
    """One part of the linear predictor: a matrix of the rows times coefficients.

    Parameters
    ----------
    name
        The pooled factor or the smooth; None for the common terms.
    matrix
        Shape (n_rows, n_coefficients), dense or sparse.
    draws
        Coefficients, shape (n_draws, n_coefficients).
    weights
        Participants that each row stands for, shape (n_rows,); None where each row is one.
    """

    name: str | None
    matrix: Any
    draws: np.ndarray
    weights: np.ndarray | None = None

    @property
    def used(self) -> Contribution:
        """The same without columns that are 0 in all rows."""
        columns = np.flatnonzero(dense(abs(self.matrix).max(axis=0)))
        return replace(self, matrix=self.matrix[:, columns], draws=self.draws[:, columns])

    @property
    def weighted(self) -> Any:
        """The matrix with each row as often as it stands for."""
        if self.weights is None:
            return self.matrix
        return sparse.diags_array(self.weights) @ self.matrix


def contributions(fit: FittedModel, rows: Rows | None = None) -> list[Contribution]:
    """Parts of the linear predictor: the common terms with the offset less their mean, then pooled factors and smooths.

    Parameters
    ----------
    fit
        The fitted model.
    rows
        Design arrays of as many rows, all of levels that the fit has seen; the analysed rows by default.
    """
    design = fit.design
    rows, weights = design.rows if rows is None else rows, design.weights
    parts = []
    if rows.known.shape[1]:
        # A column's mean is a constant of the sum. Taking it out first keeps digits where centring values are far off.
        known = rows.known - design.average(rows.known)
        parts.append(Contribution(None, known, fit.coefficients_of_known, weights))
    for factor in design.factors:
        n_levels, n_terms = len(factor.levels), len(factor.columns)
        columns = rows.index[factor.name][:, None] * n_terms + np.arange(n_terms)
        at = (np.repeat(np.arange(rows.n), n_terms), columns.ravel())
        matrix = sparse.csr_array((rows.z[factor.name].ravel(), at), shape=(rows.n, n_levels * n_terms))
        u = fit.stacked[f"u_{factor.name}"]
        parts.append(Contribution(factor.name, matrix, u.reshape(len(u), -1), weights))
    parts += [
        Contribution(smooth.name, rows.basis[smooth.name], fit.stacked[f"u_{smooth.name}"], weights)
        for smooth in design.smooths
    ]
    return parts


def second_moment(a: Contribution, b: Contribution) -> np.ndarray:
    """Sum over participants of the product of two parts, draw by draw, shape (n_draws,)."""
    cross = a.matrix.T @ b.weighted
    return np.asarray(np.einsum("pd,dp->d", cross.T @ a.draws.T, b.draws))


def covariance(a: Contribution, b: Contribution) -> np.ndarray:
    """Covariance over participants (divisor n - 1) of two parts, draw by draw, shape (n_draws,)."""
    n = a.matrix.shape[0] if a.weights is None else float(a.weights.sum())
    first, second = (part.draws @ np.asarray(part.weighted.sum(axis=0)).ravel() / n for part in (a, b))
    return np.asarray((second_moment(a, b) - n * first * second) / (n - 1))
