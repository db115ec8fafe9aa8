"""Densities of stated priors, to be drawn beside posteriors."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy import special

from alliance_bayes.checks.power_scaling import log_prior
from alliance_bayes.model import Prior

__all__ = ["prior_density"]

# Probability of less than the middle and the distance from it.
_MOST = 0.985
# In place of zero, which has no logarithm.
_TINY = np.finfo(float).tiny


def prior_density(prior: Prior) -> tuple[Callable[[np.ndarray], np.ndarray], float, float] | None:
    """Density of a prior, where its middle is, and a distance from there that holds most of it.

    Parameters
    ----------
    prior
        A prior of one real or positive number.

    Returns
    -------
    density, centre, spread
        None for distributions of several numbers (LKJ, Dirichlet).
    """
    p = prior.arguments
    spread: float
    match prior.distribution:
        case "Normal":
            spread = p["sigma"] * float(special.ndtri(_MOST))
        case "StudentT":
            spread = p["sigma"] * float(special.stdtrit(p["nu"], _MOST))
        case "HalfNormal":
            spread = p["sigma"] * float(special.ndtri((1 + _MOST) / 2))
        case "HalfStudentT":
            spread = p["sigma"] * float(special.stdtrit(p["nu"], 0.99))
        case "Exponential":
            spread = -math.log1p(-_MOST) / p["lam"]
        case "Gamma":
            spread = float(special.gammaincinv(p["alpha"], _MOST)) / p["beta"]
        case _:
            return None
    if prior.support != "positive":
        return lambda x: np.exp(log_prior(prior, x)), p["mu"], spread if math.isfinite(spread) else 1.0

    def density(x: np.ndarray) -> np.ndarray:
        return np.where(x >= 0, np.exp(log_prior(prior, np.maximum(x, _TINY))), 0.0)

    return density, 0.0, spread if math.isfinite(spread) else 1.0
