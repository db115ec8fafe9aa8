"""How often each outcome occurred in each cell."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from alliance_bayes.model import Scale

__all__ = ["Histogram", "empty_histogram"]

#: Bins of an outcome without levels.
N_BINS = 50


@dataclass(frozen=True, eq=False)
class Histogram:
    """Counts of an outcome's levels, or of its values in bins of equal width.

    Parameters
    ----------
    counts
        Shape (n_cells, n_bins), whole numbers.
    levels
        Value of each level in order, shape (n_bins,), for an outcome that has levels.
    edges
        Ends of the bins in order, shape (n_bins + 1,), for one that has none; the last bin holds its upper end.
    """

    counts: np.ndarray
    levels: np.ndarray | None = None
    edges: np.ndarray | None = None

    @property
    def n_bins(self) -> int:
        """Number of levels or bins."""
        return int(self.counts.shape[1])

    @property
    def values(self) -> np.ndarray:
        """Value of each level, or the middle of each bin, shape (n_bins,)."""
        if self.levels is not None:
            return self.levels
        assert self.edges is not None
        return (self.edges[:-1] + self.edges[1:]) / 2

    @property
    def inner(self) -> np.ndarray:
        """Edges between the bins, each of the bin above it, shape (n_bins - 1,); the end bins hold all beyond."""
        if self.edges is not None:
            return self.edges[1:-1]
        assert self.levels is not None
        return np.asarray((self.levels[:-1] + self.levels[1:]) / 2)

    @property
    def width(self) -> float:
        """Width of a bin, or distance between levels."""
        values = self.values
        return float(values[-1] - values[0]) / max(len(values) - 1, 1) if len(values) > 1 else 1.0

    def filled(self, values: np.ndarray, cell: np.ndarray, weights: np.ndarray | None = None) -> Histogram:
        """The histogram of some values, each in a cell and with a count (once by default); all of shape (n,)."""
        inner = self.inner
        place = np.searchsorted(inner, values, side="right")
        flat = np.bincount(cell * self.n_bins + place, weights, minlength=self.counts.size)
        return replace(self, counts=flat.astype(np.int64, copy=False).reshape(self.counts.shape))

    def pooled(self, number: np.ndarray, size: int) -> Histogram:
        """The histogram with cells of the same number pooled; see `alliance_bayes.moments.pooling.pool`."""
        order = np.argsort(number, kind="stable")
        starts = np.searchsorted(number[order], np.arange(size))
        return replace(self, counts=np.add.reduceat(self.counts[order], starts))

    @staticmethod
    def joined(first: Histogram | None, second: Histogram | None) -> tuple[Histogram | None, tuple[str, ...]]:
        """Stack two tables' cells, or say why that is not possible."""
        if first is None or second is None:
            lost = "The outcome's histogram was dropped: one of the merged tables had none."
            return None, () if first is second else (lost,)
        if not (_same(first.levels, second.levels) and _same(first.edges, second.edges)):
            return None, ("The outcome's histogram was dropped: the merged tables had different bins.",)
        return replace(first, counts=np.concatenate([first.counts, second.counts])), ()


def empty_histogram(scale: Scale | None, low: float, high: float, *, on_levels: bool, n_cells: int) -> Histogram:
    """Bins for an outcome, with nothing in them.

    Parameters
    ----------
    scale
        The outcome's scale.
    low, high
        Least and greatest value there is.
    on_levels
        Whether every value is one of the scale's levels.
    n_cells
        Number of cells.

    Notes
    -----
    The scale's levels where it has some; else bins of equal width between the scale's ends, or where it has none (or
    values lie beyond) between the least and the greatest value.
    """
    levels = None if scale is None else scale.levels
    if levels is not None and on_levels:
        return Histogram(np.zeros((n_cells, len(levels)), dtype=np.int64), levels=levels)
    if scale is not None:
        low = low if scale.lower is None else min(low, scale.lower)
        high = high if scale.upper is None else max(high, scale.upper)
    if low == high:
        low, high = low - 0.5, high + 0.5
    return Histogram(np.zeros((n_cells, N_BINS), dtype=np.int64), edges=np.linspace(low, high, N_BINS + 1))


def _same(a: np.ndarray | None, b: np.ndarray | None) -> bool:
    return a is b if a is None or b is None else np.array_equal(a, b)
