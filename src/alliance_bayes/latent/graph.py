"""The PyMC graph: the kernel as an operation, ratings session by session, and the outcome on the expected rating."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pytensor.gradient import DisconnectedType
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch import basic as numba_basic

from alliance_bayes.engines.graph import add_prior, graph_of, linear_predictor, observe
from alliance_bayes.latent.data import ALLIANCE, RATED, JointData
from alliance_bayes.latent.kernel import ratings_and_expectations
from alliance_bayes.latent.measurement import bent
from alliance_bayes.model import PriorTable
from alliance_bayes.model.priors import StatedPrior

__all__ = ["PERSON_VARIABLES", "build_joint_graph", "ratings_graph", "scalar_variables"]

#: Variables that have one value a person.
PERSON_VARIABLES = ("expected", "trait_centre")

_PARAMETERS = 5


class _Ratings(Op):
    """`ratings_and_expectations` on parameters and data; its own outputs hold the derivatives of the others."""

    __props__ = ()

    def make_node(self, *inputs: Any) -> Apply[Any]:
        tensors = [pt.as_tensor_variable(value) for value in inputs]
        kinds = [pt.dscalar, *[pt.dvector] * 3, pt.dmatrix, pt.dscalar, *[pt.dvector] * 4, pt.dmatrix, pt.dvector]
        return Apply(self, tensors, [kind() for kind in kinds])

    def perform(self, node: Apply[Any], inputs: Any, output_storage: Any) -> None:
        for store, value in zip(output_storage, ratings_and_expectations(*inputs), strict=True):
            store[0] = np.asarray(value)

    def infer_shape(self, node: Apply[Any], shapes: Any) -> Any:
        people, _, providers, cuts, _, pairs = shapes[:6]
        return [(), people, people, providers, cuts, (), people, people, people, pairs, (people[0], 8), people]

    def connection_pattern(self, node: Apply[Any]) -> list[list[bool]]:
        # Derivatives are known of the log likelihood (output 0) and of the expected ratings (output 6) only.
        return [[k < _PARAMETERS and out in (0, 6) for out in range(12)] for k in range(len(node.inputs))]

    def pullback(self, inputs: Any, outputs: Any, cotangents: Any) -> list[Any]:
        by_loglik, by_expected = cotangents[0], cotangents[6]
        out: list[Any] = [pt.zeros_like(value) for value in inputs[:_PARAMETERS]]
        if not isinstance(by_loglik.type, DisconnectedType):
            out = [total + by_loglik * part for total, part in zip(out, outputs[1:6], strict=True)]
        if not isinstance(by_expected.type, DisconnectedType):
            theta, lean, provider, cuts, sd = outputs[7:]
            at_pairs = by_expected[inputs[5]] * provider
            out[0] = out[0] + by_expected * theta
            out[1] = out[1] + by_expected * lean
            out[2] = pt.inc_subtensor(out[2][inputs[6]], at_pairs)
            out[3] = out[3] + pt.dot(by_expected, cuts).reshape((2, 4))
            out[4] = out[4] + pt.dot(by_expected, sd)
        return [*out, *(DisconnectedType()() for _ in inputs[_PARAMETERS:])]


@numba_basic.register_funcify_default_op_cache_key(_Ratings)
def _numba_ratings(op: _Ratings, **kwargs: Any) -> tuple[Any, int]:
    @numba_basic.numba_njit
    def ratings(*inputs):  # type: ignore[no-untyped-def]
        return ratings_and_expectations(*inputs)

    # Raised whenever the kernel changes, so that no cached machine code outlives it.
    return ratings, 1


def ratings_graph(parameters: tuple[Any, ...], data: tuple[np.ndarray, ...]) -> tuple[Any, Any]:
    """Log likelihood of the ratings and expected ratings, as variables of a graph.

    Parameters
    ----------
    parameters
        theta, lean, provider, cuts, session_sd, as `ratings_and_expectations` takes them.
    data
        The kernel's other arguments.

    Returns
    -------
    loglik
        Scalar.
    expected
        Shape (n,).
    """
    outputs: Any = _Ratings()(*parameters, *(pt.as_tensor_variable(array) for array in data))
    return outputs[0], outputs[6]


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
        return add_prior(name, measurement[name].prior, **dims)

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
