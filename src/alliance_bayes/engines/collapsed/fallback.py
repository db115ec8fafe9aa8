"""NUTS on the hyperparameters' marginal density, for posteriors that the independence proposal does not resemble."""

from __future__ import annotations

import numpy as np
import xarray as xr

from alliance_bayes.engines.collapsed.marginal import Marginal
from alliance_bayes.engines.numbers import NumbersModel, numbers_of
from alliance_bayes.engines.nuts import Progress, SamplerSettings, run_nutpie, sampler_statistics

__all__ = ["sample_marginal"]


def sample_marginal(
    marginal: Marginal,
    mode: np.ndarray,
    covariance: np.ndarray,
    settings: SamplerSettings,
    *,
    progress: Progress | None = None,
) -> tuple[np.ndarray, xr.Dataset]:
    """Sample the hyperparameters by NUTS with the exact gradient of their marginal density.

    Parameters
    ----------
    marginal
        The density.
    mode, covariance
        Where chains begin, up to a little noise, and the curvature there, shapes (D,) and (D, D): what is sampled is
        the distance from the mode in its SDs, so that the sampler has no scales and correlations to learn.
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
    root = np.linalg.cholesky(covariance)

    def first(seed: int) -> np.ndarray:
        return 0.1 * np.random.default_rng(seed).standard_normal(len(mode))

    def value_and_gradient(steps: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = marginal.value_and_gradient(mode + root @ steps)
        return value, gradient @ root

    tree = run_nutpie(NumbersModel(len(mode), value_and_gradient, first), settings, progress)
    theta = mode + numbers_of(tree) @ root.T
    return theta, sampler_statistics(tree["sample_stats"].to_dataset(), tree["posterior"].to_dataset())
