"""Priors as PyMC variables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from alliance_bayes.model import Prior

__all__ = ["place", "place_one", "pymc_distribution", "stacked_arguments"]


def place(name: str, priors: list[Prior], *, dims: str | None = None) -> Any:
    """A vector of parameters, shape (len(priors),): one variable where all priors are of one kind, else stacked."""
    if len({prior.distribution for prior in priors}) == 1:
        shape = None if dims else len(priors)
        return pymc_distribution(priors[0])(name, **stacked_arguments(priors), dims=dims, shape=shape)
    stacked = pt.stack([place_one(f"{name}_{k}", prior) for k, prior in enumerate(priors)])
    return pm.Deterministic(name, stacked, dims=dims) if dims else stacked


def place_one(name: str, prior: Prior) -> Any:
    """A scalar parameter with its prior."""
    return pymc_distribution(prior)(name, **prior.arguments)


def pymc_distribution(prior: Prior) -> Any:
    """The PyMC class of a prior; names and argument names are PyMC's own."""
    return getattr(pm, prior.distribution)


def stacked_arguments(priors: list[Prior]) -> dict[str, np.ndarray]:
    """Arguments of priors of one kind, each of shape (len(priors),)."""
    return {name: np.array([prior.arguments[name] for prior in priors]) for name in priors[0].arguments}
