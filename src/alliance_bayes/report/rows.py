"""Rows of an effects table as a page shows them: what they are called, as a table and as a forest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from alliance_bayes.effects import EffectTable
from alliance_bayes.effects.at import at_words
from alliance_bayes.model import Design
from alliance_bayes.report.estimates import Estimates, Figures, float_of, text_of, words_of
from alliance_bayes.report.forest import Forest, Interval, forest_size
from alliance_bayes.report.svg import Picture
from alliance_bayes.report.tables import Table
from alliance_bayes.report.text import (
    MINUS,
    PROBABILITY,
    Row,
    capital,
    clean,
    column_name,
    count,
    factor_name,
    is_probability,
    percent_unit,
    proportion,
    step_of,
    unit_of,
    units,
)

__all__ = [
    "MOST_ROWS",
    "Column",
    "Label",
    "beside",
    "condition",
    "described",
    "effect_table",
    "estimate_columns",
    "forest_of",
    "forest_picture",
    "measured",
    "measured_where",
    "notes_of",
    "rope_of",
    "row_words",
    "rows_of",
]

#: What a row is called.
type Label = Callable[[Any], str]
#: Rows a page can bear; the JSON has the rest.
MOST_ROWS = 1000
# Probabilities of a row that are shown where any row has what stands first, each under its heading.
_JUDGED: Mapping[str, tuple[str, str]] = {
    "p_rope": ("rope_low", "Probability in ROPE"),
    "p_rope_prior": ("p_rope_prior", "Prior’s probability in ROPE"),
    "p_relevant": ("relevant", "Probability of {:g} or more, up or down"),
}


def measured(table: EffectTable, row: Row, *, design: Design | None = None, short: bool = False, **words: str) -> str:
    """What a row is called, as its estimand has it; by its name with blanks where none says.

    Parameters
    ----------
    table, row
        A table of effects and one of its rows.
    design
        Tells the unit of the row's term.
    short
        Whether the table says the rest.
    **words
        What the label has in braces, in place of what the row says.
    """
    of, name = table.measure(str(row["estimand"])), clean(row["estimand"]).replace("_", " ")
    return clean(((of.short if short else of.label) or name).format(**(row_words(row, design) | words)))


def measured_where(table: EffectTable, row: Row, *, design: Design) -> str:
    """The same with the row's level, or pair of levels, where that does not say it, and the values that are set."""
    name, words = measured(table, row, design=design), row_words(row, design)
    where = words["level"] + (f" {MINUS} {words['versus']}" if words["versus"] else "")
    name = capital(name if not where or words["level"] in name else f"{name}: {where}")
    return f"{name}, {clean(at_words(row['at'], column_name))}" if isinstance(row["at"], str) else name


def row_words(row: Row, design: Design | None = None) -> dict[str, str]:
    """What the words of an estimand have in braces, as a row of it says them."""
    term, factor, level, versus, change = (
        row[key] if isinstance(row[key], str) else "" for key in ("term", "factor", "level", "versus", "denominator")
    )
    unit = step = ""
    if design is not None and term in design.frame:
        unit, step = unit_of(design, term), step_of(design, term)
    # What is of a factor as a whole has no term.
    of = column_name(term) if term else factor_name(factor)
    words = {"term": of, "unit": unit, "units": units(unit), "step": step, "factor": factor_name(factor)}
    return words | {"level": condition(clean(level)), "versus": condition(clean(versus)), "change": clean(change)}


def condition(level: str) -> str:
    """A level, or the value that a predictor is held at, in words: "baseline WHO-5 of 68"."""
    column, equals, value = level.partition(" = ")
    return f"{column_name(column)} of {value}" if equals else level


def rows_of(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as mappings, which are read ten times as fast as Series, each with its id."""
    names, values = [*map(str, rows.columns), "id"], pd.DataFrame(rows).to_numpy(dtype=object).tolist()
    return [dict(zip(names, (*row, str(name)), strict=True)) for row, name in zip(values, rows.index, strict=True)]


@dataclass(frozen=True)
class Column:
    """A column of a table of effects: its heading, what it says of a row, and whether that is words."""

    heading: str
    cell: Label
    words: bool = False


def estimate_columns(
    estimates: Estimates,
    rows: pd.DataFrame,
    *,
    mean: str = "Mean",
    figures: Figures | None = None,
    direction: bool | None = None,
    judged: Sequence[str] = tuple(_JUDGED),
) -> list[Column]:
    """Columns of mean and interval and, where they apply, of probabilities.

    Parameters
    ----------
    estimates
        Knows how the numbers are printed.
    rows
        What the columns are of: they tell which probabilities apply.
    mean
        Heading of the mean.
    figures
        What gives mean and interval of a row; by default as numbers.
    direction
        Whether there is the probability of direction; by default where a row has one.
    judged
        Which other probabilities there are where a row has one.
    """
    of = estimates.figures if figures is None else figures
    columns = [
        Column(mean, lambda row: of(row)[0]),
        Column(estimates.interval_heading(), lambda row: of(row)[1]),
    ]
    if rows["p_direction"].notna().any() if direction is None else direction:
        columns.append(Column("Probability of direction", estimates.direction))
    for name in judged:
        judge, heading = _JUDGED[name]
        if rows[judge].notna().any():
            columns.append(Column(heading.format(rows[judge].max()), partial(estimates.share, column=name)))
    if judged and rows["fmi"].notna().any():
        columns.append(Column("Missing information", lambda row: proportion(float_of(row["fmi"]))))
    return columns


def beside(rows: pd.DataFrame, columns: Iterable[Column], *key: str) -> list[Column]:
    """Columns that say of a row what they say of that of `rows` with the same key, or a dash; none without rows."""
    others = {tuple(row[name] for name in key): row for row in rows_of(rows)}

    def of_other(column: Column) -> Column:
        def cell(row: Row) -> str:
            other = others.get(tuple(row[name] for name in key))
            return "–" if other is None else column.cell(other)

        return replace(column, cell=cell)

    return [of_other(column) for column in columns] if others else []


def effect_table(
    name: str,
    caption: str,
    rows: pd.DataFrame,
    columns: Sequence[Column],
    *,
    note: str = "",
    at_once: int | None = None,
    folded: bool = False,
) -> Table:
    """Rows of an effects table as a table of the page.

    Parameters
    ----------
    name, caption, note
        See :class:`Table`.
    rows
        From top to bottom.
    columns
        What is said of every row.
    at_once
        Rows that are shown before more are asked for; all by default.
    folded
        Whether the whole is shown only when asked for.
    """

    def cells(some: pd.DataFrame) -> list[list[str]]:
        return [[clean(column.cell(row)) for column in columns] for row in rows_of(some)]

    listed, few = cells(rows.iloc[:MOST_ROWS]), len(rows) if at_once is None else min(at_once, len(rows))
    if len(rows) > MOST_ROWS:
        note = f"{note} The page lists the first {count(MOST_ROWS)}; all are in the JSON file.".strip()
    return Table.of(
        name,
        caption,
        [column.heading for column in columns],
        listed[:few],
        words=[place for place, column in enumerate(columns) if column.words],
        note=note,
        more=listed if few < len(rows) else (),
        folded=folded,
    )


def notes_of(rows: pd.DataFrame, label: Label) -> str:
    """The rows' notes with the row that each is about; one that several rows share is said once."""
    notes: dict[str, list[str]] = {}
    for row in rows_of(rows):
        if note := words_of(row, "note"):
            notes.setdefault(note, []).append(clean(label(row)))
    return " ".join(f"{of[0]}: {note}." if len(of) == 1 else f"{capital(note)}." for note, of in notes.items())


def described(
    estimates: Estimates, rows: pd.DataFrame, label: Label, *, figures: Figures | None = None, then: str = ": "
) -> list[str]:
    """Every row in words: what it is called, mean and interval."""
    printed = figures or estimates.figures
    return [f"{clean(label(row))}{then}{' '.join(printed(row))}" for row in rows_of(rows)]


def rope_of(row: Row) -> tuple[float, float] | None:
    """Ends of a row's region of practical equivalence; None where it has none."""
    low, high = float_of(row["rope_low"]), float_of(row["rope_high"])
    return None if np.isnan(low) or np.isnan(high) else (low, high)


def forest_of(
    estimates: Estimates,
    rows: pd.DataFrame,
    *,
    axis: str,
    label: Label,
    figures: Figures | None = None,
    people: Label | None = None,
    **drawn: Any,
) -> Forest:
    """Rows of an effects table as a painter; `drawn` are fields of it, the others as for :func:`forest_picture`."""
    lines = [
        Interval(
            label(row),
            float_of(row["mean"]),
            float_of(row["lower"]),
            float_of(row["upper"]),
            people="" if people is None else people(row),
            printed=estimates.printed(row, figures),
        )
        for row in rows_of(rows)
    ]
    probable = [is_probability(text_of(row, "unit")) for row in rows_of(rows)]
    drawn["shares"] = drawn.get("shares", False) or (bool(probable) and all(probable))
    drawn["points"] = percent_unit(PROBABILITY) in axis
    return Forest(
        lines,
        label=axis,
        people="" if people is None else "People",
        printed=f"Mean ({estimates.interval_heading().split()[0]} interval)",
        **drawn,
    )


def forest_picture(
    name: str,
    title: str,
    estimates: Estimates,
    rows: pd.DataFrame,
    *,
    caption: str,
    axis: str,
    heading: str,
    label: Label,
    line: Label | None = None,
    figures: Figures | None = None,
    shares: bool = False,
    people: Label | None = None,
    reference: float | None = 0.0,
    overall: float | None = None,
    rope: tuple[float, float] | None = None,
    relevant: float | None = None,
    width: int = 34,
    inches: float | None = None,
    description: str | None = None,
    data_title: str | None = None,
    data: Table | None = None,
    shown: Callable[[str], str] = str,
) -> Picture:
    """Rows of an effects table as a forest plot, with its words and its data.

    Parameters
    ----------
    name, title, caption
        Id, heading and words of the figure.
    estimates, figures
        See :func:`estimate_columns`.
    rows
        One line each, from top to bottom.
    axis
        What the horizontal axis measures, with its unit; the interval is added.
    heading, label
        Heading of the data's first column, and what it calls a row.
    line
        What the drawing calls a row; by default the same.
    shares
        Whether the axis is in per cent.
    people
        How many people a row is of, as the page may show it.
    reference, overall, rope, relevant, width
        See :class:`alliance_bayes.report.forest.Forest`.
    inches
        Width of the figure; by default what so many lines need.
    description
        What the figure shows, in words; by default every row.
    data_title
        Caption of the data; by default the title.
    data
        A table of the same rows that says more; by default one of their estimates.
    shown
        What is done to every text in the drawing.
    """
    usual, height = forest_size(len(rows))
    if data is None:
        columns = [Column(heading, label), *([] if people is None else [Column("People", people)])]
        columns += estimate_columns(estimates, rows, figures=figures, direction=False, judged=())
        data = effect_table(f"{name}-data", data_title or title, rows, columns)
    painter = forest_of(
        estimates,
        rows,
        axis=axis,
        label=line or label,
        figures=figures,
        shares=shares,
        people=people,
        reference=reference,
        overall=overall,
        rope=rope,
        relevant=relevant,
        width=width,
    )
    return Picture.drawn(
        painter,
        name=name,
        title=title,
        caption=caption,
        description=description or f"{'; '.join(described(estimates, rows, label, figures=figures))}.",
        size=(inches or usual, height),
        data=data,
        shown=shown,
    )
