"""A data.frame that R saved (.rds): its base types, read from the parsed file; nothing of it is evaluated."""

from __future__ import annotations

import bz2
import datetime as dt
import gzip
import io
import lzma
import warnings
import zoneinfo
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from rdata.parser import RObject, RObjectType, parse_data

from alliance_bayes.formats.child import Answer, TableError, check_size, local_times
from alliance_bayes.formats.missing import Missing

__all__ = ["read_r"]

_PACKED = ((b"\x1f\x8b", gzip.open), (b"BZh", bz2.open), (b"\xfd7zXZ", lzma.open))
_EACH = "Give each of its columns a name in the table itself, or leave it out."
_CLOCKS = {"nanotime", "nanoduration"}
_AS_FRAME = "Save one data.frame: saveRDS(as.data.frame(x), 'table.rds')."


def read_r(request: dict[str, Any]) -> Answer:
    """The data.frame; rows are counted from 1."""
    with open(request["path"], "rb") as file:
        data = file.read(request["bytes"] + 1)
    for beginning, unpack in _PACKED:
        if data.startswith(beginning):
            with unpack(io.BytesIO(data), "rb") as packed:
                data = packed.read(request["bytes"] + 1)
    if len(data) > request["bytes"]:
        what = f"is, unpacked, larger than {request['bytes'] >> 20} MiB, the most that is read whole"
        raise TableError(what, "Leave out what no model needs.")
    if data[:3] in (b"RDX", b"RDA", b"RDB"):
        raise TableError("is an R workspace (.RData), which holds any number of things", _AS_FRAME)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        frame = parse_data(data, extension=".rds").object
    facts = _attributes(frame)
    if frame.info.type is not RObjectType.VEC or "data.frame" not in _texts(facts.get("class")):
        raise TableError("holds no data.frame", _AS_FRAME)
    columns = [name or "" for name in _texts(facts.get("names"))]
    if len(columns) != len(frame.value):
        raise TableError("has not as many names as columns")
    answer = Answer(columns)
    lengths = [_length(column) for column in frame.value]
    rows = _rows(facts.get("row.names"), lengths)
    check_size(request, rows, len(columns))
    if rows not in lengths and lengths:
        raise TableError("has no column with a value for each row", _AS_FRAME)
    for name, column in zip(columns, frame.value, strict=True):
        odd = _no_column(column, rows)
        if odd is not None:
            answer.aside[name] = odd
        answer.arrays.append(_column(answer, name, column) if odd is None else pa.nulls(rows))
    return answer


def _rows(names: RObject | None, lengths: list[int]) -> int:
    """Rows of a data.frame: those that have names, which R may keep as NA and their number."""
    if names is not None and names.info.type is RObjectType.INT:
        numbers = np.ma.asarray(names.value)
        if numbers.size == 2 and np.ma.getmaskarray(numbers)[0] and not np.ma.getmaskarray(numbers)[1]:
            return abs(int(numbers[1]))
        return int(numbers.size)
    if names is not None and names.info.type is RObjectType.STR:
        return len(names.value)
    return max(lengths, key=lengths.count, default=0)


def _no_column(column: RObject, rows: int) -> tuple[str, str] | None:
    """What is wrong with what does not have one value a row, and what to do; None where it has."""
    facts = _attributes(column)
    classes = _texts(facts.get("class"))
    if "POSIXlt" in classes:
        return "is of type POSIXlt, which keeps the parts of times apart", "Convert it with as.POSIXct()."
    if _CLOCKS & set(classes):
        return "is of times in nanoseconds, which are not read", "Convert it with as.POSIXct()."
    if "data.frame" in classes:
        return "is a data.frame in a column of another", _EACH
    length = _length(column)
    if "dim" in facts and length != rows:
        return "is a matrix of several columns", _EACH
    if length != rows:
        return f"has {max(length, 0):,} values for {rows:,} rows", "Give it one value a row, or leave it out."
    return None


def _length(column: RObject) -> int:
    return len(column.value) if isinstance(column.value, (list, tuple, np.ndarray)) else -1


def _attributes(obj: RObject) -> dict[str, RObject]:
    """Attributes by name."""
    attributes: dict[str, RObject] = {}
    node = obj.attributes
    while node is not None and node.info.type is RObjectType.LIST:
        tag = node.tag
        if tag is not None and tag.info.type is RObjectType.REF:
            tag = tag.referenced_object
        if tag is not None and tag.value is not None:
            attributes[_decoded(tag.value) or ""] = node.value[0]
        node = node.value[1]
    return attributes


def _decoded(text: RObject) -> str | None:
    if text.value is None:
        return None
    # Bits of the text that say how it is written.
    if text.info.gp & 4:
        return bytes(text.value).decode("latin-1")
    return bytes(text.value).decode("utf-8")


def _texts(obj: RObject | None) -> list[str | None]:
    if obj is None or obj.info.type is not RObjectType.STR:
        return []
    return [_decoded(text) for text in obj.value]


def _column(answer: Answer, name: str, column: RObject) -> pa.Array:
    kind, facts = column.info.type, _attributes(column)
    classes = _texts(facts.get("class"))
    if label := next(iter(_texts(facts.get("label"))), None):
        answer.labels[name] = label
    if kind is RObjectType.STR:
        texts = _texts(column)
        _labelled(answer, name, facts, classes)
        _take_out(answer, name, facts, classes, texts)
        return pa.array(texts, pa.large_string())
    if kind is RObjectType.LGL:
        filled = np.ma.getmaskarray(column.value)
        words = np.where(np.ma.getdata(column.value), "TRUE", "FALSE")
        return pa.array(words.tolist(), pa.large_string(), mask=filled)
    if kind not in (RObjectType.INT, RObjectType.REAL):
        what = f"is of type {kind.name.lower()}, which is no single number, text, truth value or date"
        answer.aside[name] = (what, "Give it one value a row, or leave it out.")
        return pa.nulls(_length(column))
    if "integer64" in classes and kind is RObjectType.REAL:
        return _whole(answer, name, column)
    numbers = _numbers(column)
    if "factor" in classes:
        return _factor(numbers, _texts(facts.get("levels")))
    _labelled(answer, name, facts, classes)
    if _user_missing(classes):
        cells = numbers.tolist()
        _take_out(answer, name, facts, classes, cells)
        numbers = np.array([np.nan if cell is None else cell for cell in cells], dtype=np.float64)
    if "Date" in classes:
        return _times(answer, name, numbers * 86_400, whole_days=True)
    if "POSIXct" in classes:
        return _times(answer, name, _local(numbers, next(iter(_texts(facts.get("tzone"))), None)), whole_days=False)
    return pa.array(numbers, from_pandas=True)


def _factor(codes: npt.NDArray[np.float64], levels: list[str | None]) -> pa.Array:
    known = ~np.isnan(codes)
    if not ((codes[known] >= 1) & (codes[known] <= len(levels))).all():
        raise TableError("has a factor with codes that are no levels")
    # A level that is NA (addNA) stands for a missing value.
    named = np.array([level is not None for level in levels], dtype=bool)
    place = np.where(known, codes - 1, 0).astype(np.int64)
    if levels:
        known &= named[place]
        place = np.where(known, (np.cumsum(named) - 1)[place], 0)
    places = pa.array(place.astype(np.int32), mask=~known)
    labels = [level for level in levels if level is not None]
    return pa.DictionaryArray.from_arrays(places, pa.array(labels, pa.large_string()))


def _numbers(column: RObject) -> npt.NDArray[np.float64]:
    return np.ma.filled(np.ma.asarray(column.value).astype(np.float64), np.nan)


def _whole(answer: Answer, name: str, column: RObject) -> pa.Array:
    """Whole numbers of 64 bits, which R keeps in the bits of its floats; the least of them is NA."""
    bits = np.ascontiguousarray(np.ma.getdata(column.value), dtype=np.float64).view(np.int64)
    known = bits != np.iinfo(np.int64).min
    if (known & ((bits >= 2**53) | (bits <= -(2**53)))).any():
        what = "is of type integer64 with numbers beyond 2^53, which are not exact as numbers"
        answer.aside[name] = (what, "Convert it with as.character() if it is an identifier, else with as.numeric().")
        return pa.nulls(len(bits))
    return pa.array(bits.astype(np.float64), mask=~known)


def _user_missing(classes: list[str | None]) -> bool:
    return bool({"haven_labelled_spss", "labelled_spss"} & set(classes))


def _take_out(
    answer: Answer, name: str, facts: dict[str, RObject], classes: list[str | None], cells: list[Any]
) -> None:
    """Empty what SPSS counts as missing, as the package haven says it, with the reason."""
    reasons = _missing(facts, classes).take_out(cells)
    if reasons is not None:
        answer.reasons[name] = pa.array(reasons, pa.string())


def _missing(facts: dict[str, RObject], classes: list[str | None]) -> Missing:
    if not _user_missing(classes):
        return Missing()
    codes, ends = _values(facts.get("na_values")), _values(facts.get("na_range"))
    ranges = ((ends[0], ends[1]),) if len(ends) == 2 and isinstance(ends[0], float) else ()
    return Missing(codes={code for code in codes if code is not None}, ranges=ranges, labels=dict(_pairs(facts)))


def _values(obj: RObject | None) -> list[Any]:
    """Texts or numbers of a vector; nothing where it is none."""
    if obj is None or obj.info.type not in (RObjectType.STR, RObjectType.INT, RObjectType.REAL):
        return []
    return _texts(obj) if obj.info.type is RObjectType.STR else _numbers(obj).tolist()


def _pairs(facts: dict[str, RObject]) -> list[tuple[Any, str]]:
    """Codes and what they stand for, as the package haven keeps them."""
    labels = facts.get("labels")
    words = [] if labels is None else _texts(_attributes(labels).get("names"))
    # Only NaN differs from itself.
    return [
        (code, word)
        for code, word in zip(_values(labels), words, strict=False)
        if code is not None and code == code and word
    ]


def _labelled(answer: Answer, name: str, facts: dict[str, RObject], classes: list[str | None]) -> None:
    """Value labels of codes that are no missing values."""
    if "labels" in facts:
        missing = _missing(facts, classes)
        answer.values[name] = [(code, word) for code, word in _pairs(facts) if missing.reason(code) is None]


def _times(answer: Answer, name: str, seconds: npt.NDArray[np.float64], *, whole_days: bool) -> pa.Array:
    times = local_times(seconds, whole_days=whole_days)
    if times is not None:
        return times
    what = "is of dates, of which some are none between 1582 and 9999, and is read as numbers"
    answer.notes.append((name, what, "Correct the dates."))
    return pa.array(seconds, from_pandas=True)


def _local(seconds: npt.NDArray[np.float64], zone: str | None) -> npt.NDArray[np.float64]:
    """Local time of a zone; of none, UTC."""
    if not zone or zone in ("UTC", "GMT"):
        return seconds
    try:
        tz = zoneinfo.ZoneInfo(zone)
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        raise TableError(
            f"has times in a zone that is not known here ({zone[:40]!r})", "Save them as text, or as dates."
        ) from None
    out = seconds.copy()
    for place, value in enumerate(seconds.tolist()):
        if value == value and abs(value) < 2e11:
            offset = dt.datetime.fromtimestamp(value, tz).utcoffset()
            out[place] = value + (0.0 if offset is None else offset.total_seconds())
    return out
