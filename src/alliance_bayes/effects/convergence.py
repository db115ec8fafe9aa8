"""Rank-normalised R-hat and effective sample sizes of many quantities at once.

The estimators are ArviZ's, computed here for a whole block; ranks and normal scores are shared between them.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any

import numpy as np
from scipy import special

from alliance_bayes.effects.mixing import effective_sample_size, rhat
from alliance_bayes.rounding import is_constant

__all__ = ["arviz", "convergence"]


@cache
def arviz() -> Any:
    """ArviZ's array functions, which carry no annotations; imported when needed, since that takes a second."""
    from arviz_stats.base.array import BaseArray

    return BaseArray()


def convergence(draws: np.ndarray, limits: np.ndarray) -> dict[str, np.ndarray]:
    """R-hat and effective sample sizes.

    Parameters
    ----------
    draws
        Shape (k, chain, draw). NaN makes all the quantity's diagnostics NaN; plus or minus infinity is a rank like
        any other.
    limits
        The two quantiles whose estimation ``ess_tail`` is about, shape (k, 2): those the equal-tailed interval ends at.

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
    scores = _normal_scores(halves)
    out["ess_bulk"][use] = effective_sample_size(scores)
    out["ess_tail"][use] = np.fmin(*(_tail(draws[use], limit) for limit in limits[use].T))
    finite = np.isfinite(flat[use]).all(axis=1)
    mean = np.full(len(halves), np.nan)
    if finite.any():
        mean[finite] = effective_sample_size(halves[finite])
    out["ess_mean"][use] = mean
    if chains > 1:
        with np.errstate(invalid="ignore", divide="ignore"):
            folded = np.abs(halves - np.median(halves, axis=(1, 2), keepdims=True))
            # An infinite median cannot be folded about: no R-hat then. Where |x - median| takes one value, the scale
            # agrees.
            largest = np.fmax(rhat(scores), rhat(_normal_scores(folded)))
        out["rhat"][use] = np.where(np.isnan(folded).any(axis=(1, 2)), np.nan, largest)
    return out


def _rounding(flat: np.ndarray) -> np.ndarray:
    """What only rounding moves, shape (k, 1), for quantities of shape (k, n).

    What is computed of a state that a chain stayed in may differ in its last bits from draw to draw, by where it stands
    in a block of the processor's arithmetic, and so may the distances of the two middle draws from their median. Such
    draws are tied, on every processor.
    """
    finite = np.where(np.isfinite(flat), flat, 0.0)
    return np.asarray(1e-10 * (finite.max(axis=1) - finite.min(axis=1))[:, None])


def _split(draws: np.ndarray) -> np.ndarray:
    """Each chain in two halves, shape (k, 2 x chain, draw // 2); the middle draw of an odd number is left out."""
    half = draws.shape[2] // 2
    return np.concatenate([draws[:, :, :half], draws[:, :, -half:]], axis=1)


def _tail(draws: np.ndarray, limit: np.ndarray) -> np.ndarray:
    """Effective sample size for a quantile; NaN where the quantile is not finite."""
    out = np.full(len(draws), np.nan)
    finite = np.isfinite(limit)
    if finite.any():
        margin = _rounding(draws[finite].reshape(int(finite.sum()), -1))
        below = draws[finite] <= (limit[finite, None] + margin)[..., None]
        out[finite] = effective_sample_size(_split(below).astype(float))
    return out


def _normal_scores(values: np.ndarray) -> np.ndarray:
    """Normal scores of the ranks within each quantity, shape (k, chain, draw); ties share their average rank."""
    flat = values.reshape(len(values), -1)
    n = flat.shape[1]
    order = np.argsort(flat, axis=1)
    ordered = np.take_along_axis(flat, order, axis=1)
    # Twice the average rank of a run of ties from place i to j (from 0) is i + j + 2: a whole number, so a table does.
    doubled = np.broadcast_to(2 * np.arange(1, n + 1), flat.shape)
    with np.errstate(invalid="ignore"):
        tied = (ordered[:, 1:] == ordered[:, :-1]) | (np.diff(ordered, axis=1) <= _rounding(flat))
    if tied.any():
        edge = np.ones((len(flat), 1), dtype=bool)
        places = np.arange(n)
        first = np.maximum.accumulate(np.where(np.hstack([edge, ~tied]), places, 0), axis=1)
        last = np.minimum.accumulate(np.where(np.hstack([~tied, edge]), places, n)[:, ::-1], axis=1)[:, ::-1]
        doubled = first + last + 2
    ranks = np.empty(flat.shape, dtype=np.intp)
    np.put_along_axis(ranks, order, doubled, axis=1)
    return np.asarray(_score_table(n)[ranks].reshape(values.shape))


@lru_cache(maxsize=4)
def _score_table(n: int) -> np.ndarray:
    """Normal score of every half rank 0, 1/2, ..., n (Blom's offset of 3/8)."""
    ranks = np.arange(2 * n + 1) / 2
    with np.errstate(invalid="ignore"):
        return np.asarray(special.ndtri((ranks - 3 / 8) / (n + 1 / 4)))
