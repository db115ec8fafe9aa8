"""Effects in points of the outcome on one axis, against what would be noticed and what would matter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from alliance_bayes.effects.table import steady
from alliance_bayes.report.rows import forest_picture, rope_of
from alliance_bayes.report.sections import Picture
from alliance_bayes.report.text import MINUS, capital, count, exact, join, shortened
from alliance_bayes.report.words import column_name, factor_name, unit_of, units

if TYPE_CHECKING:
    from alliance_bayes.report.view import View

__all__ = ["comparable", "effect_forest"]

#: Pairs of a factor up to which all of them are shown; of more, the largest.
MOST_PAIRS = 3
#: How many times the furthest end of an interval the smallest relevant difference may be, to be drawn.
FAR = 4.0


def comparable(view: View, focal: str) -> list[tuple[str, pd.Series]]:
    """Effects that are all differences in points of the outcome, each with what it is called.

    The focal predictor from its 10th to its 90th percentile, the same per SD, and differences of adjusted means.
    """
    estimates, along = view.estimates, column_name(focal)
    found = []
    for estimand, what in (("slope_p10_p90", f"{along}: 10th to 90th pct."), ("slope_per_sd", f"{along}: per SD")):
        row = estimates.first(estimand, term=focal)
        if row is not None:
            found.append((capital(what), row))
    for factor in dict.fromkeys(estimates.where("contrast_of_means")["factor"].dropna()):
        rows = estimates.where("contrast_of_means", factor=factor)
        rows = rows[rows["mean"].notna() & (rows["sd"] > 0)]
        # Only differences in the outcome's own unit may share the axis.
        rows = rows[rows["unit"] == unit_of(view.fit.design, view.fit.design.outcome.name)]
        largest = rows.loc[steady(rows["mean"].abs()).sort_values(ascending=False, kind="stable").index]
        for _, row in largest.head(MOST_PAIRS if len(rows) <= MOST_PAIRS else 1).iterrows():
            pair = f"{shortened(row['level'], 14)} {MINUS} {shortened(row['versus'], 14)}"
            found.append((f"{capital(factor_name(factor))}: {pair}", row))
    return found


def effect_forest(view: View, focal: str) -> Picture | None:
    """The figure; None where there are fewer than two effects to compare."""
    effects = comparable(view, focal)
    if len(effects) < 2:
        return None
    estimates = view.estimates
    rows = pd.DataFrame([row for _, row in effects])
    labels = dict(zip(map(str, rows.index), (label for label, _ in effects), strict=True))
    first = effects[0][1]
    rope = rope_of(first)
    relevant = float(first["relevant"]) if pd.notna(first["relevant"]) else None
    furthest = float(rows[["lower", "upper"]].abs().to_numpy().max())
    drawn = relevant if relevant is not None and relevant <= FAR * furthest else None
    outcome = column_name(view.fit.design.outcome.name)
    unit = units(unit_of(view.fit.design, view.fit.design.outcome.name))
    caption = f"Every line is a difference in {unit}: posterior mean and {estimates.interval_heading()}."
    if rope is not None:
        caption += f" Grey: the region of practical equivalence, {exact(rope[0])} to {exact(rope[1])}."
    if drawn is not None:
        caption += f" Dotted: the smallest relevant difference, {exact(drawn)}; only what lies beyond it would matter."
    elif relevant is not None:
        caption += f" The smallest relevant difference, {exact(relevant)}, is beyond the axis."
    if many := [name for name in rows["factor"].dropna().unique() if _pairs(view, name) > MOST_PAIRS]:
        listed = join([f"{factor_name(name)} ({count(_pairs(view, name))})" for name in many])
        caption += f" Of the pairs of {listed} the largest is shown, which chance favours."
    return forest_picture(
        "effects-forest",
        f"Effects on {outcome} on one axis",
        estimates,
        rows,
        caption=caption,
        axis=f"Difference ({unit})",
        heading="Effect",
        label=lambda row: labels[row["id"]],
        rope=rope,
        relevant=drawn,
        width=44,
        inches=6.4,
        shown=view.redact,
    )


def _pairs(view: View, factor: str) -> int:
    return len(view.estimates.where("contrast_of_means", factor=factor))
