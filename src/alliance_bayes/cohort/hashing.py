"""Fingerprints of a table's content and of its columns, the same on every platform."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pandas as pd

__all__ = ["column_digests", "frame_hash"]

# 32 bits tell a changed column from an unchanged one, and are too few to find out what a column holds by trying.
_SHORT = 8


def frame_hash(data: pd.DataFrame) -> str:
    """Fingerprint a canonical cohort table.

    Parameters
    ----------
    data
        Columns of float64, categorical (str categories) or str.

    Returns
    -------
    str
        SHA-256 in hexadecimal over column names, kinds, declared levels and values. Row order counts; the index, the
        order of columns, the sign of zero and the bits of a NaN do not.
    """
    digest = hashlib.sha256(f"alliance_bayes cohort 1\n{len(data)}\n".encode())
    for name in sorted(data.columns):
        column = data[name]
        digest.update(_column(str(name), column))
    return digest.hexdigest()


def column_digests(data: pd.DataFrame) -> dict[str, str]:
    """Short fingerprints of the columns of a canonical cohort table, to tell which of them differ between two tables.

    Parameters
    ----------
    data
        As in :func:`frame_hash`.

    Returns
    -------
    dict
        Column name to eight hexadecimal digits.
    """
    return {
        str(name): hashlib.sha256(_column(str(name), data[name])).hexdigest()[:_SHORT] for name in sorted(data.columns)
    }


def _column(name: str, column: pd.Series) -> bytes:
    if isinstance(column.dtype, pd.CategoricalDtype):
        head: list[object] = [name, "factor", [str(level) for level in column.cat.categories]]
        body = column.cat.codes.to_numpy().astype("<i4").tobytes()
    elif pd.api.types.is_float_dtype(column.dtype):
        head = [name, "number"]
        # Adding 0.0 turns -0.0 into 0.0; every NaN gets the same bits.
        numbers = column.to_numpy(dtype="<f8") + 0.0
        body = np.where(np.isnan(numbers), np.float64("nan"), numbers).astype("<f8").tobytes()
    else:
        head = [name, "text"]
        values = zip(column.to_numpy(object), column.isna().to_numpy(), strict=True)
        body = json.dumps([None if missing else str(value) for value, missing in values]).encode()
    return json.dumps(head).encode() + b"\n" + hashlib.sha256(body).digest()
