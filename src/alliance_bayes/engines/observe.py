"""The outcome in the PyMC graph, family by family."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from alliance_bayes.engines.masses import bernoulli_logp, beta_binomial_logp, censored_logp, cumulative_logp
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
            pm.CustomDist(
                outcome.name,
                eta,
                own["sigma"],
                dist=lambda mu, sigma, size: pm.Censored.dist(
                    pm.Normal.dist(mu, sigma, size=size), lower=outcome.lower, upper=outcome.upper
                ),
                logp=lambda value, mu, sigma: censored_logp(value, mu, sigma, outcome.lower, outcome.upper),
                observed=outcome.coded,
                dims="obs",
            )
        case "bernoulli":
            pm.CustomDist(
                outcome.name,
                eta,
                dist=lambda eta, size: pm.Bernoulli.dist(logit_p=eta, size=size),
                logp=bernoulli_logp,
                observed=outcome.coded.astype(int),
                dims="obs",
            )
        case "beta_binomial":
            assert outcome.levels is not None
            n = outcome.levels.size - 1
            pm.CustomDist(
                outcome.name,
                eta,
                own["phi"],
                dist=lambda eta, phi, size: pm.BetaBinomial.dist(
                    n=n, alpha=pt.sigmoid(eta) * phi, beta=pt.sigmoid(-eta) * phi, size=size
                ),
                logp=lambda value, eta, phi: beta_binomial_logp(value, eta, phi, n),
                observed=outcome.coded.astype(int),
                dims="obs",
            )
        case "cumulative":
            assert outcome.levels is not None
            cutpoints = _cutpoints(outcome.levels.size, priors["cutpoints"].prior.arguments["a"])
            pm.CustomDist(
                outcome.name,
                eta,
                cutpoints,
                dist=lambda eta, cutpoints, size: pm.Categorical.dist(
                    p=pm.OrderedLogistic.compute_p(eta, cutpoints), size=size
                ),
                logp=cumulative_logp,
                signature="(),(k)->()",
                observed=outcome.coded.astype(int),
                dims="obs",
            )


def _cutpoints(n_levels: int, concentration: float) -> Any:
    """Cutpoints whose shares of the levels, at a linear predictor of 0, are Dirichlet with one concentration.

    The share of a level among those from it upwards is Beta, independent of the other levels' (stick breaking), and so
    are these in the posterior as far as the linear predictor leaves it. Sampled as they are, hundreds of levels mix;
    shares that add up to one do not once many outcomes lie at one level.
    """
    above = concentration * np.arange(n_levels - 1, 0, -1)
    sticks = pm.Beta("sticks", alpha=concentration, beta=above, shape=n_levels - 1)
    # Logarithm of the probability of more than each level, kept off both ends, where a cutpoint would be infinite.
    survival = pt.clip(pt.cumsum(pt.log1p(-sticks)), math.log(1e-12), -1e-12)
    return pm.Deterministic("cutpoints", pt.log(-pt.expm1(survival)) - survival, dims="cutpoint")


def _parameter(name: str, design: Design, priors: PriorTable) -> Any:
    """A parameter of the family: a scalar, or one value a row (shape (n,)) where it differs by level."""
    if name != "sigma" or design.residual is None:
        return place_one(name, priors[name].prior)
    levels = place(name, [priors[own].prior for own in design.residual.parameters], dims=design.residual.name)
    return levels[design.rows.residual]
