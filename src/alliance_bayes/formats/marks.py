"""What the XML of a sheet says of cells that the reader of workbooks does not: errors, formulas, days that are none."""

from __future__ import annotations

import datetime as dt
import io
import re
import xml.etree.ElementTree as ElementTree
import zipfile
from dataclasses import dataclass, field
from typing import Any
from xml.sax.saxutils import unescape

__all__ = ["BEFORE", "Marks", "Range", "no_day", "of_excel", "of_open_document"]

type Range = tuple[tuple[int, int], tuple[int, int]]

#: Cells that are looked at for an error value, by their beginning.
_CELL = re.compile(rb"<(?:\w+:)?c\s([^>]*\bt=[\"']e[\"'][^>]*)>(.*?)</(?:\w+:)?c>", re.DOTALL)
_REF = re.compile(rb"\br=[\"']([A-Z]{1,3})([0-9]{1,7})[\"']")
_VALUE = re.compile(rb"<(?:\w+:)?v>([^<]{1,20})</")
# A formula after which the cell ends, or has a value of no characters.
_FORMULA = re.compile(
    rb"<(?:\w+:)?c\s([^>]*)>\s*<(?:\w+:)?f(?:\s[^>]*)?(?:/>|>([^<]*)</(?:\w+:)?f>)\s*"
    rb"(<(?:\w+:)?v\s*/>|<(?:\w+:)?v>\s*</(?:\w+:)?v>)?\s*</(?:\w+:)?c>"
)
_IS_TEXT = re.compile(rb"\bt=[\"']str[\"']")
# Numbers of days before 1900, and of 29 February 1900, which was none.
_NO_DAY = re.compile(
    rb"<(?:\w+:)?c\s([^>]*)>\s*(?:<(?:\w+:)?f(?:\s[^>]*)?(?:/>|>[^<]*</(?:\w+:)?f>)\s*)?"
    rb"<(?:\w+:)?v>(-[0-9][^<]{0,24}|60(?:\.[0-9]{1,20})?)</"
)
_OFFICE = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
#: What programs show of a day before the first that they know.
BEFORE = "########"
# Characters of a formula that are shown.
_SHOWN = 40


@dataclass(slots=True)
class Marks:
    """Cells by row and column, from 0.

    Parameters
    ----------
    texts
        What to read in place of what the reader gives: an error, or a formula that was never calculated.
    days
        Numbers that are no days where the reader gives a date or a time of day.
    merged
        Ranges of merged cells, where these are known.
    """

    texts: dict[tuple[int, int], str] = field(default_factory=dict)
    days: dict[tuple[int, int], str] = field(default_factory=dict)
    merged: list[Range] | None = None


def of_excel(path: str, sheet: str) -> Marks:
    """Marks of a sheet of an .xlsx file."""
    marks = Marks()
    with zipfile.ZipFile(path) as packed:
        part = _part(packed, sheet)
        if part is None:
            return marks
        data = packed.read(part)
    for cell in _CELL.finditer(data):
        where, value = _place(cell[1]), _VALUE.search(cell[2])
        if where and value:
            marks.texts[where] = value[1].decode("ascii", "replace")
    for cell in _FORMULA.finditer(data):
        where = _place(cell[1])
        # A formula may give a text of no characters.
        if where and not (cell[3] and _IS_TEXT.search(cell[1])):
            marks.texts[where] = _formula(unescape((cell[2] or b"").decode("utf-8", "replace")))
    for cell in _NO_DAY.finditer(data):
        if where := _place(cell[1]):
            marks.days[where] = cell[2].decode("ascii", "replace")
    return marks


def _formula(text: str) -> str:
    """How a formula that was never calculated is told from every text; convert.py knows it again."""
    return f"={text[:_SHOWN]}{'...' if len(text) > _SHOWN else ''} (never calculated)"


def _place(attributes: bytes) -> tuple[int, int] | None:
    where = _REF.search(attributes)
    if where is None:
        return None
    column = 0
    for letter in where[1]:
        column = 26 * column + letter - 64
    return int(where[2]) - 1, column - 1


def no_day(cell: Any, days: str) -> str | None:
    """What a cell shows that the reader gives as a date or a time, though its number of days is none."""
    try:
        number = float(days)
    except ValueError:
        return None
    if number < 0:
        return BEFORE if isinstance(cell, (dt.date, dt.time)) else None
    # Where days count from 1904 the number 60 is a day.
    if not (isinstance(cell, dt.date) and (cell.year, cell.month, cell.day) == (1900, 2, 28)):
        return None
    seconds = round((number - 60) * 86_400)
    minutes = seconds // 60
    return "1900-02-29" + (f" {minutes // 60:02d}:{minutes % 60:02d}:{seconds % 60:02d}" if seconds else "")


def of_open_document(path: str, sheet: str) -> Marks:
    """Marks of a sheet of an OpenDocument file."""
    with zipfile.ZipFile(path) as packed:
        data = packed.read("content.xml")
    errors: dict[tuple[int, int], str] = {}
    merged: list[Range] = []
    if b'"error"' not in data and b"-spanned" not in data and b":formula=" not in data:
        return Marks(merged=merged)
    inside, row, column = False, 0, 0
    for event, element in ElementTree.iterparse(io.BytesIO(data), ("start", "end")):
        name = element.tag.rpartition("}")[2]
        facts = {key.rpartition("}")[2]: value for key, value in element.items()}
        if name == "table" and event == "start":
            inside, row = facts.get("name") == sheet, 0
        elif name == "table-row" and event == "start":
            column = 0
        elif name == "table-row":
            row += int(facts.get("number-rows-repeated", 1))
            element.clear()
        elif name in ("table-cell", "covered-table-cell") and event == "end":
            if inside and "error" in element.attrib.values():
                errors[row, column] = "".join(element.itertext())[:20] or "#VALUE!"
            elif inside and "formula" in facts and "value-type" not in facts:
                errors[row, column] = _formula(facts["formula"].partition(":=")[2] or facts["formula"].lstrip("="))
            wide, high = int(facts.get("number-columns-spanned", 1)), int(facts.get("number-rows-spanned", 1))
            if inside and max(wide, high) > 1:
                merged.append(((row, column), (row + high - 1, column + wide - 1)))
            column += int(facts.get("number-columns-repeated", 1))
    return Marks(errors, merged=merged)


def _part(packed: zipfile.ZipFile, sheet: str) -> str | None:
    """Which member of a workbook holds a sheet."""
    names = {name.casefold(): name for name in packed.namelist()}
    try:
        book = ElementTree.fromstring(packed.read(names["xl/workbook.xml"]))
        relations = ElementTree.fromstring(packed.read(names["xl/_rels/workbook.xml.rels"]))
    except (KeyError, ElementTree.ParseError):
        return None
    targets = {relation.get("Id"): relation.get("Target", "") for relation in relations}
    for element in book.iter():
        if element.tag.endswith("}sheet") and element.get("name") == sheet:
            identifier = next((value for key, value in element.items() if key == _OFFICE or key.endswith("}id")), None)
            target = targets.get(identifier, "")
            target = target.lstrip("/") if target.startswith("/") else f"xl/{target}"
            return names.get(target.casefold())
    return None
