"""The PyMC graph: ratings session by session, and the outcome on the rating that a person is expected to give."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from alliance_bayes.engines.graph import graph_of, linear_predictor
from alliance_bayes.engines.observe import observe
from alliance_bayes.engines.place import pymc_distribution
from alliance_bayes.latent.bend import bent
from alliance_bayes.latent.data import RATED
from alliance_bayes.latent.joint import ALLIANCE, JointData
from alliance_bayes.latent.op import ratings_graph
from alliance_bayes.model import PriorTable
from alliance_bayes.model.priors import StatedPrior

__all__ = [
    "PERSON_VARIABLES",
    "build_joint_graph",
    "scalar_variables",
]

#: Variables that have one value a person.
PERSON_VARIABLES = ("expected", "trait_centre")


def build_joint_graph(
    data: JointData, priors: PriorTable, measurement: Mapping[str, StatedPrior], *, trait: str, n_nodes: int
) -> pm.Model:
    """Build the joint model.

    Parameters
    ----------
    data
        Ratings of everybody, and the outcome's design for those who have one.
    priors, measurement
        Priors of the outcome's part and of the measurement part.
    trait
        ``"stretched"``: a normal variable whose unit is ``trait_sd`` logits below the highest threshold and
        ``trait_sd_above`` above it. ``"normal"``: one unit on both sides.
    n_nodes
        Quadrature nodes for the session's part.

    Returns
    -------
    pymc.Model
        The outcome's variables as in `build_graph`, ``alliance`` in ``beta`` being the slope on the expected rating;
        those of `scalar_variables`; and ``expected``, ``trait_centre`` (person).

    Notes
    -----
    The highest thresholds of the two items are minus and plus half of ``item_shift``, so that a trait of 0 lies at the
    highest threshold and ``trait_centre`` holds the level. Traits are sampled as ``xi ~ Normal(trait_centre, 1)``:
    centred in location, on which ratings say much, and not in scale, on which ratings of those beyond the highest
    threshold say little; the reverse choices mix three to five times as slowly. Sampling a trait together with its main
    provider's part mixes that provider's SD better where ratings are many, but diverges where there are one or two a
    person, since a small ``trait_sd`` then stretches the provider's part without limit.
    """
    design, ratings = data.design, data.ratings
    coords: dict[str, Any] = {
        "person": np.arange(ratings.n),
        "item": list(RATED),
        "cut": ["1|2", "2|3", "3|4", "4|5"],
        "trait_term": list(data.trait_terms),
        "trait_factor": [factor.name for factor in design.factors],
    }

    def place(name: str, **dims: Any) -> Any:
        own = measurement[name].prior
        return pymc_distribution(own)(name, **own.arguments, **dims)

    with graph_of(design, coords) as model:
        shift = place("item_shift")
        top = pt.stack([-shift / 2, shift / 2])[:, None]
        # From the highest threshold downwards, then in ascending order.
        lower = top - pt.cumsum(pt.exp(place("log_gap", shape=(2, 3))), axis=1)
        cuts = pm.Deterministic("cuts", pt.concatenate([lower[:, ::-1], top], axis=1), dims=("item", "cut"))

        centre = pm.Deterministic("trait_centre", place("trait_mean") + _by_predictors(data, place), dims="person")
        below = place("trait_sd")
        above = place("trait_sd_above") if trait == "stretched" else below
        provider = place("provider_sd") * pm.Normal("z_provider", 0.0, 1.0, shape=len(ratings.providers))
        theta = bent(pm.Normal("xi", centre, 1.0, shape=ratings.n), below, above, root=pt.sqrt)
        lean = place("lean_sd") * pm.Normal("z_lean", 0.0, 1.0, shape=ratings.n)

        loglik, expected = ratings_graph((theta, lean, provider, cuts, place("session_sd")), ratings.arguments(n_nodes))
        pm.Potential("ratings", loglik)
        expected = pm.Deterministic("expected", expected, dims="person")

        at = design.terms.index(ALLIANCE)
        # The column of the observed alliance gives way to the expected rating.
        x = design.rows.x.copy()
        x[:, at] = 0.0
        coefficients, eta = linear_predictor(design, priors, x)
        away = expected[data.rows] - design.centres[ALLIANCE]
        observe(design, priors, eta + coefficients[at] * away)
    return model


def scalar_variables(data: JointData, *, trait: str) -> tuple[str, ...]:
    """Names of the measurement model's variables that have no value a person or provider."""
    names = ["cuts", "item_shift", "trait_mean", "trait_sd"]
    names += ["trait_sd_above"] if trait == "stretched" else []
    names += ["trait_slope"] if data.trait_terms else []
    names += ["trait_tau"] if data.design.factors else []
    return (*names, "lean_sd", "provider_sd", "session_sd")


def _by_predictors(data: JointData, place: Callable[..., Any]) -> Any:
    """What the outcome's predictors and factors say of the trait, in its SDs, shape (n,)."""
    mean = pt.zeros(data.ratings.n)
    if data.trait_terms:
        mean = mean + pt.dot(pt.constant(data.trait_x), place("trait_slope", dims="trait_term"))
    if data.design.factors:
        tau = place("trait_tau", dims="trait_factor")
        for k, factor in enumerate(data.design.factors):
            kind, size = (pm.ZeroSumNormal, {}) if factor.exhaustive else (pm.Normal, {"mu": 0.0})
            z = kind(f"z_trait_{factor.name}", sigma=1.0, shape=len(factor.levels), **size)
            # A level that nobody with an outcome has is taken at the mean of the levels.
            mean = mean + pt.concatenate([tau[k] * z, [0.0]])[data.trait_index[factor.name]]
    return mean
