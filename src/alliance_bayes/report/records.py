"""Values as JSON holds them: no NaN, no NumPy, no control over what a label says."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["plain", "records"]


def plain(value: Any) -> Any:
    """A value as JSON types; NaN, infinities, NaT and NA become None.

    Raises
    ------
    TypeError
        A value that has no JSON counterpart.
    """
    # Most of what comes here is plain already, and there is a lot of it.
    kind = type(value)
    if kind is bool or kind is int or (kind is float and math.isfinite(value)) or (kind is str and value.isascii()):
        return value
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, str):
        # A lone surrogate cannot be written as UTF-8.
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, pd.DataFrame):
        return records(value)
    if isinstance(value, Mapping):
        return {str(plain(str(key))): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | list | tuple | set | frozenset | pd.Series | pd.Index):
        return [plain(item) for item in value]
    raise TypeError(f"{type(value).__name__} has no place in the report's JSON")


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """One mapping a row, columns in order."""
    names = [str(name) for name in frame.columns]
    columns = [_values(frame.iloc[:, place]) for place in range(len(names))]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _values(column: pd.Series) -> list[Any]:
    """What :func:`plain` makes of a column's values; of floats, which most are, only some need a look."""
    if column.dtype != float:
        return [plain(item) for item in column.tolist()]
    found: list[Any] = column.tolist()
    for place in np.flatnonzero(~np.isfinite(column.to_numpy())):
        found[place] = None
    return found
