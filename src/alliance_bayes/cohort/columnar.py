"""Tables in Parquet: columns of single values, within limits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from alliance_bayes.cohort.contents import TABLE_BYTES, TOO_LARGE
from alliance_bayes.cohort.names import ID
from alliance_bayes.cohort.raw import CELL_BYTES, RawTable, from_frame, size_problems
from alliance_bayes.errors import DataError, FileFormatError, Problem
from alliance_bayes.foreign import parse_json
from alliance_bayes.formats.arrow import odd_type

__all__ = ["PARQUET", "from_parquet"]

PARQUET = (".parquet", ".pq")


def from_parquet(path: Path) -> RawTable:
    """A Parquet file; rows are numbered as in a spreadsheet whose header is row 1."""
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
        raise DataError([problem for wrong in aside.values() for problem in wrong], source=path.name)
    raw = from_frame(frame, path.name, range(2, len(frame) + 2))
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
    problems = size_problems(file.metadata.num_rows, len(about))
    if problems:
        return empty, problems, {}
    odd_types = {field.name: odd_type(field.type) for field in about}
    aside: dict[str, tuple[Problem, ...]] = {
        name: (Problem(name, None, None, *odd),) for name, odd in odd_types.items() if odd is not None
    }
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
