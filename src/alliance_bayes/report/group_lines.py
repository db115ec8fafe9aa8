"""The line of every group: the expected outcome along a predictor with everybody in a group, over observed means."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from alliance_bayes.cohort.weights import weighted_quantiles
from alliance_bayes.effects.analysis import Analysis
from alliance_bayes.effects.counterfactual import NumericSetting
from alliance_bayes.effects.options import make_options
from alliance_bayes.fit import FittedModel
from alliance_bayes.report.curve import LEAST, covered_range, observed_means_by
from alliance_bayes.report.figure_data import curve_data, observed_by_group
from alliance_bayes.report.phrases import expected_words
from alliance_bayes.report.small_counts import hidden_levels, unit_words
from alliance_bayes.report.style import WIDTH, percent_axis
from alliance_bayes.report.svg import Picture
from alliance_bayes.report.text import (
    capital,
    clean,
    column_name,
    factor_name,
    number,
    percent,
    shortened,
    unit_of,
    units,
)
from alliance_bayes.report.untold import untold
from alliance_bayes.report.weights import is_weighed
from alliance_bayes.wording import Wording

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from alliance_bayes.report.view import View

__all__ = ["MOST_LINES", "group_curves", "group_lines_picture", "spread_out"]

SENTENCES = Wording("alliance_bayes.report", "sentences/groups.toml")

#: Lines that one figure can tell apart.
MOST_LINES = 6
GRID = 9
# Draws: all that a linear family has up to the first, fewer where every person has to be predicted.
_THINNED, _THINNED_MORE = 1000, 200
_STYLES = ("-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (6, 1.5, 1.2, 1.5)), (0, (3, 1)), (0, (8, 2)))


def group_curves(fit: FittedModel, factor: str, predictor: str, *, prob: float, small: int) -> dict[str, pd.DataFrame]:
    """Average expected outcome with everybody in a group and at a value of a predictor, all else as it is.

    Parameters
    ----------
    fit
        A fit to rows.
    factor
        A factor of the model.
    predictor
        A numeric column.
    prob
        Probability of the equal-tailed bands.
    small
        Fewest people beyond either end of a curve.

    Returns
    -------
    dict
        By level whose count may be shown: columns `x`, `mean`, `lower`, `upper`, from the group's 10th to its 90th
        percentile, or less of it where too few people are beyond these, or everybody's are nearer.
    """
    most = _THINNED if fit.design.family.linear else _THINNED_MORE
    thinned = fit.thinned(max(1, min(fit.shape[1], fit.shape[0] * fit.shape[1] // most)))
    analysis = Analysis(thinned, make_options(thinned, prob=prob))
    everybody = np.ones(fit.design.rows.n, dtype=bool)
    low, high = _inner(fit, predictor, everybody, small)
    grid = np.linspace(low, high, GRID)
    settings, levels = analysis.settings(factor), analysis.levels(factor)
    # One point after the other: the rows evaluated there are not needed at the next.
    draws = np.stack(
        [
            analysis.averages(
                [
                    analysis.counterfactuals.of(
                        analysis.options.population, numeric=NumericSetting(predictor, x), fixed=fixed
                    )
                    for fixed in settings
                ]
            )
            for x in map(float, grid)
        ],
        axis=-1,
    )
    tail = (1 - prob) / 2
    lower, upper = np.quantile(draws, [tail, 1 - tail], axis=0)
    mean = draws.mean(axis=0)
    codes, _ = fit.design.levels_of(factor)
    curves = {}
    hidden = hidden_levels(fit, small).get(factor, frozenset())
    for number_, level in enumerate(levels):
        if level in hidden:
            continue
        at = codes == number_
        # The range of a few people would be somebody's values.
        several = fit.count_people(at) >= 2 * small
        start, end = _inner(fit, predictor, at, small) if several else (low, high)
        x = np.linspace(max(low, start), min(high, end), GRID)
        if not x[0] < x[-1]:
            x = grid
        curves[level] = pd.DataFrame(
            {"x": x}
            | {
                name: np.interp(x, grid, part[number_])
                for name, part in (("mean", mean), ("lower", lower), ("upper", upper))
            }
        )
    return curves


def _inner(fit: FittedModel, predictor: str, whose: np.ndarray, small: int) -> tuple[float, float]:
    """The 10th and the 90th percentile of some rows, or what fewer than `small` people are beyond."""
    values = fit.design.frame[predictor].to_numpy(float)[whose]
    low, high = covered_range(values, small, people=None if fit.people is None else fit.people[whose])
    tenth, ninetieth = _percentiles(fit, predictor, whose)
    return max(low, tenth), min(high, ninetieth)


def group_lines_picture(view: View, factor: str, predictor: str, name: str) -> Picture | None:
    """The figure; None where there are too many groups to tell apart, or no rows."""
    fit = view.fit
    levels = view.estimates.where("slope_by_level", factor=factor)
    if predictor in untold(fit, view.small):
        return None
    if fit.moments is not None or not 2 <= len(levels) <= MOST_LINES or levels["mean"].isna().any():
        return None
    curves = group_curves(fit, factor, predictor, prob=view.prob, small=view.small)
    outcome, along = column_name(fit.design.outcome.name), column_name(predictor)
    unit = units(unit_of(fit.design, predictor))
    title = f"{capital(expected_words(fit))} along {along} by {factor_name(factor)}"
    band = f"{100 * view.prob:g}% equal-tailed band"
    event = fit.design.family.event
    written = percent if event else partial(number, places=1)
    words = "; ".join(
        f"{clean(level)}: {written(curve['mean'].iloc[0])} at {number(curve['x'].iloc[0], 2)} to "
        f"{written(curve['mean'].iloc[-1])} at {number(curve['x'].iloc[-1], 2)}"
        for level, curve in curves.items()
    )
    left, right = (end(float(curve["x"].iloc[at]) for curve in curves.values()) for end, at in ((min, 0), (max, -1)))
    seen = {
        level: means[means["x"].between(left, right)]
        for level, means in observed_means_by(fit, predictor, factor, list(curves), view.small).items()
    }
    seen = {level: means for level, means in seen.items() if len(means)}
    heading, whom = f"{along} ({unit})", unit_words(fit)
    known: dict[str, Any] = {"along": along, "event": event, "weighed": is_weighed(fit)}
    observed = SENTENCES("lines_observed", factor=factor_name(factor), outcome=outcome, **known)
    return Picture.drawn(
        _painter(curves, heading, expected_words(fit), percents=event, observed=seen),
        name=name,
        title=title,
        caption=SENTENCES(
            "lines_caption",
            band=band,
            observed=bool(seen),
            least=max(view.small, LEAST),
            ends=_ends(fit, factor, predictor, curves),
            small=view.small,
            **known,
        ),
        description=f"One line a group. {words}.",
        size=(WIDTH, 3.6),
        data=curve_data(name, f"{title}, with its {band}", list(curves.items()), heading, band, percent=event),
        more=[observed_by_group(name, observed, seen, heading, whom, percent=event)] if seen else (),
        shown=view.redact,
    )


def _ends(fit: FittedModel, factor: str, predictor: str, curves: Mapping[str, pd.DataFrame]) -> str:
    """What lines end at: percentiles of the "group", those of "everybody" where they are nearer, or few "people"."""
    codes, levels = fit.design.levels_of(factor)
    low, high = _percentiles(fit, predictor, np.ones(fit.design.rows.n, dtype=bool))
    found = "group"
    for level, curve in curves.items():
        own = _percentiles(fit, predictor, codes == levels.index(level))
        ends = curve["x"].iloc[[0, -1]]
        if np.allclose(ends, own):
            continue
        if not np.allclose(ends, (max(low, own[0]), min(high, own[1]))):
            return "people"
        found = "everybody"
    return found


def _percentiles(fit: FittedModel, predictor: str, whose: np.ndarray) -> tuple[float, float]:
    """The 10th and the 90th percentile of some rows."""
    values, weights = fit.design.frame[predictor].to_numpy(float)[whose], fit.design.rows.weights
    tenth, ninetieth = weighted_quantiles(values, (0.1, 0.9), None if weights is None else weights[whose])
    return float(tenth), float(ninetieth)


def _painter(
    curves: Mapping[str, pd.DataFrame],
    x_label: str,
    y_label: str,
    *,
    percents: bool,
    observed: Mapping[str, pd.DataFrame],
) -> Callable[[Figure], None]:
    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        for style, curve in zip(_STYLES, curves.values(), strict=False):
            (line,) = axes.plot(curve["x"], curve["mean"], linestyle=style)
            axes.fill_between(
                curve["x"], curve["lower"], curve["upper"], color=line.get_color(), alpha=0.13, linewidth=0
            )
        for line, level in zip(axes.lines[:], curves, strict=True):
            if level in observed:
                means = observed[level]
                axes.plot(
                    means["x"],
                    means["mean"],
                    "o",
                    color=line.get_color(),
                    markerfacecolor="none",
                    markersize=4.5,
                    alpha=0.8,
                )
        low, high = axes.get_ylim()
        # A label is a sixteenth of the height of these axes.
        ends = spread_out([float(curve["mean"].iloc[-1]) for curve in curves.values()], (high - low) / 15)
        right = max(float(curve["x"].iloc[-1]) for curve in curves.values())
        left = min(float(curve["x"].iloc[0]) for curve in curves.values())
        for line, (level, curve), place in zip(axes.lines[: len(curves)], curves.items(), ends, strict=True):
            end = right + 0.05 * (right - left)
            axes.plot(
                [curve["x"].iloc[-1], end], [curve["mean"].iloc[-1], place], color=line.get_color(), linewidth=0.7
            )
            axes.text(end, place, f" {shortened(level, 16)}", color=line.get_color(), va="center", fontsize=9.5)
        axes.set_ylim(min(low, float(ends.min())), max(high, float(ends.max())))
        axes.set_xlim(left, right + 0.05 * (right - left))
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label)
        if percents:
            percent_axis(axes.yaxis)
        axes.grid(axis="y")

    return paint


def spread_out(places: Sequence[float], gap: float) -> np.ndarray:
    """Places moved as little as it takes to be `gap` apart, in their order."""
    order = np.argsort(places, kind="stable")
    wanted = np.asarray(places, float)[order] - gap * np.arange(len(places))
    # Distances are kept where they are wide enough: the closest rising sequence, by pooling adjacent violators.
    blocks: list[list[float]] = []
    for value in wanted:
        blocks.append([value, 1.0])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            last, size = blocks.pop()
            blocks[-1] = [(blocks[-1][0] * blocks[-1][1] + last * size) / (blocks[-1][1] + size), blocks[-1][1] + size]
    level = np.concatenate([[value] * int(size) for value, size in blocks]) + gap * np.arange(len(places))
    moved = np.empty(len(places))
    moved[order] = level
    return moved
