"""One table from cells to checked values, with everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from alliance_bayes.cohort.cells import MAX_SHOWN, MISSING, is_missing, likeness
from alliance_bayes.cohort.convert import (
    Fault,
    ReadOptions,
    are_dates,
    count_numbers,
    to_dates,
    to_levels,
    to_numbers,
    to_texts,
)
from alliance_bayes.cohort.header import rename_columns
from alliance_bayes.cohort.labelled import with_labels, without_marks
from alliance_bayes.cohort.names import ID, MANY_LEVELS
from alliance_bayes.cohort.odd_rows import without_odd_rows
from alliance_bayes.cohort.raw import RawTable
from alliance_bayes.cohort.schema import ColumnRule, rule_faults, same_looking
from alliance_bayes.errors import Problem, UsageError
from alliance_bayes.remedies import argument, setting

__all__ = [
    "ColumnOptions",
    "ParsedTable",
    "check_column_options",
    "parse_table",
    "problem_of",
    "read_column",
]


#: Identifiers that are almost alike, each with a note of its own.
_ALIKE = 5
_KINDS = {"person": "says whose a row is", "time": "says when a row was"}


@dataclass(frozen=True, slots=True)
class ColumnOptions:
    """What a caller says about columns: their names in the table, levels, and kinds of further columns."""

    columns: Mapping[str, str]
    levels: Mapping[str, Sequence[str]]
    categorical: tuple[str, ...] = ()
    numeric: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ParsedTable:
    """A table read and converted, with everything that is wrong with it.

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

    @property
    def labels(self) -> dict[str, str]:
        """What the file calls each column in words, by canonical name."""
        return {canonical: self.raw.labels[name] for canonical, name in self.names.items() if name in self.raw.labels}

    @property
    def reasons(self) -> pd.DataFrame | None:
        """Why cells are empty, by canonical name, as far as the file says so."""
        columns = {
            canonical: self.raw.reasons[name] for canonical, name in self.names.items() if name in self.raw.reasons
        }
        return pd.DataFrame(columns) if columns else None

    def problem(self, column: str, position: int, what: str, remedy: str) -> Problem:
        """Say what is wrong with one cell, by the table's own names."""
        return _problem(self.raw, self.names[column], Fault(position, what, remedy))


def check_column_options(column_options: ColumnOptions, rules: Sequence[ColumnRule]) -> None:
    """Raise UsageError when kinds are asked for that contradict each other or the known columns."""
    kinds = {rule.name: rule.kind for rule in rules}
    for name in (*column_options.levels, *column_options.categorical):
        if kinds.get(name, "factor") != "factor":
            raise UsageError(
                f"column '{name}' {_KINDS.get(kinds[name], f'is a {kinds[name]}')}, not a factor. Leave it out of "
                f"{argument('levels')} and {argument('categorical')}."
            )
    for name in column_options.numeric:
        if kinds.get(name, "number") != "number":
            raise UsageError(
                f"column '{name}' {_KINDS.get(kinds[name], f'is a {kinds[name]}')}, not a number. Leave it out of "
                f"{argument('numeric')}."
            )
        if name in column_options.levels or name in column_options.categorical:
            raise UsageError(f"column '{name}' is asked for as numeric and as a factor. Choose one.")
    for name, levels in column_options.levels.items():
        if isinstance(levels, str) or not levels or len(set(levels)) < len(levels) or "" in levels:
            raise UsageError(
                f"{argument('levels')} of {name!r} should be distinct, non-empty levels in order but got {levels!r}."
            )


def parse_table(
    raw: RawTable,
    rules: Sequence[ColumnRule],
    reading: ReadOptions,
    column_options: ColumnOptions,
    *,
    further: bool = True,
    set_aside: bool = False,
    table: str | None = None,
) -> ParsedTable:
    """Convert and check one table.

    Parameters
    ----------
    raw
        The table's cells.
    rules
        Rules of the columns that the package knows in this table.
    reading
        How cells are read.
    column_options
        What the caller says about columns, checked by `check_column_options`.
    further
        Whether columns without a rule are kept.
    set_aside
        Whether a column that has something wrong is set aside even if it is known or asked for; never one of
        identifiers, or one that the table must have.
    table
        The table's name, where there are several.

    Returns
    -------
    ParsedTable
        With every problem; none is raised.
    """
    by_name = {rule.name: rule for rule in rules}
    person = next((rule.name for rule in rules if rule.kind == "person"), ID)
    raw, problems = without_odd_rows(raw, reading, column_options.columns.get(person, person))
    present = [*raw.cells.columns, *raw.aside]
    known = [rule.name for rule in rules if not rule.by_name]
    requested = [*column_options.levels, *column_options.categorical, *column_options.numeric]
    required = list(dict.fromkeys([rule.name for rule in rules if rule.required] + (requested if further else [])))
    renamed = rename_columns(present, column_options.columns, known=known, required=required, table=table)
    problems += renamed.problems
    values: dict[str, pd.Series] = {}
    names: dict[str, str] = {}
    wrong: dict[str, list[Problem]] = {}
    labelled: list[Problem] = []
    raw = replace(raw, cells=raw.cells.copy())
    for name, canonical in renamed.names.items():
        if canonical in names or not (further or canonical in by_name):
            continue
        names[canonical] = name
        if name in raw.aside:
            wrong[canonical] = list(raw.aside[name])
            continue
        cells, marks, note = _prepared(raw, name, canonical, by_name.get(canonical), reading, column_options)
        raw.cells[name] = cells
        labelled += [] if note is None else [note]
        values[canonical], faults = read_column(
            cells, canonical, by_name.get(canonical), marks, column_options, rows=raw.rows
        )
        if faults:
            wrong[canonical] = [_problem(raw, name, fault) for fault in faults]
    data = pd.DataFrame(values, index=raw.cells.index)
    aside: dict[str, tuple[Problem, ...]] = {}
    # In the order of the columns, whatever is wrong with them.
    for canonical in [canonical for canonical in names if canonical in wrong]:
        rule = by_name.get(canonical)
        wanted = (rule is not None and not rule.by_name) or canonical in (*requested, *column_options.columns)
        needed = rule is not None and (rule.required or rule.kind in ("id", "key", "person"))
        if needed or (wanted and not set_aside):
            problems += wrong[canonical]
        else:
            # A column of remarks, say, must not keep anybody from an analysis that does not use it.
            aside[canonical] = tuple(wrong[canonical])
    data = data.drop(columns=[name for name in aside if name in data])
    identifiers = [name for name in data if name in by_name and by_name[name].kind in ("id", "person")]
    alike = [note for name in identifiers for note in _alike(data[name], raw, by_name[name])]
    return ParsedTable(data, names, raw, tuple(problems), aside, (*raw.notes, *renamed.notes, *labelled, *alike))


def _prepared(
    raw: RawTable,
    name: str,
    canonical: str,
    rule: ColumnRule | None,
    reading: ReadOptions,
    column_options: ColumnOptions,
) -> tuple[pd.Series, ReadOptions, Problem | None]:
    """Cells of a column, missing codes taken out and others as the levels that they stand for; and how to read it."""
    kind, declared = _kind(canonical, rule, column_options), column_options.levels.get(canonical)
    cells = without_marks(raw.cells[name], [mark for mark in reading.missing if mark not in (declared or ())])
    if name not in raw.value_labels or kind not in ("factor", None):
        return cells, reading, None
    labels = raw.value_labels[name]
    cells, note = with_labels(cells, labels, name, wanted=kind == "factor", declared=declared)
    if isinstance(cells.dtype, pd.CategoricalDtype):
        # A code with the label NA has a value; marks that the caller adds may be labels.
        named = {" ".join(label.split()) for _, label in labels} & set(MISSING)
        reading = replace(reading, missing=tuple(mark for mark in reading.missing if mark not in named))
    return cells, reading, note


def _alike(ids: pd.Series, raw: RawTable, rule: ColumnRule) -> list[Problem]:
    """Identifiers of two people that may be of one: they differ in spelling, or in zeros before them, alone."""
    texts = ids.tolist()
    first: dict[str, int] = {}
    notes: list[Problem] = []
    another = "participant" if rule.called == "identifier" else rule.called
    # Of several rows of a person, the first.
    for place in np.flatnonzero(~(ids.duplicated() | ids.isna())).tolist():
        text = texts[place]
        before = first.setdefault(likeness(text), place)
        if before != place and texts[before] != text and len(notes) <= _ALIKE:
            like, value = (f"the {rule.called}", None) if rule.private else (repr(texts[before]), text)
            what = f"is almost {like} in row {raw.rows[before]}, and taken for another {another}"
            notes.append(Problem(str(ids.name), raw.rows[place], value, what, "Write both alike if they are one."))
    if len(notes) > _ALIKE:
        notes[_ALIKE:] = [
            Problem(str(ids.name), None, None, f"has more {rule.called}s of this kind", "Look at all of them.")
        ]
    return notes


def read_column(
    cells: pd.Series,
    name: str,
    rule: ColumnRule | None,
    reading: ReadOptions,
    column_options: ColumnOptions,
    *,
    rows: Sequence[int | str | None],
    counts: Sequence[int] | None = None,
) -> tuple[pd.Series, list[Fault]]:
    """Convert one column and check it.

    Parameters
    ----------
    cells
        The column, RangeIndex.
    name
        Its canonical name.
    rule
        Its rule; None for a further column.
    reading, column_options
        See `parse_table`.
    rows
        How a problem names each row.
    counts
        Rows that each cell stands for, where it is a table of distinct values; one each by default.

    Returns
    -------
    values : pandas.Series
        float64 for numbers, category for factors, str for identifiers, datetime64 for dates; missing where a cell
        could not be read.
    faults : list of Fault
        In the order of the cells, those of the whole column first.
    """
    values, faults = _convert(cells, name, rule, reading, column_options, counts)
    if rule is None or (rule.by_name and not pd.api.types.is_numeric_dtype(values.dtype)):
        return values, faults
    if rule.kind in ("id", "person"):
        if any(fault.position is None for fault in faults):
            return values, faults
        faults += same_looking(values, rows)
    seen = {fault.position for fault in faults if fault.position is not None}
    faults += rule_faults(values, rule, skip=seen, rows=rows)
    return values, sorted(faults, key=lambda fault: -1 if fault.position is None else fault.position)


def _convert(
    cells: pd.Series,
    name: str,
    rule: ColumnRule | None,
    reading: ReadOptions,
    column_options: ColumnOptions,
    counts: Sequence[int] | None,
) -> tuple[pd.Series, list[Fault]]:
    kind = _kind(name, rule, column_options)
    levels = column_options.levels.get(name, rule.levels if rule else None)
    if kind is None:
        numbers, others = count_numbers(cells, reading, counts)
        if numbers and others:
            kind_faults = _mixed(name, cells, numbers, others, reading)
            return pd.Series(np.nan, index=cells.index), kind_faults
        kind = "factor" if others else "number"
    values: pd.Series
    if kind == "number":
        values, faults = to_numbers(cells, reading)
    elif kind == "factor":
        spelling = (rule is not None and not rule.by_name) or name in column_options.categorical
        values, faults = to_levels(
            cells,
            reading,
            name=name,
            levels=levels,
            check_spelling=spelling or _few(cells),
            first=rule.first if rule else (),
            fixed=rule is not None and rule.fixed,
            counts=counts,
        )
    elif kind == "date" or (kind == "time" and are_dates(cells, reading)):
        values, faults = to_dates(cells, reading)
    elif kind == "time":
        values, faults = to_numbers(cells, reading)
    else:
        values, faults = to_texts(cells, reading)
    # An undeclared column may be empty (notes that nobody took); one that the analysis may use may not.
    if rule is not None and rule.may_be_empty:
        return values, faults
    wanted = (rule is not None and not rule.by_name) or name in (
        *column_options.levels,
        *column_options.categorical,
        *column_options.numeric,
        *column_options.columns,
    )
    if wanted and kind in ("number", "factor") and values.isna().all() and not faults:
        faults = [Fault(None, "has no value in any row", "Fill it in, or remove the column.")]
    return values, faults


def _kind(name: str, rule: ColumnRule | None, column_options: ColumnOptions) -> str | None:
    if rule is not None and not rule.by_name:
        return rule.kind
    if name in column_options.levels or name in column_options.categorical:
        return "factor"
    return "number" if name in column_options.numeric else None


def _mixed(name: str, cells: pd.Series, numbers: int, others: int, reading: ReadOptions) -> list[Fault]:
    """A further column of numbers and text: the cells at fault if it is mostly numbers, else the column."""
    if reading.of_model:
        hint = f"If the column is a factor, declare its levels: {setting('levels', {name: ['...']})}."
    else:
        hint = f"If the column is a factor, pass {argument('categorical', [name])}."
    if numbers < others:
        what = f"mixes numbers (in {numbers:,} of its cells) with text (in {others:,})"
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
    return problem_of(name, raw.rows[fault.position], raw.cells[name].iloc[fault.position], fault.what, fault.remedy)


def problem_of(name: str, row: int | str | None, value: object, what: str, remedy: str) -> Problem:
    """Say what is wrong with a cell; of a long text its beginning is shown."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, str) and len(value) > MAX_SHOWN:
        value = f"{value[:MAX_SHOWN]}..."
    missing = not isinstance(value, str) and is_missing(value, ())
    return Problem(name, row, None if missing else value, what, remedy)


def prefixed(problems: Collection[Problem], table: str) -> list[Problem]:
    """Say in each problem which table it is in: column "sessions.goal", or "sessions is empty"."""
    return [
        replace(problem, what=f"{table} {problem.what}")
        if problem.column is None
        else replace(problem, column=f"{table}.{problem.column}")
        for problem in problems
    ]
