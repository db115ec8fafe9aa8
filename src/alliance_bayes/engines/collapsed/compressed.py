"""The rows, rotated within residual strata to as few as carry them: what cross-products hold, with all its digits.

Cross-products square what they sum, and a residual SD far below the outcome's finds the digits gone that were to
cancel. A rotation of the rows of one stratum changes no likelihood, so that the rows themselves can be kept, however
many they were: of every eliminated level and stratum as many as the level has columns, and of every stratum as many
more as there are dense columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from alliance_bayes.compiled import njit
from alliance_bayes.engines.collapsed.blocks import Block, Cells, contrasts
from alliance_bayes.engines.collapsed.orthogonal import reflect
from alliance_bayes.engines.collapsed.roots import ZERO

__all__ = ["Compressed", "compress", "triangular"]

# Numbers that one piece of rows may hold.
_PIECE = 1 << 22


@dataclass(frozen=True, eq=False)
class Compressed:
    """Rotated rows of a table.

    Parameters
    ----------
    first
        Rows of each eliminated level, in the order of the normal equations: ``first[l]`` to ``first[l + 1]``.
    z, y, stratum
        Their columns of the eliminated factor (M, q), outcome (M,) and residual stratum (M,).
    at, x
        Their dense columns: row m has ``x[at[m]:at[m + 1]]`` where the normal equations say that its level has any.
    rest, rest_stratum
        Rows without a part in the eliminated factor: dense columns and outcome (K, d + 1), and residual stratum (K,).
    """

    first: np.ndarray
    z: np.ndarray
    y: np.ndarray
    stratum: np.ndarray
    at: np.ndarray
    x: np.ndarray
    rest: np.ndarray
    rest_stratum: np.ndarray

    @property
    def kernel(self) -> tuple[np.ndarray, ...]:
        """The arrays as the compiled loops take them."""
        return self.first, self.z, self.y, self.stratum, self.at, self.x, self.rest, self.rest_stratum


def compress(cells: Cells, block: Block | None, dense: list[Block], pattern: tuple[np.ndarray, ...]) -> Compressed:
    """Rotate the rows.

    Parameters
    ----------
    cells
        Points and the outcome.
    block
        The eliminated factor; None when all columns are dense.
    dense
        The other blocks.
    pattern
        ``ptr``, ``cols``, ``runs`` and ``order`` of the normal equations.
    """
    ptr, cols, _, order = pattern
    points = cells.points
    d = sum(other.width for other in dense)
    q, levels = (1, 0) if block is None else (len(block.columns), block.levels)
    place = np.empty(levels, dtype=np.int64)
    place[order] = np.arange(levels)
    level = np.zeros(points.n, dtype=np.int64) if block is None else place[block.level]
    group = level * cells.strata + points.stratum
    by_group = np.argsort(group, kind="stable")
    sizes = np.ones(points.n) if points.cross is None else np.minimum(points.counts, points.values.shape[1])
    rest = [np.zeros((0, d + 1)) for _ in range(cells.strata)]
    rotated: list[tuple[np.ndarray, ...]] = []
    for piece in _pieces(sizes[by_group], max(_PIECE // (d + q + 1), 1)):
        rows, of = cells.rows(by_group[piece])
        point = by_group[piece][of]
        # Rows of a level and stratum are neighbours.
        again = np.argsort(group[point], kind="stable")
        rows, point = rows[again], point[again]
        wide = np.zeros((len(rows), q + d + 1))
        at = q
        for other in dense:
            wide[:, at : at + other.width] = _in_basis(rows, other, other.level[point])
            at += other.width
        wide[:, -1] = rows[:, 1]
        if block is not None:
            wide[:, :q] = rows[:, block.columns]
            edges = np.flatnonzero(np.r_[True, np.diff(group[point]) != 0])
            lead = _rotate(wide, q, np.r_[edges, len(wide)])
            width, columns = _met(level[point][lead], ptr, cols)
            x = wide[lead][np.repeat(np.arange(lead.sum()), width), q + columns]
            rotated.append((wide[lead, :q], wide[lead, -1], points.stratum[point][lead], level[point][lead], width, x))
            wide, point = wide[~lead], point[~lead]
        for s in np.unique(points.stratum[point]):
            rest[s] = triangular(np.concatenate([rest[s], wide[points.stratum[point] == s, q:]]))
    none = np.zeros(0, dtype=np.int64)
    rotated.append((np.zeros((0, q)), np.zeros(0), none, none, none, np.zeros(0)))
    z, y, stratum, level, width, x = (np.concatenate(parts) for parts in zip(*rotated, strict=True))
    return Compressed(
        first=np.searchsorted(level, np.arange(levels + 1)).astype(np.int64),
        z=z,
        y=y,
        stratum=stratum.astype(np.int64),
        at=np.concatenate([[0], np.cumsum(width)]).astype(np.int64),
        x=x,
        rest=np.concatenate(rest),
        rest_stratum=np.repeat(np.arange(cells.strata), [len(rows) for rows in rest]).astype(np.int64),
    )


def _pieces(sizes: np.ndarray, most: int) -> list[slice]:
    """Neighbouring cells of about ``most`` rows together."""
    number = (np.cumsum(sizes) // most).astype(np.int64)
    breaks = np.r_[np.flatnonzero(np.r_[True, np.diff(number) != 0]), len(sizes)]
    return [slice(int(a), int(b)) for a, b in pairwise(breaks)]


def _met(level: np.ndarray, ptr: np.ndarray, cols: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How many dense columns the level of each row meets, and which, a row after the other."""
    width = np.diff(ptr)[level]
    before = np.cumsum(width) - width
    return width, cols[np.repeat(ptr[level] - before, width) + np.arange(width.sum())]


def _in_basis(rows: np.ndarray, block: Block, level: np.ndarray) -> np.ndarray:
    """Dense columns of one block, shape (rows, columns)."""
    q = len(block.columns)
    values = rows[:, block.columns]
    if block.levels == 1:
        return values
    if not block.exhaustive:
        out = np.zeros((len(rows), block.levels, q))
        out[np.arange(len(rows)), level] = values
        return out.reshape(len(rows), -1)
    return (contrasts(block.levels)[level][:, :, None] * values[:, None, :]).reshape(len(rows), -1)


def triangular(rows: np.ndarray) -> np.ndarray:
    """At most as many rows as columns, with the same cross-products; what is zero but for rounding is zero."""
    size = np.abs(rows).max(axis=0, initial=0.0) * np.sqrt(len(rows))
    if len(rows) > 1:
        rows = np.linalg.qr(rows, mode="r")
        rows[np.abs(rows) <= ZERO * size] = 0.0
    return rows[rows.any(axis=1)]


@njit(cache=True, nogil=True)
def _rotate(rows, q, edges):  # type: ignore[no-untyped-def]
    """Rotate each group of rows in place until at most q have a part in the first q columns; which those are."""
    leading = np.zeros(len(rows), dtype=np.bool_)
    width = rows.shape[1]
    size, side = np.empty(width), np.empty(width)
    for g in range(len(edges) - 1):
        start, stop = edges[g], edges[g + 1]
        if stop - start <= q:
            leading[start:stop] = True
            continue
        for j in range(width):
            size[j] = 0.0
            for i in range(start, stop):
                size[j] = max(size[j], abs(rows[i, j]))
        top = start
        for j in range(q):
            length = 0.0
            for i in range(top, stop):
                length += rows[i, j] * rows[i, j]
            if np.sqrt(length) > ZERO * size[j]:
                reflect(rows, top, j, stop, width, side)
                top += 1
                continue
            for i in range(top, stop):
                rows[i, j] = 0.0
        leading[start:top] = True
        for i in range(top, stop):
            for k in range(q, width):
                if abs(rows[i, k]) <= ZERO * size[k]:
                    rows[i, k] = 0.0
    return leading
