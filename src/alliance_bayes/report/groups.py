"""Adjusted means and slopes by group, with every pairwise difference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from alliance_bayes.effects.table import steady
from alliance_bayes.fit import FittedModel
from alliance_bayes.report.certainty import Row
from alliance_bayes.report.counts import NOT_SHOWN, shown_counts
from alliance_bayes.report.estimates import Estimates, text_of
from alliance_bayes.report.figure_data import interval_data
from alliance_bayes.report.forest import NAMED_ENDS, Interval, all_named, forest, forest_size
from alliance_bayes.report.group_lines import group_lines_picture
from alliance_bayes.report.pooling import pooling_picture
from alliance_bayes.report.sections import Picture, Section
from alliance_bayes.report.svg import draw
from alliance_bayes.report.tables import Table
from alliance_bayes.report.text import MINUS, capital, clean, count, derived, shortened
from alliance_bayes.report.words import column_name, factor_name, pooling_sentence, unit_of, units

if TYPE_CHECKING:
    from alliance_bayes.report.view import View

__all__ = ["SLOPES_JUDGED", "factors_of", "fixed_at_zero", "groups", "ordered_pairs", "pair_name"]

#: Rows of a table that are shown at once.
SHOWN = 10
#: Pairs that a figure of differences can hold.
MOST_PAIRS = 15
#: Levels above which a factor's levels are shown in the order of their estimates.
SORTED_ABOVE = 6
#: Rows a page can bear; the JSON has the rest.
MOST_ROWS = 1000

#: What two slopes are compared by.
SLOPES_JUDGED = (
    "A difference of slopes is judged against half of the region of practical equivalence, over the step from the "
    "predictor’s 10th to its 90th percentile."
)
_NOTES = {
    "provider_type": "People chose their provider type or were guided to it, so these differences describe who went "
    "where as much as what they received."
}


def groups(view: View) -> Section:
    """The section: one part a factor, in the formula's order."""
    fit, estimates, withheld = view.fit, view.estimates, view.withheld
    parts = [] if withheld else [_part(view, name, number) for number, name in enumerate(factors_of(estimates), 1)]
    hidden = [factor_name(name) for name in estimates.hidden]
    few = [factor_name(name) for name in estimates.few]
    left_out = [clean(reason).rstrip(".") for reason in estimates.table.left_out]
    context = {
        "withheld": withheld,
        "cautions": view.checked.about("groups"),
        "parts": parts,
        "hidden": hidden,
        "few": few,
        "small": view.small,
        "left_out": left_out,
        "outcome": column_name(fit.design.outcome.name),
    }
    return Section("groups", "Group differences", "groups.html", context)


def factors_of(estimates: Estimates) -> list[str]:
    """Factors that have adjusted means in the table."""
    return list(dict.fromkeys(estimates.where("mean")["factor"].dropna()))


def pair_name(row: Row, *, width: int | None = None) -> str:
    """A difference as "male" minus "female", the levels cut to a width where one is given."""
    level, versus = (
        text_of(row, name) if width is None else shortened(row[name], width) for name in ("level", "versus")
    )
    return f"{level} {MINUS} {versus}"


def ordered_pairs(rows: pd.DataFrame) -> pd.DataFrame:
    """Differences with the largest first."""
    return rows.loc[steady(rows["mean"].abs()).sort_values(ascending=False, kind="stable").index]


def fixed_at_zero(rows: pd.DataFrame) -> bool:
    """Whether differences are zero because the model says so, which is no finding."""
    return bool(len(rows)) and bool(((rows["mean"] == 0) & (rows["sd"] == 0)).all())


def _part(view: View, factor: str, position: int) -> dict[str, Any]:
    fit, estimates, small = view.fit, view.estimates, view.small
    means = estimates.where("mean", factor=factor)
    slopes = estimates.where("slope_by_level", factor=factor)
    same_slope = fixed_at_zero(estimates.where("contrast_of_slopes", factor=factor))
    if same_slope:
        slopes = slopes.iloc[:0]
    pooled = next((f for f in fit.design.factors if f.name == factor), None)
    pictures = [_level_picture(fit, estimates, means, f"means-{position}", "Adjusted mean", factor)]
    if pooled is not None and (pooling := pooling_picture(view, pooled, f"pooling-{position}")) is not None:
        pictures.append(pooling)
    if len(slopes):
        pictures.append(_level_picture(fit, estimates, slopes, f"slopes-{position}", "Slope", factor))
        focal = str(slopes["term"].iloc[0])
        if (lines := group_lines_picture(view, factor, focal, f"lines-{position}")) is not None:
            pictures.append(lines)
    tables = [_level_table(fit, estimates, means, slopes, factor, position, small)]
    for of in ("mean", "slope"):
        rows = ordered_pairs(estimates.where(f"contrast_of_{of}s", factor=factor))
        if len(rows) and not fixed_at_zero(rows):
            tables.append(
                _pair_table(estimates, rows, estimates.where(f"cohens_d_of_{of}s", factor=factor), of, factor, position)
            )
            if 2 < len(rows) <= MOST_PAIRS:
                pictures.append(_pair_picture(estimates, rows, of, factor, position))
    return {
        "id": f"group-{position}",
        "title": capital(factor_name(factor)),
        "sentence": None if pooled is None else pooling_sentence(pooled),
        "note": _NOTES.get(factor),
        "same_slope": same_slope,
        "pictures": pictures,
        "tables": tables,
    }


def _level_picture(
    fit: FittedModel, estimates: Estimates, rows: pd.DataFrame, name: str, what: str, factor: str
) -> Picture:
    rows = rows[rows["mean"].notna()]
    if len(rows) > SORTED_ABOVE:
        rows = rows.sort_values("mean", ascending=False, kind="stable", key=steady)
    lines = [_line(row, text_of(row, "level")) for _, row in rows.iterrows()]
    unit = text_of(rows.iloc[0], "unit") if len(rows) else ""
    focal = fit.spec.focal_predictor(fit.design)
    of = f"of {column_name(fit.design.outcome.name)}" if what == "Adjusted mean" else f"of {column_name(focal or '')}"
    title = f"{what} {of} by {factor_name(factor)}"
    named = all_named(len(lines))
    overall = float(fit.design.average(fit.design.outcome.values)) if what == "Adjusted mean" else 0.0
    painter = forest(lines, label=_wrapped(what, unit, estimates.interval_heading()), reference=overall)
    ends = [f"{text_of(row, 'level')}: {estimates.mean(row)} {estimates.interval(row)}" for _, row in rows.iterrows()]
    listed = "; ".join(ends) if len(ends) <= SORTED_ABOVE else f"{ends[0]} at the top to {ends[-1]} at the bottom"
    description = f"Point and {estimates.interval_heading()} for each of {count(len(lines))} levels. {listed}."
    caption = f"Posterior mean and {estimates.interval_heading()}" + (
        "" if named else f" of {count(len(lines))} levels; the {NAMED_ENDS} at either end are named"
    )
    caption += "; dashed: mean of all analysed." if what == "Adjusted mean" else "; dashed: no association."
    markup = draw(painter, name=name, title=title, description=description, size=forest_size(len(lines)))
    data = interval_data(
        name,
        f"{title} ({unit})",
        estimates,
        rows,
        lambda row: text_of(row, "level"),
        "Level",
    )
    return Picture(title, caption, markup, data)


def _pair_picture(estimates: Estimates, rows: pd.DataFrame, of: str, factor: str, position: int) -> Picture:
    lines = [_line(row, pair_name(row, width=13)) for _, row in rows.iterrows()]
    first = rows.iloc[0]
    limits = (
        (float(first["rope_low"]), float(first["rope_high"]))
        if pd.notna(first["rope_low"]) and pd.notna(first["rope_high"])
        else None
    )
    title = f"Differences of {'adjusted means' if of == 'mean' else 'slopes'} by {factor_name(factor)}"
    painter = forest(
        lines,
        label=_wrapped("Difference", text_of(first, "unit"), estimates.interval_heading()),
        reference=0.0,
        rope=limits,
    )
    listed = "; ".join(
        f"{pair_name(row)}: {estimates.mean(row)} {estimates.interval(row)}" for _, row in rows.iterrows()
    )
    caption = f"Posterior mean and {estimates.interval_heading()}" + (
        "; grey: region of practical equivalence." if limits else "."
    )
    markup = draw(
        painter, name=f"pairs-{of}-{position}", title=title, description=f"{listed}.", size=forest_size(len(lines))
    )
    data = interval_data(
        f"pairs-{of}-{position}", f"{title} ({text_of(first, 'unit')})", estimates, rows, pair_name, "Difference"
    )
    return Picture(title, caption, markup, data)


def _level_table(
    fit: FittedModel,
    estimates: Estimates,
    means: pd.DataFrame,
    slopes: pd.DataFrame,
    factor: str,
    position: int,
    small: int,
) -> Table:
    people = shown_counts(fit, factor, small)
    heading = estimates.interval_heading()
    headings = ["Level", "People", "Adjusted mean", heading]
    by_level = {text_of(row, "level"): row for _, row in slopes.iterrows()}
    ranks = (
        {text_of(row, "level"): row for _, row in estimates.where("rank_of_mean", factor=factor).iterrows()}
        if len(means) > 2
        else {}
    )
    headings += ["Rank of the mean", heading] if ranks else []
    headings += ["Slope", heading, "Probability of direction"] if by_level else []
    if len(means) > SHOWN:
        means = means.sort_values("mean", ascending=False, kind="stable", key=steady)
    rows = []
    for _, row in means.iterrows():
        level = text_of(row, "level")
        cells = [
            level,
            people[str(row["level"])].text if str(row["level"]) in people else NOT_SHOWN,
            estimates.mean(row),
            estimates.interval(row),
        ]
        if ranks:
            rank = ranks.get(level)
            cells += ["–", "–"] if rank is None else [estimates.mean(rank), estimates.interval(rank)]
        if by_level:
            slope = by_level.get(level)
            cells += (
                ["–", "–", "–"]
                if slope is None
                else [estimates.mean(slope), estimates.interval(slope), estimates.direction(slope)]
            )
        rows.append(cells)
    what = f"adjusted mean in {units(unit_of(fit.design, fit.design.outcome.name))}"
    what += f", slope in {text_of(slopes.iloc[0], 'unit')}" if len(slopes) else ""
    population = text_of(means.iloc[0], "population") if len(means) else ""
    where = {
        "sample": "averaged over those analysed",
        "equal": "averaged over all levels equally",
        "new": "for a new level",
    }
    population = where.get(population, clean(population))
    caption = f"{capital(factor_name(factor))}: {what}, {population}; posterior means"
    half = SHOWN // 2
    shown, note = (
        (rows, "")
        if len(rows) <= SHOWN
        else (rows[:half] + rows[-half:], f"The {half} highest and the {half} lowest of {count(len(rows))} levels.")
    )
    return _cut(f"table-levels-{position}", caption, headings, shown, rows, (), note)


def _pair_table(
    estimates: Estimates, rows: pd.DataFrame, sizes: pd.DataFrame, of: str, factor: str, position: int
) -> Table:
    heading = estimates.interval_heading()
    ropes, relevants = rows["rope_low"].notna().any(), of == "mean" and rows["relevant"].notna().any()
    headings = ["Difference", "Mean", heading, "Probability of direction"]
    headings += ["Probability in ROPE"] if ropes else []
    priors = rows["p_rope_prior"].notna().any()
    headings += ["Prior’s probability in ROPE"] if priors else []
    headings += [f"Probability of {rows.iloc[0]['relevant']:g} or more"] if relevants else []
    by_pair = {(row["level"], row["versus"]): row for row in sizes.to_dict("records")}
    if by_pair:
        headings += [f"Cohen’s d ({text_of(sizes.iloc[0], 'denominator')})", heading]
    cells = []
    for row in rows.to_dict("records"):
        line = [pair_name(row), estimates.mean(row), estimates.interval(row), estimates.direction(row)]
        line += [estimates.share(row, "p_rope")] if ropes else []
        line += [estimates.share(row, "p_rope_prior")] if priors else []
        line += [estimates.share(row, "p_relevant")] if relevants else []
        if by_pair:
            size = by_pair.get((row["level"], row["versus"]))
            line += ["–", "–"] if size is None else [estimates.mean(size), estimates.interval(size)]
        cells.append(line)
    what = "adjusted means" if of == "mean" else "slopes"
    unit = text_of(rows.iloc[0], "unit")
    caption = f"{capital(factor_name(factor))}: differences of {what}, {unit}; posterior means"
    note = "" if len(cells) <= SHOWN else f"The {SHOWN} largest of {count(len(cells))} differences."
    if of == "slope" and ropes:
        note = f"{note} {SLOPES_JUDGED} Here ±{derived(float(rows.iloc[0]['rope_high']))} {units(unit)}.".strip()
    return _cut(f"table-{of}-pairs-{position}", caption, headings, cells[:SHOWN], cells, (), note)


def _cut(
    name: str,
    caption: str,
    headings: Sequence[str],
    shown: Sequence[Sequence[str]],
    rows: Sequence[Sequence[str]],
    words: Sequence[int],
    note: str,
) -> Table:
    if len(rows) > MOST_ROWS:
        note = f"{note} The page lists the first {count(MOST_ROWS)}; all are in the JSON file.".strip()
    return Table.of(
        name, caption, headings, shown, words=words, note=note, more=rows[:MOST_ROWS] if len(rows) > len(shown) else ()
    )


def _line(row: pd.Series, label: str) -> Interval:
    return Interval(label, float(row["mean"]), float(row["lower"]), float(row["upper"]))


def _wrapped(what: str, unit: str, interval: str) -> str:
    return f"{what} ({unit}),\n{interval}"
