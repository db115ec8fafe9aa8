"""The variables every engine returns: names, dims and coordinates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from alliance_bayes.model import Design

__all__ = ["posterior_coords", "posterior_dataset", "posterior_dims"]


def posterior_dims(design: Design) -> dict[str, tuple[str, ...]]:
    """Dims of every posterior variable besides chain and draw, in the order of the variables.

    ``u_<factor>`` comes before ``tau_<factor>``: ``arviz.summary`` labels the elements of a variable by the order in
    which dims first appear in the dataset, so a variable with fewer dims must not come first.
    """
    dims: dict[str, tuple[str, ...]] = {"beta": ("term",)} if design.terms else {}
    own = {"cutpoints": ("cutpoint",)} | ({} if design.residual is None else {"sigma": (design.residual.name,)})
    dims |= {name: own.get(name, ()) for name in design.family.parameters}
    for factor in design.factors:
        dims[f"u_{factor.name}"] = (factor.name, factor.term_dim)
        dims[f"tau_{factor.name}"] = (factor.term_dim,)
        if factor.correlated:
            dims[f"corr_{factor.name}"] = (factor.term_dim, f"{factor.term_dim}_other")
    for smooth in design.smooths:
        dims |= {f"u_{smooth.name}": (smooth.name,), f"tau_{smooth.name}": ()}
    return dims


def posterior_coords(design: Design) -> dict[str, list[Any]]:
    """Coordinates of those dims. A cutpoint is named by the level that starts above it."""
    coords: dict[str, list[Any]] = {"term": list(design.terms)} if design.terms else {}
    if "cutpoints" in design.family.parameters and design.outcome.levels is not None:
        coords["cutpoint"] = [float(level) for level in design.outcome.levels[1:]]
    if design.residual is not None:
        coords[design.residual.name] = list(design.residual.levels)
    for factor in design.factors:
        coords[factor.name] = list(factor.levels)
        coords[factor.term_dim] = list(factor.terms)
        if factor.correlated:
            coords[f"{factor.term_dim}_other"] = list(factor.terms)
    return coords | {smooth.name: list(smooth.labels) for smooth in design.smooths}


def posterior_dataset(
    design: Design,
    values: Mapping[str, np.ndarray],
    *,
    chain: np.ndarray | None = None,
    draw: np.ndarray | None = None,
) -> xr.Dataset:
    """Draws under their names.

    Parameters
    ----------
    design
        The model.
    values
        Draws of every variable of :func:`posterior_dims`, shape (chain, draw, ...); others are left out.
    chain, draw
        Labels; numbers from 0 by default.
    """
    dims = posterior_dims(design)
    chains, draws = next(values[name] for name in dims).shape[:2]
    return xr.Dataset(
        {name: (("chain", "draw", *own), values[name]) for name, own in dims.items()},
        coords={
            "chain": np.arange(chains) if chain is None else chain,
            "draw": np.arange(draws) if draw is None else draw,
            **posterior_coords(design),
        },
    )
