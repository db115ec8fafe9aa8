"""R-hat, effective sample sizes and Pareto-smoothed importance sampling, of many quantities at once.

The estimators are those of ArviZ and of the R package loo, for a whole block instead of one quantity after the other,
in a fraction of the time; ranks and normal scores are shared between them.
"""

from __future__ import annotations

import itertools
from functools import cache, lru_cache
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy import special

from alliance_bayes.compiled import njit
from alliance_bayes.rounding import ROUNDING, is_constant

__all__ = ["arviz", "convergence", "diagnose", "effective_sample_size", "normal_scores", "rhat", "smoothed"]

# Share of the range of its draws by which only rounding moves a quantity.
_SHARE = 1e-10

# Fewer draws leave less than 5 in the tail, to which no Pareto distribution can be fitted.
_FEWEST_DRAWS = 25
# The weakly informative prior of the shape counts as many observations at 1/2; the grid of the profile's prior is
# spread by the other (Zhang and Stephens 2009; Vehtari et al. 2024, appendix C).
_PRIOR_DRAWS, _PRIOR_SPREAD = 10, 3
# Grid points of less weight are left out of the posterior mean.
_NEGLIGIBLE = 10 * np.finfo(float).eps


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
        shape (k,). NaN for quantities that do not vary and for fewer than eight draws a chain; R-hat also for a single
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
    use = ~(np.isnan(flat).any(axis=1) | is_constant(flat)) if n >= 8 else np.zeros(k, dtype=bool)
    if not use.any():
        return out
    if n % 2:
        # Chains are split in halves; the middle draws are left out, and have no rank.
        used = np.delete(draws[use], n // 2, axis=2).reshape(int(use.sum()), -1)
        order = np.argsort(used, axis=1)
    else:
        used = flat[use]
        order = np.argsort(used, axis=1) if order is None else order[use]
    used, limits = _in_own_unit(used, limits[use].astype(float))
    figures = _diagnoses(
        np.ascontiguousarray(used),
        np.ascontiguousarray(order),
        np.ascontiguousarray(limits),
        2 * chains,
        _score_table(used.shape[1]),
    )
    for name, values in zip(names, figures.T, strict=True):
        out[name][use] = values
    # Infinite draws have no mean.
    out["ess_mean"][~np.isfinite(flat).all(axis=1)] = np.nan
    if chains == 1:
        out["rhat"][use] = np.nan
    return out


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
    (chains,) = _in_own_unit(np.asarray(chains, dtype=float))
    return np.asarray(_sizes(np.ascontiguousarray(chains)))


def rhat(chains: np.ndarray) -> np.ndarray:
    """Square root of the total over the within-chain variance, shape (k,), of chains of shape (k, n_chains, n_draws).

    Infinite where each of several chains stands still at a place of its own, NaN for fewer than four draws.
    """
    if chains.shape[2] < 4:
        return np.full(len(chains), np.nan)
    (chains,) = _in_own_unit(np.asarray(chains, dtype=float))
    return np.asarray(_rhats(np.ascontiguousarray(chains)))


def _in_own_unit(draws: np.ndarray, *beside: np.ndarray) -> list[np.ndarray]:
    """Draws of quantities, shape (k, ...), and what is in their units, where squares of them can be computed.

    Above 1e100, or below 1e-100 throughout, a quantity is divided by a power of two, which is exact.
    """
    inner = tuple(range(1, draws.ndim))
    size = np.abs(draws).max(axis=inner, initial=0.0)
    odd = (size > 1e100) | ((size < 1e-100) & (size > 0))
    if not odd.any():
        return [draws, *beside]
    powers = np.zeros(len(draws), dtype=int)
    powers[odd] = -np.frexp(np.where(np.isfinite(draws[odd]), np.abs(draws[odd]), 0.0).max(axis=inner))[1]
    return [np.ldexp(array, powers.reshape(-1, *[1] * (array.ndim - 1))) for array in (draws, *beside)]


@njit(cache=True, nogil=True)
def _sizes(chains: np.ndarray) -> np.ndarray:
    out, centred = np.empty(len(chains)), np.empty(chains.shape[1:])
    for q in range(len(chains)):
        out[q] = _size(chains[q], centred)
    return out


@njit(cache=True, nogil=True)
def _rhats(chains: np.ndarray) -> np.ndarray:
    out, centred = np.empty(len(chains)), np.empty(chains.shape[1:])
    for q in range(len(chains)):
        out[q] = _rhat(chains[q], centred)
    return out


@njit(cache=True, nogil=True)
def _diagnoses(flat: np.ndarray, order: np.ndarray, limits: np.ndarray, n_chains: int, table: np.ndarray) -> np.ndarray:
    """R-hat and the effective sample sizes of bulk, tail and mean, shape (k, 4), one quantity after the other.

    What is made of a quantity on the way stays in the processor's cache.
    """
    k, n = flat.shape
    shape = (n_chains, n // n_chains)
    out = np.empty((k, 4))
    scores, folded, centred = np.empty(n), np.empty(n), np.empty(shape)
    for q in range(k):
        _score(flat[q], order[q], table, scores, folded)
        out[q, 1] = _size(scores.reshape(shape), centred)
        # An infinite median cannot be folded about: no R-hat then. Where |x - median| takes one value, the scale
        # agrees.
        out[q, 0] = np.nan
        if not np.isnan(folded[0]):
            out[q, 0] = _rhat(scores.reshape(shape), centred)
            scale = _rhat(folded.reshape(shape), centred)
            if np.isnan(out[q, 0]) or scale > out[q, 0]:
                out[q, 0] = scale
        margin = _rounding_of(flat[q], order[q])
        out[q, 2] = np.nan
        for limit in limits[q]:
            if not np.isfinite(limit):
                continue
            for i in range(n):
                scores[i] = 1.0 if flat[q, i] <= limit + margin else 0.0
            size = _size(scores.reshape(shape), centred)
            if not size >= out[q, 2]:
                out[q, 2] = size
        out[q, 3] = _size(flat[q].reshape(shape), centred)
    return out


# Sums in another order let the processor add several numbers at once.
_SUMS = {"reassoc", "contract"}


@njit(cache=True, nogil=True, fastmath=_SUMS)
def _centre(chains: np.ndarray, centred: np.ndarray) -> tuple[float, float]:
    """Take each chain's mean from it; the mean square that is left, and the variance of the means."""
    n_chains, n = chains.shape
    means, squares = np.empty(n_chains), 0.0
    for c in range(n_chains):
        total = 0.0
        for i in range(n):
            total += chains[c, i]
        means[c] = total / n
        for i in range(n):
            away = chains[c, i] - means[c]
            centred[c, i] = away
            squares += away * away
    overall, between = means.mean(), 0.0
    for c in range(n_chains):
        between += (means[c] - overall) ** 2
    return squares / (n_chains * n), between / (n_chains - 1) if n_chains > 1 else 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def _rhat(chains: np.ndarray, centred: np.ndarray) -> float:
    """See :func:`rhat`; of one quantity."""
    n = chains.shape[1]
    square, between = _centre(chains, centred)
    within = square * n / (n - 1)
    return np.sqrt((n * between / within + n - 1) / n)


@njit(cache=True, nogil=True)
def _size(chains: np.ndarray, centred: np.ndarray) -> float:
    """See :func:`effective_sample_size`; of one quantity."""
    n_chains, n = chains.shape
    low = high = chains[0, 0]
    for c in range(n_chains):
        for i in range(n):
            low, high = min(low, chains[c, i]), max(high, chains[c, i])
    if low == high or high - low <= ROUNDING * max(abs(low), abs(high)):
        return float(n_chains * n)
    within, between = _centre(chains, centred)
    total, mean_variance = within + between, within * n / (n - 1)
    # Sums of two neighbouring lags are positive and fall, until noise hides them (Geyer's initial sequence). Few lags
    # are needed where chains mix: summing these is faster than transforming the chains to have all of them.
    even, pair = 1.0, 2.0 - (mean_variance - _covariance(centred, 1)) / total
    falling, length, lag = np.inf, -1.0, 2
    while pair > 0 and lag < n - 2:
        falling = min(falling, pair)
        length += 2 * falling
        even = 1 - (mean_variance - _covariance(centred, lag)) / total
        pair = even + 1 - (mean_variance - _covariance(centred, lag + 1)) / total
        lag += 2
    # The first lag of the last pair still counts, if it or the pair is positive.
    if even > 0 or pair >= 0:
        length += even
    return n_chains * n / max(length, 1 / np.log10(n_chains * n))


@njit(cache=True, nogil=True, fastmath=_SUMS)
def _covariance(centred: np.ndarray, lag: int) -> float:
    """Autocovariance at a lag, averaged over chains."""
    n_chains, n = centred.shape
    total = 0.0
    for c in range(n_chains):
        for i in range(n - lag):
            total += centred[c, i] * centred[c, i + lag]
    return total / (n_chains * n)


@njit(cache=True, nogil=True)
def _rounding_of(flat: np.ndarray, order: np.ndarray) -> float:
    """What only rounding moves of a quantity, shape (n,); infinite draws count as 0.

    What is computed of a state that a chain stayed in may differ in its last bits from draw to draw, by where it stands
    in a block of the processor's arithmetic, and so may the distances of the two middle draws from their median. Such
    draws are tied, on every processor.
    """
    n = flat.size
    first, last = 0, n - 1
    while first < n and not np.isfinite(flat[order[first]]):
        first += 1
    while last >= 0 and not np.isfinite(flat[order[last]]):
        last -= 1
    if first > last:
        return 0.0
    low, high = flat[order[first]], flat[order[last]]
    if first > 0 or last < n - 1:
        low, high = min(low, 0.0), max(high, 0.0)
    return float(_SHARE * (high - low))


def normal_scores(flat: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Normal scores of the ranks within each quantity, and of those of the distances from its median.

    Parameters
    ----------
    flat
        Without NaN, shape (k, n).
    order
        What sorts them, shape (k, n).

    Returns
    -------
    numpy.ndarray
        Shape (2, k, n); ties share their average rank. The second are NaN where the median is infinite: there are no
        distances from it.
    """
    out = np.empty((2, *flat.shape))
    table = _score_table(flat.shape[1])
    for values, places, scores, folded in zip(flat, order, *out, strict=True):
        _score(np.ascontiguousarray(values), np.ascontiguousarray(places), table, scores, folded)
    return out


@lru_cache(maxsize=4)
def _score_table(n: int) -> np.ndarray:
    """Normal score of every half rank 0, 1/2, ..., n (Blom's offset of 3/8)."""
    ranks = np.arange(2 * n + 1) / 2
    with np.errstate(invalid="ignore"):
        return np.asarray(special.ndtri((ranks - 3 / 8) / (n + 1 / 4)))


@njit(cache=True, nogil=True)
def _score(flat: np.ndarray, order: np.ndarray, table: np.ndarray, scores: np.ndarray, folded: np.ndarray) -> None:
    """Both scores of :func:`normal_scores` of one quantity, written into the last two."""
    n = flat.size
    ordered, distances, places = flat[order], np.empty(n), np.empty(n, dtype=np.intp)
    by_size = np.arange(n)
    _rank(ordered, order, _rounding_of(ordered, by_size), table, scores)
    low, high = (n - 1) // 2, n // 2
    middle = (ordered[low] + ordered[high]) / 2
    if not np.isfinite(middle):
        folded[:] = np.nan
        return
    # Distances grow from the middle to both ends: the two halves, merged.
    below, above = high - 1, high
    for p in range(n):
        if above >= n or (below >= 0 and middle - ordered[below] <= ordered[above] - middle):
            distances[p], places[p] = middle - ordered[below], order[below]
            below -= 1
        else:
            distances[p], places[p] = ordered[above] - middle, order[above]
            above += 1
    _rank(distances, places, _rounding_of(distances, by_size), table, folded)


@njit(cache=True, nogil=True)
def _rank(ordered: np.ndarray, places: np.ndarray, margin: float, table: np.ndarray, out: np.ndarray) -> None:
    """Scores of sorted values, put in their places; neighbours closer than rounding are tied."""
    n = ordered.size
    start = 0
    for place in range(1, n + 1):
        if place < n and (ordered[place] == ordered[place - 1] or ordered[place] - ordered[place - 1] <= margin):
            continue
        # Twice the average rank of places i to j (from 0) is i + j + 2: a whole number, so a table does.
        score = table[start + place + 1]
        for tied in range(start, place):
            out[places[tied]] = score
        start = place


def diagnose(posterior: xr.Dataset) -> pd.DataFrame:
    """Diagnose the draws of every element of every variable.

    Parameters
    ----------
    posterior
        Variables with dims chain and draw first.

    Returns
    -------
    pandas.DataFrame
        One row an element: ``quantity`` ("tau_country[alliance]"), ``variable``, ``index`` (position in the flattened
        variable), ``rhat`` (rank-normalised; NaN with one chain), ``ess_bulk``, ``ess_tail`` (the smaller of those of
        the 5 % and the 95 % quantile), ``ess_mean``, ``constant`` (all draws equal) and ``by_construction`` (constant
        because the model says so: a correlation of a term with itself).

    References
    ----------
    Vehtari, Gelman, Simpson, Carpenter and Bürkner (2021), Bayesian Analysis 16(2):667-718, doi 10.1214/20-BA1221.
    """
    blocks = []
    for name, values in posterior.data_vars.items():
        draws = np.moveaxis(np.asarray(values.values, dtype=float), (0, 1), (-2, -1))
        labels = _labels(str(name), values)
        flat = draws.reshape(len(labels), *draws.shape[-2:])
        constant = is_constant(flat, axis=(1, 2))
        block = pd.DataFrame({"quantity": labels, "variable": str(name), "index": np.arange(len(labels))})
        # One chain cannot be compared with another, and equal draws have no ranks: both are left as NaN.
        able = ~constant & np.isfinite(flat).all(axis=(1, 2))
        figures = {name: np.full(len(labels), np.nan) for name in ("rhat", "ess_bulk", "ess_tail", "ess_mean")}
        if able.any():
            tails = np.quantile(flat[able].reshape(able.sum(), -1), [0.05, 0.95], axis=1).T
            # Chains that stand still at different places have an infinite R-hat.
            with np.errstate(divide="ignore", invalid="ignore"):
                for figure, estimates in convergence(flat[able], tails).items():
                    figures[figure][able] = estimates
        block = block.assign(**figures)
        block["constant"] = constant
        block["by_construction"] = constant & _diagonal(str(name), draws.shape[:-2])
        blocks.append(block)
    return pd.concat(blocks, ignore_index=True)


def _labels(name: str, values: xr.DataArray) -> list[str]:
    dims = values.dims[2:]
    if not dims:
        return [name]
    return [
        f"{name}[{', '.join(str(part) for part in combination)}]"
        for combination in itertools.product(*(values.coords[dim].values for dim in dims))
    ]


def _diagonal(name: str, shape: tuple[int, ...]) -> np.ndarray:
    if name.startswith("corr_") and len(shape) == 2:
        return np.asarray(np.eye(shape[0], dtype=bool).ravel())
    return np.zeros(int(np.prod(shape)), dtype=bool)


def smoothed(log_ratios: np.ndarray, *, relative_efficiency: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Smooth the largest importance ratios, and estimate how heavy their tail is.

    Parameters
    ----------
    log_ratios
        Logarithms of the ratios, up to a constant each row; finite, shape (n_rows, n_draws).
    relative_efficiency
        Effective sample size over the number of draws; it sets how many draws the tail has.

    Returns
    -------
    log_weights
        Logarithms of weights that sum to one each row, shape (n_rows, n_draws).
    pareto_k
        Shape of the generalized Pareto distribution fitted to the tail, shape (n_rows,). Ratios that are all equal have
        0. NaN where none can be fitted (fewer than 25 draws; a tail whose least values are equal): those weights are
        not smoothed.

    References
    ----------
    Vehtari, Simpson, Gelman, Yao and Gabry (2024), Journal of Machine Learning Research 25(72):1-58; Zhang and Stephens
    (2009), Technometrics 51(3):316-325.
    """
    n_draws = log_ratios.shape[1]
    log_weights = log_ratios - log_ratios.max(axis=1, keepdims=True)
    level = -log_weights.min(axis=1) < 1e-12
    log_weights[level] = 0.0
    if n_draws < _FEWEST_DRAWS:
        pareto_k = np.where(level, 0.0, np.nan)
    else:
        in_tail = _in_tail(n_draws, relative_efficiency)
        places = np.argpartition(log_weights, n_draws - in_tail - 1, axis=1)[:, n_draws - in_tail - 1 :]
        # The first is the largest ratio below the tail: where the tail starts.
        places = np.take_along_axis(places, np.argsort(np.take_along_axis(log_weights, places, axis=1), axis=1), axis=1)
        ratios = np.exp(np.take_along_axis(log_weights, places, axis=1))
        start, tail = ratios[:, :1], ratios[:, 1:]
        pareto_k, scale = _fitted(tail - start)
        pareto_k[level] = 0.0
        at = np.flatnonzero(np.isfinite(pareto_k) & (scale > 0) & ~level)
        smooth = np.log(start[at] + _quantiles(in_tail, pareto_k[at, None], scale[at, None]))
        log_weights[at[:, None], places[at, 1:]] = np.minimum(smooth, 0.0)
    log_weights -= np.log(np.exp(log_weights).sum(axis=1, keepdims=True))
    return log_weights, pareto_k


def _in_tail(n_draws: int, relative_efficiency: float) -> int:
    """How many draws the tail has: a fifth of few, 3 sqrt(S / efficiency) of many."""
    if n_draws * relative_efficiency > 225:
        return int(3 * np.sqrt(n_draws / relative_efficiency))
    return n_draws // 5


def _fitted(tail: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shape and scale of the generalized Pareto distribution of ascending exceedances of shape (n_rows, n)."""
    n = tail.shape[1]
    points = 30 + int(np.sqrt(n))
    quartile = tail[:, int(n / 4 + 0.5) - 1]
    # A first quartile that is no larger than the least says that this is far from any such distribution.
    able = quartile > tail[:, 0]
    shape, scale = np.full(len(tail), np.nan), np.full(len(tail), np.nan)
    y = tail[able]
    grid = 1 - np.sqrt(points / (np.arange(1, points + 1) - 0.5))
    b = grid / (_PRIOR_SPREAD * quartile[able, None]) + 1 / y[:, -1:]
    with np.errstate(divide="ignore", invalid="ignore"):
        # Grid point by grid point: rows x draws stay in the processor's cache. A grid point weighs the same to ten
        # digits by log as by log1p, which takes several times as long.
        k = np.stack([np.log(1 - at[:, None] * y).mean(axis=1) for at in b.T], axis=1)
        profile = n * (np.log(-b / k) - k - 1)
        weight = np.exp(profile - profile.max(axis=1, keepdims=True))
        weight /= weight.sum(axis=1, keepdims=True)
        weight[weight < _NEGLIGIBLE] = 0.0
        b_mean = (b * weight).sum(axis=1) / weight.sum(axis=1)
        k_mean = np.log1p(-b_mean[:, None] * y).mean(axis=1)
        scale[able] = -k_mean / b_mean
    shape[able] = np.where(np.isnan(k_mean), np.inf, (n * k_mean + _PRIOR_DRAWS * 0.5) / (n + _PRIOR_DRAWS))
    return shape, scale


def _quantiles(n: int, shape: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Quantiles of a generalized Pareto distribution at (1/2, 3/2, ..., n - 1/2) / n, shape (n_rows, n)."""
    exponential = -np.log1p(-(np.arange(n) + 0.5) / n)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(scale * np.where(shape == 0, exponential, np.expm1(shape * exponential) / shape))
