"""The eliminated factor: its levels' own sums, and which dense columns each level meets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from alliance_bayes.engines.collapsed.cells import Block, Cells, contrasts
from alliance_bayes.model import Design, PooledFactor
from alliance_bayes.moments.pooling import cell_numbers

__all__ = ["eliminate", "eliminated_factor"]


def eliminated_factor(design: Design) -> PooledFactor | None:
    """The sampled factor with the most columns, which leaves the fewest to be dense; None where there is none."""
    sampled = (factor for factor in design.factors if not factor.exhaustive)
    return max(sampled, key=lambda factor: len(factor.levels) * len(factor.terms), default=None)


def eliminate(cells: Cells, block: Block | None, dense: list[Block], starts: np.ndarray) -> dict[str, np.ndarray]:
    """Cross-products of the eliminated factor, as :class:`Equations` holds them, by name.

    Parameters
    ----------
    cells
        Sums over the points.
    block
        The factor; None when all columns are dense.
    dense, starts
        The other blocks, and the first dense column of each (and their number at the end).
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
    meetings = [_meeting(block, other) for other in dense]
    order, runs = _runs(sparse.csr_array(sparse.hstack([meeting.pattern for meeting in meetings], format="csr")))
    lengths = np.stack([np.diff(meeting.pattern.indptr) for meeting in meetings])[:, order]
    ptr = np.concatenate([[0], np.cumsum(lengths.sum(axis=0))]).astype(np.int64)
    # Within a level, one block's columns follow on another's.
    first = ptr[:-1] + np.cumsum(lengths, axis=0) - lengths
    q = len(block.columns)
    cols, v = np.empty(ptr[-1], dtype=np.int64), np.empty((strata, q, ptr[-1]))
    for meeting, other, start, begin, count in zip(meetings, dense, starts[:-1], first, lengths, strict=True):
        pattern = meeting.pattern[order]
        place = np.repeat(begin - pattern.indptr[:-1], count) + np.arange(pattern.nnz)
        cols[place] = start + pattern.indices
        for i, sums in enumerate(cells.each(meeting.code, len(meeting.levels), block.columns, other.columns)):
            for s, part in enumerate(sums.reshape(strata, len(meeting.levels), -1)):
                v[s, i, place] = meeting.values(part, order)
    g_e = cells.sums(block.level, block.levels, block.columns, block.columns)
    r_e = cells.sums(block.level, block.levels, block.columns, np.array([1]))[..., 0]
    return {
        "g_e": np.ascontiguousarray(g_e[:, order]),
        "r_e": np.ascontiguousarray(r_e[:, order]),
        "ptr": ptr,
        "cols": cols,
        "v": v,
        "runs": runs,
        "order": order,
    }


@dataclass(frozen=True, eq=False)
class _Meeting:
    """Where the eliminated factor's levels and those of another block meet.

    Parameters
    ----------
    code
        Which meeting each point is part of, shape (n_points,).
    levels
        The other block's level in each meeting, shape (n_meetings,); meetings are sorted by the eliminated level.
    raw
        Row of each eliminated level, column of each column of the other block's levels.
    basis
        From the other block's levels to its dense columns; None where they are those.
    pattern
        Dense columns of the other block that each eliminated level meets.
    """

    code: np.ndarray
    levels: np.ndarray
    raw: Any
    basis: Any
    pattern: Any

    def values(self, sums: np.ndarray, order: np.ndarray) -> np.ndarray:
        """Sums of the meetings (n_meetings, n_columns) as values of the pattern, its rows in another order."""
        raw = sparse.csr_array((sums.ravel(), self.raw.indices, self.raw.indptr), shape=self.raw.shape)
        if self.basis is None:
            return np.asarray(raw[order].data)
        rows = np.repeat(order, np.diff(self.pattern.indptr)[order])
        return np.asarray(sparse.csr_array(raw @ self.basis)[rows, self.pattern[order].indices]).ravel()


def _meeting(block: Block, other: Block) -> _Meeting:
    pairs, code = cell_numbers(np.column_stack([block.level, other.level]), [block.levels, other.levels])
    rows, levels = pairs.T
    q = len(other.columns)
    ends = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=block.levels))]) * q
    columns = (levels[:, None] * q + np.arange(q)).ravel()
    raw = sparse.csr_array((np.ones(len(columns)), columns, ends), shape=(block.levels, other.levels * q))
    if not other.exhaustive:
        return _Meeting(code, levels, raw, None, raw)
    basis = sparse.kron(contrasts(other.levels), sparse.eye_array(q), format="csr")
    pattern = sparse.csr_array(raw @ abs(basis))
    pattern.eliminate_zeros()
    pattern.sort_indices()
    return _Meeting(code, levels, raw, basis, pattern)


def _runs(pattern: Any) -> tuple[np.ndarray, np.ndarray]:
    """Order of levels in which equal patterns are neighbours, and where each run of them starts."""
    keys = [pattern.indices[a:b].tobytes() for a, b in zip(pattern.indptr[:-1], pattern.indptr[1:], strict=True)]
    number: dict[bytes, int] = {}
    codes = np.array([number.setdefault(key, len(number)) for key in keys], dtype=np.int64)
    order = np.argsort(codes, kind="stable").astype(np.int64)
    changes = np.flatnonzero(np.diff(codes[order])) + 1
    return order, np.concatenate([[0], changes, [len(order)]]).astype(np.int64)
