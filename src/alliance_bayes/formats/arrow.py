"""Feather and Arrow files, and which columns of Arrow hold single values."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
from pyarrow import types

from alliance_bayes.formats.child import Answer, check_size

__all__ = ["odd_type", "read_arrow"]

_ODD = "Give it one value a row, or leave it out."


def odd_type(kind: pa.DataType) -> tuple[str, str] | None:
    """What is wrong with a column of a type that is no single value, and what to do; None where it is one."""
    inner = kind.value_type if types.is_dictionary(kind) and not types.is_dictionary(kind.value_type) else kind
    single = (
        types.is_boolean,
        types.is_integer,
        types.is_floating,
        types.is_decimal,
        types.is_string,
        types.is_large_string,
        types.is_date,
        types.is_timestamp,
        types.is_null,
    )
    if any(of(inner) for of in single):
        return None
    return f"is of type {str(kind)[:60]}, which is no single number, text, truth value or date", _ODD


def read_arrow(request: dict[str, Any]) -> Answer:
    """The columns of single values; rows are numbered as in a spreadsheet whose header is row 1."""
    with open(request["path"], "rb") as file:
        version1 = file.read(4) == b"FEA1"
    if version1:
        import pyarrow.feather

        table = pyarrow.feather.read_table(request["path"], memory_map=False)
        check_size(request, table.num_rows, table.num_columns)
    else:
        with pa.OSFile(request["path"]) as file, pa.ipc.open_file(file) as reader:
            batches, rows = [], 0
            for place in range(reader.num_record_batches):
                batches.append(reader.get_batch(place))
                rows += batches[-1].num_rows
                check_size(request, rows, len(reader.schema))
            table = pa.Table.from_batches(batches, reader.schema)
    table.validate(full=True)
    # What pandas wrote about its index is for pandas: here an index is a column, or nothing.
    index = [name for name in _index_columns(table.schema) if name != request["id"]]
    table = table.select([place for place, name in enumerate(table.schema.names) if name not in index])
    answer = Answer([], first=2)
    for name, column in zip(table.schema.names, table.columns, strict=True):
        odd = odd_type(column.type)
        if odd is not None:
            answer.aside[name] = odd
            continue
        answer.columns.append(name)
        answer.arrays.append(column)
    return answer


def _index_columns(about: pa.Schema) -> list[str]:
    try:
        listed = json.loads((about.metadata or {})[b"pandas"])["index_columns"]
        return [name for name in listed if isinstance(name, str)]
    except (KeyError, ValueError, TypeError):
        return []
