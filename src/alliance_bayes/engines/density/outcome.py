"""Log likelihood of all outcomes and its derivatives, family by family, as machine code.

Every function adds the derivative with respect to each row's linear predictor to ``by_eta``, shape (n,). Logarithms are
taken of products of a few factors, each between 1 and what a double holds many times over: one logarithm for several
rows. The formulas are those of :func:`alliance_bayes.model.likelihood.log_density`.
"""

from __future__ import annotations

import math

import numpy as np

from alliance_bayes.compiled import njit
from alliance_bayes.engines.density.special import digamma, log_ndtr

__all__ = [
    "BERNOULLI",
    "BETA_BINOMIAL",
    "CENSORED",
    "CUMULATIVE",
    "FAMILY_NUMBERS",
    "GAUSSIAN",
    "STUDENT_T",
    "bernoulli",
    "beta_binomial",
    "censored",
    "cumulative",
    "cutpoints_of",
    "gaussian",
    "student_t",
]

GAUSSIAN, STUDENT_T, CENSORED, BERNOULLI, BETA_BINOMIAL, CUMULATIVE = range(6)
FAMILY_NUMBERS = {
    "gaussian": GAUSSIAN,
    "student_t": STUDENT_T,
    "censored_gaussian": CENSORED,
    "bernoulli": BERNOULLI,
    "beta_binomial": BETA_BINOMIAL,
    "cumulative": CUMULATIVE,
}
_HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)
# A product is turned into a logarithm before it can pass what a double holds.
_MUCH = 1e150
# Logarithms of survival probabilities are kept off both ends, where a cutpoint would be infinite.
_LEAST, _MOST = math.log(1e-12), -1e-12


@njit(cache=True, nogil=True, error_model="numpy")
def gaussian(y, eta, sigma, index, by_eta, by_sigma):  # type: ignore[no-untyped-def]
    """Normal outcomes with the residual SD of each row's level; derivatives by SD are added to ``by_sigma``."""
    precision, log_scale = 1.0 / sigma, np.log(sigma)
    log_p = -_HALF_LOG_2PI * y.size
    for i in range(y.size):
        k = index[i]
        z = (y[i] - eta[i]) * precision[k]
        log_p -= 0.5 * z * z + log_scale[k]
        by_eta[i] += z * precision[k]
        by_sigma[k] += (z * z - 1.0) * precision[k]
    return log_p


@njit(cache=True, nogil=True, error_model="numpy")
def student_t(y, eta, sigma, index, nu, by_eta, by_sigma):  # type: ignore[no-untyped-def]
    """Student's t outcomes; returns the derivative by the degrees of freedom besides."""
    logs, product, by_nu, per_nu = 0.0, 1.0, 0.0, 1.0 / nu
    precision, log_scale = 1.0 / sigma, np.log(sigma)
    total_scale = 0.0
    for i in range(y.size):
        k = index[i]
        z = (y[i] - eta[i]) * precision[k]
        square = z * z
        product *= 1.0 + square * per_nu
        if product > _MUCH:
            logs += math.log(product)
            product = 1.0
        total_scale += log_scale[k]
        pull = (nu + 1.0) / (nu + square)
        by_eta[i] += pull * z * precision[k]
        by_sigma[k] += (pull * square - 1.0) * precision[k]
        by_nu += pull * square
    logs += math.log(product)
    n, half = y.size, 0.5 * (nu + 1.0)
    log_p = n * (math.lgamma(half) - math.lgamma(0.5 * nu) - 0.5 * math.log(nu * math.pi)) - total_scale - half * logs
    by_nu = 0.5 * (n * (digamma(half) - digamma(0.5 * nu) - 1.0 / nu) - logs + by_nu / nu)
    return log_p, by_nu


@njit(cache=True, nogil=True, error_model="numpy")
def censored(y, eta, sigma, index, lower, upper, by_eta, by_sigma):  # type: ignore[no-untyped-def]
    """Normal outcomes between the limits, and the probability of the tail at a limit."""
    precision, log_scale = 1.0 / sigma, np.log(sigma)
    log_p = 0.0
    for i in range(y.size):
        k = index[i]
        if lower < y[i] < upper:
            z = (y[i] - eta[i]) * precision[k]
            log_p -= 0.5 * z * z + log_scale[k] + _HALF_LOG_2PI
            by_eta[i] += z * precision[k]
            by_sigma[k] += (z * z - 1.0) * precision[k]
            continue
        side = 1.0 if y[i] >= upper else -1.0
        z = side * (eta[i] - (upper if side > 0 else lower)) * precision[k]
        value, slope = log_ndtr(z)
        log_p += value
        by_eta[i] += side * slope * precision[k]
        by_sigma[k] -= slope * z * precision[k]
    return log_p


@njit(cache=True, nogil=True, error_model="numpy")
def bernoulli(y, eta, by_eta):  # type: ignore[no-untyped-def]
    """Events (1) and their absence (0) with log odds eta."""
    log_p, product = 0.0, 1.0
    for i in range(y.size):
        against = -eta[i] if y[i] > 0.5 else eta[i]
        fall = math.exp(-abs(against))
        product *= 1.0 + fall
        if product > _MUCH:
            log_p -= math.log(product)
            product = 1.0
        log_p -= max(against, 0.0)
        wrong = (1.0 if against > 0.0 else fall) / (1.0 + fall)
        by_eta[i] += wrong if y[i] > 0.5 else -wrong
    return log_p - math.log(product)


@njit(cache=True, nogil=True, error_model="numpy")
def _rising(start, times):  # type: ignore[no-untyped-def]
    """Logarithm of start (start + 1) ... (start + times - 1), and its derivative by start.

    The product's own derivative follows from multiplications alone.
    """
    logs, slopes, product, slope = 0.0, 0.0, 1.0, 0.0
    for j in range(times):
        factor = start + j
        slope = slope * factor + product
        product *= factor
        if product > _MUCH:
            logs += math.log(product)
            slopes += slope / product
            product, slope = 1.0, 0.0
    return logs + math.log(product), slopes + slope / product


@njit(cache=True, nogil=True, error_model="numpy")
def beta_binomial(y, eta, phi, trials, by_eta):  # type: ignore[no-untyped-def]
    """Successes of ``trials``, without the binomial coefficients; returns the derivative by the precision besides."""
    every, slope = _rising(phi, trials)
    log_p, by_phi = -y.size * every, -y.size * slope
    for i in range(y.size):
        fall = math.exp(-abs(eta[i]))
        more, less = 1.0 / (1.0 + fall), fall / (1.0 + fall)
        mean, rest = (more, less) if eta[i] > 0.0 else (less, more)
        successes = int(y[i])
        yes, by_a = _rising(mean * phi, successes)
        no, by_b = _rising(rest * phi, trials - successes)
        log_p += yes + no
        by_eta[i] += (by_a - by_b) * phi * mean * rest
        by_phi += by_a * mean + by_b * rest
    return log_p, by_phi


@njit(cache=True, nogil=True, error_model="numpy")
def cutpoints_of(sticks):  # type: ignore[no-untyped-def]
    """Cutpoints of sticks given as log odds, and the derivative of each by its log survival probability."""
    cutpoints, slopes = np.empty(sticks.size), np.empty(sticks.size)
    survival = 0.0
    for k in range(sticks.size):
        survival -= max(sticks[k], 0.0) + math.log1p(math.exp(-abs(sticks[k])))
        kept = min(max(survival, _LEAST), _MOST)
        cutpoints[k] = math.log(-math.expm1(kept)) - kept
        slopes[k] = 1.0 / math.expm1(kept) if _LEAST < survival < _MOST else 0.0
    return cutpoints, slopes


@njit(cache=True, nogil=True, error_model="numpy")
def cumulative(y, eta, cutpoints, by_eta, by_cut):  # type: ignore[no-untyped-def]
    """Level codes, cumulative logit.

    F(above) - F(below) = F(above) F(-below) (1 - exp(below - above)) for the logistic F, whose last factor is one
    number a level.
    """
    last, log_p, product = cutpoints.size, 0.0, 1.0
    times = np.zeros(last + 1)
    for i in range(y.size):
        k = int(y[i])
        times[k] += 1.0
        if k < last:
            over = eta[i] - cutpoints[k]
            fall = math.exp(-abs(over))
            product *= 1.0 + fall
            log_p -= max(over, 0.0)
            share = (1.0 if over > 0.0 else fall) / (1.0 + fall)
            by_eta[i] -= share
            by_cut[k] += share
        if k > 0:
            under = cutpoints[k - 1] - eta[i]
            fall = math.exp(-abs(under))
            product *= 1.0 + fall
            log_p -= max(under, 0.0)
            share = (1.0 if under > 0.0 else fall) / (1.0 + fall)
            by_eta[i] += share
            by_cut[k - 1] -= share
        if product > _MUCH:
            log_p -= math.log(product)
            product = 1.0
    log_p -= math.log(product)
    for k in range(1, last):
        ratio = math.exp(cutpoints[k - 1] - cutpoints[k])
        log_p += times[k] * math.log1p(-ratio)
        pull = times[k] * ratio / (1.0 - ratio)
        by_cut[k - 1] -= pull
        by_cut[k] += pull
    return log_p
