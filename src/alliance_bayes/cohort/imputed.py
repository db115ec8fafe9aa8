"""Tables of the same people whose missing values were filled in elsewhere, several times."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

import numpy as np
import pandas as pd

from alliance_bayes.cohort.cells import MISSING
from alliance_bayes.cohort.cohort import Cohort
from alliance_bayes.cohort.files import read_raw
from alliance_bayes.cohort.names import ID, TABLE_NUMBER
from alliance_bayes.cohort.raw import RawTable
from alliance_bayes.cohort.read import read_cohort
from alliance_bayes.errors import DataError, Problem, UsageError
from alliance_bayes.foreign import shown
from alliance_bayes.remedies import argument, call

__all__ = ["ImputedTables", "read_imputed", "read_one_or_several", "refuse_others", "whose"]

# By which mice's long format numbers the rows of a table.
_ROW_NUMBER = ".id"
_MOST = 1000


@dataclass(frozen=True, repr=False)
class ImputedTables(Sequence[Cohort]):
    """Several completed tables of the same people, in the same order.

    Parameters
    ----------
    tables
        The tables, two or more.

    Raises
    ------
    UsageError
        Fewer than two tables, more than 1,000, tables that were read in different ways, or tables of other people or of
        the same in another order.
    """

    tables: tuple[Cohort, ...]

    def __post_init__(self) -> None:
        if len(self.tables) < 2:
            raise UsageError(f"several completed tables are needed but got {len(self.tables)}. Give at least two.")
        if len(self.tables) > _MOST:
            raise UsageError(f"{len(self.tables):,} completed tables are given, and at most {_MOST:,} are worked with.")
        ways = [(table.person, table.time, table.unit) for table in self.tables]
        if len(set(ways)) > 1:
            raise UsageError(
                "the completed tables were read in different ways: whose and when their rows are differs. Read all "
                "with the same person, time and unit."
            )
        for number, table in enumerate(self.tables[1:], start=2):
            refuse_others(whose(self.tables[0]), whose(table), number)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {len(self.tables)} of {self.tables[0]!r}>"

    def __len__(self) -> int:
        return len(self.tables)

    @overload
    def __getitem__(self, index: int) -> Cohort: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Cohort, ...]: ...
    def __getitem__(self, index: int | slice) -> Cohort | tuple[Cohort, ...]:
        return self.tables[index]

    def __iter__(self) -> Iterator[Cohort]:
        return iter(self.tables)

    @property
    def hash(self) -> str:
        """SHA-256 of the content of all tables, in their order."""
        return hashlib.sha256("".join(table.hash for table in self.tables).encode()).hexdigest()


def whose(cohort: Cohort) -> pd.DataFrame:
    """Whose each row is, and when it was, as far as a table says it: without columns where it does not."""
    names = [name for name in (cohort.person or ID, cohort.time) if name is not None and name in cohort.data]
    return cohort.data[names]


def refuse_others(first: pd.DataFrame, other: pd.DataFrame, number: int) -> None:
    """Refuse a table whose rows are not those of the first: what differs would count as imputed.

    Parameters
    ----------
    first, other
        What tells the rows of the first table, and of another, apart.
    number
        That of the other, from 1.

    Raises
    ------
    UsageError
        Other rows, or the same in another order.
    """
    remedy = "Give completed tables of the same people, in the same order."
    if len(first) != len(other):
        raise UsageError(f"table {number} has {len(other):,} rows, and table 1 has {len(first):,}. {remedy}")
    differs = (first.astype(str).to_numpy() != other.astype(str).to_numpy()).any(axis=1)
    if differs.any():
        place = int(differs.argmax())
        here, there = (", ".join(map(str, table.iloc[place])) for table in (other, first))
        raise UsageError(
            f"table {number} has {shown(here)} where table 1 has {shown(there)} (row {place + 1}), as the values of "
            f"{', '.join(map(shown, map(str, first.columns)))} say. {remedy}"
        )


def read_imputed(source: str | Path | pd.DataFrame | Sequence[Any], **reading: Any) -> ImputedTables:
    """Read tables whose missing values were filled in elsewhere.

    Parameters
    ----------
    source
        One table in mice's long format (``complete(imp, "long")``), in which the column ``.imp`` numbers the tables
        from 1 (rows of 0, the table with gaps, and the column ``.id`` are left out; what was observed there must be in
        every table); or two or more tables.
    **reading
        How to read each of them: the arguments of :func:`alliance_bayes.read_cohort`.

    Returns
    -------
    ImputedTables
        What :meth:`alliance_bayes.Model.fit` and :func:`alliance_bayes.verify_report` take.

    Raises
    ------
    DataError
        What is wrong with a table, or with the numbers of tables, by column and row.
    UsageError
        Fewer than two tables, or no column ``.imp``.
    """
    tables = read_one_or_several(source, **reading)
    if isinstance(tables, Cohort):
        raise UsageError(
            f"{tables.source} has no column '{TABLE_NUMBER}' that numbers completed tables. Give it as mice's "
            "complete(imp, 'long') makes it, or a list of tables."
        )
    return tables


def read_one_or_several(
    source: str | Path | pd.DataFrame | Cohort | ImputedTables | Sequence[Any], **reading: Any
) -> Cohort | ImputedTables:
    """Read a table, or several completed ones where it numbers them; what was read already is as it is.

    Raises
    ------
    DataError, UsageError
        See `read_imputed` and :func:`alliance_bayes.read_cohort`; or a way to read what was read already.
    """
    if isinstance(source, Cohort | ImputedTables):
        if ways := [name for name in reading if name != "set_aside"]:
            raise UsageError(
                f"the cohort was read before, so {argument(ways[0])} cannot say how. Give it to {call('read_cohort')}."
            )
        return source
    if isinstance(source, Sequence) and not isinstance(source, str):
        read = [read_one_or_several(item, **reading) for item in source]
        return ImputedTables(tuple(table for part in read for table in ([part] if isinstance(part, Cohort) else part)))
    where = {name: reading.pop(name) for name in ("encoding", "sep", "sheet") if name in reading}
    raw = read_raw(source, **where)
    return _split(raw, reading) if TABLE_NUMBER in raw.cells.columns else read_cohort(raw, **reading)


def _split(raw: RawTable, reading: Mapping[str, Any]) -> ImputedTables:
    """The tables of mice's long format, without the one that has gaps."""
    numbers = pd.to_numeric(raw.cells[TABLE_NUMBER], errors="coerce")
    wrong = ~((numbers >= 0) & (numbers % 1 == 0)).to_numpy()
    remedy = "Give the table as mice's complete(imp, 'long') makes it."
    if wrong.any():
        cells = zip(raw.rows, raw.cells[TABLE_NUMBER], wrong, strict=True)
        problems = [
            Problem(TABLE_NUMBER, row, value, "is no number of a table", remedy) for row, value, bad in cells if bad
        ]
        raise DataError(problems, source=raw.source)
    completed = sorted(set(numbers) - {0})
    if len(completed) > _MOST:
        raise UsageError(
            f"{raw.source} has {len(completed):,} completed tables, and at most {_MOST:,} are worked with."
        )
    if len(completed) < 2:
        raise UsageError(
            f"several completed tables are needed, but {TABLE_NUMBER!r} of {raw.source} numbers {len(completed)}: 0 is "
            "the one with gaps. Give at least two."
        )
    if _ROW_NUMBER in raw.cells.columns:
        _check_rows(raw, numbers, completed)
    _check_observed(raw, numbers, completed, reading.get("missing", MISSING))
    bare = raw.without(TABLE_NUMBER, _ROW_NUMBER)
    return ImputedTables(
        tuple(read_cohort(bare.where((numbers == number).to_numpy()), **reading) for number in completed)
    )


def _check_rows(raw: RawTable, numbers: pd.Series, completed: Sequence[float]) -> None:
    """Refuse tables whose rows are not numbered alike, each row once."""
    ids = raw.cells[[_ROW_NUMBER]]
    first = ids[(numbers == completed[0]).to_numpy()]
    if (again := first[_ROW_NUMBER].duplicated().to_numpy()).any():
        places = (numbers == completed[0]).to_numpy().nonzero()[0][again]
        what, remedy = "is the number of another row of the same table", "Number each row of a table once."
        row_numbers = raw.cells[_ROW_NUMBER].tolist()
        problems = [Problem(_ROW_NUMBER, raw.rows[k], row_numbers[k], what, remedy) for k in places]
        raise DataError(problems, source=raw.source)
    for place, number in enumerate(completed[1:], start=2):
        refuse_others(first, ids[(numbers == number).to_numpy()], place)


def _check_observed(raw: RawTable, numbers: pd.Series, completed: Sequence[float], missing: Sequence[str]) -> None:
    """Refuse tables that have other values than the one with gaps has, where that is there, too.

    What differs would count as imputed. One of other rows than the completed ones says nothing of theirs.
    """
    before = (numbers == 0).to_numpy().nonzero()[0]
    positions = [(numbers == number).to_numpy().nonzero()[0] for number in completed]
    cells = raw.cells
    if not cells.columns.is_unique:
        # Told, with their names, where each table is read.
        return
    problems: list[Problem] = []
    for places in positions:
        if len(places) != len(before):
            return
        if _ROW_NUMBER in cells and (_texts(cells, _ROW_NUMBER, places) != _texts(cells, _ROW_NUMBER, before)).any():
            return
        for name in cells.columns.difference([TABLE_NUMBER, _ROW_NUMBER], sort=False):
            seen, now = (_texts(cells, str(name), some) for some in (before, places))
            if now.isin([*missing, *MISSING]).all():
                # Of completed tables without the column, which was no part of the imputation.
                continue
            differs = ~seen.isin([*missing, *MISSING]) & (seen != now)
            # One number is written in several ways.
            differs &= ~(pd.to_numeric(seen, errors="coerce") == pd.to_numeric(now, errors="coerce"))
            for k in differs.to_numpy().nonzero()[0]:
                what = f"is not what was observed ({shown(seen.iloc[k])} where {TABLE_NUMBER} is 0)"
                remedy = f"Correct it, or leave the rows out in which {TABLE_NUMBER} is 0."
                problems.append(Problem(str(name), raw.rows[places[k]], now.iloc[k], what, remedy))
    if problems:
        raise DataError(problems, source=raw.source)


def _texts(cells: pd.DataFrame, name: str, places: np.ndarray) -> pd.Series:
    """Some cells of a column as text, without anything where there is nothing."""
    column = cells[name].iloc[places].astype(object)
    return column.where(column.notna(), "").astype(str).str.strip().reset_index(drop=True)
