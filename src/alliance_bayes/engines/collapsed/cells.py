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
    """Second moments about zero of (1, outcome less the pilot's predictions, columns) by cell, and their sums.

    Parameters
    ----------
    moments
        Cell moments.
    stratum
        Residual stratum of each cell, and the number of strata.
    common, pilot
        The common columns and their pilot coefficients, as :func:`pilot_estimate` has them.
    """

    def __init__(
        self, moments: Moments, stratum: tuple[np.ndarray, int], common: np.ndarray, pilot: np.ndarray
    ) -> None:
        self.counts = moments.counts
        self.stratum, self.strata = stratum
        transform = np.eye(len(moments.columns))
        sloped = common > 0
        transform[0, common[sloped] - 1] -= pilot[sloped]
        self.means = moments.means @ transform.T
        self.means[:, 0] -= pilot[~sloped].sum()
        self.centred = transform @ moments.cross @ transform.T

    @cached_property
    def second(self) -> np.ndarray:
        """Shape (n_cells, 1 + n_columns, 1 + n_columns)."""
        full = np.concatenate([np.ones((len(self.counts), 1)), self.means], axis=1)
        out = self.counts[:, None, None] * full[:, :, None] * full[:, None, :]
        out[:, 1:, 1:] += self.centred
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


def pilot_estimate(moments: Moments, common: np.ndarray, mu: np.ndarray) -> np.ndarray:
    """Least squares of the outcome on the common columns; prior means where the data say nothing.

    Parameters
    ----------
    moments
        Cell moments.
    common
        Positions of the common columns, 0 for the constant and one more than in the moments for the others.
    mu
        Prior means.
    """
    sloped = common > 0
    slopes = common[sloped] - 1
    mean, square = moments.total_mean, moments.total_cross
    if sloped.all():
        # About zero; with an intercept about the means, so that one of any size costs the slopes no digits.
        square = square + moments.n * np.outer(mean, mean)
    size = np.sqrt(np.maximum(np.diag(square)[slopes], np.finfo(float).tiny))
    beta = np.linalg.lstsq(square[np.ix_(slopes, slopes)] / np.outer(size, size), square[slopes, 0] / size, rcond=1e-10)
    out = mu.copy()
    out[sloped] = beta[0] / size
    out[~sloped] = mean[0] - out[sloped] @ mean[slopes]
    return out
