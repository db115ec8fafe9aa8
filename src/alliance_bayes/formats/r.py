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

__all__ = ["read_r"]

_PACKED = ((b"\x1f\x8b", gzip.open), (b"BZh", bz2.open), (b"\xfd7zXZ", lzma.open))
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
    lengths = {_length(one) for one in frame.value}
    check_size(request, max(lengths, default=0), len(columns))
    if len(lengths) > 1:
        raise TableError("has columns of several lengths", _AS_FRAME)
    for name, column in zip(columns, frame.value, strict=True):
        answer.arrays.append(_column(answer, name, column))
    return answer


def _length(column: RObject) -> int:
    return len(column.value) if isinstance(column.value, (list, tuple, np.ndarray)) else -1


def _attributes(one: RObject) -> dict[str, RObject]:
    """Attributes by name."""
    found: dict[str, RObject] = {}
    node = one.attributes
    while node is not None and node.info.type is RObjectType.LIST:
        tag = node.tag
        if tag is not None and tag.info.type is RObjectType.REF:
            tag = tag.referenced_object
        if tag is not None and tag.value is not None:
            found[_decoded(tag.value) or ""] = node.value[0]
        node = node.value[1]
    return found


def _decoded(text: RObject) -> str | None:
    if text.value is None:
        return None
    # Bits of the text that say how it is written.
    if text.info.gp & 4:
        return bytes(text.value).decode("latin-1")
    return bytes(text.value).decode("utf-8")


def _texts(one: RObject | None) -> list[str | None]:
    if one is None or one.info.type is not RObjectType.STR:
        return []
    return [_decoded(text) for text in one.value]


def _column(answer: Answer, name: str, column: RObject) -> pa.Array:
    kind, facts = column.info.type, _attributes(column)
    classes = _texts(facts.get("class"))
    if label := next(iter(_texts(facts.get("label"))), None):
        answer.labels[name] = label
    if kind is RObjectType.STR:
        texts = _texts(column)
        _labelled(answer, name, facts)
        return pa.array(texts, pa.large_string())
    if kind is RObjectType.LGL:
        filled = np.ma.getmaskarray(column.value)
        words = np.where(np.ma.getdata(column.value), "TRUE", "FALSE")
        return pa.array(words.tolist(), pa.large_string(), mask=filled)
    if kind not in (RObjectType.INT, RObjectType.REAL):
        what = f"is of type {kind.name.lower()}, which is no single number, text, truth value or date"
        answer.aside[name] = (what, "Give it one value a row, or leave it out.")
        return pa.nulls(_length(column))
    numbers = np.ma.filled(np.ma.asarray(column.value).astype(np.float64), np.nan)
    if "factor" in classes:
        return _factor(numbers, _texts(facts.get("levels")))
    _labelled(answer, name, facts)
    if "Date" in classes:
        return _times(answer, name, numbers * 86_400, whole_days=True)
    if "POSIXct" in classes:
        return _times(answer, name, _local(numbers, next(iter(_texts(facts.get("tzone"))), None)), whole_days=False)
    return pa.array(numbers, from_pandas=True)


def _factor(codes: npt.NDArray[np.float64], levels: list[str | None]) -> pa.Array:
    there = ~np.isnan(codes)
    if not ((codes[there] >= 1) & (codes[there] <= len(levels))).all():
        raise TableError("has a factor with codes that are no levels")
    places = pa.array(np.where(there, codes - 1, 0).astype(np.int32), mask=~there)
    return pa.DictionaryArray.from_arrays(places, pa.array(levels, pa.large_string()))


def _labelled(answer: Answer, name: str, facts: dict[str, RObject]) -> None:
    """Value labels, as the package haven keeps them."""
    labels = facts.get("labels")
    if labels is None:
        return
    words = _texts(_attributes(labels).get("names"))
    codes: list[Any]
    if labels.info.type is RObjectType.STR:
        codes = _texts(labels)
    else:
        codes = np.ma.filled(np.ma.asarray(labels.value, dtype=np.float64), np.nan).tolist()
    pairs = zip(codes, words, strict=False)
    # Only NaN differs from itself.
    answer.values[name] = [(code, word) for code, word in pairs if code is not None and code == code and word]


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
        there = zoneinfo.ZoneInfo(zone)
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        raise TableError(
            f"has times in a zone that is not known here ({zone[:40]!r})", "Save them as text, or as dates."
        ) from None
    out = seconds.copy()
    for place, one in enumerate(seconds.tolist()):
        if one == one and abs(one) < 2e11:
            offset = dt.datetime.fromtimestamp(one, there).utcoffset()
            out[place] = one + (0.0 if offset is None else offset.total_seconds())
    return out
