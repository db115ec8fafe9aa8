"""Predict persons, each from all the others: densities of all rows of a person, over the effects they could have."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np

from alliance_bayes.checks.leave_one_out import Loo, loo_of
from alliance_bayes.checks.refits import refitted, why_not
from alliance_bayes.errors import AllianceBayesError
from alliance_bayes.fit import FittedModel
from alliance_bayes.model import Family, Outcome, PooledFactor, Rows
from alliance_bayes.model.levels import lies_within

__all__ = ["LeftOut", "leave_people_out", "log_likelihood_of_people", "why_rows"]

#: Persons that are left out by fitting the model again, where importance sampling cannot.
MOST_REFITS = 10
# Points of Gauss-Hermite quadrature by number of effects of a person.
_POINTS = {1: 25, 2: 11}
# Draws x rows x points that are computed at most, and draws that are left at least.
_MOST, _FEWEST = 4 * 10**8, 1000
# Draws x rows in memory at once.
_BLOCK = 2 * 10**6
# Sums of squared effects over residuals beyond which eight digits of a density would be lost.
_LARGEST_SUM = 1e8


@dataclass(frozen=True, eq=False)
class LeftOut(Loo):
    """Leave-one-person-out predictions; see `Loo`, of persons in place of rows.

    Parameters
    ----------
    first
        Place of the first row of each person, shape (n_people,).
    refitted
        Which persons were left out by fitting the model again, shape (n_people,).
    """

    first: np.ndarray
    refitted: np.ndarray


def why_rows(fit: FittedModel) -> str:
    """Why rows and not persons are left out, as the end of a sentence; empty where persons are, or each is one row."""
    if fit.people is None:
        return ""
    pooled = _own_factors(fit, fit.people)
    if len(pooled) > 1:
        return f"persons have effects of {len(pooled)} factors of their own"
    if pooled and not fit.design.family.conjugate and len(pooled[0].terms) not in _POINTS:
        return f"persons have {len(pooled[0].terms)} effects each, over which no integral is taken"
    return ""


def leave_people_out(fit: FittedModel, *, relative_efficiency: float = 1.0) -> LeftOut:
    """Predict persons, each from all the others.

    Parameters
    ----------
    fit
        A fit with several rows a person, for which `why_rows` is empty.
    relative_efficiency
        See `leave_one_out`.

    Notes
    -----
    The score of a person is the log density of all rows of the person under the posterior without them, with the
    effects of the person integrated out: exactly for a Gaussian family, elsewhere by Gauss-Hermite quadrature about
    where the effects lie. That the person's effects are no part of what is weighed is what keeps the importance ratios
    tame [1]_. Where they are not, and a refit takes a moment, the model is fitted again without the person.

    References
    ----------
    .. [1] Merkle, Furr, Rabe-Hesketh (2019). Bayesian comparison of latent variable models: conditional versus marginal
       likelihoods. Psychometrika 84(3):802-829, doi 10.1007/s11336-019-09679-0.
    """
    people = fit.people
    assert people is not None
    design, pooled = fit.design, next(iter(_own_factors(fit, people)), None)
    order = np.argsort(people, kind="stable")
    _, starts, sizes = np.unique(people[order], return_index=True, return_counts=True)
    total = fit.shape[0] * fit.shape[1]
    points = 1 if pooled is None or design.family.conjugate else _POINTS[len(pooled.terms)] ** len(pooled.terms)
    some = max(min(total, _FEWEST), min(total, _MOST // (design.rows.n * points)))
    which = np.unique(np.linspace(0, total - 1, some).astype(int))
    scores = np.empty((len(starts), which.size))
    # Whole persons, as many rows at once as there is room for.
    block = np.cumsum(sizes) // max(1, _BLOCK // which.size)
    for number in np.unique(block):
        at = np.flatnonzero(block == number)
        places = order[starts[at[0]] : starts[at[-1]] + sizes[at[-1]]]
        rows, outcome = design.rows.take(places), design.outcome.take(places)
        scores[at] = log_likelihood_of_people(fit, rows, outcome, np.cumsum(sizes[at]) - sizes[at], pooled, which).T
    loo = loo_of(scores, relative_efficiency=relative_efficiency)
    left_out = LeftOut(**vars(loo), first=order[starts], refitted=np.zeros(len(starts), dtype=bool))
    return _with_refits(fit, left_out, people, pooled, scores)


def log_likelihood_of_people(
    fit: FittedModel, rows: Rows, outcome: Outcome, starts: np.ndarray, pooled: PooledFactor | None, which: np.ndarray
) -> np.ndarray:
    """Log density of all rows of each person, their effects integrated out, shape (n_draws, n_people).

    Parameters
    ----------
    fit
        The fit whose draws are taken.
    rows, outcome
        Rows that lie together by person.
    starts
        Place of the first row of each person.
    own
        The factor of persons' effects; None without one.
    which
        Which of the stacked draws.
    """
    family, pars = fit.design.family, fit.parameters_at(which, rows)
    if pooled is None:
        eta = fit.linear_predictor(rows, which=which)
        return np.add.reduceat(family.log_density(eta, pars, outcome), starts, axis=1)
    eta = fit.linear_predictor(rows, which=which, without=(pooled.name,))
    z = rows.z[pooled.name]
    # An SD of nothing has no root that can be solved with.
    root = fit.level_root(pooled.name)[which] + np.sqrt(np.finfo(float).tiny) * np.eye(z.shape[1])
    if family.conjugate:
        return _gaussian(eta, pars, outcome, z, root, starts)
    u = fit.stacked[f"u_{pooled.name}"][which][:, rows.index[pooled.name][starts]]
    standard = np.linalg.solve(root[:, None], u[..., None])[..., 0]
    return _quadrature(family, eta, pars, outcome, z, root, starts, standard)


def _gaussian(
    eta: np.ndarray, pars: dict[str, Any], outcome: Outcome, z: np.ndarray, root: np.ndarray, starts: np.ndarray
) -> np.ndarray:
    """Multivariate normal densities by the matrix determinant lemma and Woodbury's identity, of the effects' size."""
    sigma = np.broadcast_to(pars["sigma"][:, None] if pars["sigma"].ndim == 1 else pars["sigma"], eta.shape)
    residual = (outcome.coded - eta) / sigma
    q = z.shape[1]
    loaded = np.einsum("nq,dqr->dnr", z, root) / sigma[..., None]
    gram = np.add.reduceat(loaded[..., :, None] * loaded[..., None, :], starts, axis=1) + np.eye(q)
    cross = np.add.reduceat(loaded * residual[..., None], starts, axis=1)
    # Where effects are many thousand times the residuals, the sums have lost the one that makes them regular.
    large = ~(gram.max(axis=(0, 2, 3)) < _LARGEST_SUM)
    gram[:, large] = np.eye(q)
    lower = np.linalg.cholesky(gram)
    solved = np.linalg.solve(lower, cross[..., None])[..., 0]
    alone = np.add.reduceat(-0.5 * residual**2 - np.log(sigma) - 0.5 * np.log(2 * np.pi), starts, axis=1)
    log_det = np.log(np.diagonal(lower, axis1=-2, axis2=-1)).sum(axis=-1)
    out = np.asarray(alone + 0.5 * (solved**2).sum(axis=-1) - log_det)
    ends = np.append(starts, len(z))
    for person in np.flatnonzero(large):
        own = slice(ends[person], ends[person + 1])
        out[:, person] = _by_orthogonal(loaded[:, own], residual[:, own]) - np.log(sigma[:, own]).sum(axis=1)
    return out


def _by_orthogonal(loaded: np.ndarray, residual: np.ndarray) -> np.ndarray:
    """Log densities of standardised residuals, shape (n_draws, n), whose covariance is loaded loaded' + 1."""
    q = loaded.shape[-1]
    stacked = np.concatenate([loaded, np.broadcast_to(np.eye(q), (len(loaded), q, q))], axis=1)
    basis, upper = np.linalg.qr(stacked)
    left = np.concatenate([residual, np.zeros((len(residual), q))], axis=1)[..., None]
    # Twice: what is left may be far smaller than what is taken away.
    for _ in range(2):
        left = left - basis @ (np.swapaxes(basis, 1, 2) @ left)
    log_det = np.log(np.abs(np.diagonal(upper, axis1=-2, axis2=-1))).sum(axis=-1)
    return np.asarray(-0.5 * (left**2).sum(axis=(1, 2)) - log_det - 0.5 * residual.shape[1] * np.log(2 * np.pi))


def _quadrature(
    family: Family,
    eta: np.ndarray,
    pars: dict[str, Any],
    outcome: Outcome,
    z: np.ndarray,
    root: np.ndarray,
    starts: np.ndarray,
    standard: np.ndarray,
) -> np.ndarray:
    """Gauss-Hermite quadrature over standard normal effects, about the mean and in the spread that a person's have.

    ``standard`` are their draws, shape (n_draws, n_people, n_effects).
    """
    n_draws, _, q = standard.shape
    person = np.repeat(np.arange(starts.size), np.diff([*starts, len(z)]))
    middle = standard.mean(axis=0)
    away = standard - middle
    spread = np.einsum("dpq,dpr->pqr", away, away) / max(n_draws - 1, 1)
    # A spread of nothing has no root.
    wide = np.linalg.cholesky(spread + 1e-6 * np.eye(q))
    nodes, weights = np.polynomial.hermite_e.hermegauss(_POINTS[q])
    out = np.full((n_draws, starts.size), -np.inf)
    log_wide = np.log(np.diagonal(wide, axis1=-2, axis2=-1)).sum(axis=-1)
    for combination in product(range(nodes.size), repeat=q):
        x = nodes[list(combination)]
        v = middle + wide @ x
        moved = np.einsum("nq,dqr,nr->dn", z, root, v[person])
        density = np.add.reduceat(family.log_density(eta + moved, pars, outcome), starts, axis=1)
        # The rule's own weight is taken out; that of the effects' standard normal distribution is put in.
        weight = np.log(weights[list(combination)]).sum() + 0.5 * (x**2).sum() - 0.5 * (v**2).sum(axis=1)
        out = np.logaddexp(out, density + weight - 0.5 * q * np.log(2 * np.pi))
    return np.asarray(out + log_wide)


def _with_refits(
    fit: FittedModel, loo: LeftOut, people: np.ndarray, pooled: PooledFactor | None, scores: np.ndarray
) -> LeftOut:
    """The same, with those persons left out by a refit for whom importance sampling fails, where they are few."""
    bad = np.flatnonzero(~(loo.pareto_k <= loo.good_k))
    if not 0 < bad.size <= MOST_REFITS or why_not(fit, slope=False):
        return loo
    elpd, p, k, again = loo.elpd.copy(), loo.p.copy(), loo.pareto_k.copy(), loo.refitted.copy()
    for person in bad:
        own_rows = people == people[loo.first[person]]
        try:
            other = refitted(fit, keep=~own_rows)
            rows = other.design.evaluate(fit.design.frame[own_rows].reset_index(drop=True))
        except AllianceBayesError:
            continue
        factor = None if pooled is None else other.design.factor(pooled.name)
        draws = np.arange(other.shape[0] * other.shape[1])
        outcome = fit.design.outcome.take(np.flatnonzero(own_rows))
        density = log_likelihood_of_people(other, rows, outcome, np.zeros(1, dtype=int), factor, draws)[:, 0]
        elpd[person] = np.logaddexp.reduce(density) - np.log(density.size)
        p[person] = np.logaddexp.reduce(scores[person]) - np.log(scores.shape[1]) - elpd[person]
        k[person], again[person] = 0.0, True
    return replace(loo, elpd=elpd, p=p, pareto_k=k, refitted=again)


def _own_factors(fit: FittedModel, people: np.ndarray) -> list[PooledFactor]:
    """Pooled factors each of whose levels is of one person."""
    index = fit.design.rows.index
    return [factor for factor in fit.design.factors if lies_within(index[factor.name], people)]
