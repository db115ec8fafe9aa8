"""Which bin a value is in: one rule for every histogram of the package, that of :func:`numpy.histogram`."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from alliance_bayes.compiled import njit

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
    index = np.searchsorted(edges, numbers, side="right") - 1
    last = edges.size - 2
    index = np.where(numbers == edges[-1], last, index)
    return np.where((index > last) | np.isnan(numbers), -1, index)


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
    numbers = np.asarray(values, dtype=float)
    flat = np.ascontiguousarray(numbers).reshape(-1, numbers.shape[-1])
    shape = (*numbers.shape[:-1], edges.size - 1)
    if weights is None:
        return _counts(flat, np.asarray(edges, dtype=float)).reshape(shape)
    # The bin before the first takes what is in none.
    places = bin_numbers(flat, edges) + 1 + edges.size * np.arange(len(flat))[:, None]
    each = np.broadcast_to(np.asarray(weights, dtype=float), numbers.shape).ravel()
    counts = np.bincount(places.ravel(), each, minlength=edges.size * len(flat)).reshape(len(flat), edges.size)
    return np.asarray(counts[:, 1:].reshape(shape))


@njit(cache=True, nogil=True)
def _counts(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """As :func:`bin_counts`, without weights, for values of shape (m, n): most bins are equally wide, and guessed."""
    m, n = values.shape
    last = edges.size - 2
    # Infinite edges say nothing of the width.
    low, high = edges[0], edges[last + 1]
    first = 0
    if np.isinf(low) and last > 0:
        low, first = edges[1], 1
    bins = last + 1 - first
    if np.isinf(high) and last > 0:
        high, bins = edges[last], bins - 1
    wide = bins > 0 and np.isfinite(high - low) and high > low
    scale = bins / (high - low) if wide else 0.0
    out = np.zeros((m, last + 1), dtype=np.int64)
    for k in range(m):
        for i in range(n):
            value = values[k, i]
            # What is not a number is in no bin.
            if not (value >= edges[0] and value <= edges[last + 1]):
                continue
            guess = first + (value - low) * scale if wide else 0.0
            at = 0 if not guess > 0.0 else last if guess > last else int(guess)
            while value < edges[at]:
                at -= 1
            while at < last and value >= edges[at + 1]:
                at += 1
            out[k, at] += 1
    return out
