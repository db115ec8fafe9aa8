"""Every row predicted from all others: its log score, and where it lies in its predictive distribution."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alliance_bayes.checks.distributions import cumulative_bounds, level_probability
from alliance_bayes.checks.psis import Loo, leave_one_out, weights_of
from alliance_bayes.fit import FittedModel

__all__ = ["LeftOut", "left_out"]


@dataclass(frozen=True, eq=False)
class LeftOut:
    """Leave-one-out predictions.

    Parameters
    ----------
    loo
        Log scores and importance weights' tails.
    below, upto
        Probability of less than, and of at most, each observed outcome, shape (n,).
    level
        Probability of each observed level, shape (n,); None for families and outcomes without levels to ask for.
    """

    loo: Loo
    below: np.ndarray
    upto: np.ndarray
    level: np.ndarray | None


def left_out(fit: FittedModel, which: np.ndarray, step: float | None, *, relative_efficiency: float = 1.0) -> LeftOut:
    """Predict every row from all others, a block of rows at a time.

    Parameters
    ----------
    fit
        The fit.
    which
        Stacked draws that distributions are averaged over.
    step
        Distance between the levels of a continuous family's outcome; None without.
    relative_efficiency
        See :func:`leave_one_out`.
    """
    design = fit.design
    below, upto, level = (np.empty(design.rows.n) for _ in range(3))

    def visit(at: slice, log_weights: np.ndarray) -> None:
        rows, outcome, weights = design.rows.take(at), design.outcome.take(at), weights_of(log_weights, which)
        eta, own = fit.linear_predictor(rows, which=which), fit.parameters_at(which, rows)
        low, high = cumulative_bounds(design.family, eta, own, outcome, step)
        below[at] = np.einsum("si,si->i", weights, low)
        upto[at] = below[at] if high is low else np.einsum("si,si->i", weights, high)
        if step is not None:
            mass = level_probability(design.family, eta, own, outcome, step)
            level[at] = np.einsum("si,si->i", weights, mass)

    loo = leave_one_out(fit, relative_efficiency=relative_efficiency, visit=visit)
    return LeftOut(loo, np.clip(below, 0.0, 1.0), np.clip(upto, 0.0, 1.0), None if step is None else level)
