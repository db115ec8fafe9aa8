"""Householder's reflection, of which the engine's rotations of rows are made."""

from __future__ import annotations

import numpy as np

from alliance_bayes.compiled import njit

__all__ = ["reflect"]


@njit(cache=True, nogil=True)
def reflect(a, row, column, m, width, side):  # type: ignore[no-untyped-def]
    """Reflect rows ``row`` to m so that ``column`` is zero below ``row``, and the columns up to ``width`` with it.

    ``side`` is room for ``width`` numbers. Returns the logarithm of what is left in the column.
    """
    # Over the largest: squares of heavy rows must not overflow.
    largest = 0.0
    for i in range(row, m):
        largest = max(largest, abs(a[i, column]))
    if largest == 0.0:
        return -np.inf
    total = 0.0
    for i in range(row, m):
        share = a[i, column] / largest
        total += share * share
    length = largest * np.sqrt(total)
    # The reflector is (1, column below / lead), and acts by |lead| / length.
    lead = a[row, column] + (length if a[row, column] >= 0.0 else -length)
    factor = abs(lead) / length
    for k in range(column + 1, width):
        side[k] = a[row, k]
    for i in range(row + 1, m):
        share = a[i, column] / lead
        a[i, column] = share
        if share != 0.0:
            for k in range(column + 1, width):
                side[k] += share * a[i, k]
    for k in range(column + 1, width):
        side[k] *= factor
        a[row, k] -= side[k]
    for i in range(row + 1, m):
        share = a[i, column]
        a[i, column] = 0.0
        if share != 0.0:
            for k in range(column + 1, width):
                a[i, k] -= share * side[k]
    a[row, column] = -length if lead > 0.0 else length
    return np.log(length)
