"""Weighted rows that have the moments of rows nobody kept."""

from __future__ import annotations

import numpy as np
import pandas as pd

from alliance_bayes.model import ModelSpec
from alliance_bayes.moments.moments import Moments

__all__ = ["pseudo_rows"]

#: Share of a cell's largest correlation eigenvalue below which a direction has no spread: rounding of cross-products.
_NO_SPREAD = 1e-12


def pseudo_rows(moments: Moments, spec: ModelSpec) -> tuple[pd.DataFrame, np.ndarray]:
    """Weighted rows with every cell's count, means and covariances.

    Parameters
    ----------
    moments
        The moments.
    spec
        The model whose columns the rows are to have.

    Returns
    -------
    rows : pandas.DataFrame
        The outcome and the predictors in raw units; categorical columns are ordered categoricals of all levels.
    weights : numpy.ndarray
        Shape (n_rows,); they add to the number of rows that the moments are of, and in every cell to its count.

    Notes
    -----
    A cell whose covariance matrix S has rank r gets the 2r points m +/- sqrt(r) l_k, where m are its means and the l_k
    the columns of a square root of S, each with 1 / (2r) of its rows; a cell without spread gets one point. So means of
    columns, and of products of two columns, are reproduced in every cell. Means of anything else are not.

    References
    ----------
    S. J. Julier, J. K. Uhlmann (2004). Unscented filtering and nonlinear estimation. Proceedings of the IEEE 92,
    401-422. https://doi.org/10.1109/JPROC.2003.823141

    Raises
    ------
    ModelError
        The moments lack a column or a factor of the model.
    """
    factors = [name for name in spec.columns if name in moments.keys]
    numeric = [name for name in spec.columns if name not in factors]
    place = [moments.column(name) for name in numeric]
    shift = np.array([moments.centres.get(name, 0.0) for name in numeric])
    means = moments.means[:, place] + shift + moments.rest[:, place]
    covariance = moments.cross[:, place][:, :, place] / moments.counts[:, None, None]
    roots, rank = _roots(covariance)

    # Points are numbered by cell, direction and side.
    cell, direction = np.nonzero(roots.any(axis=1))
    away = np.sqrt(rank[cell])[:, None] * roots[cell, :, direction]
    points = [np.stack([means[cell] + away, means[cell] - away], axis=1).reshape(-1, len(numeric))]
    weights = [np.repeat(moments.counts[cell] / (2 * rank[cell]), 2)]
    cells = [np.repeat(cell, 2)]
    still = np.flatnonzero(rank == 0)
    points.append(means[still])
    weights.append(moments.counts[still])
    cells.append(still)

    order = np.argsort(np.concatenate(cells), kind="stable")
    values = np.concatenate(points)[order]
    of_cell = np.concatenate(cells)[order]
    columns: dict[str, object] = {}
    for name in spec.columns:
        if name in numeric:
            columns[name] = values[:, numeric.index(name)]
        else:
            codes = moments.codes[of_cell, moments.keys.index(name)]
            levels = np.array(moments.levels[name], dtype=object)
            columns[name] = pd.Categorical(levels[codes], categories=list(moments.levels[name]), ordered=True)
    return pd.DataFrame(columns), np.concatenate(weights)[order]


def _roots(covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Square roots of covariance matrices, with zeros for columns beyond the rank; and the ranks."""
    sd = np.sqrt(np.maximum(np.diagonal(covariance, axis1=1, axis2=2), 0.0))
    scale = np.where(sd > 0, sd, 1.0)
    # Eigenvalues of correlations, because columns differ in their units.
    values, vectors = np.linalg.eigh(covariance / (scale[:, :, None] * scale[:, None, :]))
    spread = values > _NO_SPREAD * np.maximum(values[:, -1:], _NO_SPREAD)
    roots = vectors * np.sqrt(np.where(spread, values, 0.0))[:, None, :] * scale[:, :, None]
    return roots, spread.sum(axis=1).astype(float)
