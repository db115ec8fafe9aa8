"""Explained and residual variance of the outcome, and what the focal predictor alone explains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from scipy import linalg, sparse

from alliance_bayes.effects.averages import is_linear
from alliance_bayes.effects.contributions import COMMON, Contribution, contributions, covariance, second_moment
from alliance_bayes.fit import FittedModel
from alliance_bayes.model import Rows
from alliance_bayes.model.likelihood import expectation, residual_variance

__all__ = ["Spread", "outcome_spread", "total_covariance", "unique_variance"]


@dataclass(frozen=True, eq=False)
class Spread:
    """How the outcome varies over the analysed rows, each of shape (n_draws,).

    Parameters
    ----------
    explained
        Variance over rows (divisor n - 1) of the expected outcome.
    residual
        Variance of the outcome around its expectation, averaged over rows; infinite for a Student t with nu <= 2.
    average
        Average expected outcome.
    """

    explained: np.ndarray
    residual: np.ndarray
    average: np.ndarray

    @property
    def total(self) -> np.ndarray:
        """Explained plus residual variance."""
        return self.explained + self.residual


def outcome_spread(fit: FittedModel) -> Spread:
    """Explained and residual variance of the outcome, draw by draw.

    Notes
    -----
    The two variances of the Bayesian R2 [1]_, whose residual variance is the model's own, not that of the residuals at hand.

    References
    ----------
    .. [1] Gelman, Goodrich, Gabry, Vehtari (2019). R-squared for Bayesian regression models. The American Statistician 73(3).
       doi 10.1080/00031305.2018.1549100
    """
    family, outcome, rows = fit.design.family, fit.design.outcome, fit.design.rows
    n_draws = prod(fit.shape)
    if is_linear(fit):
        # The residual variance does not depend on the row, so one row of any linear predictor gives it.
        residual = residual_variance(family, np.zeros((n_draws, 1)), fit.parameters, outcome)[:, 0]
        centre = fit.linear_predictor(_mean_common(rows))[:, 0] if fit.design.terms else np.zeros(n_draws)
        parts = contributions(fit)
        average = centre + sum(
            (part.draws @ np.asarray(part.matrix.sum(axis=0)).ravel() / rows.n for part in parts if part.name != COMMON), np.zeros(n_draws)
        )
        return Spread(total_covariance(parts), residual, average)
    explained, residual, average = np.empty(n_draws), np.empty(n_draws), np.empty(n_draws)
    for which in fit.blocks(rows.n):
        eta, own = fit.linear_predictor(which=which), fit.parameters_at(which)
        expected = expectation(family, eta, own, outcome)
        explained[which], average[which] = expected.var(axis=1, ddof=1), expected.mean(axis=1)
        residual[which] = residual_variance(family, eta, own, outcome).mean(axis=1)
    return Spread(explained, residual, average)
