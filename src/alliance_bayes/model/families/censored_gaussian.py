"""The Gaussian family, censored at the ends of the scale."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, override

import numpy as np
from scipy import special

from alliance_bayes.compiled import njit
from alliance_bayes.errors import ModelError
from alliance_bayes.model.families.continuous import HALF_LOG_2PI, SIGMA, Continuous, residual_sd
from alliance_bayes.model.families.family import NEEDED_OF_SCALE, Averages, Draws, Outcome, demand
from alliance_bayes.model.families.special import log_ndtr
from alliance_bayes.model.scales import Scale
from alliance_bayes.readonly import ReadOnly
from alliance_bayes.remedies import setting

__all__ = ["CensoredGaussian"]


@njit(cache=True, nogil=True, error_model="numpy")
def _kernel(data, value, eta, cutpoints, by_value, by_eta, by_cut):  # type: ignore[no-untyped-def]
    """Outcomes between the limits, and the probability of the tail at a limit."""
    stop = data.sigma + data.sigma_levels
    sigma, by_sigma = value[data.sigma : stop], by_value[data.sigma : stop]
    y, index, lower, upper, weights = data.y, data.sigma_index, data.lower, data.upper, data.weights
    precision, log_scale = 1.0 / sigma, np.log(sigma)
    log_p = 0.0
    for i in range(y.size):
        k = index[i]
        weight = weights[i] if weights.size else 1.0
        if lower < y[i] < upper:
            z = (y[i] - eta[i]) * precision[k]
            log_p -= weight * (0.5 * z * z + log_scale[k] + HALF_LOG_2PI)
            by_eta[i] += weight * z * precision[k]
            by_sigma[k] += weight * (z * z - 1.0) * precision[k]
            continue
        side = 1.0 if y[i] >= upper else -1.0
        z = side * (eta[i] - (upper if side > 0 else lower)) * precision[k]
        tail, slope = log_ndtr(z)
        log_p += weight * tail
        by_eta[i] += weight * side * slope * precision[k]
        by_sigma[k] -= weight * slope * z * precision[k]
    return log_p


class CensoredGaussian(Continuous):
    """Normal with SD ``sigma``, seen only between the ends of the scale.

    Expectation and variance are those of the observed (censored) rating, not of the latent one.
    """

    name = "censored_gaussian"
    title = "Gaussian, censored at the ends of the scale"
    equation = "{y} = y* kept between the ends of the scale, with y* ~ Normal(η, {sigma})"
    sentence = "is a normal variable with SD σ, seen only between the ends of the scale"
    parameters = ReadOnly({"sigma": SIGMA})
    normal = True
    kernel = staticmethod(_kernel)

    @override
    def prepare(self, name: str, values: np.ndarray, scale: Scale | None, trials: np.ndarray | None = None) -> Outcome:
        outcome = super().prepare(name, values, scale)
        if outcome.lower is None and outcome.upper is None:
            raise ModelError(
                f"family '{self.name}' needs the ends of the scale of '{name}'. "
                f"Declare them: {setting('scales', {name: {**NEEDED_OF_SCALE, 'lower': ..., 'upper': ...}})}."
            )
        low, high = _limits(outcome)
        good = (outcome.values >= low) & (outcome.values <= high)
        demand(name, outcome.values, good, f"is outside {low:g} to {high:g}", "Correct it or the scale.")
        return outcome

    @override
    def ends(self, outcome: Outcome) -> tuple[float | None, float | None]:
        return outcome.lower, outcome.upper

    @override
    def expectation(self, eta: np.ndarray, own: Draws, outcome: Outcome) -> np.ndarray:
        return _moments(eta, residual_sd(eta, own), outcome)[0]

    @override
    def residual_variance(self, eta: np.ndarray, own: Draws, outcome: Outcome) -> np.ndarray:
        first, second = _moments(eta, residual_sd(eta, own), outcome)
        return np.maximum(second - first**2, 0.0)

    @override
    def simulate(self, eta: np.ndarray, own: Draws, outcome: Outcome, rng: np.random.Generator) -> np.ndarray:
        return np.clip(rng.normal(eta, residual_sd(eta, own)), outcome.lower, outcome.upper)

    @override
    def log_density(self, eta: np.ndarray, own: Draws, outcome: Outcome) -> np.ndarray:
        y, sigma = outcome.coded, residual_sd(eta, own)
        log_p = -0.5 * ((y - eta) / sigma) ** 2 - np.log(sigma) - 0.5 * np.log(2 * np.pi)
        if outcome.upper is not None:
            log_p = np.where(y >= outcome.upper, special.log_ndtr((eta - outcome.upper) / sigma), log_p)
        if outcome.lower is not None:
            log_p = np.where(y <= outcome.lower, special.log_ndtr((outcome.lower - eta) / sigma), log_p)
        return np.asarray(log_p)

    @override
    def standard_cdf(self, z: np.ndarray, own: Draws) -> np.ndarray:
        """Of the latent variable."""
        return np.asarray(special.ndtr(z))

    @override
    def predictor_variance(self, own: Draws, outcome: Outcome, rows: Averages) -> np.ndarray:
        """Of the latent variable."""
        return np.asarray(own["sigma"].reshape(len(own["sigma"]), -1) ** 2 @ rows.shares)

    @override
    def observe(self, outcome: Outcome, eta: Any, own: Mapping[str, Any]) -> None:
        import pymc as pm

        pm.CustomDist(
            outcome.name,
            eta,
            own["sigma"],
            dist=lambda mu, sigma, size: pm.Censored.dist(
                pm.Normal.dist(mu, sigma, size=size), lower=outcome.lower, upper=outcome.upper
            ),
            logp=lambda value, mu, sigma: censored_logp(value, mu, sigma, outcome.lower, outcome.upper),
            observed=outcome.coded,
            dims="obs",
        )

    @override
    def _edges(self, outcome: Outcome, step: float | None) -> tuple[np.ndarray, np.ndarray]:
        """At an end of the scale the whole tail."""
        low, high = super()._edges(outcome, step)
        first, last = _limits(outcome)
        return np.where(outcome.values <= first, -np.inf, low), np.where(outcome.values >= last, np.inf, high)


def _limits(outcome: Outcome) -> tuple[float, float]:
    return (
        -np.inf if outcome.lower is None else outcome.lower,
        np.inf if outcome.upper is None else outcome.upper,
    )


def _moments(eta: np.ndarray, sigma: np.ndarray, outcome: Outcome) -> tuple[np.ndarray, np.ndarray]:
    """First and second moment of the observed outcome, shape of ``eta``."""
    low, high = _limits(outcome)
    a, b = (low - eta) / sigma, (high - eta) / sigma
    phi_a, phi_b = np.exp(-0.5 * a**2) / np.sqrt(2 * np.pi), np.exp(-0.5 * b**2) / np.sqrt(2 * np.pi)
    below, above = special.ndtr(a), special.ndtr(-b)
    inside = 1 - below - above
    first = eta * inside + sigma * (phi_a - phi_b)
    a_phi = np.where(np.isinf(a), 0.0, np.where(np.isinf(a), 0.0, a) * phi_a)
    b_phi = np.where(np.isinf(b), 0.0, np.where(np.isinf(b), 0.0, b) * phi_b)
    second = (eta**2 + sigma**2) * inside + 2 * eta * sigma * (phi_a - phi_b) + sigma**2 * (a_phi - b_phi)
    if outcome.lower is not None:
        first, second = first + low * below, second + low**2 * below
    if outcome.upper is not None:
        first, second = first + high * above, second + high**2 * above
    return first, second


def censored_logp(value: Any, mu: Any, sigma: Any, lower: float | None, upper: float | None) -> Any:
    """Log density in PyTensor: PyMC's own computes both tails of every row."""
    import pytensor.tensor as pt

    log_p = -0.5 * ((value - mu) / sigma) ** 2 - pt.log(sigma) - 0.5 * math.log(2 * math.pi)
    if upper is not None:
        at = pt.nonzero(pt.ge(value, upper))[0]
        log_p = pt.set_subtensor(log_p[at], _log_ndtr((mu[at] - upper) / _of(sigma, at)))
    if lower is not None:
        at = pt.nonzero(pt.le(value, lower))[0]
        log_p = pt.set_subtensor(log_p[at], _log_ndtr((lower - mu[at]) / _of(sigma, at)))
    return log_p


def _of(sigma: Any, at: Any) -> Any:
    return sigma if sigma.ndim == 0 else sigma[at]


def _log_ndtr(z: Any) -> Any:
    """Logarithm of the standard normal distribution function in PyTensor, to full precision in both tails."""
    import pytensor.tensor as pt

    scaled = z / math.sqrt(2.0)
    # Each branch is asked only where it is exact; what it would give elsewhere must stay finite for the gradient.
    low = pt.log(pt.erfcx(-pt.minimum(scaled, 0.0)) / 2.0) - pt.minimum(scaled, 0.0) ** 2
    high = pt.log1p(-pt.erfc(pt.maximum(scaled, 0.0)) / 2.0)
    return pt.switch(pt.lt(z, 0.0), low, high)
