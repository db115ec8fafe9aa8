"""What each part of the linear predictor contributes over the analysed rows, and how the parts vary together.

Everything is a quadratic form in the coefficients with a matrix that the rows give once, so draws x rows are never in
memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from alliance_bayes.fit import FittedModel
from alliance_bayes.model import Rows

__all__ = ["Contribution", "contributions", "covariance", "second_moment"]


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
