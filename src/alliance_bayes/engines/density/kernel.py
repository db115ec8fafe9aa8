"""Log posterior density of the unconstrained vector and its gradient: one function for every model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from alliance_bayes.compiled import njit
from alliance_bayes.engines.correlation import add_root_slope, fill_root, lkj_slope, log_lkj, partials
from alliance_bayes.engines.prior_density import FIRST_POSITIVE, log_prior_at, slope_at
from alliance_bayes.model import FAMILIES

__all__ = ["cutpoints_of", "log_density"]

_HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)
# Sums may be reordered (vector registers), but infinities and NaN keep their meaning: they are tested for.
_FAST = {"reassoc", "contract", "nsz"}
# Logarithms of survival probabilities are kept off both ends, where a cutpoint would be infinite.
_LEAST, _MOST = math.log(1e-12), -1e-12


def _chosen(kernels: Sequence[Any], first: int = 0) -> Any:
    """One function of the families' own, chosen by the model's number: comparisons that the compiler sees through."""
    kernel = kernels[0]
    if len(kernels) == 1:
        return kernel
    others = _chosen(kernels[1:], first + 1)

    @njit(cache=False, nogil=True, error_model="numpy")
    def chosen(data, value, eta, cutpoints, by_value, by_eta, by_cut):  # type: ignore[no-untyped-def]
        if data.family == first:
            return kernel(data, value, eta, cutpoints, by_value, by_eta, by_cut)
        return others(data, value, eta, cutpoints, by_value, by_eta, by_cut)

    return chosen


_log_likelihood = _chosen([family.kernel for family in FAMILIES.values()])


@njit(cache=True, nogil=True, error_model="numpy")
def log_density(q, data):  # type: ignore[no-untyped-def]
    """Log posterior density: priors, likelihood and the change of variables, with all constants.

    Parameters
    ----------
    q
        The unconstrained vector, shape (size,), in the order that :class:`ModelData` states.
    data
        The model.

    Returns
    -------
    log_p : float
        NaN where it or the gradient is not finite.
    gradient : numpy.ndarray
        Shape (size,).
    """
    gradient = np.zeros(data.size)
    n = data.y.size
    scalars = len(data.priors)
    at_shared = scalars + len(data.lkj)
    at_effects = at_shared + data.shared.size
    value, by_value = _values(data)
    log_p = data.constant
    for k in range(scalars):
        positive = data.priors[k, 0] >= FIRST_POSITIVE
        value[k] = math.exp(q[k]) if positive else q[k]
        log_p += log_prior_at(data.priors[k], value[k], q[k]) + (q[k] if positive else 0.0)

    eta, by_eta = data.offset.copy(), np.zeros(n)
    log_p += log_lkj(q[scalars:], data.lkj)
    for k in range(len(data.lkj)):
        gradient[scalars + k] += lkj_slope(q[scalars + k], data.lkj[k, 0])
    roots = _roots(q, data)

    coefficients, spread = _coefficients(q, data, value, at_shared)
    for k in range(coefficients.size):
        _add(eta, data.x[k], coefficients[k])
    effects, units, at_smooths = _level_effects(q, data, value, at_effects)
    standard = effects.copy()
    _correlate(effects, data, value, roots)
    _add_effects(eta, effects, data)
    for j in range(data.basis_tau.size):
        _add(eta, data.basis[j], q[at_smooths + j] * value[data.basis_tau[j]])
    at_sticks = at_smooths + data.basis_tau.size

    _add_residual_sds(data, value)
    log_p += _outcome(q, data, value, by_value, eta, by_eta, gradient, at_sticks)
    _residual_sds_back(data, value, by_value)

    # Standard normal numbers: the totals and the smooths' coefficients.
    for first, last in ((at_shared, at_effects), (at_smooths, at_sticks)):
        for k in range(first, last):
            log_p -= 0.5 * q[k] * q[k] + _HALF_LOG_2PI
            gradient[k] -= q[k]
    _coefficients_back(q, data, value, by_value, spread, by_eta, gradient, at_shared)
    slopes = _effect_slopes(data, by_eta)
    _correlate_back(q, data, value, by_value, roots, standard, slopes, gradient)
    log_p += _effects_back(q, data, value, by_value, units, slopes, gradient, at_effects)
    for j in range(data.basis_tau.size):
        slope = _dot(data.basis[j], by_eta)
        gradient[at_smooths + j] += slope * value[data.basis_tau[j]]
        by_value[data.basis_tau[j]] += slope * q[at_smooths + j]
    for k in range(scalars):
        positive = data.priors[k, 0] >= FIRST_POSITIVE
        gradient[k] = slope_at(data.priors[k], value[k]) + (by_value[k] * value[k] + 1.0 if positive else by_value[k])
    # NUTS looks at the density alone.
    return (log_p if np.all(np.isfinite(gradient)) else np.nan), gradient


@njit(cache=True, nogil=True, error_model="numpy")
def _values(data):  # type: ignore[no-untyped-def]
    """Room for the scalars, and behind them for the residual SD of each row where it differs along columns."""
    size = len(data.priors) + (data.y.size if len(data.sigma_x) else 0)
    return np.empty(size), np.zeros(size)


@njit(cache=True, nogil=True, error_model="numpy")
def _add_residual_sds(data, value):  # type: ignore[no-untyped-def]
    if len(data.sigma_x):
        sds = value[data.sigma :]
        sds[:] = 0.0
        for k in range(len(data.sigma_x)):
            _add(sds, data.sigma_x[k], value[data.sigma_slope + k])
        sds[:] = value[data.sigma_base] * np.exp(sds)


@njit(cache=True, nogil=True, error_model="numpy")
def _residual_sds_back(data, value, by_value):  # type: ignore[no-untyped-def]
    if len(data.sigma_x):
        by_log = by_value[data.sigma :] * value[data.sigma :]
        by_value[data.sigma_base] += by_log.sum() / value[data.sigma_base]
        for k in range(len(data.sigma_x)):
            by_value[data.sigma_slope + k] += _dot(data.sigma_x[k], by_log)


@njit(cache=True, nogil=True, fastmath=_FAST)
def _add(eta, column, by):  # type: ignore[no-untyped-def]
    for i in range(eta.size):
        eta[i] += column[i] * by


@njit(cache=True, nogil=True, fastmath=_FAST)
def _dot(column, by_eta):  # type: ignore[no-untyped-def]
    total = 0.0
    for i in range(by_eta.size):
        total += column[i] * by_eta[i]
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def _coefficients(q, data, value, at):  # type: ignore[no-untyped-def]
    """Coefficients of the common columns, and the prior variance of the shared ones' sums."""
    spread = data.shared_variance.copy()
    for p in range(data.part_tau.size):
        spread[data.part_shared[p]] += value[data.part_tau[p]] ** 2 / data.part_levels[p]
    coefficients = np.empty(data.coefficient.size)
    for k in range(coefficients.size):
        if data.coefficient[k] >= 0:
            coefficients[k] = value[data.coefficient[k]]
    for s in range(spread.size):
        coefficients[data.shared[s]] = data.shared_mean[s] + q[at + s] * math.sqrt(spread[s])
    return coefficients, spread


@njit(cache=True, nogil=True, error_model="numpy")
def _coefficients_back(q, data, value, by_value, spread, by_eta, gradient, at):  # type: ignore[no-untyped-def]
    slopes = np.empty(data.coefficient.size)
    for k in range(slopes.size):
        slopes[k] = _dot(data.x[k], by_eta)
        if data.coefficient[k] >= 0:
            by_value[data.coefficient[k]] += slopes[k]
    for s in range(spread.size):
        gradient[at + s] += slopes[data.shared[s]] * math.sqrt(spread[s])
    for p in range(data.part_tau.size):
        s, tau = data.part_shared[p], data.part_tau[p]
        by_spread = 0.5 * slopes[data.shared[s]] * q[at + s] / math.sqrt(spread[s])
        by_value[tau] += by_spread * 2.0 * value[tau] / data.part_levels[p]


@njit(cache=True, nogil=True, error_model="numpy")
def _level_effects(q, data, value, at):  # type: ignore[no-untyped-def]
    """Effects of all blocks end to end (correlated ones still standardised), their units, and where they end in q."""
    effects, units = np.empty(data.block_levels.sum()), np.empty(data.block_tau.size)
    first = 0
    for b in range(units.size):
        tau, levels = value[data.block_tau[b]], data.block_levels[b]
        units[b] = (1.0 if data.block_correlated[b] else tau) / math.sqrt(1.0 + tau * tau * data.block_information[b])
        size, total = levels - data.block_summing[b], 0.0
        for k in range(size):
            effects[first + k] = q[at + k] * units[b]
            total += effects[first + k]
        if data.block_summing[b]:
            # The last level's from the others', and all shifted: an orthonormal basis of effects that sum to zero.
            root = math.sqrt(levels)
            shift = total / (root + levels)
            for k in range(size):
                effects[first + k] -= shift
            effects[first + size] = -total / root
        first += levels
        at += size
    return effects, units, at


@njit(cache=True, nogil=True, fastmath=_FAST)
def _add_effects(eta, effects, data):  # type: ignore[no-untyped-def]
    first = 0
    for b in range(data.block_levels.size):
        z, index = data.z[b], data.level[data.block_factor[b]]
        for i in range(eta.size):
            eta[i] += z[i] * effects[first + index[i]]
        first += data.block_levels[b]


@njit(cache=True, nogil=True, error_model="numpy")
def _roots(q, data):  # type: ignore[no-untyped-def]
    """Cholesky factors of the correlation matrices, each in the lower corner of (widest, widest)."""
    widest = 1
    for terms in data.n_terms:
        widest = max(widest, terms)
    roots, at = np.zeros((data.n_terms.size, widest, widest)), len(data.priors)
    for f in range(data.n_terms.size):
        fill_root(q[at:], data.n_terms[f], roots[f])
        at += partials(data.n_terms[f])
    return roots


@njit(cache=True, nogil=True, error_model="numpy")
def _correlate(effects, data, value, roots):  # type: ignore[no-untyped-def]
    """Turn standardised effects of correlated factors into effects, in place: u = diag(tau) root z, level by level."""
    for f in range(data.n_terms.size):
        block, terms, root = data.first_block[f], data.n_terms[f], roots[f]
        levels, first = data.block_levels[block], data.block_levels[:block].sum()
        for k in range(levels):
            # From the last term, since a term takes only those before it.
            for t in range(terms - 1, -1, -1):
                total = 0.0
                for j in range(t + 1):
                    total += root[t, j] * effects[first + j * levels + k]
                effects[first + t * levels + k] = value[data.block_tau[block + t]] * total


@njit(cache=True, nogil=True, error_model="numpy")
def _correlate_back(q, data, value, by_value, roots, standard, slopes, gradient):  # type: ignore[no-untyped-def]
    """Turn derivatives by correlated effects into those by standardised ones, in place; add those by tau and root."""
    at = len(data.priors)
    for f in range(data.n_terms.size):
        block, terms, root = data.first_block[f], data.n_terms[f], roots[f]
        levels, first = data.block_levels[block], data.block_levels[:block].sum()
        by_root = np.zeros((terms, terms))
        for k in range(levels):
            for j in range(terms):
                total = 0.0
                for t in range(j, terms):
                    tau, slope = data.block_tau[block + t], slopes[first + t * levels + k]
                    z = standard[first + j * levels + k]
                    by_value[tau] += slope * root[t, j] * z
                    by_root[t, j] += slope * value[tau] * z
                    total += slope * value[tau] * root[t, j]
                slopes[first + j * levels + k] = total
        add_root_slope(q[at:], root, by_root, terms, gradient[at:])
        at += partials(terms)


@njit(cache=True, nogil=True, error_model="numpy")
def _effect_slopes(data, by_eta):  # type: ignore[no-untyped-def]
    """Derivatives by the effects of all blocks, end to end."""
    slopes, first = np.empty(data.block_levels.sum()), 0
    for b in range(data.block_levels.size):
        levels, z, index = data.block_levels[b], data.z[b], data.level[data.block_factor[b]]
        # Sums of four interleaved parts: with few levels each addition would have to wait for the one before.
        sums = np.zeros((4, levels))
        for i in range(by_eta.size):
            sums[i & 3, index[i]] += z[i] * by_eta[i]
        slopes[first : first + levels] = sums[0] + sums[1] + sums[2] + sums[3]
        first += levels
    return slopes


@njit(cache=True, nogil=True, error_model="numpy")
def _effects_back(q, data, value, by_value, units, slopes, gradient, at):  # type: ignore[no-untyped-def]
    """Log density of the unconstrained level effects; the derivatives of everything that depends on them."""
    log_p, first = 0.0, 0
    for b in range(units.size):
        tau, levels, known = value[data.block_tau[b]], data.block_levels[b], data.block_information[b]
        slope = slopes[first : first + levels]
        first += levels
        size = levels - data.block_summing[b]
        if data.block_summing[b]:
            root = math.sqrt(levels)
            shift = slope[:size].sum() / (root + levels) + slope[size] / root
            for k in range(size):
                slope[k] -= shift
        stretch = 1.0 + tau * tau * known
        squares, by_unit = 0.0, 0.0
        for k in range(size):
            squares += q[at + k] * q[at + k]
            by_unit += slope[k] * q[at + k]
            gradient[at + k] += slope[k] * units[b] - q[at + k] / stretch
        log_p -= 0.5 * squares / stretch + size * (0.5 * math.log(stretch) + _HALF_LOG_2PI)
        at += size
        # What the unit changes by tau: that of a standardised effect is 1 / sqrt(stretch), of others tau times that.
        by_tau = -tau * known if data.block_correlated[b] else 1.0
        by_value[data.block_tau[b]] += by_unit * by_tau / (stretch * math.sqrt(stretch))
        by_value[data.block_tau[b]] += tau * known * (squares / stretch - size) / stretch
    return log_p


@njit(cache=True, nogil=True, error_model="numpy")
def cutpoints_of(sticks):  # type: ignore[no-untyped-def]
    """Cutpoints of sticks given as log odds, and the derivative of each by its log survival probability."""
    cutpoints, slopes = np.empty(sticks.size), np.empty(sticks.size)
    survival = 0.0
    for k in range(sticks.size):
        survival -= max(sticks[k], 0.0) + math.log1p(math.exp(-abs(sticks[k])))
        bounded = min(max(survival, _LEAST), _MOST)
        cutpoints[k] = math.log(-math.expm1(bounded)) - bounded
        slopes[k] = 1.0 / math.expm1(bounded) if _LEAST < survival < _MOST else 0.0
    return cutpoints, slopes


@njit(cache=True, nogil=True, error_model="numpy")
def _outcome(q, data, value, by_value, eta, by_eta, gradient, at):  # type: ignore[no-untyped-def]
    """Log likelihood, and the prior of the sticks of an ordinal model."""
    sticks = q[at:]
    cutpoints, slopes = cutpoints_of(sticks)
    by_cut = np.zeros(sticks.size)
    log_p = _log_likelihood(data, value, eta, cutpoints, by_value, by_eta, by_cut)
    a = data.stick_first
    below = 0.0  # what every later cutpoint says of the log survival probability
    for k in range(sticks.size - 1, -1, -1):
        b = data.stick_second[k]
        above = 1.0 / (1.0 + math.exp(-sticks[k]))
        below += by_cut[k] * slopes[k]
        soft = math.log1p(math.exp(-sticks[k]))
        log_p += math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) - a * soft - b * (sticks[k] + soft)
        gradient[at + k] += a * (1.0 - above) - b * above - below * above
    return log_p
