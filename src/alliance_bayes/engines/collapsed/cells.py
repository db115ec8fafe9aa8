"""Sums over cells: from moments to cross-products of blocks of design columns."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy import linalg, sparse

from alliance_bayes.moments import Moments

__all__ = ["Block", "Cells", "basis_of", "contrasts", "pilot_estimate"]


def contrasts(levels: int) -> np.ndarray:
    """Orthonormal basis of the effects that sum to zero, shape (levels, levels - 1) (Helmert)."""
    return np.ascontiguousarray(linalg.helmert(levels).T)


@dataclass(frozen=True, eq=False)
class Block:
    """Columns that a set of levels shares: a smooth or the common columns (one level), or a pooled factor."""

    name: str
    columns: np.ndarray  # positions in the cells' column list, 0 for the constant
    level: np.ndarray  # level number of each cell
    levels: int
    exhaustive: bool = False

    @property
    def width(self) -> int:
        """Columns over all levels."""
        return self.levels * len(self.columns)


def basis_of(block: Block) -> Any:
    """From a block's levels to its dense columns: contrasts for an exhaustive factor, else the levels themselves."""
    q = len(block.columns)
    if not block.exhaustive:
        return sparse.eye_array(block.width, format="csr")
    return sparse.kron(contrasts(block.levels), sparse.eye_array(q), format="csr")


class Cells:
    """Second moments about zero of (1, outcome, columns) by cell, and their sums over levels."""

    def __init__(self, moments: Moments, stratum: tuple[np.ndarray, int]) -> None:
        self.counts, self.means, self.centred = moments.counts, moments.means, moments.cross
        self.stratum, self.strata = stratum

    @cached_property
    def second(self) -> np.ndarray:
        """Shape (n_cells, 1 + n_columns, 1 + n_columns)."""
        full = np.concatenate([np.ones((len(self.counts), 1)), self.means], axis=1)
        out = self.counts[:, None, None] * full[:, :, None] * full[:, None, :]
        out[:, 1:, 1:] += self.centred
        return out

    def without(self, common: np.ndarray, pilot: np.ndarray) -> Cells:
        """The same with the pilot's predictions taken out of the outcome (column 0 of the moments)."""
        transform = np.eye(self.means.shape[1])
        shift = 0.0
        for column, value in zip(common, pilot, strict=True):
            if column == 0:
                shift = value
            else:
                transform[0, column - 1] -= value
        out = Cells.__new__(Cells)
        out.counts, out.stratum, out.strata = self.counts, self.stratum, self.strata
        out.means = self.means @ transform.T
        out.means[:, 0] -= shift
        out.centred = transform @ self.centred @ transform.T
        return out

    @property
    def n(self) -> np.ndarray:
        """Rows by stratum, shape (S,)."""
        return np.bincount(self.stratum, self.counts, minlength=self.strata)

    @property
    def rss(self) -> np.ndarray:
        """Sum of squares of the outcome by stratum, shape (S,)."""
        return np.bincount(self.stratum, self.second[:, 1, 1], minlength=self.strata)

    def sums(self, code: np.ndarray, size: int, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Sums by stratum and code, shape (S, size, n_left, n_right)."""
        code = self.stratum * size + code
        out = np.empty((self.strata * size, len(left), len(right)))
        for i, a in enumerate(left):
            for j, b in enumerate(right):
                out[:, i, j] = np.bincount(code, self.second[:, a, b], minlength=self.strata * size)
        return out.reshape(self.strata, size, len(left), len(right))

    def gram(self, blocks: list[Block], starts: np.ndarray) -> np.ndarray:
        """Cross-products of all blocks' columns, shape (S, width, width)."""
        out = np.zeros((self.strata, starts[-1], starts[-1]))
        for i, a in enumerate(blocks):
            for j, b in enumerate(blocks[: i + 1]):
                sums = self.sums(a.level * b.levels + b.level, a.levels * b.levels, a.columns, b.columns)
                sums = sums.reshape(self.strata, a.levels, b.levels, len(a.columns), len(b.columns))
                part = sums.transpose(0, 1, 3, 2, 4).reshape(self.strata, a.width, b.width)
                out[:, starts[i] : starts[i + 1], starts[j] : starts[j + 1]] = part
                out[:, starts[j] : starts[j + 1], starts[i] : starts[i + 1]] = part.transpose(0, 2, 1)
        return out

    def cross(self, blocks: list[Block], starts: np.ndarray) -> np.ndarray:
        """Cross-products of all blocks' columns with the outcome, shape (S, width)."""
        out = np.zeros((self.strata, starts[-1]))
        for i, block in enumerate(blocks):
            sums = self.sums(block.level, block.levels, block.columns, np.array([1]))
            out[:, starts[i] : starts[i + 1]] = sums.reshape(self.strata, -1)
        return out


def pilot_estimate(cells: Cells, common: np.ndarray, mu: np.ndarray) -> np.ndarray:
    """Least squares of the outcome on the common columns; prior means where the data say nothing."""
    if not len(common):
        return np.empty(0)
    total = cells.counts.sum()
    slopes = common[common > 0] - 1
    if (common == 0).any():
        # About the overall means: an intercept of any size then costs the slopes no digits.
        mean = cells.counts @ cells.means / total
        away = cells.means - mean
        square = cells.centred.sum(axis=0) + (cells.counts[:, None] * away).T @ away
    else:
        mean = np.zeros(cells.means.shape[1])
        square = cells.second.sum(axis=0)[1:, 1:]
    size = np.sqrt(np.maximum(np.diag(square)[slopes], np.finfo(float).tiny))
    beta = np.linalg.lstsq(square[np.ix_(slopes, slopes)] / np.outer(size, size), square[slopes, 0] / size, rcond=1e-10)
    out = mu.copy()
    out[common > 0] = beta[0] / size
    if (common == 0).any():
        out[common == 0] = mean[0] - out[common > 0] @ mean[slopes]
    return out
