"""Long tables, of several rows a person: whose a row is, when it was, and what it is called."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pandas as pd

from alliance_bayes.cohort.cells import level_label
from alliance_bayes.cohort.flow import ROW
from alliance_bayes.cohort.names import ID, in_order
from alliance_bayes.cohort.parsing import ColumnOptions, ParsedTable
from alliance_bayes.cohort.schema import ColumnRule
from alliance_bayes.errors import Problem, UsageError
from alliance_bayes.remedies import argument

__all__ = ["long_rules", "need_person", "of_persons", "person_problems", "time_problems"]


def long_rules(
    rules: Sequence[ColumnRule], options: ColumnOptions, *, person: str | None, time: str | None, unit: str
) -> tuple[ColumnRule, ...]:
    """The rules of a table, with those of the columns that say whose and when a row is.

    Parameters
    ----------
    rules
        Rules of the known columns.
    options
        What the caller says about columns.
    person, time
        Columns by their names in the cohort; None where there are none.
    unit
        What a row is called.

    Raises
    ------
    UsageError
        A name that is none, that is asked for as something else, or without the person's.
    """
    for argued, name in (("person", person), ("time", time)):
        if name is not None and not (isinstance(name, str) and name):
            raise UsageError(f"{argument(argued)} should be the name of a column but got {name!r}.")
    if person is None:
        need_person(time, unit)
        return tuple(rules)
    if person == time:
        raise UsageError(f"{argument('person')} and {argument('time')} both name {person!r}. Name two columns.")
    # A mapped column is called by its new name, and may be asked for by its old one.
    for argued, name in (("person", person), ("time", time)):
        new = next((key for key, column in options.columns.items() if column == name and key != name), None)
        if name is not None and new is not None:
            raise UsageError(
                f"{argument(argued)} names the column {name!r}, which {argument('columns')} calls {new!r}. Give "
                f"{argument(argued, new)}."
            )
    known = {rule.name: rule for rule in rules}
    if person in known and person != ID:
        raise UsageError(
            f"column '{person}' is a {known[person].kind}, and cannot say whose a row is. Name another under "
            f"{argument('person')}."
        )
    extended = [rule for rule in rules if rule.name not in (person, time)]
    extended.insert(0, ColumnRule(person, "person", required=True))
    if time is not None:
        rule = known.get(time, ColumnRule(time, "number"))
        if rule.kind != "number":
            raise UsageError(
                f"column '{time}' is a {rule.kind}, and cannot say when a row was. Name a column of numbers or dates "
                f"under {argument('time')}."
            )
        extended.append(dataclasses.replace(rule, kind="time", required=True))
    return tuple(extended)


def need_person(time: str | None, unit: str) -> None:
    """Refuse what is said of a person's rows, where nothing says whose a row is."""
    for argued, is_set in (("time", time is not None), ("unit", unit != ROW)):
        if is_set:
            raise UsageError(
                f"{argument(argued)} is about the rows of one person. Say which column tells whose a row is: "
                f"{argument('person', ...)}."
            )


def person_problems(parsed: ParsedTable, person: str) -> list[Problem]:
    """Persons who are two, character by character, and one as levels of a factor (1 and 1.0)."""
    texts = parsed.data[person]
    first: dict[str, int] = {}
    problems = []
    distinct = texts.dropna().drop_duplicates()
    for position, text in zip(distinct.index.tolist(), distinct.tolist(), strict=True):
        before = first.setdefault(level_label(text), position)
        if before != position:
            what = f"is the same number as the identifier in row {parsed.raw.rows[before]}, written otherwise"
            problems.append(parsed.problem(person, position, what, "Write both alike if they are one person."))
    return problems


def time_problems(parsed: ParsedTable, person: str, time: str) -> list[Problem]:
    """Rows at a time at which the person has a row before."""
    keys = parsed.data[[person, time]]
    known = keys.notna().all(axis=1).to_numpy()
    codes = keys.groupby([person, time], sort=False, dropna=False).ngroup().to_numpy()
    again = keys.duplicated().to_numpy() & known
    firsts: dict[int, int] = {}
    for position, code in enumerate(codes.tolist()):
        firsts.setdefault(code, position)
    # Whose rows they are is seen in the table; a message names no person who is not in its cell.
    return [
        parsed.problem(
            time,
            position,
            f"is the time of row {parsed.raw.rows[firsts[codes[position]]]}, too, which is of the same person",
            "Keep one row for each person and time.",
        )
        for position in np.flatnonzero(again).tolist()
    ]


def of_persons(texts: pd.Series) -> pd.Series:
    """Identifiers as levels, so that a model can pool over persons; `participant_id` stays text."""
    if texts.name == ID:
        return texts
    return texts.astype(pd.CategoricalDtype(pd.Index(in_order(texts.dropna().unique()), dtype="str")))
