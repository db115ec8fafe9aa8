"""Expected outcome along a predictor, averaged over people and sampled levels, and the predictor's distribution."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd

from alliance_bayes.bins import bin_counts, bin_numbers
from alliance_bayes.effects.analysis import Analysis
from alliance_bayes.effects.counterfactual import NumericSetting, terms_with
from alliance_bayes.effects.options import Options, default_population
from alliance_bayes.fit import FittedModel, seen
from alliance_bayes.model import Design, PooledFactor, Rows, Scale
from alliance_bayes.model.nodes import columns_of
from alliance_bayes.model.predictor import sums_by_level
from alliance_bayes.report.unions import union_told

__all__ = [
    "LEAST",
    "average_curve",
    "covered_range",
    "grouped_histogram",
    "observed_means",
    "observed_means_by",
]

GRID = 25
# Bins of observed means, of about the same size; rows that these have where there are as many, so that chance does not
# draw the picture; and fewest people in any.
MOST_BINS, ENOUGH, LEAST = 20, 25, 10
# Most bins of a group, and fewest by which a line can be compared.
GROUP_BINS, FEWEST_BINS = 10, 3
# Draws used where every person has to be predicted at every point: enough for a band, and a second of work.
THINNED = 400
# Rows in memory at once: with twenty columns, 16 MB.
_AT_ONCE = 100_000


def average_curve(
    fit: FittedModel, predictor: str, *, prob: float, small: int, population: str | None = None
) -> pd.DataFrame:
    """Average expected outcome if everybody had the same value of a predictor, all else as it is (g-computation).

    Parameters
    ----------
    fit
        The fit.
    predictor
        A numeric column of the formula.
    prob
        Probability of the equal-tailed band.
    small
        Fewest people beyond either end of the curve; see `covered_range`.
    population
        Over which levels the average is; as in effects by default.

    Returns
    -------
    pandas.DataFrame
        Columns `x` (units of the predictor), `mean`, `lower`, `upper` (units of the outcome), over `covered_range`.
    """
    values = fit.design.frame[predictor].to_numpy(float)
    lower, upper = covered_range(values, small, fit.design.scales.get(predictor), fit.people)
    values = np.linspace(lower, upper, GRID)
    population = default_population(fit) if population is None else population
    draws = np.stack(list(_averages(fit, predictor, values, population)), axis=1)
    tail = (1 - prob) / 2
    ends = np.quantile(draws, [tail, 1 - tail], axis=0)
    return pd.DataFrame({"x": values, "mean": draws.mean(axis=0), "lower": ends[0], "upper": ends[1]})


def _averages(fit: FittedModel, predictor: str, values: np.ndarray, population: str) -> Iterator[np.ndarray]:
    """Draws of the average outcome at each value, each of shape (n_draws,)."""
    if fit.design.family.linear:
        yield from _linear_averages(fit, predictor, values, averaged=population == "average")
        return
    total = fit.shape[0] * fit.shape[1]
    thinned = fit.thinned(max(1, min(fit.shape[1], total // THINNED)))
    analysis = Analysis(thinned, Options(population=population))
    for value in map(float, values):
        at = analysis.counterfactuals.of(population, numeric=NumericSetting(predictor, value))
        yield analysis.averages([at])[:, 0]


def _rows_at(design: Design, predictor: str, values: np.ndarray, places: np.ndarray) -> Iterator[Rows]:
    """Some of the analysed rows, all of them at one value of the predictor after the other."""
    # The formula is evaluated on many rows at once: most of its cost is one a call.
    for some in np.array_split(values, min(values.size, -(-values.size * places.size // _AT_ONCE))):
        frame = design.frame.iloc[np.tile(places, some.size)].reset_index(drop=True)
        rows = design.evaluate(frame.assign(**{predictor: np.repeat(some, places.size)}))
        for number in range(some.size):
            yield rows.take(number * places.size + np.arange(places.size))


def _linear_averages(fit: FittedModel, predictor: str, values: np.ndarray, *, averaged: bool) -> Iterator[np.ndarray]:
    """Draws of the mean of a linear expectation, for which only the mean of each column counts.

    The columns that hold the predictor are functions of it, of what they multiply it with and of the level they are
    pooled over: rows that share these are evaluated once. The others keep their means.
    """
    design, holders = fit.design, terms_with(fit.design, predictor)
    terms, others = {term.name for term in holders}, {name for term in holders for name in term.others}
    offset_moves = any(predictor in columns_of(offset) for offset in design.formula.offsets)
    if offset_moves:
        # The offsets are one column.
        others |= {name for offset in design.formula.offsets for name in columns_of(offset)} - {predictor}
    moved = {f.name: np.array([f"{column.term}|{f.name}" in terms for column in f.columns]) for f in design.factors}
    codes = [pd.factorize(design.frame[name])[0] for name in sorted(others)]
    codes += [design.rows.index[name] for name, moves in moved.items() if moves.any()]
    alike = np.zeros(design.rows.n, dtype=np.intp)
    for code in codes:
        alike = np.unique(alike * (code.max() + 1) + code, return_inverse=True)[1]
    _, places, which = np.unique(alike, return_index=True, return_inverse=True)

    actual = design.rows
    each = np.full(actual.n, 1 / actual.n) if actual.weights is None else actual.weights / actual.weights.sum()
    share = np.bincount(which, weights=each)
    in_common = np.array(
        [column.term in terms for column in design.columns] + [offset_moves] * (actual.offset is not None)
    )
    known, levels = each @ actual.known, {f.name: _by_level(actual, f, each) for f in design.factors}
    bases = {smooth.name: each @ actual.basis[smooth.name] for smooth in design.smooths}
    for rows in _rows_at(design, predictor, values, places):
        mean = fit.coefficients_of_known @ np.where(in_common, share @ rows.known, known)
        for factor in design.factors:
            if averaged and not factor.exhaustive:
                continue
            weights = np.where(moved[factor.name], _by_level(rows, factor, share), levels[factor.name])
            mean = mean + np.einsum("dlt,lt->d", fit.stacked[f"u_{factor.name}"], weights)
        for smooth in design.smooths:
            moves = smooth.column == predictor
            weights = share @ rows.basis[smooth.name] if moves else bases[smooth.name]
            mean = mean + fit.stacked[f"u_{smooth.name}"] @ weights
        yield np.asarray(mean)


def _by_level(rows: Rows, factor: PooledFactor, share: np.ndarray) -> np.ndarray:
    """Pooled columns of some rows, each with its share, summed by level, shape (n_levels, n_factor_terms)."""
    index, size = rows.index[factor.name], len(factor.levels)
    return sums_by_level(rows.z[factor.name] * share[:, None], index, size)


def covered_range(
    values: np.ndarray, small: int, scale: Scale | None = None, people: np.ndarray | None = None
) -> tuple[float, float]:
    """The range outside which fewer than `small` people lie at either end, so that its ends are nobody's own values.

    Parameters
    ----------
    values
        Shape (n,); with fewer than twice as many as `small`, the range between their quartiles. Where only one value
        is left, half a unit to either side of it.
    small
        Fewest people at either end.
    scale
        The values' scale, beyond whose ends nothing is drawn; the size of the one value is the unit where it has none.
    people
        Number of the person of each value, where some have several.
    """
    # Somebody with several values is at their own furthest one.
    by_person = None if people is None else pd.Series(values).groupby(people)
    low = np.sort(values if by_person is None else by_person.min().to_numpy())
    high = np.sort(values if by_person is None else by_person.max().to_numpy())
    cut = small - 1 if low.size >= 2 * small else low.size // 4
    lower, upper = float(low[cut]), float(high[high.size - 1 - cut])
    # Imputed values may lie beyond the ends of a scale.
    least, most = (None, None) if scale is None else (scale.lower, scale.upper)
    inside = lower if least is None else max(lower, least), upper if most is None else min(upper, most)
    if inside[0] < inside[1]:
        return inside
    if lower < upper:
        return lower, upper
    half = 0.5 if scale is not None else 0.5 * abs(lower) or 0.5
    return (
        lower - half if least is None else max(lower - half, min(least, lower)),
        upper + half if most is None else min(upper + half, max(most, upper)),
    )


def grouped_histogram(
    values: np.ndarray,
    small: int,
    *,
    bins: int = 24,
    scale: Scale | None = None,
    people: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Histogram in which every bar stands for at least `small` people: neighbouring bins are joined until it does.

    Parameters
    ----------
    values
        Shape (n,).
    small
        Fewest people in a bar.
    bins
        Bins of equal width to start from, over `covered_range`; people beyond it count in the outer bins. On a scale
        with ends they are of a round width, or of whole steps each, so that all hold as many points of it; of whole
        numbers likewise.
    scale
        As for `covered_range`.
    people
        Number of the person of each value, where some have several.

    Returns
    -------
    edges : numpy.ndarray
        Shape (k + 1,).
    density : numpy.ndarray
        Shape (k,): share of people per unit of the values.
    """
    lower, upper = covered_range(values, small, scale, people)
    edges = _on_scale(lower, upper, scale, bins)
    if edges is None:
        edges = _evenly(values, lower, upper, bins)
    clipped = np.clip(values, edges[0], edges[-1])
    counts, at = bin_counts(clipped, edges), bin_numbers(clipped, edges)
    cuts, sizes, running, first = [edges[0]], [], 0, 0
    for place, (edge, size) in enumerate(zip(edges[1:], counts, strict=True)):
        running += int(size)
        if running >= small and (people is None or np.unique(people[(at >= first) & (at <= place)]).size >= small):
            cuts.append(edge)
            sizes.append(running)
            running, first = 0, place + 1
    if not sizes:
        cuts, sizes = [edges[0], edges[-1]], [running]
    else:
        sizes[-1] += running
        cuts[-1] = edges[-1]
    final = np.asarray(cuts)
    return final, np.asarray(sizes) / values.size / np.diff(final)


def _on_scale(lower: float, upper: float, scale: Scale | None, bins: int) -> np.ndarray | None:
    """Edges between points of a scale with ends, from at or below one value to at or above another; None without.

    They are the scale's, so that none is anybody's value.
    """
    if scale is None or scale.lower is None or scale.upper is None:
        return None
    least, most = scale.lower, scale.upper
    if scale.step is not None:
        # Midway between two points: every bin has as many.
        points = (most - least) / scale.step + 1
        width = scale.step * max(1, math.ceil(points / (bins + 2)))
        least, most = least - scale.step / 2, most + scale.step / 2
    else:
        size = (most - least) / bins
        whole = 10.0 ** math.floor(math.log10(size))
        width = next(part * whole for part in (1, 2.5, 5, 10) if part * whole >= size * (1 - 1e-9))
    first, last = math.floor((lower - least) / width + 1e-9), math.ceil((upper - least) / width - 1e-9)
    edges = least + width * np.arange(first, max(last, first + 1) + 1)
    # The last of bins of several points may hold fewer.
    return np.asarray(np.minimum(edges, max(most, upper)))


def _evenly(values: np.ndarray, lower: float, upper: float, bins: int) -> np.ndarray:
    """Edges from one value to another, midway between whole numbers where all values are whole: bins hold as many."""
    if not np.array_equal(values, np.round(values)):
        return np.linspace(lower, upper, bins + 1)
    first, last = math.ceil(lower), math.floor(upper)
    width = max(1, math.ceil((last - first + 1) / (bins + 2)))
    return np.arange(first - 0.5, last + width + 0.4, width)


def observed_means(fit: FittedModel, predictor: str, small: int) -> pd.DataFrame:
    """Mean outcome as it was observed, without adjustment, in bins of a predictor that hold about as many rows each.

    Parameters
    ----------
    fit
        A fit to rows.
    predictor
        A numeric column of the formula.
    small
        Fewest people that a shown count stands for.

    Returns
    -------
    pandas.DataFrame
        By bin: `low` and `high` ends, `x` (mean of the predictor, whose values beyond `covered_range` count as its
        ends), `n` rows and `mean` outcome; without rows where there is no second bin.

    Notes
    -----
    Every bin is made of whole bars of `grouped_histogram`, so that no count is to be had from the two together, and has
    at least `small` people, and `LEAST`; there is none where all of them would tell how few lack both values. A mean
    over people of whom all but a few have the same outcome would tell how many have another: such bins are joined with
    the next.
    """
    if fit.design.family.has_trials or not union_told(fit, (fit.design.outcome.name, predictor), small):
        return _NO_MEANS
    bars = _Bars.of(fit, predictor, small)
    everybody = np.ones(bars.at.size, dtype=bool)
    parts = bars.joined([(everybody, max(bars.at.size / MOST_BINS, ENOUGH))])
    return _NO_MEANS if len(parts) < 2 else bars.means(parts, everybody)


def observed_means_by(
    fit: FittedModel, predictor: str, factor: str, levels: Sequence[str], small: int
) -> dict[str, pd.DataFrame]:
    """The same of groups, in bins that they have in common; of as many as have enough people in three bins or more.

    Parameters
    ----------
    fit, predictor, small
        See :func:`observed_means`.
    factor, levels
        A factor, and the levels whose counts may be shown.

    Returns
    -------
    dict
        By level, in their order; empty where there are none.

    Notes
    -----
    In every bin those of no such level, too, are nobody or as many people: they could be had by subtraction from the
    means of everybody.
    """
    if fit.design.family.has_trials or not union_told(fit, (fit.design.outcome.name, predictor), small):
        return {}
    bars, (codes, known) = _Bars.of(fit, predictor, small), fit.design.levels_of(factor)
    masks = {level: codes == known.index(level) for level in levels}
    largest = sorted(masks, key=lambda level: -int(masks[level].sum()))
    while len(largest) > 0:
        shown = {level: masks[level] for level in levels if level in largest}
        rest = ~np.any(list(shown.values()), axis=0)
        wanted = [(mask, max(mask.sum() / GROUP_BINS, ENOUGH)) for mask in shown.values()]
        parts = bars.joined([*wanted, *([(rest, 0.0)] if rest.any() else [])])
        if len(parts) >= FEWEST_BINS:
            return {level: bars.means(parts, mask) for level, mask in shown.items()}
        largest.pop()
    return {}


_NO_MEANS = pd.DataFrame({name: [] for name in ("low", "high", "x", "n", "mean")}, dtype=float)


@dataclass(frozen=True, eq=False)
class _Bars:
    """The bars of the histogram of a predictor, of which bins of observed means are made.

    Parameters
    ----------
    fit, small
        See :func:`observed_means`.
    edges
        Of the bars, shape (n_bars + 1,).
    values, at
        Of each row the predictor, within the edges, and the number of the bar, shape (n,).
    there
        Whether predictor and outcome were observed, shape (n,).
    """

    fit: FittedModel
    small: int
    edges: np.ndarray
    values: np.ndarray
    at: np.ndarray
    there: np.ndarray

    @classmethod
    def of(cls, fit: FittedModel, predictor: str, small: int) -> Self:
        values = fit.design.frame[predictor].to_numpy(float)
        edges, _ = grouped_histogram(values, small, scale=fit.design.scales.get(predictor), people=fit.people)
        clipped = np.clip(values, edges[0], edges[-1])
        observed = seen(fit, predictor, fit.design.outcome.name)
        return cls(fit, small, edges, clipped, bin_numbers(clipped, edges), observed)

    def _holds(self, first: int, last: int, whose: np.ndarray, share: float) -> bool:
        """Whether a mean of some people may be told of some bars: of so many rows; of nobody where none are asked."""
        fit, small, outcome = self.fit, self.small, self.fit.design.outcome.values
        mask = whose & (self.at >= first) & (self.at <= last)
        if not mask.any():
            return share == 0
        # A bar tells how many there are, observed or drawn.
        if 0 < fit.count_people(mask & ~self.there) < small:
            return False
        mask &= self.there
        if mask.sum() < share or fit.count_people(mask) < max(small, LEAST):
            return False
        unique, counts = np.unique(outcome[mask], return_counts=True)
        others = fit.count_people(mask & (outcome != unique[np.argmax(counts)]))
        return others == 0 or others >= small

    def joined(self, groups: Sequence[tuple[np.ndarray, float]]) -> list[tuple[int, int]]:
        """First and last bar of each bin, of which the mean of each of some groups may be told, with so many rows."""

        def holds(first: int, last: int) -> bool:
            return all(self._holds(first, last, whose, share) for whose, share in groups)

        bars = self.edges.size - 1
        ends, first = [], 0
        for bar in range(bars):
            if holds(first, bar):
                ends.append(bar)
                first = bar + 1
        # What is left over is no bin of its own: it belongs to the one before, or to that and the one before.
        while ends and not holds(ends[-2] + 1 if len(ends) > 1 else 0, bars - 1):
            ends.pop()
        if not ends:
            return []
        ends[-1] = bars - 1
        return list(zip([0, *(end + 1 for end in ends[:-1])], ends, strict=True))

    def means(self, parts: Sequence[tuple[int, int]], whose: np.ndarray) -> pd.DataFrame:
        """Means of some people by bin."""
        weights, outcome = self.fit.design.rows.weights, self.fit.design.outcome.values
        masks = [whose & self.there & (self.at >= first) & (self.at <= last) for first, last in parts]

        def mean(of: np.ndarray, mask: np.ndarray) -> float:
            return float(of[mask].mean() if weights is None else np.average(of[mask], weights=weights[mask]))

        return pd.DataFrame(
            {
                "low": [self.edges[first] for first, _ in parts],
                "high": [self.edges[last + 1] for _, last in parts],
                "x": [mean(self.values, mask) for mask in masks],
                "n": [int(mask.sum()) for mask in masks],
                "mean": [mean(outcome, mask) for mask in masks],
            }
        )
