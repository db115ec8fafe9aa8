"""Structure in the residuals: along numeric predictors, and between groups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from alliance_bayes.bins import bin_numbers
from alliance_bayes.checks.check import Check, CheckResult, Plot, percent
from alliance_bayes.checks.context import Context
from alliance_bayes.checks.drawing import BAND, GREY, OBSERVED, WIDTH, axes_of, called, label_of, legend, short, slug
from alliance_bayes.checks.lack_of_fit import LackOfFit, lack_of_fit, level_basis, spline_basis
from alliance_bayes.effects.table import steady
from alliance_bayes.model import Design
from alliance_bayes.wording import capital

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Curvature", "Groups", "edges_of", "fired_of", "named", "parts_limits", "residuals_along"]

PARTS = 10
MOST_LEVELS = 25
_REMEDIES = {
    "left out": "The model leaves out {0}: pool over it, as in (1 | {1}).",
    "residual": "The model lets the residual SD differ by {0}, but not the mean: pool over it, as in (1 | {1}).",
    "in part": "The model has {0} only in combination with other columns: give it a term of its own, as in (1 | {1}).",
    "pooled": "The model pools over {0}: check the prior of its level SD, and what else differs between its levels.",
}
NAMED = 4


class Curvature(Check):
    """Compare the residuals along every numeric predictor with those of replicates.

    ``warn`` when a column's test fires. The table has one row a column and part of its range (tenths of the rows,
    or fewer): ``column``, ``low``, ``high``, ``n``, ``residual`` (mean of observed minus expected), ``limit``
    (parts of one column keep within plus and minus it together) and ``p`` (the column's, adjusted for the number
    of columns). The test looks along a natural cubic spline, the parts are for the eye.
    """

    name = "curvature"
    title = "Residuals along numeric predictors"
    looks_at = "residuals along numeric predictors"
    meaning = "A straight line misses a bend, so the slope is the average of a curve and holds nowhere exactly."
    concerns = ("effects",)
    needs_rows = "The course of residuals along a predictor"

    def examine(self, context: Context) -> CheckResult:
        """Compare the residuals along every numeric predictor with those of replicates."""
        looked_at, context = context.sampled, context.sample
        columns = context.numeric
        tests = lack_of_fit(context, {name: spline_basis(values) for name, values in columns.items()})
        frames = []
        for name, values in columns.items():
            edges = edges_of(values)
            parts = np.where(np.isfinite(values), bin_numbers(values, edges), -1)
            indicators = parts[:, None] == np.arange(edges.size - 1)
            residual, limit = parts_limits(context, indicators)
            middle = [float(values[at].mean()) for at in indicators.T]
            low, high = ([float(f(values[at])) for at in indicators.T] for f in (np.min, np.max))
            frames.append(
                pd.DataFrame(
                    {"column": name, "low": low, "high": high, "mean": middle, "n": indicators.sum(axis=0)}
                ).assign(residual=residual, limit=limit, p=tests[name].p)
            )
        table = _concatenated(frames, ["column", "low", "high", "mean", "n", "residual", "limit", "p"])
        fired = fired_of(tests, context.rate)
        if fired:
            smooths = {smooth.column: smooth.size for smooth in context.fit.design.smooths}
            curve = (
                f"Give s({fired[0]}) more than {smooths[fired[0]]} knots"
                if fired[0] in smooths
                else f"Let it bend, as in s({fired[0]})"
            )
            sentence = (
                f"The residuals are not level along {named(fired, tests)}: the relation is not the one the formula "
                f"states. {curve}, or add an interaction, and see whether the reported estimates change."
            )
        elif not tests:
            sentence = "The model has no numeric predictors, so there is no curve to look for."
        else:
            sentence = (
                f"The residuals are level along {', '.join(tests)}: they bend no more than they do in "
                f"{percent(1 - context.rate)} of data sets from a well-specified model."
            )
        return self.result(
            "warn" if fired else "pass" if tests else "info",
            sentence + looked_at,
            table,
            nothing=not tests,
            plots=tuple(
                residuals_along(context.fit.design, str(name), rows)
                for name, rows in table.groupby("column", sort=False)
            ),
        )


class Groups(Check):
    """Compare the residuals of every level of every categorical column with those of replicates.

    ``warn`` when a column's test fires. The table has one row a column and level: ``column``, ``role``
    (``pooled``, ``common``, ``residual``, ``in part``, ``left out``), ``level``, ``n``, ``residual``, ``limit`` and
    ``p``, as in :class:`Curvature`.

    Notes
    -----
    A column of common effects is fitted freely, and has nothing left to test (p is 1).
    """

    name = "groups"
    title = "Residuals by group"
    looks_at = "residuals by group"
    meaning = "The model misses differences between groups."
    concerns = ("groups",)
    needs_rows = "The distribution of residuals by group"

    def examine(self, context: Context) -> CheckResult:
        """Compare the residuals of every level of every categorical column with those of replicates."""
        looked_at, context = context.sampled, context.sample
        groupings = {grouping.name: grouping for grouping in context.groupings}
        tests = lack_of_fit(context, {name: level_basis(grouping.indicators) for name, grouping in groupings.items()})
        roles = {name: _role(grouping.role, tests[name]) for name, grouping in groupings.items()}
        frames = []
        for name, grouping in groupings.items():
            present = np.flatnonzero(grouping.counts > 0)
            residual, limit = parts_limits(context, grouping.indicators[:, present])
            levels = pd.DataFrame({"level": [grouping.levels[k] for k in present], "n": grouping.counts[present]})
            frames.append(levels.assign(column=name, role=roles[name], residual=residual, limit=limit, p=tests[name].p))
        table = _concatenated(frames, ["column", "role", "level", "n", "residual", "limit", "p"])
        fired = fired_of(tests, context.rate)
        if fired:
            remedies = [_remedy(role, [name for name in fired if roles[name] == role]) for role in _REMEDIES]
            sentence = (
                f"The residuals differ between the levels of {named(fired, tests)}. {' '.join(filter(None, remedies))}"
            )
        elif not tests:
            sentence = "There are no categorical columns to look at."
        else:
            sentence = (
                f"The residuals do not differ between the levels of {', '.join(tests)} by more than they do in "
                f"{percent(1 - context.rate)} of data sets from a well-specified model."
            )
        return self.result(
            "warn" if fired else "pass" if tests else "info",
            sentence + looked_at,
            table,
            nothing=not tests,
            plots=tuple(
                residuals_by_level(context.fit.design, str(name), rows)
                for name, rows in table.groupby("column", sort=False)
            ),
        )


def edges_of(values: np.ndarray) -> np.ndarray:
    """Edges of up to ten parts with about equally many rows; equal values stay together."""
    present = values[np.isfinite(values)]
    distinct = np.unique(present)
    if distinct.size <= PARTS:
        inner = distinct[1:]
    else:
        inner = np.unique(np.quantile(present, np.arange(1, PARTS) / PARTS, method="higher"))
        inner = inner[inner > distinct[0]]
    return np.concatenate([[-np.inf], inner, [np.inf]])


def fired_of(tests: Mapping[str, LackOfFit], rate: float) -> list[str]:
    """The columns whose tests fire, the smallest p first."""
    return sorted((name for name, test in tests.items() if test.p < rate), key=lambda name: tests[name].p)


def _role(role: str, test: LackOfFit) -> str:
    """What the model does with a column: of those it does not pool over, it may express all differences or some."""
    if role == "pooled":
        return role
    if test.df == 0:
        return "common"
    return "in part" if role == "column" else role


def _remedy(role: str, names: list[str]) -> str:
    return _REMEDIES[role].format(" and ".join(names), names[0]) if names else ""


def named(fired: list[str], tests: Mapping[str, LackOfFit]) -> str:
    """The first few columns that fired, with their p."""
    shown = ", ".join(f"{name} (p = {tests[name].p:.3f})" for name in fired[:NAMED])
    return shown + (f" and {len(fired) - NAMED} more" if len(fired) > NAMED else "")


def _concatenated(frames: list[pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    return pd.concat(frames, ignore_index=True)[columns] if frames else pd.DataFrame(columns=columns)


def parts_limits(context: Context, indicators: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean residual of parts of the rows, and how far it may be from zero.

    Parameters
    ----------
    context
        The fit with its replicates.
    indicators
        One column a part, shape (n, n_parts), each with rows.

    Returns
    -------
    mean : numpy.ndarray
        Observed minus expected outcome, averaged over the part's rows and the draws; shape (n_parts,).
    limit : numpy.ndarray
        In all but a share ``rate`` of replicates, the means of all parts lie within plus and minus this; shape
        (n_parts,).
    """
    share = indicators / indicators.sum(axis=0)
    expected = context.expected @ share
    observed = context.fit.design.outcome.values @ share - expected.mean(axis=0)
    replicated = context.simulated @ share - expected
    sd = replicated.std(axis=0)
    worst = (np.abs(replicated) / np.where(sd > 0, sd, 1.0)).max(axis=1)
    return observed, float(np.quantile(worst, 1 - context.rate)) * sd


def residuals_along(design: Design, column: str, parts: pd.DataFrame) -> Plot:
    """Mean residual in parts of a column's range, with limits.

    Parameters
    ----------
    design
        For labels.
    column
        Name of the column.
    parts
        Columns ``mean``, ``low``, ``high``, ``residual``, ``limit``, ``n``.
    """

    def draw(figure: Figure) -> None:
        (axes,) = axes_of(figure)
        x, limit = parts["mean"].to_numpy(float), parts["limit"].to_numpy(float)
        axes.fill_between(x, -limit, limit, color=BAND, alpha=0.6, linewidth=0, label="limits, all parts at once")
        axes.axhline(0, color=GREY, linewidth=1)
        axes.plot(x, parts["residual"], "o-", color=OBSERVED, markersize=5, linewidth=1.2, label="mean residual")
        axes.set_xlabel(label_of(design, column))
        axes.set_ylabel(label_of(design, design.outcome.name, prefix=f"{capital(called(design))} minus expected\n"))
        legend(figure, axes)

    outside = int((parts["residual"].abs() > parts["limit"]).sum())
    return Plot(
        f"residuals-{slug(column)}",
        f"Residuals along {column}",
        f"Mean of {called(design)} minus expected {design.outcome.name} in {len(parts)} parts of the range of "
        f"{column}, with a band that the means keep within "
        f"when the model is right. {_outside(outside, len(parts), 'part')}",
        draw,
        column=column,
    )


def residuals_by_level(design: Design, column: str, levels: pd.DataFrame) -> Plot:
    """Mean residual of each level of a column, with limits; the furthest out when there are many.

    Parameters
    ----------
    design
        For labels.
    column
        Name of the column.
    levels
        Columns ``level``, ``n``, ``residual``, ``limit``.
    """
    far = (levels["residual"].abs() / levels["limit"].where(levels["limit"] > 0, np.inf)).sort_values(
        ascending=False, kind="stable", key=steady
    )
    shown = levels.loc[levels.index.isin(far.index[:MOST_LEVELS])]

    def draw(figure: Figure) -> None:
        (axes,) = axes_of(figure)
        y = np.arange(len(shown))[::-1]
        axes.barh(
            y, 2 * shown["limit"], left=-shown["limit"], height=0.55, color=BAND, label="limits, all levels at once"
        )
        axes.axvline(0, color=GREY, linewidth=1)
        axes.plot(shown["residual"], y, "o", color=OBSERVED, markersize=5, label="mean residual")
        axes.set_yticks(y, [f"{short(str(row.level))} ({row.n:,})" for row in shown.itertuples()])
        axes.set_xlabel(label_of(design, design.outcome.name, prefix=f"{capital(called(design))} minus expected\n"))
        axes.set_ylabel(f"{short(column)} (rows)")
        axes.margins(y=0.12 if len(shown) < 6 else 0.02)
        legend(figure, axes)

    outside = int((levels["residual"].abs() > levels["limit"]).sum())
    some = f" The {MOST_LEVELS} levels furthest out are shown." if len(levels) > MOST_LEVELS else ""
    return Plot(
        f"residuals-by-{slug(column)}",
        f"Residuals by {column}",
        f"Mean of {called(design)} minus expected {design.outcome.name} of the {len(levels)} levels of {column}, with "
        "bars that all of them keep within when the "
        f"model is right. {_outside(outside, len(levels), 'level')}{some}",
        draw,
        (WIDTH, 2.05 + 0.27 * len(shown)),
        column,
    )


def _outside(count: int, of: int, noun: str) -> str:
    return f"{count or 'None'} of the {of} {noun}s {'is' if count == 1 else 'are'} outside."
