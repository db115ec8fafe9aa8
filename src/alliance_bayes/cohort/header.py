"""Column names: present, distinct, and matched to those the package knows."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from alliance_bayes.cohort.cells import is_number
from alliance_bayes.errors import Problem, UsageError
from alliance_bayes.remedies import argument

__all__ = ["LACKING", "Names", "Renamed", "check_mapping", "name_columns", "rename_columns"]

#: What is wrong with a column that is asked for and not there.
LACKING = "is not in the table"


@dataclass(frozen=True, slots=True)
class Names:
    """Which columns have a name of their own.

    Parameters
    ----------
    places
        Name without outer spaces -> number of the column (from 0).
    aside
        Names that several columns have, and what to do about them.
    notes
        Columns without a name that hold something.
    problems
        Why there are no names at all.
    n
        Number of columns.
    """

    places: dict[str, int]
    aside: Mapping[str, tuple[Problem, ...]]
    notes: tuple[Problem, ...]
    problems: list[Problem]
    n: int


def name_columns(header: Sequence[object], empty: Sequence[bool], *, names: str) -> Names:
    """Tell the columns that can be named from those that nobody can ask for.

    Parameters
    ----------
    header
        Names as they stand.
    empty
        Whether a column holds nothing.
    names
        What holds the names: "the first row".
    """
    places: dict[str, list[int]] = {}
    nameless, odd = [], []
    if not header:
        what, remedy = "has no columns", "Give a table with one row a participant."
        return Names({}, {}, (), [Problem(None, None, None, what, remedy)], 0)
    texts = [name for name in header if isinstance(name, str)]
    numbers = [name for name in texts if is_number(name)]
    if len(texts) == len(header) and 2 * len(numbers) > len(header) and not _are_years(numbers):
        what = f"has numbers for column names ({', '.join(texts[:4])}, ...): {names} should name the columns"
        return Names({}, {}, (), [Problem(None, None, None, what, "Add a header row.")], len(header))
    for place, name in enumerate(header):
        if not isinstance(name, str):
            what = f"has a column (number {place + 1}) whose name is {name!r}, which is not text"
            odd.append(Problem(None, None, None, what, "Name every column with text."))
        elif name.strip():
            places.setdefault(name.strip(), []).append(place)
        else:
            nameless.append(place)
    named = [place for at in places.values() for place in at]
    if not named and not odd:
        what = f"has no column with a name: {names} should name the columns"
        return Names({}, {}, (), [Problem(None, None, None, what, "Add a header row.")], len(header))
    # Nobody can ask for these, so that they are in nobody's way where there are others.
    problems, notes = ([], odd) if named else (odd, [])
    for place in nameless:
        if not empty[place]:
            what = f"has a column (number {place + 1}) without a name, which is left out"
            notes.append(Problem(None, None, None, what, "Name it if it is needed (row numbers are not)."))
        elif named and min(named) < place < max(named):
            # What stands beside it in a row may be of somebody else.
            what = f"has an empty column (number {place + 1}) between others: two tables side by side, it seems"
            problems.append(Problem(None, None, None, what, "Give each table a file of its own, or remove the column."))
    aside = {name: (_repeated(name, [place + 1 for place in at]),) for name, at in places.items() if len(at) > 1}
    unique = {name: at[0] for name, at in places.items() if len(at) == 1}
    return Names(unique, aside, tuple(notes), problems, len(header))


def _repeated(name: str, numbers: Sequence[int]) -> Problem:
    listed = ", ".join(map(str, numbers[:-1]))
    return Problem(
        name, None, None, f"is the name of columns {listed} and {numbers[-1]}", "Rename or remove one of them."
    )


def check_mapping(columns: Mapping[str, str] | None) -> dict[str, str]:
    """Check a mapping of canonical names to a table's names, before any table is read.

    Raises
    ------
    UsageError
        When it is no mapping of text to text, or maps two names to one column.
    """
    if columns is None:
        return {}
    if not isinstance(columns, Mapping) or not all(isinstance(text, str) for pair in columns.items() for text in pair):
        example = argument("columns", {"age": "Age at intake"})
        raise UsageError(f"{argument('columns')} should map names to the table's names, as in {example}.")
    mapped = list(columns.values())
    for name in mapped:
        if mapped.count(name) > 1:
            both = " and ".join(repr(key) for key, value in columns.items() if value == name)
            raise UsageError(f"{argument('columns')} maps {both} to one column, {name!r}. Map each to its own.")
    return {key: value.strip() for key, value in columns.items()}


@dataclass(frozen=True, slots=True)
class Renamed:
    """A table's columns under canonical names.

    Parameters
    ----------
    names
        The table's name of each column -> its name in the cohort.
    problems
        Columns that are missing or claimed twice, with what is spelled almost like them.
    notes
        Columns that are read under their own names, and which known column each of them may be.
    """

    names: dict[str, str]
    problems: list[Problem]
    notes: list[Problem]


def rename_columns(
    present: Sequence[str],
    columns: Mapping[str, str],
    *,
    known: Collection[str],
    required: Collection[str] = (),
    table: str | None = None,
) -> Renamed:
    """Match a table's columns to canonical names.

    Parameters
    ----------
    present
        The table's column names.
    columns
        Mapping of canonical names to the table's, checked by `check_mapping`.
    known
        Every name the package knows in this table.
    required
        Those that the table must have.
    table
        The table's name, where the mapping is given by table.
    """

    def pass_(canonical: str, name: str) -> str:
        pair = {canonical: name}
        return f"pass {argument('columns', pair if table is None else {table: pair})}"

    problems, notes = [], []
    names = {name: name for name in present}
    for canonical, name in columns.items():
        if name not in names:
            problems.append(_missing(name, present, known, f"is not in the table (mapped to '{canonical}')"))
        elif canonical != name and canonical in names and canonical not in columns.values():
            what = f"is in the table, but '{name}' is mapped to this name too"
            remedy = f"Rename the column, or leave it out of {argument('columns')}."
            problems.append(Problem(canonical, None, None, what, remedy))
        else:
            names[name] = canonical
    here = set(names.values())
    like: dict[str, list[str]] = {}
    for name in present:
        if names[name] == name and name not in known:
            like.setdefault(_plain(name), []).append(name)
    for canonical in dict.fromkeys([*required, *known]):
        if canonical in here or canonical in columns:
            continue
        alike = like.get(_plain(canonical), [])
        if canonical in required and not alike:
            problems.append(_missing(canonical, present, known, LACKING))
        for name in alike:
            if canonical in required:
                what = f"looks like '{canonical}' but is spelled otherwise"
                problems.append(Problem(name, None, None, what, f"Rename it, or {pass_(canonical, name)}."))
            else:
                what = f"is a column of its own; it may be '{canonical}', which the table lacks"
                notes.append(Problem(name, None, None, what, f"If it is, {pass_(canonical, name)}."))
    return Renamed(names, problems, notes)


def _missing(name: str, present: Sequence[str], known: Collection[str], what: str) -> Problem:
    near = difflib.get_close_matches(name, [other for other in present if other not in known], n=1)
    hint = f"Did you mean '{near[0]}'? " if near else ""
    return Problem(name, None, None, what, f"{hint}Columns: {', '.join(present)}.")


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).casefold()


def _are_years(names: Sequence[str]) -> bool:
    """Whether names that are numbers are those of columns all the same: years, one after the other."""
    years = [name.strip() for name in names]
    return all(re.fullmatch("1[89][0-9]{2}|20[0-9]{2}", year) for year in years) and years == sorted(set(years))
