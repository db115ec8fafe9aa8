"""Read a table of any kind without converting a cell: one way from a path or a DataFrame to a raw table."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from alliance_bayes.cohort.columnar import PARQUET, from_parquet
from alliance_bayes.cohort.contents import (
    ending,
    is_pipe,
    is_text,
    kind_of,
    read_bytes,
    refuse_device,
    source_name,
    unreadable,
)
from alliance_bayes.cohort.decoding import check_encoding, check_separator, decode, split
from alliance_bayes.cohort.header import name_columns
from alliance_bayes.cohort.programs import PROGRAMS, SHEETS, check_password, from_program
from alliance_bayes.cohort.raw import RawTable, from_frame, is_empty, named, size_problems
from alliance_bayes.errors import DataError, Problem, UsageError
from alliance_bayes.remedies import argument

__all__ = ["ENDINGS", "SEPARATORS", "SHEETS", "read_raw"]

SEPARATORS = {".csv": ",", ".tsv": "\t", ".tab": "\t", ".csv.gz": ",", ".tsv.gz": "\t", ".tab.gz": "\t"}
_TEXT = (".txt", ".txt.gz")
# Files of programs that may be written in characters alone.
_AS_TEXT = (".por", ".xpt", ".rds", *PARQUET)
#: Endings of tables that are read whole.
ENDINGS = (*SEPARATORS, *PARQUET, *PROGRAMS)


def read_raw(
    source: str | Path | pd.DataFrame,
    *,
    encoding: str | None = None,
    sep: str | None = None,
    sheet: str | None = None,
    name: str = "source",
) -> RawTable:
    """Read a table without converting any cell.

    Parameters
    ----------
    source
        Path of a text, or of a file of another program (see `ENDINGS`), or a DataFrame.
    encoding
        Of a text file; None means UTF-8, with or without a byte-order mark. Of an SPSS, Stata or SAS file that does
        not say how it is written, or says it wrongly.
    sep
        Between a text file's cells; None means by file type: "," for .csv, a tab for .tsv and .tab.
    sheet
        Which sheet of a workbook; None means the only one that holds anything.
    name
        Name of the argument, for messages.

    Returns
    -------
    RawTable
        At least one column and one row. Wholly empty rows of a text or a sheet are passed over (row numbers count
        them).

    Raises
    ------
    UsageError
        When there is no such file, it is of no known type, or an option is impossible.
    DataError
        When the file does not hold a table: every structural problem at once.
    """
    if isinstance(source, pd.DataFrame):
        return from_frame(source)
    if not isinstance(source, (str, Path)):
        raise UsageError(f"{name} should be a path or a DataFrame but got {type(source).__name__}.")
    path = Path(source)
    if path.is_dir():
        raise UsageError(f"{name}: {path} is a directory. Name the file in it.")
    refuse_device(path, name)
    last = ending(path)
    # A pipe such as <(...) has a number for a name.
    if last not in ENDINGS and not (is_pipe(path) or (sep is not None and last in _TEXT)):
        raise UsageError(
            f"{name}: {path} is of no known type. Give a file ending in {', '.join(ENDINGS)} (or .txt with "
            f"{argument('sep', ...)})."
        )
    if not path.exists():
        raise UsageError(f"{name}: there is no file {path}. Check the path; it is read from {Path.cwd()}.")
    check_encoding(encoding)
    if sep is not None:
        check_separator(sep)
    if sheet is not None and last not in SHEETS:
        raise UsageError(
            f"{argument('sheet')} names a sheet of a workbook ({', '.join(SHEETS)}), and {path.name} is none. Leave it "
            "out."
        )
    if last in PARQUET or last in PROGRAMS:
        if not path.is_file():
            raise UsageError(f"{name}: {path} is a pipe, through which text is read only. Save it as a file.")
        if last in SHEETS:
            check_password(path)
        with path.open("rb") as file:
            head = file.read(1 << 12)
        kind = kind_of(head, last, read=ENDINGS)
        if kind is None and last not in _AS_TEXT and is_text(head):
            kind = "text", "Name it so that it ends in .csv, or .tsv where tabs separate its cells."
        if kind is not None:
            raise unreadable(path, f"is {kind[0]}, and not what its ending says ({last})", kind[1])
        return from_parquet(path) if last in PARQUET else from_program(path, last, sheet=sheet, encoding=encoding)
    data = read_bytes(path)
    if (kind := kind_of(data, read=ENDINGS)) is not None:
        raise unreadable(path, f"is {kind[0]}, and no table in text, whatever it is called", kind[1])
    return _from_text(path, data, encoding, sep)


def _from_text(path: Path, data: bytes, encoding: str | None, sep: str | None) -> RawTable:
    source = source_name(path)
    text = decode(path, data, encoding)
    usual = SEPARATORS.get(ending(path), ",")
    # Before a cell is made of it: a mark in quotation marks counts, which no table has by the million.
    problems = size_problems(text.count("\n") - 1, 1) or size_problems(1, 1, cells=text.count(sep or usual))
    if problems and sep != " ":
        raise DataError(problems, source=source)
    rows = split(text, sep, usual)
    if not rows.header and not rows.problems:
        problem = Problem(None, None, None, "is empty", "Check that the export finished; a header row is needed.")
        raise DataError([problem], source=source)
    problems = size_problems(len(rows.records), len(rows.header)) or rows.problems
    if not rows.records and not problems:
        problems = [Problem(None, None, None, "has a header but no rows", "Check that the export finished.")]
    if problems:
        raise DataError(problems, source=source)
    cells = pd.DataFrame([cells for _, cells in rows.records], columns=range(len(rows.header)), dtype="str")
    names = name_columns(rows.header, [is_empty(cells[place]) for place in cells], names="the first row")
    if names.problems:
        raise DataError(names.problems, source=source)
    numbers = tuple(row for row, _ in rows.records)
    return named(RawTable(cells, numbers, source, after_gap=frozenset(rows.after_gap)), names)
