"""Compiled inner loops of the collapsed engine: marginal log likelihood and exact draws of the coefficients.

Every function works on one table of normal equations (``Equations.kernel``) and on hyperparameters in their natural
units. The coefficients are w = C v with v ~ Normal(offset, I) and C block diagonal; given the hyperparameters the
precision of v is A = I + C'GC, with G the cross-products weighted by the residual precisions. The levels of the
eliminated factor are independent given everything else, so A is reduced to its dense part by a Schur complement, one
level at a time; neighbouring levels that meet the same dense columns are summed before they are taken off.

With one residual SD, G is left alone and C is divided by it; with several, G is weighted and summed first.

Letters: S residual strata, d dense columns, L levels and q columns of the eliminated factor, N sets of
hyperparameters.
"""

from __future__ import annotations

import numpy as np

from alliance_bayes.compiled import njit
from alliance_bayes.engines.collapsed.scaling import scale_columns, scale_matrix, scale_vector

__all__ = [
    "FAST",
    "combine",
    "draw_coefficients",
    "factor_level",
    "log_likelihood",
    "log_likelihoods",
    "reduce_dense",
    "workspace",
]

# Sums may be reordered (vector registers), but infinities and NaN keep their meaning: they are tested for.
FAST = {"reassoc", "contract", "nsz", "arcp"}


@njit(cache=True, nogil=True, fastmath=FAST)
def _cholesky(a, d):  # type: ignore[no-untyped-def]
    """Lower Cholesky factor in place (upper triangle untouched); log determinant, or infinity when not positive."""
    log_det = 0.0
    for i in range(d):
        for j in range(i):
            total = a[i, j]
            for k in range(j):
                total -= a[i, k] * a[j, k]
            a[i, j] = total / a[j, j]
        total = a[i, i]
        for k in range(i):
            total -= a[i, k] * a[i, k]
        if not total > 0.0:
            return np.inf
        a[i, i] = np.sqrt(total)
        log_det += np.log(total)
    return log_det


@njit(cache=True, nogil=True, fastmath=FAST)
def factor_level(g, r, r_scale, ce, q, e, gc, t):  # type: ignore[no-untyped-def]
    """Factor one level's block: e <- Cholesky of I + C'GC, t <- e^-1 C'r. Returns its log determinant."""
    if q == 2:
        # A level and a slope are the rule, and loops over two terms cost more than what they do.
        g0, g1 = g[0, 0] * ce[0, 0] + g[0, 1] * ce[1, 0], g[0, 1] * ce[0, 0] + g[1, 1] * ce[1, 0]
        first = 1.0 + (ce[0, 0] * g0 + ce[1, 0] * g1)
        if not first > 0.0:
            return np.inf
        e[0, 0] = np.sqrt(first)
        e[1, 0] = ce[1, 1] * g1 / e[0, 0]
        second = 1.0 + ce[1, 1] * ce[1, 1] * g[1, 1] - e[1, 0] * e[1, 0]
        if not second > 0.0:
            return np.inf
        e[1, 1] = np.sqrt(second)
        t[0] = r_scale * (ce[0, 0] * r[0] + ce[1, 0] * r[1]) / e[0, 0]
        t[1] = (r_scale * ce[1, 1] * r[1] - e[1, 0] * t[0]) / e[1, 1]
        return np.log(first) + np.log(second)
    for i in range(q):
        for j in range(q):
            total = 0.0
            for k in range(j, q):
                total += g[i, k] * ce[k, j]
            gc[i, j] = total
    for i in range(q):
        for j in range(i + 1):
            total = 1.0 if i == j else 0.0
            for k in range(i, q):
                total += ce[k, i] * gc[k, j]
            e[i, j] = total
    log_det = _cholesky(e, q)
    for i in range(q):
        total = 0.0
        for k in range(i, q):
            total += ce[k, i] * r[k]
        total *= r_scale
        for k in range(i):
            total -= e[i, k] * t[k]
        t[i] = total / e[i, i]
    return log_det


@njit(cache=True, nogil=True)
def combine(sigma, tau, ce, fixed, group, strata, c, c_e):  # type: ignore[no-untyped-def]
    """Column scales of one set of hyperparameters, and the arrays that they go with.

    Returns ``(g_d, r_d, g_e, r_e, v)`` without strata, and the factor of the outcome's cross-products. With one
    stratum the arrays are those given, and scales and outcome are divided by the residual SD.
    """
    g_d, r_d, g_e, r_e, v = strata
    alone = sigma.shape[0] == 1
    size = 1.0 / sigma[0] if alone else 1.0
    for i in range(fixed.shape[0]):
        c[i] = size * fixed[i] * (1.0 if group[i] < 0 else tau[group[i]])
    for i in range(ce.shape[0]):
        for j in range(i + 1):
            c_e[i, j] = size * ce[i, j]
    if alone:
        return (g_d[0], r_d[0], g_e[0], r_e[0], v[0]), size
    w = 1.0 / (sigma[0] * sigma[0])
    sums = (w * g_d[0], w * r_d[0], w * g_e[0], w * r_e[0], w * v[0])
    for s in range(1, sigma.shape[0]):
        w = 1.0 / (sigma[s] * sigma[s])
        sums[0][:] += w * g_d[s]
        sums[1][:] += w * r_d[s]
        sums[2][:] += w * g_e[s]
        sums[3][:] += w * r_e[s]
        sums[4][:] += w * v[s]
    return sums, 1.0


@njit(cache=True, nogil=True, fastmath=FAST)
def reduce_dense(arrays, r_scale, c, k_dense, ce, pattern, blocks, offset, keep, work):  # type: ignore[no-untyped-def]
    """Cholesky factor of the Schur complement, and its whitened right-hand side, in ``work``.

    Returns the log determinant of A (infinite where A is not positive) and the squared length of the whitened
    right-hand side of all columns. With ``keep``, each level's e^-1 C'V stays in ``work`` too.
    """
    g_d, r_d, g_e, r_e, v = arrays
    ptr, cols, runs, _ = pattern
    a, b, e, gc, t, y, buffer, side = work
    d, q = g_d.shape[0], g_e.shape[1]
    for i in range(d):
        b[i] = r_scale * r_d[i]
        for j in range(i + 1):
            a[i, j] = g_d[i, j]
    log_det, square = 0.0, 0.0
    for run in range(runs.shape[0] - 1):
        first = ptr[runs[run]]
        width = ptr[runs[run] + 1] - first
        for m in range(width):
            side[m] = 0.0
            for j in range(m + 1):
                buffer[m, j] = 0.0
        for level in range(runs[run], runs[run + 1]):
            part = factor_level(g_e[level], r_e[level], r_scale, ce, q, e, gc, t)
            if part == np.inf:
                return np.inf, 0.0
            log_det += part
            start = ptr[level]
            at = start if keep else 0
            if q == 2:
                lead, inverse = 1.0 / e[0, 0], 1.0 / e[1, 1]
                for m in range(width):
                    y[0, at + m] = (ce[0, 0] * v[0, start + m] + ce[1, 0] * v[1, start + m]) * lead
                    y[1, at + m] = (ce[1, 1] * v[1, start + m] - e[1, 0] * y[0, at + m]) * inverse
                for m in range(width):
                    y0, y1 = y[0, at + m], y[1, at + m]
                    side[m] += y0 * t[0] + y1 * t[1]
                    for j in range(m + 1):
                        buffer[m, j] += y0 * y[0, at + j] + y1 * y[1, at + j]
                square += t[0] * t[0] + t[1] * t[1]
                continue
            for i in range(q):
                inverse = 1.0 / e[i, i]
                for m in range(width):
                    y[i, at + m] = ce[i, i] * v[i, start + m]
                for k in range(i + 1, q):
                    for m in range(width):
                        y[i, at + m] += ce[k, i] * v[k, start + m]
                for k in range(i):
                    for m in range(width):
                        y[i, at + m] -= e[i, k] * y[k, at + m]
                for m in range(width):
                    y[i, at + m] *= inverse
                square += t[i] * t[i]
            for i in range(q):
                for m in range(width):
                    value = y[i, at + m]
                    side[m] += value * t[i]
                    for j in range(m + 1):
                        buffer[m, j] += value * y[i, at + j]
        for m in range(width):
            row = cols[first + m]
            b[row] -= side[m]
            for j in range(m + 1):
                a[row, cols[first + j]] -= buffer[m, j]
    scale_matrix(a, c, blocks, k_dense, d)
    scale_vector(b, c, blocks, k_dense, d)
    for i in range(d):
        a[i, i] += 1.0
        b[i] += offset[i]
    part = _cholesky(a, d)
    if part == np.inf:
        return np.inf, 0.0
    for i in range(d):
        total = b[i]
        for k in range(i):
            total -= a[i, k] * b[k]
        b[i] = total / a[i, i]
        square += b[i] * b[i]
    return log_det + part, square


@njit(cache=True, nogil=True)
def workspace(d, q, ptr, keep):  # type: ignore[no-untyped-def]
    """Arrays that one call reuses for all its sets of hyperparameters."""
    widest = 0
    for level in range(ptr.shape[0] - 1):
        widest = max(widest, ptr[level + 1] - ptr[level])
    return (
        np.zeros((d, d)),
        np.empty(d),
        np.zeros((q, q)),
        np.zeros((q, q)),
        np.zeros(q),
        np.empty((q, ptr[-1] if keep else widest)),
        np.zeros((widest, widest)),
        np.zeros(widest),
    )


@njit(cache=True, nogil=True)
def log_likelihood(sigma, n, rss, offset, log_det, square):  # type: ignore[no-untyped-def]
    """Log likelihood from what :func:`reduce_dense` returns; -inf where that is not finite."""
    constant, total = 0.0, 0.0
    for i in range(offset.shape[0]):
        total += offset[i] * offset[i]
    for s in range(sigma.shape[0]):
        constant -= n[s] * (np.log(sigma[s]) + 0.9189385332046727)
        total += rss[s] / (sigma[s] * sigma[s])
    value = constant - 0.5 * log_det - 0.5 * (total - square)
    return value if np.isfinite(value) else -np.inf


@njit(cache=True, nogil=True)
def log_likelihoods(sigma, tau, k_dense, ce, n, rss, fixed, group, kernel, out):  # type: ignore[no-untyped-def]
    """Marginal log likelihood of each set of hyperparameters, written to ``out`` (N,); -inf where not computable.

    ``sigma`` (N, S), ``tau`` (N, T), ``k_dense`` (N, B, q, q) and ``ce`` (N, q, q) are the scales; ``n`` and ``rss``
    (S,) count rows and squares by stratum.
    """
    strata, pattern, blocks, offset = kernel
    d, q = strata[0].shape[1], strata[2].shape[2]
    work = workspace(d, q, pattern[0], False)
    c, c_e = np.empty(d), np.zeros((q, q))
    for i in range(sigma.shape[0]):
        arrays, r_scale = combine(sigma[i], tau[i], ce[i], fixed, group, strata, c, c_e)
        log_det, square = reduce_dense(arrays, r_scale, c, k_dense[i], c_e, pattern, blocks, offset, False, work)
        out[i] = log_likelihood(sigma[i], n, rss, offset, log_det, square)


@njit(cache=True, nogil=True, fastmath=FAST)
def draw_coefficients(sigma, tau, k_dense, ce, fixed, group, kernel, dense, eliminated):  # type: ignore[no-untyped-def]
    """One exact draw of the coefficients for each set of hyperparameters.

    ``dense`` (N, d) and ``eliminated`` (N, L, q) come as standard normal draws and leave as draws of the coefficients.
    """
    strata, pattern, blocks, offset = kernel
    ptr, cols, _, order = pattern
    d, q, levels = strata[0].shape[1], strata[2].shape[2], strata[2].shape[1]
    work = workspace(d, q, ptr, True)
    a, b, e, gc, t, y = work[0], work[1], work[2], work[3], work[4], work[5]
    c, c_e, x = np.empty(d), np.zeros((q, q)), np.empty(d)
    for i in range(sigma.shape[0]):
        arrays, r_scale = combine(sigma[i], tau[i], ce[i], fixed, group, strata, c, c_e)
        reduce_dense(arrays, r_scale, c, k_dense[i], c_e, pattern, blocks, offset, True, work)
        unit = sigma[i, 0] if sigma.shape[1] == 1 else 1.0
        for j in range(d - 1, -1, -1):
            total = b[j] + dense[i, j]
            for k in range(j + 1, d):
                total -= a[k, j] * x[k]
            x[j] = total / a[j, j]
        scale_columns(x, c, blocks, k_dense[i], d)
        for j in range(d):
            dense[i, j] = unit * x[j]
        for level in range(levels):
            to = order[level]
            factor_level(arrays[2][level], arrays[3][level], r_scale, c_e, q, e, gc, t)
            for j in range(q):
                total = t[j] + eliminated[i, to, j]
                for m in range(ptr[level], ptr[level + 1]):
                    total -= y[j, m] * x[cols[m]]
                t[j] = total
            for j in range(q - 1, -1, -1):
                total = t[j]
                for k in range(j + 1, q):
                    total -= e[k, j] * t[k]
                t[j] = total / e[j, j]
            for j in range(q):
                total = 0.0
                for k in range(j + 1):
                    total += c_e[j, k] * t[k]
                eliminated[i, to, j] = unit * total
