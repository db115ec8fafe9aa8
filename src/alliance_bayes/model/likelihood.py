"""What each family says of an outcome given its linear predictor: expectation, draws and log density, in NumPy.

Every function works on draws from any engine. ``eta`` has shape (..., n); parameters have shape (...) and are broadcast
against it, except ``cutpoints``, of shape (..., n_levels - 1). ``sigma`` may also differ by row, with shape (..., n).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from scipy import special, stats

from alliance_bayes.model.families import Family, Outcome

__all__ = ["expectation", "log_density", "residual_sd", "residual_variance", "simulate"]

Parameters = Mapping[str, np.ndarray]

# Logits from the middle of the cutpoints that are told apart: exp(2 x 350) is still a number.
_FAR = 350.0


def residual_sd(eta: np.ndarray, parameters: Parameters) -> np.ndarray:
    """``sigma`` in a shape that broadcasts against ``eta``: (..., 1), or (..., n) where it differs by row."""
    sigma = np.asarray(parameters["sigma"])
    return sigma if sigma.ndim == eta.ndim else sigma[..., None]


def expectation(family: Family, eta: np.ndarray, parameters: Parameters, outcome: Outcome) -> np.ndarray:
    """Expected outcome on the outcome's own scale, shape of ``eta``.

    For ``censored_gaussian`` it is the expectation of the observed (censored) rating, not of the latent one.
    """
    match family.name:
        case "gaussian" | "student_t":
            return eta
        case "censored_gaussian":
            return _censored_mean(eta, residual_sd(eta, parameters), outcome)
        case "beta_binomial":
            assert outcome.levels is not None
            return outcome.levels[0] + (outcome.levels[-1] - outcome.levels[0]) * special.expit(eta)
        case "bernoulli":
            return special.expit(eta)
    assert outcome.levels is not None
    # E = lowest level + sum of P(Y >= level k) times the step up to it: no (..., n, n_levels) array is stored.
    total = np.full_like(eta, outcome.levels[0])
    for step, exceed in zip(np.diff(outcome.levels), _exceedances(eta, parameters["cutpoints"]), strict=True):
        exceed *= step
        total += exceed
    return total


def simulate(
    family: Family, eta: np.ndarray, parameters: Parameters, outcome: Outcome, rng: np.random.Generator
) -> np.ndarray:
    """One draw of the outcome, on its own scale, for each element of ``eta``."""
    match family.name:
        case "gaussian":
            return rng.normal(eta, residual_sd(eta, parameters))
        case "student_t":
            noise = rng.standard_t(np.broadcast_to(parameters["nu"][..., None], eta.shape))
            return eta + residual_sd(eta, parameters) * noise
        case "censored_gaussian":
            return np.clip(rng.normal(eta, residual_sd(eta, parameters)), outcome.lower, outcome.upper)
        case "bernoulli":
            return (rng.random(eta.shape) < special.expit(eta)).astype(float)
        case "beta_binomial":
            assert outcome.levels is not None
            mean, phi = special.expit(eta), parameters["phi"][..., None]
            # The beta's shapes are kept off zero, where NumPy's sampler is undefined.
            p = rng.beta(np.maximum(mean * phi, 1e-12), np.maximum((1 - mean) * phi, 1e-12))
            return outcome.levels[rng.binomial(outcome.levels.size - 1, p)]
    assert outcome.levels is not None
    latent = eta + rng.logistic(size=eta.shape)
    codes = np.zeros(eta.shape, dtype=int)
    for k in range(outcome.levels.size - 1):
        codes += latent > parameters["cutpoints"][..., k, None]
    return outcome.levels[codes]


def log_density(family: Family, eta: np.ndarray, parameters: Parameters, outcome: Outcome) -> np.ndarray:
    """Pointwise log density (log mass for discrete families) of the observed outcome, shape of ``eta``."""
    y = outcome.coded
    match family.name:
        case "gaussian":
            sigma = residual_sd(eta, parameters)
            return -0.5 * ((y - eta) / sigma) ** 2 - np.log(sigma) - 0.5 * np.log(2 * np.pi)
        case "student_t":
            return np.asarray(stats.t.logpdf(y, parameters["nu"][..., None], eta, residual_sd(eta, parameters)))
        case "censored_gaussian":
            sigma = residual_sd(eta, parameters)
            log_p = -0.5 * ((y - eta) / sigma) ** 2 - np.log(sigma) - 0.5 * np.log(2 * np.pi)
            if outcome.upper is not None:
                log_p = np.where(y >= outcome.upper, special.log_ndtr((eta - outcome.upper) / sigma), log_p)
            if outcome.lower is not None:
                log_p = np.where(y <= outcome.lower, special.log_ndtr((outcome.lower - eta) / sigma), log_p)
            return log_p
        case "bernoulli":
            return y * special.log_expit(eta) + (1 - y) * special.log_expit(-eta)
        case "beta_binomial":
            assert outcome.levels is not None
            n = outcome.levels.size - 1
            phi = parameters["phi"][..., None]
            # 1 - expit(eta) would lose its digits where the mean is close to 1.
            a, b = special.expit(eta) * phi, special.expit(-eta) * phi
            choose = special.gammaln(n + 1) - special.gammaln(y + 1) - special.gammaln(n - y + 1)
            return choose + special.betaln(y + a, n - y + b) - special.betaln(a, b)
    cutpoints = parameters["cutpoints"]
    codes = y.astype(int)
    padding = np.full((*cutpoints.shape[:-1], 1), np.inf)
    edges = np.concatenate([-padding, cutpoints, padding], axis=-1)
    below, above = edges[..., codes] - eta, edges[..., codes + 1] - eta
    # log(F(above) - F(below)) without cancellation: F(a) - F(b) = F(a) F(-b) (1 - exp(b - a)) for the logistic.
    with np.errstate(over="ignore"):
        gap = np.where(np.isinf(below) | np.isinf(above), -np.inf, below - above)
    return special.log_expit(above) + special.log_expit(-below) + np.log1p(-np.exp(gap))


def residual_variance(family: Family, eta: np.ndarray, parameters: Parameters, outcome: Outcome) -> np.ndarray:
    """Variance of the outcome around its expectation, shape of ``eta`` (infinite for a Student t with nu <= 2)."""
    match family.name:
        case "gaussian":
            return np.broadcast_to(residual_sd(eta, parameters) ** 2, eta.shape)
        case "student_t":
            nu = parameters["nu"]
            factor = np.where(nu > 2, nu / np.maximum(nu - 2, 1e-300), np.inf)
            return np.broadcast_to(residual_sd(eta, parameters) ** 2 * factor[..., None], eta.shape)
        case "bernoulli":
            p = special.expit(eta)
            return p * (1 - p)
        case "beta_binomial":
            assert outcome.levels is not None
            n = outcome.levels.size - 1
            step = (outcome.levels[-1] - outcome.levels[0]) / n
            p, phi = special.expit(eta), parameters["phi"][..., None]
            return step**2 * n * p * (1 - p) * (1 + (n - 1) / (phi + 1))
        case "censored_gaussian":
            return _censored_variance(eta, residual_sd(eta, parameters), outcome)
    assert outcome.levels is not None
    first, second = np.zeros_like(eta), np.zeros_like(eta)
    above = outcome.levels - outcome.levels[0]
    for low, high, exceed in zip(above[:-1], above[1:], _exceedances(eta, parameters["cutpoints"]), strict=True):
        # high^2 - low^2 = (high - low) (high + low)
        exceed *= high - low
        first += exceed
        exceed *= high + low
        second += exceed
    return second - first**2


def _exceedances(eta: np.ndarray, cutpoints: np.ndarray) -> Iterator[np.ndarray]:
    """Probability of an outcome above each cutpoint in turn, cumulative logit, shape of ``eta``, in one array.

    1 / (1 + exp(cutpoint - eta)) with the exponential split: one a value and one a cutpoint, not one for each pair.
    """
    middle = cutpoints[..., cutpoints.shape[-1] // 2, None]
    # Beyond hundreds of logits either way a probability is 0 or 1.
    falls = np.exp(-np.clip(eta - middle, -_FAR, _FAR))
    rises = np.exp(np.clip(cutpoints - middle, -_FAR, _FAR))
    exceed = np.empty_like(falls)
    for k in range(cutpoints.shape[-1]):
        np.multiply(falls, rises[..., k, None], out=exceed)
        exceed += 1.0
        yield np.reciprocal(exceed, out=exceed)


def _censored_moments(eta: np.ndarray, sigma: np.ndarray, outcome: Outcome) -> tuple[np.ndarray, np.ndarray]:
    low = -np.inf if outcome.lower is None else outcome.lower
    high = np.inf if outcome.upper is None else outcome.upper
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


def _censored_mean(eta: np.ndarray, sigma: np.ndarray, outcome: Outcome) -> np.ndarray:
    return _censored_moments(eta, sigma, outcome)[0]


def _censored_variance(eta: np.ndarray, sigma: np.ndarray, outcome: Outcome) -> np.ndarray:
    first, second = _censored_moments(eta, sigma, outcome)
    return np.maximum(second - first**2, 0.0)
