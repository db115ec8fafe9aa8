"""Densities of stated priors, to be drawn beside posteriors."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import stats

from alliance_bayes.model import Prior

__all__ = ["prior_density"]


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
    known: Any
    match prior.distribution:
        case "Normal":
            known = stats.norm(p["mu"], p["sigma"])
        case "StudentT":
            known = stats.t(p["nu"], p["mu"], p["sigma"])
        case "HalfNormal":
            known = stats.halfnorm(scale=p["sigma"])
        case "HalfStudentT":
            # A t folded at zero has twice its density there.
            half = stats.t(p["nu"], 0, p["sigma"])
            return (lambda x: np.where(x >= 0, 2 * half.pdf(x), 0.0)), 0.0, float(half.ppf(0.99))
        case "Exponential":
            known = stats.expon(scale=1 / p["lam"])
        case "Gamma":
            known = stats.gamma(p["alpha"], scale=1 / p["beta"])
        case _:
            return None
    centre = 0.0 if prior.support == "positive" else p["mu"]
    spread = float(known.ppf(0.985)) - centre
    return known.pdf, centre, spread if math.isfinite(spread) else 1.0
