"""Level effects that are sampled apart from coefficients, which the data tie to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from alliance_bayes.engines.density.model_data import ModelData, coefficients_of, on_their_scales, typical_point
from alliance_bayes.model import Design

__all__ = ["Recentring", "recentring_of"]


class Shear(NamedTuple):
    """Of some numbers of the vector, what others are expected to take from them."""

    targets: np.ndarray  # (n_targets,), where they stand
    sources: np.ndarray  # (n_sources,), where the others stand
    slopes: np.ndarray  # (n_targets, n_sources)


@dataclass(frozen=True)
class Recentring:
    r"""A linear map from the vector that is sampled to the unconstrained one.

    Of a column that is the same in all rows of a person, the data tell the sum of its contribution and the person's
    effect, so that both are known far less well than their sum and mix slowly. What is sampled of an effect is its
    distance from what it would be expected to be, given the coefficients: :math:`z = p - A b`; and of the intercept
    its distance from what it would be, given the other coefficients. The map is linear with a determinant of 1
    whatever :math:`A` is, so the posterior is the same; only how quickly it is explored depends on it. With :math:`A`
    by the data's own information this is the partial centring of Papaspiliopoulos, Roberts and Sköld (2007,
    Statistical Science 22:59), with covariates.

    Parameters
    ----------
    shears
        What is taken from what, one after the other.
    """

    shears: tuple[Shear, ...]

    def unconstrained(self, sampled: np.ndarray) -> np.ndarray:
        """The unconstrained vector of what is sampled, both of shape (..., size)."""
        q = sampled.copy()
        for targets, sources, slopes in self.shears:
            q[..., targets] -= q[..., sources] @ slopes.T
        return q

    def sampled(self, unconstrained: np.ndarray) -> np.ndarray:
        """What is sampled of the unconstrained vector, both of shape (..., size)."""
        p = unconstrained.copy()
        for targets, sources, slopes in reversed(self.shears):
            p[..., targets] += p[..., sources] @ slopes.T
        return p

    def gradient(self, by_unconstrained: np.ndarray) -> np.ndarray:
        """Derivatives by what is sampled from those by the unconstrained vector, both of shape (size,)."""
        gradient = by_unconstrained.copy()
        for targets, sources, slopes in reversed(self.shears):
            gradient[sources] -= slopes.T @ gradient[targets]
        return gradient


def recentring_of(design: Design, data: ModelData) -> Recentring:
    """The map under which level effects and coefficients are nearly independent at typical SDs of the levels.

    Parameters
    ----------
    design
        The model on its rows.
    data
        Its layout.
    """
    typical = on_their_scales(data, typical_point(data)[: len(data.priors)])
    tau = typical[data.block_tau]
    units = tau / np.sqrt(1.0 + tau**2 * data.block_information)
    starts = len(data.priors) + len(data.lkj) + data.shared.size
    sizes = data.block_levels - data.block_summing
    firsts = starts + np.cumsum(sizes) - sizes
    at, column, unit = coefficients_of(data, typical)
    columns = (data.x[column] * unit[:, None]).T
    of_intercept = _of_intercept(at, columns)
    slopes = np.zeros((int(sizes.sum()), at.size))
    told = design.family.information(design.outcome) * _narrower(design)
    # A column that is the same in a factor's levels may be so in those of another that they are parts of: first those
    # of most levels, and of what is left of the columns the next.
    for f in sorted(range(len(design.factors)), key=lambda f: -len(design.factors[f].levels)):
        blocks = np.flatnonzero(data.block_factor == f)
        z, level = data.z[blocks], data.level[f]
        expected = _expected(z, level, int(data.block_levels[blocks[0]]), columns, told, tau[blocks])
        for b, of_block in zip(blocks, expected, strict=True):
            if data.block_summing[b]:
                of_block -= of_block.mean(axis=0)
            rows = slice(firsts[b] - starts, firsts[b] - starts + sizes[b])
            slopes[rows] = (_in_basis(of_block) if data.block_summing[b] else of_block) / units[b]
        for c in range(at.size):
            columns[:, c] -= (z * expected[:, level, c]).sum(axis=0)
    return Recentring((*of_intercept, Shear(starts + np.arange(len(slopes)), at, slopes)))


def _of_intercept(at: np.ndarray, columns: np.ndarray) -> tuple[Shear, ...]:
    """What the other coefficients take from that of the constant column, where there is one."""
    for c in np.flatnonzero(np.ptp(columns, axis=0) == 0.0):
        if columns[0, c] != 0.0:
            others = np.delete(np.arange(at.size), c)
            return (Shear(at[[c]], at[others], columns[:, others].mean(axis=0)[None] / columns[0, c]),)
    return ()


def _narrower(design: Design) -> float:
    """How many times the outcome's variance is that within levels of the factor that has most of them."""
    factor = max(design.factors, key=lambda factor: len(factor.levels), default=None)
    if factor is None:
        return 1.0
    y, level = design.outcome.values, design.rows.index[factor.name]
    n = np.bincount(level, minlength=len(factor.levels))
    means = np.bincount(level, y, n.size) / np.maximum(n, 1)
    free = y.size - np.count_nonzero(n)
    within = ((y - means[level]) ** 2).sum() / max(free, 1)
    return float(y.var() / within) if within > 0 else 1.0


def _expected(
    z: np.ndarray, level: np.ndarray, n_levels: int, columns: np.ndarray, told: float, tau: np.ndarray
) -> np.ndarray:
    """How effects are expected to give way to each column's coefficient, shape (n_terms, n_levels, n_columns)."""
    precision = np.zeros((n_levels, len(z), len(z)))
    product = np.zeros((n_levels, len(z), columns.shape[1]))
    for s, left in enumerate(z):
        for c, column in enumerate(columns.T):
            product[:, s, c] = np.bincount(level, told * left * column, n_levels)
        for t, right in enumerate(z):
            precision[:, s, t] = np.bincount(level, told * left * right, n_levels)
    # The square of a smaller one is nothing.
    spread = np.maximum(tau, np.sqrt(np.finfo(float).tiny)) ** 2
    return np.asarray(np.linalg.solve(precision + np.diag(1.0 / spread), product)).transpose(1, 0, 2)


def _in_basis(effects: np.ndarray) -> np.ndarray:
    """Effects that sum to zero, shape (n_levels, ...), in the basis that they are sampled in, (n_levels - 1, ...)."""
    root, size = np.sqrt(len(effects)), len(effects) - 1
    return np.asarray(effects[:size] - effects[:size].sum(axis=0) / (root + len(effects)) - effects[size] / root)
