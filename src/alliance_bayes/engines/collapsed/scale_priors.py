"""Priors of positive hyperparameters, and of correlations, as compiled loops take them."""

from __future__ import annotations

import numpy as np
from scipy import special

from alliance_bayes.compiled import njit
from alliance_bayes.engines.correlation import lkj_slope, log_lkj
from alliance_bayes.model import Prior

__all__ = ["SCALE_PRIORS", "coded", "log_density", "log_prior", "log_priors", "prior_slope", "slope"]

SCALE_PRIORS = ("HalfNormal", "HalfStudentT", "Exponential", "Gamma")


def coded(prior: Prior) -> tuple[float, float, float, float]:
    """Which of SCALE_PRIORS, its two arguments (the second may be unused), and what does not depend on the value."""
    p = prior.arguments
    kind = float(SCALE_PRIORS.index(prior.distribution))
    match prior.distribution:
        case "HalfNormal":
            return kind, p["sigma"], 0.0, 0.5 * np.log(2.0 / np.pi) - np.log(p["sigma"])
        case "HalfStudentT":
            half = float(special.gammaln((p["nu"] + 1) / 2) - special.gammaln(p["nu"] / 2))
            constant = np.log(2.0) + half - 0.5 * np.log(p["nu"] * np.pi) - np.log(p["sigma"])
            return kind, p["sigma"], p["nu"], constant
        case "Exponential":
            return kind, p["lam"], 0.0, np.log(p["lam"])
    constant = p["alpha"] * np.log(p["beta"]) - float(special.gammaln(p["alpha"]))
    return kind, p["beta"], p["alpha"], constant


def log_density(prior: Prior, value: np.ndarray) -> np.ndarray:
    """Log density of a positive parameter at values of any shape."""
    value = np.asarray(value, dtype=float)
    return _log_densities(np.array(coded(prior)), value.ravel()).reshape(value.shape)


@njit(cache=True, nogil=True)
def _log_densities(code, value):  # type: ignore[no-untyped-def]
    out = np.empty(len(value))
    for i in range(len(value)):
        out[i] = _log_density(code, value[i], np.log(value[i]))
    return out


@njit(cache=True, nogil=True)
def _log_density(code, value, log_value):  # type: ignore[no-untyped-def]
    kind, a, b, constant = code[0], code[1], code[2], code[3]
    if kind == 0.0:
        return constant - 0.5 * (value / a) * (value / a)
    if kind == 1.0:
        return constant - (b + 1.0) / 2.0 * np.log1p((value / a) * (value / a) / b)
    if kind == 2.0:
        return constant - a * value
    return constant + (b - 1.0) * log_value - a * value


@njit(cache=True, nogil=True)
def slope(code, value):  # type: ignore[no-untyped-def]
    """Derivative of the log density by the logarithm of the parameter."""
    kind, a, b = code[0], code[1], code[2]
    if kind == 0.0:
        return -(value / a) * (value / a)
    if kind == 1.0:
        square = (value / a) * (value / a)
        # Infinite squares leave the tail's own slope.
        return -(b + 1.0) * (square / (b + square) if square < 1e300 else 1.0)
    if kind == 2.0:
        return -a * value
    return b - 1.0 - a * value


@njit(cache=True, nogil=True)
def log_prior(theta, positive, codes, correlated):  # type: ignore[no-untyped-def]
    """Log prior density of one theta, with the Jacobian of its transformation.

    ``positive`` logarithms, with ``codes`` (positive, 4), come before the partial correlations, whose arguments are
    the rows of ``correlated`` (free, 2).
    """
    total = 0.0
    for k in range(positive):
        total += theta[k] + _log_density(codes[k], np.exp(theta[k]), theta[k])
    total += log_lkj(theta[positive:], correlated)
    return total


@njit(cache=True, nogil=True)
def log_priors(theta, positive, codes, correlated, out):  # type: ignore[no-untyped-def]
    """:func:`log_prior` of each theta (N, size)."""
    for i in range(theta.shape[0]):
        out[i] = log_prior(theta[i], positive, codes, correlated)


@njit(cache=True, nogil=True)
def prior_slope(theta, positive, codes, correlated, out):  # type: ignore[no-untyped-def]
    """Gradient of :func:`log_prior`, written to ``out``."""
    for k in range(positive):
        out[k] = 1.0 + slope(codes[k], np.exp(theta[k]))
    for k in range(correlated.shape[0]):
        out[positive + k] = lkj_slope(theta[positive + k], correlated[k, 0])
