"""The distributions that a prior of one number may have, as machine code."""

from __future__ import annotations

import math

from alliance_bayes.compiled import njit

__all__ = ["FIRST_POSITIVE", "KINDS", "log_prior"]

# Numbers of the distributions in machine code; those from FIRST_POSITIVE on have positive parameters.
KINDS = {"Normal": 0, "StudentT": 1, "HalfNormal": 2, "HalfStudentT": 3, "Exponential": 4, "Gamma": 5}
FIRST_POSITIVE = 2

_NORMAL, _STUDENT_T, _HALF_NORMAL, _HALF_STUDENT_T, _EXPONENTIAL = range(5)
_HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)
_LOG_2 = math.log(2.0)


@njit(cache=True, nogil=True)
def log_prior(kind, first, second, third, x):  # type: ignore[no-untyped-def]
    """Log density of a prior at x, and its derivative; the arguments are those of :class:`Prior`, in its order."""
    if kind == _NORMAL:
        away = (x - first) / second
        return -0.5 * away * away - math.log(second) - _HALF_LOG_2PI, -away / second
    if kind == _STUDENT_T:
        return _log_student_t(first, second, third, x)
    if kind == _HALF_NORMAL:
        away = x / first
        return _LOG_2 - 0.5 * away * away - math.log(first) - _HALF_LOG_2PI, -away / first
    if kind == _HALF_STUDENT_T:
        value, slope = _log_student_t(first, 0.0, second, x)
        return _LOG_2 + value, slope
    if kind == _EXPONENTIAL:
        return math.log(first) - first * x, -first
    value = first * math.log(second) - math.lgamma(first) + (first - 1.0) * math.log(x) - second * x
    return value, (first - 1.0) / x - second


@njit(cache=True, nogil=True)
def _log_student_t(nu, mu, sigma, x):  # type: ignore[no-untyped-def]
    away = (x - mu) / sigma
    value = math.lgamma(0.5 * (nu + 1.0)) - math.lgamma(0.5 * nu) - 0.5 * math.log(nu * math.pi) - math.log(sigma)
    value -= 0.5 * (nu + 1.0) * math.log1p(away * away / nu)
    return value, -(nu + 1.0) * away / ((nu + away * away) * sigma)
