"""Sheets of workbooks: cells by kind, as the program shows them, with their row numbers."""

from __future__ import annotations

import datetime as dt
import io
import re
import xml.etree.ElementTree as ElementTree
import zipfile
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import python_calamine as calamine

from alliance_bayes.formats.child import Answer, TableError, check_size, clock

__all__ = ["read_sheet"]

type Range = tuple[tuple[int, int], tuple[int, int]]

#: Cells that are looked at for an error value, by their beginning.
_CELL = re.compile(rb"<(?:\w+:)?c\s([^>]*\bt=[\"']e[\"'][^>]*)>(.*?)</(?:\w+:)?c>", re.DOTALL)
_REF = re.compile(rb"\br=[\"']([A-Z]{1,3})([0-9]{1,7})[\"']")
_VALUE = re.compile(rb"<(?:\w+:)?v>([^<]{1,20})</")
_OFFICE = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_REMOVE = "Remove the password (save the workbook without one), or save the sheet as CSV (UTF-8)."


def read_sheet(request: dict[str, Any]) -> Answer:
    """One sheet; its first row that holds anything are the names of columns."""
    path = request["path"]
    errors: dict[tuple[int, int], str] = {}
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
    merged = [((row, left), (last, right)) for (row, left), (last, right) in sheet.merged_cell_ranges or ()]
    if zipped and request["ending"] in (".xlsx", ".xlsm"):
        errors = _errors(path, sheet.name)
    elif zipped and request["ending"] == ".ods":
        errors, merged = _open_document(path, sheet.name)
    grid, first_row, first_column = _grid(sheet, request, errors)
    header = [_text(cell) or "" for cell in grid[0]]
    answer = Answer(header, sheet=sheet.name if several else None)
    _merged(merged, first_row, first_column, grid)
    if request["ending"] in (".xls", ".xlsb"):
        what = f"is a {request['ending']} file, in which a cell that shows an error (#N/A) is read as an empty one"
        answer.notes.append((None, what, "Save it as .xlsx if formulas may have failed: there they are told."))
    answer.rows = np.arange(first_row + 2, first_row + 1 + len(grid), dtype=np.int64)
    for place in range(len(header)):
        _add(answer, place, [row[place] for row in grid[1:]])
    return answer


def _check_zip(path: str, request: dict[str, Any]) -> None:
    """Refuse what unpacks to more than is read, and what is packed with a password."""
    with zipfile.ZipFile(path) as packed:
        members = packed.infolist()
        size = sum(one.file_size for one in members)
        # Marks around every cell take some ten times the bytes that cells take.
        most = 4 * request["bytes"]
        if size > most:
            what = f"unpacks to {size / 2**20:,.0f} MiB, and no more than {most >> 20} are read"
            raise TableError(what, "Save the table alone, without what no model needs; or as CSV (UTF-8).")
        if any(one.flag_bits & 1 for one in members):
            raise TableError("is protected by a password", _REMOVE)
        if "META-INF/manifest.xml" in packed.namelist() and b"encryption-data" in packed.read("META-INF/manifest.xml"):
            raise TableError("is protected by a password", _REMOVE)


def _chosen(book: Any, request: dict[str, Any]) -> tuple[Any, bool]:
    """The sheet that is asked for, or the only one that holds anything; and whether there are others."""
    names = [one.name for one in book.sheets_metadata if one.typ == calamine.SheetTypeEnum.WorkSheet] or list(
        book.sheet_names
    )
    wanted = request["sheet"]
    if wanted is not None:
        if wanted not in names:
            raise TableError("has no such sheet", sheets=names)
        return book.get_sheet_by_name(wanted), len(names) > 1
    found = []
    for name in names:
        sheet = book.get_sheet_by_name(name)
        if sheet.start is not None:
            found.append(sheet)
        if len(found) > 1:
            raise TableError("has several sheets", sheets=names)
    return (found[0] if found else None), len(names) > 1


def _grid(sheet: Any, request: dict[str, Any], errors: dict[tuple[int, int], str]) -> tuple[list[list[Any]], int, int]:
    """Cells from the first to the last that holds anything, and where the first is."""
    if sheet.start is None:
        raise TableError(*_no_cells(sheet))
    top, left = sheet.start
    check_size(request, sheet.height - 1, sheet.width)
    grid = [list(row) for row in sheet.to_python(skip_empty_area=True)]
    for (row, column), text in errors.items():
        if 0 <= row - top < len(grid) and 0 <= column - left < len(grid[row - top]):
            grid[row - top][column - left] = text
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
    found = []
    for (row, column), (last, right) in ranges:
        inside = 0 <= row - top < len(grid) and 0 <= column - left < len(grid[0])
        if inside and (last, right) != (row, column) and not _is_empty(grid[row - top][column - left]):
            found.append((row, f"{_letters(column)}{row + 1}:{_letters(right)}{last + 1}"))
    if found:
        found.sort()
        listed = ", ".join(name for _, name in found[:5]) + (", ..." if len(found) > 5 else "")
        what = f"has merged cells ({listed}), of which only the first holds a value"
        remedy = "Unmerge them, and fill in every row and every column name."
        if found[0][0] == top and all(row == top for row, _ in found):
            remedy = f"Unmerge them and name every column; if row {top + 1} is a title, remove it."
        raise TableError(what, remedy, row=found[0][0] + 1)


def _letters(column: int) -> str:
    letters = ""
    while column >= 0:
        column, rest = divmod(column, 26)
        letters, column = chr(65 + rest) + letters, column - 1
    return letters


def _add(answer: Answer, place: int, cells: list[Any]) -> None:
    there = [cell for cell in cells if not _is_empty(cell)]
    if all(isinstance(cell, (int, float)) and not isinstance(cell, bool) for cell in there):
        numbers = np.array([np.nan if _is_empty(cell) else float(cell) for cell in cells], dtype=np.float64)
        answer.arrays.append(pa.array(numbers, from_pandas=True))
        return
    if all(isinstance(cell, dt.date) for cell in there):
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


def _errors(path: str, sheet: str) -> dict[tuple[int, int], str]:
    """Cells that show an error (#N/A, #DIV/0!), which the reader gives as empty ones."""
    with zipfile.ZipFile(path) as packed:
        part = _part(packed, sheet)
        if part is None:
            return {}
        data = packed.read(part)
    found = {}
    for cell in _CELL.finditer(data):
        where, value = _REF.search(cell[1]), _VALUE.search(cell[2])
        if where and value:
            column = 0
            for letter in where[1]:
                column = 26 * column + letter - 64
            found[int(where[2]) - 1, column - 1] = value[1].decode("ascii", "replace")
    return found


def _open_document(path: str, sheet: str) -> tuple[dict[tuple[int, int], str], list[Range]]:
    """Cells of an OpenDocument sheet that show an error, and ranges of merged cells."""
    with zipfile.ZipFile(path) as packed:
        data = packed.read("content.xml")
    errors: dict[tuple[int, int], str] = {}
    merged: list[Range] = []
    if b'"error"' not in data and b"-spanned" not in data:
        return errors, merged
    inside, row, column = False, 0, 0
    for event, one in ElementTree.iterparse(io.BytesIO(data), ("start", "end")):
        name = one.tag.rpartition("}")[2]
        told = {key.rpartition("}")[2]: value for key, value in one.items()}
        if name == "table" and event == "start":
            inside, row = told.get("name") == sheet, 0
        elif name == "table-row" and event == "start":
            column = 0
        elif name == "table-row":
            row += int(told.get("number-rows-repeated", 1))
            one.clear()
        elif name in ("table-cell", "covered-table-cell") and event == "end":
            if inside and "error" in one.attrib.values():
                errors[row, column] = "".join(one.itertext())[:20] or "#VALUE!"
            wide, high = int(told.get("number-columns-spanned", 1)), int(told.get("number-rows-spanned", 1))
            if inside and max(wide, high) > 1:
                merged.append(((row, column), (row + high - 1, column + wide - 1)))
            column += int(told.get("number-columns-repeated", 1))
    return errors, merged


def _part(packed: zipfile.ZipFile, sheet: str) -> str | None:
    """Which member of a workbook holds a sheet."""
    names = {name.casefold(): name for name in packed.namelist()}
    try:
        book = ElementTree.fromstring(packed.read(names["xl/workbook.xml"]))
        relations = ElementTree.fromstring(packed.read(names["xl/_rels/workbook.xml.rels"]))
    except (KeyError, ElementTree.ParseError):
        return None
    targets = {one.get("Id"): one.get("Target", "") for one in relations}
    for one in book.iter():
        if one.tag.endswith("}sheet") and one.get("name") == sheet:
            identifier = next((value for key, value in one.items() if key == _OFFICE or key.endswith("}id")), None)
            target = targets.get(identifier, "")
            target = target.lstrip("/") if target.startswith("/") else f"xl/{target}"
            return names.get(target.casefold())
    return None
