"""Correlation matrices by partial correlations on an unbounded scale, and their LKJ priors, for compiled loops.

The numbers are inverse hyperbolic tangents of the partial correlations, a row of the Cholesky factor ("root") at a time
(Lewandowski, Kurowicka and Joe 2009, doi 10.1016/j.jmva.2009.04.008).
"""

from __future__ import annotations

import numpy as np
from scipy import special

from alliance_bayes.compiled import njit

__all__ = ["add_root_slope", "fill_root", "lkj_arguments", "lkj_slope", "log_lkj", "partials", "roots_of"]

# Beyond it a correlation would round to 1, which leaves a Cholesky factor without an inverse.
_FURTHEST = 15.0


@njit(cache=True, nogil=True)
def partials(terms):  # type: ignore[no-untyped-def]
    """Number of partial correlations between so many terms."""
    return terms * (terms - 1) // 2


def lkj_arguments(terms: int, eta: float) -> np.ndarray:
    """Shape of each partial correlation's prior, and its constant, shape (partials, 2).

    Under LKJ(eta) a partial correlation is 2 Beta(shape, shape) - 1, independent of the others.
    """
    shapes = np.array([eta + (terms - 2 - j) / 2 for i in range(terms) for j in range(i)], dtype=float)
    constants = special.betaln(shapes, shapes) + (2 * shapes - 1) * np.log(2.0)
    return np.column_stack([shapes, constants]).reshape(-1, 2)


@njit(cache=True, nogil=True)
def log_lkj(theta, arguments):  # type: ignore[no-untyped-def]
    """Log prior density of numbers (partials,), with the Jacobian; arguments as :func:`lkj_arguments` gives them."""
    total = 0.0
    for k in range(arguments.shape[0]):
        # log(1 - tanh^2) without cancellation.
        size = abs(theta[k])
        total += arguments[k, 0] * (2.0 * np.log(2.0) - 2.0 * (size + np.log1p(np.exp(-2.0 * size)))) - arguments[k, 1]
    return total


@njit(cache=True, nogil=True)
def lkj_slope(theta, shape):  # type: ignore[no-untyped-def]
    """Derivative of :func:`log_lkj` by one number."""
    return -2.0 * shape * np.tanh(theta)


@njit(cache=True, nogil=True)
def fill_root(theta, terms, root):  # type: ignore[no-untyped-def]
    """Cholesky factor of the correlation matrix, written to the lower triangle of ``root`` (terms, terms)."""
    root[0, 0] = 1.0
    at = 0
    for i in range(1, terms):
        left = 1.0
        for j in range(i):
            partial = np.tanh(min(max(theta[at], -_FURTHEST), _FURTHEST))
            root[i, j] = partial * np.sqrt(left)
            left *= 1.0 - partial * partial
            at += 1
        root[i, i] = np.sqrt(left)


@njit(cache=True, nogil=True)
def roots_of(theta, terms):  # type: ignore[no-untyped-def]
    """Cholesky factors (N, terms, terms) of numbers (N, partials)."""
    roots = np.zeros((theta.shape[0], terms, terms))
    for i in range(theta.shape[0]):
        fill_root(theta[i], terms, roots[i])
    return roots


@njit(cache=True, nogil=True)
def add_root_slope(theta, root, weight, terms, out):  # type: ignore[no-untyped-def]
    """Add to ``out`` (partials,) the derivative of sum(weight * root) by the numbers."""
    at = 0
    for i in range(1, terms):
        left = 1.0
        for j in range(i):
            bounded = min(max(theta[at], -_FURTHEST), _FURTHEST)
            partial = np.tanh(bounded)
            if bounded == theta[at]:
                out[at] += weight[i, j] * np.sqrt(left) * (1.0 - partial * partial)
                for k in range(j + 1, i + 1):
                    out[at] -= weight[i, k] * root[i, k] * partial
            left *= 1.0 - partial * partial
            at += 1
