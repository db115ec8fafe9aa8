"""Rows predicted from all others: their log scores, and where they lie in their predictive distributions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alliance_bayes.checks.psis import Loo, leave_one_out, weights_of
from alliance_bayes.checks.subsample import LookedAt, Proxies
from alliance_bayes.fit import FittedModel

__all__ = ["LeftOut", "left_out"]


@dataclass(frozen=True, eq=False)
class LeftOut:
    """Leave-one-out predictions of r rows.

    Parameters
    ----------
    looked
        Which rows.
    known
        What is close to the scores of all rows; None where all were looked at.
    loo
        Log scores and importance weights' tails.
    below, upto
        Probability of less than, and of at most, each observed outcome, shape (r,).
    level
        Probability of each observed level, shape (r,); None for families and outcomes without levels to ask for.
    """

    looked: LookedAt
    known: Proxies | None
    loo: Loo
    below: np.ndarray
    upto: np.ndarray
    level: np.ndarray | None


def left_out(
    fit: FittedModel,
    looked: LookedAt,
    known: Proxies | None,
    which: np.ndarray,
    step: float | None,
    *,
    relative_efficiency: float = 1.0,
) -> LeftOut:
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
        eta, own = fit.linear_predictor(rows, which=which), fit.parameters_at(which, rows)
        low, high = design.family.cumulative_bounds(eta, own, outcome, step)
        below[at] = np.einsum("si,si->i", weights, low)
        upto[at] = below[at] if high is low else np.einsum("si,si->i", weights, high)
        if step is not None:
            mass = design.family.level_probability(eta, own, outcome, step)
            level[at] = np.einsum("si,si->i", weights, mass)

    loo = leave_one_out(fit, looked, relative_efficiency=relative_efficiency, visit=visit)
    return LeftOut(
        looked, known, loo, np.clip(below, 0.0, 1.0), np.clip(upto, 0.0, 1.0), None if step is None else level
    )
