"""How strongly measured covariates go with predictor and outcome: what an unmeasured cause is compared with."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from alliance_bayes.effects.completed import by_table
from alliance_bayes.effects.counterfactual import terms_with
from alliance_bayes.effects.explained import (
    basis_of,
    beyond,
    by_level,
    contributions,
    dense,
    levels_of_variation,
    other_columns,
    projected,
    rooted,
)
from alliance_bayes.effects.exposure import Exposure
from alliance_bayes.errors import UsageError
from alliance_bayes.fit import FittedModel
from alliance_bayes.model import Rows
from alliance_bayes.model.roles import is_of_persons
from alliance_bayes.rounding import ROUNDING

__all__ = ["MOST_BENCHMARK_LEVELS", "Benchmark", "benchmark_columns", "benchmark_of"]

#: Levels above which a factor is no benchmark unless it is named: so many indicators explain something by chance.
MOST_BENCHMARK_LEVELS = 30


@dataclass(frozen=True, eq=False)
class Benchmark:
    """What one measured covariate explains of what the other terms leave.

    Parameters
    ----------
    predictor
        Partial R2 of covariate and predictor, given the other terms, shape (n_draws,).
    outcome
        Partial R2 of covariate and outcome, given the predictor and the other terms, shape (n_draws,).
    """

    predictor: np.ndarray
    outcome: np.ndarray


def benchmark_columns(fit: FittedModel, exposure: Exposure) -> list[str]:
    """Covariates of a model that others may be compared with: neither persons, nor providers, nor many levels.

    Parameters
    ----------
    fit
        The fitted model.
    exposure
        What is asked for.
    """
    design, predictor = fit.design, exposure.name
    _, between, _, _ = levels_of_variation(fit, exposure.values(fit), but=exposure.factors(design))
    pooled = {factor.name: factor for factor in design.factors}
    # A factor within whose levels the predictor is constant holds it whole.
    barred = {factor.name for factor in between} | fit.person_columns | fit.provider_columns
    columns = []
    for name in design.predictors:
        factor = pooled.get(name)
        many = factor is not None and (
            len(factor.levels) > MOST_BENCHMARK_LEVELS or is_of_persons(factor, design.rows.n)
        )
        if name != predictor and name not in barred and not many and _columns(fit, exposure, name) is not None:
            columns.append(name)
    return columns


def benchmark_of(
    fit: FittedModel, exposure: Exposure, column: str, *, variance: float | np.ndarray, unexplained: np.ndarray
) -> Benchmark:
    """Partial R2 of a covariate with what is compared and with the outcome.

    Parameters
    ----------
    fit
        The fitted model, of a family whose expected outcome is its linear predictor.
    exposure
        A numeric column, or two levels of a factor.
    column
        A covariate: a column of common terms, of smooths, or of pooled factors.
    variance
        Of the predictor given all other terms; see :func:`alliance_bayes.effects.explained.unique_variance`. A number,
        or one for each draw.
    unexplained
        Variance of the outcome that the model leaves at the predictor's level, shape (n_draws,).

    Notes
    -----
    What is the covariate's are all terms that hold it, but for its products with the predictor, and of a pooled factor
    the indicators of its levels. With flat priors the two are those of least squares, with the covariate's columns as a
    group (Cinelli and Hazlett 2020, section 4.4).

    Raises
    ------
    UsageError
        The column is no covariate of the model besides the predictor, or holds it whole.
    """
    _, between, _, _ = levels_of_variation(fit, exposure.values(fit), but=exposure.factors(fit.design))
    if _columns(fit, exposure, column) is None or any(column in factor.name.split(":") for factor in between):
        known = ", ".join(benchmark_columns(fit, exposure)) or "none"
        raise UsageError(
            f"{column!r} is no covariate of this model that an unmeasured cause of '{exposure.name}' could be compared "
            f"with. Covariates that are: {known}."
        )
    of = np.broadcast_to(variance, unexplained.shape)
    shares = np.empty((2, *unexplained.shape))
    for completed, which in by_table(fit):
        shares[0, which], shares[1, which] = _of_table(
            completed, exposure, column, float(of[which][0]), unexplained[which]
        )
    return Benchmark(*shares)


def _of_table(
    fit: FittedModel, exposure: Exposure, column: str, variance: float, unexplained: np.ndarray
) -> tuple[float, np.ndarray]:
    """The same of one table, where the variance is one number."""
    design, x = fit.design, exposure.values(fit)
    within, _, _, level = levels_of_variation(fit, x, but=exposure.factors(design))
    effect = _columns(fit, exposure, column)
    if effect is None:
        return 0.0, np.zeros(unexplained.shape)
    factors = [name for name in within if column not in name.split(":")]
    excluded = exposure.terms(design) | {term.name for term in terms_with(design, column)}
    others = np.column_stack([other_columns(fit, excluded), exposure.besides(fit)])
    centred = rooted(fit, x - design.average(x))
    rest = centred - projected(centred, basis_of(fit, factors, others, level))
    without = float(rest @ rest) / (design.n - 1)
    shared = (
        0.0 if without <= ROUNDING * float(centred @ centred) / (design.n - 1) else max(0.0, 1 - variance / without)
    )
    parts = contributions(fit, effect)
    if level is not None:
        used = [part.used for part in parts]
        parts = [replace(part, matrix=by_level(fit, dense(part.matrix), level)) for part in used]
    explained = beyond(fit, parts, basis_of(fit, factors, np.column_stack([others, x]), level))
    return shared, explained / (explained + unexplained)


def _columns(fit: FittedModel, exposure: Exposure, column: str) -> Rows | None:
    """The analysed rows with all design columns 0 but those of a covariate; None where it has none of its own."""
    design, rows = fit.design, fit.design.rows
    if column == exposure.name or column not in design.predictors:
        return None
    of_x = exposure.terms(design)
    terms = {term.name for term in terms_with(design, column)} - of_x
    x = rows.x * np.array([design_column.term in terms for design_column in design.columns], dtype=float)
    z = {}
    for factor in design.factors:
        names = [f"{design_column.term}|{factor.name}" for design_column in factor.columns]
        grouped = column in factor.name.split(":")
        keep = [name not in of_x if grouped else name in terms for name in names]
        z[factor.name] = rows.z[factor.name] * np.array(keep, dtype=float)
    basis = {smooth.name: rows.basis[smooth.name] * float(smooth.title in terms) for smooth in design.smooths}
    some = any(np.abs(part).max(initial=0.0) > 0 for part in (x, *z.values(), *basis.values()))
    offset = None if rows.offset is None else np.zeros_like(rows.offset)
    return replace(rows, x=x, z=z, basis=basis, offset=offset) if some else None
