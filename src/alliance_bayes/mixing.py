"""R-hat and effective sample size of many quantities at once, from chains that are already split and transformed.

The estimators are ArviZ's, for a block of quantities instead of one after the other, in a fraction of the time.
"""

from __future__ import annotations

import numpy as np

from alliance_bayes.compiled import njit
from alliance_bayes.rounding import is_constant

__all__ = ["effective_sample_size", "rhat"]


def effective_sample_size(chains: np.ndarray) -> np.ndarray:
    """Effective sample size of the mean.

    Parameters
    ----------
    chains
        Finite, shape (k, n_chains, n_draws).

    Returns
    -------
    numpy.ndarray
        Shape (k,): at most S log10(S) for S draws in all; S where these do not vary, NaN for fewer than four draws.

    References
    ----------
    Geyer (1992), Statistical Science 7(4):473-483; Vehtari, Gelman, Simpson, Carpenter and Bürkner (2021), Bayesian
    Analysis 16(2):667-718, doi 10.1214/20-BA1221.
    """
    if chains.shape[2] < 4:
        return np.full(len(chains), np.nan)
    means = chains.mean(axis=2, keepdims=True)
    centred = chains - means
    within = (centred**2).mean(axis=(1, 2))
    total = within + (means.var(axis=1, ddof=1)[:, 0] if chains.shape[1] > 1 else 0.0)
    sizes = np.full(len(chains), float(chains[:1].size))
    moving = ~is_constant(chains, axis=(1, 2))
    sizes[moving] /= _lengths(centred[moving], within[moving], total[moving])
    return sizes


def rhat(chains: np.ndarray) -> np.ndarray:
    """Square root of the total over the within-chain variance, shape (k,), of chains of shape (k, n_chains, n_draws).

    Infinite where each of several chains stands still at a place of its own, NaN for fewer than four draws.
    """
    n = chains.shape[2]
    if n < 4:
        return np.full(len(chains), np.nan)
    within, between = chains.var(axis=2, ddof=1).mean(axis=1), chains.mean(axis=2).var(axis=1, ddof=1)
    return np.asarray(np.sqrt((n * between / within + n - 1) / n))


@njit(cache=True, nogil=True)
def _lengths(centred: np.ndarray, within: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Integrated autocorrelation time of each quantity: how many draws are worth an independent one."""
    k, n_chains, n = centred.shape
    shortest = 1 / np.log10(n_chains * n)
    out = np.empty(k)
    for q in range(k):
        mean_variance = within[q] * n / (n - 1)
        # Sums of two neighbouring lags are positive and fall, until noise hides them (Geyer's initial sequence). Few
        # lags are needed where chains mix: summing these is faster than transforming the chains to have all of them.
        even, pair = 1.0, 2.0 - (mean_variance - _covariance(centred, q, 1)) / total[q]
        falling, length, lag = np.inf, -1.0, 2
        while pair > 0 and lag < n - 2:
            falling = min(falling, pair)
            length += 2 * falling
            even = 1 - (mean_variance - _covariance(centred, q, lag)) / total[q]
            pair = even + 1 - (mean_variance - _covariance(centred, q, lag + 1)) / total[q]
            lag += 2
        # The first lag of the last pair still counts, if it or the pair is positive.
        if even > 0 or pair >= 0:
            length += even
        out[q] = max(length, shortest)
    return out


# Sums in another order let the processor add several numbers at once.
@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _covariance(centred: np.ndarray, q: int, lag: int) -> float:
    """Autocovariance of a quantity at a lag, averaged over chains."""
    n_chains, n = centred.shape[1:]
    total = 0.0
    for c in range(n_chains):
        for i in range(n - lag):
            total += centred[q, c, i] * centred[q, c, i + lag]
    return total / (n_chains * n)
