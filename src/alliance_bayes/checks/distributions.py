"""Where an observed outcome lies in each family's distribution: cumulative probabilities and level probabilities."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy import special

from alliance_bayes.model.families import Family, Outcome
from alliance_bayes.model.likelihood import residual_sd
from alliance_bayes.model.scales import Scale

__all__ = ["cumulative_bounds", "level_probability", "rounding_step"]

Parameters = Mapping[str, np.ndarray]


def rounding_step(family: Family, outcome: Outcome, scale: Scale | None) -> float | None:
    """Distance between the levels that a continuous family's outcome is recorded on.

    Parameters
    ----------
    family, outcome
        The family and what it was fitted to.
    scale
        The outcome's scale, where it is known.

    Returns
    -------
    float or None
        The scale's step when most values lie on its levels; else the smallest gap between values when values repeat
        and all gaps are multiples of it; None for an outcome without levels and for discrete families, which know
        their levels.
    """
    if family.discrete:
        return None
    if scale is not None and scale.step is not None and scale.lower is not None:
        places = (outcome.values - scale.lower) / scale.step
        if np.mean(np.abs(places - np.round(places)) < 1e-6) > 0.5:
            return scale.step
    distinct = np.unique(outcome.values)
    if distinct.size < 2 or distinct.size > outcome.values.size / 2:
        return None
    gaps = np.diff(distinct)
    multiples = gaps / gaps.min()
    return float(gaps.min()) if np.abs(multiples - np.round(multiples)).max() < 1e-6 else None


def cumulative_bounds(
    family: Family, eta: np.ndarray, parameters: Parameters, outcome: Outcome, step: float | None
) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of less than, and of at most, the observed outcome.

    A score recorded in steps stands for the interval of half a step to either side, so a continuous family is asked
    for the probabilities up to both ends of it. Without that, heaping on the levels would be taken for a misfit.

    Parameters
    ----------
    family, eta, parameters, outcome
        As in the likelihood; eta has shape (n_draws, n).
    step
        Distance between levels for a continuous family, None when every value is possible.

    Returns
    -------
    below, upto : numpy.ndarray
        Shape (n_draws, n); equal where the outcome has no levels. Beyond a censoring limit lies the whole tail.
    """
    match family.name:
        case "gaussian" | "student_t" | "censored_gaussian":
            low, high = _edges(family, outcome, step)
            below = _cdf(family, (low - eta) / residual_sd(eta, parameters), parameters)
            if step is None and family.name != "censored_gaussian":
                return below, below
            return below, _cdf(family, (high - eta) / residual_sd(eta, parameters), parameters)
        case "bernoulli":
            p = special.expit(eta)
            happened = outcome.coded > 0
            return np.where(happened, 1 - p, 0.0), np.where(happened, 1.0, 1 - p)
        case "beta_binomial":
            return _beta_binomial(eta, parameters["phi"][..., None], outcome)
    cutpoints = parameters["cutpoints"]
    padding = np.full((*cutpoints.shape[:-1], 1), np.inf)
    edges = np.concatenate([-padding, cutpoints, padding], axis=-1)
    codes = outcome.coded.astype(int)
    return special.expit(edges[..., codes] - eta), special.expit(edges[..., codes + 1] - eta)


def level_probability(
    family: Family, eta: np.ndarray, parameters: Parameters, outcome: Outcome, step: float
) -> np.ndarray:
    """Probability that a continuous family gives to the observed level, shape of ``eta``.

    Unlike its density, this can be compared with the mass functions of discrete families. Both ends are measured from
    the nearer tail, so that an outcome far out does not lose its digits.
    """
    low, high = _edges(family, outcome, step)
    sigma = residual_sd(eta, parameters)
    near, far = (low - eta) / sigma, (high - eta) / sigma
    upper = near > 0
    near, far = np.where(upper, -far, near), np.where(upper, -near, far)
    return _cdf(family, far, parameters) - _cdf(family, near, parameters)


def _edges(family: Family, outcome: Outcome, step: float | None) -> tuple[np.ndarray, np.ndarray]:
    half = 0.0 if step is None else step / 2
    low, high = outcome.values - half, outcome.values + half
    if family.name == "censored_gaussian":
        if outcome.lower is not None:
            low = np.where(outcome.values <= outcome.lower, -np.inf, low)
        if outcome.upper is not None:
            high = np.where(outcome.values >= outcome.upper, np.inf, high)
    return low, high


def _cdf(family: Family, z: np.ndarray, parameters: Parameters) -> np.ndarray:
    if family.name == "student_t":
        return np.asarray(special.stdtr(parameters["nu"][..., None], z))
    return np.asarray(special.ndtr(z))


def _beta_binomial(eta: np.ndarray, phi: np.ndarray, outcome: Outcome) -> tuple[np.ndarray, np.ndarray]:
    assert outcome.levels is not None
    n = outcome.levels.size - 1
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
