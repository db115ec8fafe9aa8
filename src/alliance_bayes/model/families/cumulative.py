"""The cumulative logit family of ordinal outcomes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, override

import numpy as np
from scipy import special

from alliance_bayes.compiled import njit
from alliance_bayes.errors import ModelError
from alliance_bayes.model.families.family import Draws, Outcome, Parameter, on_levels
from alliance_bayes.model.families.logit import LOGISTIC_SD, Thresholds
from alliance_bayes.model.families.special import MUCH
from alliance_bayes.model.priors import Prior, StatedPrior
from alliance_bayes.model.scales import Scale
from alliance_bayes.readonly import ReadOnly
from alliance_bayes.remedies import setting

__all__ = ["MOST_LEVELS", "Cumulative"]

# Levels of an ordinal outcome without a declared step. Every distinct value of a continuous outcome may be a level of
# its own (Liu, Shepherd, Li and Harrell 2017, doi 10.1002/sim.7433); each costs a parameter.
MOST_LEVELS = 500
# A Dirichlet prior of 1 a level weighs as much as one participant a level. An outcome whose every distinct value is a
# level has hundreds of them, so beyond so many levels they share the weight.
_EVEN_LEVELS = 60
# Logits from the middle of the cutpoints that are told apart: exp(2 x 350) is still a number.
_FAR = 350.0


@njit(cache=True, nogil=True, error_model="numpy")
def _kernel(data, value, eta, cutpoints, by_value, by_eta, by_cut):  # type: ignore[no-untyped-def]
    """Level codes.

    F(above) - F(below) = F(above) F(-below) (1 - exp(below - above)) for the logistic F, whose last factor is one
    number a level.
    """
    y, weights = data.y, data.weights
    last, log_p, product = cutpoints.size, 0.0, 1.0
    times = np.zeros(last + 1)
    for i in range(y.size):
        k = int(y[i])
        weight = weights[i] if weights.size else 1.0
        times[k] += weight
        if k < last:
            over = eta[i] - cutpoints[k]
            fall = math.exp(-abs(over))
            if weights.size:
                log_p -= weight * math.log1p(fall)
            else:
                product *= 1.0 + fall
            log_p -= weight * max(over, 0.0)
            share = weight * (1.0 if over > 0.0 else fall) / (1.0 + fall)
            by_eta[i] -= share
            by_cut[k] += share
        if k > 0:
            under = cutpoints[k - 1] - eta[i]
            fall = math.exp(-abs(under))
            if weights.size:
                log_p -= weight * math.log1p(fall)
            else:
                product *= 1.0 + fall
            log_p -= weight * max(under, 0.0)
            share = weight * (1.0 if under > 0.0 else fall) / (1.0 + fall)
            by_eta[i] += share
            by_cut[k - 1] -= share
        if product > MUCH:
            log_p -= math.log(product)
            product = 1.0
    log_p -= math.log(product)
    for k in range(1, last):
        ratio = math.exp(cutpoints[k - 1] - cutpoints[k])
        log_p += times[k] * math.log1p(-ratio)
        pull = times[k] * ratio / (1.0 - ratio)
        by_cut[k - 1] -= pull
        by_cut[k] += pull
    return log_p


class Cumulative(Thresholds):
    """Ordered levels; the linear predictor shifts the log odds of exceeding each cutpoint."""

    name = "cumulative"
    title = "cumulative logit (ordinal)"
    equation = "log odds({y} ≥ level k) = η − threshold k"  # noqa: RUF001
    sentence = (
        "is an ordered level; the linear predictor shifts the log odds of exceeding each threshold between levels"
    )
    link = "cumulative_logit"
    parameters = ReadOnly(
        {"cutpoints": Parameter("", "shares of the levels at the centring values", "simplex", "cutpoint")}
    )
    own_intercepts = True
    of_text = "Give its levels as numbers in their order, 1 for the lowest."
    kernel = staticmethod(_kernel)

    @override
    def prepare(self, name: str, values: np.ndarray, scale: Scale | None, trials: np.ndarray | None = None) -> Outcome:
        values = np.asarray(values, dtype=float)
        levels = None if scale is None else scale.levels
        if levels is None:
            levels = np.unique(values)
            if levels.size > MOST_LEVELS:
                raise ModelError(
                    f"family '{self.name}' takes every distinct value for a level, up to {MOST_LEVELS}, and '{name}' "
                    f"has {levels.size}. Round it, declare its step with {setting('scales', ...)}, or use a "
                    "continuous family."
                )
        return on_levels(name, values, levels)

    @override
    def expectation(self, eta: np.ndarray, own: Draws, outcome: Outcome) -> np.ndarray:
        levels = outcome.known_levels
        # E = lowest level + sum of P(Y >= level k) times the step up to it: no (..., n, n_levels) array is stored.
        total = np.full_like(eta, levels[0])
        for step, exceed in zip(np.diff(levels), _exceedances(eta, own["cutpoints"]), strict=True):
            exceed *= step
            total += exceed
        return total

    @override
    def residual_variance(self, eta: np.ndarray, own: Draws, outcome: Outcome) -> np.ndarray:
        levels = outcome.known_levels
        first, second = np.zeros_like(eta), np.zeros_like(eta)
        above = levels - levels[0]
        for low, high, exceed in zip(above[:-1], above[1:], _exceedances(eta, own["cutpoints"]), strict=True):
            # high^2 - low^2 = (high - low) (high + low)
            exceed *= high - low
            first += exceed
            exceed *= high + low
            second += exceed
        return np.asarray(second - first**2)

    @override
    def simulate(self, eta: np.ndarray, own: Draws, outcome: Outcome, rng: np.random.Generator) -> np.ndarray:
        levels = outcome.known_levels
        latent = eta + rng.logistic(size=eta.shape)
        codes = np.zeros(eta.shape, dtype=int)
        for k in range(levels.size - 1):
            codes += latent > own["cutpoints"][..., k, None]
        return np.asarray(levels[codes])

    @override
    def log_density(self, eta: np.ndarray, own: Draws, outcome: Outcome) -> np.ndarray:
        codes, edges = outcome.coded.astype(int), self._thresholds(own)
        below, above = edges[..., codes] - eta, edges[..., codes + 1] - eta
        # log(F(above) - F(below)) without cancellation: F(a) - F(b) = F(a) F(-b) (1 - exp(b - a)) for the logistic.
        with np.errstate(over="ignore"):
            gap = np.where(np.isinf(below) | np.isinf(above), -np.inf, below - above)
        return np.asarray(special.log_expit(above) + special.log_expit(-below) + np.log1p(-np.exp(gap)))

    @override
    def cumulative_bounds(
        self, eta: np.ndarray, own: Draws, outcome: Outcome, step: float | None
    ) -> tuple[np.ndarray, np.ndarray]:
        codes, edges = outcome.coded.astype(int), self._thresholds(own)
        return special.expit(edges[..., codes] - eta), special.expit(edges[..., codes + 1] - eta)

    @override
    def _thresholds(self, own: Draws) -> np.ndarray:
        ends = np.full((*own["cutpoints"].shape[:-1], 1), np.inf)
        return np.concatenate([-ends, own["cutpoints"], ends], axis=-1)

    @override
    def information(self, outcome: Outcome) -> float:
        """Of a logistic variable that is seen whole."""
        return 1 / 3

    @override
    def _mean_slope(self, outcome: Outcome) -> float:
        raise NotImplementedError

    @override
    def predictor_unit(self, scale: Scale) -> float:
        return LOGISTIC_SD / scale.sd

    @override
    def parameter_prior(self, name: str, scale: Scale | None, levels: int | None) -> StatedPrior | None:
        """Of the shares of the levels, from which the cutpoints follow."""
        if levels is None:
            return None
        if levels <= _EVEN_LEVELS:
            return StatedPrior(
                Prior("Dirichlet", (1.0,)), "every share of the levels at the centring values equally likely"
            )
        return StatedPrior(
            Prior("Dirichlet", (float(f"{_EVEN_LEVELS / levels:.3g}"),)),
            f"even shares of the {levels} levels at the centring values, weighing as much as {_EVEN_LEVELS} "
            "participants",
        )

    @override
    def observe(self, outcome: Outcome, eta: Any, own: Mapping[str, Any]) -> None:
        import pymc as pm

        pm.CustomDist(
            outcome.name,
            eta,
            own["cutpoints"],
            dist=lambda eta, cutpoints, size: pm.Categorical.dist(
                p=pm.OrderedLogistic.compute_p(eta, cutpoints), size=size
            ),
            logp=cumulative_logp,
            signature="(),(k)->()",
            observed=outcome.coded.astype(int),
            dims="obs",
        )


def cumulative_logp(value: Any, eta: Any, cutpoints: Any) -> Any:
    """Log mass of level codes in PyTensor: PyMC's own computes the probabilities of all levels.

    Only the two cutpoints around the observed level are read, and F(above) - F(below) = F(above) F(-below)
    (1 - exp(below - above)) for the logistic F, whose last factor is one number a level.
    """
    import pytensor.tensor as pt

    code = pt.cast(value, "int64")
    gaps = pt.log1mexp(cutpoints[:-1] - cutpoints[1:])
    end = pt.zeros(1)
    # The lowest level has no cutpoint below and the highest none above: what is read there counts for nothing.
    log_p = pt.concatenate([end, gaps, end])[code]
    above = -pt.softplus(eta - pt.concatenate([cutpoints, end])[code])
    below = -pt.softplus(pt.concatenate([end, cutpoints])[code] - eta)
    last = cutpoints.shape[0]
    return log_p + pt.switch(pt.lt(code, last), above, 0.0) + pt.switch(pt.gt(code, 0), below, 0.0)


def _exceedances(eta: np.ndarray, cutpoints: np.ndarray) -> Iterator[np.ndarray]:
    """Probability of an outcome above each cutpoint in turn, shape of ``eta``, in one array.

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
