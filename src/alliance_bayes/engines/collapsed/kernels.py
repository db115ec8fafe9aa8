"""Compiled inner loops of the collapsed engine: marginal log likelihood and exact draws of the coefficients.

Every function works on one table of normal equations (``Equations.kernel``) and on hyperparameters in their natural
units. The coefficients are w = C v with v ~ Normal(offset, I) and C block diagonal; given the hyperparameters the
precision of v is A = I + C'GC, with G the cross-products weighted by the residual precisions. The levels of the
eliminated factor are independent given everything else, so A is reduced to its dense part by a Schur complement, one
level at a time; neighbouring levels that meet the same dense columns are summed before they are taken off.

With one residual SD, G is left alone and C is divided by it; with several, G is weighted and summed first.

Cross-products lose digits where a residual SD is small beside what the coefficients explain. Each evaluation estimates
what rounding has done to it, and says so where that is too much; :mod:`alliance_bayes.engines.collapsed.orthogonal`
then does the same from the rows.

Letters: S residual strata, d dense columns, L levels and q columns of the eliminated factor, N sets of
hyperparameters.
"""

from __future__ import annotations

import numpy as np

from alliance_bayes.compiled import njit
from alliance_bayes.engines.collapsed.hyper import log_prior_of, scales_at

__all__ = [
    "FAST",
    "NOTHING",
    "at_theta",
    "columns_of",
    "combine",
    "draw_coefficients",
    "draw_given",
    "log_densities",
    "log_likelihood",
    "log_scale",
    "reduce_dense",
    "room_for",
    "scale_columns",
    "scale_matrix",
    "scale_vector",
    "scratch_for",
]


# Sums may be reordered (vector registers), but infinities and NaN keep their meaning: they are tested for.
FAST = {"reassoc", "contract", "nsz", "arcp"}
# What rounding may change of a log likelihood, and of every row (a log likelihood may be next to zero), by an estimate
# that is some ten times the error or more; and what is nothing to gradients and draws.
_PRECISE, NOTHING = 3e-10, 1e-6
_EPS = 2.220446049250313e-16


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
def _factor_level(g, r, r_scale, ce, q, e, gc, t):  # type: ignore[no-untyped-def]
    """Factor one level's block: e <- Cholesky of I + C'GC, t <- e^-1 C'r.

    Returns its log determinant, and the largest share that a diagonal element was of what the others left of it.
    """
    if q == 2:
        # A level and a slope are the rule, and loops over two terms cost more than what they do.
        g0, g1 = g[0, 0] * ce[0, 0] + g[0, 1] * ce[1, 0], g[0, 1] * ce[0, 0] + g[1, 1] * ce[1, 0]
        first = 1.0 + (ce[0, 0] * g0 + ce[1, 0] * g1)
        if not first > 0.0:
            return np.inf, 1.0
        e[0, 0] = np.sqrt(first)
        e[1, 0] = ce[1, 1] * g1 / e[0, 0]
        whole = 1.0 + ce[1, 1] * ce[1, 1] * g[1, 1]
        second = whole - e[1, 0] * e[1, 0]
        if not second > 0.0:
            return np.inf, 1.0
        e[1, 1] = np.sqrt(second)
        t[0] = r_scale * (ce[0, 0] * r[0] + ce[1, 0] * r[1]) / e[0, 0]
        t[1] = (r_scale * ce[1, 1] * r[1] - e[1, 0] * t[0]) / e[1, 1]
        return np.log(first) + np.log(second), max(1.0, whole / second)
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
    for i in range(q):
        gc[i, 0] = e[i, i]
    log_det = _cholesky(e, q)
    share = 1.0
    for i in range(q):
        total = 0.0
        for k in range(i, q):
            total += ce[k, i] * r[k]
        total *= r_scale
        for k in range(i):
            total -= e[i, k] * t[k]
        t[i] = total / e[i, i]
        share = max(share, gc[i, 0] / (e[i, i] * e[i, i]))
    return log_det, share


@njit(cache=True, nogil=True)
def columns_of(tau, ce, fixed, group, size, c, c_e):  # type: ignore[no-untyped-def]
    """Scales of the dense columns, and the root of the eliminated factor's covariance, times ``size``."""
    for i in range(fixed.shape[0]):
        c[i] = size * fixed[i] * (1.0 if group[i] < 0 else tau[group[i]])
    for i in range(ce.shape[0]):
        for j in range(i + 1):
            c_e[i, j] = size * ce[i, j]


@njit(cache=True, nogil=True)
def combine(sigma, tau, ce, fixed, group, strata, ptr, c, c_e):  # type: ignore[no-untyped-def]
    """Column scales of one set of hyperparameters, and the arrays that they go with.

    Returns ``(g_d, r_d, g_e, r_e, v)`` without strata (of ``g_d`` the lower triangle), and the factor of the outcome's
    cross-products. With one stratum the arrays are those given, and scales and outcome are divided by the residual SD.
    """
    g_d, r_d, g_e, r_e, v, met_d, met_e = strata
    alone = sigma.shape[0] == 1
    size = 1.0 / sigma[0] if alone else 1.0
    columns_of(tau, ce, fixed, group, size, c, c_e)
    if alone:
        return (g_d[0], r_d[0], g_e[0], r_e[0], v[0]), size
    a, b = np.zeros(g_d.shape[1:]), np.zeros(r_d.shape[1:])
    e, t, y = np.zeros(g_e.shape[1:]), np.zeros(r_e.shape[1:]), np.zeros(v.shape[1:])
    q = g_e.shape[2]
    for s in range(sigma.shape[0]):
        w = 1.0 / (sigma[s] * sigma[s])
        first, spans = met_d
        for row in range(first[s], first[s + 1]):
            for i in range(spans[row, 0], spans[row, 1]):
                b[i] += w * r_d[s, i]
                for column in range(first[s], row + 1):
                    for j in range(spans[column, 0], min(spans[column, 1], i + 1)):
                        a[i, j] += w * g_d[s, i, j]
        first, spans = met_e
        for span in range(first[s], first[s + 1]):
            for level in range(spans[span, 0], spans[span, 1]):
                for i in range(q):
                    t[level, i] += w * r_e[s, level, i]
                    for j in range(q):
                        e[level, i, j] += w * g_e[s, level, i, j]
            for i in range(q):
                for m in range(ptr[spans[span, 0]], ptr[spans[span, 1]]):
                    y[i, m] += w * v[s, i, m]
    return (a, b, e, t, y), 1.0


@njit(cache=True, nogil=True, fastmath=FAST)
def reduce_dense(arrays, r_scale, c, k_dense, ce, pattern, blocks, offset, keep, factors, scratch):  # type: ignore[no-untyped-def]
    """Cholesky factor of the Schur complement, and its whitened right-hand side, in ``factors``.

    Returns the log determinant of A (infinite where A is not positive), the squared length of the whitened right-hand
    side of all columns, and two measures of what rounding may have done: to the log determinant in units of machine
    precision, and the length of the solution, each element in units of its own diagonal element. With ``keep``, each
    level's factor, right-hand side and e^-1 C'V stay in ``factors`` too.
    """
    g_d, r_d, g_e, r_e, v = arrays
    ptr, cols, runs, _ = pattern
    a, b, e, t, y = factors
    gc, buffer, side, whole, x = scratch
    d, q = g_d.shape[0], g_e.shape[1]
    for i in range(d):
        b[i] = r_scale * r_d[i]
        for j in range(i + 1):
            a[i, j] = g_d[i, j]
        whole[i] = np.sqrt(g_d[i, i])
    log_det, square, shares, length = 0.0, 0.0, 0.0, 0.0
    for run in range(runs.shape[0] - 1):
        first = ptr[runs[run]]
        width = ptr[runs[run] + 1] - first
        for m in range(width):
            side[m] = 0.0
            for j in range(m + 1):
                buffer[m, j] = 0.0
        for level in range(runs[run], runs[run + 1]):
            slot = level if keep else 0
            el, tl = e[slot], t[slot]
            part, share = _factor_level(g_e[level], r_e[level], r_scale, ce, q, el, gc, tl)
            if part == np.inf:
                return np.inf, 0.0, np.inf, np.inf
            log_det += part
            shares += share
            for i in range(q):
                length += share * tl[i] * tl[i]
            start = ptr[level]
            at = start if keep else 0
            if q == 2:
                lead, inverse = 1.0 / el[0, 0], 1.0 / el[1, 1]
                for m in range(width):
                    y[0, at + m] = (ce[0, 0] * v[0, start + m] + ce[1, 0] * v[1, start + m]) * lead
                    y[1, at + m] = (ce[1, 1] * v[1, start + m] - el[1, 0] * y[0, at + m]) * inverse
                for m in range(width):
                    y0, y1 = y[0, at + m], y[1, at + m]
                    side[m] += y0 * tl[0] + y1 * tl[1]
                    for j in range(m + 1):
                        buffer[m, j] += y0 * y[0, at + j] + y1 * y[1, at + j]
                square += tl[0] * tl[0] + tl[1] * tl[1]
                continue
            for i in range(q):
                inverse = 1.0 / el[i, i]
                for m in range(width):
                    y[i, at + m] = ce[i, i] * v[i, start + m]
                for k in range(i + 1, q):
                    for m in range(width):
                        y[i, at + m] += ce[k, i] * v[k, start + m]
                for k in range(i):
                    for m in range(width):
                        y[i, at + m] -= el[i, k] * y[k, at + m]
                for m in range(width):
                    y[i, at + m] *= inverse
                square += tl[i] * tl[i]
            for i in range(q):
                for m in range(width):
                    value = y[i, at + m]
                    side[m] += value * tl[i]
                    for j in range(m + 1):
                        buffer[m, j] += value * y[i, at + j]
        for m in range(width):
            row = cols[first + m]
            b[row] -= side[m]
            for j in range(m + 1):
                a[row, cols[first + j]] -= buffer[m, j]
    scale_matrix(a, c, blocks, k_dense, d)
    scale_vector(b, c, blocks, k_dense, d)
    # Lengths of columns become bounds on those of the columns times C.
    scale_vector(whole, c, blocks, np.abs(k_dense), d)
    for i in range(d):
        a[i, i] += 1.0
        b[i] += offset[i]
    part = _cholesky(a, d)
    if part == np.inf:
        return np.inf, 0.0, np.inf, np.inf
    for i in range(d):
        total = b[i]
        for k in range(i):
            total -= a[i, k] * b[k]
        b[i] = total / a[i, i]
        square += b[i] * b[i]
        x[i] = b[i]
    for i in range(d - 1, -1, -1):
        x[i] /= a[i, i]
        for k in range(i):
            x[k] -= a[i, k] * x[i]
        root = np.sqrt(1.0 + whole[i] * whole[i])
        length += (x[i] * root) ** 2
        shares += (root / a[i, i]) ** 2
    return log_det + part, square, shares, length


@njit(cache=True, nogil=True)
def room_for(d, q, ptr, keep):  # type: ignore[no-untyped-def]
    """Arrays for factors and right-hand sides, of all eliminated levels or of one at a time."""
    widest, levels = 0, ptr.shape[0] - 1
    for level in range(levels):
        widest = max(widest, ptr[level + 1] - ptr[level])
    many = levels if keep else 1
    return (
        np.zeros((d, d)),
        np.empty(d),
        np.zeros((many, q, q)),
        np.zeros((many, q)),
        np.empty((q, ptr[-1] if keep else widest)),
    )


@njit(cache=True, nogil=True)
def scratch_for(d, q, ptr):  # type: ignore[no-untyped-def]
    """Arrays that one call reuses for all its sets of hyperparameters."""
    widest = 0
    for level in range(ptr.shape[0] - 1):
        widest = max(widest, ptr[level + 1] - ptr[level])
    return np.zeros((q, q)), np.zeros((widest, widest)), np.zeros(widest), np.zeros(d), np.zeros(d)


@njit(cache=True, nogil=True)
def log_scale(sigma, n):  # type: ignore[no-untyped-def]
    """What residual SDs alone add to the log likelihood: that of n rows without a residual."""
    total = 0.0
    for s in range(sigma.shape[0]):
        total -= n[s] * (np.log(sigma[s]) + 0.9189385332046727)
    return total


@njit(cache=True, nogil=True)
def log_likelihood(sigma, n, squares, offset, log_det, square, shares, length, nothing):  # type: ignore[no-untyped-def]
    """Log likelihood from what :func:`reduce_dense` returns, and whether rounding has left it its digits.

    Errors of less than ``nothing`` are none.
    """
    total, rows = 0.0, 0.0
    for i in range(offset.shape[0]):
        total += offset[i] * offset[i]
    size = total
    for s in range(sigma.shape[0]):
        rows += n[s]
        total += squares[s, 0] / (sigma[s] * sigma[s])
        size += squares[s, 1] / (sigma[s] * sigma[s])
    value = log_scale(sigma, n) - 0.5 * log_det - 0.5 * (total - square)
    # Every element of A and of b is off by machine precision times the roots of its row's and its column's diagonal
    # elements, one way or the other: so much reaches the squares through the solution, and the determinant through the
    # pivots.
    off = _EPS * (shares + size + length)
    return value, np.isfinite(value) and off <= max(nothing, _PRECISE * (abs(value) + rows))


@njit(cache=True, nogil=True, fastmath=FAST)
def draw_given(factors, c, k_dense, ce, unit, pattern, blocks, dense, eliminated, x):  # type: ignore[no-untyped-def]
    """From standard normal numbers to one draw of the coefficients, in place, given all ``factors``."""
    a, b, e, t, y = factors
    ptr, cols, _, order = pattern
    d, q = a.shape[0], e.shape[1]
    for j in range(d - 1, -1, -1):
        total = b[j] + dense[j]
        for k in range(j + 1, d):
            total -= a[k, j] * x[k]
        x[j] = total / a[j, j]
    scale_columns(x, c, blocks, k_dense, d)
    for j in range(d):
        dense[j] = unit * x[j]
    for level in range(order.shape[0]):
        to = order[level]
        for j in range(q):
            total = t[level, j] + eliminated[to, j]
            for m in range(ptr[level], ptr[level + 1]):
                total -= y[j, m] * x[cols[m]]
            t[level, j] = total
        for j in range(q - 1, -1, -1):
            total = t[level, j]
            for k in range(j + 1, q):
                total -= e[level, k, j] * t[level, k]
            t[level, j] = total / e[level, j, j]
        for j in range(q):
            total = 0.0
            for k in range(j + 1):
                total += ce[j, k] * t[level, k]
            eliminated[to, j] = unit * total


@njit(cache=True, nogil=True)
def at_theta(sizes, place):  # type: ignore[no-untyped-def]
    """Arrays for the scales of one theta, as :func:`scales_at` fills them."""
    strata, scales, q = sizes
    widths, dense = place[0], place[1]
    widest = 1
    for f in range(widths.shape[0]):
        widest = max(widest, widths[f])
    return (
        np.empty(strata),
        np.empty(scales),
        np.zeros((widths.shape[0], widest, widest)),
        np.zeros((dense.shape[0], widest, widest)),
        np.zeros((q, q)),
    )


@njit(cache=True, nogil=True)
def log_densities(theta, sizes, place, prior, n, squares, fixed, group, kernel, out, sure):  # type: ignore[no-untyped-def]
    """Log density of each theta (N, D), written to ``out`` (N,), and to ``sure`` whether it has its digits."""
    strata, pattern, blocks, offset = kernel
    d, q = strata[0].shape[1], strata[2].shape[2]
    factors, scratch = room_for(d, q, pattern[0], False), scratch_for(d, q, pattern[0])
    sigma, tau, roots, k_dense, ce = at_theta(sizes, place)
    c, c_e = np.empty(d), np.zeros((q, q))
    for i in range(theta.shape[0]):
        before = log_prior_of(theta[i], prior[0], prior[1], prior[2])
        if not np.isfinite(before):
            out[i], sure[i] = -np.inf, True
            continue
        scales_at(theta[i], place, sigma, tau, roots, k_dense, ce)
        arrays, r_scale = combine(sigma, tau, ce, fixed, group, strata, pattern[0], c, c_e)
        log_det, square, shares, length = reduce_dense(
            arrays, r_scale, c, k_dense, c_e, pattern, blocks, offset, False, factors, scratch
        )
        value, sure[i] = log_likelihood(sigma, n, squares, offset, log_det, square, shares, length, 0.0)
        out[i] = before + value


@njit(cache=True, nogil=True)
def draw_coefficients(theta, sizes, place, n, squares, fixed, group, kernel, dense, eliminated, sure):  # type: ignore[no-untyped-def]
    """One exact draw of the coefficients for each theta (N, D).

    ``dense`` (N, d) and ``eliminated`` (N, L, q) come as standard normal draws and leave as draws of the coefficients,
    but where ``sure`` says that cross-products do not have the digits: there they stay.
    """
    strata, pattern, blocks, offset = kernel
    d, q = strata[0].shape[1], strata[2].shape[2]
    factors, scratch = room_for(d, q, pattern[0], True), scratch_for(d, q, pattern[0])
    sigma, tau, roots, k_dense, ce = at_theta(sizes, place)
    c, c_e, x = np.empty(d), np.zeros((q, q)), np.empty(d)
    for i in range(theta.shape[0]):
        scales_at(theta[i], place, sigma, tau, roots, k_dense, ce)
        arrays, r_scale = combine(sigma, tau, ce, fixed, group, strata, pattern[0], c, c_e)
        log_det, square, shares, length = reduce_dense(
            arrays, r_scale, c, k_dense, c_e, pattern, blocks, offset, True, factors, scratch
        )
        sure[i] = log_likelihood(sigma, n, squares, offset, log_det, square, shares, length, NOTHING)[1]
        if sure[i]:
            unit = sigma[0] if sigma.shape[0] == 1 else 1.0
            draw_given(factors, c, k_dense, c_e, unit, pattern, blocks, dense[i], eliminated[i], x)


@njit(cache=True, nogil=True)
def scale_matrix(a, c, blocks, k_dense, d):  # type: ignore[no-untyped-def]
    """Overwrite a with C'aC for the dense columns (symmetric; the lower triangle is read and written)."""
    for i in range(d):
        for j in range(i + 1):
            a[i, j] *= c[i] * c[j]
    if blocks.shape[0] == 0:
        return
    for i in range(d):
        for j in range(i):
            a[j, i] = a[i, j]
    for b in range(blocks.shape[0]):
        start, levels, q = blocks[b, 0], blocks[b, 1], blocks[b, 2]
        for level in range(levels):
            at = start + level * q
            # Columns, then rows: the factor is lower triangular, so ascending order never reads what it has written.
            for i in range(d):
                for j in range(q):
                    total = 0.0
                    for k in range(j, q):
                        total += a[i, at + k] * k_dense[b, k, j]
                    a[i, at + j] = total
            for i in range(d):
                for j in range(q):
                    total = 0.0
                    for k in range(j, q):
                        total += a[at + k, i] * k_dense[b, k, j]
                    a[at + j, i] = total


@njit(cache=True, nogil=True)
def scale_vector(x, c, blocks, k_dense, d):  # type: ignore[no-untyped-def]
    """Overwrite x with C'x."""
    for i in range(d):
        x[i] *= c[i]
    for b in range(blocks.shape[0]):
        start, levels, q = blocks[b, 0], blocks[b, 1], blocks[b, 2]
        for level in range(levels):
            at = start + level * q
            for j in range(q):
                total = 0.0
                for k in range(j, q):
                    total += x[at + k] * k_dense[b, k, j]
                x[at + j] = total


@njit(cache=True, nogil=True)
def scale_columns(x, c, blocks, k_dense, d):  # type: ignore[no-untyped-def]
    """Overwrite x with Cx."""
    for b in range(blocks.shape[0]):
        start, levels, q = blocks[b, 0], blocks[b, 1], blocks[b, 2]
        for level in range(levels):
            at = start + level * q
            for j in range(q - 1, -1, -1):
                total = 0.0
                for k in range(j + 1):
                    total += k_dense[b, j, k] * x[at + k]
                x[at + j] = total
    for i in range(d):
        x[i] *= c[i]
