"""The part of the linear predictor that differs by the levels of a pooled factor."""

from __future__ import annotations

import numpy as np

from alliance_bayes.compiled import njit

__all__ = ["add_effects", "sums_by_level"]


@njit(cache=True, nogil=True)
def add_effects(eta: np.ndarray, u: np.ndarray, index: np.ndarray, z: np.ndarray) -> None:
    """Add z'u of each row's level to ``eta`` in place, without an array of draws x rows besides.

    Parameters
    ----------
    eta
        Shape (n_draws, n_rows).
    u
        Effects of the levels, shape (n_draws, n_levels, n_terms).
    index
        Level of each row, shape (n_rows,).
    z
        Columns whose effects differ by level, shape (n_rows, n_terms).
    """
    for d in range(eta.shape[0]):
        for i in range(eta.shape[1]):
            for t in range(z.shape[1]):
                eta[d, i] += z[i, t] * u[d, index[i], t]


def sums_by_level(z: np.ndarray, index: np.ndarray, size: int) -> np.ndarray:
    """Sums over rows of columns (n_rows, n_terms) by level (n_rows,) of ``size``, shape (size, n_terms)."""
    return np.column_stack([np.bincount(index, weights=column, minlength=size) for column in z.T])
