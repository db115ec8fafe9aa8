"""Structure in the residuals along a column, where the model's own columns cannot express it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from alliance_bayes.checks.evidence import Evidence

__all__ = ["LackOfFit", "lack_of_fit", "level_basis", "parts_limits", "spline_basis"]

KNOTS = (0.05, 0.275, 0.5, 0.725, 0.95)
FEW_VALUES = 6


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
    """

    df: int
    p: float


def lack_of_fit(evidence: Evidence, bases: Mapping[str, np.ndarray]) -> dict[str, LackOfFit]:
    """Test columns together, so that their number does not raise the rate of false alarms.

    Parameters
    ----------
    evidence
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
    expectation (a realised discrepancy). Projections of different rank are made comparable by the Wilson-Hilferty
    transformation, and the largest over the columns is compared with its distribution over replicates. Averaging over
    posterior draws makes such p-values err on the quiet side.

    References
    ----------
    Gelman, Meng and Stern (1996), Statistica Sinica 6:733-807; Westfall and Young (1993), Resampling-based multiple
    testing.
    """
    tangent = _tangent(evidence)
    expected, outcome = evidence.expected, evidence.fit.design.outcome.values
    simulated = evidence.simulated
    # Replicate by replicate: all residuals at once would be as much again as what is kept.
    variance = float(np.median([np.mean((own - mean) ** 2) for own, mean in zip(simulated, expected, strict=True)]))
    ranks, found, null = {}, {}, []
    for name, basis in bases.items():
        q = _remainder(basis, tangent)
        ranks[name] = q.shape[1]
        if q.shape[1]:
            middle = expected @ q
            found[name] = _score(((outcome @ q - middle) ** 2).sum(axis=1) / variance, q.shape[1])
            null.append(_score(((simulated @ q - middle) ** 2).sum(axis=1) / variance, q.shape[1]))
    if not null:
        return {name: LackOfFit(0, 1.0) for name in bases}
    largest = np.max(null, axis=0)
    return {
        name: LackOfFit(rank, (1 + int((largest >= found[name]).sum())) / (1 + largest.size) if rank else 1.0)
        for name, rank in ranks.items()
    }


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


def parts_limits(evidence: Evidence, indicators: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean residual of parts of the rows, and how far it may be from zero.

    Parameters
    ----------
    evidence
        The fit with its replicates.
    indicators
        One column a part, shape (n, n_parts), each with rows.

    Returns
    -------
    mean : numpy.ndarray
        Observed minus expected outcome, averaged over the part's rows and the draws; shape (n_parts,).
    limit : numpy.ndarray
        In all but a share ``rate`` of replicates, the means of all parts lie within plus and minus this; shape
        (n_parts,).
    """
    share = indicators / indicators.sum(axis=0)
    expected = evidence.expected @ share
    observed = evidence.fit.design.outcome.values @ share - expected.mean(axis=0)
    replicated = evidence.simulated @ share - expected
    sd = replicated.std(axis=0)
    worst = (np.abs(replicated) / np.where(sd > 0, sd, 1.0)).max(axis=1)
    return observed, float(np.quantile(worst, 1 - evidence.rate)) * sd


def _tangent(evidence: Evidence) -> np.ndarray:
    """Orthonormal basis of how the common coefficients move the expected outcomes; shape (n, rank)."""
    design = evidence.fit.design
    x = np.column_stack([np.ones(design.rows.n), design.rows.x])
    if not design.family.linear:
        eta = evidence.eta.mean(axis=0)[None, :]
        own = {name: values.mean(axis=0)[None] for name, values in evidence.parameters.items()}
        # The unit of the linear predictor: the outcome's where its expectation is the outcome, else a logit.
        unit = 1.0 if design.family.link != "identity" else design.sd(design.outcome.name)
        small = 1e-4 * max(float(eta.std()), 1e-3 * unit)
        up, down = (design.family.expectation(eta + move, own, design.outcome)[0] for move in (small, -small))
        x = x * ((up - down) / (2 * small))[:, None]
    # Columns are in units of their own, which must not decide which of them are combinations of others.
    size = np.linalg.norm(x, axis=0)
    return _orthonormal(x / np.where(size > 0, size, 1.0), 1e-10)


def _remainder(basis: np.ndarray, tangent: np.ndarray) -> np.ndarray:
    present = np.isfinite(basis).all(axis=1)
    inside = tangent if present.all() else _orthonormal(tangent[present], 1e-10)
    rows = basis[present]
    size = np.linalg.norm(rows, axis=0)
    rows = rows / np.where(size > 0, size, 1.0)
    # What remains of a column below this share of its length is the arithmetic's, not the column's.
    left = _orthonormal(rows - inside @ (inside.T @ rows), 1e-6)
    out = np.zeros((basis.shape[0], left.shape[1]))
    out[present] = left
    return out


def _orthonormal(columns: np.ndarray, threshold: float) -> np.ndarray:
    left, singular, _ = np.linalg.svd(columns, full_matrices=False)
    return left[:, singular > threshold]


def _score(discrepancy: np.ndarray, df: int) -> np.ndarray:
    """Wilson-Hilferty: a chi-squared variable over its degrees of freedom, as a standard normal one."""
    spread = 2 / (9 * df)
    return np.asarray((np.cbrt(discrepancy / df) - (1 - spread)) / np.sqrt(spread))
