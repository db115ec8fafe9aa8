"""Posteriors of descriptive statistics by the Bayesian bootstrap over people."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["BootstrapWeights"]

Floats = npt.NDArray[np.float64]


class BootstrapWeights:
    """Draws of the weight of every person in the population that a sample comes from.

    Parameters
    ----------
    n
        People.
    draws
        Number of draws.
    seed
        Of the weights.

    References
    ----------
    Rubin (1981), The Bayesian bootstrap, Annals of Statistics 9(1):130-134, doi 10.1214/aos/1176345338.
    """

    def __init__(self, n: int, *, draws: int = 1000, seed: int = 0) -> None:
        raw = np.random.default_rng(seed).standard_exponential((draws, n))
        self._weights: Floats = raw / raw.sum(axis=1, keepdims=True)

    def of(self, mask: npt.NDArray[np.bool_]) -> Floats:
        """Weights of some people, summing to one; shape (draws, people)."""
        own = self._weights[:, mask]
        return np.asarray(own / own.sum(axis=1, keepdims=True))

    def mean(self, values: Floats) -> Floats:
        """Mean of values with gaps, over those that are there; shape (draws,)."""
        known = ~np.isnan(values)
        return np.asarray(self.of(known) @ values[known])

    def sd(self, values: Floats) -> Floats:
        """Standard deviation, shape (draws,)."""
        known = ~np.isnan(values)
        centred = values[known] - values[known].mean()
        weights = self.of(known)
        return np.asarray(np.sqrt(weights @ centred**2 - (weights @ centred) ** 2))

    def correlation(self, x: Floats, y: Floats) -> Floats:
        """Correlation over those who have both, shape (draws,)."""
        known = ~(np.isnan(x) | np.isnan(y))
        weights = self.of(known)
        a, b = x[known] - x[known].mean(), y[known] - y[known].mean()
        ma, mb = weights @ a, weights @ b
        return np.asarray((weights @ (a * b) - ma * mb) / np.sqrt((weights @ a**2 - ma**2) * (weights @ b**2 - mb**2)))

    def median(self, values: Floats, mask: npt.NDArray[np.bool_] | None = None) -> Floats:
        """Median of those marked, shape (draws,): the smallest value that half of the weight does not exceed."""
        known = ~np.isnan(values) if mask is None else mask & ~np.isnan(values)
        order = np.argsort(values[known], kind="stable")
        running = np.cumsum(self.of(known)[:, order], axis=1)
        return np.asarray(values[known][order][np.argmax(running >= 0.5, axis=1)])

    def superiority(self, values: Floats, first: npt.NDArray[np.bool_], second: npt.NDArray[np.bool_]) -> Floats:
        """Probability that one of the first group has more than one of the second, ties counting half."""
        levels, codes = np.unique(values, return_inverse=True)
        # Weight of every level in each group, shape (draws, levels).
        a, b = (
            np.stack([np.bincount(codes[mask], weights=row, minlength=levels.size) for row in self.of(mask)])
            for mask in (first, second)
        )
        below = np.cumsum(b, axis=1) - b
        return np.asarray((a * (below + b / 2)).sum(axis=1))

    def alpha(self, items: Floats) -> Floats:
        """Cronbach's alpha of items, shape (people, items), over those with all of them; shape (draws,)."""
        known = ~np.isnan(items).any(axis=1)
        weights, own = self.of(known), items[known] - items[known].mean(axis=0)
        total = own.sum(axis=1)
        k = items.shape[1]
        parts = (weights @ own**2 - (weights @ own) ** 2).sum(axis=1)
        whole = weights @ total**2 - (weights @ total) ** 2
        return np.asarray(k / (k - 1) * (1 - parts / whole))
