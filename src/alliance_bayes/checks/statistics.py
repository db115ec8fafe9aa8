"""Statistics of outcomes, over all rows and by level, and limits that hold for all of them at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from alliance_bayes.compiled import njit
from alliance_bayes.model.families import Outcome
from alliance_bayes.moments.pooling import cell_numbers
from alliance_bayes.rounding import ROUNDING

__all__ = ["STATISTICS", "Cells", "Limits", "Normalising", "group_statistics", "membership", "simultaneous_limits"]

type Transform = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Normalising:
    """A scale on which a statistic is roughly normal.

    Parameters
    ----------
    transform, back
        To the scale, and back; functions of values and counts.
    least_sd
        Smallest SD that a statistic is given there, a function of counts and of the values' size: statistics that never
        vary over replicates would else turn any difference into an infinite one.
    """

    transform: Transform
    back: Transform
    least_sd: Transform = lambda counts, size: 1e-9 * size


_UNCHANGED = Normalising(lambda values, counts: values, lambda values, counts: values)
# The square root, unlike the logarithm, stays finite when all outcomes of a group are equal.
_ROOT = Normalising(lambda values, counts: np.sqrt(values), lambda values, counts: np.maximum(values, 0.0) ** 2)
_LOG = Normalising(lambda values, counts: np.log(np.maximum(values, 1e-12)), lambda values, counts: np.exp(values))


def _from_anscombe(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    share = np.sin(np.clip(values, 0.0, np.pi / 2)) ** 2
    return np.clip((share * (counts + 0.75) - 0.375) / counts, 0.0, 1.0)


_ANSCOMBE = Normalising(
    lambda values, counts: np.arcsin(np.sqrt((values * counts + 0.375) / (counts + 0.75))),
    _from_anscombe,
    # The SD of a binomial share after Anscombe's transformation, whatever the share.
    lambda counts, size: 0.5 / np.sqrt(counts + 0.5),
)
#: Every statistic by name, with the scale on which it is compared.
STATISTICS: Mapping[str, Normalising] = {
    "mean": _UNCHANGED,
    "SD": _ROOT,
    "skewness": _UNCHANGED,
    "kurtosis": _LOG,
    "share at floor": _ANSCOMBE,
    "share at ceiling": _ANSCOMBE,
}


@dataclass(frozen=True, eq=False)
class Cells:
    """Groups of rows, by the cells that make them up: rows that are in the same groups are one cell.

    Parameters
    ----------
    number
        Cell of every row, shape (n,).
    member
        Which cells are in which group, shape (n_cells, n_groups).
    counts
        Rows of each group, shape (n_groups,).
    """

    number: np.ndarray
    member: sparse.csr_array
    counts: np.ndarray

    @classmethod
    def of(cls, columns: Sequence[np.ndarray]) -> Cells:
        """Cells of the groups that some columns make.

        Parameters
        ----------
        columns
            The group of every row in each column, counted from 0, or -1 for none; shape (n,). The groups of all
            columns are numbered in turn.
        """
        cells, number = cell_numbers(np.column_stack(columns) + 1, [int(column.max()) + 2 for column in columns])
        member = membership(list(cells.T - 1))
        return cls(number, member, np.bincount(number) @ member)


def membership(columns: Sequence[np.ndarray]) -> sparse.csr_array:
    """Which elements are in which of the groups that some columns make, shape (n, n_groups); see :meth:`Cells.of`."""
    parts = []
    for column in columns:
        place = np.flatnonzero(column >= 0)
        shape = column.size, int(column.max()) + 1
        parts.append(sparse.csr_array((np.ones(place.size), (place, column[place])), shape=shape))
    return sparse.csr_array(sparse.hstack(parts))


def group_statistics(values: np.ndarray, cells: Cells, outcome: Outcome, step: float | None) -> dict[str, np.ndarray]:
    """Every statistic that applies, of each group of rows.

    Parameters
    ----------
    values
        Outcomes, shape (m, n).
    cells
        Groups of rows.
    outcome, step
        The observed outcome, for the ends of its scale, and the distance between its levels where a continuous family
        has them: half a step from the end counts as the end, and so does what lies beyond it.

    Returns
    -------
    dict
        By name, shape (m, n_groups). An outcome with two values has its share at the ceiling only.
    """
    half = 0.0 if step is None else step / 2
    floor = -np.inf if outcome.lower is None else outcome.lower + half
    ceiling = np.inf if outcome.upper is None else outcome.upper - half
    centre = float(outcome.values.mean())
    # The fourth power of an outcome of 1e80 is no number; a power of two changes no digit.
    size = float(np.abs(outcome.values - centre).max(initial=0.0))
    power = 0 if size == 0 or 1e-50 < size < 1e50 else int(np.frexp(size)[1])
    if power:
        values = np.ldexp(values, -power)
        centre, floor, ceiling = (float(np.ldexp(number, -power)) for number in (centre, floor, ceiling))
    sums = _sums(np.ascontiguousarray(values), cells.number, cells.member.shape[0], centre, floor, ceiling)
    first, second, third, fourth, at_floor, at_ceiling = (total @ cells.member / cells.counts for total in sums)
    out = {}
    if outcome.levels is None or outcome.levels.size > 2:
        m2 = np.maximum(second - first**2, 0.0)
        m3 = third - 3 * first * second + 2 * first**3
        m4 = fourth - 4 * first * third + 6 * first**2 * second - 3 * first**4
        # Equal outcomes have no shape; they get that of the normal distribution.
        flat = m2 <= ROUNDING * second
        m2_or_1 = np.where(flat, 1.0, m2)
        out = {
            "mean": np.ldexp(centre + first, power),
            "SD": np.ldexp(np.sqrt(m2 * cells.counts / np.maximum(cells.counts - 1, 1)), power),
            "skewness": np.where(flat, 0.0, m3 / m2_or_1**1.5),
            "kurtosis": np.where(flat, 3.0, m4 / m2_or_1**2),
        }
        if outcome.lower is not None:
            out["share at floor"] = at_floor
    if outcome.upper is not None:
        out["share at ceiling"] = at_ceiling
    return out


@njit(cache=True, nogil=True)
def _sums(
    values: np.ndarray, number: np.ndarray, n_cells: int, centre: float, floor: float, ceiling: float
) -> np.ndarray:
    """Sums over cells of the first four powers about the centre, and counts up to the floor and from the ceiling.

    Shape (6, m, n_cells). In one pass: as many passes of NumPy's over millions of rows wait for memory.
    """
    m, n = values.shape
    out = np.zeros((6, m, n_cells))
    for k in range(m):
        cell_sums = np.zeros((n_cells, 6))
        for i in range(n):
            value, at = values[k, i], number[i]
            away = value - centre
            square = away * away
            cell_sums[at, 0] += away
            cell_sums[at, 1] += square
            cell_sums[at, 2] += square * away
            cell_sums[at, 3] += square * square
            cell_sums[at, 4] += value <= floor
            cell_sums[at, 5] += value >= ceiling
        out[:, k] = cell_sums.T
    return out


@dataclass(frozen=True, eq=False)
class Limits:
    """Predicted values of several statistics, with limits that all of them keep at once.

    Parameters
    ----------
    predicted
        Median over replicates, shape (n_statistics,).
    lower, upper
        All statistics of a replicate lie within these in a share 1 - rate of replicates.
    departure
        Distance of each observed statistic from the replicates' mean, in their SDs, on the transformed scale.
    p
        Share of replicates in which *any* statistic is at least that far out (two-sided).
    outside
        Whether it is beyond the limits, which is to say that p is below the rate.
    """

    predicted: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    departure: np.ndarray
    p: np.ndarray
    outside: np.ndarray


def simultaneous_limits(
    names: list[str], counts: np.ndarray, observed: np.ndarray, replicated: np.ndarray, *, rate: float
) -> Limits:
    """Compare observed statistics with replicated ones, accounting for their number and for how they go together.

    Parameters
    ----------
    names
        Which statistic each is; keys of :data:`STATISTICS`.
    counts
        Rows behind each, shape (n_statistics,).
    observed, replicated
        Shapes (n_statistics,) and (n_replicates, n_statistics).
    rate
        Share of replicates in which some statistic leaves its limits.

    References
    ----------
    Westfall and Young (1993), Resampling-based multiple testing, for the distribution of the largest departure.
    """
    kinds = np.array(names)
    z, centre, sd, lower, upper = (np.empty(observed.shape) for _ in range(5))
    null = np.empty(replicated.shape)
    for name in dict.fromkeys(names):
        at, kind = kinds == name, STATISTICS[name]
        values = kind.transform(replicated[:, at], counts[at])
        seen = kind.transform(observed[at], counts[at])
        size = np.maximum(np.abs(values).max(axis=0), np.abs(seen))
        least = np.where(size > 0, kind.least_sd(counts[at], size), 1.0)
        centre[at], sd[at] = values.mean(axis=0), np.maximum(values.std(axis=0), least)
        null[:, at] = (values - centre[at]) / sd[at]
        z[at] = (seen - centre[at]) / sd[at]
    largest = np.sort(np.abs(null).max(axis=1))
    # The largest departure whose p-value is not below the rate.
    quiet = int(np.ceil(rate * (1 + largest.size) - 1)) - 1
    limit = float(largest[largest.size - 1 - quiet])
    for name in dict.fromkeys(names):
        at, kind = kinds == name, STATISTICS[name]
        lower[at] = kind.back(centre[at] - limit * sd[at], counts[at])
        upper[at] = kind.back(centre[at] + limit * sd[at], counts[at])
    p = (1 + largest.size - np.searchsorted(largest, np.abs(z), side="left")) / (1 + largest.size)
    return Limits(np.median(replicated, axis=0), lower, upper, z, p, np.abs(z) > limit)
