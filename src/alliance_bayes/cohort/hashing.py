"""Fingerprints of a table's content, the same on every platform."""

from __future__ import annotations

import hashlib
import hmac
import json

import numpy as np
import pandas as pd

__all__ = ["frame_hash", "keyed_digest"]


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


def keyed_digest(key: bytes, *fingerprints: str) -> str:
    """Digest of fingerprints that nobody can compare with guesses of the data without the key (HMAC-SHA-256)."""
    return hmac.new(key, "\n".join(fingerprints).encode(), hashlib.sha256).hexdigest()


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
