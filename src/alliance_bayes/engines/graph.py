"""The PyMC graph of a model: named dims, one variable a parameter, readable and open to extension."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from alliance_bayes.engines.information import information
from alliance_bayes.engines.observe import observe
from alliance_bayes.engines.place import place, place_one, pymc_distribution, stacked_arguments
from alliance_bayes.engines.scaled import ScaledEffects
from alliance_bayes.engines.sharing import shared_terms
from alliance_bayes.errors import ModelError
from alliance_bayes.model import Design, PooledFactor, Prior, PriorTable
from alliance_bayes.model.layout import posterior_coords

__all__ = ["build_graph", "graph_of", "linear_predictor"]


def build_graph(design: Design, priors: PriorTable) -> pm.Model:
    """Build the PyMC model of a design.

    Parameters
    ----------
    design
        The formula applied to rows.
    priors
        A prior for every parameter.

    Returns
    -------
    pymc.Model
        With ``beta`` (dim ``term``), the family's parameters, and for each pooled factor ``tau_<factor>`` (dim
        ``<factor>_term``), ``u_<factor>`` (dims ``<factor>``, ``<factor>_term``) and, where correlated,
        ``corr_<factor>``; for each smooth ``tau_s_<column>`` and ``u_s_<column>`` (dim ``s_<column>``). The outcome
        carries the name of its column and the dim ``obs``.

    Raises
    ------
    ModelError
        A combination of priors that the graph cannot express; the message says which.

    Notes
    -----
    The level effects of a sampled factor are independent Normal(0, tau). Their mean over the K observed levels cannot
    be told from the common coefficient of the same column: only the sum of both is informed by the data. The graph
    therefore samples that sum, whose prior is Normal(m, sqrt(s^2 + sum tau^2 / K)), together with level effects that
    sum to zero, and recovers the coefficient and the level means from their conditional distribution given the sum
    (Matheron's rule). The model is the same; the ridge that slows samplers down is gone. Level effects are sampled in a
    unit that fits the data (:class:`ScaledEffects`); those of correlated terms are standardised.
    """
    with graph_of(design) as model:
        _, eta = linear_predictor(design, priors, design.rows.x)
        observe(design, priors, eta)
    return model


@contextmanager
def graph_of(design: Design, more: Mapping[str, Any] | None = None) -> Iterator[pm.Model]:
    """A PyMC model with the coordinates of a design's posterior and rows, and some more, to be filled.

    Raises
    ------
    ModelError
        A coordinate or a variable has the name of another: a column of the design is called like a part of the graph.
    """
    coords: dict[str, Any] = {**posterior_coords(design), "obs": np.arange(design.rows.n)}
    twice = sorted(coords.keys() & (more or {}).keys())
    try:
        with pm.Model(coords=coords | dict(more or {})) as model:
            yield model
    except ValueError as error:
        # PyMC knows the names in use; it is asked rather than told, so that none can be forgotten here.
        if "already exists" not in str(error):
            raise
        raise ModelError(
            f"formula {design.formula.text!r}: the graph of this model has two parts of one name ({error}). Rename "
            "the column that is called so."
        ) from error
    twice += sorted(model.coords.keys() & model.named_vars.keys())
    if twice:
        raise ModelError(
            f"formula {design.formula.text!r}: in the graph of this model {', '.join(map(repr, twice))} stands for "
            "something else than a column. Rename the column."
        )


def linear_predictor(design: Design, priors: PriorTable, x: np.ndarray) -> tuple[Any, Any]:
    """Add the linear predictor and its parameters to the PyMC model in context.

    Parameters
    ----------
    design, priors
        As for :func:`build_graph`; the model must have the coordinates of :func:`posterior_coords`.
    x
        Common columns, shape (n_rows, n_terms): the design's own, or others in their place.

    Returns
    -------
    coefficients
        What multiplies the common columns, shape (n_terms,); None where there are none.
    eta
        The linear predictor, shape (n_rows,).
    """
    effects = [_Effects.of(design, factor, priors) for factor in design.factors]
    coefficients = _coefficients(design, priors, effects)
    offset = design.rows.offset
    eta = pt.constant(np.zeros(design.rows.n) if offset is None else offset)
    if coefficients is not None:
        eta = eta + pt.dot(pt.constant(x), coefficients)
    for effect in effects:
        rows = pt.constant(design.rows.z[effect.factor.name])
        eta = eta + (rows * effect.deviations[design.rows.index[effect.factor.name]]).sum(axis=-1)
    for smooth in design.smooths:
        tau = place_one(f"tau_{smooth.name}", priors[f"tau_{smooth.name}"].prior)
        z = pm.Normal(f"z_{smooth.name}", 0.0, 1.0, shape=smooth.size)
        u = pm.Deterministic(f"u_{smooth.name}", z * tau, dims=smooth.name)
        eta = eta + pt.dot(pt.constant(design.rows.basis[smooth.name]), u)
    return coefficients, eta


@dataclass
class _Effects:
    """Level effects of one factor while the graph is built: u = deviations + the level mean of the shared columns."""

    factor: PooledFactor
    tau: Any  # (n_factor_terms,)
    deviations: Any  # (n_levels, n_factor_terms)
    shared: tuple[str, ...]  # columns whose level mean is sampled apart

    @classmethod
    def of(cls, design: Design, factor: PooledFactor, priors: PriorTable) -> _Effects:
        name, terms = factor.name, factor.terms
        own = [priors[f"tau_{name}[{term}]"].prior for term in terms]
        if factor.correlated:
            return cls(factor, *_correlated(factor, own, priors[f"corr_{name}"].prior), shared=())
        tau = place(f"tau_{name}", own, dims=factor.term_dim)
        common = shared_terms(design, priors)
        shared = () if factor.exhaustive else tuple(term for term in terms if term in common)
        summing = terms if factor.exhaustive else shared
        free = tuple(term for term in terms if term not in summing)
        known = information(design, factor)
        pieces: dict[str, Any] = {}
        for suffix, some, kind in (("", summing, pm.ZeroSumNormal), ("_free", free, pm.Normal)):
            if some:
                at = [terms.index(term) for term in some]
                effects = kind(
                    f"deviation_{name}{suffix}",
                    sigma=tau[at][:, None],
                    shape=(len(some), len(factor.levels)),
                    transform=ScaledEffects(kind.__name__, known[at]),
                )
                pieces |= {term: effects[position] for position, term in enumerate(some)}
        deviations = pt.stack([pieces[term] for term in terms], axis=1)
        if not shared:
            pm.Deterministic(f"u_{name}", deviations, dims=(name, factor.term_dim))
        return cls(factor, tau, deviations, shared)


def _correlated(factor: PooledFactor, own: list[Prior], lkj: Prior) -> tuple[Any, Any]:
    name = factor.name
    if len({prior.distribution for prior in own}) > 1:
        raise ModelError(
            f"the correlated terms of '{name}' have scale priors of different kinds ({', '.join(map(str, own))}). "
            f"Give them one kind, or write (... || {name})."
        )
    scale = pymc_distribution(own[0]).dist(**stacked_arguments(own), shape=len(own))
    packed = pm.LKJCholeskyCov(
        f"chol_{name}",
        n=len(own),
        eta=lkj.arguments["eta"],
        sd_dist=scale,
        compute_corr=True,
        store_in_trace=False,
        # Otherwise chains begin at draws of the scales, by constants that PyTensor may have made read-only, which SciPy
        # refuses.
        initval=np.eye(len(own))[np.tril_indices(len(own))],
    )
    cholesky, correlation, tau = packed
    pm.Deterministic(f"tau_{name}", tau, dims=factor.term_dim)
    pm.Deterministic(f"corr_{name}", correlation, dims=(factor.term_dim, f"{factor.term_dim}_other"))
    shape = (len(own), len(factor.levels))
    if factor.exhaustive:
        z = pm.ZeroSumNormal(f"z_{name}", sigma=1.0, shape=shape, n_zerosum_axes=1)
    else:
        z = pm.Normal(f"z_{name}", 0.0, 1.0, shape=shape)
    deviations = pt.dot(cholesky, z).T
    pm.Deterministic(f"u_{name}", deviations, dims=(name, factor.term_dim))
    return tau, deviations


def _coefficients(design: Design, priors: PriorTable, effects: list[_Effects]) -> Any:
    """Register ``beta`` and return what multiplies the common columns: beta plus the level means of shared columns."""
    if not design.terms:
        for effect in effects:
            assert not effect.shared
        return None
    own = [priors[term].prior for term in design.terms]
    shared = shared_terms(design, priors)
    if not shared:
        return place("beta", own, dims="term")

    position = {term: k for k, term in enumerate(shared)}
    mean = np.array([own[design.terms.index(term)].arguments["mu"] for term in shared])
    variance = np.array([own[design.terms.index(term)].arguments["sigma"] for term in shared]) ** 2
    spread = pt.constant(variance)
    level_variance = []
    for effect in effects:
        if effect.shared:
            at = [position[term] for term in effect.shared]
            tau = effect.tau[[effect.factor.terms.index(term) for term in effect.shared]]
            level_variance.append((effect, at, tau**2 / len(effect.factor.levels)))
            spread = pt.inc_subtensor(spread[at], level_variance[-1][2])
    total = pm.Normal("total", 0.0, 1.0, shape=len(shared)) * pt.sqrt(spread) + mean

    # Matheron: draw every part from its prior, then spread the gap between the sampled and the drawn sum by variance.
    base = mean + np.sqrt(variance) * pm.Normal("split_beta", 0.0, 1.0, shape=len(shared))
    parts = [
        pt.sqrt(v) * pm.Normal(f"split_{effect.factor.name}", 0.0, 1.0, shape=len(at))
        for effect, at, v in level_variance
    ]
    drawn = base
    for (_, at, _), part in zip(level_variance, parts, strict=True):
        drawn = pt.inc_subtensor(drawn[at], part)
    share = (total - drawn) / spread
    for (effect, at, v), part in zip(level_variance, parts, strict=True):
        columns = [effect.factor.terms.index(term) for term in effect.shared]
        u = pt.inc_subtensor(effect.deviations[:, columns], (part + v * share[at])[None, :])
        pm.Deterministic(f"u_{effect.factor.name}", u, dims=(effect.factor.name, effect.factor.term_dim))

    at = [design.terms.index(term) for term in shared]
    rest = [k for k in range(len(own)) if k not in at]
    fixed = pt.zeros(len(own))
    if rest:
        fixed = pt.set_subtensor(fixed[rest], place("beta_rest", [own[k] for k in rest]))
    pm.Deterministic("beta", pt.set_subtensor(fixed[at], base + variance * share), dims="term")
    return pt.set_subtensor(fixed[at], total)
