"""Sheets of workbooks: cells by kind, as the program shows them, with their row numbers."""

from __future__ import annotations

import datetime as dt
import re
import zipfile
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import python_calamine as calamine

from alliance_bayes.formats.child import Answer, TableError, check_size, clock
from alliance_bayes.formats.marks import BEFORE, Marks, Range, no_day, of_excel, of_open_document

__all__ = ["read_sheet"]

# How programs show numbers of days that are no days.
_NONE = re.compile(rf"1900-02-29( [0-9:]{{8}})?|1900-01-00|{BEFORE}")
_REMOVE = "Remove the password (save the workbook without one), or save the sheet as CSV (UTF-8)."


def read_sheet(request: dict[str, Any]) -> Answer:
    """One sheet; its first row that holds anything are the names of columns."""
    path = request["path"]
    zipped = zipfile.is_zipfile(path)
    if zipped:
        _check_zip(path, request)
    try:
        book = calamine.CalamineWorkbook.from_path(path)
    except calamine.PasswordError:
        raise TableError("is protected by a password", _REMOVE) from None
    sheet, several = _chosen(book, request)
    if sheet is None:
        raise TableError("holds no cells in any sheet", "Check that it was saved.")
    marks = Marks()
    merged = [((row, left), (last, right)) for (row, left), (last, right) in sheet.merged_cell_ranges or ()]
    if zipped and request["ending"] in (".xlsx", ".xlsm"):
        marks = of_excel(path, sheet.name)
    elif zipped and request["ending"] == ".ods":
        marks = of_open_document(path, sheet.name)
    grid, first_row, first_column = _grid(sheet, request, marks)
    header = [_text(cell) or "" for cell in grid[0]]
    answer = Answer(header, sheet=sheet.name if several else None)
    _merged(merged if marks.merged is None else marks.merged, first_row, first_column, grid)
    if request["ending"] in (".xls", ".xlsb"):
        what = f"is a {request['ending']} file, in which a cell that shows an error (#N/A) is read as an empty one"
        answer.notes.append((None, what, "Save it as .xlsx if formulas may have failed: there they are told."))
    answer.rows = np.arange(first_row + 2, first_row + 1 + len(grid), dtype=np.int64)
    for place in range(len(header)):
        _add(answer, place, _dates(answer, place, [row[place] for row in grid[1:]]))
    return answer


def _check_zip(path: str, request: dict[str, Any]) -> None:
    """Refuse what unpacks to more than is read, and what is packed with a password."""
    with zipfile.ZipFile(path) as packed:
        members = packed.infolist()
        size = sum(member.file_size for member in members)
        # Marks around every cell take some ten times the bytes that cells take.
        most = 4 * request["bytes"]
        if size > most:
            what = f"unpacks to {size / 2**20:,.0f} MiB, and no more than {most >> 20} are read"
            raise TableError(what, "Save the table alone, without what no model needs; or as CSV (UTF-8).")
        if any(member.flag_bits & 1 for member in members):
            raise TableError("is protected by a password", _REMOVE)
        if "META-INF/manifest.xml" in packed.namelist() and b"encryption-data" in packed.read("META-INF/manifest.xml"):
            raise TableError("is protected by a password", _REMOVE)


def _chosen(book: Any, request: dict[str, Any]) -> tuple[Any, bool]:
    """The sheet that is asked for, or the only one that holds anything; and whether there are others."""
    names = [entry.name for entry in book.sheets_metadata if entry.typ == calamine.SheetTypeEnum.WorkSheet] or list(
        book.sheet_names
    )
    wanted = request["sheet"]
    if wanted is not None:
        if wanted not in names:
            raise TableError("has no such sheet", sheets=names)
        return book.get_sheet_by_name(wanted), len(names) > 1
    filled = []
    for name in names:
        sheet = book.get_sheet_by_name(name)
        if sheet.start is not None:
            filled.append(sheet)
        if len(filled) > 1:
            raise TableError("has several sheets", sheets=names)
    return (filled[0] if filled else None), len(names) > 1


def _grid(sheet: Any, request: dict[str, Any], marks: Marks) -> tuple[list[list[Any]], int, int]:
    """Cells from the first to the last that holds anything, and where the first is."""
    if sheet.start is None:
        raise TableError(*_no_cells(sheet))
    top, left = sheet.start
    rows = [row - top for row, _ in marks.texts if row >= top]
    # Rows of formulas without values, which the reader leaves away.
    height = max([sheet.height, *(row + 1 for row in rows)])
    check_size(request, height - 1, sheet.width)
    grid = [list(row) for row in sheet.to_python(skip_empty_area=True)]
    grid += [[None] * sheet.width for _ in range(height - len(grid))]
    for (row, column), text in marks.texts.items():
        if 0 <= row - top < len(grid) and 0 <= column - left < len(grid[row - top]):
            grid[row - top][column - left] = text
    for (row, column), days in marks.days.items():
        if 0 <= row - top < len(grid) and 0 <= column - left < len(grid[row - top]):
            shown = no_day(grid[row - top][column - left], days)
            grid[row - top][column - left] = grid[row - top][column - left] if shown is None else shown
    filled = [any(not _is_empty(cell) for cell in row) for row in grid]
    if not any(filled):
        raise TableError(*_no_cells(sheet))
    first, last = filled.index(True), len(filled) - filled[::-1].index(True)
    grid = grid[first:last]
    columns = [any(not _is_empty(row[place]) for row in grid) for place in range(len(grid[0]))]
    begin, end = columns.index(True), len(columns) - columns[::-1].index(True)
    return [row[begin:end] for row in grid], top + first, left + begin


def _no_cells(sheet: Any) -> tuple[str, str]:
    return f"has no cells in its sheet {sheet.name[:40]!r}", "Check that it was saved, or choose another sheet."


def _is_empty(cell: Any) -> bool:
    return cell is None or (isinstance(cell, str) and not cell.strip())


def _merged(ranges: Sequence[Range], top: int, left: int, grid: Sequence[Sequence[Any]]) -> None:
    """Refuse merged cells in a table: all but the first of them are empty, whatever is shown."""
    merged = []
    for (row, column), (last, right) in ranges:
        inside = 0 <= row - top < len(grid) and 0 <= column - left < len(grid[0])
        if inside and (last, right) != (row, column) and not _is_empty(grid[row - top][column - left]):
            merged.append((row, f"{_letters(column)}{row + 1}:{_letters(right)}{last + 1}"))
    if merged:
        merged.sort()
        listed = ", ".join(name for _, name in merged[:5]) + (", ..." if len(merged) > 5 else "")
        what = f"has merged cells ({listed}), of which only the first holds a value"
        remedy = "Unmerge them, and fill in every row and every column name."
        if merged[0][0] == top and all(row == top for row, _ in merged):
            remedy = f"Unmerge them and name every column; if row {top + 1} is a title, remove it."
        raise TableError(what, remedy, row=merged[0][0] + 1)


def _letters(column: int) -> str:
    letters = ""
    while column >= 0:
        column, rest = divmod(column, 26)
        letters, column = chr(65 + rest) + letters, column - 1
    return letters


def _dates(answer: Answer, place: int, cells: list[Any]) -> list[Any]:
    """A column's cells, those that are no days as what the program shows, with a note."""
    if any(isinstance(cell, dt.date) or cell == BEFORE for cell in cells):
        # The day 0, which is midnight where times are kept.
        cells = ["1900-01-00" if cell == dt.time(0) else cell for cell in cells]
    shown = [k for k, cell in enumerate(cells) if isinstance(cell, str) and _NONE.fullmatch(cell)]
    if shown and answer.rows is not None:
        first = f"row {answer.rows[shown[0]]}: {cells[shown[0]]}"
        what = f"has {len(shown):,} {'date' if len(shown) == 1 else 'dates'} that the calendar does not have ({first})"
        remedy = (
            "Correct it, or leave the cell empty." if len(shown) == 1 else "Correct them, or leave the cells empty."
        )
        answer.notes.append((answer.columns[place], what, remedy))
    return cells


def _add(answer: Answer, place: int, cells: list[Any]) -> None:
    filled = [cell for cell in cells if not _is_empty(cell)]
    if all(isinstance(cell, (int, float)) and not isinstance(cell, bool) for cell in filled):
        numbers = np.array([np.nan if _is_empty(cell) else float(cell) for cell in cells], dtype=np.float64)
        answer.arrays.append(pa.array(numbers, from_pandas=True))
        return
    if all(isinstance(cell, dt.date) for cell in filled):
        times = [None if _is_empty(cell) else _time(cell) for cell in cells]
        answer.arrays.append(pa.array(times, pa.timestamp("us")))
        return
    answer.arrays.append(pa.array([_text(cell) for cell in cells], pa.large_string()))
    numeric = [isinstance(cell, (int, float)) and not isinstance(cell, bool) for cell in cells]
    if any(numeric):
        answer.numbers[place] = pa.array(numeric)


def _time(day: dt.date) -> dt.datetime:
    return day if isinstance(day, dt.datetime) else dt.datetime(day.year, day.month, day.day)


def _text(cell: Any) -> str | None:
    """A cell as the program would write it into CSV."""
    if cell is None or isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return str(cell).upper()
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 2**53 else repr(cell)
    if isinstance(cell, dt.datetime):
        return cell.isoformat(" ").removesuffix(" 00:00:00")
    if isinstance(cell, dt.timedelta):
        return clock(cell.total_seconds())
    return cell.isoformat() if isinstance(cell, (dt.date, dt.time)) else str(cell)
