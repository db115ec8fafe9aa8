"""Replicated outcomes of a fit without rows: drawn from the sufficient statistics of every cell.

Means and SDs have exactly the distribution that simulating every row gives them; shares of single levels take the
expected outcomes within a cell for normal.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import sparse, special

from alliance_bayes.checks.check import Plot
from alliance_bayes.checks.context import Context
from alliance_bayes.checks.plots_predictive import Bins, bins_around, outcome_shares
from alliance_bayes.moments import Moments
from alliance_bayes.moments.weighted import weighted_points

__all__ = ["CellReplicates", "cell_replicates", "end_shares", "first_points", "histogram_of_moments", "level_shares"]

# Replicates x points, or x cells and levels, in memory at once (doubles): 4 million are 32 MB.
BLOCK = 4_000_000
# Normal probabilities worked out for a figure (a second of work), and the fewest replicates it shows.
_MOST, _FEWEST = 30_000_000, 50


@dataclass(frozen=True, eq=False)
class CellReplicates:
    """Statistics of groups of cells, observed and replicated.

    Parameters
    ----------
    mean, sd
        Observed, shape (n_groups,).
    replicated_mean, replicated_sd
        Shape (n_replicates, n_groups).
    """

    mean: np.ndarray
    sd: np.ndarray
    replicated_mean: np.ndarray
    replicated_sd: np.ndarray


def cell_replicates(context: Context, groups: sparse.csr_array) -> CellReplicates:
    """Mean and SD of the outcome in groups of cells, of the data and of data sets replicated from the fit.

    Parameters
    ----------
    context
        A fit made from moments.
    groups
        Which cells are in which group, shape (n_cells, n_groups).

    Notes
    -----
    In a cell of n rows whose expected outcomes have mean m and sum of squares s about it, the replicated mean is
    m + Normal(0, sigma^2 / n), and the sum of squares about it (sqrt(s) + sigma z)^2 + sigma^2 times a chi-squared
    variable of n - 2 degrees of freedom: the residuals along the expected outcomes, and those in the other directions.
    This is the distribution that simulating every row has.
    """
    moments = _moments(context)
    n, total = moments.counts, groups.T @ moments.counts
    own = _pooled(moments.means[None, :, 0], moments.cross[None, :, 0, 0], n, total, groups)
    rng = context.generator(1)
    means, sds = [], []
    for middle, spread, sigma in _expected(context, moments):
        shape = middle.shape
        noise = rng.normal(size=shape) * sigma / np.sqrt(n)
        along = np.sqrt(spread) + sigma * rng.normal(size=shape)
        # A chi-squared variable of no degrees of freedom is zero, which the generator does not know.
        across = np.where(n > 2, rng.chisquare(np.maximum(n - 2, 1), size=shape), 0.0)
        around = np.where(n > 1, along**2 + sigma**2 * across, 0.0)
        mean, sd = _pooled(middle + noise, around, n, total, groups)
        means.append(mean)
        sds.append(sd)
    return CellReplicates(own[0][0], own[1][0], np.concatenate(means), np.concatenate(sds))


def level_shares(
    context: Context, edges: np.ndarray, groups: sparse.csr_array, *, replicates: int | None = None
) -> np.ndarray:
    """Replicated shares of outcomes between edges, in groups of cells.

    Parameters
    ----------
    context
        A fit made from moments.
    edges
        In ascending order, infinite ones allowed, shape (n_bins + 1,).
    groups
        Which cells are in which group, shape (n_cells, n_groups).
    replicates
        How many of the replicates; all by default.

    Returns
    -------
    numpy.ndarray
        Shape (n_replicates, n_groups, n_bins).

    Notes
    -----
    Moments tell the mean and the variance of the expected outcomes within a cell, and not their shape. They are taken
    for normal there, so that the outcomes of a cell are too, with the residual variance added; counts are binomial.
    """
    moments = _moments(context)
    n, total = moments.counts, groups.T @ moments.counts
    rng = context.generator(4)
    out = []
    for middle, spread, sigma in _expected(context, moments, width=len(edges), replicates=replicates):
        sd = np.sqrt(spread / n + sigma**2)
        below = special.ndtr((edges - middle[..., None]) / sd[..., None])
        expected = np.diff(below, axis=-1) * n[:, None]
        by_group = np.stack([groups.T @ of_draw for of_draw in expected])
        share = np.clip(by_group / total[:, None], 0.0, 1.0)
        out.append(rng.binomial(np.rint(total).astype(np.int64)[:, None], share) / total[:, None])
    return np.concatenate(out)


def end_shares(context: Context, groups: sparse.csr_array) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Observed and replicated shares at the ends of the scale, by statistic.

    Parameters
    ----------
    context, groups
        As for :func:`level_shares`.

    Returns
    -------
    dict
        Empty where the outcome has no levels: its histogram does not tell who is at the end.
    """
    histogram, outcome = _moments(context).histogram, context.fit.design.outcome
    if histogram is None or histogram.levels is None or outcome.lower is None or outcome.upper is None:
        return {}
    half = histogram.width / 2
    edges = np.array([-np.inf, outcome.lower + half, outcome.upper - half, np.inf])
    drawn = level_shares(context, edges, groups)
    total = (groups.T @ histogram.counts).sum(axis=1)
    floor = groups.T @ histogram.counts[:, histogram.levels <= outcome.lower + half].sum(axis=1) / total
    ceiling = groups.T @ histogram.counts[:, histogram.levels >= outcome.upper - half].sum(axis=1) / total
    return {"share at floor": (floor, drawn[:, :, 0]), "share at ceiling": (ceiling, drawn[:, :, 2])}


def histogram_of_moments(context: Context) -> Plot | None:
    """The outcome's histogram over replicated ones; None where the moments have none."""
    moments = _moments(context)
    histogram = moments.histogram
    if histogram is None:
        return None
    outcome = context.fit.design.outcome
    if histogram.levels is not None:
        bins = bins_around(histogram.levels, outcome.lower, outcome.upper)
    else:
        assert histogram.edges is not None
        bins = Bins(histogram.edges, np.ones(histogram.n_bins), histogram.width)
    # As for rows, the end bins hold what lies beyond them.
    edges = np.r_[-np.inf, bins.edges[:-1][1:], np.inf]
    beyond = np.r_[-np.inf, bins.edges[[0, -1]], np.inf]
    everybody = sparse.csr_array(np.ones((moments.n_cells, 1)))
    few = max(_FEWEST, min(context.replicates, _MOST // (moments.n_cells * edges.size)))
    drawn = level_shares(context, edges, everybody, replicates=few)[:, 0]
    outside = 1 - float(level_shares(context, beyond, everybody, replicates=few)[:, 0, 1].mean())
    return outcome_shares(
        context.fit.design, bins, histogram.counts.sum(axis=0) / moments.n, drawn, beyond=max(outside, 0.0)
    )


def first_points(context: Context) -> np.ndarray:
    """Place of the first weighted point of every cell, shape (n_cells,)."""
    moments = _moments(context)
    return np.searchsorted(weighted_points(moments)[1], np.arange(moments.n_cells))


def _moments(context: Context) -> Moments:
    moments = context.fit.moments
    assert moments is not None
    return moments


def _expected(
    context: Context, moments: Moments, *, width: int = 1, replicates: int | None = None
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """For a block of replicates: mean and sum of squares of the expected outcomes by cell, and the residual SD."""
    fit = context.fit
    rows, weights = fit.design.rows, fit.design.weights
    assert weights is not None
    cell = weighted_points(moments)[1]
    adding = sparse.csr_array((np.ones(cell.size), (np.arange(cell.size), cell)), shape=(cell.size, moments.n_cells))
    first = np.searchsorted(cell, np.arange(moments.n_cells))
    step = max(1, BLOCK // max(cell.size, moments.n_cells * width))
    drawn = context.which[:: max(1, context.which.size // replicates) if replicates else 1]
    for start in range(0, drawn.size, step):
        which = drawn[start : start + step]
        eta = fit.linear_predictor(rows, which=which)
        middle = (eta * weights) @ adding / moments.counts
        spread = ((eta - middle[:, cell]) ** 2 * weights) @ adding
        sigma = fit.parameters_at(which)["sigma"]
        yield middle, spread, sigma[:, None] if sigma.ndim == 1 else sigma[:, first]


def _pooled(
    mean: np.ndarray, squares: np.ndarray, n: np.ndarray, total: np.ndarray, groups: sparse.csr_array
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and SD of groups from means and sums of squares of cells, the cells in the last axis."""
    # Counted from the overall mean, so that squares lose no digits.
    origin = np.average(mean, axis=-1, weights=n)[:, None]
    away = mean - origin
    middle = (n * away) @ groups / total
    around = (squares + n * away**2) @ groups - total * middle**2
    return middle + origin, np.sqrt(np.maximum(around, 0.0) / np.maximum(total - 1, 1))
