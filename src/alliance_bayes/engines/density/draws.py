"""From the sampler's numbers to the variables that users know."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from alliance_bayes.engines.correlation import partials, roots_of
from alliance_bayes.engines.density.kernel import cutpoints_of
from alliance_bayes.engines.density.plan import Plan, scalar_names, shared_terms
from alliance_bayes.engines.density.priors import FIRST_POSITIVE, KINDS
from alliance_bayes.model import Design, PriorTable

__all__ = ["starting_point", "variables_of"]

_NAMES = {number: name for name, number in KINDS.items()}


def starting_point(plan: Plan) -> Callable[[int], np.ndarray]:
    """Where chains begin: typical values under the priors, up to 1 away from them in the sampler's numbers."""
    centre = np.zeros(plan.size)
    for k, (kind, arguments) in enumerate(zip(plan.kind, plan.arguments, strict=True)):
        centre[k] = _typical(kind, *arguments)
    # Sticks at the odds of their prior means: equal shares of all levels.
    centre[plan.size - plan.stick_second.size :] = np.log(plan.stick_first / plan.stick_second)

    def first_point(seed: int) -> np.ndarray:
        return centre + np.random.default_rng(seed).uniform(-1.0, 1.0, plan.size)

    return first_point


def _typical(kind: int, first: float, second: float, _: float) -> float:
    """Location of a prior; of a positive parameter the logarithm of its prior's scale or mean."""
    match _NAMES[kind]:
        case "Normal":
            return first
        case "StudentT":
            return second
        case "HalfNormal":
            return float(np.log(first))
        case "HalfStudentT":
            return float(np.log(second))
        case "Exponential":
            return float(-np.log(first))
    return float(np.log(first / second))


def variables_of(
    design: Design, priors: PriorTable, plan: Plan, q: np.ndarray, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """The posterior's variables.

    Parameters
    ----------
    design, priors, plan
        The model.
    q
        The sampler's numbers, shape (n_draws, size).
    rng
        Divides each sum of a shared column's coefficient and level means among its parts, of which the data know
        nothing more: by their conditional distribution given the sum (Matheron's rule).

    Returns
    -------
    dict
        By name, each of shape (n_draws, ...).
    """
    names, shared = scalar_names(design, priors), shared_terms(design, priors)
    scalars = len(names)
    natural = q[:, :scalars].copy()
    positive = plan.kind >= FIRST_POSITIVE
    with np.errstate(over="ignore"):  # infinite draws are told of by name
        natural[:, positive] = np.exp(natural[:, positive])
    value = dict(zip(names, natural.T, strict=True))
    at_shared = scalars + len(plan.lkj)
    effects, at = _effects(plan, natural, q, at_shared + len(shared))
    roots = _correlated(plan, natural, q[:, scalars:at_shared], effects)
    beta = np.zeros((len(q), len(design.terms)))
    for k, term in enumerate(design.terms):
        if term not in shared:
            beta[:, k] = value[term]
    beta[:, plan.shared] = _divided(plan, natural, q[:, at_shared : at_shared + len(shared)], effects, rng)

    out: dict[str, np.ndarray] = {"beta": beta} if design.terms else {}
    for own in design.family.parameters:
        if own == "cutpoints":
            out[own] = np.array([cutpoints_of(row[q.shape[1] - plan.stick_second.size :])[0] for row in q])
        elif own == "sigma" and design.residual is not None:
            out[own] = np.stack([value[level] for level in design.residual.parameters], axis=-1)
        else:
            out[own] = value[own]
    for f, factor in enumerate(design.factors):
        blocks = np.flatnonzero(plan.block_factor == f)
        out[f"u_{factor.name}"] = np.stack([effects[b] for b in blocks], axis=-1)
        out[f"tau_{factor.name}"] = natural[:, plan.block_tau[blocks]]
        if factor.correlated:
            root = roots.pop(0)
            out[f"corr_{factor.name}"] = root @ root.transpose(0, 2, 1)
    for smooth in design.smooths:
        tau = out[f"tau_{smooth.name}"] = value[f"tau_{smooth.name}"]
        out[f"u_{smooth.name}"] = q[:, at : at + smooth.size] * tau[:, None]
        at += smooth.size
    return out


def _effects(plan: Plan, natural: np.ndarray, q: np.ndarray, at: int) -> tuple[list[np.ndarray], int]:
    """Level effects of each block, shape (n_draws, n_levels), and where the next numbers begin."""
    effects = []
    for b, levels in enumerate(plan.block_levels):
        tau = natural[:, plan.block_tau[b], None]
        size = levels - plan.block_summing[b]
        unit = (1.0 if plan.block_correlated[b] else tau) / np.sqrt(1.0 + tau**2 * plan.block_information[b])
        own = q[:, at : at + size] * unit
        at += size
        if plan.block_summing[b]:
            total, root = own.sum(axis=1, keepdims=True), np.sqrt(levels)
            own = np.concatenate([own - total / (root + levels), -total / root], axis=1)
        effects.append(own)
    return effects, at


def _correlated(plan: Plan, natural: np.ndarray, q: np.ndarray, effects: list[np.ndarray]) -> list[np.ndarray]:
    """Cholesky factors of the correlation matrices, shape (n_draws, q, q); correlates standardised effects in place."""
    roots, at = [], 0
    for block, terms in zip(plan.first_block, plan.n_terms, strict=True):
        size = partials(terms)
        roots.append(roots_of(np.ascontiguousarray(q[:, at : at + size]), terms))
        at += size
        standard = np.stack(effects[block : block + terms])
        for t in range(terms):
            tau = natural[:, plan.block_tau[block + t], None]
            effects[block + t] = tau * np.einsum("dj,jdl->dl", roots[-1][:, t], standard)
    return roots


def _divided(
    plan: Plan, natural: np.ndarray, standard: np.ndarray, effects: list[np.ndarray], rng: np.random.Generator
) -> np.ndarray:
    """Coefficients of the shared columns; the level means, drawn with them, are added to the effects in place."""
    parts = [
        (s, b, natural[:, tau] ** 2 / levels)
        for s, tau, levels in zip(plan.part_shared, plan.part_tau, plan.part_levels, strict=True)
        for b in np.flatnonzero(plan.block_tau == tau)
    ]
    spread = np.tile(plan.shared_variance, (len(natural), 1))
    for s, _, variance in parts:
        spread[:, s] += variance
    drawn = np.sqrt(plan.shared_variance) * rng.normal(size=standard.shape)
    coefficients = plan.shared_mean + drawn
    means = []
    for s, _, variance in parts:
        means.append(np.sqrt(variance) * rng.normal(size=len(natural)))
        drawn[:, s] += means[-1]
    share = (standard * np.sqrt(spread) - drawn) / spread
    for (s, b, variance), mean in zip(parts, means, strict=True):
        effects[b] += (mean + variance * share[:, s])[:, None]
    return coefficients + plan.shared_variance * share
