"""The Bernoulli family: an event, or its absence."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, override

import numpy as np
import pandas as pd
from scipy import special

from alliance_bayes.compiled import njit
from alliance_bayes.model.families.family import Draws, Outcome, demand
from alliance_bayes.model.families.logit import LOG_ODDS, Thresholds, logits_in
from alliance_bayes.model.families.special import MUCH
from alliance_bayes.model.priors import StatedPrior
from alliance_bayes.model.scales import Scale
from alliance_bayes.readonly import ReadOnly

__all__ = ["Bernoulli", "event_of"]

# How other programs write that an event was, or was not.
_TRUTH = {"true": 1.0, "false": 0.0}


def event_of(data: pd.DataFrame, outcome: str) -> pd.DataFrame:
    """The rows with an event that is written as TRUE and FALSE, in any case, as 1 and 0."""
    if outcome not in data:
        return data
    values = data[outcome]
    if pd.api.types.is_bool_dtype(values.dtype):
        return data.assign(**{outcome: values.astype(float)})
    if not isinstance(values.dtype, pd.CategoricalDtype):
        return data
    codes = [_TRUTH.get(str(level).strip().casefold()) for level in values.cat.categories]
    if not codes or None in codes:
        return data
    numbers = np.append(np.asarray(codes, dtype=float), np.nan)[values.cat.codes.to_numpy()]
    return data.assign(**{outcome: numbers})


@njit(cache=True, nogil=True, error_model="numpy")
def _kernel(data, value, eta, cutpoints, by_value, by_eta, by_cut):  # type: ignore[no-untyped-def]
    """Events (1) and their absence (0) with log odds eta."""
    y, weights = data.y, data.weights
    log_p, product = 0.0, 1.0
    for i in range(y.size):
        against = -eta[i] if y[i] > 0.5 else eta[i]
        fall = math.exp(-abs(against))
        wrong = (1.0 if against > 0.0 else fall) / (1.0 + fall)
        if weights.size:
            log_p -= weights[i] * (max(against, 0.0) + math.log1p(fall))
            by_eta[i] += weights[i] * (wrong if y[i] > 0.5 else -wrong)
            continue
        product *= 1.0 + fall
        if product > MUCH:
            log_p -= math.log(product)
            product = 1.0
        log_p -= max(against, 0.0)
        by_eta[i] += wrong if y[i] > 0.5 else -wrong
    return log_p - math.log(product)


class Bernoulli(Thresholds):
    """An event (1) or its absence (0); the linear predictor is its log odds."""

    name = "bernoulli"
    title = "Bernoulli"
    equation = "log odds({y} = 1) = η"
    sentence = "is an event (1) or its absence (0); the linear predictor is the log odds of the event"
    link = "logit"
    parameters = ReadOnly({})
    event = True
    of_text = "Give it as numbers, 1 for the event and 0 for its absence."
    kernel = staticmethod(_kernel)

    @override
    def numbered(self, data: pd.DataFrame, outcome: str) -> pd.DataFrame:
        return event_of(data, outcome)

    @override
    def numbered_words(self, data: pd.DataFrame, outcome: str) -> str:
        if event_of(data, outcome) is data:
            return ""
        return f"the outcome '{outcome}' is written as TRUE and FALSE: TRUE is the event (1), FALSE its absence (0)."

    @override
    def prepare(self, name: str, values: np.ndarray, scale: Scale | None, trials: np.ndarray | None = None) -> Outcome:
        values = np.asarray(values, dtype=float)
        good = (values == 0) | (values == 1)
        demand(name, values, good, "is not 0 or 1", "Code the event as 1 and its absence as 0.")
        return Outcome(name, values, values, np.array([0.0, 1.0]), 0.0, 1.0)

    @override
    def expectation(self, eta: np.ndarray, own: Draws, outcome: Outcome) -> np.ndarray:
        return np.asarray(special.expit(eta))

    @override
    def residual_variance(self, eta: np.ndarray, own: Draws, outcome: Outcome) -> np.ndarray:
        p = special.expit(eta)
        return np.asarray(p * (1 - p))

    @override
    def simulate(self, eta: np.ndarray, own: Draws, outcome: Outcome, rng: np.random.Generator) -> np.ndarray:
        return (rng.random(eta.shape) < special.expit(eta)).astype(float)

    @override
    def log_density(self, eta: np.ndarray, own: Draws, outcome: Outcome) -> np.ndarray:
        y = outcome.coded
        return np.asarray(y * special.log_expit(eta) + (1 - y) * special.log_expit(-eta))

    @override
    def cumulative_bounds(
        self, eta: np.ndarray, own: Draws, outcome: Outcome, step: float | None
    ) -> tuple[np.ndarray, np.ndarray]:
        p = special.expit(eta)
        happened = outcome.coded > 0
        return np.where(happened, 1 - p, 0.0), np.where(happened, 1.0, 1 - p)

    @override
    def _thresholds(self, own: Draws) -> np.ndarray:
        return np.array([-np.inf, 0.0, np.inf])

    @override
    def _mean_slope(self, outcome: Outcome) -> float:
        share = float(outcome.values.mean())
        return share * (1 - share)

    @override
    def predictor_unit(self, scale: Scale) -> float:
        return logits_in(scale)

    @override
    def intercept(self, scale: Scale | None) -> StatedPrior | None:
        return LOG_ODDS

    @override
    def observe(self, outcome: Outcome, eta: Any, own: Mapping[str, Any]) -> None:
        import pymc as pm

        pm.CustomDist(
            outcome.name,
            eta,
            dist=lambda eta, size: pm.Bernoulli.dist(logit_p=eta, size=size),
            logp=bernoulli_logp,
            observed=outcome.coded.astype(int),
            dims="obs",
        )


def bernoulli_logp(value: Any, eta: Any) -> Any:
    """Log mass in PyTensor: PyMC's own goes by the probability."""
    import pytensor.tensor as pt

    return -pt.softplus(pt.switch(pt.eq(value, 1), -eta, eta))
