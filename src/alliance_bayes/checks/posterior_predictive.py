"""Outcomes simulated from the fitted model against the observed ones, overall and in every group."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy import sparse

from alliance_bayes.checks.check import Check, CheckResult, Plot
from alliance_bayes.checks.context import FEWEST_ROWS, KEPT, Context
from alliance_bayes.checks.plots_predictive import (
    Bins,
    levels_against_limits,
    outcome_bins,
    outcome_shares,
)
from alliance_bayes.checks.predictive_moments import cell_replicates, end_shares, first_points, histogram_of_moments
from alliance_bayes.checks.statistics import Cells, group_statistics, simultaneous_limits
from alliance_bayes.checks.wording import percent
from alliance_bayes.effects.table import steady
from alliance_bayes.model import Outcome

__all__ = ["PosteriorPredictive"]

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
    title = "Posterior predictive check"
    looks_at = "posterior predictive check"
    meaning = (
        "The model does not reproduce some features of the data. What is said about those features cannot be trusted."
    )
    answers = ("BARG 3", "WAMBS 6")

    def examine(self, context: Context) -> CheckResult:
        """Compare statistics of the observed outcomes with those of replicated ones."""
        seen = _of_rows(context) if context.fit.moments is None else _of_moments(context)
        design, groups = context.fit.design, seen.groups
        frames, columns, draws = [], [], []
        for name, values in seen.observed.items():
            at = slice(0, 1) if name in OVERALL_ONLY else slice(None)
            frames.append(groups.iloc[at].assign(statistic=name))
            columns.append(values[at])
            draws.append(seen.replicated[name][:, at])
        table = pd.concat(frames, ignore_index=True)
        table = _judged(table, np.concatenate(columns), np.concatenate(draws, axis=1), context.rate)
        by_factor = {factor: table[table["factor"] == factor] for factor in dict.fromkeys(groups["factor"]) if factor}
        return self.result(
            "warn" if table["outside"].any() else "pass",
            _sentence(table, context, seen.passed_over) + seen.note,
            table,
            plots=(*seen.figures, *(levels_against_limits(design, factor, rows) for factor, rows in by_factor.items())),
        )


@dataclass(frozen=True, eq=False)
class _Seen:
    """Statistics of groups of participants.

    Parameters
    ----------
    groups
        Columns ``factor``, ``level`` and ``n``; everybody first.
    observed, replicated
        By statistic, shapes (n_groups,) and (n_replicates, n_groups).
    passed_over
        How many groups were too small.
    figures
        The outcome's distribution.
    note
        What a reader must know, after a blank; empty for nothing.
    """

    groups: pd.DataFrame
    observed: Mapping[str, np.ndarray]
    replicated: Mapping[str, np.ndarray]
    passed_over: int
    figures: tuple[Plot, ...]
    note: str = ""


def _of_rows(context: Context) -> _Seen:
    design = context.fit.design
    outcome = _with_ends(design.outcome)
    groups, cells, passed_over = _groups(context)
    observed = group_statistics(outcome.values[None, :], cells, outcome, context.step)
    parts, shares, beyond, done = [], [], 0, 0
    bins: Bins | None = None
    made = context.which_of_all_rows.size
    every = max(1, min(made * design.rows.n // KEPT, made // SHOWN))
    for simulated in context.replicate_blocks():
        bins = bins or outcome_bins(design, simulated, context.step)
        parts.append(group_statistics(simulated, cells, outcome, context.step))
        shown = simulated[-done % every :: every]
        done += len(simulated)
        shares.append(bins.shares(shown))
        beyond += int(((shown < bins.edges[0]) | (shown > bins.edges[-1])).sum())
    replicated = {name: np.concatenate([part[name] for part in parts]) for name in observed}
    assert bins is not None
    drawn = np.concatenate(shares)
    out = beyond / (len(drawn) * design.rows.n)
    figure = outcome_shares(design, bins, bins.shares(design.outcome.values), drawn, beyond=out)
    own = {name: values[0] for name, values in observed.items()}
    return _Seen(groups, own, replicated, passed_over, (figure,), _fewer(context, groups))


def _fewer(context: Context, groups: pd.DataFrame) -> str:
    """A sentence on how exact p-values are, after a blank; empty with as many replicates as were asked for."""
    made = context.which_of_all_rows.size
    if made == context.replicates:
        return ""
    # Where there are groups, p-values are doubled: those of all rows and those of groups have half the rate each.
    of = 1 if len(groups) == 1 else 2
    own = context.rate / of
    error = of * float(np.sqrt(own * (1 - own) / made))
    return (
        f" With {context.fit.design.rows.n:,} rows, the limits are from {made:,} replicates: a p-value of "
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
    groups, cells, passed_over = _cell_groups(context)
    found = cell_replicates(context, cells)
    observed = {"mean": found.mean, "SD": found.sd}
    replicated = {"mean": found.replicated_mean, "SD": found.replicated_sd}
    ends = end_shares(context, cells)
    for name, (seen, drawn) in ends.items():
        observed[name], replicated[name] = seen, drawn
    figure = histogram_of_moments(context)
    near = " For shares, the expected outcomes within a cell were taken for normal." if ends else ""
    note = f" The fit was made from moments, so the shape of single groups was not compared.{near}"
    return _Seen(groups, observed, replicated, passed_over, () if figure is None else (figure,), note)


def _judged(table: pd.DataFrame, observed: np.ndarray, replicated: np.ndarray, rate: float) -> pd.DataFrame:
    """The statistics with their limits, those of all rows and those of groups at half the rate each."""
    overall = (table["factor"] == "").to_numpy()
    families = [at for at in (overall, ~overall) if at.any()]
    parts = []
    for at in families:
        part, of = table[at], len(families)
        names, counts = list(part["statistic"]), part["n"].to_numpy(float)
        limits = simultaneous_limits(names, counts, observed[at], replicated[:, at], rate=rate / of)
        parts.append(
            part.assign(
                observed=observed[at],
                predicted=limits.predicted,
                lower=limits.lower,
                upper=limits.upper,
                departure=limits.departure,
                p=np.minimum(of * limits.p, 1.0),
                outside=limits.outside,
                far=-np.abs(limits.departure),
            )
        )
    return pd.concat(parts).sort_values(["p", "far"], kind="stable", ignore_index=True, key=steady)[list(COLUMNS)]


def _groups(context: Context) -> tuple[pd.DataFrame, Cells, int]:
    """Groups with enough rows (all rows first), the cells they are made of, and how many groups were too small."""
    n = context.fit.design.rows.n
    labels, small = [("", EVERYBODY, n)], 0
    columns = [np.zeros(n, dtype=np.intp)]
    for grouping in context.groupings:
        if grouping.name not in context.fit.design.frame.columns and grouping.role == "left out":
            continue  # handed in beside the model: the residuals by group are compared for those
        counts = grouping.counts
        enough = counts >= FEWEST_ROWS
        small += int(((counts > 0) & ~enough).sum())
        labels += [(grouping.name, grouping.levels[k], int(counts[k])) for k in np.flatnonzero(enough)]
        columns.append(np.where(enough, np.cumsum(enough) - 1, -1)[grouping.codes])
    return pd.DataFrame(labels, columns=["factor", "level", "n"]), Cells.of(columns), small


def _cell_groups(context: Context) -> tuple[pd.DataFrame, sparse.csr_array, int]:
    """As :func:`_groups`, for the cells of a fit without rows."""
    first = first_points(context)
    labels: list[tuple[str, str, int]] = [("", EVERYBODY, context.fit.design.n)]
    columns, small = [sparse.csr_array(np.ones((first.size, 1)))], 0
    for grouping in context.groupings:
        counts = grouping.counts
        enough = np.flatnonzero(counts >= FEWEST_ROWS)
        small += int((counts > 0).sum()) - enough.size
        labels += [(grouping.name, grouping.levels[k], int(counts[k])) for k in enough]
        member = sparse.csr_array(
            (np.ones(first.size), (np.arange(first.size), grouping.codes[first])), shape=(first.size, counts.size)
        )
        columns.append(sparse.csr_array(member[:, enough]))
    return pd.DataFrame(labels, columns=["factor", "level", "n"]), sparse.csr_array(sparse.hstack(columns)), small


def _sentence(table: pd.DataFrame, context: Context, passed_over: int) -> str:
    outside = table[table["outside"]]
    small = f" Levels with fewer than {FEWEST_ROWS} rows were not compared." if passed_over else ""
    if outside.empty:
        return (
            f"All {len(table)} statistics of the outcome, overall and by group, lie within limits that a "
            f"well-specified model leaves anywhere in at most {percent(context.rate)} of data sets.{small}"
        )
    named = "; ".join(_describe(outside.iloc[k]) for k in range(min(NAMED, len(outside))))
    more = f"; and {len(outside) - NAMED} more" if len(outside) > NAMED else ""
    return (
        f"{len(outside)} of {len(table)} statistics of the outcome lie outside their limits: {named}{more}. "
        f"{_remedy(set(outside['statistic']), context.fit.design.family.alternatives)}{small}"
    )


def _describe(row: pd.Series) -> str:
    where = "" if not row["factor"] else f" of {row['factor']} {row['level']}"
    share = str(row["statistic"]).startswith("share")
    figures = [float(row[name]) for name in ("observed", "lower", "upper")]
    observed, lower, upper = (percent(figure, 1) if share else f"{figure:.3g}" for figure in figures)
    return f"{row['statistic']}{where} {observed} (limits {lower} to {upper})"


def _remedy(statistics: set[str], alternatives: str) -> str:
    remedies = []
    if statistics & {"mean"}:
        remedies.append("A group's mean is off: check the priors of level SDs, and for terms that are missing.")
    if statistics & {"SD"}:
        remedies.append("A spread is off: check for groups with a residual SD of their own, or another family.")
    if statistics & {"skewness", "kurtosis", "share at floor", "share at ceiling"}:
        remedies.append(
            "The shape of the outcomes is not the family's: mean differences may still be sound, predictions for "
            f"single people and shares at the ends are not; compare another family ({alternatives})."
        )
    return " ".join(remedies)
