"""Log densities of the priors that one number may have, as compiled loops take them."""

from __future__ import annotations

import numpy as np
from scipy import special

from alliance_bayes.compiled import njit
from alliance_bayes.model import Prior

__all__ = ["FIRST_POSITIVE", "KINDS", "coded", "log_prior", "log_prior_at", "slope_at"]

# Numbers of the distributions in machine code; those from FIRST_POSITIVE on have positive parameters.
KINDS = {"Normal": 0, "StudentT": 1, "HalfNormal": 2, "HalfStudentT": 3, "Exponential": 4, "Gamma": 5}
FIRST_POSITIVE = 2

_HALF_LOG_2PI = 0.5 * np.log(2.0 * np.pi)


def coded(prior: Prior) -> tuple[float, float, float, float, float]:
    """Kind, location, scale (or rate), shape (0 where there is none), and what does not depend on the value."""
    p, kind = prior.arguments, float(KINDS[prior.distribution])
    match prior.distribution:
        case "Normal":
            return kind, p["mu"], p["sigma"], 0.0, -np.log(p["sigma"]) - _HALF_LOG_2PI
        case "StudentT":
            return kind, p["mu"], p["sigma"], p["nu"], _student_t_constant(p["nu"], p["sigma"])
        case "HalfNormal":
            return kind, 0.0, p["sigma"], 0.0, 0.5 * np.log(2.0 / np.pi) - np.log(p["sigma"])
        case "HalfStudentT":
            return kind, 0.0, p["sigma"], p["nu"], np.log(2.0) + _student_t_constant(p["nu"], p["sigma"])
        case "Exponential":
            return kind, 0.0, p["lam"], 0.0, np.log(p["lam"])
    constant = p["alpha"] * np.log(p["beta"]) - float(special.gammaln(p["alpha"]))
    return kind, 0.0, p["beta"], p["alpha"], constant


def _student_t_constant(nu: float, sigma: float) -> float:
    half = float(special.gammaln((nu + 1) / 2) - special.gammaln(nu / 2))
    return half - 0.5 * np.log(nu * np.pi) - np.log(sigma)


def log_prior(prior: Prior, value: np.ndarray) -> np.ndarray:
    """Log density of a prior of one number at values of any shape, in the parameter's own units."""
    value = np.asarray(value, dtype=float)
    return _log_priors(np.array(coded(prior)), value.ravel()).reshape(value.shape)


@njit(cache=True, nogil=True)
def _log_priors(code, value):  # type: ignore[no-untyped-def]
    out = np.empty(len(value))
    for i in range(len(value)):
        out[i] = log_prior_at(code, value[i], np.log(value[i]) if code[0] >= FIRST_POSITIVE else 0.0)
    return out


@njit(cache=True, nogil=True)
def log_prior_at(code, value, log_value):  # type: ignore[no-untyped-def]
    """Log density at a value; the logarithm of the value is read of positive parameters only."""
    kind, location, scale, shape, constant = code[0], code[1], code[2], code[3], code[4]
    if kind == 0.0 or kind == 2.0:
        away = (value - location) / scale
        return constant - 0.5 * away * away
    if kind == 1.0 or kind == 3.0:
        away = (value - location) / scale
        return constant - (shape + 1.0) / 2.0 * np.log1p(away * away / shape)
    if kind == 4.0:
        return constant - scale * value
    return constant + (shape - 1.0) * log_value - scale * value


@njit(cache=True, nogil=True)
def slope_at(code, value):  # type: ignore[no-untyped-def]
    """Derivative of the log density by the parameter, and by the logarithm of a positive one."""
    kind, location, scale, shape = code[0], code[1], code[2], code[3]
    away = (value - location) / scale
    if kind == 0.0:
        return -away / scale
    if kind == 1.0:
        return -(shape + 1.0) * away / ((shape + away * away) * scale)
    if kind == 2.0:
        return -away * away
    if kind == 3.0:
        square = away * away
        # Infinite squares leave the tail's own slope.
        return -(shape + 1.0) * (square / (shape + square) if square < 1e300 else 1.0)
    if kind == 4.0:
        return -scale * value
    return shape - 1.0 - scale * value
