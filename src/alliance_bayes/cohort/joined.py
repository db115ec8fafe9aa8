"""A second table beside the first: what is known of therapists, sites or groups, by a key that both have."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from alliance_bayes.cohort.cells import level_label, likeness
from alliance_bayes.cohort.convert import ReadOptions
from alliance_bayes.cohort.files import read_raw
from alliance_bayes.cohort.header import LACKING
from alliance_bayes.cohort.names import ID
from alliance_bayes.cohort.parsing import ColumnOptions, ParsedTable, parse_table, prefixed
from alliance_bayes.cohort.row_names import JoinedRows
from alliance_bayes.cohort.schema import ColumnRule
from alliance_bayes.errors import Problem, UsageError
from alliance_bayes.remedies import argument

__all__ = ["JoinedTables", "check_join"]

# Keys without a row that are told one by one.
_TOLD = 100
# What a message quotes of a row.
_QUOTED = re.compile(r""" \((['"]).*\1\)""", re.DOTALL)


def check_join(join: Mapping[str, Any] | None) -> dict[str, tuple[str | Path | pd.DataFrame, str | None]]:
    """Key -> table and sheet, or UsageError."""
    if join is None:
        return {}
    example = argument("join", {"therapist_id": "therapists.xlsx"})
    if not isinstance(join, Mapping):
        raise UsageError(f"{argument('join')} should map a key to the table that has it, as in {example}.")
    tables = {}
    for key, value in join.items():
        table, sheet = value if isinstance(value, tuple) and len(value) == 2 else (value, None)
        kinds = isinstance(key, str) and key and isinstance(table, (str, Path, pd.DataFrame))
        if not kinds or not (sheet is None or isinstance(sheet, str)):
            raise UsageError(
                f"{argument('join')} should map a key to a table (a path, a DataFrame, or a path and the name of a "
                f"sheet), as in {example}."
            )
        tables[key] = table, sheet
    return tables


class JoinedTables:
    """Second tables, read.

    Parameters
    ----------
    join
        What `check_join` returned.
    main
        Names of the first table's columns, as they are called in the cohort.
    options
        What the caller says about columns, of whichever table.
    rules
        Rules of the known columns, which hold in every table.
    person
        Column that says whose a row is: its keys, as those of participants, are never shown.
    reading, encoding, set_aside
        As in `read_cohort`.
    """

    def __init__(
        self,
        join: Mapping[str, tuple[str | Path | pd.DataFrame, str | None]],
        main: Collection[str],
        options: ColumnOptions,
        rules: tuple[ColumnRule, ...],
        reading: ReadOptions,
        *,
        person: str | None,
        encoding: str | None,
        set_aside: bool,
    ) -> None:
        self._private = {ID, person}
        self.tables: dict[str, ParsedTable] = {}
        self.names: dict[str, str] = {}
        # Row of each table for each of the first, once they are put together.
        self._rows: dict[str, np.ndarray] = {}
        self._given = {
            key: None if isinstance(source, pd.DataFrame) else Path(source).name + (f":{sheet}" if sheet else "")
            for key, (source, sheet) in join.items()
        }
        added: set[str] = set()
        for key, (source, sheet) in join.items():
            raw = read_raw(source, encoding=encoding, sheet=sheet, name=f"join of {key!r}")
            names = {*raw.cells, *raw.aside} - {key}
            table_options = _of(options, names - set(main))
            added |= names - set(main)
            remedy = f"Keep one row for each {key}."
            private = key in self._private
            rule = ColumnRule(key, "id", required=True, repeated=remedy, called="key", private=private)
            known = [other for other in rules if other.name != key and other.kind in ("number", "factor")]
            table = parse_table(raw, [rule, *known], reading, table_options, set_aside=set_aside, table=None)
            problems = [_of_key(problem, key, private=private) for problem in table.problems]
            self.tables[key] = replace(table, problems=tuple(problems))
            self.names[key] = Path(raw.source).stem if not isinstance(source, pd.DataFrame) else f"table of {key}"
        #: What of the options is about the first table; its keys are levels.
        keys = tuple(key for key in join if key not in {rule.name for rule in rules})
        rest = _of(options, {*options.levels, *options.categorical, *options.numeric} - added)
        self.options = replace(
            rest,
            columns=options.columns,
            categorical=tuple(dict.fromkeys((*rest.categorical, *(key for key in keys if key not in rest.levels)))),
        )

    @property
    def sources(self) -> dict[str, str]:
        """Key -> the table that has it, without its directory: "therapists.xlsx:Staff"."""
        return {key: given or "TABLE" for key, given in self._given.items()}

    @property
    def notes(self) -> tuple[Problem, ...]:
        """Notes of all of them."""
        return tuple(note for key, table in self.tables.items() for note in prefixed(table.notes, self.names[key]))

    @property
    def aside(self) -> dict[str, tuple[Problem, ...]]:
        """Columns that cannot be read."""
        return {
            name: tuple(prefixed(wrong, self.names[key]))
            for key, table in self.tables.items()
            for name, wrong in table.aside.items()
        }

    @property
    def labels(self) -> dict[str, str]:
        """What columns are called in words."""
        return {
            name: label for key, table in self.tables.items() for name, label in table.labels.items() if name != key
        }

    def beside(self, data: pd.DataFrame, parsed: ParsedTable) -> tuple[pd.DataFrame, list[Problem]]:
        """The first table with the columns of the others, and everything that is wrong between them.

        Parameters
        ----------
        data
            The first table.
        parsed
            It as it was read.
        """
        problems: list[Problem] = []
        for key, table in self.tables.items():
            lacks = [each for each in (parsed, table) if key not in each.names and key not in each.raw.aside]
            if lacks and lacks[0] is parsed:
                # Once, whichever of them asks for it.
                problems += prefixed([one for one in table.problems if one.what != LACKING], self.names[key])
                problems.append(_no_key(key, self.names[key], lacks))
                continue
            problems += prefixed(table.problems, self.names[key])
            if key not in parsed.data or key not in table.data:
                continue
            columns = [str(name) for name in table.data if name != key]
            taken = [name for name in (*columns, *table.aside) if name in data or name in parsed.aside]
            for name in taken:
                what = f"is a column of both tables that '{key}' joins"
                problems.append(Problem(name, None, None, what, "Rename or remove one of them."))
            places, faults = self._places(parsed, table, key, named=key not in self._private)
            problems += faults
            if taken or faults:
                continue
            self._rows[key] = places
            for name in columns:
                taken_from = table.data[name].array.take(places, allow_fill=True)
                data = data.assign(**{name: pd.Series(taken_from, index=data.index)})
        return data, problems

    def reasons(self, first: pd.DataFrame | None) -> pd.DataFrame | None:
        """Why cells are empty, of all tables that are put together."""
        columns = {} if first is None else {name: first[name] for name in first}
        for key, table in self.tables.items():
            second = table.reasons
            if second is not None and key in self._rows:
                for name in second:
                    columns[name] = pd.Series(second[name].astype(object).array.take(self._rows[key], allow_fill=True))
        return pd.DataFrame(columns) if columns else None

    def rows(self, data: pd.DataFrame) -> tuple[JoinedRows, ...]:
        """Which rows of the other tables were put beside those of the first, of whose columns these are left."""
        found = []
        for key, places in self._rows.items():
            table, source = self.tables[key], self._given[key] or f"the table of {key}"
            columns = frozenset(str(name) for name in table.data if name != key and name in data)
            names = np.array([*(f"{row} of {source}" for row in table.raw.rows), None], dtype=object)
            found.append(JoinedRows(columns, pd.Index(names[places], dtype=object)))
        return tuple(found)

    def _places(
        self, parsed: ParsedTable, table: ParsedTable, key: str, *, named: bool
    ) -> tuple[np.ndarray, list[Problem]]:
        """Row of the second table for each of the first (-1 where it has no key), and keys without one."""
        problems: list[Problem] = []
        first: dict[str, int] = {}
        for place, text in enumerate(table.data[key].tolist()):
            if not isinstance(text, str):
                continue
            before = first.setdefault(level_label(text), place)
            # What is the same text is told by the rule of the column.
            if before != place and table.data[key].iloc[before] != text:
                what = f"is the same number as the key in row {table.raw.rows[before]}, written otherwise"
                wrong = table.problem(key, place, what, f"Keep one row for each {key}.")
                problems += prefixed([_of_key(wrong, key, private=not named)], self.names[key])
        keys = parsed.data[key].astype(object).tolist()
        labels = [level_label(text) if isinstance(text, str) else None for text in keys]
        places = np.array([-1 if label is None else first.get(label, -1) for label in labels], dtype=np.int64)
        like = {likeness(known): known for known in reversed(first)}
        lacking: dict[str, int] = {}
        for place, label in enumerate(labels):
            if label is not None and label not in first:
                lacking.setdefault(label, place)
        for label, place in list(lacking.items())[:_TOLD]:
            remedy = f"Add it to {table.raw.source}, or leave the cell empty."
            if (near := like.get(likeness(label))) is not None and named:
                remedy = f"Write {near!r} if that is meant. {remedy}"
            wrong = parsed.problem(key, place, f"has no row in {table.raw.source}", remedy)
            problems.append(wrong if named else replace(wrong, value=None))
        if len(lacking) > _TOLD:
            what = f"has {len(lacking) - _TOLD:,} more keys without a row in {table.raw.source}"
            problems.append(Problem(parsed.names[key], None, None, what, "Check that the two tables belong together."))
        return places, problems


def _no_key(key: str, second: str, lacks: Sequence[ParsedTable]) -> Problem:
    """The problem of a key that the first table, or neither of two tables, has."""
    columns = [", ".join(map(str, each.raw.cells)) for each in lacks]
    if len(lacks) > 1:
        what = f"is neither in the table nor in {second}, which it should join"
        return Problem(key, None, None, what, f"Columns: {columns[0]}. Columns of {second}: {columns[1]}.")
    return Problem(key, None, None, f"is not in the table, and joins it to {second}", f"Columns: {columns[0]}.")


def _of_key(problem: Problem, key: str, *, private: bool) -> Problem:
    """A problem without what it says of keys, where they are empty or persons'."""
    value = problem.value
    if problem.column == key and (private or (isinstance(value, str) and not value.strip())):
        return replace(problem, value=None)
    if private and problem.column is None and problem.row is not None:
        return replace(problem, what=_QUOTED.sub("", problem.what))
    return problem


def _of(options: ColumnOptions, names: Collection[str]) -> ColumnOptions:
    """What is said about some columns."""
    return ColumnOptions(
        {},
        {name: levels for name, levels in options.levels.items() if name in names},
        tuple(name for name in options.categorical if name in names),
        tuple(name for name in options.numeric if name in names),
    )
