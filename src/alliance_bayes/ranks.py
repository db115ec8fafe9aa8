"""Normal scores of ranks, and of the ranks of distances from the median, of many quantities from one sort of each."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy import special

from alliance_bayes.compiled import njit

__all__ = ["normal_scores", "rounding_of"]

# Share of the range of its draws by which only rounding moves a quantity.
_SHARE = 1e-10


def rounding_of(flat: np.ndarray) -> np.ndarray:
    """What only rounding moves, shape (k,), for quantities of shape (k, n).

    What is computed of a state that a chain stayed in may differ in its last bits from draw to draw, by where it stands
    in a block of the processor's arithmetic, and so may the distances of the two middle draws from their median. Such
    draws are tied, on every processor.
    """
    finite = np.where(np.isfinite(flat), flat, 0.0)
    return np.asarray(_SHARE * (finite.max(axis=1) - finite.min(axis=1)))


def normal_scores(flat: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Normal scores of the ranks within each quantity, and of those of the distances from its median.

    Parameters
    ----------
    flat
        Without NaN, shape (k, n).
    order
        What sorts them, shape (k, n).

    Returns
    -------
    numpy.ndarray
        Shape (2, k, n); ties share their average rank. The second are NaN where the median is infinite: there are no
        distances from it.
    """
    return np.asarray(_scores(np.ascontiguousarray(flat), np.ascontiguousarray(order), _score_table(flat.shape[1])))


@lru_cache(maxsize=4)
def _score_table(n: int) -> np.ndarray:
    """Normal score of every half rank 0, 1/2, ..., n (Blom's offset of 3/8)."""
    ranks = np.arange(2 * n + 1) / 2
    with np.errstate(invalid="ignore"):
        return np.asarray(special.ndtri((ranks - 3 / 8) / (n + 1 / 4)))


@njit(cache=True, nogil=True)
def _scores(flat: np.ndarray, order: np.ndarray, table: np.ndarray) -> np.ndarray:
    k, n = flat.shape
    out = np.empty((2, k, n))
    ordered, folded, places = np.empty(n), np.empty(n), np.empty(n, dtype=np.intp)
    for q in range(k):
        for p in range(n):
            ordered[p] = flat[q, order[q, p]]
        _rank(ordered, order[q], table, out[0, q])
        low, high = (n - 1) // 2, n // 2
        middle = (ordered[low] + ordered[high]) / 2
        if not np.isfinite(middle):
            out[1, q] = np.nan
            continue
        # Distances grow from the middle to both ends: the two halves, merged.
        below, above = high - 1, high
        for p in range(n):
            if above >= n or (below >= 0 and middle - ordered[below] <= ordered[above] - middle):
                folded[p], places[p] = middle - ordered[below], order[q, below]
                below -= 1
            else:
                folded[p], places[p] = ordered[above] - middle, order[q, above]
                above += 1
        _rank(folded, places, table, out[1, q])
    return out


@njit(cache=True, nogil=True)
def _rank(ordered: np.ndarray, places: np.ndarray, table: np.ndarray, out: np.ndarray) -> None:
    """Scores of sorted values, put in their places; neighbours closer than rounding are tied."""
    n = ordered.size
    first, last = 0, n - 1
    while first < n and not np.isfinite(ordered[first]):
        first += 1
    while last >= 0 and not np.isfinite(ordered[last]):
        last -= 1
    margin = 0.0
    if first <= last:
        low, high = ordered[first], ordered[last]
        if first > 0 or last < n - 1:
            low, high = min(low, 0.0), max(high, 0.0)
        margin = _SHARE * (high - low)
    start = 0
    for place in range(1, n + 1):
        if place < n and (ordered[place] == ordered[place - 1] or ordered[place] - ordered[place - 1] <= margin):
            continue
        # Twice the average rank of places i to j (from 0) is i + j + 2: a whole number, so a table does.
        score = table[start + place + 1]
        for tied in range(start, place):
            out[places[tied]] = score
        start = place
