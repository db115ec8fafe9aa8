"""Engines: what turns a design and its priors into draws. Each returns the same variables, dims and coordinates."""

from alliance_bayes.engines.nuts import DRAWS, NUTS_SAMPLERS, Progress, SamplerSettings, sample_nuts
from alliance_bayes.engines.prior import sample_prior
from alliance_bayes.model.layout import posterior_coords, posterior_dataset, posterior_dims

__all__ = [
    "DRAWS",
    "NUTS_SAMPLERS",
    "Progress",
    "SamplerSettings",
    "posterior_coords",
    "posterior_dataset",
    "posterior_dims",
    "sample_nuts",
    "sample_prior",
]
