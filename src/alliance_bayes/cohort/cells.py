"""A cell: what counts as a number, a text, a level or a date, and what to say when it does not."""

from __future__ import annotations

import datetime as dt
import decimal as decimals
import math
import re
import unicodedata
from collections.abc import Collection

import numpy as np
import pandas as pd

from alliance_bayes.remedies import argument

__all__ = [
    "AS_TEXT",
    "CODE",
    "LARGEST_WHOLE",
    "LIKE_A_DATE",
    "MAX_SHOWN",
    "MISSING",
    "NUMBER",
    "TOO_LONG",
    "CellError",
    "is_code",
    "is_missing",
    "is_number",
    "level_label",
    "likeness",
    "read_date",
    "read_level",
    "read_number",
    "read_text",
    "spelling",
    "visible",
]


#: What a text cell may hold, besides spaces, when the value is missing.
MISSING = ("", "NA", "NaN")

#: What a text that is a number looks like, by decimal mark; databases are asked by the same expressions.
NUMBER = {
    ".": re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?"),
    ",": re.compile(r"[+-]?([0-9]+(,[0-9]*)?|,[0-9]+)([eE][+-]?[0-9]+)?"),
}
#: Characters of a cell that a problem shows.
MAX_SHOWN = 60
#: Digits with leading zeros, which a number would lose.
CODE = re.compile(r"[+-]?0[0-9]+")
_THOUSANDS = re.compile(
    r"[+-]?[0-9]{1,3}(?P<mark>[.,'\u2019 \u00a0\u2007\u2009\u202f])[0-9]{3}((?P=mark)[0-9]{3})*([.,][0-9]+)?"
)
_INFINITE = re.compile(r"[+-]?inf(inity)?", re.IGNORECASE)
_WHOLE = re.compile(r"(-?)(0|[1-9][0-9]*)(?:\.0+)?")
#: Whole numbers beyond this one share a float with their neighbours, so that a float no longer tells which is meant.
LARGEST_WHOLE = 2**53
_LONGEST_MARK = 20
_ZEROS_BEFORE, _ZEROS_BEHIND = re.compile(r"(?<![0-9])0+(?=[0-9])"), re.compile(r"(?<=[0-9])\.0+$")
# What spreadsheets write in place of a number that cannot be computed, in English and German.
_SHEET_ERROR = re.compile(
    r"#(N/?A|NV|DIV/0!|VALUE!|WERT!|REF!|BEZUG!|NUM!|ZAHL!|NAME\?|NULL!|SPILL!|CALC!)", re.IGNORECASE
)
_MONTH = "jan|feb|m[aä]r|apr|ma[iy]|jun|jul|aug|sep|o[ck]t|nov|de[cz]"
#: What a reader would take for a date, however written.
LIKE_A_DATE = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ].*)?|[0-9]{1,2}([./-])[0-9]{1,2}\2[0-9]{2,4}"
    rf"|[0-9]{{1,2}}[. -]+({_MONTH})[a-zä]*\.?([ -][0-9]+)?|({_MONTH})[a-zä]*\.?[ -][0-9]{{1,4}}",
    re.IGNORECASE,
)
#: Ways to write dates that a message may name, the likeliest first.
_DATE_FORMATS = (
    "%d.%m.%Y",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%Y/%m/%d",
    "%Y%m%d",
    "%d-%m-%Y",
    "%d.%m.%y",
    "%d/%m/%y",
    "%m/%d/%y",
)
# Days since the end of 1899, by which spreadsheets keep dates: here those of 1954 to 2064.
_SERIAL = re.compile(r"[2-5][0-9]{4}(?:[.,][0-9]+)?")
_SERIAL_START = dt.date(1899, 12, 30)
_ISO = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?)?")
_ZONE = re.compile(rf"{_ISO.pattern}(Z|[+-][0-9]{{2}}:?[0-9]{{2}})")
_HAS_ZONE = ("has a time zone", "Convert it to local time and drop the zone: days are calendar days.")
#: What is wrong with an identifier that was a number, and what to do.
TOO_LONG = "is a number too long to be exact: of more than 15 digits the last ones may be lost"
AS_TEXT = "Keep identifiers as text in the program that saves them (a string variable, a column of text)."


class CellError(Exception):
    """Why a cell cannot be read.

    Parameters
    ----------
    what, remedy
        The last two parts of a `Problem`.
    number
        Whether it is meant as a number all the same, only written in a way that is not read (4,5).
    """

    def __init__(self, what: str, remedy: str, *, number: bool = False) -> None:
        super().__init__(what, remedy)
        self.what = what
        self.remedy = remedy
        self.number = number


def describe_markers(missing: Collection[str]) -> str:
    """Say how a missing value is written: "an empty cell, NA or NaN"."""
    names = ["an empty cell", *(name for name in missing if name)]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def is_missing(cell: object, missing: Collection[str]) -> bool:
    """Whether a cell is null, or text that stands for a missing value (spaces around it do not matter)."""
    if isinstance(cell, str):
        text = cell.strip()
        return not text or text in missing
    return (
        cell is None or cell is pd.NA or cell is pd.NaT or (isinstance(cell, (float, np.floating)) and math.isnan(cell))
    )


def is_number(text: str) -> bool:
    """Whether text reads as a number with a decimal point and is no code with leading zeros (007)."""
    return bool(NUMBER["."].fullmatch(text.strip())) and not is_code(text)


def is_code(text: str) -> bool:
    """Whether text is digits with leading zeros, which a number would lose."""
    return bool(CODE.fullmatch(text.strip()))


def read_number(cell: object, *, decimal: str, missing: Collection[str]) -> float:
    """Read a cell that is not missing as a finite number, or raise CellError."""
    if isinstance(cell, (bool, np.bool_)):
        raise CellError("is a truth value, not a number", "Write the number that is meant.")
    if isinstance(cell, (int, float, decimals.Decimal, np.integer, np.floating)):
        value = float(cell)
    elif isinstance(cell, str):
        value = _parse(cell.strip(), decimal, missing)
    else:
        raise CellError(f"is of type {type(cell).__name__}, not a number", "Convert the column to numbers.")
    if math.isinf(value):
        raise CellError("is infinite", f"Correct it; a missing value is {describe_markers(missing)}.", number=True)
    return value


def _parse(text: str, decimal: str, missing: Collection[str]) -> float:
    pattern, other = NUMBER[decimal], NUMBER["," if decimal == "." else "."]
    if pattern.fullmatch(text):
        return float(text.replace(",", "."))
    if _INFINITE.fullmatch(text):
        return math.inf
    thousands = _THOUSANDS.fullmatch(text)
    if other.fullmatch(text):
        mark, named = (",", "comma") if decimal == "." else (".", "point")
        if thousands:
            what = f"has a {named} that may separate thousands or decimals"
            remedy = f"Write it without the {named}, or pass {argument('decimal', mark)} if that is the decimal mark."
            raise CellError(what, remedy, number=True)
        remedy = f"Pass {argument('decimal', mark)} if every number is written so; otherwise correct the cell."
        raise CellError(f"has a decimal {named}", remedy, number=True)
    if thousands:
        raise CellError("has separators between thousands", "Write the number without them.", number=True)
    if text.casefold() in ("true", "false"):
        raise CellError("is a truth value, not a number", "Write the number that is meant.")
    if _SHEET_ERROR.fullmatch(text):
        raise CellError("is an error of the spreadsheet, not a number", _empty_or(text, missing))
    if LIKE_A_DATE.fullmatch(text):
        remedy = "Format the column as numbers before it is saved: a spreadsheet may make a date of 4.5."
        raise CellError("is a date, not a number", remedy)
    plain, foreign = _ascii_number(text)
    if foreign is not None and pattern.fullmatch(plain):
        raise CellError(f"is a number written with {_name(foreign)}", f"Write {plain}, if that is meant.", number=True)
    # What is longer is no mark of a missing value.
    marks = [*(mark for mark in missing if mark), text] if len(text) <= _LONGEST_MARK else ...
    remedy = f"Correct it; a missing value is {describe_markers(missing)}, or is named in {argument('missing', marks)}."
    raise CellError("is not a number", remedy)


def _ascii_number(text: str) -> tuple[str, str | None]:
    """A number that is written with other characters than those of ASCII in theirs, and the first of these."""
    plain, first = [], None
    for character in text:
        digit = unicodedata.decimal(character, None)
        if character.isascii():
            plain.append(character)
            continue
        first = first or character
        if digit is not None:
            plain.append(str(digit))
        elif character in "\u2010\u2011\u2012\u2013\u2212\uff0d":
            plain.append("-")
        elif character in "\u066b\uff0e":
            plain.append(".")
        elif not character.isspace() and unicodedata.category(character) not in ("Cf", "Zs"):
            plain.append(character)
    return "".join(plain), first


def _empty_or(text: str, missing: Collection[str]) -> str:
    """What to do about a text that stands for no value."""
    marks = [*(mark for mark in missing if mark), text]
    return f"Leave the cell empty if the value is unknown, or pass {argument('missing', marks)}."


def visible(text: str) -> str:
    """What a reader sees of a text: characters in one Unicode form, and none that show nothing."""
    return "".join(char for char in unicodedata.normalize("NFC", text) if unicodedata.category(char) != "Cf")


def likeness(text: str) -> str:
    """What two identifiers share that differ in spelling, or in zeros that a spreadsheet takes away (007) or adds."""
    plain = "".join(text.lower().split()) if text.isascii() else spelling(text)
    if "0" not in plain:
        return plain
    return _ZEROS_BEFORE.sub("", _ZEROS_BEHIND.sub("", plain) if ".0" in plain else plain)


def _name(character: str) -> str:
    return f"the character U+{ord(character):04X} ({unicodedata.name(character, 'without a name').lower()})"


def read_text(cell: object) -> str:
    """Read a cell that is not missing as an identifier, character by character, or raise CellError."""
    if isinstance(cell, str):
        if cell != cell.strip():
            raise CellError("has spaces around it", "Remove them: identifiers are compared character by character.")
        return cell
    if isinstance(cell, (int, np.integer)) and not isinstance(cell, (bool, np.bool_)):
        return str(int(cell))
    if isinstance(cell, (float, np.floating)) and abs(float(cell)) >= LARGEST_WHOLE:
        raise CellError(TOO_LONG, AS_TEXT)
    what = f"is of type {type(cell).__name__}, not text"
    raise CellError(what, "Read identifiers as text, so that none is changed (007, 1.0).")


def read_level(cell: object) -> str:
    """Read a cell that is not missing as a level of a factor, or raise CellError."""
    if isinstance(cell, str) and cell != cell.strip():
        remedy = f"Write {cell.strip()!r}." if len(cell) <= MAX_SHOWN else "Remove them."
        raise CellError("has spaces around it", remedy)
    if isinstance(cell, str) and _SHEET_ERROR.fullmatch(cell):
        raise CellError("is an error of the spreadsheet, not a level", _empty_or(cell, MISSING))
    return level_label(cell)


def level_label(value: object) -> str:
    """The label of the level that a value stands for; every path from values to levels comes through here.

    Parameters
    ----------
    value
        Text, a number, a truth value, or a date; not missing.

    Returns
    -------
    str
        The code ``1`` however it is kept: as a whole number, as the floats that pandas makes of codes when one is
        missing (1.0), or as either's text ("1", "1.0", "1.00"). Any other text stays as it is, so that ids with
        leading zeros ("01") and other numbers ("1.10") remain themselves.

    Raises
    ------
    CellError
        Another type, a number that is not finite, or a float so large (2^53) that neighbouring codes share it.
    """
    if isinstance(value, str):
        whole = _WHOLE.fullmatch(value)
        return value if whole is None else f"{'' if whole[2] == '0' else whole[1]}{whole[2]}"
    if isinstance(value, (bool, np.bool_)):
        return str(bool(value))
    if isinstance(value, (int, np.integer)):
        return str(int(value))
    if isinstance(value, (float, np.floating)) and np.isfinite(value):
        if abs(float(value)) >= LARGEST_WHOLE:
            remedy = "Give the codes as text or whole numbers."
            raise CellError("is too large a float to tell a code from its neighbours", remedy)
        # A short float's own digits: 0.1 in 32 bits is not 0.10000000149.
        return str(int(value)) if float(value).is_integer() else str(value)
    if isinstance(value, decimals.Decimal) and value.is_finite() and abs(value.adjusted()) < 300:
        return str(int(value)) if value == value.to_integral_value() else format(value.normalize(), "f")
    if isinstance(value, (dt.date, np.datetime64)):
        return pd.Timestamp(value).isoformat().removesuffix("T00:00:00")
    raise CellError(f"is of type {type(value).__name__}, not a level", "Give levels as text or whole numbers.")


def spelling(text: str) -> str:
    """What two texts share that differ in case, spaces, invisible characters or Unicode form alone."""
    if text.isascii():
        return "".join(text.casefold().split())
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return "".join(
        character for character in folded if not character.isspace() and unicodedata.category(character) != "Cf"
    )


def read_date(cell: object, *, date_format: str | None, today: dt.date) -> pd.Timestamp:
    """Read a cell that is not missing as a local date or time from 1970 to today, or raise CellError."""
    if isinstance(cell, str):
        value = _parse_date(cell.strip(), date_format)
    elif isinstance(cell, (dt.date, np.datetime64)):
        value = pd.Timestamp(cell)
    elif isinstance(cell, (int, float, np.integer, np.floating)) and not isinstance(cell, (bool, np.bool_)):
        value = _parse_date(f"{float(cell):g}", date_format)
    else:
        raise CellError(f"is of type {type(cell).__name__}, not a date", "Write dates as YYYY-MM-DD.")
    if value.tzinfo is not None:
        raise CellError(*_HAS_ZONE)
    if value.date() > today:
        raise CellError(f"is after {today.isoformat()}", "Correct it: a session or survey cannot lie in the future.")
    if value.year < 1970:
        raise CellError("is before 1970", "Correct the year.")
    return value


def _parse_date(text: str, date_format: str | None) -> pd.Timestamp:
    if date_format is not None:
        try:
            return pd.Timestamp(dt.datetime.strptime(text, date_format))
        except ValueError:
            if not _SERIAL.fullmatch(text):
                raise CellError(f"is not a date written {date_format}", "Write every date the same way.") from None
    if _SERIAL.fullmatch(text):
        day = _SERIAL_START + dt.timedelta(days=int(text[:5]))
        what = f"is a number of days, as spreadsheets keep dates (it may be {day.isoformat()})"
        raise CellError(what, "Format the column as dates (YYYY-MM-DD) before it is saved.")
    if _ZONE.fullmatch(text):
        raise CellError(*_HAS_ZONE)
    if not _ISO.fullmatch(text):
        likely = next((fmt for fmt in _DATE_FORMATS if _is_written(text, fmt)), _DATE_FORMATS[0])
        remedy = f"Write YYYY-MM-DD, or pass {argument('date_format', likely)} if every date is written so."
        raise CellError("is not a date written YYYY-MM-DD", remedy)
    try:
        return pd.Timestamp(dt.datetime.fromisoformat(text))
    except ValueError:
        raise CellError("is not a date of the calendar", "Correct it.") from None


def _is_written(text: str, date_format: str) -> bool:
    try:
        dt.datetime.strptime(text, date_format)
    except ValueError:
        return False
    return True
