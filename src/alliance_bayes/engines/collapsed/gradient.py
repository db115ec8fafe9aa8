"""Compiled gradient of the marginal log density, from moments of the coefficients given the hyperparameters.

By Fisher's identity it is the posterior expectation of the gradient of the complete-data log density, which needs first
and second moments of the coefficients only.
"""

from __future__ import annotations

import numpy as np

from alliance_bayes.compiled import njit
from alliance_bayes.engines.collapsed.hyper import log_prior_of, prior_slope, scales_at
from alliance_bayes.engines.collapsed.kernels import (
    FAST,
    NOTHING,
    at_theta,
    combine,
    log_likelihood,
    reduce_dense,
    room_for,
    scale_columns,
    scratch_for,
)
from alliance_bayes.engines.correlation import add_root_slope

__all__ = ["expected_moments", "gradient_from", "log_density_and_gradient"]


@njit(cache=True, nogil=True)
def log_density_and_gradient(theta, sizes, place, prior, n, squares, fixed, group, kernel, alone, starts, out):  # type: ignore[no-untyped-def]
    """Log density of one theta, and whether it has its digits; if so, the gradient is written to ``out``."""
    strata, pattern, blocks, offset = kernel
    d, q = strata[0].shape[1], strata[2].shape[2]
    factors, scratch = room_for(d, q, pattern[0], True), scratch_for(d, q, pattern[0])
    sigma, tau, roots, k_dense, ce = at_theta(sizes, place)
    c, c_e = np.empty(d), np.zeros((q, q))
    before = log_prior_of(theta, prior[0], prior[1], prior[2])
    if not np.isfinite(before):
        out[:] = 0.0
        return -np.inf, True
    scales_at(theta, place, sigma, tau, roots, k_dense, ce)
    arrays, r_scale = combine(sigma, tau, ce, fixed, group, strata, pattern[0], c, c_e)
    log_det, square, shares, length = reduce_dense(
        arrays, r_scale, c, k_dense, c_e, pattern, blocks, offset, True, factors, scratch
    )
    value, sure = log_likelihood(sigma, n, squares, offset, log_det, square, shares, length, NOTHING)
    if sure:
        unit = sigma[0] if sigma.shape[0] == 1 else 1.0
        expected = expected_moments(factors, c, k_dense, c_e, unit, pattern, blocks, d, q)
        residual = _residual(expected, strata, squares, unit, pattern)
        gradient_from(theta, sigma, tau, roots, n, residual, expected, place, prior, group, alone, starts, out)
    return before + value, sure


@njit(cache=True, nogil=True)
def gradient_from(theta, sigma, tau, roots, n, residual, expected, place, prior, group, alone, starts, out):  # type: ignore[no-untyped-def]
    """Gradient, from the expected residual sums of squares (S,) and what :func:`expected_moments` returns.

    ``alone`` says of which scales (T,) columns are dense and independent; ``starts`` (B, 3) where the dense correlated
    factors' columns and scales start, and how many levels they have.
    """
    widths, dense, first, eliminated = place
    mean, second, m_e = expected[0], expected[1], expected[2]
    strata, d, q = sigma.shape[0], mean.shape[0], m_e.shape[0]
    prior_slope(theta, prior[0], prior[1], prior[2], out)
    for s in range(strata):
        out[s] += residual[s] / sigma[s] / sigma[s] - n[s]
    for i in range(d):
        if group[i] >= 0 and alone[group[i]]:
            out[strata + group[i]] += second[i, i] + mean[i] * mean[i] - 1.0
    if first >= 0 and eliminated < 0:
        for i in range(q):
            out[strata + first + i] += m_e[i, i]
    free = prior[0]
    for f in range(widths.shape[0]):
        terms = widths[f]
        m = np.zeros((terms, terms))
        at = first
        if f == eliminated:
            for i in range(terms):
                for j in range(terms):
                    m[i, j] = m_e[i, j]
        for b in range(dense.shape[0]):
            if dense[b] == f:
                start, at = starts[b, 0], starts[b, 1]
                for level in range(starts[b, 2]):
                    for i in range(terms):
                        for j in range(terms):
                            row, column = start + level * terms + i, start + level * terms + j
                            m[i, j] += second[row, column] + mean[row] * mean[column]
                        m[i, i] -= 1.0
        root = roots[f]
        # weight = (root')^-1 m', so that sum(weight * change of root) is the trace of m root^-1 (change of root).
        weight = np.empty((terms, terms))
        for j in range(terms):
            for i in range(terms - 1, -1, -1):
                weight[i, j] = m[j, i]
                for k in range(i + 1, terms):
                    weight[i, j] -= root[k, i] * weight[k, j]
                weight[i, j] /= root[i, i]
        for i in range(terms):
            for j in range(i + 1):
                out[strata + at + i] += weight[i, j] * root[i, j]
        add_root_slope(theta[free:], root, weight, terms, out[free:])
        free += terms * (terms - 1) // 2


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
def _inverse(lower, d):  # type: ignore[no-untyped-def]
    """(L L')^-1, from L^-1; rows of that are taken four at a time, which keeps sums in registers."""
    w, out = np.zeros((d, d)), np.zeros((d, d))
    for i in range(d):
        whole = i - i % 4
        for k in range(0, whole, 4):
            l0, l1, l2, l3 = lower[i, k], lower[i, k + 1], lower[i, k + 2], lower[i, k + 3]
            for j in range(k + 4):
                w[i, j] += (l0 * w[k, j] + l1 * w[k + 1, j]) + (l2 * w[k + 2, j] + l3 * w[k + 3, j])
        for k in range(whole, i):
            for j in range(k + 1):
                w[i, j] += lower[i, k] * w[k, j]
        over = 1.0 / lower[i, i]
        for j in range(i):
            w[i, j] *= -over
        w[i, i] = over
    whole = d - d % 4
    for k in range(0, whole, 4):
        for i in range(k + 4):
            w0, w1, w2, w3 = w[k, i], w[k + 1, i], w[k + 2, i], w[k + 3, i]
            for j in range(i + 1):
                out[i, j] += (w0 * w[k, j] + w1 * w[k + 1, j]) + (w2 * w[k + 2, j] + w3 * w[k + 3, j])
    for k in range(whole, d):
        for i in range(k + 1):
            for j in range(i + 1):
                out[i, j] += w[k, i] * w[k, j]
    for i in range(d):
        for j in range(i):
            out[j, i] = out[i, j]
    return out


@njit(cache=True, nogil=True, fastmath=FAST)
def expected_moments(factors, c, k_dense, c_e, unit, pattern, blocks, d, q):  # type: ignore[no-untyped-def]
    """Moments of the coefficients given all ``factors``.

    Returns ``mean`` (d,) and covariance ``second`` (d, d) of the dense v (coefficients in prior SDs); ``m_e`` (q, q),
    the sum over eliminated levels of E[v v'] - I; ``x`` (d,) and ``cov`` (d, d), mean and covariance of the dense
    coefficients over ``unit``; and of the eliminated levels' coefficients over ``unit`` the means ``u`` (L, q),
    covariances ``cov_u`` (L, q, q) and minus those with the dense columns that they meet, ``h`` (q, nnz).
    """
    ptr, cols, runs, _ = pattern
    a, b, e, t, y = factors
    levels = e.shape[0]
    mean, second = b.copy(), _inverse(a, d)
    _solve_upper(a, mean, d)
    # The same over C, which is in units of the coefficients but for ``unit``.
    x, cov = mean.copy(), second.copy()
    scale_columns(x, c, blocks, k_dense, d)
    for i in range(d):
        scale_columns(cov[i], c, blocks, k_dense, d)
    # From the left by rows of the transpose, for memory is read along rows.
    for i in range(d):
        for j in range(i):
            cov[i, j], cov[j, i] = cov[j, i], cov[i, j]
    for i in range(d):
        scale_columns(cov[i], c, blocks, k_dense, d)
    m_e, u, cov_u, h = np.zeros((q, q)), np.empty((levels, q)), np.empty((levels, q, q)), np.empty((q, ptr[-1]))
    widest = 0
    for level in range(levels):
        widest = max(widest, ptr[level + 1] - ptr[level])
    v_level, cov_v = np.empty(q), np.empty((q, q))
    f, met, x_met = np.empty((q, widest)), np.empty((widest, widest)), np.empty(widest)
    run = 0
    for level in range(levels):
        start, width = ptr[level], ptr[level + 1] - ptr[level]
        if level == runs[run]:
            # Levels of a run meet the same dense columns.
            run += 1
            for i in range(width):
                x_met[i] = x[cols[start + i]]
                for j in range(width):
                    met[i, j] = cov[cols[start + i], cols[start + j]]
        el, y_own, h_own = e[level], y[:, start : start + width], h[:, start : start + width]
        # f = (e e')^-1 C'V, so that v_level = (e e')^-1 C'r - f w_dense in expectation.
        for i in range(q - 1, -1, -1):
            over = 1.0 / el[i, i]
            total = t[level, i]
            for m in range(width):
                total -= y_own[i, m] * x_met[m]
                f[i, m] = y_own[i, m] * over
            v_level[i] = total
            for k in range(i + 1, q):
                weight = el[k, i] * over
                for m in range(width):
                    f[i, m] -= weight * f[k, m]
        _solve_upper(el, v_level, q)
        for i in range(q):
            for j in range(q):
                cov_v[i, j] = 1.0 if i == j else 0.0
            _solve(el, cov_v[i], q)
        # h = -Cov(v_level, w_dense), C times it in the end.
        for i in range(q):
            for m in range(width):
                h_own[i, m] = 0.0
            for j in range(width):
                weight = f[i, j]
                for m in range(width):
                    h_own[i, m] += weight * met[j, m]
        for i in range(q):
            for j in range(q):
                total = cov_v[i, j]
                for m in range(width):
                    total += h_own[i, m] * f[j, m]
                cov_v[i, j] = total
                m_e[i, j] += total + v_level[i] * v_level[j]
            m_e[i, i] -= 1.0
        for i in range(q - 1, -1, -1):
            u[level, i] = 0.0
            for k in range(i + 1):
                u[level, i] += c_e[i, k] * v_level[k]
            for j in range(q):
                total = 0.0
                for k in range(i + 1):
                    for m in range(j + 1):
                        total += c_e[i, k] * cov_v[k, m] * c_e[j, m]
                cov_u[level, i, j] = total
            for m in range(width):
                h_own[i, m] *= c_e[i, i]
            for k in range(i):
                for m in range(width):
                    h_own[i, m] += c_e[i, k] * h_own[k, m]
    return mean, second, m_e, x, cov, u, cov_u, h


@njit(cache=True, nogil=True, fastmath=FAST)
def _residual(expected, strata, squares, unit, pattern):  # type: ignore[no-untyped-def]
    """Expected residual sum of squares of each stratum (S,), from the cross-products."""
    g_d, r_d, g_e, r_e, v, met_d, met_e = strata
    ptr, cols = pattern[0], pattern[1]
    _, _, _, x, cov, u, cov_u, h = expected
    n_strata, q = g_d.shape[0], g_e.shape[2]
    out, square = np.empty(n_strata), unit * unit
    for s in range(n_strata):
        linear, quadratic = 0.0, 0.0
        first, spans = met_d
        for row in range(first[s], first[s + 1]):
            for i in range(spans[row, 0], spans[row, 1]):
                linear += x[i] * r_d[s, i]
                for column in range(first[s], row + 1):
                    for j in range(spans[column, 0], min(spans[column, 1], i)):
                        quadratic += 2.0 * g_d[s, i, j] * (x[i] * x[j] + cov[i, j])
                quadratic += g_d[s, i, i] * (x[i] * x[i] + cov[i, i])
        first, spans = met_e
        for span in range(first[s], first[s + 1]):
            for level in range(spans[span, 0], spans[span, 1]):
                for i in range(q):
                    linear += u[level, i] * r_e[s, level, i]
                    for j in range(q):
                        quadratic += g_e[s, level, i, j] * (u[level, i] * u[level, j] + cov_u[level, i, j])
                    start, width = ptr[level], ptr[level + 1] - ptr[level]
                    v_own, h_own, met = v[s, i, start:], h[i, start:], cols[start:]
                    for m in range(width):
                        quadratic += 2.0 * v_own[m] * (u[level, i] * x[met[m]] - h_own[m])
        out[s] = squares[s, 0] - 2.0 * unit * linear + square * quadratic
    return out
