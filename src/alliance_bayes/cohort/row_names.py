"""What errors call rows: as the file numbers them that they came from, or by the labels of a DataFrame."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, SupportsIndex

import numpy as np
import pandas as pd

from alliance_bayes.errors import DataError, Place, Problem

if TYPE_CHECKING:
    from alliance_bayes.cohort.cohort import Cohort

__all__ = ["JoinedRows", "label_of", "names_of", "once", "row_name", "row_of", "telling_rows"]

# What may be a column's name in a term.
_NAMES = re.compile(r"`([^`]+)`|([\w.]+)")


@dataclass(frozen=True, eq=False)
class JoinedRows:
    """Which row of a second table each row's values came from.

    Parameters
    ----------
    columns
        The second table's.
    names
        What an error calls its rows, by the place of the first table's row; None where no row was joined.
    """

    columns: frozenset[str]
    names: pd.Index

    def of(self, rows: pd.DataFrame) -> JoinedRows | None:
        """The same of some rows, which have their places here as their index; None where that cannot be."""
        return self.take(rows.index.to_numpy()) if _are_places(rows, self.names) else None

    def take(self, at: np.ndarray) -> JoinedRows:
        """The same of the rows at some places."""
        return replace(self, names=self.names[at])


def label_of(label: object) -> int | str:
    """The label of a row of a DataFrame as a message has it."""
    return label if isinstance(label, (int, str)) else str(label)


def names_of(rows: pd.DataFrame, known: pd.Index | None) -> pd.Index:
    """What some rows are called, of which a table may know it by their places in it; by their labels otherwise."""
    return rows.index if known is None or not _are_places(rows, known) else known[rows.index.to_numpy()]


def _are_places(rows: pd.DataFrame, known: pd.Index) -> bool:
    """Whether rows are labelled by places among those known, and not of another table."""
    if not pd.api.types.is_integer_dtype(rows.index):
        return False
    return not rows.index.size or bool(0 <= rows.index.min() <= rows.index.max() < len(known))


def row_name(names: pd.Index | None, place: SupportsIndex) -> int | str:
    """What one row is called, by its place."""
    assert names is not None
    return label_of(names[[int(place)]].tolist()[0])


def row_of(cohort: Cohort, column: str | None, place: SupportsIndex) -> int | str:
    """What the row is called that has a column's value (or a term's), in the table that the column came from."""
    used = {column} if column in cohort.data else {a or b for a, b in _NAMES.findall(column or "")} & {*cohort.data}
    for joined in cohort.joined_rows:
        if used and used <= joined.columns and (name := joined.names[int(place)]) is not None:
            return label_of(name)
    return row_name(cohort.row_names, place)


def once(problems: Iterable[Problem]) -> list[Problem]:
    """Each problem once: a row of a second table is joined to many."""
    return list({(one.column, one.row, repr(one.value), one.template): one for one in problems}.values())


@contextmanager
def telling_rows(cohort: Cohort, columns: Sequence[str]) -> Iterator[None]:
    """Let errors about rows that are complete name them as the cohort's table does, each once.

    Parameters
    ----------
    cohort
        The cohort.
    columns
        In which complete rows have a value; see `Cohort.complete`.
    """
    try:
        yield
    except DataError as error:
        if not any(isinstance(problem.row, Place) for problem in error.problems):
            raise
        at = np.flatnonzero(cohort.data[list(columns)].notna().all(axis=1))
        problems = (
            replace(problem, row=row_of(cohort, problem.column, at[problem.row]))
            if isinstance(problem.row, Place)
            else problem
            for problem in error.problems
        )
        raise DataError(once(problems), source=cohort.source) from None
