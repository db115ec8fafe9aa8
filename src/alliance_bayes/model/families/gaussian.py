"""The Gaussian family."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, override

import numpy as np
from scipy import special

from alliance_bayes.compiled import njit
from alliance_bayes.model.families.continuous import HALF_LOG_2PI, SIGMA, Continuous, residual_sd
from alliance_bayes.model.families.family import Draws, Outcome
from alliance_bayes.readonly import ReadOnly

__all__ = ["Gaussian"]


@njit(cache=True, nogil=True, error_model="numpy")
def _kernel(data, value, eta, cutpoints, by_value, by_eta, by_cut):  # type: ignore[no-untyped-def]
    """Outcomes with the residual SD of each row's level."""
    stop = data.sigma + data.sigma_levels
    sigma, by_sigma = value[data.sigma : stop], by_value[data.sigma : stop]
    y, index, weights = data.y, data.sigma_index, data.weights
    precision, log_scale = 1.0 / sigma, np.log(sigma)
    log_p = -HALF_LOG_2PI * (weights.sum() if weights.size else y.size)
    for i in range(y.size):
        k = index[i]
        weight = weights[i] if weights.size else 1.0
        z = (y[i] - eta[i]) * precision[k]
        log_p -= weight * (0.5 * z * z + log_scale[k])
        by_eta[i] += weight * z * precision[k]
        by_sigma[k] += weight * (z * z - 1.0) * precision[k]
    return log_p


class Gaussian(Continuous):
    """Normal with SD ``sigma``; the one family whose coefficients are integrated out exactly."""

    name = "gaussian"
    title = "Gaussian"
    equation = "{y} ~ Normal(η, {sigma})"
    sentence = "varies around its expectation as a normal distribution with SD σ"
    parameters = ReadOnly({"sigma": SIGMA})
    linear = True
    normal = True
    conjugate = True
    kernel = staticmethod(_kernel)

    @override
    def expectation(self, eta: np.ndarray, own: Draws, outcome: Outcome) -> np.ndarray:
        return eta

    @override
    def residual_variance(self, eta: np.ndarray, own: Draws, outcome: Outcome) -> np.ndarray:
        return np.broadcast_to(residual_sd(eta, own) ** 2, eta.shape)

    @override
    def simulate(self, eta: np.ndarray, own: Draws, outcome: Outcome, rng: np.random.Generator) -> np.ndarray:
        return rng.normal(eta, residual_sd(eta, own))

    @override
    def log_density(self, eta: np.ndarray, own: Draws, outcome: Outcome) -> np.ndarray:
        sigma = residual_sd(eta, own)
        return np.asarray(-0.5 * ((outcome.coded - eta) / sigma) ** 2 - np.log(sigma) - 0.5 * np.log(2 * np.pi))

    @override
    def standard_cdf(self, z: np.ndarray, own: Draws) -> np.ndarray:
        return np.asarray(special.ndtr(z))

    @override
    def observe(self, outcome: Outcome, eta: Any, own: Mapping[str, Any]) -> None:
        import pymc as pm

        pm.Normal(outcome.name, eta, own["sigma"], observed=outcome.coded, dims="obs")
