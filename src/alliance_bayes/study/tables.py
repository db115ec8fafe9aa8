"""Rows of an effects table as a table and a figure of the study's page."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd

from alliance_bayes.effects import COLUMNS, EffectTable
from alliance_bayes.effects.table import steady
from alliance_bayes.report.estimates import Estimates, text_of
from alliance_bayes.report.figure_data import interval_data
from alliance_bayes.report.forest import Interval, forest, forest_size
from alliance_bayes.report.sections import Picture
from alliance_bayes.report.svg import draw
from alliance_bayes.report.tables import Table
from alliance_bayes.report.text import MINUS, capital, clean, join
from alliance_bayes.report.words import column_name, factor_name

__all__ = [
    "FEW_LEVELS",
    "Label",
    "condition",
    "effect_table",
    "forest_picture",
    "forest_pictures",
    "joined",
    "level_name",
    "one_row",
    "prefix_of",
    "prefixed",
    "shown",
]

#: Levels up to which a factor's groups share a figure and every pair is compared.
FEW_LEVELS = 6

Label = Callable[[pd.Series], str]


def shown(rows: EffectTable) -> Estimates:
    """An effects table that knows how its numbers are printed; the study names no level that may be one person."""
    return Estimates(rows, ())


def condition(level: str) -> str:
    """A level, or the value that a predictor is held at, in words: "baseline WHO-5 of 68"."""
    column, equals, value = level.partition(" = ")
    return f"{column_name(column)} of {value}" if equals else level


def level_name(row: pd.Series) -> str:
    """What a row is about: a level, a pair of levels, or the quantity itself."""
    level, versus, factor = (text_of(row, name) for name in ("level", "versus", "factor"))
    column, held, value = level.partition(" = ")
    if level and versus:
        # Two values of one predictor: "baseline WHO-5: 68 - 20".
        if held and versus.startswith(f"{column} = "):
            return f"{column_name(column)}: {value} {MINUS} {versus.removeprefix(f'{column} = ')}"
        return f"{level} {MINUS} {versus}"
    if level:
        return f"{capital(factor_name(factor))}: {level}" if factor and not held else condition(level)
    return capital(text_of(row, "estimand").replace("_", " "))


def effect_table(
    name: str,
    caption: str,
    rows: EffectTable,
    *,
    label: Label = level_name,
    heading: str = "Quantity",
    note: str = "",
    direction: bool | None = None,
) -> Table:
    """Rows with mean, interval and, where they apply, probabilities.

    Parameters
    ----------
    name, caption, note
        See :class:`Table`.
    rows
        What is shown.
    label, heading
        What the first column says of a row, and its heading.
    direction
        Whether there is a column with the probability of direction; by default where a row has one.
    """
    estimates = shown(rows)
    directed = bool(rows["p_direction"].notna().any()) if direction is None else direction
    ropes, relevants = bool(rows["rope_low"].notna().any()), bool(rows["relevant"].notna().any())
    headings = [heading, "Mean", estimates.interval_heading()]
    headings += ["Probability of direction"] if directed else []
    headings += ["Probability in ROPE"] if ropes else []
    priors = bool(rows["p_rope_prior"].notna().any())
    headings += ["Prior’s probability in ROPE"] if priors else []
    headings += [f"Probability of {rows['relevant'].max():g} or more"] if relevants else []
    # A unit that all rows share is said once.
    shared = {text_of(row, "unit") for _, row in rows.iterrows()} if len(rows) else set()
    if len(shared) == 1:
        unit = shared.pop()
        caption = caption if unit == "probability" else f"{caption} ({unit})"
    headings += ["Unit"] if shared else []
    cells: list[list[str]] = []
    notes: dict[str, list[str]] = {}
    for _, row in rows.iterrows():
        line = [clean(label(row)), estimates.mean(row), estimates.interval(row)]
        line += [estimates.direction(row)] if directed else []
        line += [estimates.share(row, "p_rope")] if ropes else []
        line += [estimates.share(row, "p_rope_prior")] if priors else []
        line += [estimates.share(row, "p_relevant")] if relevants else []
        cells.append([*line, *([text_of(row, "unit")] if shared else [])])
        if extra := text_of(row, "note"):
            notes.setdefault(extra, []).append(clean(label(row)))
    more = cells if len(cells) > 16 else []
    return Table.of(
        name,
        caption,
        headings,
        cells[:16],
        words=(len(headings) - 1,) if shared else (),
        note=" ".join(filter(None, (note, *(_noted(text, rows) for text, rows in notes.items())))),
        more=more,
    )


def _noted(text: str, rows: Sequence[str]) -> str:
    """A note with the row that it is about; one that several rows share is said once."""
    return f"{rows[0]}: {text}." if len(rows) == 1 else f"{capital(text)}."


def forest_picture(
    name: str,
    title: str,
    rows: EffectTable,
    *,
    axis: str,
    caption: str,
    label: Label = level_name,
    reference: float | None = None,
    rope: tuple[float, float] | None = None,
) -> Picture:
    """Rows as a forest plot.

    Parameters
    ----------
    name, title, caption
        Id, heading and words of the figure.
    rows
        One line each, from top to bottom.
    axis
        What the horizontal axis measures, with its unit.
    label
        What a line is called.
    reference, rope
        Where a line and a band are drawn.
    """
    estimates = shown(rows)
    lines = [
        Interval(clean(label(row)), float(row["mean"]), float(row["lower"]), float(row["upper"]))
        for _, row in rows.iterrows()
        if pd.notna(row["mean"])
    ]
    described = "; ".join(
        f"{clean(label(row))}: {estimates.mean(row)} {estimates.interval(row)}" for _, row in rows.iterrows()
    )
    painter = forest(lines, label=f"{axis},\n{estimates.interval_heading()}", reference=reference, rope=rope)
    markup = draw(painter, name=name, title=title, description=f"{described}.", size=forest_size(len(lines)))
    data = interval_data(name, f"{title}: {axis}", estimates, rows[rows["mean"].notna()], label, "Line")
    return Picture(title, caption, markup, data)


def forest_pictures(
    name: str, title: str, rows: EffectTable, *, axis: str, caption: str, reference: float | None = None
) -> list[Picture]:
    """Groups as forest plots: factors of a few levels together, those of many each alone, ordered by their means.

    Parameters
    ----------
    name, title, axis, caption, reference
        See :func:`forest_picture`; "by ..." is added to the title.
    rows
        One row a level.
    """
    counts = rows["factor"].value_counts(sort=False)
    few = [str(factor) for factor in counts.index if counts[factor] <= FEW_LEVELS]
    pictures = []
    for place, factors in enumerate([few, *([str(f)] for f in counts.index if str(f) not in few)]):
        own = rows[rows["factor"].isin(factors)]
        if not len(own):
            continue
        many = len(factors) == 1 and len(own) > FEW_LEVELS
        pictures.append(
            forest_picture(
                f"{name}-{place}",
                f"{title} by {join([factor_name(factor) for factor in factors])}",
                own.sort_values("mean", ascending=False, kind="stable", key=steady) if many else own,
                axis=axis,
                caption=caption,
                label=(lambda row: text_of(row, "level")) if many else level_name,
                reference=reference,
            )
        )
    return pictures


def prefixed(table: EffectTable, prefix: str, *, estimands: Sequence[str] = ()) -> EffectTable:
    """Rows (of some estimands) with a prefix before their ids, so that tables of several fits can be joined.

    Parameters
    ----------
    table
        Of one fit.
    prefix
        Says which fit.
    estimands
        Which rows; all by default.
    """
    return (table[table["estimand"].isin(estimands)] if estimands else table).under(prefix)


def joined(tables: Sequence[EffectTable]) -> EffectTable:
    """Tables below each other; of none, a table without rows."""
    return EffectTable.concat(tables) if tables else EffectTable(columns=list(COLUMNS))


def one_row(rows: EffectTable, estimand: str, prefix: str = "") -> pd.Series:
    """The first row of an estimand, of those with a prefix where one is given."""
    for _, row in rows.iterrows():
        if row["estimand"] == estimand and (not prefix or prefix_of(row) == prefix):
            return row
    raise KeyError(f"no row {prefix}/{estimand}")


def prefix_of(row: pd.Series) -> str:
    """The prefix of a row's id."""
    return str(row.name).partition("/")[0]
