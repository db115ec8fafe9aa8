"""One table from cells to checked values, with everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from alliance_bayes.cohort.cells import is_missing, likeness
from alliance_bayes.cohort.convert import Fault, Reading, count_numbers, to_dates, to_levels, to_numbers, to_texts
from alliance_bayes.cohort.files import RawTable
from alliance_bayes.cohort.header import rename_columns
from alliance_bayes.cohort.names import ID, MANY_LEVELS
from alliance_bayes.cohort.odd_rows import without_odd_rows
from alliance_bayes.cohort.schema import ColumnRule, rule_faults, same_looking
from alliance_bayes.errors import Problem, UsageError
from alliance_bayes.remedies import argument

__all__ = ["Intake", "Wishes", "check_wishes", "take_in"]

#: Characters of a cell that a problem shows.
MAX_SHOWN = 60
#: Identifiers that are almost alike, each with a note of its own.
_ALIKE = 5


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a caller says about columns: their names in the table, levels, and kinds of further columns."""

    columns: Mapping[str, str]
    levels: Mapping[str, Sequence[str]]
    categorical: tuple[str, ...] = ()
    numeric: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Intake:
    """A table taken in.

    Parameters
    ----------
    data
        Converted columns under canonical names; cells that could not be read are missing.
    names
        Canonical name -> the table's own name, as problems give it.
    raw
        The cells.
    problems
        Everything that is wrong with what was known or asked for, by column and row.
    aside
        What is wrong with each column that is therefore not in ``data``, and that is no error until it is used.
    notes
        What is no error, and yet should be known: columns without a name, or named almost like a known one.
    """

    data: pd.DataFrame
    names: dict[str, str]
    raw: RawTable
    problems: tuple[Problem, ...]
    aside: Mapping[str, tuple[Problem, ...]] = field(default_factory=dict)
    notes: tuple[Problem, ...] = ()

    def problem(self, column: str, position: int, what: str, remedy: str) -> Problem:
        """Say what is wrong with one cell, by the table's own names."""
        return _problem(self.raw, self.names[column], Fault(position, what, remedy))


def check_wishes(wishes: Wishes, rules: Sequence[ColumnRule]) -> None:
    """Raise UsageError when kinds are asked for that contradict each other or the known columns."""
    kinds = {rule.name: rule.kind for rule in rules}
    for name in (*wishes.levels, *wishes.categorical):
        if kinds.get(name, "factor") != "factor":
            raise UsageError(
                f"column '{name}' is a {kinds[name]}, not a factor. Leave it out of {argument('levels')} and "
                f"{argument('categorical')}."
            )
    for name in wishes.numeric:
        if kinds.get(name, "number") != "number":
            raise UsageError(
                f"column '{name}' is a {kinds[name]}, not a number. Leave it out of {argument('numeric')}."
            )
        if name in wishes.levels or name in wishes.categorical:
            raise UsageError(f"column '{name}' is asked for as numeric and as a factor. Choose one.")
    for name, levels in wishes.levels.items():
        if isinstance(levels, str) or not levels or len(set(levels)) < len(levels) or "" in levels:
            raise UsageError(
                f"{argument('levels')} of {name!r} should be distinct, non-empty levels in order but got {levels!r}."
            )


def take_in(
    raw: RawTable,
    rules: Sequence[ColumnRule],
    reading: Reading,
    wishes: Wishes,
    *,
    further: bool = True,
    set_aside: bool = False,
    table: str | None = None,
) -> Intake:
    """Convert and check one table.

    Parameters
    ----------
    raw
        The table's cells.
    rules
        Rules of the columns that the package knows in this table.
    reading
        How cells are read.
    wishes
        What the caller says about columns, checked by `check_wishes`.
    further
        Whether columns without a rule are kept.
    set_aside
        Whether a column that has something wrong is set aside even if it is known or asked for; never one of
        identifiers, or one that the table must have.
    table
        The table's name, where there are several.

    Returns
    -------
    Intake
        With every problem; none is raised.
    """
    by_name = {rule.name: rule for rule in rules}
    raw, problems = without_odd_rows(raw, reading, wishes.columns.get(ID, ID))
    found = [*raw.cells.columns, *raw.aside]
    known = [rule.name for rule in rules]
    asked = [*wishes.levels, *wishes.categorical, *wishes.numeric]
    required = list(dict.fromkeys([rule.name for rule in rules if rule.required] + (asked if further else [])))
    renamed = rename_columns(found, wishes.columns, known=known, required=required, table=table)
    problems += renamed.problems
    values: dict[str, pd.Series] = {}
    names: dict[str, str] = {}
    faults: dict[str, list[Fault]] = {}
    wrong: dict[str, list[Problem]] = {}
    for name, canonical in renamed.names.items():
        if canonical in names or not (further or canonical in by_name):
            continue
        names[canonical] = name
        if name in raw.aside:
            wrong[canonical] = list(raw.aside[name])
            continue
        values[canonical], faults[canonical] = _convert(
            raw.cells[name], canonical, by_name.get(canonical), reading, wishes
        )
        if canonical in by_name and by_name[canonical].kind == "id":
            faults[canonical] += same_looking(values[canonical], raw.rows)
    data = pd.DataFrame(values, index=raw.cells.index)
    seen = {name: {fault.position for fault in listed if fault.position is not None} for name, listed in faults.items()}
    broken = rule_faults(data, [by_name[name] for name in values if name in by_name], skip=seen, rows=raw.rows)
    for canonical in values:
        listed = faults[canonical] + broken.get(canonical, [])
        listed.sort(key=lambda fault: -1 if fault.position is None else fault.position)
        if listed:
            wrong[canonical] = [_problem(raw, names[canonical], fault) for fault in listed]
    aside: dict[str, tuple[Problem, ...]] = {}
    # In the order of the columns, whatever is wrong with them.
    for canonical in [canonical for canonical in names if canonical in wrong]:
        rule = by_name.get(canonical)
        wanted = rule is not None or canonical in (*asked, *wishes.columns)
        needed = rule is not None and (rule.required or rule.kind in ("id", "key"))
        if needed or (wanted and not set_aside):
            problems += wrong[canonical]
        else:
            # A column of remarks, say, must not keep anybody from an analysis that does not use it.
            aside[canonical] = tuple(wrong[canonical])
    data = data.drop(columns=[name for name in aside if name in data])
    alike = [
        note for name in data if name in by_name and by_name[name].kind == "id" for note in _alike(data[name], raw)
    ]
    return Intake(data, names, raw, tuple(problems), aside, (*raw.notes, *renamed.notes, *alike))


def _alike(ids: pd.Series, raw: RawTable) -> list[Problem]:
    """Identifiers of two people that may be of one: they differ in spelling, or in zeros before them, alone."""
    texts = ids.tolist()
    first: dict[str, int] = {}
    notes: list[Problem] = []
    for place, text in enumerate(texts):
        if not isinstance(text, str):
            continue
        before = first.setdefault(likeness(text), place)
        if before != place and texts[before] != text and len(notes) <= _ALIKE:
            what = f"is almost {texts[before]!r} in row {raw.rows[before]}, and taken for another participant"
            notes.append(Problem(str(ids.name), raw.rows[place], text, what, "Write both alike if they are one."))
    if len(notes) > _ALIKE:
        notes[_ALIKE:] = [
            Problem(str(ids.name), None, None, "has more identifiers of this kind", "Look at all of them.")
        ]
    return notes


def _convert(
    cells: pd.Series, name: str, rule: ColumnRule | None, reading: Reading, wishes: Wishes
) -> tuple[pd.Series, list[Fault]]:
    kind = _kind(name, rule, wishes)
    levels = wishes.levels.get(name, rule.levels if rule else None)
    if kind is None:
        numbers, others = count_numbers(cells, reading)
        if numbers and others:
            kind_faults = _mixed(name, cells, numbers, others, reading)
            return pd.Series(np.nan, index=cells.index), kind_faults
        kind = "factor" if others else "number"
    values: pd.Series
    if kind == "number":
        values, faults = to_numbers(cells, reading)
    elif kind == "factor":
        spelling = rule is not None or name in wishes.categorical
        values, faults = to_levels(
            cells,
            reading,
            name=name,
            levels=levels,
            check_spelling=spelling or _few(cells),
            first=rule.first if rule else (),
            fixed=rule is not None and rule.fixed,
        )
    elif kind == "date":
        values, faults = to_dates(cells, reading)
    else:
        values, faults = to_texts(cells, reading)
    # An undeclared column may be empty (notes that nobody took); one that the analysis may use may not.
    if rule is not None and rule.may_be_empty:
        return values, faults
    wanted = rule is not None or name in (*wishes.levels, *wishes.categorical, *wishes.numeric, *wishes.columns)
    if wanted and kind in ("number", "factor") and values.isna().all() and not faults:
        faults = [Fault(None, "has no value in any row", "Fill it in, or remove the column.")]
    return values, faults


def _kind(name: str, rule: ColumnRule | None, wishes: Wishes) -> str | None:
    if rule is not None:
        return rule.kind
    if name in wishes.levels or name in wishes.categorical:
        return "factor"
    return "number" if name in wishes.numeric else None


def _mixed(name: str, cells: pd.Series, numbers: int, others: int, reading: Reading) -> list[Fault]:
    """A further column of numbers and text: the cells at fault if it is mostly numbers, else the column."""
    hint = f"If the column is a factor, pass {argument('categorical', [name])}."
    if numbers < others:
        what = f"mixes numbers (in {numbers} of its cells) with text (in {others})"
        return [Fault(None, what, f"Remove the column or correct it. {hint}")]
    return [
        Fault(fault.position, f"{fault.what}, but the column holds numbers", f"{fault.remedy} {hint}")
        for fault in to_numbers(cells, reading)[1]
    ]


def _few(cells: pd.Series) -> bool:
    """Whether a column may be a factor; one with many distinct texts (notes) is not checked for spelling."""
    return cells.nunique() <= MANY_LEVELS


def _problem(raw: RawTable, name: str, fault: Fault) -> Problem:
    if fault.position is None:
        return Problem(name, None, None, fault.what, fault.remedy)
    value = raw.cells[name].iloc[fault.position]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, str) and len(value) > MAX_SHOWN:
        value = f"{value[:MAX_SHOWN]}..."
    missing = not isinstance(value, str) and is_missing(value, ())
    return Problem(name, raw.rows[fault.position], None if missing else value, fault.what, fault.remedy)


def prefixed(problems: Collection[Problem], table: str) -> list[Problem]:
    """Say in each problem which table it is in: column "sessions.goal", or "sessions is empty"."""
    return [
        replace(problem, what=f"{table} {problem.what}")
        if problem.column is None
        else replace(problem, column=f"{table}.{problem.column}")
        for problem in problems
    ]
