"""Arithmetic on cells: numbering them, and pooling those that belong together without losing digits."""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from scipy import sparse

from alliance_bayes.cohort.names import level_key

__all__ = ["Cells", "cell_moments", "cell_numbers", "pool", "sum_exactly", "united"]


class Cells(NamedTuple):
    """Moments of some cells.

    Parameters
    ----------
    counts
        Rows, shape (n_cells,).
    means, rest
        Means, and what rounding took from them: ``means + rest`` has twice the digits. Shape (n_cells, n_columns).
    cross
        Cross-products about the cell's own means, shape (n_cells, n_columns, n_columns).
    """

    counts: np.ndarray
    means: np.ndarray
    rest: np.ndarray
    cross: np.ndarray


def sum_exactly(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rounded sum and what rounding took from it.

    References
    ----------
    D. E. Knuth (1997). The Art of Computer Programming, volume 2, third edition, section 4.2.2, theorem B.
    """
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def cell_numbers(codes: np.ndarray, sizes: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Number the distinct rows of some level numbers, in lexicographic order.

    Parameters
    ----------
    codes
        Level numbers, shape (n, n_keys).
    sizes
        Number of levels of each key.

    Returns
    -------
    cells : numpy.ndarray
        Level numbers of each distinct row, shape (n_cells, n_keys).
    number : numpy.ndarray
        Which of them each row is, shape (n,).
    """
    if math.prod(sizes) < 2**62:
        flat = np.zeros(len(codes), dtype=np.int64)
        for position, size in enumerate(sizes):
            flat *= size
            flat += codes[:, position]
        if math.prod(sizes) <= 4 * len(codes):
            # Few possible cells: marking them is faster than sorting the rows.
            present = np.zeros(math.prod(sizes), dtype=bool)
            present[flat] = True
            distinct = np.flatnonzero(present)
            place = np.cumsum(present) - 1
            number = place[flat]
        else:
            distinct, number = np.unique(flat, return_inverse=True)
        cells = np.empty((len(distinct), len(sizes)), dtype=np.int64)
        for position in reversed(range(len(sizes))):
            distinct, cells[:, position] = np.divmod(distinct, sizes[position])
        return cells, number
    cells, number = np.unique(codes, axis=0, return_inverse=True)
    return cells.astype(np.int64), number.ravel()


def cell_moments(values: np.ndarray, lengths: np.ndarray) -> Cells:
    """Moments of sorted rows.

    Parameters
    ----------
    values
        Rows side by side, shape (n_columns, n); overwritten, so that no copy of them is needed.
    lengths
        Number of rows in each cell, shape (n_cells,).
    """
    width, n = values.shape
    starts = np.cumsum(lengths) - lengths
    counts = lengths.astype(float)
    means = np.add.reduceat(values, starts, axis=1) / counts
    away = values
    for column, mean in zip(away, means, strict=True):
        column -= np.repeat(mean, lengths)
    # What rounding left of the deviations' sums is what the means lack.
    slip = np.add.reduceat(away, starts, axis=1) / counts
    cross = np.empty((len(starts), width, width))
    # A matrix product for each cell costs some 2,000 multiplications before it begins.
    if len(starts) * 2000 < width * width * n:
        for cell, (start, stop) in enumerate(zip(starts, starts + lengths, strict=True)):
            part = away[:, start:stop]
            cross[cell] = part @ part.T
        for i in range(width):
            cross[:, i] -= (counts * slip[i])[:, None] * slip.T
    else:
        for i in range(width):
            for j in range(i + 1):
                cross[:, i, j] = np.add.reduceat(away[i] * away[j], starts) - counts * slip[i] * slip[j]
                cross[:, j, i] = cross[:, i, j]
    means, rest = sum_exactly(means, slip)
    return Cells(counts, np.ascontiguousarray(means.T), np.ascontiguousarray(rest.T), cross)


def pool(cells: Cells, number: np.ndarray, size: int) -> Cells:
    """Pool cells that got the same number.

    Parameters
    ----------
    cells
        The cells.
    number
        New cell of each, shape (n_cells,); every number below ``size`` occurs.
    size
        Number of new cells.

    Notes
    -----
    The pairwise update of Chan, Golub and LeVeque for any number of parts: cross-products about the pooled mean are the
    parts' own plus those of their means, which are counted from one of the parts so that they lose no digits.

    References
    ----------
    T. F. Chan, G. H. Golub, R. J. LeVeque (1983). Algorithms for computing the sample variance. The American
    Statistician 37, 242-247. https://doi.org/10.1080/00031305.1983.10483115
    """
    n_cells, width = cells.means.shape
    member = np.arange(n_cells)
    adding = sparse.csr_array((np.ones(n_cells), (number, member)), shape=(size, n_cells))
    first = np.empty(size, dtype=np.int64)
    first[number[::-1]] = member[::-1]
    origin = cells.means[first]
    total = adding @ cells.counts
    away = (cells.means - origin[number]) + cells.rest
    shift = (adding @ (cells.counts[:, None] * away)) / total[:, None]
    away -= shift[number]
    weighted = cells.counts[:, None] * away
    cross = np.empty((size, width, width))
    # A column at a time: all products of all cells at once would take as much room again as the cells.
    for i in range(width):
        cross[:, i] = adding @ (weighted[:, i, None] * away + cells.cross[:, i])
    means, rest = sum_exactly(origin, shift)
    return Cells(total, means, rest, cross)


def united(first: Sequence[str], second: Sequence[str]) -> tuple[str, ...]:
    """Unite two lists of levels, keeping the order of both.

    Levels that neither list puts in order are sorted. Where the lists contradict each other, the first one's order
    holds and the second's further levels follow.
    """
    if tuple(first) == tuple(second):
        return tuple(first)
    before: dict[str, set[str]] = {level: set() for level in (*first, *second)}
    after: dict[str, set[str]] = {level: set() for level in before}
    for levels in (first, second):
        for left, right in pairwise(levels):
            before[right].add(left)
            after[left].add(right)
    ready = [level_key(level) for level, needed in before.items() if not needed]
    heapq.heapify(ready)
    out: list[str] = []
    while ready:
        level = heapq.heappop(ready)[-1]
        out.append(level)
        for other in after[level]:
            before[other].discard(level)
            if not before[other]:
                heapq.heappush(ready, level_key(other))
    return tuple(out) if len(out) == len(before) else tuple(before)
