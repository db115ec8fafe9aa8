"""Rows of a table that are no participants: headers again, units, headings, totals, notes, and second tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from alliance_bayes.cohort.cells import is_missing
from alliance_bayes.cohort.convert import ReadOptions, means_number
from alliance_bayes.cohort.raw import RawTable
from alliance_bayes.errors import Problem

__all__ = ["without_odd_rows"]


#: What the first cell of a row of totals says, in the languages of spreadsheets, and what stands beside such rows.
_TOTALS = frozenset(
    """
    total totals grandtotal subtotal sum sums summe gesamt gesamtsumme insgesamt zwischensumme somme suma somma totale
    totaal totalt soma summa mean means average averages mittelwert durchschnitt moyenne media promedio gemiddelde medel
    """.split()  # noqa: SIM905
)
_BESIDE = frozenset(
    """
    n count counts anzahl sd std stdev stddev standardabweichung se min max minimum maximum median range var varianz
    variance missing fehlend percent prozent
    """.split()  # noqa: SIM905
)
# Words for a missing value that the caller may not have named.
_UNKNOWN = frozenset(
    ("?", "-", "--", ".", "n/a", "n.a.", "null", "none", "missing", "unknown", "unbekannt", "k.a.", "#n/a")
)
# Rows at either end that may be no participants, and rows between that tell what columns hold.
_ENDS, _BODY = 5, 200
_SHOWN = 40
#: Fewest rows above sums, and columns of sums, that are no chance.
_ROWS_SUMMED, _COLUMNS_SUMMED = 3, 2


def without_odd_rows(raw: RawTable, reading: ReadOptions, person: str) -> tuple[RawTable, list[Problem]]:
    """The rows that may be participants, and what the others are.

    Parameters
    ----------
    raw
        The table.
    reading
        How cells are read.
    person
        The column of identifiers, if the table has one.

    Returns
    -------
    raw : RawTable
        Without the odd rows, whose cells would only be faults one by one; all of them where nothing else is left.
    problems : list of Problem
        One for each odd row.
    """
    odd: dict[int, Problem] = {}
    if not raw.cells.shape[1]:
        return raw, []
    for place, problem in (
        *_repeated_headers(raw),
        *_under_the_header(raw, reading, person),
        *_at_the_end(raw, reading, person),
        *_second_table(raw, reading),
        *_headings(raw, reading, person),
    ):
        odd.setdefault(place, problem)
    if not odd:
        return raw, []
    keep = np.ones(len(raw.cells), dtype=bool)
    keep[list(odd)] = False
    problems = list(dict.fromkeys(odd[place] for place in sorted(odd)))
    if not keep.any():
        return raw, problems
    return raw.where(keep), problems


def _repeated_headers(raw: RawTable) -> Iterator[tuple[int, Problem]]:
    names = list(raw.cells.columns)
    same = np.ones(len(raw.cells), dtype=bool)
    for name in names:
        column = raw.cells[name]
        if not pd.api.types.is_object_dtype(column.dtype) and not pd.api.types.is_string_dtype(column.dtype):
            return
        # Few rows are left to be looked at after the first column.
        left = np.flatnonzero(same)
        cells = column.iloc[left].tolist()
        same[left] = [isinstance(cell, str) and cell.strip() == name for cell in cells]
        if not same.any():
            return
    for place in np.flatnonzero(same).tolist():
        if raw.rows[place] in raw.after_gap:
            what, remedy = "begins a second table, with the same header", "Give each table a file of its own."
        else:
            what, remedy = "is the header again", "Remove the row: tables were put one after the other, it seems."
        yield place, Problem(None, raw.rows[place], None, what, remedy)


def _numeric(raw: RawTable, reading: ReadOptions) -> list[str]:
    """Columns of text that hold numbers and nothing else between the ends of the table."""
    n = len(raw.cells)
    top, bottom = min(_ENDS, n // 2), min(_ENDS, n // 4)
    body = raw.cells.iloc[top : min(n - bottom, top + _BODY)]
    names = []
    for name in raw.cells.columns:
        cells = body[name].tolist()
        if not any(isinstance(cell, str) for cell in cells):
            continue
        if _all_numbers(cells, reading):
            names.append(name)
    return names


def _all_numbers(cells: list[object], reading: ReadOptions) -> bool:
    """Whether there are cells that are not missing, and all of them are meant as numbers."""
    kinds = [means_number(cell, reading) for cell in cells if not is_missing(cell, reading.missing)]
    return bool(kinds) and all(kinds)


def _under_the_header(raw: RawTable, reading: ReadOptions, person: str) -> Iterator[tuple[int, Problem]]:
    """First rows with words in the columns of numbers: units, labels, or the texts of questions."""
    numeric = [name for name in _numeric(raw, reading) if name != person]
    if not numeric or len(raw.cells) < 3:
        return
    for place in range(min(_ENDS, len(raw.cells) - 1)):
        row = {name: raw.cells[name].iloc[place] for name in numeric}
        filled = {name: cell for name, cell in row.items() if not is_missing(cell, reading.missing)}
        # The same word in all columns is one for a missing value.
        words = {str(cell).strip().casefold() for cell in filled.values()}
        # Of nobody one word is enough.
        fewest = 1 if person in raw.cells and is_missing(raw.cells[person].iloc[place], reading.missing) else 2
        numbers = any(means_number(cell, reading) for cell in filled.values())
        if len(words) < fewest or words & _UNKNOWN or numbers:
            return
        what = f"holds units or labels ({_listed(list(filled.values()))}) under the column names, and no participant"
        yield place, Problem(None, raw.rows[place], None, what, "Remove the row.")


def _second_table(raw: RawTable, reading: ReadOptions) -> Iterator[tuple[int, Problem]]:
    """A row of words below an empty one, in columns that hold numbers above it, and every row after it."""
    if not raw.after_gap:
        return
    for place in [place for place, row in enumerate(raw.rows) if row in raw.after_gap][:_BODY]:
        cells = raw.cells.iloc[place].tolist()
        words = not any(is_missing(cell, reading.missing) or means_number(cell, reading) for cell in cells)
        if not words or cells == list(raw.cells.columns):
            continue
        above = raw.cells.iloc[max(0, place - _BODY) : place]
        if any(_all_numbers(above[name].tolist(), reading) for name in raw.cells.columns):
            what = "seems to begin a second table, below the first and an empty row"
            problem = Problem(None, raw.rows[place], None, what, "Give each table a file of its own.")
            # One problem for all of its rows.
            yield from ((later, problem) for later in range(place, len(raw.rows)))
            return


def _headings(raw: RawTable, reading: ReadOptions, person: str) -> Iterator[tuple[int, Problem]]:
    """Rows that hold some words where the others have an identifier, and nothing else: headings between groups."""
    if person not in raw.cells or raw.cells.shape[1] < 3:
        return
    ids = raw.cells[person].tolist()
    worded = [place for place, text in enumerate(ids) if isinstance(text, str) and " " in text.strip()]
    if not worded or 2 * len(worded) > len(ids):
        return
    others = raw.cells.iloc[worded].drop(columns=person)
    if all(is_missing(cell, reading.missing) for name in others for cell in others[name].tolist()):
        for place in worded:
            what = f"is a heading between rows ({ids[place][:_SHOWN]!r}), and no participant"
            yield place, Problem(None, raw.rows[place], None, what, "Remove the row, or make a column of the headings.")


def _at_the_end(raw: RawTable, reading: ReadOptions, person: str) -> Iterator[tuple[int, Problem]]:
    """Last rows that are totals, or notes."""
    first = person if person in raw.cells else raw.cells.columns[0]
    n = len(raw.cells)
    ends: list[tuple[int, Problem]] = []
    total = False
    for place in range(n - 1, max(n - 1 - _ENDS, 0), -1):
        row = raw.cells.iloc[place]
        label = row[first]
        if first == person and is_missing(label, reading.missing):
            # Nobody: whatever else the row says says what it is.
            label = next((cell for cell in row.tolist() if isinstance(cell, str) and _word(cell) in _TOTALS), label)
        # "n = 200" says what "n" does.
        word = _word(label).partition("=")[0] if isinstance(label, str) else ""
        filled = [cell for cell in row.tolist() if not is_missing(cell, reading.missing)]
        # A level of that name may come again; an identifier may not.
        if (word in _TOTALS or word in _BESIDE) and (raw.cells[first] == label).sum() <= 1:
            total = total or word in _TOTALS or (first == person and _others_have_digits(raw, person, place))
            what = f"is a row of totals ({label.strip()!r}), and no participant"
            ends.append((place, Problem(None, raw.rows[place], None, what, "Remove the row.")))
        elif len(row) > 2 and len(filled) == 1 and isinstance(label, str) and _is_note(raw, first, place):
            # A note need not stand in the first column.
            note = str(filled[0])
            short = f"{note[:_SHOWN]}..." if len(note) > _SHOWN else note
            total = True
            what = f"is a note below the table ({short!r}), and no participant"
            ends.append((place, Problem(None, raw.rows[place], None, what, "Remove the row.")))
        else:
            break
    if total:
        yield from ends
    elif kind := _sums(raw, reading, person):
        what = f"holds the {kind} of the rows above, and no participant"
        yield n - 1, Problem(None, raw.rows[n - 1], None, what, "Remove the row.")


def _others_have_digits(raw: RawTable, person: str, place: int) -> bool:
    """Whether every identifier above has a digit: "N" is nobody among P1 to P200."""
    above = raw.cells[person].iloc[:place].tolist()
    return len(above) >= _ROWS_SUMMED and all(any(map(str.isdigit, str(text))) for text in above)


def _word(cell: str) -> str:
    return "".join(cell.split()).strip(":.").casefold()


def _is_note(raw: RawTable, first: str, place: int) -> bool:
    """Whether the one cell of a row is words, where the cells above it are each a word."""
    label = raw.cells[first].iloc[place]
    if raw.rows[place] in raw.after_gap:
        return True
    above = raw.cells[first].iloc[:_BODY].tolist()[: min(place, _BODY)]
    return " " in label.strip() and not any(isinstance(cell, str) and " " in cell.strip() for cell in above)


def _sums(raw: RawTable, reading: ReadOptions, person: str) -> str | None:
    """Whether every number of the last row is the sum, or the mean, of those above it."""
    n = len(raw.cells)
    if n <= _ROWS_SUMMED:
        return None
    # Somebody may be average, but is seldom the sum of all others.
    nobody = person in raw.cells and is_missing(raw.cells[person].iloc[-1], reading.missing)
    kinds = {"sums", "means"} if nobody else {"sums"}
    seen = 0
    for name in raw.cells.columns:
        column = raw.cells[name]
        last = column.iloc[-1]
        if name == person or is_missing(last, reading.missing) or not means_number(last, reading):
            continue
        numbers = _numbers(column, reading)
        above = numbers[:-1][~np.isnan(numbers[:-1])]
        # A column of one value has it as its mean, and the sum of zeros is zero.
        if np.isnan(numbers[-1]) or above.size < _ROWS_SUMMED or np.ptp(above) == 0:
            continue
        seen += 1
        # Spreadsheets show means rounded.
        if abs(above.sum() - numbers[-1]) > 1e-9 * np.abs(above).sum():
            kinds.discard("sums")
        if abs(above.mean() - numbers[-1]) > 1e-9 * np.abs(above).max():
            kinds.discard("means")
        if not kinds:
            return None
    return min(kinds) if seen >= _COLUMNS_SUMMED and len(kinds) == 1 else None


def _numbers(column: pd.Series, reading: ReadOptions) -> np.ndarray:
    if reading.decimal == "," and not pd.api.types.is_numeric_dtype(column.dtype):
        column = column.map(lambda cell: cell.replace(",", ".") if isinstance(cell, str) else cell)
    return pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)


def _listed(cells: Sequence[object]) -> str:
    shown = ", ".join(repr(str(cell)[:_SHOWN]) for cell in cells[:3])
    return f"{shown}, ..." if len(cells) > 3 else shown
