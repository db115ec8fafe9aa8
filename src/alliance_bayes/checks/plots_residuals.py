"""Figures of the residuals: along a numeric column, and by level."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from alliance_bayes.checks.drawing import BAND, GREY, OBSERVED, axes_of, label_of, legend, short
from alliance_bayes.checks.results import Plot
from alliance_bayes.effects.table import steady
from alliance_bayes.model import Design

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["residuals_along", "residuals_by_level"]

MOST_LEVELS = 25


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
        axes.set_ylabel(label_of(design, design.outcome.name, prefix="Observed minus expected\n"))
        legend(figure, axes)

    outside = int((parts["residual"].abs() > parts["limit"]).sum())
    return Plot(
        f"residuals-{_slug(column)}",
        f"Residuals along {column}",
        f"Mean of observed minus expected {design.outcome.name} in {len(parts)} parts of the range of {column}, with "
        "a band that the means keep within "
        f"when the model is right. {_outside(outside, len(parts), 'part')}",
        draw,
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
        axes.set_xlabel(label_of(design, design.outcome.name, prefix="Observed minus expected "))
        axes.set_ylabel(f"{short(column)} (rows)")
        axes.margins(y=0.12 if len(shown) < 6 else 0.02)
        legend(figure, axes)

    outside = int((levels["residual"].abs() > levels["limit"]).sum())
    some = f" The {MOST_LEVELS} levels furthest out are shown." if len(levels) > MOST_LEVELS else ""
    return Plot(
        f"residuals-by-{_slug(column)}",
        f"Residuals by {column}",
        f"Mean of observed minus expected {design.outcome.name} of the {len(levels)} levels of {column}, with bars "
        "that all of them keep within when the "
        f"model is right. {_outside(outside, len(levels), 'level')}{some}",
        draw,
        (6.4, 1.9 + 0.27 * len(shown)),
    )


def _outside(count: int, of: int, what: str) -> str:
    return f"{count or 'None'} of the {of} {what}s {'is' if count == 1 else 'are'} outside."


def _slug(text: str) -> str:
    return "".join(character if character.isalnum() else "-" for character in text).strip("-").lower()
