"""Averages over very many rows of what is expected given the linear predictor: rows that are alike are joined.

A linear predictor is linear in the columns of its row, so its mean over a group of rows is that of the group's mean
columns, in every draw. Rows are grouped by their mean linear predictor, and each group stands at two points, one
standard deviation to either side of its mean: exact for whatever is a cubic within the group. What is left is measured
in draws in which every row is computed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

import numpy as np

from alliance_bayes.fit import FittedModel
from alliance_bayes.model import Rows
from alliance_bayes.model.predictor import sums_by_level

__all__ = ["EVERY_ROW", "PROBES", "TOLERANCE", "joined_average", "joins"]

#: Draws x rows up to which every row is computed in every draw: a second or two.
EVERY_ROW = 20_000_000
#: Largest error that is taken, in posterior SDs of the average, as a root mean square over the draws that are computed
#: in full; what 2,500 independent draws leave of doubt in their mean.
TOLERANCE = 0.02
#: Draws in which every row is computed, to measure the error.
PROBES = 16

# Groups of all rows, and the fewest in a stratum that has as many rows.
_GROUPS, _FEWEST = 256, 32
# Groups x coefficients, or draws x groups or rows x functions, in memory at once (doubles): 16 MB.
_MOST = 2_000_000

# What is expected given linear predictors of shape (n_draws, n), the numbers of these draws, and the stratum of each
# of the n: of the shape of the linear predictors, or with one more axis for several functions.
type Given = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def joins(fit: FittedModel, n_rows: int) -> bool:
    """Whether averages over so many rows are tried with the rows joined."""
    alike = fit.design.rows.weights is None and fit.design.sigma is None
    return n_rows * prod(fit.shape) > EVERY_ROW and alike


def joined_average(fit: FittedModel, rows: Rows, strata: np.ndarray, function: Given) -> np.ndarray | None:
    """Average over rows in every draw, shape (n_draws,) or (n_draws, n_functions).

    Parameters
    ----------
    fit
        The fitted model.
    rows
        Design arrays.
    strata
        Stratum of each row, shape (n_rows,), on which the function may depend besides the linear predictor.
    function
        The function.

    Returns
    -------
    numpy.ndarray or None
        None where it does not pay, where a level is new, or where the error is above `TOLERANCE`.
    """
    n_draws = prod(fit.shape)
    if not joins(fit, rows.n) or any((index < 0).any() for index in rows.index.values()):
        return None
    groups = _Groups.of(fit.mean_predictor(rows), strata)
    n_coefficients = sum(prod(fit.stacked[f"u_{name}"].shape[1:]) for name in rows.index)
    if groups.counts.size * n_coefficients > _MOST:
        return None
    probes = np.unique(np.linspace(0, n_draws - 1, PROBES).astype(int))
    exact, variance = [], np.zeros(groups.counts.size)
    n_functions = function(np.zeros((1, 1)), probes[:1], strata[:1]).size
    length = max(1, _MOST // n_functions)
    blocks = [slice(start, start + length) for start in range(0, rows.n, length)]
    for probe in probes[:, None]:
        eta = fit.linear_predictor(rows, which=probe)
        exact.append(sum(function(eta[:, some], probe, strata[some])[0].sum(axis=0) for some in blocks) / rows.n)
        variance += groups.mean((eta[0] - groups.mean(eta[0])[groups.of_row]) ** 2) / probes.size
    means, spread, shares = _means(fit, rows, groups), np.sqrt(variance), groups.counts / rows.n
    averages = []
    step = max(1, _MOST // (2 * groups.counts.size * n_functions))
    for start in range(0, n_draws, step):
        which = np.arange(start, min(start + step, n_draws))
        eta = sum((coefficients[which] @ columns.T for coefficients, columns in means), np.zeros((1, 1)))
        at = np.hstack([eta - spread, eta + spread])
        values = function(at, which, np.tile(groups.strata, 2))
        averages.append(np.tensordot(values, np.tile(shares / 2, 2), axes=(1, 0)))
    average = np.concatenate(averages)
    error = np.sqrt(((average[probes] - np.stack(exact)) ** 2).mean(axis=0))
    return average if (error <= TOLERANCE * average.std(axis=0)).all() else None


@dataclass(frozen=True, eq=False)
class _Groups:
    """Which group each row is in; how many rows each group has, and which stratum they are of."""

    of_row: np.ndarray
    counts: np.ndarray
    strata: np.ndarray

    @classmethod
    def of(cls, middle: np.ndarray, strata: np.ndarray) -> _Groups:
        """Groups of about the same number of rows, next to each other within a stratum."""
        order = np.lexsort((middle, strata))
        labels, sizes = np.unique(strata, return_counts=True)
        pieces = np.minimum(sizes, np.maximum(-(-_GROUPS * sizes // middle.size), _FEWEST))
        first = np.cumsum(pieces) - pieces
        within = np.arange(middle.size) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        of_row = np.empty(middle.size, dtype=np.intp)
        of_row[order] = np.repeat(first, sizes) + within * np.repeat(pieces, sizes) // np.repeat(sizes, sizes)
        return cls(of_row, np.bincount(of_row), np.repeat(labels, pieces))

    def mean(self, values: np.ndarray) -> np.ndarray:
        """Mean of each group, shape (n_groups,)."""
        return np.asarray(np.bincount(self.of_row, weights=values) / self.counts)


def _means(fit: FittedModel, rows: Rows, groups: _Groups) -> list[tuple[np.ndarray, np.ndarray]]:
    """Coefficients (n_draws, k) and what multiplies them in the mean of each group (n_groups, k), part by part."""
    n = groups.counts.size
    parts = [(fit.coefficients_of_known, np.column_stack([np.zeros((n, 0)), *map(groups.mean, rows.known.T)]))]
    for factor in fit.design.factors:
        u, z = fit.stacked[f"u_{factor.name}"], rows.z[factor.name]
        n_levels, n_terms = u.shape[1:]
        place = groups.of_row * n_levels + rows.index[factor.name]
        columns = sums_by_level(z, place, n * n_levels).reshape(n, n_levels * n_terms) / groups.counts[:, None]
        parts.append((u.reshape(len(u), -1), columns))
    for smooth in fit.design.smooths:
        parts.append((fit.stacked[f"u_{smooth.name}"], np.column_stack([*map(groups.mean, rows.basis[smooth.name].T)])))
    return parts
