"""The beta-binomial family on the raw score: steps of a scale with two ends."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, override

import numpy as np
from scipy import special

from alliance_bayes.compiled import njit
from alliance_bayes.errors import ModelError
from alliance_bayes.model.families.family import NEEDED_OF_SCALE, Averages, Draws, Family, Outcome, Parameter, on_levels
from alliance_bayes.model.families.logit import LOG_ODDS, logits_in
from alliance_bayes.model.families.special import rising
from alliance_bayes.model.priors import Prior, StatedPrior
from alliance_bayes.model.scales import Scale
from alliance_bayes.readonly import ReadOnly
from alliance_bayes.remedies import setting

__all__ = ["BetaBinomial"]


@njit(cache=True, nogil=True, error_model="numpy")
def _kernel(data, value, eta, cutpoints, by_value, by_eta, by_cut):  # type: ignore[no-untyped-def]
    """Successes of ``trials``, without the binomial coefficients."""
    y, phi, trials, weights = data.y, value[data.shape], data.trials, data.weights
    every, slope = rising(phi, trials)
    n = weights.sum() if weights.size else float(y.size)
    log_p, by_phi = -n * every, -n * slope
    for i in range(y.size):
        fall = math.exp(-abs(eta[i]))
        more, less = 1.0 / (1.0 + fall), fall / (1.0 + fall)
        mean, rest = (more, less) if eta[i] > 0.0 else (less, more)
        successes = int(y[i])
        yes, by_a = rising(mean * phi, successes)
        no, by_b = rising(rest * phi, trials - successes)
        weight = weights[i] if weights.size else 1.0
        log_p += weight * (yes + no)
        by_eta[i] += weight * (by_a - by_b) * phi * mean * rest
        by_phi += weight * (by_a * mean + by_b * rest)
    by_value[data.shape] += by_phi
    return log_p


class BetaBinomial(Family):
    """Steps above the lower end of a scale, with a mean on the logit scale and precision ``phi``."""

    name = "beta_binomial"
    title = "beta-binomial on the raw score"
    equation = "steps of {y} ~ BetaBinomial(number of steps, mean = logit⁻¹(η), precision φ)"
    sentence = (
        "is a count of steps of the scale that follows a beta-binomial distribution; the linear predictor is on the "
        "logit scale"
    )
    link = "logit"
    parameters = ReadOnly({"phi": Parameter("precision φ", "precision: how closely scores gather around their mean")})
    discrete = True
    kernel = staticmethod(_kernel)

    @override
    def prepare(self, name: str, values: np.ndarray, scale: Scale | None, trials: np.ndarray | None = None) -> Outcome:
        levels = None if scale is None else scale.levels
        if levels is None:
            raise ModelError(
                f"family '{self.name}' counts steps of a scale, and '{name}' has no known step. "
                f"Declare it: {setting('scales', {name: {**NEEDED_OF_SCALE, 'lower': 0, 'upper': ..., 'step': ...}})}."
            )
        return on_levels(name, np.asarray(values, dtype=float), levels)

    @override
    def expectation(self, eta: np.ndarray, own: Draws, outcome: Outcome) -> np.ndarray:
        levels = outcome.known_levels
        return np.asarray(levels[0] + (levels[-1] - levels[0]) * special.expit(eta))

    @override
    def residual_variance(self, eta: np.ndarray, own: Draws, outcome: Outcome) -> np.ndarray:
        levels = outcome.known_levels
        n = levels.size - 1
        step = (levels[-1] - levels[0]) / n
        p, phi = special.expit(eta), own["phi"][..., None]
        return np.asarray(step**2 * n * p * (1 - p) * (1 + (n - 1) / (phi + 1)))

    @override
    def simulate(self, eta: np.ndarray, own: Draws, outcome: Outcome, rng: np.random.Generator) -> np.ndarray:
        levels = outcome.known_levels
        mean, phi = special.expit(eta), own["phi"][..., None]
        # The beta's shapes are kept off zero, where NumPy's sampler is undefined.
        p = rng.beta(np.maximum(mean * phi, 1e-12), np.maximum((1 - mean) * phi, 1e-12))
        return np.asarray(levels[rng.binomial(levels.size - 1, p)])

    @override
    def log_density(self, eta: np.ndarray, own: Draws, outcome: Outcome) -> np.ndarray:
        y, n = outcome.coded, outcome.known_levels.size - 1
        phi = own["phi"][..., None]
        # 1 - expit(eta) would lose its digits where the mean is close to 1.
        a, b = special.expit(eta) * phi, special.expit(-eta) * phi
        choose = special.gammaln(n + 1) - special.gammaln(y + 1) - special.gammaln(n - y + 1)
        return np.asarray(choose + special.betaln(y + a, n - y + b) - special.betaln(a, b))

    @override
    def constant(self, outcome: Outcome) -> float:
        """The binomial coefficients."""
        n = outcome.known_levels.size - 1
        return float(sum(math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) for k in outcome.coded))

    @override
    def cumulative_bounds(
        self, eta: np.ndarray, own: Draws, outcome: Outcome, step: float | None
    ) -> tuple[np.ndarray, np.ndarray]:
        n, phi = outcome.known_levels.size - 1, own["phi"][..., None]
        mean = special.expit(eta)
        a, b = mean * phi, (1 - mean) * phi
        log_mass = special.betaln(a, n + b) - special.betaln(a, b)
        below, upto = np.zeros_like(eta), np.zeros_like(eta)
        for k in range(n + 1):
            # The mass function level by level: its logarithm grows by a ratio, so nothing underflows on the way.
            mass = np.exp(log_mass)
            below += mass * (outcome.coded > k)
            upto += mass * (outcome.coded >= k)
            if k < n:
                log_mass += np.log((n - k) * (k + a)) - np.log((k + 1) * (n - k - 1 + b))
        return np.minimum(below, 1.0), np.minimum(upto, 1.0)

    @override
    def exceedance(self, eta: np.ndarray, own: Draws, outcome: Outcome, codes: np.ndarray) -> np.ndarray:
        phi = np.broadcast_to(own["phi"][..., None], eta.shape)
        tails = _tails(eta.ravel(), phi.ravel(), outcome.known_levels.size - 1, np.atleast_2d(codes))
        return np.asarray(tails.reshape(*eta.shape, codes.shape[-1]))

    @override
    def predictor_variance(self, own: Draws, outcome: Outcome, rows: Averages) -> np.ndarray:
        """That of the outcome, by the delta method at the average expected outcome.

        Var(y) / (dE/deta)^2, with E = low + range p and dE/deta = range p (1 - p).
        """
        low, high = outcome.known_levels[[0, -1]]
        steps = outcome.known_levels.size - 1
        p = (rows.mean() - low) / (high - low)
        return np.asarray((1 + (steps - 1) / (own["phi"] + 1)) / (steps * p * (1 - p)))

    @override
    def _mean_slope(self, outcome: Outcome) -> float:
        low, high = outcome.known_levels[0], outcome.known_levels[-1]
        share = (outcome.values.mean() - low) / (high - low)
        return float((high - low) * share * (1 - share))

    @override
    def predictor_sd(self, scale: Scale | None) -> float | None:
        return None if scale is None else scale.sd * self.predictor_unit(scale)

    @override
    def predictor_unit(self, scale: Scale) -> float:
        return logits_in(scale)

    @override
    def intercept(self, scale: Scale | None) -> StatedPrior | None:
        return LOG_ODDS

    @override
    def parameter_prior(self, name: str, scale: Scale | None, levels: int | None) -> StatedPrior | None:
        return StatedPrior(
            Prior("Gamma", (2.0, 0.2)), "precision; its mean 10 gives an SD of 18 on a 0-100 score of 25 steps"
        )

    @override
    def observe(self, outcome: Outcome, eta: Any, own: Mapping[str, Any]) -> None:
        import pymc as pm
        import pytensor.tensor as pt

        n = outcome.known_levels.size - 1
        pm.CustomDist(
            outcome.name,
            eta,
            own["phi"],
            dist=lambda eta, phi, size: pm.BetaBinomial.dist(
                n=n, alpha=pt.sigmoid(eta) * phi, beta=pt.sigmoid(-eta) * phi, size=size
            ),
            logp=lambda value, eta, phi: beta_binomial_logp(value, eta, phi, n),
            observed=outcome.coded.astype(int),
            dims="obs",
        )


def beta_binomial_logp(value: Any, eta: Any, phi: Any, n: int) -> Any:
    """Log mass of ``value`` successes of ``n`` in PyTensor, with mean expit(eta) and precision phi.

    The two shapes add up to phi, the same in every row, and what does not depend on parameters is computed once for
    data that stay: two gamma functions a row remain of nine.
    """
    import pytensor.tensor as pt

    # In whole numbers: PyTensor would otherwise add n and b first, and a small b would be gone.
    failures = pt.cast(n - pt.cast(value, "int64"), "float64")
    a, b = pt.sigmoid(eta) * phi, pt.sigmoid(-eta) * phi
    choose = math.lgamma(n + 1) - pt.gammaln(value + 1.0) - pt.gammaln(failures + 1.0)
    both = pt.gammaln(phi) - pt.gammaln(phi + n)
    return choose + both + pt.gammaln(value + a) - pt.gammaln(a) + pt.gammaln(failures + b) - pt.gammaln(b)


@njit(cache=True, nogil=True)
def _tails(eta: np.ndarray, phi: np.ndarray, n: int, first: np.ndarray) -> np.ndarray:
    """P(Y >= k) of a beta-binomial of n trials with mean expit(eta) and precision phi, shape (n_eta, n_first).

    Rows of ``first`` are those of eta, over and over: it has shape (n_rows, n_first), or (1, n_first) where all are
    alike. Masses follow each other by a ratio. They start, as 1, at the end nearer to the mean, where none can
    underflow that counts, and are divided by their sum.
    """
    out = np.empty((eta.size, first.shape[1]))
    tail = np.zeros(n + 2)
    for i in range(eta.size):
        up = eta[i] <= 0
        small = 1 / (1 + np.exp(abs(eta[i])))
        # Of trials counted from the nearer end.
        a, b = small * phi[i], (1 - small) * phi[i]
        mass = 1.0
        for k in range(n + 1):
            tail[k if up else n - k] = mass
            if k < n:
                mass *= (n - k) * (k + a) / ((k + 1) * (n - k - 1 + b))
        for k in range(n - 1, -1, -1):
            tail[k] += tail[k + 1]
        for j in range(first.shape[1]):
            out[i, j] = tail[first[i % first.shape[0], j]] / tail[0]
    return out
