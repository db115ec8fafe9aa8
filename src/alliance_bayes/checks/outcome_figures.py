"""The outcome in bins, and figures of it against what the fitted model predicts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from alliance_bayes.bins import bin_counts, bin_numbers
from alliance_bayes.checks.check import Plot, percent
from alliance_bayes.checks.context import FEWEST_ROWS
from alliance_bayes.checks.drawing import (
    BAND,
    EXPECTED,
    OBSERVED,
    WIDTH,
    axes_of,
    called,
    called_and,
    label_of,
    legend,
    short,
    slug,
)
from alliance_bayes.cohort.flow import counted
from alliance_bayes.effects.table import steady
from alliance_bayes.model import Design
from alliance_bayes.rounding import ON_LEVEL
from alliance_bayes.wording import capital

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Bins", "bins_around", "levels_against_limits", "outcome_bins", "outcome_shares"]

MOST_LEVELS = 25
#: Fewest people of a bar, where people have several rows.
FEWEST_PEOPLE = 10
#: Bins of an outcome without levels, and most of one with them by two.
MOST_BINS = 40
#: Most steps of a scale that bins count one by one.
MOST_STEPS = 100_000
PANELS = ("mean", "SD")


@dataclass(frozen=True, eq=False)
class Bins:
    """Bins of an outcome, which never reach beyond what the outcome can be.

    Parameters
    ----------
    edges
        Shape (n_bins + 1,).
    units
        What a bar's area counts in, shape (n_bins,): levels of a discrete outcome, of which the first and the last
        reach half a step into the scale only, else bins.
    width
        Distance between levels, or width of a bin.
    """

    edges: np.ndarray
    units: np.ndarray
    width: float

    def shares(self, values: np.ndarray) -> np.ndarray:
        """Share of values of shape (..., n) in each bin, shape (..., n_bins); the end bins hold what lies beyond."""
        clipped = np.clip(values, self.edges[0], self.edges[-1])
        return np.asarray(bin_counts(clipped, self.edges) / values.shape[-1])


def outcome_bins(design: Design, simulated: np.ndarray, step: float | None) -> Bins:
    """Bins for the observed outcomes and nearly all replicated ones, within the ends of the scale where it has some.

    Parameters
    ----------
    design
        With the observed outcomes.
    simulated
        Replicates, shape (n_replicates, n).
    step
        Distance between levels for a continuous family, None without.
    """
    outcome, observed = design.outcome, design.outcome.values
    if outcome.levels is not None:
        return bins_around(outcome.levels, outcome.lower, outcome.upper)
    if design.family.discrete:
        step = outcome.spacing
    low, high = (float(end) for end in np.quantile(simulated, [0.0005, 0.9995]))
    # Beyond nearly all replicates, the end of the scale is drawn rather than the value of one row, where there is one.
    if observed.min() < low:
        low = float(observed.min() if outcome.lower is None else outcome.lower)
    if observed.max() > high:
        high = float(observed.max() if outcome.upper is None else outcome.upper)
    low = low if outcome.lower is None else max(low, outcome.lower)
    high = high if outcome.upper is None else min(high, outcome.upper)
    # Of a million levels none is a bar of its own, and draws that went astray reach over 1e15 counts.
    if step is None or high - low > MOST_STEPS * step:
        return Bins(np.linspace(low, high, MOST_BINS + 1), np.ones(MOST_BINS), (high - low) / MOST_BINS)
    # From a level to a level, so that the ends of the scale are levels of their own where they are reached.
    origin = float(observed.min())
    first, last = np.floor((low - origin) / step + ON_LEVEL), np.ceil((high - origin) / step - ON_LEVEL)
    levels = origin + step * np.arange(first, max(last, first + 1) + 1)
    bins = bins_around(levels, outcome.lower, outcome.upper)
    starts = np.arange(0, levels.size, max(1, int(np.ceil(levels.size / (2 * MOST_BINS)))))
    return Bins(np.r_[bins.edges[starts], bins.edges[-1]], np.add.reduceat(bins.units, starts), step)


def outcome_shares(
    design: Design,
    bins: Bins,
    observed: np.ndarray,
    replicated: np.ndarray,
    *,
    beyond: float = 0.0,
    people: np.ndarray | None = None,
    at_ends: tuple[float, float] = (0.0, 0.0),
) -> Plot | None:
    """Observed shares of the outcome by bin over replicated ones; None where all are one bar, in which none can differ.

    Neighbouring bins are joined until every one holds at least `FEWEST_ROWS` observed rows, and where people have
    several `FEWEST_PEOPLE` people: a page may show the figure, and a bar is a count. The bars at the ends hold as many
    besides those at the very end of the scale, or nobody: of these the share is told, too.

    Parameters
    ----------
    design
        For labels and the number of participants.
    bins
        The bins.
    observed, replicated
        Shapes (n_bins,) and (n_replicates, n_bins).
    beyond
        Share of the replicated outcomes that lie beyond the outer edges, and count in the end bars.
    people
        Number of the person of each observed row, shape (n_rows,), where some have several.
    at_ends
        Observed rows at the lowest and at the highest value of the scale.
    """
    clipped = np.clip(design.outcome.values, bins.edges[0], bins.edges[-1])
    whose = None if people is None else (bin_numbers(clipped, bins.edges), people)
    starts = _joined(observed * design.n, whose, at_ends)
    if len(starts) < 2:
        return None
    fewest = FEWEST_ROWS if people is None else FEWEST_PEOPLE
    each = f"{FEWEST_ROWS} {called(design)} rows" + ("" if people is None else f" of {FEWEST_PEOPLE} people")
    edges = np.r_[bins.edges[starts], bins.edges[-1]]
    # Per level or bin, so that a joined bar stands for its rows by its area.
    bars = np.add.reduceat(bins.units, starts)
    observed, replicated = np.add.reduceat(observed, starts) / bars, np.add.reduceat(replicated, starts, axis=1) / bars
    middle = (edges[:-1] + edges[1:]) / 2
    lower, median, upper = 100 * np.quantile(replicated, [0.025, 0.5, 0.975], axis=0)

    def draw(figure: Figure) -> None:
        (axes,) = axes_of(figure)
        axes.stairs(100 * observed, edges, color=OBSERVED, linewidth=1.4, label=called(design))
        axes.vlines(middle, lower, upper, color=BAND, linewidth=3.0, zorder=1, label="replicated, 95 % of data sets")
        axes.plot(middle, median, "o", color=EXPECTED, markersize=3, label="replicated, median")
        axes.set_ylim(bottom=0)
        axes.set_xlabel(label_of(design, design.outcome.name))
        axes.set_ylabel(f"Rows (%) per {bins.width:.3g}")
        legend(figure, axes)

    return Plot(
        "predictive-distribution",
        f"{capital(called_and(design))} replicated outcomes",
        f"Histogram of the {design.n:,} {called(design)} values of {design.outcome.name}, with the median and 95 % "
        "range of histograms of outcomes "
        f"replicated from the fitted model. Every bar is of at least {each}."
        + (
            f" The bars at the ends hold what is replicated beyond them, {percent(beyond, 1)}."
            if beyond >= 0.0005
            else ""
        ),
        draw,
        fewest=fewest,
        edges=tuple(edges.tolist()),
    )


def levels_against_limits(design: Design, factor: str, statistics: pd.DataFrame) -> Plot:
    """Mean and SD of the outcome in each level of a factor, with predictive limits.

    Parameters
    ----------
    design
        For labels.
    factor
        Name of the factor.
    statistics
        Columns ``statistic``, ``level``, ``n``, ``observed``, ``lower``, ``upper``, ``departure``, ``outside``.
    """
    panels = [name for name in PANELS if name in set(statistics["statistic"])] or list(
        dict.fromkeys(statistics["statistic"])
    )[:1]
    worst = statistics.groupby("level", sort=False)["departure"].agg(lambda values: values.abs().max())
    levels = list(worst.sort_values(ascending=False, kind="stable", key=steady).index[:MOST_LEVELS])
    order = {level: position for position, level in enumerate(_declared(design, factor, levels))}

    def draw(figure: Figure) -> None:
        all_axes = axes_of(figure, len(panels), 1)
        for axes, name in zip(all_axes, panels, strict=True):
            rows = statistics[(statistics["statistic"] == name) & statistics["level"].isin(order)]
            y = len(order) - 1 - rows["level"].map(order).to_numpy()
            axes.barh(
                y,
                rows["upper"] - rows["lower"],
                left=rows["lower"],
                height=0.55,
                color=BAND,
                label="limits, all statistics at once",
            )
            axes.plot(rows["observed"], y, "o", color=OBSERVED, markersize=5, label=called(design))
            share = name.startswith("share")
            axes.set_xlabel(
                name.capitalize()
                if share
                else label_of(design, design.outcome.name, prefix=f"{name[0].upper()}{name[1:]} of ")
            )
            counts = rows.set_index("level")["n"]
            axes.set_yticks(
                [len(order) - 1 - order[level] for level in order],
                [f"{short(level, 18)} ({counts[level]:,})" for level in order],
            )
            axes.margins(x=0.1, y=0.12 if len(order) < 6 else 0.02)
            axes.set_ylabel(f"{short(factor, 18)} (rows)")
        legend(figure, all_axes[0])

    outside = int(statistics["outside"].sum())
    some = f" The {MOST_LEVELS} levels furthest out are shown." if len(worst) > MOST_LEVELS else ""
    return Plot(
        f"predictive-by-{slug(factor)}",
        f"{capital(called_and(design))} predicted outcomes by {factor}",
        f"{panels[0][0].upper()}{' and '.join(panels)[1:]} of {design.outcome.name} in {counted(len(worst), 'level')} "
        f"of {factor}, {called_and(design)} with "
        f"predictive limits. {outside or 'None'} of the {counted(len(statistics), 'statistic')} "
        f"of {'this level' if len(worst) == 1 else 'these levels'} "
        f"{'is' if outside == 1 else 'are'} outside.{some}",
        draw,
        (WIDTH, 0.6 + len(panels) * (0.75 + 0.27 * len(order))),
        factor,
    )


def bins_around(levels: np.ndarray, lower: float | None = None, upper: float | None = None) -> Bins:
    """A bin for each level, from half a step below it to half a step above, and nothing beyond the scale's ends."""
    middle = (levels[:-1] + levels[1:]) / 2
    ends = [2 * levels[0] - middle[0], 2 * levels[-1] - middle[-1]]
    if lower is not None:
        ends[0] = max(ends[0], lower)
    if upper is not None:
        ends[1] = min(ends[1], upper)
    return Bins(np.r_[ends[0], middle, ends[1]], np.ones(levels.size), float(np.diff(levels).min()))


def _joined(
    counts: np.ndarray,
    whose: tuple[np.ndarray, np.ndarray] | None = None,
    at_ends: tuple[float, float] = (0.0, 0.0),
) -> np.ndarray:
    """First bins of the bars that hold at least `FEWEST_ROWS` each; all bins are one bar where there are fewer.

    Where people have several rows (bin and person of each row), a bar is of `FEWEST_PEOPLE` at least, too. So many or
    none are in the first and the last bar besides those at the ends.
    """

    def fine(size: float, own: float) -> bool:
        return size - own < 0.5 or size - own > FEWEST_ROWS - 0.5

    def enough(first: int, last: int) -> bool:
        if whose is None:
            return True
        at, people = whose
        return np.unique(people[(at >= first) & (at < last)]).size >= FEWEST_PEOPLE

    starts, running = [0], 0.0
    for place, size in enumerate(counts, 1):
        running += size
        rest = counts[place:].sum()
        # Half a row for rounding: shares of rows come as doubles.
        if (
            min(running, rest) > FEWEST_ROWS - 0.5
            and fine(running, at_ends[0] if len(starts) == 1 else 0.0)
            and fine(rest, at_ends[1])
            and enough(starts[-1], place)
            and enough(place, len(counts))
        ):
            starts.append(place)
            running = 0.0
    return np.array(starts)


def _declared(design: Design, factor: str, levels: list[str]) -> list[str]:
    """Levels in their declared order."""
    known = next((f.levels for f in design.factors if f.name == factor), None)
    if known is None:
        known = design.level_labels(factor)
    return [level for level in known if level in levels]
