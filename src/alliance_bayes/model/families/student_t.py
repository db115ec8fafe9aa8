"""The Student t family."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, override

import numpy as np
from scipy import special

from alliance_bayes.compiled import njit
from alliance_bayes.model.families.continuous import SIGMA, Continuous, residual_sd
from alliance_bayes.model.families.family import Draws, Outcome, Parameter
from alliance_bayes.model.families.special import MUCH, digamma
from alliance_bayes.model.priors import Prior, StatedPrior
from alliance_bayes.model.scales import Scale
from alliance_bayes.readonly import ReadOnly

__all__ = ["StudentT", "student_t_logp"]


def student_t_logp(z: np.ndarray, nu: float | np.ndarray) -> np.ndarray:
    """Log density of a standard Student t; SciPy's own checks its arguments, and takes long to import."""
    nu = np.asarray(nu, dtype=float)
    constant = np.log(special.poch(nu / 2, 0.5)) - 0.5 * np.log(np.pi * nu)
    return np.asarray(constant - (nu + 1) / 2 * np.log1p(z**2 / nu))


@njit(cache=True, nogil=True, error_model="numpy")
def _kernel(data, value, eta, cutpoints, by_value, by_eta, by_cut):  # type: ignore[no-untyped-def]
    """One logarithm for several rows: of a product of factors."""
    stop = data.sigma + data.sigma_levels
    sigma, by_sigma = value[data.sigma : stop], by_value[data.sigma : stop]
    y, index, nu, weights = data.y, data.sigma_index, value[data.shape], data.weights
    logs, product, by_nu, per_nu = 0.0, 1.0, 0.0, 1.0 / nu
    precision, log_scale = 1.0 / sigma, np.log(sigma)
    total_scale = 0.0
    for i in range(y.size):
        k = index[i]
        z = (y[i] - eta[i]) * precision[k]
        square = z * z
        pull = (nu + 1.0) / (nu + square)
        if weights.size:
            weight = weights[i]
            logs += weight * math.log1p(square * per_nu)
        else:
            weight = 1.0
            product *= 1.0 + square * per_nu
            if product > MUCH:
                logs += math.log(product)
                product = 1.0
        total_scale += weight * log_scale[k]
        by_eta[i] += weight * pull * z * precision[k]
        by_sigma[k] += weight * (pull * square - 1.0) * precision[k]
        by_nu += weight * pull * square
    logs += math.log(product)
    n, half = weights.sum() if weights.size else float(y.size), 0.5 * (nu + 1.0)
    log_p = n * (math.lgamma(half) - math.lgamma(0.5 * nu) - 0.5 * math.log(nu * math.pi)) - total_scale - half * logs
    by_value[data.shape] += 0.5 * (n * (digamma(half) - digamma(0.5 * nu) - 1.0 / nu) - logs + by_nu / nu)
    return log_p


class StudentT(Continuous):
    """Student's t with scale ``sigma`` and ``nu`` degrees of freedom."""

    name = "student_t"
    title = "Student's t"
    equation = "{y} ~ Student-t(ν, η, {sigma})"
    sentence = (
        "varies around its expectation as Student’s t with scale σ and ν degrees of freedom, which gives outliers less "
        "weight"
    )
    parameters = ReadOnly(
        {"sigma": SIGMA, "nu": Parameter("degrees of freedom ν", "degrees of freedom of Student’s t")}
    )
    linear = True
    kernel = staticmethod(_kernel)

    @override
    def expectation(self, eta: np.ndarray, own: Draws, outcome: Outcome) -> np.ndarray:
        return eta

    @override
    def residual_variance(self, eta: np.ndarray, own: Draws, outcome: Outcome) -> np.ndarray:
        """Infinite where ``nu`` is 2 or less."""
        nu = own["nu"]
        factor = np.where(nu > 2, nu / np.maximum(nu - 2, 1e-300), np.inf)
        return np.broadcast_to(residual_sd(eta, own) ** 2 * factor[..., None], eta.shape)

    @override
    def simulate(self, eta: np.ndarray, own: Draws, outcome: Outcome, rng: np.random.Generator) -> np.ndarray:
        noise = rng.standard_t(np.broadcast_to(own["nu"][..., None], eta.shape))
        return np.asarray(eta + residual_sd(eta, own) * noise)

    @override
    def log_density(self, eta: np.ndarray, own: Draws, outcome: Outcome) -> np.ndarray:
        sigma = residual_sd(eta, own)
        return student_t_logp((outcome.coded - eta) / sigma, own["nu"][..., None]) - np.log(sigma)

    @override
    def standard_cdf(self, z: np.ndarray, own: Draws) -> np.ndarray:
        return np.asarray(special.stdtr(own["nu"].reshape(-1, *[1] * (z.ndim - 1)), z))

    @override
    def parameter_prior(self, name: str, scale: Scale | None, levels: int | None) -> StatedPrior | None:
        if name == "nu":
            return StatedPrior(Prior("Gamma", (2.0, 0.1)), "degrees of freedom; Juarez and Steel (2010)")
        return super().parameter_prior(name, scale, levels)

    @override
    def observe(self, outcome: Outcome, eta: Any, own: Mapping[str, Any]) -> None:
        import pymc as pm

        pm.StudentT(outcome.name, nu=own["nu"], mu=eta, sigma=own["sigma"], observed=outcome.coded, dims="obs")
