"""Sums over points: from rows or cells to cross-products of blocks of design columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import linalg, sparse

from alliance_bayes.engines.collapsed.points import Points
from alliance_bayes.engines.collapsed.roots import roots
from alliance_bayes.moments.pooling import cell_numbers

__all__ = ["Block", "Cells", "contrasts", "pilot_estimate"]


@lru_cache(maxsize=64)
def contrasts(levels: int) -> np.ndarray:
    """Orthonormal basis of the effects that sum to zero, shape (levels, levels - 1) (Helmert); to be read only."""
    basis = np.ascontiguousarray(linalg.helmert(levels).T)
    basis.setflags(write=False)
    return basis


@dataclass(frozen=True, eq=False)
class Block:
    """Columns that a set of levels shares: a smooth or the common columns (one level), or a pooled factor."""

    name: str
    columns: np.ndarray  # positions among the points' columns, 0 for the constant
    level: np.ndarray  # level number of each point
    levels: int
    exhaustive: bool = False

    @property
    def width(self) -> int:
        """Dense columns over all levels: one level's less where they are contrasts."""
        return (self.levels - self.exhaustive) * len(self.columns)


class Cells:
    """Sums over points of products of (1, outcome less the pilot's predictions, columns), by level.

    Parameters
    ----------
    points
        Rows, or cells of rows.
    common, pilot
        The common columns and their pilot coefficients, as :func:`pilot_estimate` has them.
    """

    def __init__(self, points: Points, common: np.ndarray, pilot: np.ndarray) -> None:
        self.points, self.strata = points, points.strata
        sloped = common > 0
        self._slopes = common[sloped], pilot[sloped]
        # The intercept first: it may be far from zero, and what is left then is not.
        self._outcome = points.values[:, 1] - pilot[~sloped].sum() + points.rest
        self._outcome -= points.values[:, common[sloped]] @ pilot[sloped]
        # Of the cells' own cross-products, those with the outcome.
        self._own: np.ndarray | None = None
        if points.cross is not None:
            share = np.zeros(points.values.shape[1] - 1)
            share[0] = 1.0
            share[common[sloped] - 1] -= pilot[sloped]
            self._own = points.cross @ share
            self._own[:, 0] = self._own @ share
            self._size = (np.sqrt(points.cross.diagonal(axis1=1, axis2=2)) @ np.abs(share)) ** 2

    @property
    def n(self) -> np.ndarray:
        """Rows by stratum, shape (S,)."""
        return np.bincount(self.points.stratum, self.points.counts, minlength=self.strata)

    @property
    def rss(self) -> np.ndarray:
        """Sum of squares of the outcome by stratum, shape (S,)."""
        square = self.points.counts * self._outcome**2
        if self._own is not None:
            square += self._own[:, 0]
        return np.bincount(self.points.stratum, square, minlength=self.strata)

    @property
    def size(self) -> np.ndarray:
        """What was summed and taken off on the way to :attr:`rss`, to which its rounding errors belong, shape (S,)."""
        square = self.points.counts * self._outcome**2
        if self._own is not None:
            square += self._size
        return np.bincount(self.points.stratum, square, minlength=self.strata)

    def sums(self, code: np.ndarray, size: int, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Sums by stratum and code, shape (S, size, n_left, n_right)."""
        out = np.empty((self.strata * size, len(left), len(right)))
        for i, sums in enumerate(self.each(code, size, left, right)):
            out[:, i] = sums
        return out.reshape(self.strata, size, len(left), len(right))

    def each(self, code: np.ndarray, size: int, left: np.ndarray, right: np.ndarray) -> Iterator[np.ndarray]:
        """Those sums for one left column after the other, shape (S * size, n_right): nothing larger is in memory."""
        points = self.points
        member = np.arange(points.n)
        adding = sparse.csr_array(
            (np.ones(points.n), (points.stratum * size + code, member)), shape=(self.strata * size, points.n)
        )
        order = adding.indices
        values = points.values[:, right]
        values[:, right == 1] = self._outcome[:, None]
        for a in left:
            weighted = (points.counts * points.values[:, a])[order]
            sums = sparse.csr_array((weighted, order, adding.indptr), shape=adding.shape) @ values
            if points.cross is not None and a > 0:
                sums += adding @ self._products(a, right)
            yield sums

    def _products(self, a: int, right: np.ndarray) -> np.ndarray:
        """The points' own cross-products of a column and others, shape (n_points, n_right)."""
        assert self.points.cross is not None
        assert self._own is not None
        out = np.zeros((self.points.n, len(right)))
        columns = right > 1
        out[:, columns] = self.points.cross[:, a - 1, right[columns] - 1]
        out[:, right == 1] = self._own[:, a - 1, None]
        return out

    def rows(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows (constant, outcome less the pilot's predictions, columns) with the second moments of some points.

        Returns them, shape (rows, n_columns), and which of the points each is of.
        """
        values, counts = self.points.values[points], self.points.counts[points]
        values[:, 1] = self._outcome[points]
        whole = np.sqrt(counts)[:, None] * values
        if self.points.cross is None:
            return whole, np.arange(len(points))
        of, within = roots(self.points.cross[points], np.ceil(counts).astype(np.int64) - 1)
        within[:, 1] -= within[:, self._slopes[0]] @ self._slopes[1]
        return np.concatenate([whole, within]), np.concatenate([np.arange(len(points)), of])

    def gram(self, blocks: list[Block], starts: np.ndarray) -> np.ndarray:
        """Cross-products of all blocks' dense columns, shape (S, d, d)."""
        out = np.zeros((self.strata, starts[-1], starts[-1]))
        for i, a in enumerate(blocks):
            rows, q = slice(starts[i], starts[i + 1]), len(a.columns)
            for j, b in enumerate(blocks[: i + 1]):
                columns = slice(starts[j], starts[j + 1])
                levels, code = cell_numbers(np.column_stack([a.level, b.level]), [a.levels, b.levels])
                left, right = levels.T
                for k, sums in enumerate(self.each(code, len(levels), a.columns, b.columns)):
                    met = sums.reshape(self.strata, len(levels), -1)
                    if not (a.exhaustive or b.exhaustive):
                        at = starts[j] + right[:, None] * len(b.columns) + np.arange(len(b.columns))
                        out[:, (starts[i] + left * q + k)[:, None], at] = met
                        continue
                    part = np.zeros((self.strata, a.levels, b.levels, len(b.columns)))
                    part[:, left, right] = met
                    part = _contrasted(_contrasted(part, a, 1), b, 2)
                    out[:, starts[i] + k : starts[i + 1] : q, columns] = part.reshape(*part.shape[:2], -1)
                if i != j:
                    out[:, columns, rows] = out[:, rows, columns].transpose(0, 2, 1)
        return out

    def cross(self, blocks: list[Block], starts: np.ndarray) -> np.ndarray:
        """Cross-products of all blocks' dense columns with the outcome, shape (S, d)."""
        out = np.zeros((self.strata, starts[-1]))
        for i, block in enumerate(blocks):
            sums = self.sums(block.level, block.levels, block.columns, np.array([1]))
            out[:, starts[i] : starts[i + 1]] = _contrasted(sums, block, 1).reshape(self.strata, -1)
        return out


def _contrasted(sums: np.ndarray, block: Block, axis: int) -> np.ndarray:
    """Sums of an exhaustive factor's levels as those of its contrasts; others as they are."""
    if not block.exhaustive:
        return sums
    return np.moveaxis(np.moveaxis(sums, axis, -1) @ contrasts(block.levels), -1, axis)


def pilot_estimate(points: Points, common: np.ndarray, mu: np.ndarray) -> np.ndarray:
    """Least squares of the outcome on the common columns; prior means where the data say nothing.

    Parameters
    ----------
    points
        Rows, or cells of rows.
    common
        Positions of the common columns among the points'.
    mu
        Prior means.
    """
    sloped = common > 0
    slopes = common[sloped] - 1
    mean, square = points.mean, points.square
    if sloped.all():
        # About zero; with an intercept about the means, so that one of any size costs the slopes no digits.
        square = square + points.counts.sum() * np.outer(mean, mean)
    size = np.sqrt(np.maximum(np.diag(square)[slopes], np.finfo(float).tiny))
    beta = np.linalg.lstsq(square[np.ix_(slopes, slopes)] / np.outer(size, size), square[slopes, 0] / size, rcond=1e-10)
    out = mu.copy()
    out[sloped] = beta[0] / size
    out[~sloped] = mean[0] - out[sloped] @ mean[slopes]
    return out
