"""A table as it stands: cells that nobody converted yet, the names of their columns, and how rows are numbered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from alliance_bayes.cohort.contents import TABLE_CELLS, TABLE_COLUMNS, TABLE_ROWS, TOO_LARGE
from alliance_bayes.cohort.header import Names, name_columns
from alliance_bayes.cohort.names import ID
from alliance_bayes.cohort.row_names import label_of
from alliance_bayes.errors import DataError, Problem

__all__ = ["CELL_BYTES", "RawTable", "from_frame", "is_empty", "named", "size_problems"]

#: Longest text of a cell.
CELL_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class RawTable:
    """Cells before conversion.

    Parameters
    ----------
    cells
        Columns under their names in the source, outer spaces removed; text for CSV and TSV, as they come otherwise.
    rows
        How to name each row in a problem: as the program counts for files (the header of a sheet or a text is row 1,
        the first case of SPSS is 1), else the index label.
    source
        File name without its directory, and sheet where there are several; "pipe", or "DataFrame".
    after_gap
        Rows that come after an empty one.
    aside
        Names that several columns have, and what to do about them; none of these columns is in ``cells``.
    notes
        What was passed over.
    labels
        Column -> what it is called in words, where the file says so.
    value_labels
        Column -> its codes and what each stands for, in the order of the file.
    reasons
        A row for each of ``cells``, and a column for each that has reasons: why its cell is empty ("refused (-99)").
    """

    cells: pd.DataFrame
    rows: tuple[int | str, ...]
    source: str
    after_gap: frozenset[int] = frozenset()
    aside: Mapping[str, tuple[Problem, ...]] = field(default_factory=dict)
    notes: tuple[Problem, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    value_labels: Mapping[str, tuple[tuple[float | str, str], ...]] = field(default_factory=dict)
    reasons: pd.DataFrame = field(default_factory=pd.DataFrame)

    def where(self, keep: Any) -> RawTable:
        """Some of the rows, renumbered."""
        rows = tuple(row for row, wanted in zip(self.rows, keep, strict=True) if wanted)
        reasons = self.reasons[keep].reset_index(drop=True) if len(self.reasons.columns) else self.reasons
        return replace(self, cells=self.cells[keep].reset_index(drop=True), rows=rows, reasons=reasons)

    def without(self, *columns: str) -> RawTable:
        """The other columns."""
        return replace(
            self,
            cells=self.cells.drop(columns=list(columns), errors="ignore"),
            reasons=self.reasons.drop(columns=list(columns), errors="ignore"),
        )


def from_frame(frame: pd.DataFrame, source: str = "DataFrame", rows: Sequence[int | str] | None = None) -> RawTable:
    """A DataFrame whose rows are named by their labels, or as they are given.

    Raises
    ------
    DataError
        No columns that can be named, or no rows.
    """
    labels = frame.index.tolist()
    if frame.index.name == ID and ID not in frame:
        frame = frame.reset_index()
    cells = frame.set_axis(range(frame.shape[1]), axis="columns")
    names = name_columns(list(frame.columns), [is_empty(cells[place]) for place in cells], names="the column labels")
    problems = names.problems
    if not len(frame) and not problems:
        problems = [Problem(None, None, None, "has columns but no rows", "Check the selection that made the table.")]
    if problems:
        raise DataError(problems, source=source)
    if rows is None:
        rows = list(map(label_of, labels))
    return named(RawTable(cells, tuple(rows), source), names)


def named(raw: RawTable, names: Names) -> RawTable:
    """The columns that have a name of their own, under it."""
    cells = raw.cells.iloc[:, list(names.places.values())].set_axis(list(names.places), axis="columns")
    notes = (*raw.notes, *names.notes)
    return replace(raw, cells=cells.reset_index(drop=True), aside={**raw.aside, **names.aside}, notes=notes)


def is_empty(cells: pd.Series) -> bool:
    """Whether no cell of a column holds anything."""
    return not any(not isinstance(cell, str) or cell.strip() for cell in cells.dropna())


def size_problems(rows: int, columns: int, *, cells: int = 0) -> list[Problem]:
    """A table that is larger than any that is read whole."""
    problems = []
    for count, noun, most in (
        (rows, "rows", TABLE_ROWS),
        (columns, "columns", TABLE_COLUMNS),
        (max(cells, rows * columns), "cells", TABLE_CELLS),
    ):
        if count > most:
            what = f"has {count:,} {noun}, and no more than {most:,} are read"
            problems.append(Problem(None, None, None, what, TOO_LARGE))
    return problems
