"""What runs apart: a request on standard input, columns and facts on standard output."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["DAMAGED", "Answer", "TableError", "check_size", "clock", "local_times", "main"]

DAMAGED = "Check that it was copied whole and opens in its own program; then save it again, or as CSV (UTF-8)."
_LESS = "Leave out what no model needs, or save it as CSV (UTF-8)."
#: Seconds from 1970 to the first and the last day that is taken for a date.
_FIRST, _LAST = -12_219_292_800.0, 253_402_300_799.0


class TableError(Exception):
    """Why no table is handed back.

    Parameters
    ----------
    what, remedy
        The last two parts of a problem; an option is named in braces: "{encoding}".
    row
        The row that it is about.
    sheets
        Names of sheets, where the problem is which of them is meant.
    """

    def __init__(
        self, what: str, remedy: str = DAMAGED, *, row: int | None = None, sheets: list[str] | None = None
    ) -> None:
        super().__init__(what)
        self.what, self.remedy, self.row, self.sheets = what, remedy, row, sheets


@dataclass(slots=True)
class Answer:
    """A table; see `alliance_bayes.formats.apart.PackageTable`, whose parts have the same names."""

    columns: list[str]
    arrays: list[pa.Array] = field(default_factory=list)
    numbers: dict[int, pa.Array] = field(default_factory=dict)
    reasons: dict[str, pa.Array] = field(default_factory=dict)
    first: int = 1
    rows: npt.NDArray[np.int64] | None = None
    aside: dict[str, tuple[str, str]] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    values: dict[str, list[tuple[float | str, str]]] = field(default_factory=dict)
    sheet: str | None = None
    notes: list[tuple[str | None, str, str]] = field(default_factory=list)


def check_size(request: dict[str, Any], rows: int, columns: int) -> None:
    """Refuse a table that is larger than any that is read."""
    for count, noun in ((rows, "rows"), (columns, "columns"), (rows * columns, "cells")):
        if count > request[noun]:
            raise TableError(f"has {count:,} {noun}, and no more than {request[noun]:,} are read", _LESS)


def local_times(seconds: npt.NDArray[np.float64], *, whole_days: bool) -> pa.Array | None:
    """Seconds since 1970 as local times, NaN as a missing one; None where one is no date between 1582 and 9999."""
    known = ~np.isnan(seconds)
    if not ((seconds[known] >= _FIRST) & (seconds[known] <= _LAST)).all():
        return None
    days = np.floor(np.where(known, seconds, 0.0) / 86_400) * 86_400
    times = days if whole_days else np.where(known, seconds, 0.0)
    return pa.array(np.round(times * 1e6).astype(np.int64), mask=~known).cast(pa.timestamp("us"))


def clock(seconds: float) -> str:
    """A duration as spreadsheets write it: "10:05:00"."""
    sign, whole = ("-", -seconds) if seconds < 0 else ("", seconds)
    minutes, rest = divmod(round(whole), 60)
    return f"{sign}{minutes // 60:02d}:{minutes % 60:02d}:{rest:02d}"


def main() -> None:
    """Answer one request."""
    out = sys.stdout.buffer
    request = json.load(sys.stdin.buffer)
    try:
        answer = _reader(request)(request)
        _set_aside_long(answer, request["cell"])
    except TableError as refused:
        sheets = {} if refused.sheets is None else {"sheets": refused.sheets}
        _write(out, sheets or _problem(refused.what, refused.remedy, refused.row))
    except MemoryError:
        gib = request["memory"] >> 30
        _write(
            out, _problem(f"cannot be read: it would take more than the {gib} GiB of memory that it may take", _LESS)
        )
    # A panic of native code is no Exception.
    except BaseException as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200].rstrip(". ")
        _write(out, _problem(f"cannot be read as {request['ending']} ({reason})", DAMAGED))
    else:
        _hand_back(out, answer)


def _reader(request: dict[str, Any]) -> Callable[[dict[str, Any]], Answer]:
    ending = request["ending"]
    read: Callable[[dict[str, Any]], Answer]
    if ending == ".rds":
        from alliance_bayes.formats.r import read_r as read
    elif ending in (".feather", ".arrow"):
        from alliance_bayes.formats.arrow import read_arrow as read
    elif ending in (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"):
        from alliance_bayes.formats.sheets import read_sheet as read
    else:
        from alliance_bayes.formats.statistics import read_package as read
    _limit(request["memory"], request["seconds"])
    return read


def _limit(memory: int, seconds: int) -> None:
    """Allow so much more memory than is in use now, and so much time; where the system has such limits."""
    try:
        import resource

        with open("/proc/self/statm") as file:
            now = int(file.read().split()[0]) * resource.getpagesize()
    except (ImportError, OSError):
        return
    for limit, most in ((resource.RLIMIT_AS, now + memory), (resource.RLIMIT_CPU, seconds), (resource.RLIMIT_CORE, 0)):
        hard = resource.getrlimit(limit)[1]
        resource.setrlimit(limit, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def _problem(what: str, remedy: str, row: int | None = None) -> dict[str, Any]:
    return {"problems": [[row, what, remedy]]}


def _set_aside_long(answer: Answer, most: int) -> None:
    """Take away columns with a text that is longer than any that is read."""
    for place, (name, array) in enumerate(zip(answer.columns, answer.arrays, strict=True)):
        kind = array.type.value_type if pa.types.is_dictionary(array.type) else array.type
        if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
            continue
        chunks = array.chunks if isinstance(array, pa.ChunkedArray) else [array]
        texts = [chunk.dictionary if pa.types.is_dictionary(chunk.type) else chunk for chunk in chunks]
        longest = max((pc.max(pc.binary_length(text)).as_py() or 0 for text in texts), default=0)
        if longest > most:
            what = f"has a cell of {longest:,} bytes, and no more than {most:,} are read"
            answer.aside[name] = (what, "Leave the column out.")
            answer.arrays[place] = pa.nulls(len(array))


def _hand_back(out: BinaryIO, answer: Answer) -> None:
    arrays = list(answer.arrays)

    def beside(array: pa.Array) -> int:
        arrays.append(array)
        return len(arrays) - 1

    facts = {
        "columns": answer.columns,
        "numbers": {str(place): beside(mask) for place, mask in answer.numbers.items()},
        "reasons": {name: beside(texts) for name, texts in answer.reasons.items()},
        "rows": None if answer.rows is None else beside(pa.array(answer.rows)),
        "first": answer.first,
        "aside": answer.aside,
        "labels": answer.labels,
        "values": answer.values,
        "sheet": answer.sheet,
        "notes": answer.notes,
    }
    table = pa.table({str(place): array for place, array in enumerate(arrays)})
    _write(out, facts)
    with pa.ipc.new_stream(out, table.schema) as writer:
        writer.write_table(table)
    out.flush()


def _write(out: BinaryIO, facts: dict[str, Any]) -> None:
    text = json.dumps(facts).encode()
    out.write(len(text).to_bytes(8, "little") + text)
    out.flush()
