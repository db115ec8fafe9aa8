"""Compiled moments of the coefficients given the hyperparameters: what the gradient of their density is made of."""

from __future__ import annotations

import numpy as np

from alliance_bayes.compiled import njit
from alliance_bayes.engines.collapsed.kernels import (
    FAST,
    combine,
    factor_level,
    log_likelihood,
    reduce_dense,
    workspace,
)
from alliance_bayes.engines.collapsed.scaling import scale_columns

__all__ = ["expected_moments"]


@njit(cache=True, nogil=True)
def _solve(lower, x, d):  # type: ignore[no-untyped-def]
    """Overwrite x with (L L')^-1 x."""
    for i in range(d):
        total = x[i]
        for k in range(i):
            total -= lower[i, k] * x[k]
        x[i] = total / lower[i, i]
    _solve_upper(lower, x, d)


@njit(cache=True, nogil=True)
def _solve_upper(lower, x, d):  # type: ignore[no-untyped-def]
    """Overwrite x with L'^-1 x."""
    for i in range(d - 1, -1, -1):
        total = x[i]
        for k in range(i + 1, d):
            total -= lower[k, i] * x[k]
        x[i] = total / lower[i, i]


@njit(cache=True, nogil=True, fastmath=FAST)
def expected_moments(sigma, tau, k_dense, ce, n, rss, fixed, group, kernel, m_e, second, mean, residual):  # type: ignore[no-untyped-def]
    """Moments of v (the coefficients in prior SDs) and expected residual sums of squares.

    Written: ``m_e`` (q, q), the sum over eliminated levels of E[v v'] - I; ``second`` (d, d) and ``mean`` (d,), the
    covariance and the mean of the dense v; ``residual`` (S,), the expected residual sum of squares by stratum.
    Returns the log likelihood, -inf where the precision is not positive.
    """
    strata, pattern, blocks, offset = kernel
    g_d, r_d, g_e, r_e, v = strata
    ptr, cols, runs, _ = pattern
    n_strata, d, q = g_d.shape[0], g_d.shape[1], g_e.shape[2]
    work = workspace(d, q, ptr, True)
    a, b, e, gc, t, y = work[0], work[1], work[2], work[3], work[4], work[5]
    c, c_e = np.empty(d), np.zeros((q, q))
    arrays, r_scale = combine(sigma, tau, ce, fixed, group, strata, c, c_e)
    log_det, length = reduce_dense(arrays, r_scale, c, k_dense, c_e, pattern, blocks, offset, True, work)
    value = log_likelihood(sigma, n, rss, offset, log_det, length)
    if not np.isfinite(value):
        return value
    unit = sigma[0] if n_strata == 1 else 1.0
    for i in range(d):
        second[:, i] = 0.0
        second[i, i] = 1.0
        _solve(a, second[:, i], d)
    mean[:] = b
    _solve_upper(a, mean, d)
    # The same over C, which is in units of the coefficients but for ``unit``.
    x, cov = mean.copy(), second.copy()
    scale_columns(x, c, blocks, k_dense, d)
    for i in range(d):
        scale_columns(cov[:, i], c, blocks, k_dense, d)
    for i in range(d):
        scale_columns(cov[i, :], c, blocks, k_dense, d)
    square = unit * unit
    for s in range(n_strata):
        total = rss[s]
        for i in range(d):
            total -= 2.0 * unit * x[i] * r_d[s, i]
            for j in range(d):
                total += square * g_d[s, max(i, j), min(i, j)] * (x[i] * x[j] + cov[i, j])
        residual[s] = total
    m_e[:] = 0.0
    u, cov_v, cov_u = np.empty(q), np.empty((q, q)), np.empty((q, q))
    widest = work[7].shape[0]
    f, h, met, x_met = np.empty((q, widest)), np.empty((q, widest)), np.empty((widest, widest)), np.empty(widest)
    run = 0
    for level in range(g_e.shape[1]):
        start, width = ptr[level], ptr[level + 1] - ptr[level]
        if level == runs[run]:
            # Levels of a run meet the same dense columns.
            run += 1
            for i in range(width):
                x_met[i] = x[cols[start + i]]
                for j in range(width):
                    met[i, j] = cov[cols[start + i], cols[start + j]]
        factor_level(arrays[2][level], arrays[3][level], r_scale, c_e, q, e, gc, t)
        # f = (e e')^-1 C'V, so that v_level = (e e')^-1 C'r - f w_dense in expectation.
        for i in range(q - 1, -1, -1):
            inverse = 1.0 / e[i, i]
            for m in range(width):
                t[i] -= y[i, start + m] * x_met[m]
                f[i, m] = y[i, start + m] * inverse
            for k in range(i + 1, q):
                for m in range(width):
                    f[i, m] -= e[k, i] * inverse * f[k, m]
        _solve_upper(e, t, q)
        for i in range(q):
            for j in range(q):
                cov_v[j, i] = 1.0 if i == j else 0.0
            _solve(e, cov_v[:, i], q)
        # h = -Cov(v_level, w_dense).
        for i in range(q):
            h[i, :width] = 0.0
            for j in range(width):
                weight = f[i, j]
                for m in range(width):
                    h[i, m] += weight * met[j, m]
        for i in range(q):
            for j in range(q):
                for m in range(width):
                    cov_v[i, j] += h[i, m] * f[j, m]
                m_e[i, j] += cov_v[i, j] + t[i] * t[j]
            m_e[i, i] -= 1.0
        for i in range(q):
            u[i] = 0.0
            for k in range(i + 1):
                u[i] += c_e[i, k] * t[k]
            for j in range(q):
                total = 0.0
                for k in range(i + 1):
                    for m in range(j + 1):
                        total += c_e[i, k] * cov_v[k, m] * c_e[j, m]
                cov_u[i, j] = total
        for i in range(q):
            for s in range(n_strata):
                residual[s] -= 2.0 * unit * u[i] * r_e[s, level, i]
                for j in range(q):
                    residual[s] += square * g_e[s, level, i, j] * (u[i] * u[j] + cov_u[i, j])
            for m in range(width):
                cross = u[i] * x_met[m]
                for k in range(i + 1):
                    cross -= c_e[i, k] * h[k, m]
                for s in range(n_strata):
                    residual[s] += 2.0 * square * v[s, i, start + m] * cross
    return value
