"""Tables in text: from bytes to a header and rows of cells, with the true cause where there is no table."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from alliance_bayes.cohort.cells import MISSING, is_number
from alliance_bayes.cohort.contents import TABLE_CELLS, TABLE_COLUMNS, TABLE_ROWS, unreadable
from alliance_bayes.errors import Problem, UsageError
from alliance_bayes.foreign import shown
from alliance_bayes.remedies import argument

__all__ = [
    "LINE",
    "LOOKED_AT",
    "BoundedLines",
    "Rows",
    "check_encoding",
    "check_separator",
    "decode",
    "split",
    "wrong_beginning",
]

#: Longest row of a text file: characters of a line, and lines.
LINE, _LINES = 1 << 20, 10_000
_ONE_LINE = re.compile(rf"[^\r\n]{{0,{LINE}}}(?:\r\n?|\n)|[^\r\n]{{1,{LINE + 1}}}")
# Rows that do not fit, after which no more are looked for.
_PROBLEMS = 100_000
#: What may separate cells, as messages call it.
_NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars", " ": "spaces"}
# What Excel writes above a header, or takes from there.
_SEP_LINE = re.compile(r'"?sep=([^\r\n"])"?,*[ \t]*(?:\r\n?|\n)', re.IGNORECASE)
#: Lines that are looked at to tell what a file is, and rows above a header that may be a title.
LOOKED_AT, _TITLES = 50, 20
_SHOWN = 40
# Marks around names that a program took for quotation marks; not "`", which may be part of one.
_QUOTES = "'\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u00ab\u00bb"

# Encodings of Python that are not for files of text: of names in networks, of Python's own literals, of one machine.
_NO_FILE = ("idna", "mbcs", "oem", "palmos", "punycode", "raw-unicode-escape", "undefined", "unicode-escape")
_ENCODINGS = "Usual ones: 'utf-8', 'utf-16', 'cp1252', 'latin-1'."
#: Marks at the beginning of a text. That of UTF-32 begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8", ""),
    (codecs.BOM_UTF32_LE, "utf-32", "le"),
    (codecs.BOM_UTF32_BE, "utf-32", "be"),
    (codecs.BOM_UTF16_LE, "utf-16", "le"),
    (codecs.BOM_UTF16_BE, "utf-16", "be"),
)
# Where a text of ASCII characters has its zeros in the first four bytes, without a mark.
_ZEROS: dict[tuple[bool, ...], str] = {
    (False, True, True, True): "utf-32-le",
    (True, True, True, False): "utf-32-be",
    (False, True, False, True): "utf-16-le",
    (True, False, True, False): "utf-16-be",
}


@dataclass(slots=True)
class Rows:
    """A header, numbered rows that are as long, and everything that is wrong with them.

    Parameters
    ----------
    header
        Names of columns.
    records
        Number of each row, as a spreadsheet counts, and its cells; rows that are wholly empty are passed over.
    after_gap
        Numbers of rows that come after an empty one.
    problems
        What does not fit.
    """

    header: list[str] = field(default_factory=list)
    records: list[tuple[int, list[str]]] = field(default_factory=list)
    after_gap: set[int] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Other:
    """A row that has not as many cells as the header."""

    row: int
    line: int
    width: int
    cells: list[str]
    after_gap: bool


def check_encoding(encoding: str | None) -> None:
    """Raise UsageError unless this may be how a file of text is written."""
    if encoding is None:
        return
    try:
        known = codecs.lookup(encoding).name.replace("_", "-") not in _NO_FILE
    # A name may also hold what no name can.
    except (LookupError, ValueError):
        known = False
    if not known:
        raise UsageError(f"{argument('encoding')} {shown(encoding)} is unknown. {_ENCODINGS}")


def check_separator(sep: str) -> None:
    """Raise UsageError unless this can be between cells."""
    if len(sep) != 1 or sep in '"\r\n':
        raise UsageError(f"{argument('sep')} should be one character but got {sep!r}. Usual ones: ',', ';', '\\t'.")


def decode(path: Path, data: bytes, encoding: str | None) -> str:
    """Bytes as text: as asked for, else as their mark says, else UTF-8.

    Raises
    ------
    UsageError
        An encoding that is none of text.
    DataError
        Bytes that are something else, with what they seem to be.
    """
    marked = next(((name, order, len(mark)) for mark, name, order in _MARKS if data.startswith(mark)), None)
    if marked is not None:
        name, order, length = marked
        if encoding is not None and not _agrees(encoding, name, order):
            what = f"begins with the mark of {name.upper()}, but is to be read as {encoding}"
            raise unreadable(path, what, f"Leave {argument('encoding')} out: the mark says how the file is written.")
        encoding, data = f"{name}-{order}".removesuffix("-"), data[length:]
    elif encoding is None and (guess := _ZEROS.get(tuple(byte == 0 for byte in data[:4]))):
        what = f"seems to be {guess[:6].upper()} text without a byte-order mark, not UTF-8"
        raise unreadable(path, what, f"Pass {argument('encoding', guess)}, or save the file as UTF-8.")
    elif encoding is not None and _wide(encoding) and b"\0" not in data:
        # Letters that are none would be read, and not a separator among them.
        raise unreadable(path, f"is not {encoding.upper()} text: it has no byte of 0", _remedy(data, encoding))
    try:
        text = data.decode(encoding or "utf-8").removeprefix("\ufeff")
    except LookupError:
        raise UsageError(f"{argument('encoding')} {encoding!r} is no text encoding. {_ENCODINGS}") from None
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        what = f"has bytes on line {line} that are not {(encoding or 'UTF-8').upper()}: 0x{data[error.start]:02X}"
        raise unreadable(path, what, _remedy(data, encoding)) from None
    except UnicodeError as error:
        raise unreadable(path, f"is not text in {encoding}: {error}", _remedy(data, encoding)) from None
    if "\x1a" in text[-4:]:
        # How files ended under DOS.
        text = text.rstrip("\x1a\r\n")
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise unreadable(path, f"holds NUL characters, the first on line {line}", "Export the file again.")
    if second := re.search("[\r\n]\ufeff", text):
        line = text.count("\n", 0, second.end()) + 1
        what = f"has a second byte-order mark on line {line}: two files were put one after the other"
        raise unreadable(path, what, "Put them together without the mark and the header of the second.")
    return text


def _wide(encoding: str) -> bool:
    """Whether every character takes several bytes, of which those of a separator are mostly 0."""
    try:
        return codecs.lookup(encoding).name.startswith(("utf-16", "utf-32"))
    except LookupError:
        return False


def _remedy(data: bytes, encoding: str | None) -> str:
    """What to do about bytes that are not what they were read as."""
    if encoding is not None:
        try:
            data.decode("utf-8")
        except UnicodeDecodeError:
            pass
        else:
            return f"Leave {argument('encoding')} out: the file is UTF-8."
    others = {"cp1252": " (Windows)", "latin-1": ""}
    named = [
        f"{argument('encoding', name)}{whose}"
        for name, whose in others.items()
        if encoding is None or codecs.lookup(name) != codecs.lookup(encoding)
    ]
    return f"Save the file as UTF-8, or say how it is written: {', '.join(named)}, ..."


def _agrees(encoding: str, name: str, order: str) -> bool:
    codec = codecs.lookup(encoding).name.replace("_", "-").removesuffix("-sig")
    return codec in (name, f"{name}-{order}")


class BoundedLines(Iterator[str]):
    """Lines of a text, of which the rows of a table are made; a row without an end is an error of its format.

    Parameters
    ----------
    lines
        The lines with their ends, each cut after `LINE` characters and one.

    Attributes
    ----------
    taken : int
        Lines of the row that is being read; whoever reads sets it back.
    """

    def __init__(self, lines: Iterator[str]) -> None:
        self.lines = lines
        self.taken = 0

    def __next__(self) -> str:
        line = next(self.lines)
        self.taken += 1
        if len(line) > LINE or self.taken > _LINES:
            raise csv.Error(f"a row of more than {LINE:,} characters or {_LINES:,} lines")
        return line


def split(text: str, sep: str | None, usual: str) -> Rows:
    """Split a text into cells.

    Parameters
    ----------
    text
        The text.
    sep
        What is between cells; None where nothing was asked for.
    usual
        What it is then, unless a first line ``sep=;`` says something else.

    Returns
    -------
    Rows
        Without a header where the text is empty. Where the first row is no header, the problems say what it is.
    """
    sep_line = _SEP_LINE.match(text)
    if sep_line and sep is not None and sep != sep_line[1]:
        what = f"begins with a line that says it is separated by {sep_line[1]!r}, but is to be read with {sep!r}"
        remedy = f"Leave {argument('sep')} out, or remove that line."
        return Rows(problems=[Problem(None, None, None, what, remedy)])
    if sep_line:
        # A spreadsheet does not show that line, and counts from the next.
        text, sep = text[sep_line.end() :], sep_line[1]
    explicit, sep = sep is not None, usual if sep is None else sep
    rows, others = _rows(text, sep)
    start = _beginning(text)
    if not start:
        return rows
    # Without a header where not even that could be split.
    header = rows.header or _cells(start[0][1], sep)
    first = (
        _quoted(header)
        or _wrong_separator(start, header, sep, explicit=explicit)
        or wrong_beginning(start, sep, header)
    )
    if first:
        rows.problems = [first]
    elif others:
        rows.problems = _misfits(rows, others, sep) + rows.problems
    return rows


def _rows(text: str, sep: str) -> tuple[Rows, list[_Other]]:
    """Header, rows that are as long, and rows that are not."""
    # Not StringIO, which takes four bytes a character.
    lines = BoundedLines(match.group() for match in _ONE_LINE.finditer(text))
    rows, others = Rows(), list[_Other]()
    row, line, gap = 0, 0, False
    # Rows that end in a separator, which is one cell more; no fault where all of them do.
    longer: list[_Other] = []
    try:
        reader = _reader(lines, sep)
        for row, cells in enumerate(reader, start=1):
            start, line, lines.taken = line + 1, reader.line_num, 0
            width, taken = len(rows.header) or len(cells), len(rows.records) + len(longer)
            large = taken * width > TABLE_CELLS or taken > TABLE_ROWS or width > TABLE_COLUMNS
            if large or len(others) > _PROBLEMS:
                rows.header = rows.header or cells
                break
            if not any(cell.strip() for cell in cells):
                gap = bool(rows.header)
                continue
            if not rows.header:
                rows.header = cells
                continue
            if len(cells) == width:
                rows.records.append((row, cells))
            elif len(cells) == width + 1 and not cells[-1].strip():
                longer.append(_Other(row, start, len(cells), cells[:-1], gap))
            else:
                others.append(_Other(row, start, len(cells), cells[:width], gap))
            if gap:
                rows.after_gap.add(row)
            gap = False
    except csv.Error as error:
        what = f"cannot be split into cells from line {line + 1} of the file on ({error})"
        remedy = "Close every quotation mark, and double those inside quoted text."
        rows.problems.append(Problem(None, row + 1, None, what, remedy))
    if longer and not rows.records and not others:
        rows.records = [(other.row, other.cells) for other in longer]
    elif longer:
        others = sorted([*others, *longer[:_PROBLEMS]], key=lambda other: other.row)
    return rows, others


def _reader(lines: Iterator[str], sep: str) -> Any:
    if sep != " ":
        return csv.reader(lines, delimiter=sep, strict=True)
    # Columns that are lined up have any number of spaces between them, and some before the first.
    trimmed = (line.strip(" \t\r\n") + "\n" for line in lines)
    return csv.reader(trimmed, delimiter=" ", skipinitialspace=True, strict=True)


def _beginning(text: str) -> list[tuple[int, str]]:
    """The first lines that are not empty, with their numbers."""
    lines = enumerate((match.group() for match in islice(_ONE_LINE.finditer(text), 4 * LOOKED_AT)), start=1)
    return [(number, line[:LINE]) for number, line in lines if line.strip()][:LOOKED_AT]


def _cells(line: str, sep: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(_reader(iter([line]), sep), [])]
    except csv.Error:  # a quotation mark that closes on another line
        return [cell.strip() for cell in line.split(sep)]


def _quoted(header: Sequence[str]) -> Problem | None:
    """Names in quotation marks that separate nothing."""
    names = [name.strip() for name in header if name.strip()]
    if not names or not all(len(name) > 1 and name[0] in _QUOTES and name[-1] in _QUOTES for name in names):
        return None
    what = f'has its column names in {names[0][0]} quotation marks, and only " are known'
    return Problem(None, None, None, what, "Write the file with double quotation marks, or with none.")


def _wrong_separator(
    lines: Sequence[tuple[int, str]], header: Sequence[str], sep: str, *, explicit: bool
) -> Problem | None:
    """Rows of one cell, or of a few, that would be whole rows with another separator."""
    n_cells = [len(_cells(line, sep)) for _, line in lines]
    if explicit and n_cells[0] > 1 and len(set(n_cells)) == 1:
        return None
    fixed = all(re.search(r"\S {2,}\S", line) for _, line in lines)
    for other in (",", ";", "\t", "|", " "):
        widths = [len(_cells(line, other)) for _, line in lines]
        # Below a title, which need not hold any.
        body = widths[next((k for k, width in enumerate(widths) if width > 1), 0) :]
        alike = len(body) > 1 and body[0] > 1 and len(set(body)) == 1
        if other == " " and len(body) > 1 and body[0] > 1:
            # A missing value leaves nothing between two spaces; and R names no column of row names.
            usual = max(body[1:], key=body[1:].count)
            alike = max(body) == usual and body[0] in (usual, usual - 1) and 2 * body.count(usual) > len(body) - 1
            alike = alike and not (fixed and len(set(body[1:])) > 1)
        if other == sep or (other == " " and not (alike and max(n_cells) == 1 and _begins_table(lines[-len(body) :]))):
            continue
        several = max(n_cells) == 1 and alike and len(body) >= min(3, len(lines))
        if (
            several
            or (len(header) == 1 and other in header[0])
            or (alike and len(body) == len(widths) and body[0] > n_cells[0])
        ):
            hint = f", and {argument('decimal', ',')} if its numbers are written 4,5" if other == ";" else ""
            single = (
                "has one column, but its header holds" if other in header[0] else "has one column, but its rows hold"
            )
            what = f"{single if len(header) == 1 else 'has rows that hold'} {_NAMES[other]}"
            return Problem(
                None,
                None,
                None,
                f"{what}: it seems to be separated by them",
                f"Pass {argument('sep', other)}{hint}.",
            )
    if max(n_cells) == 1 and len(lines) > 1 and fixed:
        what = "has one column, but its lines are laid out in columns of fixed width"
        return Problem(None, None, None, what, "Save it with a separator between columns (CSV).")
    return None


def _begins_table(lines: Sequence[tuple[int, str]]) -> bool:
    """Whether lines are names and then rows with numbers, and not texts of as many words."""
    names, *rows = (_cells(line, " ") for _, line in lines)
    return not any(map(is_number, names)) and any(is_number(cell) for row in rows for cell in row)


def wrong_beginning(lines: Sequence[tuple[int, str]], sep: str, header: Sequence[str]) -> Problem | None:
    """A first row that is a title, a comment or a heading over several columns, with column names below it."""
    rows = [(number, _cells(line, sep)) for number, line in lines]
    filled = sum(bool(name.strip()) for name in header)
    for place, (number, cells) in enumerate(rows[1 : 1 + _TITLES], start=1):
        names = (
            len(cells) > max(filled, 1) and all(cells) and not any(is_number(cell) or cell in MISSING for cell in cells)
        )
        below = [later for _, later in rows[place + 1 :] if len(later) == len(cells)]
        if not names or not below or len(set(cells)) < len(cells):
            continue
        shorter = len(header) < len(cells) - 1 or (len(header) == 1 and len(below) == len(rows) - place - 1)
        if shorter or any(any(map(is_number, later)) for later in below):
            first = next(name.strip() for name in header if name.strip())
            kind = "headings" if filled > 1 and len(header) == len(cells) else "a title"
            kind = "a comment" if first.startswith("#") else kind
            short = f"{first[:_SHOWN]}..." if len(first) > _SHOWN else first
            what = f"holds {kind} ({short!r}) where column names should be, which seem to be in row {number}"
            return Problem(None, rows[0][0], None, what, f"Remove everything above row {number}.")
    return None


def _misfits(rows: Rows, others: Sequence[_Other], sep: str) -> list[Problem]:
    """Rows that are not as long as the header: one problem where they have one cause, else one for each."""
    width = len(rows.header)
    every = {other.width for other in others}
    if not rows.records and len(others) > 1 and len(every) == 1:
        if every == {width + 1}:
            what = "has one cell more in every row than in the header: row names, which the header does not name"
            remedy = "Write the file without them (in R: row.names = FALSE), or name the first column in the header."
        else:
            what = f"has {every.pop()} cells in every row where the header has {width}"
            remedy = "Check that the header names every column, and nothing else."
        return [Problem(None, None, None, what, remedy)]
    last = rows.records[-1][0] if rows.records else 0
    problems = []
    for place, other in enumerate(others):
        below, filled = other.row > last, [cell.strip() for cell in other.cells if cell.strip()]
        if (
            below
            and other.after_gap
            and len(filled) > 1
            and [later.width for later in others[place:]].count(other.width) > 1
        ):
            what = "seems to begin a second table, below the first and an empty row"
            problems.append(Problem(None, other.row, None, what, "Give each table a file of its own."))
            break
        if below and other.width == 1 and width > 2:
            what = "holds a note below the table, and no participant"
            problems.append(Problem(None, other.row, filled[0][:_SHOWN], what, "Remove it, and what is below it."))
            break
        what = f"has {_count(other.width, 'cell')} where the header has {width} (line {other.line} of the file)"
        if other.width > width:
            remedy = f"Put text that contains {_NAMES.get(sep, repr(sep))} in double quotation marks."
        elif sep == " ":
            remedy = "Write NA where a cell is empty: among spaces it cannot be seen."
        else:
            remedy = (
                f"Give it a cell for each column, also where one is empty (two {_NAMES.get(sep, repr(sep))} in a row), "
                "and put text that contains line breaks in double quotation marks."
            )
        problems.append(Problem(None, other.row, None, what, remedy))
    return problems


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
