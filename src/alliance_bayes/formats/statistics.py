"""Tables of SPSS, Stata and SAS: values, labels, and what the program itself counts as missing."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyreadstat

from alliance_bayes.formats.child import Answer, TableError, check_size, clock, local_times
from alliance_bayes.formats.missing import Missing

__all__ = ["read_package"]

_DAY = 86_400
#: Seconds from the day that a program counts from to 1970.
_SPSS, _SAS = 12_219_379_200, 3_653 * _DAY
_SPSS_DATES = ("DATE", "ADATE", "EDATE", "JDATE", "SDATE", "QYR", "MOYR", "WKYR")
_SPSS_TIMES = ("DATETIME", "YMDHMS")
_SPSS_CLOCK = ("TIME", "DTIME", "MTIME")
_SAS_DATES = re.compile(
    r"(NL)?(DATE|DDMMYY|MMDDYY|YYMMDD|MMYY|YYMM|YYQR?)[BCDNPSX]?|WEEKDAT[EX]|WORDDAT[EX]|MONYY|YYMON|JULIAN|JULDAY"
    r"|[BE]8601DA|IS8601DA|MINGUO|NENGO"
)
_SAS_TIMES = re.compile(r"(NL)?(DATETIME|DATEAMPM|MDYAMPM)|[BE]8601D[TNZ]|IS8601D[TNZ]|DTDATE|DTMONYY|DTWKDATX")
#: Labels of a column, of which only those of codes that occur are handed back where there are more.
_LABELS = 1_000
_MEMBER = re.compile(rb"HEADER RECORD\*{7}MEMB(?:ER|V8) +HEADER RECORD")
_SAS_CLOCK = ("TIME", "HHMM", "TOD", "TIMEAMPM", "IS8601TM", "E8601TM", "B8601TM", "MMSS")


def read_package(request: dict[str, Any]) -> Answer:
    """The table of a file; rows are counted from 1, as these programs do."""
    ending = request["ending"]
    read, options = _reader(ending, request["encoding"])
    if ending == ".xpt":
        _check_members(request["path"])
    try:
        _, about = read(request["path"], metadataonly=True, **options)
        width = len(about.column_names)
        check_size(request, max(about.number_rows or 0, 0), width)
        most = min(request["rows"], request["cells"] // max(width, 1))
        cells, about = read(request["path"], row_limit=most + 1, **options)
    except (UnicodeDecodeError, pyreadstat.ReadstatError) as error:
        if isinstance(error, UnicodeDecodeError) or "encoding" in str(error):
            what = f"has text that is not written as the file says ({str(error)[:200].rstrip('. ')})"
            raise TableError(what, "Say how it is written: {encoding}.") from None
        raise
    check_size(request, max((len(column) for column in cells.values()), default=0), width)
    answer = Answer(list(about.column_names))
    for name in answer.columns:
        _add(answer, about, name, cells.pop(name), ending)
    answer.labels = {name: label for name, label in about.column_names_to_labels.items() if label and label.strip()}
    return answer


def _check_members(path: str) -> None:
    """Refuse a transport file of several tables, of which the reader would give the first."""
    with open(path, "rb") as file:
        members = len(_MEMBER.findall(file.read()))
    if members > 1:
        raise TableError(f"holds {members} tables", "Write the one that is meant to a file of its own.")


def _reader(ending: str, encoding: str | None) -> tuple[Callable[..., Any], dict[str, Any]]:
    options: dict[str, Any] = {"output_format": "dict", "disable_datetime_conversion": True}
    if encoding is not None and ending != ".por":
        options["encoding"] = codecs.lookup(encoding).name.upper()
    if ending == ".por":
        return pyreadstat.read_por, options
    if ending == ".xpt":
        return pyreadstat.read_xport, options
    options["user_missing"] = True
    reads: dict[str, Callable[..., Any]] = {".dta": pyreadstat.read_dta, ".sas7bdat": pyreadstat.read_sas7bdat}
    return reads.get(ending, pyreadstat.read_sav), options


def _add(answer: Answer, about: Any, name: str, cells: list[Any], ending: str) -> None:
    """Add a column, with why its cells are missing and what its codes stand for."""
    labels = {code: str(label).strip() for code, label in about.variable_value_labels.get(name, {}).items()}
    missing = Missing(
        marks=set(about.missing_user_values.get(name, ())),
        ranges=tuple((span["lo"], span["hi"]) for span in about.missing_ranges.get(name, ())),
        labels=labels,
    )
    reasons = missing.take_out(cells)
    if reasons is not None:
        answer.reasons[name] = pa.array(reasons, pa.string())
    if any(isinstance(cell, str) for cell in cells) or about.readstat_variable_types.get(name) == "string":
        # Programs fill texts up with blanks; whoever meant them cannot be told from these.
        texts = [cell.rstrip(" ") if isinstance(cell, str) else None for cell in cells]
        answer.arrays.append(pa.array(texts, pa.large_string()))
    else:
        numbers = np.array([np.nan if cell is None else cell for cell in cells], dtype=np.float64)
        if ending == ".dta" and about.readstat_variable_types.get(name) == "float":
            numbers = _shortest(numbers)
        answer.arrays.append(_numbers(answer, about, name, numbers, ending))
    pairs = [(code, label) for code, label in labels.items() if missing.reason(code) is None]
    if len(pairs) > _LABELS:
        # A list of all diagnoses may belong to many columns.
        present = set(cells)
        pairs = [(code, label) for code, label in pairs if code in present]
    if pairs:
        answer.values[name] = [
            (code.rstrip(" ") if isinstance(code, str) else float(code), label) for code, label in pairs
        ]


def _shortest(numbers: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Numbers kept in 32 bits by their shortest decimals, as Stata shows them: 4.1, not 4.099999904632568."""
    distinct, places = np.unique(numbers, return_inverse=True)
    return distinct.astype(np.float32).astype(str).astype(np.float64)[places]


def _numbers(answer: Answer, about: Any, name: str, numbers: npt.NDArray[np.float64], ending: str) -> pa.Array:
    """Numbers as what the column's format makes of them: numbers, local times, or hours and minutes."""
    kind, seconds = _as_dates(ending, (about.original_variable_types or {}).get(name) or "", numbers)
    if kind == "clock":
        return pa.array([None if np.isnan(value) else clock(value) for value in seconds.tolist()], pa.large_string())
    if kind != "number":
        times = local_times(seconds, whole_days=kind == "date")
        if times is not None:
            return times
        what = "is of dates, of which some are none between 1582 and 9999, and is read as numbers"
        answer.notes.append((name, what, "Correct the dates."))
    return pa.array(numbers, from_pandas=True)


def _as_dates(ending: str, written: str, numbers: npt.NDArray[np.float64]) -> tuple[str, npt.NDArray[np.float64]]:
    """What a column of a format holds, and it in seconds since 1970."""
    if ending == ".dta":
        return _stata_dates(written.replace("-", "", 1), numbers)
    name = re.sub(r"[0-9]*(\.[0-9]*)?$", "", written.upper())
    if ending in (".sav", ".zsav", ".por"):
        kind = "date" if name in _SPSS_DATES else "time" if name in _SPSS_TIMES else "number"
        return ("clock", numbers) if name in _SPSS_CLOCK else (kind, numbers - _SPSS)
    if name in _SAS_CLOCK:
        return "clock", numbers
    if _SAS_TIMES.fullmatch(name):
        return "time", numbers - _SAS
    return ("date", numbers * _DAY - _SAS) if _SAS_DATES.fullmatch(name) else ("number", numbers)


def _stata_dates(written: str, numbers: npt.NDArray[np.float64]) -> tuple[str, npt.NDArray[np.float64]]:
    if re.match(r"%t[cC]HH", written):
        return "clock", numbers / 1000
    if re.match(r"%t[cC]", written):
        return "time", numbers / 1000 - _SAS
    if re.match(r"%t?d", written):
        return "date", numbers * _DAY - _SAS
    months = {"%tm": 1, "%tq": 3, "%th": 6}.get(written[:3])
    if months is None:
        return "number", numbers
    known = ~np.isnan(numbers)
    if not (np.abs(numbers[known]) < 100_000).all():
        return "date", numbers * np.inf
    first = (np.where(known, numbers, 0).astype(np.int64) * months - 120).astype("datetime64[M]")
    seconds = first.astype("datetime64[s]").astype(np.int64).astype(np.float64)
    return "date", np.where(known, seconds, np.nan)
