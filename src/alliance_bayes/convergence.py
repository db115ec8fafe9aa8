"""Rank-normalised R-hat and effective sample sizes of many quantities at once.

The estimators are ArviZ's, computed here for a whole block; ranks and normal scores are shared between them.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from alliance_bayes.mixing import effective_sample_size, rhat
from alliance_bayes.ranks import normal_scores, rounding_of
from alliance_bayes.rounding import is_constant

__all__ = ["arviz", "convergence"]


@cache
def arviz() -> Any:
    """ArviZ's array functions, which carry no annotations; imported when needed, since that takes a second."""
    from arviz_stats.base.array import BaseArray

    return BaseArray()


def convergence(draws: np.ndarray, limits: np.ndarray, *, order: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """R-hat and effective sample sizes.

    Parameters
    ----------
    draws
        Shape (k, chain, draw). NaN makes all the quantity's diagnostics NaN; plus or minus infinity is a rank like
        any other.
    limits
        The two quantiles whose estimation ``ess_tail`` is about, shape (k, 2): those the equal-tailed interval ends at.
    order
        What sorts each quantity's draws over all chains, shape (k, chain x draw), where it is known.

    Returns
    -------
    dict
        ``rhat``, ``ess_bulk``, ``ess_tail`` and ``ess_mean`` (which the Monte Carlo error of the mean needs), each of
        shape (k,). NaN for quantities that do not vary and for fewer than four draws a chain; R-hat also for a single
        chain.

    References
    ----------
    .. [1] Vehtari, Gelman, Simpson, Carpenter, Bürkner (2021). Rank-normalization, folding, and localization: an
    improved R-hat.
       Bayesian Analysis 16(2). doi 10.1214/20-BA1221
    """
    k, chains, n = draws.shape
    names = ("rhat", "ess_bulk", "ess_tail", "ess_mean")
    out = {name: np.full(k, np.nan) for name in names}
    flat = draws.reshape(k, -1)
    use = ~(np.isnan(flat).any(axis=1) | is_constant(flat)) if n >= 4 else np.zeros(k, dtype=bool)
    if not use.any():
        return out
    halves = _split(draws[use])
    if n % 2:
        # The middle draws of the chains are left out, and have no rank.
        ranked = halves.reshape(len(halves), -1)
        scores, folded = normal_scores(ranked, np.argsort(ranked, axis=1)).reshape(2, *halves.shape)
    else:
        order = np.argsort(flat[use], axis=1) if order is None else order[use]
        scores, folded = map(_split, normal_scores(flat[use], order).reshape(2, len(halves), chains, n))
    out["ess_bulk"][use] = effective_sample_size(scores)
    out["ess_tail"][use] = np.fmin(*(_tail(draws[use], limit) for limit in limits[use].T))
    finite = np.isfinite(flat[use]).all(axis=1)
    mean = np.full(len(halves), np.nan)
    if finite.any():
        mean[finite] = effective_sample_size(halves[finite])
    out["ess_mean"][use] = mean
    if chains > 1:
        with np.errstate(invalid="ignore", divide="ignore"):
            # An infinite median cannot be folded about: no R-hat then. Where |x - median| takes one value, the scale
            # agrees.
            largest = np.fmax(rhat(scores), rhat(folded))
        out["rhat"][use] = np.where(np.isnan(folded[:, 0, 0]), np.nan, largest)
    return out


def _split(draws: np.ndarray) -> np.ndarray:
    """Each chain in two halves, shape (k, 2 x chain, draw // 2); the middle draw of an odd number is left out."""
    half = draws.shape[2] // 2
    return np.concatenate([draws[:, :, :half], draws[:, :, -half:]], axis=1)


def _tail(draws: np.ndarray, limit: np.ndarray) -> np.ndarray:
    """Effective sample size for a quantile; NaN where the quantile is not finite."""
    out = np.full(len(draws), np.nan)
    finite = np.isfinite(limit)
    if finite.any():
        margin = rounding_of(draws[finite].reshape(int(finite.sum()), -1))
        below = draws[finite] <= (limit[finite] + margin)[:, None, None]
        out[finite] = effective_sample_size(_split(below).astype(float))
    return out
