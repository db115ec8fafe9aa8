"""Column names: present, distinct, and matched to those the package knows."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping, Sequence

from alliance_bayes.cohort.cells import is_number
from alliance_bayes.errors import Problem, UsageError

__all__ = ["check_mapping", "header_problems", "rename_columns"]


def header_problems(header: Sequence[object], *, names: str) -> list[Problem]:
    """List what is wrong with column names on their own.

    Parameters
    ----------
    header
        Names as they stand.
    names
        What holds them: "the first row".

    Returns
    -------
    list of Problem
        Names that are no text, empty or repeated, and a first row that holds data.
    """
    problems = []
    seen: dict[str, int] = {}
    if not header:
        return [Problem(None, None, None, "has no columns", "Give a table with one row a participant.")]
    texts = [name for name in header if isinstance(name, str)]
    if len(texts) == len(header) and 2 * sum(is_number(name) for name in texts) > len(header):
        what = f"has numbers for column names ({', '.join(texts[:4])}, ...): {names} should name the columns"
        return [Problem(None, None, None, what, "Add a header row.")]
    for place, name in enumerate(header, start=1):
        if not isinstance(name, str):
            what = f"has a column (number {place}) whose name is {name!r}, which is not text"
            problems.append(Problem(None, None, None, what, "Name every column with text."))
        elif not name.strip():
            what = f"has a column (number {place}) without a name"
            remedy = "Name it or remove it (row numbers: write the file without them)."
            problems.append(Problem(None, None, None, what, remedy))
        elif name.strip() in seen:
            what = f"is the name of columns {seen[name.strip()]} and {place}"
            problems.append(Problem(name.strip(), None, None, what, "Rename or remove one of them."))
        else:
            seen[name.strip()] = place
    return problems


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
        raise UsageError("columns should map names to the table's names, as in columns={'age': 'Age at intake'}.")
    mapped = list(columns.values())
    for name in mapped:
        if mapped.count(name) > 1:
            both = " and ".join(repr(key) for key, value in columns.items() if value == name)
            raise UsageError(f"columns maps {both} to one column, {name!r}. Map each to its own.")
    return {key: value.strip() for key, value in columns.items()}


def rename_columns(
    found: Sequence[str], columns: Mapping[str, str], *, known: Collection[str], required: Collection[str] = ()
) -> tuple[dict[str, str], list[Problem]]:
    """Match a table's columns to canonical names.

    Parameters
    ----------
    found
        The table's column names.
    columns
        Mapping of canonical names to the table's, checked by `check_mapping`.
    known
        Every name the package knows in this table.
    required
        Those that the table must have.

    Returns
    -------
    names : dict of str to str
        The table's name of each column -> its name in the cohort.
    problems : list of Problem
        Columns that are missing, claimed twice, or spelled almost like a known one.
    """
    problems = []
    names = {name: name for name in found}
    for canonical, name in columns.items():
        if name not in names:
            problems.append(_missing(name, found, known, f"is not in the table (mapped to '{canonical}')"))
        elif canonical != name and canonical in names and canonical not in columns.values():
            what = f"is in the table, but '{name}' is mapped to this name too"
            problems.append(Problem(canonical, None, None, what, "Rename the column, or leave it out of columns=."))
        else:
            names[name] = canonical
    here = set(names.values())
    for name in required:
        if name not in here and name not in columns:
            like = [other for other in found if _plain(other) == _plain(name)]
            if not like:
                problems.append(_missing(name, found, known, "is not in the table"))
    for name in found:
        for canonical in known:
            if (
                names[name] == name != canonical
                and canonical not in here | set(columns)
                and _plain(name) == _plain(canonical)
            ):
                what = f"looks like '{canonical}' but is spelled otherwise"
                problems.append(
                    Problem(name, None, None, what, f"Rename it, or pass columns={{{canonical!r}: {name!r}}}.")
                )
    return names, problems


def _missing(name: str, found: Sequence[str], known: Collection[str], what: str) -> Problem:
    near = difflib.get_close_matches(name, [other for other in found if other not in known], n=1)
    hint = f"Did you mean '{near[0]}'? " if near else ""
    return Problem(name, None, None, what, f"{hint}Columns: {', '.join(found)}.")


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).casefold()
