"""Two sets of draws of one posterior, compared by their Monte Carlo standard errors."""

from __future__ import annotations

import arviz as az
import numpy as np
import pandas as pd
import xarray as xr

from alliance_bayes.model import Design

__all__ = ["deviations", "once"]


def once(posterior: xr.Dataset, design: Design) -> xr.Dataset:
    """The draws with one number for each correlation, in place of matrices that are symmetric and 1 on the diagonal."""
    for factor in design.factors:
        if factor.correlated:
            name, dims = f"corr_{factor.name}", (factor.term_dim, f"{factor.term_dim}_other")
            below = np.tril_indices(posterior.sizes[dims[0]], -1)
            values = posterior[name].transpose("chain", "draw", *dims).values[..., below[0], below[1]]
            posterior = posterior.drop_vars(name).assign({name: (("chain", "draw", f"{name}_pair"), values)})
    return posterior


def deviations(first: xr.Dataset, second: xr.Dataset) -> pd.Series:
    """Differences of means and SDs in combined Monte Carlo standard errors, by quantity and statistic."""
    found = {}
    for what, kind in (("mean", "mean"), ("std", "sd")):
        mine, theirs = getattr(first, what)(("chain", "draw")), getattr(second, what)(("chain", "draw"))
        errors = az.mcse(first, method=kind), az.mcse(second, method=kind)
        for name in first.data_vars:
            z = (mine[name] - theirs[name]) / np.hypot(errors[0][name], errors[1][name])
            found |= {f"{name}[{k}] {what}": float(value) for k, value in enumerate(np.atleast_1d(z.values).ravel())}
    return pd.Series(found)
