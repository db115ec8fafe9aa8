"""Read a file by native code that does not share this process: what a damaged file does to it ends there.

A workbook of five kilobytes may ask for half a terabyte, upon which the library that reads it ends the process, and
readers in C are no safer. So they run in a child with a limit of memory and of time, which hands back columns (Arrow)
and what is known of them (JSON), and neither can make anything run here.
"""

from __future__ import annotations

import contextlib
import difflib
import importlib.util
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from alliance_bayes.errors import DataError, Problem, UsageError
from alliance_bayes.foreign import parse_json
from alliance_bayes.remedies import argument

__all__ = ["NEEDS", "PackageTable", "read_apart"]

#: The package that reads files with an ending.
NEEDS = {
    **dict.fromkeys((".sav", ".zsav", ".por", ".dta", ".sas7bdat", ".xpt"), "pyreadstat"),
    **dict.fromkeys((".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"), "python_calamine"),
    ".rds": "rdata",
    ".feather": "pyarrow",
    ".arrow": "pyarrow",
}
#: Memory beyond what Python and its packages take, and seconds of one processor, that reading may take.
MEMORY, SECONDS = 4 << 30, 600
# Longest answer: columns of the largest table, whose texts are no longer than what is read of them.
_ANSWER, _FACTS = 2 << 30, 16 << 20
_CHILD = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from alliance_bayes.formats.child import main; main()"
)
# Sheets that a message names, and characters of each.
_LISTED, _SHOWN = 20, 60
_DAMAGED = "Check that it was copied whole and opens in its own program; then save it again, or as CSV (UTF-8)."


@dataclass(frozen=True, slots=True)
class PackageTable:
    """A table as a program kept it.

    Parameters
    ----------
    columns
        Names as they stand, in order; of a spreadsheet the cells of its first row that holds anything.
    table
        The columns by number ("0", "1"): numbers, texts, texts with declared levels, or local times.
    numbers
        Number of a column of texts, some of which are numbers -> which of them are.
    rows
        Number of each row, as the program counts: cases from 1, rows of a sheet as they are numbered beside it.
    aside
        Columns that cannot be read, by name: what is wrong, and what to do.
    labels
        What a column is called in words, by its name.
    value_labels
        What codes of a column stand for, by its name, in the order of the program.
    reasons
        Column -> why a cell is missing, for each row: "refused (-99)".
    sheet
        Name of the sheet, where there are several.
    notes
        What was passed over, each with what to do about it.
    """

    columns: tuple[str, ...]
    table: pa.Table
    numbers: Mapping[int, pa.ChunkedArray]
    rows: tuple[int, ...]
    aside: Mapping[str, Problem] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    value_labels: Mapping[str, tuple[tuple[float | str, str], ...]] = field(default_factory=dict)
    reasons: Mapping[str, pa.ChunkedArray] = field(default_factory=dict)
    sheet: str | None = None
    notes: tuple[Problem, ...] = ()


def read_apart(
    path: Path,
    ending: str,
    *,
    sheet: str | None,
    encoding: str | None,
    limits: Mapping[str, int],
    source: str,
    identifier: str,
) -> PackageTable:
    """Read one table of a file.

    Parameters
    ----------
    path
        The file.
    ending
        What it is, one of `NEEDS`.
    sheet
        Which sheet of a workbook; the only one by default.
    encoding
        Of texts in a file that does not say how they are written, or says it wrongly.
    limits
        Most "bytes" (unpacked), "rows", "columns" and "cells", and "cell" characters.
    source
        What to call the file in errors.
    identifier
        Column that is kept also where pandas noted that it is an index.

    Raises
    ------
    UsageError
        The package that reads such files is not installed, or there is no such sheet.
    DataError
        The file cannot be read.
    """
    package = NEEDS[ending]
    if importlib.util.find_spec(package) is None:
        raise UsageError(
            f"reading a {ending} file needs {package.replace('_', '-')}, which is not installed. Install the extra: "
            "pip install 'alliance_bayes[files]'."
        )
    request = {
        "path": str(path.resolve()),
        "ending": ending,
        "sheet": sheet,
        "encoding": encoding,
        "id": identifier,
        "memory": MEMORY,
        "seconds": SECONDS,
        **limits,
    }
    code, answer = _asked(request)
    facts, body = _parts(answer)
    if facts is None:
        raise DataError([_ended(code, ending)], source=source)
    if "sheets" in facts:
        raise _which_sheet(facts["sheets"], sheet, source)
    if "problems" in facts:
        problems = [Problem(None, row, None, what, _said(remedy)) for row, what, remedy in facts["problems"]]
        raise DataError(problems, source=source)
    try:
        # Checked in full: what a crash left half written must not be read from where it is not.
        with pa.ipc.open_stream(io.BytesIO(body)) as reader:
            table = reader.read_all()
        table.validate(full=True)
    except pa.ArrowException:
        raise DataError([_ended(code, ending)], source=source) from None
    first = facts["first"]
    rows = range(first, first + table.num_rows) if facts["rows"] is None else table.column(facts["rows"]).to_pylist()
    return PackageTable(
        columns=tuple(facts["columns"]),
        table=table.select(range(len(facts["columns"]))),
        numbers={int(place): table.column(beside) for place, beside in facts["numbers"].items()},
        rows=tuple(rows),
        aside={name: Problem(name, None, None, what, remedy) for name, (what, remedy) in facts["aside"].items()},
        labels=facts["labels"],
        value_labels={name: tuple((code, label) for code, label in pairs) for name, pairs in facts["values"].items()},
        reasons={name: table.column(beside) for name, beside in facts["reasons"].items()},
        sheet=facts["sheet"],
        notes=tuple(Problem(column, None, None, what, remedy) for column, what, remedy in facts["notes"]),
    )


def _said(text: str) -> str:
    """A remedy of the child, with the option that it names as a field."""
    return text.replace("{encoding}", argument("encoding", "cp1252"))


def _which_sheet(names: list[str], wanted: str | None, source: str) -> UsageError:
    """Several sheets, or none of the name that was asked for."""
    listed = ", ".join(repr(name[:_SHOWN]) for name in names[:_LISTED]) + (", ..." if len(names) > _LISTED else "")
    if wanted is None:
        return UsageError(f"{source} has several sheets: {listed}. Say which is meant: {argument('sheet', names[0])}.")
    near = difflib.get_close_matches(wanted, names, n=1)
    hint = f"Did you mean {near[0]!r}? " if near else ""
    return UsageError(f"{source} has no sheet {wanted!r}. {hint}Sheets: {listed}.")


def _asked(request: Mapping[str, Any]) -> tuple[int, bytes]:
    """What the child answers, and how it ended."""
    # Every thread, and every arena of memory, would take of what is allowed.
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
    path = json.dumps([os.path.abspath(entry) if entry else os.getcwd() for entry in sys.path])
    child = subprocess.Popen(
        [sys.executable, "-I", "-X", "utf8", "-c", _CHILD, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        with contextlib.suppress(BrokenPipeError), child.stdin:
            child.stdin.write(json.dumps(request).encode())
        answer = child.stdout.read(_ANSWER + 1)
        if len(answer) > _ANSWER:
            return -signal.SIGKILL, b""
        return child.wait(), answer
    finally:
        child.kill()
        child.stdout.close()
        child.wait()


def _parts(answer: bytes) -> tuple[dict[str, Any] | None, bytes]:
    """Facts and columns of an answer; no facts where it was cut short."""
    length = int.from_bytes(answer[:8], "little")
    text = answer[8 : 8 + length]
    if not length or length > _FACTS or len(text) < length:
        return None, b""
    return parse_json(text.decode(), what="what was read of the file", remedy=_DAMAGED), answer[8 + length :]


def _ended(code: int, ending: str) -> Problem:
    """Why there is no answer."""
    if code in (-signal.SIGABRT, -signal.SIGKILL):
        what = f"cannot be read: it would take more than the {MEMORY >> 30} GiB of memory that reading may take"
        remedy = "Save the table alone, without what is far from it, in a new file; or as CSV (UTF-8)."
    elif code == -signal.SIGXCPU:
        what = f"cannot be read within {SECONDS // 60} minutes"
        remedy = "Leave out what no model needs, or save it as CSV (UTF-8)."
    else:
        what, remedy = f"is damaged, or no {ending} file at all: reading it failed", _DAMAGED
    return Problem(None, None, None, what, remedy)
