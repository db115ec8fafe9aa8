"""Tables as they stand: files and DataFrames brought to cells, nothing converted yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from alliance_bayes.cohort.contents import (
    TABLE_BYTES,
    TABLE_CELLS,
    TABLE_COLUMNS,
    TABLE_ROWS,
    TOO_LARGE,
    ending,
    is_pipe,
    kind_of,
    read_bytes,
    refuse_device,
    source_name,
    unreadable,
)
from alliance_bayes.cohort.decoding import check_encoding, check_separator, decode, split
from alliance_bayes.cohort.header import Names, name_columns
from alliance_bayes.cohort.names import ID
from alliance_bayes.errors import DataError, FileFormatError, Problem, UsageError
from alliance_bayes.foreign import parse_json
from alliance_bayes.remedies import argument

__all__ = ["PARQUET", "SEPARATORS", "RawTable", "read_raw"]

CELL_BYTES = 1 << 16
SEPARATORS = {".csv": ",", ".tsv": "\t", ".tab": "\t", ".csv.gz": ",", ".tsv.gz": "\t", ".tab.gz": "\t"}
PARQUET = (".parquet", ".pq")
_TEXT = (".txt", ".txt.gz")


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
        File name without its directory, "pipe", or "DataFrame".
    after_gap
        Rows that come after an empty one.
    aside
        Names that several columns have, and what to do about them; none of these columns is in ``cells``.
    notes
        What was passed over.
    """

    cells: pd.DataFrame
    rows: tuple[int | str, ...]
    source: str
    after_gap: frozenset[int] = frozenset()
    aside: Mapping[str, tuple[Problem, ...]] = field(default_factory=dict)
    notes: tuple[Problem, ...] = ()


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
    refuse_device(path, what)
    last = ending(path)
    # A pipe such as <(...) has a number for a name.
    if last not in SEPARATORS and last not in PARQUET and not (is_pipe(path) or (sep is not None and last in _TEXT)):
        known = ", ".join([*SEPARATORS, *PARQUET])
        raise UsageError(
            f"{what}: {path} is of no known type. Give a file ending in {known} (or .txt with {argument('sep', ...)})."
        )
    if not path.exists():
        raise UsageError(f"{what}: there is no file {path}. Check the path; it is read from {Path.cwd()}.")
    check_encoding(encoding)
    if sep is not None:
        check_separator(sep)
    if last in PARQUET:
        with path.open("rb") as file:
            kind = kind_of(file.read(1 << 12), parquet=True)
        if kind is not None:
            raise unreadable(path, f"is {kind[0]}, and not Parquet, whatever it is called", kind[1])
        return _from_parquet(path)
    data = read_bytes(path)
    if (kind := kind_of(data)) is not None:
        raise unreadable(path, f"is {kind[0]}, and no table in text, whatever it is called", kind[1])
    return _from_text(path, data, encoding, sep)


def _from_frame(frame: pd.DataFrame, source: str = "DataFrame", rows: Sequence[int | str] | None = None) -> RawTable:
    labels = frame.index.tolist()
    if frame.index.name == ID and ID not in frame:
        frame = frame.reset_index()
    cells = frame.set_axis(range(frame.shape[1]), axis="columns")
    names = name_columns(list(frame.columns), [_is_empty(cells[place]) for place in cells], names="the column labels")
    problems = names.problems
    if not len(frame) and not problems:
        problems = [Problem(None, None, None, "has columns but no rows", "Check the selection that made the table.")]
    if problems:
        raise DataError(problems, source=source)
    if rows is None:
        rows = [label if isinstance(label, (int, str)) else str(label) for label in labels]
    return _named(RawTable(cells, tuple(rows), source), names)


def _from_parquet(path: Path) -> RawTable:
    problems: list[Problem] = []
    # pyarrow raises many kinds of error on a damaged file; each means the same to the reader.
    try:
        frame, problems, aside = _parquet_frame(path)
    except Exception as error:
        lines = str(error).replace(str(path), path.name).splitlines() or [type(error).__name__]
        reason = lines[0][:300].rstrip(".")
        problem = Problem(
            None, None, None, f"cannot be read as Parquet ({reason})", "Write the file again, or give it as CSV."
        )
        raise DataError([problem], source=path.name) from error
    if problems:
        raise DataError(problems, source=path.name)
    if aside and not frame.shape[1]:
        raise DataError([problem for found in aside.values() for problem in found], source=path.name)
    raw = _from_frame(frame, path.name, _file_rows(len(frame)))
    return replace(raw, aside={**raw.aside, **aside})


def _parquet_frame(path: Path) -> tuple[pd.DataFrame, list[Problem], dict[str, tuple[Problem, ...]]]:
    """The columns of a file that hold single values, or why it is not read; and what is wrong with the others."""
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
        return empty, [Problem(None, None, None, what, TOO_LARGE)], {}
    problems = _size_problems(file.metadata.num_rows, len(about))
    if problems:
        return empty, problems, {}
    aside: dict[str, tuple[Problem, ...]] = {}
    for one in about:
        if not any(of(_inner(one.type)) for of in _cell_types()):
            what = f"is of type {str(one.type)[:60]}, which is no single number, text, truth value or date"
            aside[one.name] = (Problem(one.name, None, None, what, "Give it one value a row, or leave it out."),)
    table = file.read(columns=[name for name in about.names if name not in aside])
    for place, name in reversed(list(enumerate(table.schema.names))):
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
            aside[name] = (Problem(name, None, None, what, "Leave the column out."),)
            table = table.remove_column(place)
        elif name in plain:
            cells = [chunk.dictionary_decode() for chunk in column.chunks]
            table = table.set_column(place, name, pa.chunked_array(cells, column.type.value_type))
    # What pandas wrote about its index is for pandas: here an index is a column, or nothing.
    index = [name for name in _index_columns(about) if name != ID and table.schema.names.count(name) == 1]
    table = table.replace_schema_metadata(None).drop_columns(index)
    return table.to_pandas(ignore_metadata=True, integer_object_nulls=True), [], aside


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
            found.append(Problem(None, None, None, what, TOO_LARGE))
    return found


def _from_text(path: Path, data: bytes, encoding: str | None, sep: str | None) -> RawTable:
    source = source_name(path)
    text = decode(path, data, encoding)
    usual = SEPARATORS.get(ending(path), ",")
    # Before a cell is made of it: a mark in quotation marks counts, which no table has by the million.
    problems = _size_problems(text.count("\n") - 1, 1) or _size_problems(1, 1, cells=text.count(sep or usual))
    if problems and sep != " ":
        raise DataError(problems, source=source)
    found = split(text, sep, usual)
    if not found.header and not found.problems:
        problem = Problem(None, None, None, "is empty", "Check that the export finished; a header row is needed.")
        raise DataError([problem], source=source)
    problems = _size_problems(len(found.records), len(found.header)) or found.problems
    if not found.records and not problems:
        problems = [Problem(None, None, None, "has a header but no rows", "Check that the export finished.")]
    if problems:
        raise DataError(problems, source=source)
    cells = pd.DataFrame([cells for _, cells in found.records], columns=range(len(found.header)), dtype="str")
    names = name_columns(found.header, [_is_empty(cells[place]) for place in cells], names="the first row")
    if names.problems:
        raise DataError(names.problems, source=source)
    rows = tuple(row for row, _ in found.records)
    return _named(RawTable(cells, rows, source, after_gap=frozenset(found.after_gap)), names)


def _is_empty(cells: pd.Series) -> bool:
    """Whether no cell of a column holds anything."""
    return not any(not isinstance(cell, str) or cell.strip() for cell in cells.dropna())


def _named(raw: RawTable, names: Names) -> RawTable:
    """The columns that have a name of their own, under it."""
    cells = raw.cells.iloc[:, list(names.places.values())].set_axis(list(names.places), axis="columns")
    return replace(raw, cells=cells.reset_index(drop=True), aside=names.aside, notes=names.notes)


def _file_rows(n: int) -> tuple[int, ...]:
    return tuple(range(2, n + 2))
