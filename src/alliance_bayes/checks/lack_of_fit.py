"""Tests for structure that a model leaves in residuals, any number of them together at one rate of false alarms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy import sparse

from alliance_bayes.checks.context import Context

__all__ = [
    "Basis",
    "Discrepancy",
    "LackOfFit",
    "OutcomeResiduals",
    "Residuals",
    "discrepancies",
    "judged",
    "lack_of_fit",
    "level_basis",
    "levels_basis",
    "orthonormal",
    "spline_basis",
    "tangent",
    "wilson_hilferty",
]

KNOTS = (0.05, 0.275, 0.5, 0.725, 0.95)
FEW_VALUES = 6
#: Most levels whose indicators are made orthogonal to the model's columns one by one; of more, their sums are.
MOST_DENSE = 25

#: Functions of a column, shape (n, q): numbers, or indicators of levels of which each row has one at most.
type Basis = np.ndarray | sparse.csr_array


class Residuals(Protocol):
    """Residuals of observed and of replicated data, of which only products with functions of columns are made."""

    @property
    def scales(self) -> tuple[np.ndarray | float, np.ndarray | float]:
        """Variance of an observed and of a replicated residual, about, shape (n_replicates,) each, or one for all."""

    def products(self, basis: Basis) -> tuple[np.ndarray, np.ndarray]:
        """Of observed and of replicated residuals around the same draw's expectation, shape (n_replicates, q) each."""


@dataclass(frozen=True)
class LackOfFit:
    """Test of one column.

    Parameters
    ----------
    df
        Directions tested; 0 when the model's own columns express all of them.
    p
        Share of replicated data sets with as large a lack of fit along *any* of the columns tested together; 1 when df
        is 0.
    share
        Share of the residuals' sum of squares beyond what chance puts in these directions, 0 at least.
    """

    df: int
    p: float
    share: float = 0.0


@dataclass(frozen=True, eq=False)
class Discrepancy:
    """How far residuals are from what a model expects in some directions.

    Parameters
    ----------
    df
        Number of directions.
    found, null
        Scores of the observed and of the replicated data, by draw, shape (n_replicates,): normal in every direction.
    share
        As in `LackOfFit`.
    """

    df: int
    found: np.ndarray
    null: np.ndarray
    share: float = 0.0


def lack_of_fit(context: Context, bases: Mapping[str, Basis]) -> dict[str, LackOfFit]:
    """Test columns together, so that their number does not raise the rate of false alarms.

    Parameters
    ----------
    context
        The fit with its replicates.
    bases
        By column, functions of it: shape (n, q), rows of NaN where the column has no value.

    Returns
    -------
    dict
        One test a column.

    Notes
    -----
    A basis is first made orthogonal to the derivatives of the expected outcomes with respect to the common
    coefficients: what is left cannot be mistaken for their uncertainty. The discrepancy of a column is the squared
    length of the residuals' projection on it, for the observed and for the replicated outcomes around the same draw's
    expectation (a realised discrepancy), over their own mean square. Projections of different rank are made comparable
    by the Wilson-Hilferty transformation, and the largest over the columns is compared with its distribution over
    replicates. Averaging over posterior draws makes such p-values err on the quiet side.

    References
    ----------
    Gelman, Meng and Stern (1996), Statistica Sinica 6:733-807; Westfall and Young (1993), Resampling-based multiple
    testing.
    """
    return judged(discrepancies(context, bases, tangent(context)))


def discrepancies(
    context: Context, bases: Mapping[str, Basis], known: np.ndarray, *, of: Residuals | None = None
) -> dict[str, Discrepancy | None]:
    """How far residuals are from what a model expects along columns.

    Parameters
    ----------
    context
        The fit with its replicates.
    bases
        As for `lack_of_fit`.
    known
        Orthonormal directions in which residuals may be as they like, shape (n, rank).
    of
        The residuals; by default, observed minus expected outcomes.

    Returns
    -------
    dict
        By column; None where nothing is left to test.
    """
    of = of or OutcomeResiduals(context)
    scales = of.scales
    results: dict[str, Discrepancy | None] = {}
    dense = {name: _remainder(basis, known) for name, basis in bases.items() if not sparse.issparse(basis)}
    if any(q.shape[1] for q in dense.values()):
        # In one product, which takes less time than many small ones.
        observed, replicated = of.products(np.hstack(list(dense.values())))
    start = 0
    along_known: tuple[np.ndarray, np.ndarray] | None = None
    for name, basis in bases.items():
        if name in dense:
            rank = dense[name].shape[1]
            if not rank:
                results[name] = None
                continue
            columns = slice(start, start := start + rank)
            seen, null = (
                (part[:, columns] ** 2).sum(axis=1) / scale
                for part, scale in zip((observed, replicated), scales, strict=True)
            )
            scores = wilson_hilferty(seen, rank), wilson_hilferty(null, rank)
            results[name] = Discrepancy(rank, *scores, _share(seen, null, len(basis)))
            continue
        along_known = along_known or of.products(known)
        counts = np.asarray(basis.sum(axis=0)).ravel()
        beside = basis.T @ known
        seen, null = (
            ((part - inside @ beside.T) ** 2 / counts).sum(axis=1) / scale
            for part, inside, scale in zip(of.products(basis), along_known, scales, strict=True)
        )
        # Sums over many levels are nearly independent, but not quite: their own replicates say how they spread.
        middle, spread = np.cbrt(null).mean(), np.cbrt(null).std()
        scored = (np.cbrt(seen) - middle) / spread, (np.cbrt(null) - middle) / spread
        results[name] = Discrepancy(counts.size, *scored, _share(seen, null, basis.shape[0]))
    return results


def judged(by_name: Mapping[str, Discrepancy | None]) -> dict[str, LackOfFit]:
    """Compare each discrepancy with the largest of all in replicates; see `lack_of_fit`."""
    nulls = [discrepancy.null for discrepancy in by_name.values() if discrepancy is not None]
    if not nulls:
        return {name: LackOfFit(0, 1.0) for name in by_name}
    largest = np.max(nulls, axis=0)
    return {
        name: LackOfFit(0, 1.0)
        if discrepancy is None
        else LackOfFit(
            discrepancy.df, (1 + int((largest >= discrepancy.found).sum())) / (1 + largest.size), discrepancy.share
        )
        for name, discrepancy in by_name.items()
    }


@dataclass(frozen=True, eq=False)
class OutcomeResiduals:
    """Observed and replicated outcomes minus expected ones."""

    context: Context

    @property
    def scales(self) -> tuple[np.ndarray, np.ndarray]:
        """Their mean squares, shape (n_replicates,) each."""
        return self.context.mean_squares

    def products(self, basis: Basis) -> tuple[np.ndarray, np.ndarray]:
        """See `Residuals`."""
        middle = self.context.expected @ basis
        return self.context.fit.design.outcome.values @ basis - middle, self.context.simulated @ basis - middle


def _share(seen: np.ndarray, null: np.ndarray, n: int) -> float:
    return max(0.0, float(seen.mean() - null.mean()) / n)


def spline_basis(values: np.ndarray) -> np.ndarray:
    """A column, linearly and as a natural cubic spline with five knots; few distinct values get an indicator each.

    Parameters
    ----------
    values
        Shape (n,); NaN where missing.

    References
    ----------
    Harrell (2015), Regression Modeling Strategies, section 2.4.5, for the basis and the quantiles of its knots.
    """
    present = np.isfinite(values)
    distinct = np.unique(values[present])
    out = np.full((values.size, 1), np.nan)
    if distinct.size <= FEW_VALUES:
        out = np.full((values.size, distinct.size), np.nan)
        out[present] = values[present, None] == distinct
        return out
    knots = np.unique(np.quantile(values[present], KNOTS))
    if knots.size < len(KNOTS):
        # Many equal values, as at a ceiling: quantiles of the distinct values keep the knots apart.
        knots = np.quantile(distinct, KNOTS)
    x, t = (values - knots[0]) / np.ptp(knots), (knots - knots[0]) / np.ptp(knots)
    cubed = np.maximum(x[:, None] - t, 0.0) ** 3
    last = (t[-1] - t[:-2]) / (t[-1] - t[-2])
    nonlinear = cubed[:, :-2] - cubed[:, [-2]] * last + cubed[:, [-1]] * (last - 1)
    return np.column_stack([x, nonlinear])


def level_basis(indicators: np.ndarray) -> np.ndarray:
    """Indicators of the levels that have rows, shape (n, n_levels)."""
    return np.asarray(indicators[:, indicators.any(axis=0)], dtype=float)


def levels_basis(codes: np.ndarray) -> Basis:
    """Indicators of the levels that have rows by the level number of each row, -1 for none; many of them are sparse."""
    known = codes >= 0
    used, number = np.unique(codes[known], return_inverse=True)
    indicators = sparse.csr_array(
        (np.ones(number.size), (np.flatnonzero(known), number)), shape=(codes.size, used.size)
    )
    return indicators if used.size > MOST_DENSE else indicators.toarray()


def tangent(context: Context, beside: np.ndarray | None = None) -> np.ndarray:
    """Orthonormal basis of how the common coefficients move the expected outcomes; shape (n, rank).

    Parameters
    ----------
    context
        The fit.
    beside
        Further columns that are taken for known, shape (n, q).
    """
    design = context.fit.design
    x = np.column_stack([np.ones(design.rows.n), design.rows.x])
    if not design.family.linear:
        eta = context.eta.mean(axis=0)[None, :]
        parameters = {name: values.mean(axis=0)[None] for name, values in context.parameters.items()}
        # The unit of the linear predictor: the outcome's where its expectation is the outcome, else a logit.
        unit = 1.0 if design.family.link != "identity" else design.sd(design.outcome.name)
        small = 1e-4 * max(float(eta.std()), 1e-3 * unit)
        up, down = (design.family.expectation(eta + move, parameters, design.outcome)[0] for move in (small, -small))
        x = x * ((up - down) / (2 * small))[:, None]
    if beside is not None:
        x = np.column_stack([x, beside])
    # Columns are in units of their own, which must not decide which of them are combinations of others.
    size = np.linalg.norm(x, axis=0)
    return orthonormal(x / np.where(size > 0, size, 1.0), 1e-10)


def orthonormal(columns: np.ndarray, threshold: float) -> np.ndarray:
    """Orthonormal basis of what some columns span, but for directions of which they have less than a threshold."""
    left, singular, _ = np.linalg.svd(columns, full_matrices=False)
    return left[:, singular > threshold]


def _remainder(basis: np.ndarray, known: np.ndarray) -> np.ndarray:
    present = np.isfinite(basis).all(axis=1)
    inside = known if present.all() else orthonormal(known[present], 1e-10)
    rows = basis[present]
    size = np.linalg.norm(rows, axis=0)
    rows = rows / np.where(size > 0, size, 1.0)
    # What remains of a column below this share of its length is the arithmetic's, not the column's.
    left = orthonormal(rows - inside @ (inside.T @ rows), 1e-6)
    out = np.zeros((basis.shape[0], left.shape[1]))
    out[present] = left
    return out


def wilson_hilferty(discrepancy: np.ndarray, df: int) -> np.ndarray:
    """Wilson-Hilferty: a chi-squared variable over its degrees of freedom, as a standard normal one."""
    spread = 2 / (9 * df)
    return np.asarray((np.cbrt(discrepancy / df) - (1 - spread)) / np.sqrt(spread))
