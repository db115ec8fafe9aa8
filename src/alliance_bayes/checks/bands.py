"""Simultaneous bands for the empirical distribution of values that should be uniform."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import special

__all__ = ["Uniformity", "binomial_limits", "uniformity"]

# Hundredths, and points towards both ends: single outcomes far out show there and nowhere else.
_TAIL = np.array([1e-6, 1e-5, 1e-4, 3e-4, 1e-3, 3e-3])
POINTS = np.concatenate([_TAIL, np.arange(1, 100) / 100, 1 - _TAIL[::-1]])
SIMULATIONS = 10_000


@dataclass(frozen=True, eq=False)
class Uniformity:
    """The empirical distribution of some values against the uniform one.

    Parameters
    ----------
    points
        Where it is evaluated, in (0, 1).
    ecdf
        Share of values up to each point.
    lower, upper
        Limits that all points keep together with probability 1 - rate when the values are uniform and independent.
    p
        Share of uniform samples that depart at least as much as these values.
    """

    points: np.ndarray
    ecdf: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    p: float


def uniformity(values: np.ndarray, *, rate: float) -> Uniformity:
    """Compare values with the uniform distribution.

    Parameters
    ----------
    values
        Shape (n,), in [0, 1].
    rate
        Share of uniform samples that leave the band somewhere.

    Notes
    -----
    At each point the count of values up to it is binomial. The departure of a sample is its smallest binomial tail
    probability over all points; its distribution is simulated, and the band holds the counts whose tail probability
    is above its quantile.

    References
    ----------
    Säilynoja, Bürkner and Vehtari (2022), Statistics and Computing 32:32, doi 10.1007/s11222-022-10090-6.
    """
    n = int(np.size(values))
    null = _departures(n)
    counts = np.searchsorted(np.sort(values), POINTS, side="right")
    p = (1 + int(null.searchsorted(_departure(counts[None], n)[0] * (1 + 1e-9), side="right"))) / (1 + null.size)
    # The largest departure that does not fire, a hair smaller because it is itself one of the attainable probabilities.
    quiet = int(np.ceil(rate * (1 + null.size) - 1)) - 1
    tail = float(null[max(quiet, 0)]) * (1 - 1e-9)
    lower, upper = binomial_limits(tail, n, POINTS)
    return Uniformity(POINTS, counts / n, lower / n, upper / n, p)


def binomial_limits(tail: float, n: int, p: npt.ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Counts that a binomial one falls short of, and those that it exceeds, with a probability of at most `tail` each.

    Parameters
    ----------
    tail
        Probability in (0, 1).
    n
        Number of trials.
    p
        Probability of each.

    Returns
    -------
    lower, upper : numpy.ndarray of int
        The least count k with P(X <= k) >= tail, and the least with P(X > k) <= tail, of the shape of ``p``.
    """
    p = np.asarray(p, dtype=float)
    return (
        _least(lambda k: special.bdtr(k, n, p) >= tail, n, p.shape),
        _least(lambda k: special.betainc(k + 1, np.maximum(n - k, 1), p) <= tail, n, p.shape),
    )


def _least(holds: Callable[[np.ndarray], np.ndarray], n: int, shape: tuple[int, ...]) -> np.ndarray:
    """Least of the counts 0, ..., n from which on something holds; n where it does not before."""
    low, high = np.zeros(shape, dtype=np.int64), np.full(shape, n)
    while (low < high).any():
        middle = (low + high) // 2
        found = holds(middle)
        low, high = np.where(found, low, np.minimum(middle + 1, high)), np.where(found, middle, high)
    return high


def _departure(counts: np.ndarray, n: int) -> np.ndarray:
    """Smallest binomial tail probability over the points, of counts of shape (k, n_points); shape (k,)."""
    # Thousands of samples share the few counts that are likely at a point: each is looked up in a table of them.
    least = counts.min(axis=0)
    likely = np.minimum(least + np.arange((counts - least).max() + 1)[:, None], n)
    # P(X >= c) is the regularised incomplete beta function; one minus a distribution function would lose digits.
    at_least = np.where(likely > 0, special.betainc(np.maximum(likely, 1), n - likely + 1, POINTS), 1.0)
    at_most = special.bdtr(likely, n, POINTS)
    tails = np.minimum(at_least, at_most)
    return np.asarray(tails[counts - least, np.arange(POINTS.size)].min(axis=1))


@lru_cache(maxsize=64)
def _departures(n: int) -> np.ndarray:
    cells = np.random.default_rng(n).multinomial(n, np.diff(POINTS, prepend=0.0, append=1.0), size=SIMULATIONS)
    return np.sort(_departure(cells.cumsum(axis=1)[:, :-1], n))
