"""Draws from the prior, in the layout of the posterior."""

from __future__ import annotations

import numpy as np
import xarray as xr

from alliance_bayes.errors import UsageError
from alliance_bayes.foreign import shown
from alliance_bayes.kinds import is_whole
from alliance_bayes.model import Design, PooledFactor, PriorTable
from alliance_bayes.model.layout import posterior_dataset
from alliance_bayes.model.sigma import GAMMA

__all__ = ["sample_prior"]


_MOST = 100_000


def sample_prior(design: Design, priors: PriorTable, *, draws: int = 500, seed: int = 0) -> xr.Dataset:
    """Independent draws of every parameter from its prior.

    Parameters
    ----------
    design, priors
        The model on its rows.
    draws
        Number of draws, at most 100,000.
    seed
        Seed of the draws.

    Returns
    -------
    xarray.Dataset
        The variables of the posterior, with dims chain (1), draw and their own.

    Raises
    ------
    UsageError
        Another number of draws.
    """
    if not is_whole(draws, 1, _MOST):
        raise UsageError(f"draws should be a whole number from 1 to {_MOST:,} but got {shown(draws)}.")
    rng = np.random.default_rng(seed)
    values: dict[str, np.ndarray] = {}
    if design.terms:
        values["beta"] = np.stack([priors[term].prior.draw(rng, draws) for term in design.terms], axis=-1)
    for name in design.family.parameters:
        if name == "sigma" and design.residual is not None:
            levels = [priors[label].prior.draw(rng, draws) for label in design.residual.parameters]
            values[name] = np.stack(levels, axis=-1)
            continue
        if design.family.parameters[name].support != "simplex":
            values[name] = priors[name].prior.draw(rng, draws)
            continue
        concentration = np.full(design.outcome.known_levels.size, priors[name].prior.arguments["a"])
        below = np.clip(np.cumsum(rng.dirichlet(concentration, draws), axis=-1)[:, :-1], 1e-12, 1 - 1e-12)
        values[name] = np.log(below) - np.log1p(-below)
    if design.sigma is not None:
        values[GAMMA] = np.stack([priors[label].prior.draw(rng, draws) for label in design.sigma.parameters], axis=-1)
    for factor in design.factors:
        values |= _factor_draws(factor, priors, draws, rng)
    for smooth in design.smooths:
        tau = values[f"tau_{smooth.name}"] = priors[f"tau_{smooth.name}"].prior.draw(rng, draws)
        values[f"u_{smooth.name}"] = rng.normal(size=(draws, smooth.size)) * tau[:, None]
    return posterior_dataset(design, {name: drawn[None] for name, drawn in values.items()})


def _factor_draws(
    factor: PooledFactor, priors: PriorTable, draws: int, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    name, q = factor.name, len(factor.terms)
    tau = np.stack([priors[f"tau_{name}[{term}]"].prior.draw(rng, draws) for term in factor.terms], axis=-1)
    z = rng.normal(size=(draws, len(factor.levels), q))
    if factor.exhaustive:
        # Projecting on the sum-to-zero space is the orthonormal contrast basis in other words.
        z -= z.mean(axis=1, keepdims=True)
    if not factor.correlated:
        return {f"u_{name}": z * tau[:, None, :], f"tau_{name}": tau}
    cholesky = _lkj_cholesky(q, priors[f"corr_{name}"].prior.arguments["eta"], draws, rng)
    u = np.einsum("dlj,dij->dli", z, cholesky) * tau[:, None, :]
    return {f"u_{name}": u, f"tau_{name}": tau, f"corr_{name}": np.einsum("dik,djk->dij", cholesky, cholesky)}


def _lkj_cholesky(q: int, eta: float, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Cholesky factors of LKJ(eta) correlation matrices, shape (draws, q, q).

    Row i has squared length 1, of which a Beta(i / 2, eta + (q - 1 - i) / 2) share lies off the diagonal, in a
    uniform direction (the onion method of Lewandowski, Kurowicka and Joe 2009, doi 10.1016/j.jmva.2009.04.008).
    """
    cholesky = np.zeros((draws, q, q))
    cholesky[:, 0, 0] = 1.0
    for i in range(1, q):
        share = rng.beta(i / 2, eta + (q - 1 - i) / 2, size=draws)
        direction = rng.normal(size=(draws, i))
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        cholesky[:, i, :i] = direction * np.sqrt(share)[:, None]
        cholesky[:, i, i] = np.sqrt(1.0 - share)
    return cholesky
