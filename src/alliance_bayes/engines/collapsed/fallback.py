"""NUTS on the hyperparameters' marginal density, for posteriors that the independence proposal does not resemble."""

from __future__ import annotations

import numpy as np
import xarray as xr

from alliance_bayes.engines.collapsed.marginal import Marginal
from alliance_bayes.engines.numbers import NumbersModel, numbers_of
from alliance_bayes.engines.nuts import Progress, SamplerSettings, run_nutpie, sampler_statistics

__all__ = ["sample_marginal"]


def sample_marginal(
    marginal: Marginal, mode: np.ndarray, settings: SamplerSettings, *, progress: Progress | None = None
) -> tuple[np.ndarray, xr.Dataset]:
    """Sample the hyperparameters by NUTS with the exact gradient of their marginal density.

    Parameters
    ----------
    marginal
        The density.
    mode
        Where chains begin, up to a little noise; shape (D,).
    settings
        Draws, warm-up, chains, cores, seed and target acceptance.
    progress
        As for :func:`sample_nuts`.

    Returns
    -------
    theta : numpy.ndarray
        Shape (chain, draw, D).
    statistics : xarray.Dataset
        What the sampler says of itself, dims (chain, draw).
    """

    def first(seed: int) -> np.ndarray:
        return mode + 0.1 * np.random.default_rng(seed).standard_normal(len(mode))

    model = NumbersModel(len(mode), marginal.value_and_gradient, first)
    tree = run_nutpie(model, settings, progress)
    return numbers_of(tree), sampler_statistics(tree["sample_stats"].to_dataset(), tree["posterior"].to_dataset())
