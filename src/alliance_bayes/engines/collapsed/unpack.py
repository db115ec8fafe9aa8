"""From draws of hyperparameters and of coefficients in the engine's own order to the variables users know."""

from __future__ import annotations

import numpy as np
import xarray as xr

from alliance_bayes.engines.collapsed.cells import contrasts
from alliance_bayes.engines.collapsed.marginal import Marginal
from alliance_bayes.model import Design
from alliance_bayes.model.layout import posterior_dataset

__all__ = ["unpack"]


def unpack(
    design: Design, marginal: Marginal, theta: np.ndarray, dense: np.ndarray, eliminated: np.ndarray
) -> xr.Dataset:
    """Name the draws.

    Parameters
    ----------
    design
        The model.
    marginal
        Its marginal posterior.
    theta
        Hyperparameters, shape (chain, draw, D).
    dense, eliminated
        Coefficients counted from the pilot, shapes (chain x draw, d) and (chain x draw, L, q).
    """
    eq, hyper = marginal.equations, marginal.hyper
    chains, draws = theta.shape[:2]
    n = chains * draws
    sigma, tau, roots = hyper.natural(theta.reshape(n, -1))
    values: dict[str, np.ndarray] = {"sigma": sigma if design.residual is not None else sigma[:, 0]}
    if design.terms:
        values["beta"] = dense[:, : len(design.terms)] + eq.pilot
    for smooth in design.smooths:
        start = eq.starts[smooth.name]
        values[f"u_{smooth.name}"] = dense[:, start : start + len(smooth.labels)]
        values[f"tau_{smooth.name}"] = tau[:, hyper.scale[f"tau_{smooth.name}"]]
    for factor in design.factors:
        name, q, levels = factor.name, len(factor.terms), len(factor.levels)
        values[f"tau_{name}"] = tau[:, [hyper.scale[f"tau_{name}[{term}]"] for term in factor.terms]]
        if factor.correlated:
            values[f"corr_{name}"] = roots[name] @ roots[name].transpose(0, 2, 1)
        if name == eq.eliminated:
            values[f"u_{name}"] = eliminated
            continue
        start, width = eq.starts[name], levels - 1 if factor.exhaustive else levels
        u = dense[:, start : start + width * q].reshape(n, width, q)
        values[f"u_{name}"] = np.einsum("lk,nkq->nlq", contrasts(levels), u) if factor.exhaustive else u
    return posterior_dataset(
        design, {name: drawn.reshape(chains, draws, *drawn.shape[1:]) for name, drawn in values.items()}
    )
