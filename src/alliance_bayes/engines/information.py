"""What the data say of level effects, by which their unit is chosen."""

from __future__ import annotations

import numpy as np

from alliance_bayes.model import Design, PooledFactor

__all__ = ["information"]


def information(design: Design, factor: PooledFactor) -> np.ndarray:
    """What the data say of the effects of a typical level, as one over a squared standard error.

    Parameters
    ----------
    design
        The formula applied to rows.
    factor
        One of its factors.

    Returns
    -------
    numpy.ndarray
        Shape (n_terms,), the median over levels: of the intercept's column the sum of squares, of other columns that
        around the level's mean, times what one outcome tells of its linear predictor.
    """
    columns, index = design.rows.z[factor.name], design.rows.index[factor.name]
    n = np.bincount(index, minlength=len(factor.levels))
    typical = []
    for term, column in zip(factor.terms, columns.T, strict=True):
        squares = np.bincount(index, column**2, n.size)
        if term != "Intercept":
            squares = np.maximum(squares - np.bincount(index, column, n.size) ** 2 / np.maximum(n, 1), 0.0)
        typical.append(np.median(squares))
    return design.family.information(design.outcome) * np.array(typical)
