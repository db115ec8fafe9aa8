"""Compiled products with C, the square root of the coefficients' prior covariance, for the dense columns.

C is the diagonal ``c`` times, for each factor with correlated terms (a row of ``blocks``: first column, levels, terms),
the Cholesky factor of its correlation matrix, level by level.
"""

from __future__ import annotations

from alliance_bayes.compiled import njit

__all__ = ["scale_columns", "scale_matrix", "scale_vector"]


@njit(cache=True, nogil=True)
def scale_matrix(a, c, blocks, k_dense, d):  # type: ignore[no-untyped-def]
    """Overwrite a with C'aC for the dense columns (symmetric; the lower triangle is read and written)."""
    for i in range(d):
        for j in range(i + 1):
            a[i, j] *= c[i] * c[j]
    if blocks.shape[0] == 0:
        return
    for i in range(d):
        for j in range(i):
            a[j, i] = a[i, j]
    for b in range(blocks.shape[0]):
        start, levels, q = blocks[b, 0], blocks[b, 1], blocks[b, 2]
        for level in range(levels):
            at = start + level * q
            # Columns, then rows: the factor is lower triangular, so ascending order never reads what it has written.
            for i in range(d):
                for j in range(q):
                    total = 0.0
                    for k in range(j, q):
                        total += a[i, at + k] * k_dense[b, k, j]
                    a[i, at + j] = total
            for i in range(d):
                for j in range(q):
                    total = 0.0
                    for k in range(j, q):
                        total += a[at + k, i] * k_dense[b, k, j]
                    a[at + j, i] = total


@njit(cache=True, nogil=True)
def scale_vector(x, c, blocks, k_dense, d):  # type: ignore[no-untyped-def]
    """Overwrite x with C'x."""
    for i in range(d):
        x[i] *= c[i]
    for b in range(blocks.shape[0]):
        start, levels, q = blocks[b, 0], blocks[b, 1], blocks[b, 2]
        for level in range(levels):
            at = start + level * q
            for j in range(q):
                total = 0.0
                for k in range(j, q):
                    total += x[at + k] * k_dense[b, k, j]
                x[at + j] = total


@njit(cache=True, nogil=True)
def scale_columns(x, c, blocks, k_dense, d):  # type: ignore[no-untyped-def]
    """Overwrite x with Cx."""
    for b in range(blocks.shape[0]):
        start, levels, q = blocks[b, 0], blocks[b, 1], blocks[b, 2]
        for level in range(levels):
            at = start + level * q
            for j in range(q - 1, -1, -1):
                total = 0.0
                for k in range(j + 1):
                    total += k_dense[b, j, k] * x[at + k]
                x[at + j] = total
    for i in range(d):
        x[i] *= c[i]
