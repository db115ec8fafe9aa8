"""Observed ratings by group without a model of their distribution: the Bayesian bootstrap."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from alliance_bayes.effects.options import Options
from alliance_bayes.effects.summary import Difference, Estimate, Fixed, summarise
from alliance_bayes.effects.table import EffectTable, Measure
from alliance_bayes.errors import UsageError
from alliance_bayes.kinds import check_prob, check_seed, chosen, is_whole
from alliance_bayes.model.scales import unit_of
from alliance_bayes.readonly import ReadOnly

__all__ = ["ALL_OTHERS", "MEASURES", "MOST_PAIRED", "group_ratings"]

# More groups than these are each compared with all others together: 12 groups are 66 pairs.
MOST_PAIRED = 12
# What a group is compared with where there are more.
ALL_OTHERS = "(all others)"
# Chains that independent draws are laid out in, so that they are summarised like any others.
_CHAINS = 4
# Groups x draws x distinct values that are in memory at once (doubles).
_BLOCK = 4_000_000

#: What the rows measure; the unit is that of the ratings.
MEASURES: Mapping[str, Measure] = ReadOnly(
    {
        "mean_rating": Measure("{level}: mean rating"),
        "median_rating": Measure("{level}: median rating"),
        "share_at_ceiling": Measure("{level}: share at the ceiling", "probability"),
        "difference_of_mean_ratings": Measure(
            "{level} minus {versus}: mean rating", subject="the mean rating", difference=True
        ),
        "difference_of_median_ratings": Measure(
            "{level} minus {versus}: median rating", subject="the median rating", difference=True
        ),
        "probability_of_superiority": Measure("{level} over {versus}", "probability"),
    }
)


def group_ratings(
    values: npt.ArrayLike,
    groups: npt.ArrayLike,
    *,
    top: float,
    draws: int = 4000,
    prob: float = 0.89,
    interval: str = "eti",
    rope: tuple[float, float] | None = None,
    seed: int = 0,
) -> EffectTable:
    """Mean, median and share at the ceiling of observed ratings by group, and how groups differ.

    Parameters
    ----------
    values
        Ratings, one a person, shape (n,); a Series gives its name. NaN where missing.
    groups
        Group of each person, shape (n,); a Series gives its name, a categorical one its order. Missing values as None
        or NaN.
    top
        Highest rating there is: the ceiling.
    draws
        How many draws of the posterior, a multiple of 4; they are independent.
    prob, interval
        Probability and kind of the intervals: ``"eti"`` (equal tails) or ``"hdi"`` (highest density).
    rope
        Region of practical equivalence of differences of means and medians, in rating points; none by default.
    seed
        Seed of the draws.

    Returns
    -------
    EffectTable
        For every group ``mean_rating``, ``median_rating`` and ``share_at_ceiling``; then, for every pair of up to 12
        groups, and otherwise for every group and all others together, ``difference_of_mean_ratings``,
        ``difference_of_median_ratings`` (``level`` minus ``versus``, the later minus the earlier) and
        ``probability_of_superiority``. A median is the lowest observed value that at least half of the group are not
        above. ``left_out`` counts the people without a value or group.

    Raises
    ------
    UsageError
        An option is outside what is accepted, values and groups do not match or hold nothing, or a rating is above the
        top.

    Notes
    -----
    The Bayesian bootstrap [1]_: within each group, the shares of the distinct values that were observed have a
    Dirichlet posterior whose parameters are their counts. No distribution is assumed, so a ceiling does no harm; but a
    value that nobody gave has probability zero, and nothing is shrunk, so little can be said of small groups.

    The probability of superiority is P(a > b) + P(a = b) / 2 for a random member of each group, which is the
    Mann-Whitney statistic divided by the number of pairs when shares are those observed. All others are everybody
    outside the group, groups counting by their size.

    References
    ----------
    .. [1] Rubin (1981). The Bayesian bootstrap. The Annals of Statistics 9(1). doi 10.1214/aos/1176345338
    """
    check_prob(prob)
    check_seed(seed)
    chosen("interval", interval, ("eti", "hdi"))
    if not is_whole(draws, least=_CHAINS) or draws % _CHAINS:
        raise UsageError(f"draws should be a multiple of {_CHAINS} but got {draws!r}. 4000 is the default.")
    ratings, n_missing, n = _ratings(values, groups, top)
    left_out = [f"{n_missing:,} of {n:,} ratings: the value or the group is missing"] if n_missing else []
    return summarise(
        _estimates(ratings, top, draws, rope, seed), Options(prob, interval, rope, seed=seed), left_out=left_out
    )


@dataclass(frozen=True, eq=False)
class _Ratings:
    """Counted ratings: distinct values (k,), labels of groups, and counts (n_groups, k)."""

    name: str
    factor: str
    values: np.ndarray
    labels: list[str]
    counts: np.ndarray


@dataclass(frozen=True, eq=False)
class _Posterior:
    """Draws by group, each of shape (n_groups, n_draws), and superiorities by comparison, (n_comparisons, n_draws)."""

    mean: np.ndarray
    median: np.ndarray
    ceiling: np.ndarray
    superiority: np.ndarray


def _ratings(values: npt.ArrayLike, groups: npt.ArrayLike, top: float) -> tuple[_Ratings, int, int]:
    names = [
        str(series.name) if isinstance(series, pd.Series) and series.name is not None else default
        for series, default in ((values, "rating"), (groups, "group"))
    ]
    if isinstance(values, pd.Series) and isinstance(groups, pd.Series) and not values.index.equals(groups.index):
        raise UsageError("values and groups differ in their index. Align them before comparing people.")
    try:
        x = np.asarray(pd.to_numeric(pd.Series(values).reset_index(drop=True)), dtype=float)
    except (TypeError, ValueError) as error:
        raise UsageError("values must hold numbers. Score the ratings first.") from error
    of = pd.Series(groups).reset_index(drop=True)
    if len(x) != len(of):
        raise UsageError(f"values and groups should be one each a person but have lengths {len(x)} and {len(of)}.")
    complete = np.isfinite(x) & of.notna().to_numpy()
    if not complete.any():
        raise UsageError("there is no person with both a rating and a group.")
    x, of = x[complete], of[complete]
    if not np.isfinite(top) or (x > top).any():
        raise UsageError(
            f"top should be the highest rating there is but got {top!r}, and the highest of these is {x.max():g}."
        )
    distinct, value = np.unique(x, return_inverse=True)
    codes = pd.Categorical(of).remove_unused_categories()
    counts = np.zeros((len(codes.categories), len(distinct)))
    np.add.at(counts, (codes.codes, value), 1)
    labels = [str(label) for label in codes.categories]
    return _Ratings(names[0], names[1], distinct, labels, counts), int((~complete).sum()), len(complete)


def _estimates(
    ratings: _Ratings, top: float, n_draws: int, rope: tuple[float, float] | None, seed: int
) -> Iterator[Estimate]:
    labels = ratings.labels
    pairs = _pairs(len(labels))
    posterior = _draws(ratings, top, n_draws, pairs, np.random.default_rng(seed))
    point = unit_of(ratings.name, {})

    def row(measure: str, draws: Callable[[], np.ndarray], **facts: Any) -> Estimate:
        of = MEASURES[measure]
        if measure == "share_at_ceiling":
            of = replace(of, short=f"share at {top:g}")
        shared: dict[str, Any] = {
            "term": ratings.name,
            "factor": ratings.factor,
            "signed": of.difference,
            "measure": of,
        }
        return Estimate(measure, draws, of.unit.format(outcome=point), **shared, **facts)

    notes = [_note(ratings.values, counts) for counts in ratings.counts]
    for measure, values in (
        ("mean_rating", posterior.mean[: len(labels)]),
        ("median_rating", posterior.median[: len(labels)]),
        ("share_at_ceiling", posterior.ceiling),
    ):
        by_group = values.reshape(len(labels), _CHAINS, -1)
        for label, draws, note in zip(labels, by_group, notes, strict=True):
            yield row(measure, Fixed(draws), level=label, note=note)
    for measure, block in (
        ("difference_of_mean_ratings", posterior.mean),
        ("difference_of_median_ratings", posterior.median),
    ):
        chains = block.reshape(len(block), _CHAINS, -1)
        for first, second in pairs:
            sides = Difference(chains, first, second)
            yield row(measure, sides, level=labels[first], versus=_versus(labels, second), rope=rope)
    for (first, second), draws in zip(pairs, posterior.superiority, strict=True):
        superior = Fixed(draws.reshape(_CHAINS, -1))
        yield row("probability_of_superiority", superior, level=labels[first], versus=_versus(labels, second))


def _pairs(n_groups: int) -> list[tuple[int, int]]:
    """Which group is compared with which; numbers from ``n_groups`` on stand for all but one group."""
    if n_groups <= MOST_PAIRED:
        return [(b, a) for a, b in combinations(range(n_groups), 2)]
    return [(group, n_groups + group) for group in range(n_groups)]


def _versus(labels: Sequence[str], number: int) -> str:
    return labels[number] if number < len(labels) else ALL_OTHERS


def _draws(
    ratings: _Ratings, top: float, n_draws: int, pairs: list[tuple[int, int]], rng: np.random.Generator
) -> _Posterior:
    counts, values = ratings.counts, ratings.values
    n_groups, n_values = counts.shape
    # Each group has a complement where groups are compared with all others.
    n_sides = 1 + max((max(pair) for pair in pairs), default=n_groups - 1)
    sizes = counts.sum(axis=1)
    at_top = values >= top
    mean, median = np.empty((n_sides, n_draws)), np.empty((n_sides, n_draws))
    ceiling, superiority = np.empty((n_groups, n_draws)), np.empty((len(pairs), n_draws))
    size = max(1, _BLOCK // (n_sides * n_values))
    for start in range(0, n_draws, size):
        block = slice(start, min(start + size, n_draws))
        shares = np.zeros((n_sides, block.stop - start, n_values))
        for group, group_counts in enumerate(counts):
            occurring = np.flatnonzero(group_counts)
            gamma = rng.standard_gamma(group_counts[occurring], size=(block.stop - start, occurring.size))
            shares[group][:, occurring] = gamma / gamma.sum(axis=1, keepdims=True)
        if n_sides > n_groups:
            weighted = shares[:n_groups] * sizes[:, None, None]
            rest = (sizes.sum() - sizes)[:, None, None]
            # Subtraction may leave -1e-17 where only the group itself has a value.
            shares[n_groups:] = np.maximum(weighted.sum(axis=0) - weighted, 0.0) / rest
        below = np.cumsum(shares, axis=2)
        mean[:, block] = shares @ values
        # Half, but for the rounding of a sum.
        median[:, block] = values[(below >= 0.5 - 1e-12).argmax(axis=2)]
        ceiling[:, block] = shares[:n_groups, :, at_top].sum(axis=2)
        for place, (first, second) in enumerate(pairs):
            middle = below[second] - shares[second] / 2
            superiority[place, block] = np.einsum("dk,dk->d", shares[first], middle)
    return _Posterior(mean, median, ceiling, superiority)


def _note(values: np.ndarray, counts: np.ndarray) -> str:
    """Where the Bayesian bootstrap says too little of a group."""
    occurring = np.flatnonzero(counts)
    if occurring.size > 1:
        return ""
    # How many they are is for the page to say, or not.
    return f"every rating is {values[occurring[0]]:g}, and the Bayesian bootstrap knows no other value"
