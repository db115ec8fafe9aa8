"""Tables of spreadsheets, SPSS, Stata, SAS and R as raw tables: the same cells that their CSV would have."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from alliance_bayes.cohort.contents import TABLE_BYTES, TABLE_CELLS, TABLE_COLUMNS, TABLE_ROWS, unreadable
from alliance_bayes.cohort.decoding import LOOKED_AT, wrong_beginning
from alliance_bayes.cohort.header import name_columns
from alliance_bayes.cohort.names import ID
from alliance_bayes.cohort.raw import CELL_BYTES, RawTable, is_empty, named
from alliance_bayes.errors import DataError, Problem
from alliance_bayes.formats import NEEDS, PackageTable, read_apart

__all__ = ["LABEL", "PROGRAMS", "SHEETS", "check_password", "from_program", "plain_label"]

#: Endings of files that are read apart, and those of them that have sheets.
PROGRAMS = tuple(NEEDS)
SHEETS = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
#: Most characters of what a column is called in words.
LABEL = 120
_LIMITS = {"bytes": TABLE_BYTES, "rows": TABLE_ROWS, "columns": TABLE_COLUMNS, "cells": TABLE_CELLS, "cell": CELL_BYTES}
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
# Whole numbers that a float tells from their neighbours.
_WHOLE = 2.0**53


def plain_label(text: str) -> str:
    """What a column is called, in one line of what a reader sees, and no longer than a heading may be."""
    seen = "".join(" " if unicodedata.category(char) in ("Cc", "Zl", "Zp") else char for char in text[: 10 * LABEL])
    seen = "".join(char for char in seen if unicodedata.category(char) not in ("Cf", "Cs", "Co", "Cn"))
    line = " ".join(seen.split())
    return line if len(line) <= LABEL else f"{line[: LABEL - 3].rstrip()}..."


def from_program(path: Path, ending: str, *, sheet: str | None, encoding: str | None) -> RawTable:
    """The table of a file of another program.

    Parameters
    ----------
    path
        The file.
    ending
        What it is, one of `PROGRAMS`.
    sheet
        Which sheet of a workbook.
    encoding
        Of its texts, where the file does not say so or says it wrongly.

    Raises
    ------
    UsageError
        The package that reads it is not installed; or no such sheet, or several and none named.
    DataError
        It cannot be read, or holds no table.
    """
    if path.stat().st_size > TABLE_BYTES:
        raise unreadable(
            path,
            f"is larger than {TABLE_BYTES >> 20} MiB, the most that is read whole",
            "Leave out what no model needs.",
        )
    read = read_apart(path, ending, sheet=sheet, encoding=encoding, limits=_LIMITS, source=path.name, identifier=ID)
    source = path.name if read.sheet is None else f"{path.name}, sheet {plain_label(read.sheet)!r}"
    if ending in SHEETS and (problem := _beginning(read)) is not None:
        raise DataError([problem], source=source)
    columns = {place: _cells(read, place) for place in range(len(read.columns))}
    cells = pd.DataFrame(columns, index=range(len(read.rows)))
    empty = [is_empty(cells[place]) for place in cells]
    names = name_columns(read.columns, empty, names="the first row" if ending in SHEETS else "the file")
    problems = list(names.problems)
    if not len(cells) and not problems:
        problems = [Problem(None, None, None, "has columns but no rows", "Check that the export finished.")]
    if problems:
        raise DataError(problems, source=source)
    aside = {name.strip(): (problem,) for name, problem in read.aside.items()}
    raw = named(RawTable(cells, read.rows, source, aside=aside, notes=read.notes), names)
    known = {name: read.columns[place] for name, place in names.places.items()}
    labels = {name: plain_label(read.labels[column]) for name, column in known.items() if column in read.labels}
    reasons = {name: _reasons(read, column) for name, column in known.items() if column in read.reasons}
    values = {name: read.value_labels[column] for name, column in known.items() if column in read.value_labels}
    raw = replace(
        raw,
        cells=raw.cells.drop(columns=[name for name in aside if name in raw.cells]),
        labels={name: label for name, label in labels.items() if label},
        value_labels=values,
        reasons=pd.DataFrame(reasons),
    )
    return _without_empty_rows(raw) if ending in SHEETS else raw


def check_password(path: Path) -> None:
    """Raise DataError where a workbook is wrapped into what only its password opens."""
    with path.open("rb") as file:
        wrapped = file.read(4) == b"\xd0\xcf\x11\xe0" and _ENCRYPTED in file.read(TABLE_BYTES)
    if wrapped:
        remedy = "Save the workbook without a password, or the sheet as CSV (UTF-8)."
        raise unreadable(path, "is protected by a password", remedy)


def _reasons(read: PackageTable, column: str) -> pd.Series:
    """Why cells of a column are empty, in one line each: they stand in flows, on pages and in terminals."""
    texts = read.reasons[column].to_pylist()
    lines = {text: plain_label(text) for text in set(texts) if text is not None}
    return pd.Series([None if text is None else lines[text] for text in texts], dtype=object)


def _cells(read: PackageTable, place: int) -> pd.Series:
    """One column, its whole numbers as such (so that an identifier is 7 and not 7.0)."""
    column = read.table.column(place)
    if pa.types.is_floating(column.type):
        numbers = column.to_numpy().astype(np.float64)
        present = numbers[~np.isnan(numbers)]
        if present.size and np.all(present == np.floor(present)) and np.all(np.abs(present) < _WHOLE):
            return pd.Series(numbers).astype("Int64")
        return pd.Series(numbers)
    if place not in read.numbers:
        return column.to_pandas()
    texts, numeric = column.to_pylist(), read.numbers[place].to_pylist()
    cells = [_number(text) if number else text for text, number in zip(texts, numeric, strict=True)]
    return pd.Series(cells, dtype=object)


def _number(text: str) -> int | float:
    return int(text) if re.fullmatch(r"-?[0-9]{1,16}", text) else float(text)


def _beginning(read: PackageTable) -> Problem | None:
    """A first row of a sheet that is a title or headings, with the column names below it."""
    lines = [(read.rows[0] - 1 if read.rows else 1, list(read.columns))]
    head = read.table.slice(0, LOOKED_AT)
    for place, row in enumerate(head.to_pylist()):
        lines.append((read.rows[place], ["" if cell is None else str(cell) for cell in row.values()]))
    written = []
    for number, cells in lines:
        while cells and not cells[-1].strip():
            cells.pop()
        if cells:
            buffer = io.StringIO()
            csv.writer(buffer, delimiter="\t", lineterminator="").writerow([" ".join(cell.split()) for cell in cells])
            written.append((number, buffer.getvalue()))
    header = next(csv.reader([written[0][1]], delimiter="\t")) if written else []
    return wrong_beginning(written, "\t", header) if header else None


def _without_empty_rows(raw: RawTable) -> RawTable:
    """Pass over rows that hold nothing, and know which come after one."""
    empty = np.ones(len(raw.cells), dtype=bool)
    for name in raw.cells:
        column = raw.cells[name]
        if not empty.any():
            break
        filled = column.notna().to_numpy()
        if not pd.api.types.is_numeric_dtype(column.dtype):
            filled = filled & np.array([not isinstance(cell, str) or bool(cell.strip()) for cell in column.tolist()])
        empty &= ~filled
    if not empty.any():
        return raw
    after = frozenset(
        row
        for place, row in enumerate(raw.rows)
        if place and empty[place - 1] and not empty[place] and isinstance(row, int)
    )
    return replace(raw.where(~empty), after_gap=after)
