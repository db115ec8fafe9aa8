"""Weights with which several models together predict best."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import optimize

__all__ = ["stacking_weights"]


def stacking_weights(pointwise: np.ndarray) -> np.ndarray:
    """Weights of a mixture of predictive distributions that has the highest leave-one-out log score.

    Parameters
    ----------
    pointwise
        Log score of each row under each model, shape (n, n_models).

    Returns
    -------
    numpy.ndarray
        Shape (n_models,), at least 0, summing to 1.

    Notes
    -----
    The mean log score of the mixture is concave in the weights, so what the optimiser finds is the highest. Where two
    models predict every row alike, any split between them is: theirs is even.

    References
    ----------
    .. [1] Yao, Vehtari, Simpson, Gelman (2018). Using stacking to average Bayesian predictive distributions. Bayesian
       Analysis 13(3). doi 10.1214/17-BA1091
    """
    count = pointwise.shape[1]
    # Each row's best model is taken for 1: a mixture's score moves by a constant, and nothing underflows in all models.
    relative = np.exp(pointwise - pointwise.max(axis=1, keepdims=True))

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        # A step of the optimiser may leave a row that only one model can predict with nothing.
        mixture = np.maximum(relative @ weights, np.finfo(float).tiny)
        return -float(np.log(mixture).mean()), -(relative / mixture[:, None]).mean(axis=0)

    # SciPy's annotations do not know a constraint that is a dict of functions.
    minimize: Any = optimize.minimize
    found = minimize(
        loss,
        np.full(count, 1 / count),
        jac=True,
        method="SLSQP",
        bounds=[(0.0, 1.0)] * count,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1.0, "jac": lambda w: np.ones(count)},
        options={"ftol": 1e-12, "maxiter": 1000},
    )
    weights = np.clip(found.x, 0.0, None)
    return np.asarray(weights / weights.sum())
