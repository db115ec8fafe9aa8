"""The negative binomial family of counts that vary more than a Poisson distribution has them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, override

import numpy as np
from scipy import special

from alliance_bayes.compiled import njit
from alliance_bayes.model.families.counts import LARGEST_MEAN, Counts
from alliance_bayes.model.families.family import Draws, Outcome, Parameter
from alliance_bayes.model.families.special import digamma, rising
from alliance_bayes.model.priors import Prior, StatedPrior
from alliance_bayes.model.scales import Scale
from alliance_bayes.readonly import ReadOnly

__all__ = ["NegativeBinomial"]

# Up to it a product takes less time than two gamma functions, and keeps all digits.
_FEW = 64


@njit(cache=True, nogil=True, error_model="numpy")
def _kernel(data, value, eta, cutpoints, by_value, by_eta, by_cut):  # type: ignore[no-untyped-def]
    """Counts, without their factorials; with d = eta - log(alpha), the mean is a share expit(d) of mean + alpha."""
    y, alpha, weights = data.y, value[data.shape], data.weights
    log_alpha = math.log(alpha)
    at_alpha, slope_at_alpha = math.lgamma(alpha), digamma(alpha)
    log_p, by_alpha = 0.0, 0.0
    for i in range(y.size):
        weight = weights[i] if weights.size else 1.0
        if y[i] <= _FEW:
            ways, slope = rising(alpha, int(y[i]))
        else:
            ways, slope = math.lgamma(alpha + y[i]) - at_alpha, digamma(alpha + y[i]) - slope_at_alpha
        d = eta[i] - log_alpha
        fall = math.exp(-abs(d))
        more, less = 1.0 / (1.0 + fall), fall / (1.0 + fall)
        mean, rest = (more, less) if d > 0.0 else (less, more)
        soft = math.log1p(fall)
        log_p += weight * (ways - alpha * (max(d, 0.0) + soft) - y[i] * (max(-d, 0.0) + soft))
        by_eta[i] += weight * (y[i] * rest - alpha * mean)
        by_alpha += weight * (slope - (max(d, 0.0) + soft) + mean - y[i] / alpha * rest)
    by_value[data.shape] += by_alpha
    return log_p


class NegativeBinomial(Counts):
    """Counts of mean mu and variance mu + mu^2 / alpha: Poisson counts whose means have a gamma distribution."""

    name = "negative_binomial"
    title = "negative binomial"
    equation = "{y} ~ NegativeBinomial(mean = exp(η), shape α)"
    sentence = (
        "is a count that follows a negative binomial distribution, which varies more than a Poisson the smaller its "
        "shape α; the linear predictor is the logarithm of its expectation"
    )
    parameters = ReadOnly({"alpha": Parameter("shape α", "shape: the smaller, the more counts of one mean vary")})
    kernel = staticmethod(_kernel)

    @override
    def residual_variance(self, eta: np.ndarray, own: Draws, outcome: Outcome) -> np.ndarray:
        mean = self.expectation(eta, own, outcome)
        return np.asarray(mean * (1 + mean / own["alpha"][..., None]))

    @override
    def simulate(self, eta: np.ndarray, own: Draws, outcome: Outcome, rng: np.random.Generator) -> np.ndarray:
        alpha = np.broadcast_to(own["alpha"][..., None], eta.shape)
        mean = self.expectation(eta, own, outcome) * (rng.gamma(alpha) / alpha)
        return rng.poisson(np.minimum(mean, LARGEST_MEAN)).astype(float)

    @override
    def log_density(self, eta: np.ndarray, own: Draws, outcome: Outcome) -> np.ndarray:
        y, alpha = outcome.coded, own["alpha"][..., None]
        some = np.maximum(y, 1.0)
        # Gamma(y + alpha) / (Gamma(alpha) y!) = 1 / (y B(alpha, y)) keeps its digits where alpha is large.
        ways = np.where(y > 0, -np.log(some) - special.betaln(alpha, some), 0.0)
        d = eta - np.log(alpha)
        return np.asarray(ways + alpha * special.log_expit(-d) + y * special.log_expit(d))

    @override
    def constant(self, outcome: Outcome) -> float:
        return -float(special.gammaln(outcome.coded + 1).sum())

    @override
    def cumulative_bounds(
        self, eta: np.ndarray, own: Draws, outcome: Outcome, step: float | None
    ) -> tuple[np.ndarray, np.ndarray]:
        y, alpha = outcome.coded, own["alpha"][..., None]
        rest = special.expit(np.log(alpha) - eta)
        below = np.where(y > 0, special.betainc(alpha, np.maximum(y, 1.0), rest), 0.0)
        return below, special.betainc(alpha, y + 1, rest)

    @override
    def exceedance(self, eta: np.ndarray, own: Draws, outcome: Outcome, codes: np.ndarray) -> np.ndarray:
        alpha = own["alpha"][..., None]
        share = special.expit(eta - np.log(alpha))[..., None]
        return np.where(codes > 0, special.betainc(np.maximum(codes, 1.0), alpha[..., None], share), 1.0)

    @override
    def _squared_variation(self, mean: np.ndarray, own: Draws) -> np.ndarray:
        return np.asarray(1 / mean + 1 / own["alpha"])

    @override
    def parameter_prior(self, name: str, scale: Scale | None, levels: int | None) -> StatedPrior | None:
        return StatedPrior(
            Prior("Exponential", (0.2,)), "shape; from counts of an SD far above their mean (.3) to nearly Poisson (15)"
        )

    @override
    def observe(self, outcome: Outcome, eta: Any, own: Mapping[str, Any]) -> None:
        import pymc as pm
        import pytensor.tensor as pt

        pm.NegativeBinomial(
            outcome.name, mu=pt.exp(eta), alpha=own["alpha"], observed=outcome.coded.astype(int), dims="obs"
        )
