"""Tables that stay where they are: files under DuckDB, or any table of a database that Ibis knows."""

from __future__ import annotations

import csv
import glob
import gzip
import io
import os
import re
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, TextIO

from alliance_bayes.atomic import scratch
from alliance_bayes.cohort.cells import CODE, MISSING, NUMBER
from alliance_bayes.cohort.columnar import PARQUET
from alliance_bayes.cohort.contents import ending, is_pipe, kind_of
from alliance_bayes.cohort.convert import ReadOptions
from alliance_bayes.cohort.decoding import LINE, BoundedLines
from alliance_bayes.cohort.files import SEPARATORS
from alliance_bayes.cohort.header import Names, name_columns, rename_columns
from alliance_bayes.cohort.programs import PROGRAMS
from alliance_bayes.errors import DataError, Problem, UsageError, WriteError
from alliance_bayes.remedies import argument, call

__all__ = ["Remote", "fetched", "opened"]

_AS_UTF8 = f"Save it as UTF-8, or have its rows read ({call('read_cohort')})."
_ALIKE = "Write the same columns in the same order into every file."

#: Lines of DuckDB's messages that say what is wrong, and quote no cells.
_REASONS = ("Expected Number", "Value with", "Invalid unicode")


# What DuckDB calls the number of a row in a Parquet file, which begins with 0 where a spreadsheet has row 2.
_FILE_ROW, _FIRST_ROW = "file_row_number", 2
# What str.strip() removes, which is more than databases do.
_SPACES = "".join(character for character in map(chr, range(0x3001)) if character.isspace())


@cache
def _trim() -> Any:
    """DuckDB's function that takes given characters away from both ends of a text."""
    import ibis

    @ibis.udf.scalar.builtin(name="trim")
    def trim(text: str, characters: str) -> str: ...  # type: ignore[empty-body]

    return trim


# How DuckDB says that the disk is full, or its share of it.
_UNWRITTEN = re.compile(r"Could not write|No space left|File too large|max_temp_directory_size")


@dataclass(frozen=True, eq=False)
class Remote:
    """A table that is queried, not read.

    Parameters
    ----------
    table
        Ibis table of the columns that are needed, under their canonical names.
    names
        The table's own name of each.
    source
        What to call it in messages: a file's name without its directory, or the table's name.
    reading
        How cells are read.
    casts_text
        Whether the backend can try to read text as a number.
    row
        Column of the table that numbers its rows as a file's are (the header is row 1), if there is one.
    """

    table: Any
    names: Mapping[str, str]
    source: str
    reading: ReadOptions
    casts_text: bool
    row: str | None = None

    def number(self, name: str, *, wrap: bool = False) -> Any:
        """A column as 64-bit floats; text that is no number is missing, and so is, if asked for, what is no number."""
        column = self.table[name]
        if not column.type().is_string():
            value = column.cast("float64")
            return value.nullif(float("nan")) if wrap else value
        text = column.replace(",", ".") if self.reading.decimal == "," else column
        # The spaces that Python takes away are many, and texts that have others than the database's few.
        value = text.try_cast("float64").coalesce(_trim()(text, _SPACES).try_cast("float64")).nullif(float("nan"))
        further = [re.escape(mark) for mark in self.reading.missing if mark not in MISSING]
        return _is(column, "|".join(further)).ifelse(None, value) if further else value

    def is_plain(self, name: str, *, codes: bool) -> Any:
        """Whether a text is a finite number that is written as the package reads one; codes (007) among them or not."""
        column, value = self.table[name], self.number(name)
        plain = _is(column, NUMBER[self.reading.decimal].pattern) & value.notnull() & ~value.isinf()
        return (plain if codes else plain & ~_is(column, CODE.pattern)).fill_null(False)


def _is(column: Any, pattern: str) -> Any:
    """Whether a text is what a regular expression describes, and spaces around it."""
    return column.re_search(f"^[{_SPACES}]*({pattern})[{_SPACES}]*$")


@contextmanager
def opened(
    source: Any,
    columns: Mapping[str, str],
    needed: Callable[[Collection[str]], Sequence[str]],
    reading: ReadOptions,
    *,
    threads: int | None,
    memory: str,
) -> Iterator[Remote]:
    """Open a table for queries.

    Parameters
    ----------
    source
        Path or glob of .csv, .tsv, .tab or .parquet files, or an Ibis table.
    columns
        Canonical name -> name in the table, for those that differ.
    needed
        Canonical names of the columns that will be queried, of a table with some columns.
    reading
        How cells are read.
    threads, memory
        What DuckDB may use. A table of a database of its own is not affected.

    Raises
    ------
    UsageError
        Ibis is not installed; no such file, or of no known type; options that DuckDB does not take.
    WriteError
        There is no space for temporary files.
    DataError
        The files cannot be read, or lack a column.
    """
    try:
        import ibis
    except ImportError as error:
        raise UsageError(
            "reducing a table where it is needs Ibis with DuckDB, which is not installed. Install the extra: "
            "pip install 'alliance_bayes[sql]'."
        ) from error
    if isinstance(source, ibis.Table):
        # Only tables as they stand have a name; those made by an expression do not.
        label = source.get_name() if hasattr(source.op(), "name") else "table"
        yield _selected(source, columns, needed, label, reading, casts_text=_backend(source) == "duckdb")
        return
    if not isinstance(source, (str, os.PathLike)):
        raise UsageError(f"source should be a path, a glob or an Ibis table but got {type(source).__name__}.")
    paths, separator = _paths(os.fspath(source))
    label = Path(source).name
    header = None if separator is None else _header(paths, separator, label)
    with scratch() as folder:
        options: dict[str, Any] = {"memory_limit": memory, "temp_directory": str(folder)}
        if threads is not None:
            options["threads"] = threads
        # Text is converted once into a database file; the other queries then need not read it again.
        database = ":memory:" if separator is None else str(folder / "rows.duckdb")
        try:
            connection = ibis.duckdb.connect(database, **options)
        except Exception as error:
            _check_space(error)
            raise UsageError(
                f"DuckDB does not take {argument('threads')} {threads!r} and {argument('memory')} {memory!r}: "
                f"{_line(error)}. Give a whole number of threads and a size such as {argument('memory', '1GB')}."
            ) from error
        try:
            # The order of rows does not matter here, and keeping it costs memory.
            connection.raw_sql("SET preserve_insertion_order = false")
            with _reading(label):
                if header is None:
                    # A row's number says where it is if there is one file, and none has a column of that name.
                    table = connection.read_parquet(paths)
                    numbered = len(paths) == 1 and _FILE_ROW not in map(str.casefold, table.columns)
                    if numbered:
                        table = connection.read_parquet(paths, file_row_number=True)
                else:
                    # Nothing is guessed: every cell is text, and a row of another length is an error.
                    table = connection.read_csv(
                        paths,
                        columns=dict.fromkeys(map(_place, range(header.n)), "VARCHAR"),
                        auto_detect=False,
                        header=True,
                        delim=separator,
                        quote='"',
                        escape='"',
                    )
            if header is None:
                row = _FILE_ROW if numbered else None
                remote = _selected(table, columns, needed, label, reading, casts_text=True, row=row)
            else:
                native = {name: _place(place) for name, place in header.places.items()}
                rows = table.filter(ibis.or_(*(table[name].notnull() for name in table.columns)))
                remote = _selected(
                    rows, columns, needed, label, reading, casts_text=True, native=native, aside=header.aside
                )
                with _reading(label):
                    remote = replace(remote, table=connection.create_table("kept_rows", remote.table))
            yield remote
        finally:
            connection.disconnect()


def fetched(query: Any, source: str) -> Any:
    """The answer to a query as an Arrow table.

    Raises
    ------
    DataError
        The backend could not answer (a damaged file, say).
    """
    with _reading(source):
        return query.to_pyarrow()


@contextmanager
def _reading(source: str) -> Iterator[None]:
    # Backends raise many kinds of error on damaged files; each means the same to the reader.
    try:
        yield
    except Exception as error:
        _check_space(error)
        problem = Problem(None, None, None, f"cannot be queried ({_line(error)})", "Check the files or the table.")
        raise DataError([problem], source=source) from error


def _check_space(error: Exception) -> None:
    """Tell a refusal to write temporary files from a fault of what is read."""
    if _UNWRITTEN.search(str(error)):
        raise WriteError(
            f"no temporary files can be written: {_line(error)}. Set TMPDIR to a folder with free space."
        ) from error


def _line(error: Exception) -> str:
    lines = str(error).splitlines() or [type(error).__name__]
    # DuckDB says where in the first line and what further down, with the row's cells in between.
    reasons = [lines[0], *(line for line in lines[1:] if line.startswith(_REASONS))]
    # Files are named without their directories, as everywhere.
    return re.sub(r"""(^|['"\s])[^'"\s]*[/\\](?=[^'"\s/\\])""", r"\1", ": ".join(reasons)).rstrip(".")


def _backend(table: Any) -> str:
    return str(table.get_backend().name)


def _paths(source: str) -> tuple[list[str], str | None]:
    """Files, and what separates their cells; None for Parquet."""
    if is_pipe(Path(source)):
        raise UsageError(f"source: {source} is a pipe, and a table is queried more than once. Save it as a file.")
    paths = [source] if os.path.isfile(source) else sorted(filter(os.path.isfile, glob.glob(source, recursive=True)))
    if not paths:
        raise UsageError(f"source: there is no file {source}. Check the path; it is read from {Path.cwd()}.")
    kinds = {ending(Path(path)) for path in paths}
    if not (kinds <= set(PARQUET) or (len(kinds) == 1 and kinds <= set(SEPARATORS))):
        known = ", ".join([*SEPARATORS, *PARQUET])
        # A table of another kind is no larger than what is read whole.
        whole = f" Others are read whole, by {call('read_cohort')}." if kinds & set(PROGRAMS) else ""
        raise UsageError(
            f"source: {source} names files ending in {', '.join(sorted(kinds))}. Give files of one kind, ending in "
            f"{known}.{whole}"
        )
    separator = None if kinds <= set(PARQUET) else SEPARATORS[kinds.pop()]
    problems = []
    for path in paths:
        try:
            with _bytes_of(path) as file:
                last = ending(Path(path)) if separator is None else None
                kind = kind_of(file.read(1 << 12), last, read=(*SEPARATORS, *PARQUET))
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            kind = f"no whole gzip ({str(error).rstrip('.')})", "Check that it was copied whole."
        if kind is not None:
            what = f"has a file '{Path(path).name}' that is {kind[0]}, whatever it is called"
            problems.append(Problem(None, None, None, what, kind[1]))
    if problems:
        raise DataError(problems, source=Path(source).name)
    return paths, separator


def _bytes_of(path: str) -> Any:
    """A file, opened; unpacked on the way where it ends in .gz."""
    return gzip.open(path, "rb") if path.lower().endswith(".gz") else open(path, "rb")


def _selected(
    table: Any,
    columns: Mapping[str, str],
    wanted_of: Callable[[Collection[str]], Sequence[str]],
    source: str,
    reading: ReadOptions,
    *,
    casts_text: bool,
    native: Mapping[str, str] | None = None,
    aside: Mapping[str, tuple[Problem, ...]] | None = None,
    row: str | None = None,
) -> Remote:
    """The columns that are needed: ``native`` is what the backend calls each, ``aside`` has those nobody can use."""
    native = {name.strip(): name for name in table.columns if name != row} if native is None else native
    aside = aside or {}
    needed = wanted_of({*native, *aside, *columns})
    mapped = {canonical: name for canonical, name in columns.items() if canonical in needed}
    renamed = rename_columns([*native, *aside], mapped, known=needed, required=needed)
    wanted = {canonical: name for name, canonical in renamed.names.items() if canonical in needed}
    repeated = [problem for name in wanted.values() for problem in aside.get(name, ())]
    if problems := renamed.problems + repeated:
        raise DataError(problems, source=source)
    selected = {canonical: table[native[wanted[canonical]]] for canonical in needed}
    names = {canonical: wanted[canonical] for canonical in needed}
    if row is None:
        return Remote(table.select(**selected), names, source, reading, casts_text)
    # No column that is needed is called so.
    number = "row" + "_" * max(map(len, needed))
    selected[number] = table[row] + _FIRST_ROW
    return Remote(table.select(**selected), names, source, reading, casts_text, number)


def _place(place: int) -> str:
    """A column's name for DuckDB, to which `age` and `Age` are one, and to which names may be lacking."""
    return f"c{place}"


def _lines(file: TextIO) -> BoundedLines:
    return BoundedLines(iter(lambda: file.readline(LINE + 1), ""))


def _header(paths: Sequence[str], separator: str, source: str) -> Names:
    """Column names of text files, which must be the same in all of them."""
    headers: dict[str, list[str]] = {}
    problems: list[Problem] = []
    for path in paths:
        name = Path(path).name
        try:
            with io.TextIOWrapper(_bytes_of(path), encoding="utf-8-sig", newline="") as file:
                headers[name] = next(csv.reader(_lines(file), delimiter=separator, strict=True), [])
        except (UnicodeDecodeError, csv.Error) as error:
            problems.append(
                Problem(None, None, None, f"has a file '{name}' that is no UTF-8 table ({error})", _AS_UTF8)
            )
    all_names = list(headers.values())
    if problems:
        raise DataError(problems, source=source)
    names = name_columns(all_names[0], [False] * len(all_names[0]), names="the first row")
    problems = names.problems + [
        Problem(None, None, None, f"has files with other columns: '{name}' has {', '.join(header)}", _ALIKE)
        for name, header in headers.items()
        if header != all_names[0]
    ]
    others = [other for other in (",", ";", "\t", "|") if other != separator and other in all_names[0][0]]
    if len(all_names[0]) == 1 and others:
        what = f"has one column, but its header holds {others[0]!r}: it seems to be separated by it"
        remedy = f"Write it with commas (.csv) or tabs (.tsv), or have its rows read ({call('read_cohort')})."
        problems.append(Problem(None, None, None, what, remedy))
    if problems:
        raise DataError(problems, source=source)
    return names
