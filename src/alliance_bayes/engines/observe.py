"""The family's parameters and the outcome in the PyMC graph."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from alliance_bayes.engines.place import place, place_one
from alliance_bayes.model import Design, PriorTable

__all__ = ["observe"]


def observe(design: Design, priors: PriorTable, eta: Any) -> None:
    """Add the family's parameters and the observed outcome to the PyMC model in context.

    Parameters
    ----------
    design, priors
        Rows and priors of the model.
    eta
        Linear predictor, shape (n,).
    """
    own = {name: _parameter(name, design, priors) for name in design.family.parameters}
    design.family.observe(design.outcome, eta, own)


def _parameter(name: str, design: Design, priors: PriorTable) -> Any:
    """A parameter of the family: a scalar, one value a row (shape (n,)) where it differs by level, or cutpoints."""
    if design.family.parameters[name].support == "simplex":
        return _cutpoints(name, design.outcome.known_levels.size, priors[name].prior.arguments["a"])
    if name != "sigma" or design.residual is None:
        return place_one(name, priors[name].prior)
    levels = place(name, [priors[own].prior for own in design.residual.parameters], dims=design.residual.name)
    return levels[design.rows.residual]


def _cutpoints(name: str, n_levels: int, concentration: float) -> Any:
    """Cutpoints whose shares of the levels, at a linear predictor of 0, are Dirichlet with one concentration.

    The share of a level among those from it upwards is Beta, independent of the other levels' (stick breaking), and so
    are these in the posterior as far as the linear predictor leaves it. Sampled as they are, hundreds of levels mix;
    shares that add up to one do not once many outcomes lie at one level.
    """
    above = concentration * np.arange(n_levels - 1, 0, -1)
    sticks = pm.Beta("sticks", alpha=concentration, beta=above, shape=n_levels - 1)
    # Logarithm of the probability of more than each level, kept off both ends, where a cutpoint would be infinite.
    survival = pt.clip(pt.cumsum(pt.log1p(-sticks)), math.log(1e-12), -1e-12)
    return pm.Deterministic(name, pt.log(-pt.expm1(survival)) - survival, dims="cutpoint")
