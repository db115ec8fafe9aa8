"""The Poisson family of counts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, override

import numpy as np
from scipy import special

from alliance_bayes.compiled import njit
from alliance_bayes.model.families.counts import LARGEST_MEAN, Counts
from alliance_bayes.model.families.family import Draws, Outcome
from alliance_bayes.readonly import ReadOnly

__all__ = ["Poisson"]


@njit(cache=True, nogil=True, error_model="numpy")
def _kernel(data, value, eta, cutpoints, by_value, by_eta, by_cut):  # type: ignore[no-untyped-def]
    """Counts, without their factorials."""
    y, weights = data.y, data.weights
    log_p = 0.0
    for i in range(y.size):
        weight = weights[i] if weights.size else 1.0
        mean = math.exp(eta[i])
        log_p += weight * (y[i] * eta[i] - mean)
        by_eta[i] += weight * (y[i] - mean)
    return log_p


class Poisson(Counts):
    """Counts whose variance is their mean."""

    name = "poisson"
    title = "Poisson"
    equation = "{y} ~ Poisson(exp(η))"
    sentence = (
        "is a count that follows a Poisson distribution; the linear predictor is the logarithm of its expectation"
    )
    parameters = ReadOnly({})
    kernel = staticmethod(_kernel)

    @override
    def residual_variance(self, eta: np.ndarray, own: Draws, outcome: Outcome) -> np.ndarray:
        return self.expectation(eta, own, outcome)

    @override
    def simulate(self, eta: np.ndarray, own: Draws, outcome: Outcome, rng: np.random.Generator) -> np.ndarray:
        return rng.poisson(np.minimum(self.expectation(eta, own, outcome), LARGEST_MEAN)).astype(float)

    @override
    def log_density(self, eta: np.ndarray, own: Draws, outcome: Outcome) -> np.ndarray:
        y = outcome.coded
        return np.asarray(y * eta - self.expectation(eta, own, outcome) - special.gammaln(y + 1))

    @override
    def constant(self, outcome: Outcome) -> float:
        return -float(special.gammaln(outcome.coded + 1).sum())

    @override
    def cumulative_bounds(
        self, eta: np.ndarray, own: Draws, outcome: Outcome, step: float | None
    ) -> tuple[np.ndarray, np.ndarray]:
        mean, y = self.expectation(eta, own, outcome), outcome.coded
        return np.where(y > 0, special.gammaincc(y, mean), 0.0), special.gammaincc(y + 1, mean)

    @override
    def exceedance(self, eta: np.ndarray, own: Draws, outcome: Outcome, codes: np.ndarray) -> np.ndarray:
        mean = self.expectation(eta, own, outcome)[..., None]
        return np.where(codes > 0, special.gammainc(np.maximum(codes, 1.0), mean), 1.0)

    @override
    def _squared_variation(self, mean: np.ndarray, own: Draws) -> np.ndarray:
        return 1 / mean

    @override
    def observe(self, outcome: Outcome, eta: Any, own: Mapping[str, Any]) -> None:
        import pymc as pm
        import pytensor.tensor as pt

        pm.Poisson(outcome.name, mu=pt.exp(eta), observed=outcome.coded.astype(int), dims="obs")
