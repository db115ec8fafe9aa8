"""Outcomes simulated from the fitted model against the observed ones, overall and in every group.

Of a fit without rows, they are drawn from the sufficient statistics of every cell: means and SDs have exactly the
distribution that simulating every row gives them; shares of single levels take the expected outcomes within a cell for
normal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy import sparse, special

from alliance_bayes.checks.check import OF_STRUCTURE, Check, CheckResult, Plot, percent
from alliance_bayes.checks.context import FEWEST_ROWS, KEPT, Context
from alliance_bayes.checks.outcome_figures import (
    Bins,
    bins_around,
    levels_against_limits,
    outcome_bins,
    outcome_shares,
)
from alliance_bayes.checks.statistics import STATISTICS, Cells, group_statistics, membership, simultaneous_limits
from alliance_bayes.effects.table import steady
from alliance_bayes.model import Design, Outcome
from alliance_bayes.moments import Moments
from alliance_bayes.moments.weighted import weighted_points
from alliance_bayes.wording import Wording

__all__ = ["PosteriorPredictive", "cell_replicates", "end_shares"]

REMEDIES = Wording("alliance_bayes.checks", "sentences/posterior_predictive.toml")
NAMED = 4
# The figure shows so many replicates or more.
SHOWN = 100
EVERYBODY = "all rows"
# The group mean and spread are modelled; the tails of a small group are too noisy to say more than those of all rows.
OVERALL_ONLY = ("kurtosis",)
COLUMNS = (
    "statistic",
    "factor",
    "level",
    "n",
    "observed",
    "predicted",
    "lower",
    "upper",
    "departure",
    "p",
    "outside",
)
# Replicates x points, or x cells and levels, in memory at once (doubles): 4 million are 32 MB.
BLOCK = 4_000_000
# Normal probabilities worked out for a figure (a second of work), and the fewest replicates it shows.
_MOST, _FEWEST = 30_000_000, 50


class PosteriorPredictive(Check):
    """Compare statistics of the observed outcomes with those of replicated ones.

    ``warn`` when a statistic is outside its limits. The table has one row a statistic and group: ``statistic``,
    ``factor``, ``level``, ``n``, ``observed``, ``predicted``, ``lower``, ``upper``, ``departure`` (replicate SDs,
    on a scale on which the statistic is roughly normal), ``p`` and ``outside``, the smallest p first.

    Notes
    -----
    Mean, SD, skewness, and shares at the floor and the ceiling of all rows and of every level with at least 20 rows
    of every factor and categorical column of the model, and the kurtosis of all rows. Where the scale states no end,
    the least and the greatest value are taken for one if at least 20 rows have it. The limits are simultaneous:
    in a share ``rate`` of replicates *any* statistic leaves them, so the number of groups does not raise the rate of
    false alarms; half the rate is kept for the statistics of all rows, so that many groups do not hide them. ``p`` is
    adjusted likewise. Statistics that the model fits (means) depart less from replicates of
    the fitted model than from new data, which makes the check quieter than its stated rate.

    A fit made from moments has means and SDs, replicated from the sufficient statistics of every cell, and shares at
    the ends of a scale with levels from the counts of levels by cell; skewness and kurtosis need the rows.
    """

    name = "posterior_predictive"
    judges = "predictive"
    title = "Posterior predictive check"
    looks_at = "posterior predictive check"
    meaning = (
        "The model does not reproduce some features of the data. What is said about those features cannot be trusted."
    )
    shows = OF_STRUCTURE
    answers = ("BARG 3", "WAMBS 6")

    def examine(self, context: Context) -> CheckResult:
        """Compare statistics of the observed outcomes with those of replicated ones."""
        seen = _of_rows(context) if context.fit.moments is None else _of_moments(context)
        design, groups = context.fit.design, seen.groups
        frames, columns, draws = [], [], []
        for name, (observed, replicated) in seen.statistics.items():
            at = slice(0, 1) if name in OVERALL_ONLY else slice(None)
            frames.append(groups.iloc[at].assign(statistic=name))
            columns.append(observed[at])
            draws.append(replicated[:, at])
        table = pd.concat(frames, ignore_index=True)
        table = _judged(table, np.concatenate(columns), np.concatenate(draws, axis=1), context.rate)
        by_factor = {factor: table[table["factor"] == factor] for factor in dict.fromkeys(groups["factor"]) if factor}
        return self.result(
            "warn" if table["outside"].any() else "pass",
            _sentence(table, context, seen.passed_over) + seen.note,
            table,
            plots=(*seen.figures, *(levels_against_limits(design, factor, rows) for factor, rows in by_factor.items())),
        )


#: A statistic of groups: observed, shape (n_groups,), and replicated, shape (n_replicates, n_groups).
type Pair = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True, eq=False)
class _Seen:
    """Statistics of groups of participants.

    Parameters
    ----------
    groups
        Columns ``factor``, ``level`` and ``n``; everybody first.
    statistics
        Observed and replicated, by name.
    passed_over
        How many groups were too small.
    figures
        The outcome's distribution.
    note
        What a reader must know, after a blank; empty for nothing.
    """

    groups: pd.DataFrame
    statistics: Mapping[str, Pair]
    passed_over: int
    figures: tuple[Plot, ...]
    note: str = ""


def _of_rows(context: Context) -> _Seen:
    design = context.fit.design
    outcome = _with_ends(design.outcome)
    groups, columns, passed_over = _groups(context)
    cells = Cells.of(columns)
    observed = group_statistics(outcome.values[None, :], cells, outcome, context.step)
    parts, shares, beyond, n_seen = [], [], 0, 0
    bins: Bins | None = None
    n_replicates = context.which_of_all_rows.size
    every = max(1, min(n_replicates * design.rows.n // KEPT, n_replicates // SHOWN))
    for simulated in context.replicate_blocks():
        bins = bins or outcome_bins(design, simulated, context.step)
        parts.append(group_statistics(simulated, cells, outcome, context.step))
        shown = simulated[-n_seen % every :: every]
        n_seen += len(simulated)
        shares.append(bins.shares(shown))
        beyond += int(((shown < bins.edges[0]) | (shown > bins.edges[-1])).sum())
    pairs = {name: (seen[0], np.concatenate([part[name] for part in parts])) for name, seen in observed.items()}
    assert bins is not None
    drawn = np.concatenate(shares)
    out = beyond / (len(drawn) * design.rows.n)
    observed_shares = bins.shares(outcome.values)
    figure = outcome_shares(
        design, bins, observed_shares, drawn, beyond=out, people=context.fit.people, at_ends=_at_ends(pairs, design.n)
    )
    return _Seen(groups, pairs, passed_over, () if figure is None else (figure,), _fewer(context, groups))


def _at_ends(statistics: Mapping[str, Pair], n: float) -> tuple[float, float]:
    """How many of all rows are at the lowest and the highest value of the scale."""
    floor, ceiling = (
        float(statistics[name][0][0]) * n if name in statistics else 0.0
        for name in ("share at floor", "share at ceiling")
    )
    return floor, ceiling


def _fewer(context: Context, groups: pd.DataFrame) -> str:
    """A sentence on how exact p-values are, after a blank; empty with as many replicates as were asked for."""
    n_replicates = context.which_of_all_rows.size
    if n_replicates == context.replicates:
        return ""
    # Where there are groups, p-values are doubled: those of all rows and those of groups have half the rate each.
    of = 1 if len(groups) == 1 else 2
    rate = context.rate / of
    error = of * float(np.sqrt(rate * (1 - rate) / n_replicates))
    return (
        f" With {context.fit.design.rows.n:,} rows, the limits are from {n_replicates:,} replicates: a p-value of "
        f"{percent(context.rate)} has a Monte Carlo standard error of {percent(error, 1)}."
    )


def _with_ends(outcome: Outcome) -> Outcome:
    """The outcome with an end where its scale states none and many rows share the least or the greatest value."""
    values = outcome.values
    low, high = float(values.min()), float(values.max())
    lower = low if outcome.lower is None and (values == low).sum() >= FEWEST_ROWS else outcome.lower
    upper = high if outcome.upper is None and (values == high).sum() >= FEWEST_ROWS else outcome.upper
    return replace(outcome, lower=lower, upper=upper)


def _of_moments(context: Context) -> _Seen:
    groups, columns, passed_over = _groups(context)
    first = np.searchsorted(weighted_points(_moments(context))[1], np.arange(_moments(context).n_cells))
    cells = membership([column[first] for column in columns])
    ends = end_shares(context, cells)
    figure = histogram_of_moments(context, ends)
    near = " For shares, the expected outcomes within a cell were taken for normal." if ends else ""
    note = f" The fit was made from moments, so the shape of single groups was not compared.{near}"
    figures = () if figure is None else (figure,)
    return _Seen(groups, cell_replicates(context, cells) | ends, passed_over, figures, note)


def _judged(table: pd.DataFrame, observed: np.ndarray, replicated: np.ndarray, rate: float) -> pd.DataFrame:
    """The statistics with their limits, those of all rows and those of groups at half the rate each."""
    overall = (table["factor"] == "").to_numpy()
    families = [at for at in (overall, ~overall) if at.any()]
    parts = []
    for at in families:
        part, of = table[at], len(families)
        names, counts = list(part["statistic"]), part["n"].to_numpy(float)
        limits = simultaneous_limits(names, counts, observed[at], replicated[:, at], rate=rate / of)
        judged = part.assign(observed=observed[at], **vars(limits))
        parts.append(judged.assign(p=np.minimum(of * limits.p, 1.0), far=-np.abs(limits.departure)))
    return pd.concat(parts).sort_values(["p", "far"], kind="stable", ignore_index=True, key=steady)[list(COLUMNS)]


def _groups(context: Context) -> tuple[pd.DataFrame, list[np.ndarray], int]:
    """Groups with enough rows (all rows first), which of each column's every row is in, and how many are too small."""
    labels: list[tuple[str, str, int]] = [("", EVERYBODY, context.fit.design.n)]
    columns, small = [np.zeros(context.fit.design.rows.n, dtype=np.intp)], 0
    for grouping in context.groupings:
        if grouping.role == "left out":
            continue  # handed in beside the model: the residuals by group are compared for those
        counts = grouping.counts
        enough = counts >= FEWEST_ROWS
        small += int(((counts > 0) & ~enough).sum())
        labels += [(grouping.name, grouping.levels[k], int(counts[k])) for k in np.flatnonzero(enough)]
        columns.append(np.where(enough, np.cumsum(enough) - 1, -1)[grouping.codes])
    return pd.DataFrame(labels, columns=["factor", "level", "n"]), columns, small


def _lie(n: int) -> str:
    return "lies outside its limits" if n == 1 else "lie outside their limits"


def _sentence(table: pd.DataFrame, context: Context, passed_over: int) -> str:
    outside = table[table["outside"]]
    small = f" Levels with fewer than {FEWEST_ROWS} rows were not compared." if passed_over else ""
    if outside.empty:
        grouped = bool((table["factor"] != "").any())
        # The figure may show single values, where ratings heap, beyond what any of these looks at.
        which = ", ".join(name for name in STATISTICS if (table["statistic"] == name).any())
        return (
            f"All {len(table)} statistics of the outcome ({which}{'; overall and by group' * grouped}) lie within "
            "limits that a well-specified model leaves anywhere "
            f"in at most {percent(context.rate)} of data sets.{small}"
        )
    named = "; ".join(_describe(outside.iloc[k]) for k in range(min(NAMED, len(outside))))
    more = f"; and {len(outside) - NAMED} more" if len(outside) > NAMED else ""
    return (
        f"{len(outside)} of {len(table)} statistics of the outcome {_lie(len(outside))}: {named}{more}. "
        f"{_remedy(outside, context.fit.design)}{small}"
    )


def _describe(row: pd.Series) -> str:
    where = "" if not row["factor"] else f" of {row['factor']} {row['level']}"
    share = str(row["statistic"]).startswith("share")
    figures = [float(row[name]) for name in ("observed", "lower", "upper")]
    observed, lower, upper = (percent(figure, 1) if share else f"{figure:.3g}" for figure in figures)
    return f"{row['statistic']}{where} {observed} (limits {lower} to {upper})"


def _remedy(outside: pd.DataFrame, design: Design) -> str:
    """What to do about statistics that lie outside, each in its own way."""
    outlying = outside.groupby("statistic", sort=False)["factor"].agg(set).to_dict()
    groups = sorted(outlying.get("SD", set()) - {""})
    residual = None if design.residual is None else design.residual.name
    # Levels whose spread is theirs have a residual SD of their own to have; those of a combination are no column.
    single = [name for name in groups if name in design.frame and name != residual]
    return " ".join(
        REMEDIES(
            name,
            factor=single[0] if single else "",
            sigma="" if design.sigma is None else design.sigma.formula.text.removeprefix("sigma "),
            alternatives=design.family.alternatives,
        )
        for name, wanted in (
            ("mean", "mean" in outlying),
            ("spread_of_levels", bool(single) and "sigma" in design.family.parameters),
            ("spread", "SD" in outlying and not (single and "sigma" in design.family.parameters)),
            ("shape", bool(outlying.keys() & {"skewness", "kurtosis", "share at floor", "share at ceiling"})),
        )
        if wanted
    )


def cell_replicates(context: Context, groups: sparse.csr_array) -> dict[str, Pair]:
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
    observed = _pooled(moments.means[None, :, 0], moments.cross[None, :, 0, 0], n, total, groups)
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
    return {"mean": (observed[0][0], np.concatenate(means)), "SD": (observed[1][0], np.concatenate(sds))}


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


def end_shares(context: Context, groups: sparse.csr_array) -> dict[str, Pair]:
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


def histogram_of_moments(context: Context, ends: Mapping[str, Pair]) -> Plot | None:
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
        context.fit.design,
        bins,
        histogram.counts.sum(axis=0) / moments.n,
        drawn,
        beyond=max(outside, 0.0),
        at_ends=_at_ends(ends, moments.n),
    )


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
