"""Partial pooling made visible: where each group's own mean lies, and where the model puts it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from alliance_bayes.fit import BLOCK, FittedModel, seen
from alliance_bayes.model import PooledFactor
from alliance_bayes.report.forest import ONE_COLUMN, column_ends, downwards, plain_size
from alliance_bayes.report.phrases import expected_words
from alliance_bayes.report.rows import rows_of
from alliance_bayes.report.small_counts import shown_counts
from alliance_bayes.report.style import ACCENT, GREY, INK, SECOND, WIDTH, legend, percent_axis
from alliance_bayes.report.svg import Picture
from alliance_bayes.report.tables import Table
from alliance_bayes.report.text import (
    capital,
    clean,
    column_name,
    count,
    factor_name,
    number,
    percent,
    shortened,
    unit_of,
    units,
)
from alliance_bayes.report.weights import is_weighed
from alliance_bayes.wording import Wording

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from alliance_bayes.report.view import View

__all__ = ["MOST_GROUPS", "Pooled", "pooled_means", "pooling_picture"]

#: Groups that one figure shows: those with the most people.
MOST_GROUPS = 2 * ONE_COLUMN
# Draws over which the expected outcome is averaged: enough for a figure.
_THINNED = 200
# Least width of the axis, in SDs of the outcome.
_SPAN = 0.25
# Inches of the legend above the axes.
_LEGEND = 0.45

SENTENCES = Wording("alliance_bayes.report", "sentences/partial_pooling.toml")


@dataclass(frozen=True)
class Pooled:
    """One group.

    Parameters
    ----------
    level
        Its label.
    people
        How many it has, as a page may show it.
    own
        Mean of its people alone, the model's other terms held at those of everybody.
    pooled
        The same with the group's partially pooled effect.
    """

    level: str
    people: str
    own: float
    pooled: float


def pooled_means(fit: FittedModel, factor: PooledFactor, small: int) -> tuple[list[Pooled], float]:
    """The groups of a factor that may be shown, in the order of the data, and what they are drawn towards.

    Parameters
    ----------
    fit
        A fit to rows.
    factor
        One of its pooled factors.
    small
        Fewest people that a shown count stands for.

    Notes
    -----
    With ``m`` the expected outcome at the factor's effects of zero, averaged over everybody, a group's own mean is
    ``m`` plus the mean of observed minus expected outcome (effects of zero) of its people; its pooled mean is ``m``
    plus the mean of the expected outcome with its effects minus that without them.
    """
    total = fit.shape[0] * fit.shape[1]
    which = np.unique(np.linspace(0, total - 1, min(total, _THINNED)).astype(int))
    design = fit.design
    index = design.rows.index[factor.name]
    full, without = (_expected(fit, which, names) for names in ((), (factor.name,)))
    middle, weights = float(design.average(without)), design.rows.weights
    observed = seen(fit, design.outcome.name)
    own_weights = np.ones(len(index)) if weights is None else weights

    def by_level(values: np.ndarray, some: np.ndarray | slice = slice(None)) -> np.ndarray:
        sizes = np.bincount(index[some], own_weights[some], minlength=len(factor.levels))
        sums = np.bincount(index[some], weights=(values * own_weights)[some], minlength=len(factor.levels))
        return middle + sums / np.where(sizes > 0, sizes, 1.0)

    # A group's own mean is of what was observed.
    raw, pooled = by_level(design.outcome.values - without, observed), by_level(full - without)
    people = shown_counts(fit, factor.name, small)
    order = [
        k
        for k, level in enumerate(factor.levels)
        if people[level].number is not None and (observed.all() or fit.count_people(observed & (index == k)) >= small)
    ]
    groups = [Pooled(factor.levels[k], people[factor.levels[k]].text, float(raw[k]), float(pooled[k])) for k in order]
    return groups, middle


def _expected(fit: FittedModel, which: np.ndarray, without: Sequence[str]) -> np.ndarray:
    """Expected outcome of each row, averaged over some draws, without some factors' effects, shape (n_rows,)."""
    if fit.design.family.linear:
        return fit.mean_predictor(which=which, without=without)
    design, n = fit.design, fit.design.rows.n
    total = np.zeros(n)
    for some in np.array_split(which, min(which.size, -(-which.size * n // BLOCK))):
        eta = fit.linear_predictor(which=some, without=without)
        total += design.family.expectation(eta, fit.parameters_at(some), design.outcome).sum(axis=0)
    return np.asarray(total / which.size)


def pooling_picture(view: View, factor: PooledFactor, name: str) -> Picture | None:
    """The figure of one factor; None where its groups may not be shown, or there are no rows or only one group."""
    fit, small = view.fit, view.small
    if fit.moments is not None or factor.name in view.estimates.hidden or len(factor.levels) < 2:
        return None
    if "Intercept" not in factor.terms:
        return None
    groups, middle = pooled_means(fit, factor, small)
    if len(groups) < 2:
        # There is no other that one would be drawn towards.
        return None
    shown, middle = _at_adjusted_means(view, factor, _largest(fit, factor, groups, small), middle)
    shown = [shown[k] for k in downwards(pd.Series([group.pooled for group in shown]), len(shown))]
    outcome, unit = column_name(fit.design.outcome.name), units(unit_of(fit.design, fit.design.outcome.name))
    title = f"Partial pooling of {outcome} by {factor_name(factor.name)}"
    furthest = max(shown, key=lambda group: abs(group.own - group.pooled))
    # The axis of an event is in per cent.
    form = percent if fit.design.family.event else number
    words = {
        "shown": count(len(shown)),
        "groups": count(len(groups)),
        "middle": form(middle, 1),
        "level": clean(furthest.level),
        "people": furthest.people,
        "own": form(furthest.own, 1),
        "pooled": form(furthest.pooled, 1),
        "small": small,
        "left_out": len(groups) < len(factor.levels),
        "weighed": is_weighed(fit),
        "more": len(shown) < len(groups),
    }
    event = fit.design.family.event
    measured = "Shares" if event else f"Means in {unit}"
    axis = expected_words(fit) if event else f"{outcome} ({unit})"
    data = Table.of(
        f"{name}-data",
        title,
        (capital(factor_name(factor.name)), "People", "Own mean", "Adjusted mean"),
        [(clean(group.level), group.people, form(group.own, 2), form(group.pooled, 2)) for group in shown],
        note=f"{measured}, over {len(shown)} of {len(groups)} groups; towards {form(middle, 2)}.",
    )
    width, height = plain_size(len(shown))
    return view.figure(
        _Painter(shown, middle, axis, _SPAN * float(np.std(fit.design.outcome.values)), percents=event),
        name=name,
        title=title,
        caption=SENTENCES("caption", **words),
        description=SENTENCES("description", **words),
        size=(width, height + _LEGEND),
        data=data,
    )


def _largest(fit: FittedModel, factor: PooledFactor, groups: Sequence[Pooled], small: int) -> list[Pooled]:
    """As many of some groups as a figure holds, those with the most people, as they stand."""
    people = shown_counts(fit, factor.name, small)
    most = sorted(groups, key=lambda group: -(people[group.level].number or 0))[:MOST_GROUPS]
    levels = {group.level for group in most}
    return [group for group in groups if group.level in levels]


def _at_adjusted_means(
    view: View, factor: PooledFactor, groups: Sequence[Pooled], middle: float
) -> tuple[list[Pooled], float]:
    """The groups with the adjusted means of the page's tables, and what else there is as far from these as it is.

    An adjusted mean places everybody in the group, and is over all levels of sampled factors that there could be; a
    pooled one is of those who are in it, at the levels in the data. One level has one mean on a page, and what the
    means are drawn towards goes along with them.
    """
    means = {str(row["level"]): float(row["mean"]) for row in rows_of(view.estimates.where("mean", factor=factor.name))}
    apart = {group.level: means.get(group.level, np.nan) - group.pooled for group in groups}
    apart = {level: float(gap) for level, gap in apart.items() if np.isfinite(gap)}
    moved = [
        replace(group, own=group.own + apart[group.level], pooled=means[group.level]) if group.level in apart else group
        for group in groups
    ]
    return moved, middle + (float(np.mean(list(apart.values()))) if apart else 0.0)


@dataclass(frozen=True)
class _Painter:
    groups: Sequence[Pooled]
    middle: float
    label: str
    span: float
    percents: bool = False
    one_column: bool = False

    def narrow(self) -> tuple[_Painter, tuple[float, float]]:
        """All groups below each other, for a phone."""
        height = plain_size(len(self.groups), one_column=True)[1]
        return replace(self, one_column=True), (WIDTH, height + _LEGEND)

    def __call__(self, figure: Figure) -> None:
        ends = column_ends(len(self.groups), one_column=self.one_column)
        grid = figure.subplots(1, len(ends), sharex=True, squeeze=False)[0]
        for axes, (first, after) in zip(grid, ends, strict=True):
            groups = self.groups[first:after]
            y = ends[0][1] - 1 - np.arange(len(groups))
            axes.axvline(self.middle, color=GREY, linewidth=0.9, linestyle=(0, (4, 3)), label="average group")
            raw, pooled = (np.array([getattr(group, name) for group in groups]) for name in ("own", "pooled"))
            axes.hlines(y, raw, pooled, color=SECOND, linewidth=1.4)
            axes.plot(raw, y, "o", color=SECOND, markerfacecolor="none", markersize=5.5, label="group on its own")
            axes.plot(pooled, y, "o", color=ACCENT, markersize=4.5, label="adjusted mean (partly pooled)")
            axes.set_yticks(y, [f"{shortened(group.level, 20)} ({group.people})" for group in groups])
            axes.set_ylim(-0.7, ends[0][1] - 0.3)
            axes.tick_params(axis="y", left=False)
            axes.spines["left"].set_visible(False)
            axes.grid(axis="x")
            axes.locator_params(axis="x", nbins=5)
            if self.percents:
                percent_axis(axes.xaxis)
        low, high = grid[0].get_xlim()
        if high - low < self.span:
            # Small differences stay small to the eye.
            grid[0].set_xlim((low + high - self.span) / 2, (low + high + self.span) / 2)
        if len(ends) == 1:
            grid[0].set_xlabel(self.label)
        else:
            figure.supxlabel(self.label, fontsize=10, color=INK)
        legend(figure, grid[0])
