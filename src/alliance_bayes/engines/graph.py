"""The PyMC graph of a model: named dims, one variable a parameter, readable and open to extension."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from alliance_bayes.engines.density.model_data import information
from alliance_bayes.engines.scaled import ScaledEffects
from alliance_bayes.errors import ModelError
from alliance_bayes.model import Design, PooledFactor, Prior, PriorTable
from alliance_bayes.model.layout import posterior_coords
from alliance_bayes.model.sigma import GAMMA, SIGMA_DIM

__all__ = ["add_prior", "build_graph", "graph_of", "linear_predictor", "observe"]


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
        With ``beta`` (dim ``term``), the family's parameters, ``gamma`` (dim ``sigma_term``) where the residual SD
        differs along columns, and for each pooled factor ``tau_<factor>`` (dim
        ``<factor>_term``), ``u_<factor>`` (dims ``<factor>``, ``<factor>_term``) and, where correlated,
        ``corr_<factor>``; for each smooth ``tau_s_<column>`` and ``u_s_<column>`` (dim ``s_<column>``). The outcome
        carries the name of its column and the dim ``obs``.

    Raises
    ------
    ModelError
        A combination of priors that the graph cannot express; the message says which.

    Notes
    -----
    It is written as a textbook has it, to be read and extended: level effects are normal with SD tau, those of an
    exhaustive factor sum to zero, and correlated ones are standard normal numbers times a Cholesky factor. Of effects a
    sampler sees multiples that are easier to sample (:class:`ScaledEffects`). The engines sample the same posterior in
    other coordinates (:mod:`alliance_bayes.engines.density`).
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
    beta
        Coefficients of the common columns, shape (n_terms,); None where there are none.
    eta
        The linear predictor, shape (n_rows,).
    """
    offset = design.rows.offset
    eta = pt.constant(np.zeros(design.rows.n) if offset is None else offset)
    beta = None
    if design.terms:
        beta = add_priors("beta", [priors[term].prior for term in design.terms], dims="term")
        eta = eta + pt.dot(pt.constant(x), beta)
    for factor in design.factors:
        u = _level_effects(design, factor, priors)
        rows = pt.constant(design.rows.z[factor.name])
        eta = eta + (rows * u[design.rows.index[factor.name]]).sum(axis=-1)
    for smooth in design.smooths:
        tau = add_prior(f"tau_{smooth.name}", priors[f"tau_{smooth.name}"].prior)
        z = pm.Normal(f"z_{smooth.name}", 0.0, 1.0, dims=smooth.name)
        u = pm.Deterministic(f"u_{smooth.name}", z * tau, dims=smooth.name)
        eta = eta + pt.dot(pt.constant(design.rows.basis[smooth.name]), u)
    return beta, eta


def _level_effects(design: Design, factor: PooledFactor, priors: PriorTable) -> Any:
    """Level effects of one factor, shape (n_levels, n_factor_terms)."""
    name, terms = factor.name, factor.terms
    scales = [priors[f"tau_{name}[{term}]"].prior for term in terms]
    # Levels are the last dim: it is over them that effects of an exhaustive factor sum to zero.
    normal, dims = (pm.ZeroSumNormal if factor.exhaustive else pm.Normal), (factor.term_dim, name)
    if factor.correlated:
        z = normal(f"z_{name}", sigma=1.0, dims=dims)
        effects = pt.dot(_covariance_root(factor, scales, priors[f"corr_{name}"].prior), z)
    else:
        tau = add_priors(f"tau_{name}", scales, dims=factor.term_dim)
        unit = ScaledEffects(normal.__name__, information(design, factor))
        effects = normal(f"effects_{name}", sigma=tau[:, None], dims=dims, transform=unit)
    return pm.Deterministic(f"u_{name}", effects.T, dims=(name, factor.term_dim))


def _covariance_root(factor: PooledFactor, scales: list[Prior], lkj: Prior) -> Any:
    """Cholesky factor of the covariance of a factor's terms, shape (n_factor_terms, n_factor_terms)."""
    name, n = factor.name, len(scales)
    if len({prior.distribution for prior in scales}) > 1:
        raise ModelError(
            f"the correlated terms of '{name}' have scale priors of different kinds ({', '.join(map(str, scales))}), "
            f"for which PyMC has no graph. Give them one kind, or write (... || {name})."
        )
    root, correlation, tau = pm.LKJCholeskyCov(
        f"chol_{name}",
        n=n,
        eta=lkj.arguments["eta"],
        sd_dist=_distribution(scales[0]).dist(**_stacked(scales), shape=n),
        compute_corr=True,
        store_in_trace=False,
        # Otherwise chains begin at draws of the scales, by constants that PyTensor may have made read-only, which SciPy
        # refuses.
        initval=np.eye(n)[np.tril_indices(n)],
    )
    pm.Deterministic(f"tau_{name}", tau, dims=factor.term_dim)
    pm.Deterministic(f"corr_{name}", correlation, dims=(factor.term_dim, f"{factor.term_dim}_other"))
    return root


def observe(design: Design, priors: PriorTable, eta: Any) -> None:
    """Add the family's parameters and the observed outcome to the PyMC model in context.

    Parameters
    ----------
    design, priors
        Rows and priors of the model.
    eta
        Linear predictor, shape (n,).
    """
    parameters = {name: _parameter(name, design, priors) for name in design.family.parameters}
    design.family.observe(design.outcome, eta, parameters)
    weights = design.information_weights
    if weights is not None:
        observed = pm.modelcontext(None)[design.outcome.name]
        each = pm.logp(observed, pm.modelcontext(None).rvs_to_values[observed])
        pm.Potential("weighting", ((weights - 1) * each).sum())


def _parameter(name: str, design: Design, priors: PriorTable) -> Any:
    """A parameter of the family: a scalar, one value a row (shape (n,)) where it differs, or cutpoints."""
    if design.family.parameters[name].support == "simplex":
        return _cutpoints(name, design.outcome.known_levels.size, priors[name].prior.arguments["a"])
    if name == "sigma" and design.sigma is not None:
        gamma = add_priors(GAMMA, [priors[label].prior for label in design.sigma.parameters], dims=SIGMA_DIM)
        return add_prior(name, priors[name].prior) * pt.exp(pt.dot(pt.constant(design.rows.sigma), gamma))
    if name != "sigma" or design.residual is None:
        return add_prior(name, priors[name].prior)
    levels = add_priors(name, [priors[label].prior for label in design.residual.parameters], dims=design.residual.name)
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


def add_priors(name: str, priors: list[Prior], *, dims: str) -> Any:
    """A vector of parameters, shape (len(priors),): one variable where all priors are of one kind, else stacked."""
    if len({prior.distribution for prior in priors}) == 1:
        return _distribution(priors[0])(name, **_stacked(priors), dims=dims)
    stacked = pt.stack([add_prior(f"{name}_{k}", prior) for k, prior in enumerate(priors)])
    return pm.Deterministic(name, stacked, dims=dims)


def add_prior(name: str, prior: Prior, **dims: Any) -> Any:
    """A parameter with its prior in the PyMC model in context: a scalar, or of what ``dims`` or ``shape`` say."""
    return _distribution(prior)(name, **prior.arguments, **dims)


def _distribution(prior: Prior) -> Any:
    """The PyMC class of a prior; names and argument names are PyMC's own."""
    return getattr(pm, prior.distribution)


def _stacked(priors: list[Prior]) -> dict[str, np.ndarray]:
    """Arguments of priors of one kind, each of shape (len(priors),)."""
    return {name: np.array([prior.arguments[name] for prior in priors]) for name in priors[0].arguments}
