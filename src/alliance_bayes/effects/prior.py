"""The same estimands before the data: a fit with draws from the prior in place of the posterior."""

from __future__ import annotations

import dataclasses

import xarray as xr

from alliance_bayes.engines.prior import sample_prior
from alliance_bayes.fit import FittedModel

__all__ = ["PRIOR_DRAWS", "prior_fit"]

#: Draws behind a probability that the prior gives: its standard error is below .016, and averages of families that are
#: not linear take their time.
PRIOR_DRAWS = 1000


def prior_fit(fit: FittedModel, *, draws: int = PRIOR_DRAWS, seed: int = 0) -> FittedModel:
    """The same model with independent draws from its prior, in one chain.

    Parameters
    ----------
    fit
        The fitted model, for its design and priors.
    draws, seed
        Number of draws, and their seed.
    """
    tree = xr.DataTree.from_dict({"posterior": sample_prior(fit.design, fit.priors, draws=draws, seed=seed)})
    return dataclasses.replace(fit, tree=tree)
