"""Columns of cells to numbers, texts, dates and levels, with every cell at fault."""

from __future__ import annotations

import datetime as dt
import difflib
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from alliance_bayes.cohort.cells import (
    AS_TEXT,
    LARGEST_WHOLE,
    LIKE_A_DATE,
    MISSING,
    TOO_LONG,
    CellError,
    is_code,
    is_missing,
    read_date,
    read_level,
    read_number,
    read_text,
    spelling,
)
from alliance_bayes.cohort.names import in_order
from alliance_bayes.remedies import argument, setting

__all__ = [
    "Fault",
    "ReadOptions",
    "are_dates",
    "count_numbers",
    "means_number",
    "to_dates",
    "to_levels",
    "to_numbers",
    "to_texts",
]


# A formula of a workbook that no program calculated, as the reader of sheets gives it.
_UNCALCULATED = re.compile(r"=.* \(never calculated\)", re.DOTALL)
_OPEN = "Open the workbook in its own program, which calculates it, and save it."
_CALCULATE = ("is a formula whose value is not in the file", _OPEN)
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
    if pd.api.types.is_float_dtype(cells.dtype) and (cells.abs() >= LARGEST_WHOLE).any():
        # A file keeps all numbers of a column alike: said once.
        fault = Fault(None, f"holds identifiers of which one {TOO_LONG}", AS_TEXT)
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
    dates = [isinstance(cell, dt.date) or (isinstance(cell, str) and LIKE_A_DATE.fullmatch(cell)) for cell in distinct]
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
    plain, like = (unicodedata.normalize("NFKC", string) for string in (text, other))
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
