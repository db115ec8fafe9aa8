"""Cells and columns of them: what counts as a number, a level or a date, and what to say when it does not."""

from __future__ import annotations

import datetime as dt
import decimal as decimals
import difflib
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from alliance_bayes.cohort.names import in_order
from alliance_bayes.remedies import argument, setting

__all__ = [
    "CODE",
    "MAX_SHOWN",
    "MISSING",
    "NUMBER",
    "CellError",
    "Fault",
    "ReadOptions",
    "are_dates",
    "count_numbers",
    "is_code",
    "is_missing",
    "is_number",
    "level_label",
    "likeness",
    "means_number",
    "read_date",
    "read_level",
    "read_number",
    "read_text",
    "spelling",
    "to_dates",
    "to_levels",
    "to_numbers",
    "to_texts",
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
# Whole numbers beyond this one share a float with their neighbours, so that a float no longer tells which is meant.
_LARGEST_WHOLE = 2**53
_LONGEST_MARK = 20
_ZEROS_BEFORE, _ZEROS_BEHIND = re.compile(r"(?<![0-9])0+(?=[0-9])"), re.compile(r"(?<=[0-9])\.0+$")
# What spreadsheets write in place of a number that cannot be computed, in English and German.
_SHEET_ERROR = re.compile(
    r"#(N/?A|NV|DIV/0!|VALUE!|WERT!|REF!|BEZUG!|NUM!|ZAHL!|NAME\?|NULL!|SPILL!|CALC!)", re.IGNORECASE
)
_MONTH = "jan|feb|m[aä]r|apr|ma[iy]|jun|jul|aug|sep|o[ck]t|nov|de[cz]"
_DATE = re.compile(
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
_TOO_LONG = "is a number too long to be exact: of more than 15 digits the last ones may be lost"
_AS_TEXT = "Keep identifiers as text in the program that saves them (a string variable, a column of text)."
# A formula of a workbook that no program calculated, as the reader of sheets gives it.
_UNCALCULATED = re.compile(r"=.* \(never calculated\)", re.DOTALL)
_OPEN = "Open the workbook in its own program, which calculates it, and save it."
_CALCULATE = ("is a formula whose value is not in the file", _OPEN)


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
    mine, other = NUMBER[decimal], NUMBER["," if decimal == "." else "."]
    if mine.fullmatch(text):
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
    if _DATE.fullmatch(text):
        remedy = "Format the column as numbers before it is saved: a spreadsheet may make a date of 4.5."
        raise CellError("is a date, not a number", remedy)
    plain, foreign = _ascii_number(text)
    if foreign is not None and mine.fullmatch(plain):
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
    return "".join(one for one in unicodedata.normalize("NFC", text) if unicodedata.category(one) != "Cf")


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
    if isinstance(cell, (float, np.floating)) and abs(float(cell)) >= _LARGEST_WHOLE:
        raise CellError(_TOO_LONG, _AS_TEXT)
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
        if abs(float(value)) >= _LARGEST_WHOLE:
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
        likely = next((one for one in _DATE_FORMATS if _is_written(text, one)), _DATE_FORMATS[0])
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


# Levels that a message names.
_MOST_LISTED = 10


@dataclass(frozen=True, slots=True)
class Fault:
    """A cell that breaks a rule: its position in the column (0-based; None for the whole column), rule and remedy."""

    position: int | None
    what: str
    remedy: str


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How cells are to be read.

    Parameters
    ----------
    decimal
        Decimal mark of numbers written as text: "." or ",".
    missing
        Texts that stand for a missing value.
    date_format
        How dates are written (strptime), None for ISO 8601.
    today
        Last day that a date may fall on.
    of_model
        Whether the columns are read for one model, which declares their levels itself.
    """

    decimal: str = "."
    missing: tuple[str, ...] = MISSING
    date_format: str | None = None
    today: dt.date = dt.date.max
    of_model: bool = False

    def levels(self, name: str, levels: Sequence[str]) -> str:
        """How levels of a column are declared: these, or where they are too many to be listed, any."""
        listed = {name: list(levels)} if len(levels) <= _MOST_LISTED else ...
        return setting("levels", listed) if self.of_model else argument("levels", listed)


def _each[T](
    cells: pd.Series, missing: Collection[str], read: Callable[[object], T]
) -> tuple[list[T | None], list[Fault]]:
    """Read every cell that is not missing; distinct texts are read once."""
    values: list[T | None] = []
    faults: list[Fault] = []
    known: dict[str, T | CellError | None] = {}
    for position, cell in enumerate(cells.tolist()):
        if isinstance(cell, str) and cell in known:
            result = known[cell]
        else:
            result = None if is_missing(cell, missing) else _try(read, cell)
            if isinstance(cell, str):
                known[cell] = result
        if isinstance(result, CellError):
            faults.append(Fault(position, result.what, result.remedy))
            result = None
        values.append(result)
    return values, faults


def _try[T](read: Callable[[object], T], cell: object) -> T | CellError:
    if isinstance(cell, str) and _UNCALCULATED.fullmatch(cell):
        return CellError(*_CALCULATE, number=True)
    try:
        return read(cell)
    except CellError as bad:
        return bad


def to_numbers(cells: pd.Series, reading: ReadOptions) -> tuple[pd.Series, list[Fault]]:
    """Read a column of numbers; what cannot be read becomes NaN and a fault.

    Returns
    -------
    values : pandas.Series of float64
    faults : list of Fault
    """
    if _is_real(cells):
        numbers = cells.to_numpy(dtype=np.float64, na_value=np.nan)
        if not np.isinf(numbers).any():
            return pd.Series(numbers, index=cells.index), []
    values, faults = _each(
        cells, reading.missing, lambda cell: read_number(cell, decimal=reading.decimal, missing=reading.missing)
    )
    array: npt.NDArray[np.float64] = np.array(
        [np.nan if value is None else value for value in values], dtype=np.float64
    )
    return pd.Series(array, index=cells.index), faults


def to_texts(cells: pd.Series, reading: ReadOptions) -> tuple[pd.Series, list[Fault]]:
    """Read a column of identifiers; see `to_numbers`."""
    if pd.api.types.is_float_dtype(cells.dtype) and (cells.abs() >= _LARGEST_WHOLE).any():
        # A file keeps all numbers of a column alike: said once.
        fault = Fault(None, f"holds identifiers of which one {_TOO_LONG}", _AS_TEXT)
        return pd.Series(None, index=cells.index, dtype="str"), [fault]
    values, faults = _each(cells, reading.missing, read_text)
    return pd.Series(values, index=cells.index, dtype="str"), faults


def to_dates(cells: pd.Series, reading: ReadOptions) -> tuple[pd.Series, list[Fault]]:
    """Read a column of dates or local times; see `to_numbers`."""
    values, faults = _each(
        cells, reading.missing, lambda cell: read_date(cell, date_format=reading.date_format, today=reading.today)
    )
    return pd.Series(pd.to_datetime(pd.Series(values, dtype=object)), index=cells.index), faults


def are_dates(cells: pd.Series, reading: ReadOptions) -> bool:
    """Whether a column that says when its rows were is of dates: by its type, or since most of its texts are dates."""
    if pd.api.types.is_datetime64_any_dtype(cells.dtype) or reading.date_format is not None:
        return True
    distinct = [cell for cell in dict.fromkeys(cells.tolist()) if not is_missing(cell, reading.missing)]
    dates = [isinstance(one, dt.date) or (isinstance(one, str) and _DATE.fullmatch(one)) for one in distinct]
    return 2 * sum(map(bool, dates)) > len(distinct)


def to_levels(
    cells: pd.Series,
    reading: ReadOptions,
    *,
    name: str,
    levels: Sequence[str] | None,
    check_spelling: bool,
    first: Sequence[str] = (),
    fixed: bool = False,
    counts: Sequence[int] | None = None,
) -> tuple[pd.Series, list[Fault]]:
    """Read a factor; see `to_numbers`.

    Parameters
    ----------
    cells
        The column.
    reading
        How to read it. A declared level is never taken for a missing value ("NA" is also the code of Namibia).
    name
        Its canonical name.
    levels
        Declared levels in order. None: those a categorical column declares itself, else those in the data, sorted.
    check_spelling
        Whether levels that differ in case or spaces alone are faults when none are declared.
    first
        Levels that come before the others, in this order, when none are declared and all of these occur.
    fixed
        Whether the levels are the package's own, so that the caller cannot declare others.
    counts
        Rows that each cell stands for; one each by default.

    Returns
    -------
    values : pandas.Series of category (str levels)
    faults : list of Fault
    """
    markers = [text for text in reading.missing if text not in (levels or ())]
    values, faults = _each(cells, markers, read_level)
    texts = pd.Series(values, index=cells.index, dtype="str")
    if levels is None:
        if check_spelling:
            faults += spelling_faults(texts, name, reading, counts)
        levels = _own_levels(cells, markers) or in_order(texts.dropna().unique(), first)
    else:
        faults += [
            _unexpected(name, position, text, levels, fixed, reading) for position, text in _others(texts, levels)
        ]
    declared = pd.CategoricalDtype(pd.Index(list(levels), dtype="str"))
    return texts.where(texts.isin(list(levels))).astype(declared), faults


def _own_levels(cells: pd.Series, markers: Collection[str]) -> list[str]:
    """Levels that a categorical column declares, in its order; none for other columns."""
    if not isinstance(cells.dtype, pd.CategoricalDtype):
        return []
    read = [_try(read_level, level) for level in cells.dtype.categories if not is_missing(level, markers)]
    return list(dict.fromkeys(level for level in read if isinstance(level, str)))


def count_numbers(cells: pd.Series, reading: ReadOptions, counts: Sequence[int] | None = None) -> tuple[int, int]:
    """Count the cells of an undeclared column that are meant as numbers, and those that are anything else.

    Numbers written in a way that is not read (4,5) are meant as numbers. A column of codes with leading zeros (007)
    holds none; nor do truth values, dates and categories. Each cell stands for one row, or for as many as ``counts``
    says.
    """
    dtype = cells.dtype
    rows = np.ones(len(cells), dtype=np.int64) if counts is None else np.asarray(counts, dtype=np.int64)
    if _is_real(cells):
        return int(rows[cells.notna()].sum()), 0
    if isinstance(dtype, pd.CategoricalDtype) or pd.api.types.is_datetime64_any_dtype(dtype):
        return 0, int(rows[cells.notna()].sum())
    present = [
        (cell, n)
        for cell, n in zip(cells.tolist(), rows.tolist(), strict=True)
        if not is_missing(cell, reading.missing)
    ]
    total = sum(n for _, n in present)
    if any(isinstance(cell, str) and is_code(cell) for cell, _ in present):
        return 0, total
    # Distinct texts are read once.
    texts = _totals((cell, n) for cell, n in present if isinstance(cell, str))
    numbers = sum(n for text, n in texts.items() if means_number(text, reading))
    numbers += sum(n for cell, n in present if not isinstance(cell, str) and means_number(cell, reading))
    return numbers, total - numbers


def _totals(counted: Iterable[tuple[str, int]]) -> Counter[str]:
    totals: Counter[str] = Counter()
    for text, n in counted:
        totals[text] += n
    return totals


def means_number(cell: object, reading: ReadOptions) -> bool:
    """Whether a cell is meant as a number, also one that is written so that it is not read (4,5)."""
    result = _try(lambda value: read_number(value, decimal=reading.decimal, missing=reading.missing), cell)
    return not isinstance(result, CellError) or result.number


def _is_real(cells: pd.Series) -> bool:
    """Whether a column's dtype already says that its values are real numbers."""
    types = pd.api.types
    return types.is_numeric_dtype(cells.dtype) and not (
        types.is_bool_dtype(cells.dtype) or types.is_complex_dtype(cells.dtype)
    )


def spelling_faults(
    texts: pd.Series, name: str, reading: ReadOptions, counts: Sequence[int] | None = None
) -> list[Fault]:
    """Find levels that are one level in two spellings: the rarer spelling is at fault.

    Of equally frequent ones that is whichever has characters beyond ASCII, or is sorted first (``Coach`` before
    ``coach``), so that the order of the rows does not matter.
    """
    rows = [1] * len(texts) if counts is None else counts
    total = _totals((text, n) for text, n in zip(texts, rows, strict=True) if isinstance(text, str))
    groups: dict[str, list[str]] = {}
    for text in total:
        groups.setdefault(spelling(text), []).append(text)
    wrong: dict[str, str] = {}
    for spellings in groups.values():
        usual = max(spellings, key=lambda text: (total[text], text.isascii(), text))
        wrong |= {text: usual for text in spellings if text != usual}
    if not wrong:
        return []
    declared = reading.levels(name, in_order(total))
    return [
        Fault(
            position,
            f"differs from {wrong[text]!r} (n = {total[wrong[text]]:,}) in {_difference(text, wrong[text])} alone",
            f"Write {wrong[text]!r}, or declare both: {declared}.",
        )
        for position, text in enumerate(texts)
        if text in wrong
    ]


def _difference(text: str, other: str) -> str:
    """What sets two spellings of one text apart."""
    plain, like = (unicodedata.normalize("NFKC", one) for one in (text, other))
    if plain == like or spelling(plain.lower()) != spelling(like.lower()):
        return "Unicode form"
    return "case or spacing"


def _others(texts: pd.Series, levels: Sequence[str]) -> list[tuple[int, str]]:
    known = set(levels)
    return [(position, text) for position, text in enumerate(texts) if isinstance(text, str) and text not in known]


def _unexpected(name: str, position: int, text: str, levels: Sequence[str], fixed: bool, reading: ReadOptions) -> Fault:
    listed = ", ".join(map(repr, levels[:_MOST_LISTED])) + (", ..." if len(levels) > _MOST_LISTED else "")
    same = [level for level in levels if spelling(level) == spelling(text)]
    near = same or difflib.get_close_matches(text, levels, n=1)
    remedy = f"Write {near[0]!r} if that is meant" if near else "Correct it"
    if fixed:
        return Fault(position, f"is not one of the levels {listed}", f"{remedy}.")
    longer = reading.levels(name, [*levels, text])
    return Fault(position, f"is not a declared level ({listed})", f"{remedy}, or declare it with {longer}.")
