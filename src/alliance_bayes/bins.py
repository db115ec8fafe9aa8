"""Which bin a value is in: one rule for every histogram of the package, that of :func:`numpy.histogram`."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["bin_counts", "bin_numbers"]


def bin_numbers(values: npt.ArrayLike, edges: np.ndarray) -> np.ndarray:
    """Number of the bin that each value is in.

    Parameters
    ----------
    values
        Any shape.
    edges
        Ascending, shape (n_bins + 1,); infinite ones allowed.

    Returns
    -------
    numpy.ndarray of int
        Shape of ``values``; -1 for what is in no bin, NaN among it. A bin holds its lower edge, the last its upper
        edge too.
    """
    numbers = np.asarray(values, dtype=float)
    found = np.searchsorted(edges, numbers, side="right") - 1
    last = edges.size - 2
    found = np.where(numbers == edges[-1], last, found)
    return np.where((found > last) | np.isnan(numbers), -1, found)


def bin_counts(values: npt.ArrayLike, edges: np.ndarray, weights: npt.ArrayLike | None = None) -> np.ndarray:
    """How many values each bin holds.

    Parameters
    ----------
    values
        Shape (..., n).
    edges
        As for :func:`bin_numbers`.
    weights
        What each value counts, broadcast to ``values``; 1 by default.

    Returns
    -------
    numpy.ndarray
        Shape (..., n_bins).
    """
    numbers = bin_numbers(values, edges)
    flat = numbers.reshape(-1, numbers.shape[-1])
    # The bin before the first takes what is in none.
    places = flat + 1 + edges.size * np.arange(len(flat))[:, None]
    each = None if weights is None else np.broadcast_to(np.asarray(weights, dtype=float), numbers.shape).ravel()
    counts = np.bincount(places.ravel(), each, minlength=edges.size * len(flat)).reshape(len(flat), edges.size)
    return np.asarray(counts[:, 1:].reshape(*numbers.shape[:-1], edges.size - 1))
