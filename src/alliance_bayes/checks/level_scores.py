"""Leave-one-out scores of the level that was observed, the same question to families with densities and with masses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alliance_bayes.checks.psis import leave_one_out
from alliance_bayes.checks.subsample import LookedAt
from alliance_bayes.fit import FittedModel

__all__ = ["Scores", "scores"]


@dataclass(frozen=True, eq=False)
class Scores:
    """Leave-one-out log scores of one fit.

    Parameters
    ----------
    elpd, p
        Log score of each row when it is left out, and how much it is overstated when it is not; shape (r,) for
        the rows looked at.
    pareto_k
        Shape of the importance ratios' tail, shape (r,).
    good_k
        Scores with a larger k are not reliable.
    """

    elpd: np.ndarray
    p: np.ndarray
    pareto_k: np.ndarray
    good_k: float


def scores(fit: FittedModel, step: float | None, looked: LookedAt, *, relative_efficiency: float = 1.0) -> Scores:
    """Predict rows from all others and score what was observed.

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
        loo = leave_one_out(fit, looked, relative_efficiency=relative_efficiency)
        return Scores(loo.elpd, loo.p, loo.pareto_k, loo.good_k)
    design = fit.design
    elpd, p = np.empty(looked.rows.size), np.empty(looked.rows.size)

    def visit(at: slice, log_weights: np.ndarray) -> None:
        rows, outcome = design.rows.take(looked.at(at)), design.outcome.take(looked.at(at))
        eta, own = fit.linear_predictor(rows), fit.parameters_at(rows=rows)
        mass = np.maximum(design.family.level_probability(eta, own, outcome, step), np.finfo(float).tiny)
        elpd[at] = np.log(np.einsum("is,si->i", np.exp(log_weights), mass))
        p[at] = np.log(mass.mean(axis=0)) - elpd[at]

    loo = leave_one_out(fit, looked, relative_efficiency=relative_efficiency, visit=visit)
    return Scores(elpd, p, loo.pareto_k, loo.good_k)
