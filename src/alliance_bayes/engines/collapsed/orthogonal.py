"""Compiled loops of the collapsed engine for hyperparameters at which cross-products have lost their digits.

The same elimination as in :mod:`alliance_bayes.engines.collapsed.kernels`, by reflections of the compressed rows, each
over its residual SD, in place of sums of their products. Rows are sorted by size and columns are taken by what is left
of them, which keeps the digits of light rows below heavy ones (Cox and Higham 1998, Numerical Linear Algebra with
Applications 5:167-175).

Letters as there; M compressed rows of the eliminated levels, K of the rest.
"""

from __future__ import annotations

import numpy as np

from alliance_bayes.compiled import njit
from alliance_bayes.engines.collapsed.gradient import expected_moments, gradient_from
from alliance_bayes.engines.collapsed.hyper import log_prior_of, scales_at
from alliance_bayes.engines.collapsed.kernels import (
    at_theta,
    columns_of,
    draw_given,
    log_scale,
    room_for,
    scale_columns,
    scale_vector,
)

__all__ = ["draw_by_rows", "gradient_by_rows", "log_densities_by_rows", "reflect", "triangularise"]


# Rows that are gathered before they are reduced to as many as there are columns.
_POOL = 4096


@njit(cache=True, nogil=True)
def triangularise(a, m, n, width, keep):  # type: ignore[no-untyped-def]
    """Rotate the first m rows of a until their first n columns are upper triangular; ``width`` columns are carried.

    Without ``keep`` the columns come out in another order: that of the pivots. Returns the sum of the logarithms of the
    diagonal's sizes.
    """
    size = np.zeros(m)
    for i in range(m):
        for j in range(n):
            size[i] = max(size[i], abs(a[i, j]))
    by_size = np.argsort(-size, kind="mergesort")
    work = np.empty((m, width))
    for i in range(m):
        for j in range(width):
            work[i, j] = a[by_size[i], j]
    column, side = np.arange(n), np.empty(width)
    log_sizes = 0.0
    for step in range(min(m, n)):
        for j in range(n):
            side[j] = 0.0
        for i in range(step, m):
            for j in range(step, n):
                side[j] += work[i, j] * work[i, j]
        best = step
        for j in range(step + 1, n):
            if side[j] > side[best]:
                best = j
        if best != step:
            for i in range(m):
                work[i, step], work[i, best] = work[i, best], work[i, step]
            column[step], column[best] = column[best], column[step]
        log_sizes += reflect(work, step, step, m, width, side)
    if keep:
        for i in range(m):
            for j in range(n):
                a[i, column[j]] = work[i, j]
            for j in range(n, width):
                a[i, j] = work[i, j]
        for step in range(min(m, n)):
            reflect(a, step, step, min(m, n), width, side)
    else:
        for i in range(m):
            for j in range(width):
                a[i, j] = work[i, j]
    return log_sizes


@njit(cache=True, nogil=True)
def reduce_rows(sigma, c, k_dense, ce, rows, pattern, blocks, offset, keep, factors):  # type: ignore[no-untyped-def]
    """Triangular factor of the precision A, its whitened right-hand side, and what the coefficients leave.

    Returns half the log determinant of A, and the least of ``|y - Xw|^2`` over the residual variances plus
    ``|v - offset|^2``. With ``keep`` the factors are written to ``factors`` as :func:`reduce_dense` writes them.
    """
    first, z, y, stratum, at, x, rest, rest_stratum = rows
    ptr, cols = pattern[0], pattern[1]
    a, b, e, t, carried = factors
    d, q, levels = c.shape[0], z.shape[1], first.shape[0] - 1
    room = min(_POOL, y.shape[0] + rest.shape[0]) + d
    pool = np.zeros((room + d, d + 1))
    filled, log_det, least = 0, 0.0, 0.0
    for level in range(levels):
        start, width, many = ptr[level], ptr[level + 1] - ptr[level], first[level + 1] - first[level]
        block = np.zeros((many + q, q + width + 1))
        for i in range(many):
            m = first[level] + i
            weight = 1.0 / sigma[stratum[m]]
            for j in range(q):
                total = 0.0
                for k in range(j, q):
                    total += z[m, k] * ce[k, j]
                block[i, j] = weight * total
            for j in range(width):
                block[i, q + j] = weight * x[at[m] + j]
            block[i, q + width] = weight * y[m]
        for j in range(q):
            block[many + j, j] = 1.0
        log_det += triangularise(block, many + q, q, q + width + 1, keep)
        if keep:
            for i in range(q):
                for j in range(i + 1):
                    e[level, i, j] = block[j, i]
                for j in range(width):
                    carried[i, start + j] = block[i, q + j]
                t[level, i] = block[i, q + width]
        for i in range(q, many + q):
            if filled == room:
                filled, least = _condensed(pool, filled, d, least)
            for j in range(d):
                pool[filled, j] = 0.0
            for j in range(width):
                pool[filled, cols[start + j]] = block[i, q + j]
            scale_vector(pool[filled, :d], c, blocks, k_dense, d)
            pool[filled, d] = block[i, q + width]
            filled += 1
    for m in range(rest.shape[0]):
        if filled == room:
            filled, least = _condensed(pool, filled, d, least)
        weight = 1.0 / sigma[rest_stratum[m]]
        for j in range(d + 1):
            pool[filled, j] = weight * rest[m, j]
        scale_vector(pool[filled, :d], c, blocks, k_dense, d)
        filled += 1
    for j in range(d):
        for k in range(d):
            pool[filled, k] = 1.0 if j == k else 0.0
        pool[filled, d] = offset[j]
        filled += 1
    log_det += triangularise(pool, filled, d, d + 1, keep)
    for i in range(d, filled):
        least += pool[i, d] * pool[i, d]
    if keep:
        for i in range(d):
            for j in range(i + 1):
                a[i, j] = pool[j, i]
            b[i] = pool[i, d]
    return log_det, least


@njit(cache=True, nogil=True)
def _condensed(pool, filled, d, least):  # type: ignore[no-untyped-def]
    """Reduce the rows of the pool to as many as there are columns; their number, and what is left of the outcome."""
    triangularise(pool, filled, d, d + 1, True)
    for i in range(min(filled, d), filled):
        least += pool[i, d] * pool[i, d]
    return min(filled, d), least


@njit(cache=True, nogil=True)
def log_densities_by_rows(theta, sizes, place, prior, n, fixed, group, rows, kernel, out):  # type: ignore[no-untyped-def]
    """Log density of each theta (N, D), written to ``out`` (N,); NaN or infinite where it cannot be computed."""
    _, pattern, blocks, offset = kernel
    d, q = offset.shape[0], rows[1].shape[1]
    factors = room_for(d, q, pattern[0], False)
    sigma, tau, roots, k_dense, ce = at_theta(sizes, place)
    c, c_e = np.empty(d), np.zeros((q, q))
    for i in range(theta.shape[0]):
        scales_at(theta[i], place, sigma, tau, roots, k_dense, ce)
        columns_of(tau, ce, fixed, group, 1.0, c, c_e)
        log_det, least = reduce_rows(sigma, c, k_dense, c_e, rows, pattern, blocks, offset, False, factors)
        out[i] = log_prior_of(theta[i], prior[0], prior[1], prior[2]) + log_scale(sigma, n) - log_det - 0.5 * least


@njit(cache=True, nogil=True)
def draw_by_rows(theta, sizes, place, fixed, group, rows, kernel, dense, eliminated):  # type: ignore[no-untyped-def]
    """As :func:`draw_coefficients`, from the rows."""
    _, pattern, blocks, offset = kernel
    d, q = offset.shape[0], rows[1].shape[1]
    factors = room_for(d, q, pattern[0], True)
    sigma, tau, roots, k_dense, ce = at_theta(sizes, place)
    c, c_e, x = np.empty(d), np.zeros((q, q)), np.empty(d)
    for i in range(theta.shape[0]):
        scales_at(theta[i], place, sigma, tau, roots, k_dense, ce)
        columns_of(tau, ce, fixed, group, 1.0, c, c_e)
        reduce_rows(sigma, c, k_dense, c_e, rows, pattern, blocks, offset, True, factors)
        draw_given(factors, c, k_dense, c_e, 1.0, pattern, blocks, dense[i], eliminated[i], x)


@njit(cache=True, nogil=True)
def gradient_by_rows(theta, sizes, place, prior, n, fixed, group, rows, kernel, alone, starts, out):  # type: ignore[no-untyped-def]
    """Log density of one theta; its gradient is written to ``out``."""
    _, pattern, blocks, offset = kernel
    d, q = offset.shape[0], rows[1].shape[1]
    factors = room_for(d, q, pattern[0], True)
    sigma, tau, roots, k_dense, ce = at_theta(sizes, place)
    c, c_e = np.empty(d), np.zeros((q, q))
    scales_at(theta, place, sigma, tau, roots, k_dense, ce)
    columns_of(tau, ce, fixed, group, 1.0, c, c_e)
    log_det, least = reduce_rows(sigma, c, k_dense, c_e, rows, pattern, blocks, offset, True, factors)
    value = log_prior_of(theta, prior[0], prior[1], prior[2]) + log_scale(sigma, n) - log_det - 0.5 * least
    if not np.isfinite(value):
        out[:] = 0.0
        return value
    expected = expected_moments(factors, c, k_dense, c_e, 1.0, pattern, blocks, d, q)
    residual = _residual(factors, c, k_dense, c_e, rows, pattern, blocks, expected[0], sigma.shape[0])
    gradient_from(theta, sigma, tau, roots, n, residual, expected, place, prior, group, alone, starts, out)
    return value


@njit(cache=True, nogil=True)
def _residual(factors, c, k_dense, ce, rows, pattern, blocks, mean, strata):  # type: ignore[no-untyped-def]
    """Expected residual sum of squares of each stratum (S,), a row at a time: what is left, and its variance."""
    first, z, y, stratum, at, x, rest, rest_stratum = rows
    a, _, e, t, carried = factors
    ptr, cols = pattern[0], pattern[1]
    d, q = a.shape[0], z.shape[1]
    out, side, g, w = np.zeros(strata), np.empty(d), np.empty(q), mean.copy()
    scale_columns(w, c, blocks, k_dense, d)
    for level in range(first.shape[0] - 1):
        start, width = ptr[level], ptr[level + 1] - ptr[level]
        for m in range(first[level], first[level + 1]):
            # z'u = g'(t - Yw + noise), with g = e^-1 C'z.
            left, variance = y[m], 0.0
            for i in range(q):
                total = 0.0
                for k in range(i, q):
                    total += ce[k, i] * z[m, k]
                for k in range(i):
                    total -= e[level, i, k] * g[k]
                g[i] = total / e[level, i, i]
                left -= g[i] * t[level, i]
                variance += g[i] * g[i]
            side[:] = 0.0
            for j in range(width):
                total = x[at[m] + j]
                for i in range(q):
                    total -= carried[i, start + j] * g[i]
                side[cols[start + j]] = total
            for j in range(d):
                left -= side[j] * w[j]
            out[stratum[m]] += left * left + variance + _spread_of(side, a, c, k_dense, blocks, d)
    for m in range(rest.shape[0]):
        left = rest[m, d]
        for j in range(d):
            side[j] = rest[m, j]
            left -= side[j] * w[j]
        out[rest_stratum[m]] += left * left + _spread_of(side, a, c, k_dense, blocks, d)
    return out


@njit(cache=True, nogil=True)
def _spread_of(x, a, c, k_dense, blocks, d):  # type: ignore[no-untyped-def]
    """Variance of x'w, with w = Cv and a a' the precision of v; overwrites x."""
    scale_vector(x, c, blocks, k_dense, d)
    total = 0.0
    for i in range(d):
        for k in range(i):
            x[i] -= a[i, k] * x[k]
        x[i] /= a[i, i]
        total += x[i] * x[i]
    return total


@njit(cache=True, nogil=True)
def reflect(a, row, column, m, width, side):  # type: ignore[no-untyped-def]
    """Reflect rows ``row`` to m so that ``column`` is zero below ``row``, and the columns up to ``width`` with it.

    ``side`` is room for ``width`` numbers. Returns the logarithm of what is left in the column.
    """
    # Over the largest: squares of heavy rows must not overflow.
    largest = 0.0
    for i in range(row, m):
        largest = max(largest, abs(a[i, column]))
    if largest == 0.0:
        return -np.inf
    total = 0.0
    for i in range(row, m):
        share = a[i, column] / largest
        total += share * share
    length = largest * np.sqrt(total)
    # The reflector is (1, column below / lead), and acts by |lead| / length.
    lead = a[row, column] + (length if a[row, column] >= 0.0 else -length)
    factor = abs(lead) / length
    for k in range(column + 1, width):
        side[k] = a[row, k]
    for i in range(row + 1, m):
        share = a[i, column] / lead
        a[i, column] = share
        if share != 0.0:
            for k in range(column + 1, width):
                side[k] += share * a[i, k]
    for k in range(column + 1, width):
        side[k] *= factor
        a[row, k] -= side[k]
    for i in range(row + 1, m):
        share = a[i, column]
        a[i, column] = 0.0
        if share != 0.0:
            for k in range(column + 1, width):
                a[i, k] -= share * side[k]
    a[row, column] = -length if lead > 0.0 else length
    return np.log(length)
