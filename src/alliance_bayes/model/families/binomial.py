"""The binomial family: successes out of a number of trials."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, override

import numpy as np
from scipy import special

from alliance_bayes.compiled import njit
from alliance_bayes.model.families.bernoulli import Bernoulli
from alliance_bayes.model.families.family import Draws, Outcome, demand
from alliance_bayes.model.scales import Scale

__all__ = ["Binomial"]


@njit(cache=True, nogil=True, error_model="numpy")
def _kernel(data, value, eta, cutpoints, by_value, by_eta, by_cut):  # type: ignore[no-untyped-def]
    """Successes, without the binomial coefficients."""
    y, trials, weights = data.y, data.totals, data.weights
    log_p = 0.0
    for i in range(y.size):
        weight = weights[i] if weights.size else 1.0
        fall = math.exp(-abs(eta[i]))
        log_p += weight * (y[i] * eta[i] - trials[i] * (max(eta[i], 0.0) + math.log1p(fall)))
        by_eta[i] += weight * (y[i] - trials[i] * (1.0 if eta[i] > 0.0 else fall) / (1.0 + fall))
    return log_p


class Binomial(Bernoulli):
    """Successes of trials that are alike; the outcome is their share, so that one trial is a Bernoulli outcome.

    What is not of the number of trials is that of a single one.
    """

    name = "binomial"
    title = "binomial"
    equation = "{y} ~ Binomial({trials}, logit⁻¹(η))"
    sentence = "is a count of successes in a number of trials; the linear predictor is the log odds of one"
    has_trials = True
    of_text = "Give it as whole numbers: how many of the trials were successes."
    alternatives = "a factor with one level a person for shares that vary more than chance has them"
    kernel = staticmethod(_kernel)

    @override
    def prepare(self, name: str, values: np.ndarray, scale: Scale | None, trials: np.ndarray | None = None) -> Outcome:
        values = np.asarray(values, dtype=float)
        assert trials is not None
        good = (values >= 0) & (values <= trials) & (values == np.round(values))
        demand(name, values, good, "is not a count from 0 to the number of trials", "Correct it or the trials.")
        return Outcome(name, values / trials, values, None, 0.0, 1.0, trials)

    @override
    def residual_variance(self, eta: np.ndarray, own: Draws, outcome: Outcome) -> np.ndarray:
        p = special.expit(eta)
        return np.asarray(p * (1 - p) / outcome.known_trials)

    @override
    def simulate(self, eta: np.ndarray, own: Draws, outcome: Outcome, rng: np.random.Generator) -> np.ndarray:
        return rng.binomial(outcome.known_trials.astype(int), special.expit(eta)) / outcome.known_trials

    @override
    def log_density(self, eta: np.ndarray, own: Draws, outcome: Outcome) -> np.ndarray:
        y, n = outcome.coded, outcome.known_trials
        return np.asarray(_log_ways(outcome) + y * special.log_expit(eta) + (n - y) * special.log_expit(-eta))

    @override
    def constant(self, outcome: Outcome) -> float:
        return float(_log_ways(outcome).sum())

    @override
    def cumulative_bounds(
        self, eta: np.ndarray, own: Draws, outcome: Outcome, step: float | None
    ) -> tuple[np.ndarray, np.ndarray]:
        y, n = outcome.coded, outcome.known_trials
        rest = special.expit(-eta)
        below = np.where(y > 0, special.betainc(n - y + 1, np.maximum(y, 1.0), rest), 0.0)
        return below, np.where(y < n, special.betainc(np.maximum(n - y, 1.0), y + 1, rest), 1.0)

    @override
    def exceedance(self, eta: np.ndarray, own: Draws, outcome: Outcome, codes: np.ndarray) -> np.ndarray:
        raise NotImplementedError  # a share that one person can have another cannot

    @override
    def observe(self, outcome: Outcome, eta: Any, own: Mapping[str, Any]) -> None:
        import pymc as pm

        trials, ways = outcome.known_trials, _log_ways(outcome)
        pm.CustomDist(
            outcome.name,
            eta,
            dist=lambda eta, size: pm.Binomial.dist(n=trials.astype(int), logit_p=eta, size=size),
            logp=lambda value, eta: binomial_logp(value, eta, trials) + ways,
            observed=outcome.coded.astype(int),
            dims="obs",
        )


def binomial_logp(value: Any, eta: Any, trials: np.ndarray) -> Any:
    """Log mass in PyTensor, without the binomial coefficients: PyMC's own goes by the probability."""
    import pytensor.tensor as pt

    return value * eta - trials * pt.softplus(eta)


def _log_ways(outcome: Outcome) -> np.ndarray:
    """Logarithms of the binomial coefficients, shape (n,)."""
    y, n = outcome.coded, outcome.known_trials
    return np.asarray(special.gammaln(n + 1) - special.gammaln(y + 1) - special.gammaln(n - y + 1))
