"""Leave-one-out predictions by Pareto-smoothed importance sampling, in a bounded amount of memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from alliance_bayes.checks.subsample import LookedAt, Proxies
from alliance_bayes.diagnostics import smoothed
from alliance_bayes.fit import FittedModel

__all__ = ["Loo", "LooPredictions", "leave_one_out", "level_scores", "loo_of", "loo_predictions", "weights_of"]

# Rows smoothed at once: 256 rows x 4,000 draws are 8 MB. Draws x rows are never in memory beyond that.
ROWS = 256

# What is called with the places of a block among the rows looked at, and with their smoothed log weights, shape
# (n_rows, n_draws).
type Visit = Callable[[slice, np.ndarray], None]


@dataclass(frozen=True, eq=False)
class Loo:
    """Leave-one-out predictions of the rows looked at, r of them.

    Parameters
    ----------
    elpd, p
        Log predictive density (log mass for discrete families) of each row when it is left out, and how much it is
        overstated when it is not; shape (r,). Over all rows, their sums are elpd_loo and p_loo.
    pareto_k
        Shape of the importance ratios' tail, shape (r,); infinite where it cannot be told.
    good_k
        Estimates with a larger k are not reliable: min(1 - 1 / log10(S), 0.7) for S draws (ArviZ's ``good_k``), where
        S is the number of draws times the relative efficiency, if that is below 1.
    """

    elpd: np.ndarray
    p: np.ndarray
    pareto_k: np.ndarray
    good_k: float


def leave_one_out(
    fit: FittedModel, looked: LookedAt, *, relative_efficiency: float = 1.0, visit: Visit | None = None
) -> Loo:
    """Predict rows, each from all the others.

    Parameters
    ----------
    fit
        The fit.
    looked
        Which rows.
    relative_efficiency
        Mean effective sample size of the parameters' means over the number of draws; it sets how many draws the tail
        has.
    visit
        Called with each block of rows: what else needs the weights takes them there, since they are not kept.

    References
    ----------
    Vehtari, Gelman and Gabry (2017), Statistics and Computing 27:1413-1432, doi 10.1007/s11222-016-9696-4; Vehtari,
    Simpson, Gelman, Yao and Gabry (2024), Journal of Machine Learning Research 25(72):1-58.
    """
    n, n_draws = looked.rows.size, fit.shape[0] * fit.shape[1]
    elpd, p, pareto_k = np.empty(n), np.empty(n), np.empty(n)
    for start in range(0, n, ROWS):
        at = slice(start, min(start + ROWS, n))
        block = np.ascontiguousarray(fit.log_likelihood_at(looked.at(at)).T)
        log_weights, elpd[at], p[at], pareto_k[at] = _weighed(block, relative_efficiency)
        if visit is not None:
            visit(at, log_weights)
    return Loo(elpd, p, pareto_k, _good_k(n_draws, relative_efficiency))


def loo_of(scores: np.ndarray, *, relative_efficiency: float = 1.0) -> Loo:
    """Leave-one-out predictions of what has a log density for each draw, shape (n, n_draws)."""
    blocks = [scores[start : start + ROWS] for start in range(0, len(scores), ROWS)]
    weighed = [_weighed(block, relative_efficiency)[1:] for block in blocks]
    elpd, p, pareto_k = (np.concatenate(parts) for parts in zip(*weighed, strict=True))
    return Loo(elpd, p, pareto_k, _good_k(scores.shape[1], relative_efficiency))


def _weighed(block: np.ndarray, relative_efficiency: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Smoothed log weights, shape (n, n_draws), and elpd, p and Pareto k, each of shape (n,)."""
    # Importance ratios of the posterior without a row are the inverse of the row's likelihood.
    log_weights, k = smoothed(-block, relative_efficiency=relative_efficiency)
    elpd = _log_sum(log_weights + block)
    return log_weights, elpd, _log_sum(block) - np.log(block.shape[1]) - elpd, np.where(np.isnan(k), np.inf, k)


def _good_k(n_draws: int, relative_efficiency: float) -> float:
    effective = max(n_draws * min(relative_efficiency, 1.0), 2.0)
    return float(min(1 - 1 / np.log10(effective), 0.7))


@dataclass(frozen=True, eq=False)
class LooPredictions(Loo):
    """The same, and where the rows lie in their predictive distributions.

    Parameters
    ----------
    looked
        Which rows.
    known
        What is close to the scores of all rows; None where all were looked at.
    below, upto
        Probability of less than, and of at most, each observed outcome, shape (r,).
    level
        Probability of each observed level, shape (r,); None for families and outcomes without levels to ask for.
    """

    looked: LookedAt
    known: Proxies | None
    below: np.ndarray
    upto: np.ndarray
    level: np.ndarray | None


def loo_predictions(
    fit: FittedModel,
    looked: LookedAt,
    known: Proxies | None,
    which: np.ndarray,
    step: float | None,
    *,
    relative_efficiency: float = 1.0,
) -> LooPredictions:
    """Predict rows from all others, a block of rows at a time.

    Parameters
    ----------
    fit
        The fit.
    looked, known
        Which rows, and what is close to the scores of all where these are some.
    which
        Stacked draws that distributions are averaged over.
    step
        Distance between the levels of a continuous family's outcome; None without.
    relative_efficiency
        See :func:`leave_one_out`.
    """
    design = fit.design
    below, upto, level = (np.empty(looked.rows.size) for _ in range(3))

    def visit(at: slice, log_weights: np.ndarray) -> None:
        place, weights = looked.at(at), weights_of(log_weights, which)
        rows, outcome = design.rows.take(place), design.outcome.take(place)
        eta, parameters = fit.linear_predictor(rows, which=which), fit.parameters_at(which, rows)
        low, high = design.family.cumulative_bounds(eta, parameters, outcome, step)
        below[at] = np.einsum("si,si->i", weights, low)
        upto[at] = below[at] if high is low else np.einsum("si,si->i", weights, high)
        if step is not None:
            mass = design.family.level_probability(eta, parameters, outcome, step)
            level[at] = np.einsum("si,si->i", weights, mass)

    loo = leave_one_out(fit, looked, relative_efficiency=relative_efficiency, visit=visit)
    return LooPredictions(
        **vars(loo),
        looked=looked,
        known=known,
        below=np.clip(below, 0.0, 1.0),
        upto=np.clip(upto, 0.0, 1.0),
        level=None if step is None else level,
    )


def level_scores(fit: FittedModel, step: float | None, looked: LookedAt, *, relative_efficiency: float = 1.0) -> Loo:
    """Predict rows from all others and score the level that was observed: one question to densities and to masses.

    Parameters
    ----------
    fit
        The fit.
    step
        Distance between the outcome's levels: a continuous family is scored by the probability of the interval of half
        a step to either side of the observed level. None: by its density. A discrete family's mass needs no step.
    looked
        Which rows.
    relative_efficiency
        See :func:`leave_one_out`.

    Notes
    -----
    The importance weights come from the likelihood that was fitted, whatever is scored: they say how the posterior
    would look without the row.
    """
    if fit.design.family.discrete or step is None:
        return leave_one_out(fit, looked, relative_efficiency=relative_efficiency)
    design = fit.design
    elpd, p = np.empty(looked.rows.size), np.empty(looked.rows.size)

    def visit(at: slice, log_weights: np.ndarray) -> None:
        rows, outcome = design.rows.take(looked.at(at)), design.outcome.take(looked.at(at))
        eta, parameters = fit.linear_predictor(rows), fit.parameters_at(rows=rows)
        mass = np.maximum(design.family.level_probability(eta, parameters, outcome, step), np.finfo(float).tiny)
        elpd[at] = np.log(np.einsum("is,si->i", np.exp(log_weights), mass))
        p[at] = np.log(mass.mean(axis=0)) - elpd[at]

    loo = leave_one_out(fit, looked, relative_efficiency=relative_efficiency, visit=visit)
    return replace(loo, elpd=elpd, p=p)


def weights_of(log_weights: np.ndarray, which: np.ndarray) -> np.ndarray:
    """Importance weights of some draws, normalised over them; shape (n_which, n_rows)."""
    chosen = log_weights[:, which].T
    chosen = np.exp(chosen - chosen.max(axis=0))
    return np.asarray(chosen / chosen.sum(axis=0))


def _log_sum(values: np.ndarray) -> np.ndarray:
    """Logarithm of each row's sum of exponentials; SciPy's takes four times as long."""
    largest = values.max(axis=1)
    return np.asarray(largest + np.log(np.exp(values - largest[:, None]).sum(axis=1)))
