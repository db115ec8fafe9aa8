"""The outcome in the PyMC graph, family by family."""

from __future__ import annotations

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
    outcome = design.outcome
    own = {name: _parameter(name, design, priors) for name in design.family.parameters if name != "cutpoints"}
    match design.family.name:
        case "gaussian":
            pm.Normal(outcome.name, eta, own["sigma"], observed=outcome.coded, dims="obs")
        case "student_t":
            pm.StudentT(outcome.name, nu=own["nu"], mu=eta, sigma=own["sigma"], observed=outcome.coded, dims="obs")
        case "censored_gaussian":
            latent = pm.Normal.dist(eta, own["sigma"])
            pm.Censored(
                outcome.name, latent, lower=outcome.lower, upper=outcome.upper, observed=outcome.coded, dims="obs"
            )
        case "bernoulli":
            pm.Bernoulli(outcome.name, logit_p=eta, observed=outcome.coded.astype(int), dims="obs")
        case "beta_binomial":
            assert outcome.levels is not None
            mean = pm.math.invlogit(eta)
            pm.BetaBinomial(
                outcome.name,
                n=outcome.levels.size - 1,
                alpha=mean * own["phi"],
                beta=(1 - mean) * own["phi"],
                observed=outcome.coded.astype(int),
                dims="obs",
            )
        case "cumulative":
            assert outcome.levels is not None
            concentration = priors["cutpoints"].prior.arguments["a"]
            shares = pm.Dirichlet("shares", np.full(outcome.levels.size, concentration))
            below = pt.clip(pt.cumsum(shares)[:-1], 1e-12, 1 - 1e-12)
            cutpoints = pm.Deterministic("cutpoints", pt.log(below) - pt.log1p(-below), dims="cutpoint")
            pm.OrderedLogistic(
                outcome.name,
                eta=eta,
                cutpoints=cutpoints,
                compute_p=False,
                observed=outcome.coded.astype(int),
                dims="obs",
            )


def _parameter(name: str, design: Design, priors: PriorTable) -> Any:
    """A parameter of the family: a scalar, or one value a row (shape (n,)) where it differs by level."""
    if name != "sigma" or design.residual is None:
        return place_one(name, priors[name].prior)
    levels = place(name, [priors[own].prior for own in design.residual.parameters], dims=design.residual.name)
    return levels[design.rows.residual]
