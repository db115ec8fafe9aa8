"""The eliminated factor: its levels' own sums, and which dense columns each level meets."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from alliance_bayes.engines.collapsed.cells import Block, Cells

__all__ = ["eliminate"]


def eliminate(
    cells: Cells, block: Block | None, dense: list[Block], starts: np.ndarray, basis: Any
) -> dict[str, np.ndarray]:
    """Cross-products of the eliminated factor, as :class:`Equations` holds them, by name.

    Parameters
    ----------
    cells
        Second moments by cell.
    block
        The factor; None when all columns are dense.
    dense, starts, basis
        The other blocks, where their levels' columns start, and how those become dense columns.
    """
    strata = cells.strata
    none = np.zeros(0, dtype=np.int64)
    if block is None:
        return {
            "g_e": np.zeros((strata, 0, 1, 1)),
            "r_e": np.zeros((strata, 0, 1)),
            "ptr": np.zeros(1, dtype=np.int64),
            "cols": none,
            "v": np.zeros((strata, 1, 0)),
            "runs": np.zeros(1, dtype=np.int64),
            "order": none,
        }
    q, width = len(block.columns), starts[-1]
    g_e = cells.sums(block.level, block.levels, block.columns, block.columns)
    r_e = cells.sums(block.level, block.levels, block.columns, np.array([1]))[..., 0]
    # Which dense levels each eliminated level meets, and the sums over the cells where they do.
    pieces: list[list[tuple[np.ndarray, np.ndarray, np.ndarray]]] = [[] for _ in range(strata * q)]
    touched = []
    for other, start in zip(dense, starts[:-1], strict=True):
        code = block.level * other.levels + other.level
        pairs, inverse = np.unique(code, return_inverse=True)
        sums = cells.sums(inverse, len(pairs), block.columns, other.columns)
        rows, levels = np.divmod(pairs, other.levels)
        columns = start + levels[:, None] * len(other.columns) + np.arange(len(other.columns))
        rows = np.repeat(rows, len(other.columns))
        touched.append((rows, columns.ravel()))
        for s in range(strata):
            for i in range(q):
                pieces[s * q + i].append((sums[s, :, i].ravel(), rows, columns.ravel()))
    at_rows, at_cols = (np.concatenate(parts) for parts in zip(*touched, strict=True))
    met = sparse.csr_array((np.ones(len(at_rows)), (at_rows, at_cols)), shape=(block.levels, width))
    pattern = sparse.csr_array(met @ abs(basis))
    pattern.eliminate_zeros()
    pattern.sort_indices()
    order, runs = _runs(pattern)
    pattern = pattern[order]
    rows = np.repeat(order, np.diff(pattern.indptr))
    v = np.empty((strata, q, len(rows)))
    for s in range(strata):
        for i in range(q):
            values, r, c = (np.concatenate(parts) for parts in zip(*pieces[s * q + i], strict=True))
            matrix = sparse.csr_array((values, (r, c)), shape=(block.levels, width)) @ basis
            v[s, i] = np.asarray(sparse.csr_array(matrix)[rows, pattern.indices]).ravel()
    return {
        "g_e": np.ascontiguousarray(g_e[:, order]),
        "r_e": np.ascontiguousarray(r_e[:, order]),
        "ptr": pattern.indptr.astype(np.int64),
        "cols": pattern.indices.astype(np.int64),
        "v": v,
        "runs": runs,
        "order": order,
    }


def _runs(pattern: Any) -> tuple[np.ndarray, np.ndarray]:
    """Order of levels in which equal patterns are neighbours, and where each run of them starts."""
    keys = [pattern.indices[a:b].tobytes() for a, b in zip(pattern.indptr[:-1], pattern.indptr[1:], strict=True)]
    number: dict[bytes, int] = {}
    codes = np.array([number.setdefault(key, len(number)) for key in keys], dtype=np.int64)
    order = np.argsort(codes, kind="stable").astype(np.int64)
    changes = np.flatnonzero(np.diff(codes[order])) + 1
    return order, np.concatenate([[0], changes, [len(order)]]).astype(np.int64)
