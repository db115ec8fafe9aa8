"""Rows of an effects table as a table and a figure of the study's page, and how many rows each model has."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import pandas as pd

from alliance_bayes.effects import COLUMNS, EffectTable
from alliance_bayes.fit import FittedModel
from alliance_bayes.report.estimates import Estimates, text_of, words_of
from alliance_bayes.report.forest import IN_ORDER, NAMED_ENDS, all_named
from alliance_bayes.report.groups import in_order
from alliance_bayes.report.privacy import ShownFlow
from alliance_bayes.report.rows import (
    Column,
    Label,
    condition,
    described,
    effect_table,
    estimate_columns,
    forest_picture,
    notes_of,
    rows_of,
)
from alliance_bayes.report.small_counts import NOT_SHOWN
from alliance_bayes.report.svg import Picture
from alliance_bayes.report.tables import Table
from alliance_bayes.report.text import (
    MINUS,
    PROBABILITY,
    Row,
    capital,
    column_name,
    count,
    derived,
    factor_name,
    join,
)
from alliance_bayes.study.runner import Fitted

__all__ = [
    "AT_ONCE",
    "analysed",
    "block_forest",
    "block_forests",
    "block_table",
    "factor_order",
    "joined",
    "level_name",
    "one_row",
    "prefix_of",
    "rows_text",
    "shown",
    "shown_rows",
]

#: What is per unit of a predictor, and so judged by no margin in points.
PER_UNIT = ("slope", "slope_in_sample", "slope_per_sd", "slope_at")
#: Rows of a table that are shown at once.
AT_ONCE = 16


def shown(rows: EffectTable) -> Estimates:
    """An effects table that knows how its numbers are printed; the study names no level that may be one person."""
    return Estimates(rows, ())


def level_name(row: Row) -> str:
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


def block_table(
    name: str,
    caption: str,
    rows: EffectTable,
    *,
    label: Label = level_name,
    heading: str = "Quantity",
    direction: bool | None = None,
    further: Sequence[Column] = (),
    at_once: int | None = AT_ONCE,
) -> Table:
    """Rows with mean, interval and, where they apply, probabilities.

    Parameters
    ----------
    name, caption
        See :class:`Table`.
    rows
        What is shown.
    label, heading
        What the first column says of a row, and its heading.
    direction
        Whether there is a column with the probability of direction; by default where a row has one.
    further
        Columns after the estimates.
    at_once
        Rows that are shown before more are asked for.
    """
    rows = judged_once(rows)
    estimates = shown(rows)
    units = {words_of(row, "unit") for row in rows_of(rows)}
    # A unit that all rows share is said once. Shares are percentages, and differences of shares percentage points.
    if units == {PROBABILITY}:
        differ = all(rows.measure(str(name)).difference for name in set(rows["estimand"]))
        units, caption = set(), f"{caption} ({'percentage points' if differ else 'percentages'})"
    elif len(units) == 1:
        caption = f"{caption} ({units.pop()})"
    estimated = estimate_columns(estimates, rows, direction=direction)
    columns = [Column(heading, label), *estimated, *further]
    columns = [replace(column, heading=_heading(column.heading, rows)) for column in columns]
    columns += [Column("Unit", _unit, words=True)] if units else []
    return effect_table(name, caption, rows, columns, note=notes_of(rows, label), at_once=at_once)


def judged_once(rows: EffectTable) -> EffectTable:
    """Rows of which those per unit of a predictor have no verdict: the declared contrast has it."""
    per_unit = rows["estimand"].isin(PER_UNIT)
    if not per_unit.any():
        return rows
    empty = {name: rows[name].mask(per_unit) for name in ("rope_low", "rope_high", "p_rope", "relevant", "p_relevant")}
    return rows.assign(**empty)


def _heading(heading: str, rows: EffectTable) -> str:
    """A heading that says which margin it is about."""
    limits = {float(limit) for limit in rows["rope_high"].dropna()}
    limit = f"within ±{derived(limits.pop())}" if len(limits) == 1 else "within its margin"
    return {
        "Probability in ROPE": f"Probability {limit} (negligible)",
        "Prior’s probability in ROPE": "The same before the data",
    }.get(heading, heading)


def block_forest(
    name: str,
    title: str,
    rows: EffectTable,
    *,
    axis: str,
    caption: str,
    label: Label = level_name,
    people: Label | None = None,
    reference: float | None = None,
    rope: tuple[float, float] | None = None,
    data: Table | None = None,
) -> Picture:
    """Rows as a forest plot; those without an estimate are named in its description alone.

    Parameters
    ----------
    name, title, caption, axis, label, people, reference, rope, data
        See :func:`alliance_bayes.report.rows.forest_picture`.
    rows
        One line each; those about one factor stay together.
    """
    rows = in_order(rows)
    estimates = shown(rows)
    return forest_picture(
        name,
        title,
        estimates,
        rows[rows["mean"].notna()],
        caption=caption,
        axis=axis,
        heading="Line",
        label=label,
        people=people,
        data=data,
        reference=reference,
        rope=rope,
        description=f"{'; '.join(described(estimates, rows, label))}.",
        data_title=f"{title}: {axis}",
    )


def _unit(row: Row) -> str:
    """What a row's numbers count; percentages say it themselves."""
    return "–" if text_of(row, "unit") == PROBABILITY else words_of(row, column="unit")


def block_forests(
    name: str,
    title: str,
    rows: EffectTable,
    *,
    axis: str,
    caption: str,
    people: Label | None = None,
    reference: float | None = None,
    table: Callable[[str, EffectTable], Table] | None = None,
) -> list[Picture]:
    """Groups as forest plots: factors of a few levels together, those of many each alone, ordered by their means.

    Parameters
    ----------
    name, title, axis, caption, people, reference
        See :func:`block_forest`; "by ..." is added to the title.
    rows
        One row a level.
    table
        Makes a table of rows that says more of them, with its id.
    """
    counts = rows["factor"].value_counts(sort=False)
    few = [str(factor) for factor in counts.index if counts[factor] <= IN_ORDER]
    pictures = []
    for place, factors in enumerate([few, *([str(f)] for f in counts.index if str(f) not in few)]):
        groups = rows[rows["factor"].isin(factors)]
        if not len(groups):
            continue
        many = len(factors) == 1 and len(groups) > IN_ORDER
        pictures.append(
            block_forest(
                f"{name}-{place}",
                f"{title} by {join([factor_name(factor) for factor in factors])}",
                groups,
                axis=axis,
                caption=f"{caption} {_levels_named(len(groups))}" if many else caption,
                label=partial(text_of, column="level") if many else level_name,
                people=people,
                reference=reference,
                data=None if table is None else table(f"-{place}", in_order(groups)),
            )
        )
    return pictures


def _levels_named(levels: int) -> str:
    """How many levels of one factor a figure has, and which of them it names."""
    ends = "" if all_named(levels) else f", of which the {NAMED_ENDS} at either end are named"
    return f"{count(levels)} levels{ends}."


def joined(tables: Sequence[EffectTable]) -> EffectTable:
    """Tables below each other; of none, a table without rows."""
    return EffectTable.concat(tables) if tables else EffectTable(columns=list(COLUMNS))


def factor_order(rows: EffectTable) -> EffectTable:
    """Rows by what they are about: overall, then by factor and level, so that several models' stand together."""
    names = {name: place for place, name in enumerate(dict.fromkeys(level_name(row) for row in rows_of(rows)))}

    def place(row: Row) -> tuple[bool, str, int]:
        about = bool(text_of(row, "level"))
        return about, factor_name(text_of(row, "factor")) if about else "", names[level_name(row)] if about else 0

    keys = [place(row) for row in rows_of(rows)]
    return rows.iloc[sorted(range(len(rows)), key=keys.__getitem__)]


def one_row(rows: EffectTable, estimand: str, prefix: str = "") -> pd.Series:
    """The first row of an estimand, of those with a prefix where one is given."""
    for place, row in enumerate(rows_of(rows)):
        if row["estimand"] == estimand and (not prefix or prefix_of(row) == prefix):
            return rows.iloc[place]
    raise KeyError(f"no row {prefix}/{estimand}")


def prefix_of(row: Row) -> str:
    """The prefix of a row's id."""
    return str(row["id"]).partition("/")[0]


# Whose rows are not people but sessions, of which no few can be told.
_OF_SESSIONS = ("growth",)


def analysed(model: Fitted) -> int:
    """Rows that a model was fitted to; people, for the model of single ratings."""
    return model.fit.flow.analysed if isinstance(model.fit, FittedModel) else int(model.fit.info["people"])


def shown_rows(fitted: Mapping[str, Fitted], small: int) -> dict[str, int | None]:
    """Numbers of rows by model, None where one is not told.

    Parameters
    ----------
    fitted
        The models by name; among them ``outcome_everybody``, and ``outcome_elevated`` where it is fitted.
    small
        Fewest people that a shown count stands for.

    Notes
    -----
    A model's rows are mostly another's, so that differences of such numbers, and differences of differences, count the
    few who lack a value. Told are therefore only those analysed for the association, everybody in the table where the
    flow tells it, the elevated where neither they nor the others are few, and what is the same as one of these.
    """
    first = fitted["outcome_everybody"].fit
    assert isinstance(first, FittedModel)
    flow = ShownFlow.of(first.flow, small)
    told = {flow.analysed, flow.total}
    if "outcome_elevated" in fitted:
        elevated = analysed(fitted["outcome_elevated"])
        if min(elevated, flow.analysed - elevated) >= small:
            told.add(elevated)
    sizes = {name: analysed(model) for name, model in fitted.items()}
    return {name: size if size in told or name in _OF_SESSIONS else None for name, size in sizes.items()}


def rows_text(number: int | None) -> str:
    """The number in a table, or a dash."""
    return NOT_SHOWN if number is None else count(number)
