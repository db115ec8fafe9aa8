"""Tables as they stand: files and DataFrames brought to cells, nothing converted yet."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from alliance_bayes.cohort.header import header_problems
from alliance_bayes.cohort.names import ID
from alliance_bayes.errors import DataError, FileFormatError, Problem, UsageError
from alliance_bayes.foreign import parse_json, shown

__all__ = ["LINE", "BoundedLines", "RawTable", "read_raw"]

#: Largest table that is read whole. A cell of text takes some sixty bytes in memory, however short it is.
TABLE_BYTES, TABLE_ROWS, TABLE_COLUMNS, TABLE_CELLS, CELL_BYTES = 256 << 20, 2_000_000, 10_000, 10_000_000, 1 << 16
SEPARATORS = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
PARQUET = (".parquet", ".pq")
# Longest row of a text file: characters of a line, and lines.
LINE, _LINES = 1 << 20, 10_000
_ONE_LINE = re.compile(rf"[^\r\n]{{0,{LINE}}}(?:\r\n?|\n)|[^\r\n]{{1,{LINE + 1}}}")
# Rows that do not fit, after which no more are looked for.
_PROBLEMS = 100_000
_NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_TOO_LARGE = "Leave out what no model needs, or reduce the table where it is ('alliance-bayes reduce')."
# Encodings of Python that are not for files of text: of names in networks, of Python's own literals, of one machine.
_NO_FILE = ("idna", "mbcs", "oem", "palmos", "punycode", "raw-unicode-escape", "undefined", "unicode-escape")
_ENCODINGS = "Usual ones: 'utf-8', 'utf-16', 'cp1252', 'latin-1'."
_BOMS = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


@dataclass(frozen=True, slots=True)
class RawTable:
    """Cells before conversion.

    Parameters
    ----------
    cells
        Columns under their names in the source, outer spaces removed; text for CSV and TSV, as they come otherwise.
    rows
        How to name each row in a problem: the spreadsheet's row number for files (the header is row 1), else the index
        label.
    source
        File name without its directory, or "DataFrame".
    """

    cells: pd.DataFrame
    rows: tuple[int | str, ...]
    source: str


def read_raw(
    source: str | Path | pd.DataFrame, *, encoding: str | None = None, sep: str | None = None, what: str = "source"
) -> RawTable:
    """Read a CSV, TSV or Parquet file, or take a DataFrame, without converting any cell.

    Parameters
    ----------
    source
        Path or DataFrame.
    encoding
        Of a text file; None means UTF-8, with or without a byte-order mark.
    sep
        Between a text file's cells; None means by file type: "," for .csv, a tab for .tsv and .tab.
    what
        Name of the argument, for messages.

    Returns
    -------
    RawTable
        At least one column and one row. Wholly empty rows of a text file are passed over (row numbers count them).

    Raises
    ------
    UsageError
        When there is no such file, it is of no known type, or an option is impossible.
    DataError
        When the file does not hold a table: every structural problem at once.
    """
    if isinstance(source, pd.DataFrame):
        return _from_frame(source)
    if not isinstance(source, (str, Path)):
        raise UsageError(f"{what} should be a path or a DataFrame but got {type(source).__name__}.")
    path = Path(source)
    if path.is_dir():
        raise UsageError(f"{what}: {path} is a directory. Name the file in it.")
    suffix = path.suffix.lower()
    if suffix not in SEPARATORS and suffix not in PARQUET and (sep is None or suffix != ".txt"):
        known = ", ".join([*SEPARATORS, *PARQUET])
        raise UsageError(
            f"{what}: {path} is of no known type. Give a file ending in {known} (or .txt with sep=), or a DataFrame."
        )
    if not path.is_file():
        raise UsageError(f"{what}: there is no file {path}. Check the path; it is read from {Path.cwd()}.")
    if suffix in PARQUET:
        return _from_parquet(path)
    return _from_text(path, encoding, SEPARATORS.get(suffix, ",") if sep is None else sep)


def _from_frame(frame: pd.DataFrame) -> RawTable:
    labels = frame.index.tolist()
    if frame.index.name == ID and ID not in frame:
        frame = frame.reset_index()
    problems = header_problems(list(frame.columns), names="the column labels")
    if not len(frame) and not problems:
        problems = [Problem(None, None, None, "has columns but no rows", "Check the selection that made the table.")]
    if problems:
        raise DataError(problems, source="DataFrame")
    rows = tuple(label if isinstance(label, (int, str)) else str(label) for label in labels)
    cells = frame.set_axis([name.strip() for name in frame.columns], axis="columns").reset_index(drop=True)
    return RawTable(cells, rows, "DataFrame")


def _from_parquet(path: Path) -> RawTable:
    problems: list[Problem] = []
    # pyarrow raises many kinds of error on a damaged file; each means the same to the reader.
    try:
        frame, problems = _parquet_frame(path)
    except Exception as error:
        lines = str(error).replace(str(path), path.name).splitlines() or [type(error).__name__]
        reason = lines[0][:300].rstrip(".")
        problem = Problem(
            None, None, None, f"cannot be read as Parquet ({reason})", "Write the file again, or give it as CSV."
        )
        raise DataError([problem], source=path.name) from error
    if problems:
        raise DataError(problems, source=path.name)
    try:
        raw = _from_frame(frame)
    except DataError as error:
        raise DataError(error.problems, source=path.name) from None
    return RawTable(raw.cells, _file_rows(len(frame)), path.name)


def _parquet_frame(path: Path) -> tuple[pd.DataFrame, list[Problem]]:
    """The table of a file whose columns hold single values, or why it is not read."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    empty = pd.DataFrame()
    about = pq.read_schema(path)
    plain = [field.name for field in about if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)]
    # A text that stands in many rows is in memory once until its length is known.
    file = pq.ParquetFile(path, read_dictionary=plain)
    size = sum(file.metadata.row_group(k).total_byte_size for k in range(file.metadata.num_row_groups))
    if size > TABLE_BYTES:
        what = f"takes {size / 2**20:,.0f} MiB in memory, and no more than {TABLE_BYTES >> 20} are read"
        return empty, [Problem(None, None, None, what, _TOO_LARGE)]
    problems = _size_problems(file.metadata.num_rows, len(about))
    for field in about:
        if not any(of(_inner(field.type)) for of in _cell_types()):
            what = f"is of type {str(field.type)[:60]}, which is no single number, text, truth value or date"
            problems.append(Problem(field.name, None, None, what, "Give it one value a row, or leave it out."))
    if problems:
        return empty, problems
    table = file.read()
    for place, name in enumerate(about.names):
        column = table.column(place)
        if not pa.types.is_dictionary(column.type):
            continue
        longest = [
            pc.max(pc.binary_length(chunk.dictionary)).as_py() or 0
            for chunk in column.chunks
            if not pa.types.is_integer(column.type.value_type)
        ]
        if max(longest, default=0) > CELL_BYTES:
            what = f"has a cell of {max(longest):,} bytes, and no more than {CELL_BYTES:,} are read"
            problems.append(Problem(name, None, None, what, "Leave the column out."))
        elif not pa.types.is_dictionary(about.field(place).type):
            cells = [chunk.dictionary_decode() for chunk in column.chunks]
            table = table.set_column(place, name, pa.chunked_array(cells, column.type.value_type))
    if problems:
        return empty, problems
    # What pandas wrote about its index is for pandas: here an index is a column, or nothing.
    index = [name for name in _index_columns(about) if name != ID and about.names.count(name) == 1]
    table = table.replace_schema_metadata(None).drop_columns(index)
    return table.to_pandas(ignore_metadata=True, integer_object_nulls=True), []


def _cell_types() -> list[Any]:
    from pyarrow import types

    return [
        types.is_boolean,
        types.is_integer,
        types.is_floating,
        types.is_decimal,
        types.is_string,
        types.is_large_string,
        types.is_date,
        types.is_timestamp,
        types.is_null,
    ]


def _inner(kind: Any) -> Any:
    """The type of a column's levels, where it has levels."""
    from pyarrow import types

    return kind.value_type if types.is_dictionary(kind) and not types.is_dictionary(kind.value_type) else kind


def _index_columns(about: Any) -> list[str]:
    note = (about.metadata or {}).get(b"pandas")
    if note is None:
        return []
    try:
        read = parse_json(note.decode(), what="its note for pandas", remedy="")
    except (FileFormatError, UnicodeDecodeError):
        return []
    listed = read.get("index_columns") if isinstance(read, dict) else None
    return [name for name in listed or [] if isinstance(name, str)] if isinstance(listed, list) else []


def _size_problems(rows: int, columns: int, *, cells: int = 0) -> list[Problem]:
    """A table that is larger than any that is read whole."""
    found = []
    for count, noun, most in (
        (rows, "rows", TABLE_ROWS),
        (columns, "columns", TABLE_COLUMNS),
        (max(cells, rows * columns), "cells", TABLE_CELLS),
    ):
        if count > most:
            what = f"has {count:,} {noun}, and no more than {most:,} are read"
            found.append(Problem(None, None, None, what, _TOO_LARGE))
    return found


def _from_text(path: Path, encoding: str | None, sep: str) -> RawTable:
    if len(sep) != 1 or sep in '"\r\n':
        raise UsageError(f"sep should be one character but got {sep!r}. Usual ones: ',', ';', '\\t'.")
    text = _decode(path, encoding)
    # Before a cell is made of it: a mark in quotation marks counts, which no table has by the million.
    problems = _size_problems(text.count("\n") - 1, 1) or _size_problems(1, 1, cells=text.count(sep))
    if problems:
        raise DataError(problems, source=path.name)
    header, records, problems = _records(text, sep)
    if not header:
        problems = problems or [
            Problem(None, None, None, "is empty", "Check that the export finished; a header row is needed.")
        ]
        raise DataError(problems, source=path.name)
    problems = _separator_problems(header, sep) or header_problems(header, names="the first row") + problems
    if not records and not problems:
        problems = [Problem(None, None, None, "has a header but no rows", "Check that the export finished.")]
    if problems:
        raise DataError(problems, source=path.name)
    cells = pd.DataFrame([cells for _, cells in records], columns=[name.strip() for name in header], dtype="str")
    return RawTable(cells, tuple(row for row, _ in records), path.name)


def _decode(path: Path, encoding: str | None) -> str:
    if encoding is not None:
        try:
            known = codecs.lookup(encoding).name.replace("_", "-") not in _NO_FILE
        # A name may also hold what no name can.
        except (LookupError, ValueError):
            known = False
        if not known:
            raise UsageError(f"encoding {shown(encoding)} is unknown. {_ENCODINGS}")
    with path.open("rb") as file:
        data = file.read(TABLE_BYTES + 1)
    if len(data) > TABLE_BYTES:
        raise _unreadable(path, f"is larger than {TABLE_BYTES >> 20} MiB, the most that is read whole", _TOO_LARGE)
    if encoding is None:
        for mark, name in _BOMS.items():
            if data.startswith(mark):
                what = "is UTF-16 text, not UTF-8"
                raise _unreadable(path, what, f"Pass encoding={name!r}, or save the file as UTF-8.")
    try:
        text = data.decode(encoding or "utf-8").removeprefix("\ufeff")
    except LookupError:
        raise UsageError(f"encoding {encoding!r} is no text encoding. {_ENCODINGS}") from None
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        what = f"has bytes on line {line} that are not {(encoding or 'UTF-8').upper()}: 0x{data[error.start]:02X}"
        remedy = (
            "Save the file as UTF-8, or say how it is written: encoding='cp1252' (Windows), encoding='latin-1', ..."
        )
        raise _unreadable(path, what, remedy) from None
    except UnicodeError as error:
        what = f"is not text in {encoding}: {error}"
        raise _unreadable(path, what, "Say how it is written: encoding='utf-8', encoding='cp1252', ...") from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        remedy = "Export the file again; if it is UTF-16, pass encoding='utf-16-le' or encoding='utf-16-be'."
        raise _unreadable(path, f"holds NUL characters, the first on line {line}", remedy)
    return text


def _unreadable(path: Path, what: str, remedy: str) -> DataError:
    return DataError([Problem(None, None, None, what, remedy)], source=path.name)


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


def _records(text: str, sep: str) -> tuple[list[str], list[tuple[int, list[str]]], list[Problem]]:
    """Header, numbered rows that are not wholly empty, and rows whose number of cells is not the header's."""
    # Not StringIO, which takes four bytes a character.
    lines = BoundedLines(found.group() for found in _ONE_LINE.finditer(text))
    reader = csv.reader(lines, delimiter=sep, strict=True)
    header: list[str] = []
    records: list[tuple[int, list[str]]] = []
    problems: list[Problem] = []
    row, line = 0, 0
    try:
        for row, cells in enumerate(reader, start=1):
            start, line, lines.taken = line + 1, reader.line_num, 0
            width = len(header) or len(cells)
            if len(records) * width > TABLE_CELLS or len(records) > TABLE_ROWS or width > TABLE_COLUMNS:
                problems += _size_problems(len(records), width)
                break
            if len(problems) > _PROBLEMS:
                break
            if not header:
                header = cells if any(cell.strip() for cell in cells) else []
            elif any(cell.strip() for cell in cells):
                if len(cells) == len(header):
                    records.append((row, cells))
                    continue
                what = f"has {_count(len(cells), 'cell')} where the header has {len(header)} (line {start} of the file)"
                remedy = (
                    f"Put text that contains {_NAMES.get(sep, repr(sep))} or line breaks in double quotation marks."
                )
                problems.append(Problem(None, row, None, what, remedy))
    except csv.Error as error:
        what = f"cannot be split into cells from line {line + 1} of the file on ({error})"
        remedy = "Close every quotation mark, and double those inside quoted text."
        problems.append(Problem(None, row + 1, None, what, remedy))
    return header, records, problems


def _separator_problems(header: list[str], sep: str) -> list[Problem]:
    """A first row that is a spreadsheet's note, or one cell that would be several with another separator."""
    if header[0].startswith("sep="):
        what = "begins with a line 'sep=', which is no header"
        return [Problem(None, None, None, what, "Remove that line, and pass its separator as sep=.")]
    if len(header) > 1:
        return []
    for other in (",", ";", "\t", "|"):
        if other != sep and other in header[0]:
            what = f"has one column, but its header holds {_NAMES[other]}: it seems to be separated by them"
            hint = ", and decimal=',' if its numbers are written 4,5" if other == ";" else ""
            return [Problem(None, None, None, what, f"Pass sep={other!r}{hint}.")]
    return []


def _file_rows(n: int) -> tuple[int, ...]:
    return tuple(range(2, n + 2))


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
