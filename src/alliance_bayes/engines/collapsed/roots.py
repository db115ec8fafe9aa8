"""From cross-products of cells to as few rows as have them."""

from __future__ import annotations

import numpy as np

from alliance_bayes.compiled import njit

__all__ = ["ZERO", "roots"]

#: Share of a column's own size, so that units do not matter: what is less is what rounding left of zero.
ZERO = 32 * 2.220446049250313e-16


def roots(cross: np.ndarray, rank: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows whose cross-products are those of each cell, by pivoted Cholesky decomposition.

    Parameters
    ----------
    cross
        Shape (n_cells, k, k).
    rank
        The most rows that a cell can have, shape (n_cells,): n rows leave n - 1 about their mean.

    Returns
    -------
    cell : numpy.ndarray
        Which cell each row is of, shape (rows,).
    rows : numpy.ndarray
        Shape (rows, k + 1); the first column, a constant's, is zero.
    """
    cell = np.repeat(np.arange(len(cross)), np.minimum(rank, cross.shape[1]))
    rows = np.zeros((len(cell), cross.shape[1] + 1))
    used = _roots(cross, np.bincount(cell, minlength=len(cross)), rows)
    return cell[used], rows[used]


@njit(cache=True, nogil=True)
def _roots(cross, rank, out):  # type: ignore[no-untyped-def]
    k, first = cross.shape[1], 0
    used, size = np.zeros(out.shape[0], dtype=np.bool_), np.empty(k)
    for c in range(cross.shape[0]):
        a = cross[c].copy()
        for j in range(k):
            size[j] = a[j, j]
        for at in range(first, first + rank[c]):
            pivot, best = -1, ZERO
            for j in range(k):
                if size[j] > 0.0 and a[j, j] > best * size[j]:
                    pivot, best = j, a[j, j] / size[j]
            if pivot < 0:
                break
            used[at] = True
            root = np.sqrt(a[pivot, pivot])
            for j in range(k):
                out[at, 1 + j] = a[pivot, j] / root
            for i in range(k):
                for j in range(k):
                    a[i, j] -= out[at, 1 + i] * out[at, 1 + j]
            for j in range(k):
                a[pivot, j] = 0.0
                a[j, pivot] = 0.0
        first += rank[c]
    return used
