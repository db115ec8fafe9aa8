"""Values as JSON holds them: no NaN, no NumPy, no control over what a label says, no digit that a processor decides."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["DIGITS", "effect_records", "kept", "plain", "records", "unit"]

#: Significant digits of a number in a JSON file or manifest; of figures with a posterior SD, digits of that SD.
DIGITS = 6
# Figures of a row that are on the scale of its SD. A ten-thousandth of it is far below any Monte Carlo error, and far
# above what rounding inside a processor moves, which of a figure near zero is every digit.
_SCALED = ("mean", "sd", "median", "lower", "upper", "mcse_mean")


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


def effect_records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """One mapping a row of an effects table; what people are set to is there where they are set to something."""
    return [{name: value for name, value in row.items() if name != "at" or value is not None} for row in records(rows)]


def _values(column: pd.Series) -> list[Any]:
    """What :func:`plain` makes of a column's values; of floats, which most are, only some need a look."""
    if column.dtype != float:
        return [plain(item) for item in column.tolist()]
    values: list[Any] = column.tolist()
    for place in np.flatnonzero(~np.isfinite(column.to_numpy())):
        values[place] = None
    return values


def unit(value: float, sd: float | None = None) -> float:
    """What one unit of the last digit kept of a number is worth; of a row's figure, by the row's posterior SD."""
    scale, digits = (abs(sd), DIGITS - 1) if sd else (abs(value), DIGITS)
    return float(10.0 ** (math.floor(math.log10(scale)) + 1 - digits)) if scale > 0 else 0.0


def kept(value: Any, sd: float | None = None) -> Any:
    """JSON values with the digits that are the same on every processor; whole numbers are left as they are.

    Parameters
    ----------
    value
        What :func:`plain` gives.
    sd
        Posterior SD of the row that a number is a figure of.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        row_sd = value.get("sd")
        scale = row_sd if isinstance(row_sd, float) and row_sd > 0 else None
        return {key: kept(item, scale if key in _SCALED else None) for key, item in value.items()}
    if isinstance(value, list):
        return [kept(item) for item in value]
    if not isinstance(value, float) or not math.isfinite(value) or (sd is None and value.is_integer()):
        return value
    step = unit(value, sd)
    # Through its text, so that the number is the one nearest to the digits written.
    return 0.0 if step == 0 else float(f"{round(value / step) * step:.15g}") + 0.0
