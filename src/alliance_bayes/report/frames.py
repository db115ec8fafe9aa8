"""Any DataFrame of numbers and words as a table of the page."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from alliance_bayes.report.tables import Table
from alliance_bayes.report.text import clean, count, number

__all__ = ["frame_table"]

#: Rows shown at once; the whole table opens on request.
SHOWN = 12
#: Rows a page can bear; beyond them the JSON has the rest.
MOST = 1000
# Decimals where the custom or the threshold asks for them, by column.
_DECIMALS = {"rhat": 3, "r_hat": 3, "ess_bulk": 0, "ess_tail": 0, "p_value": 3, "pareto_k": 2, "k": 2}
_HEADINGS = {
    "rhat": "R-hat",
    "ess_bulk": "ESS (bulk)",
    "ess_tail": "ESS (tail)",
    "ess": "ESS",
    "mcse_mean": "MCSE",
    "sd": "SD",
    "n": "n",
    "pareto_k": "Pareto k",
    "elpd": "ELPD",
    "rope": "ROPE",
}


def frame_table(frame: pd.DataFrame, *, name: str, caption: str, note: str = "") -> Table:
    """A DataFrame as a table, numbers to four significant digits of the column's largest.

    Parameters
    ----------
    frame
        Columns of numbers, booleans and words.
    name, caption, note
        See :class:`Table`.
    """
    columns = [str(column) for column in frame.columns]
    cells = [_column(column, frame.iloc[:, position]) for position, column in enumerate(columns)]
    rows = list(zip(*cells, strict=True))
    words = [position for position in range(len(columns)) if not pd.api.types.is_numeric_dtype(frame.iloc[:, position])]
    if len(rows) > MOST:
        note = f"{note} The first {count(MOST)} of {count(len(rows))} rows; all of them are in the JSON file.".strip()
    more = rows[:MOST] if len(rows) > SHOWN else []
    return Table.of(name, caption, [_heading(column) for column in columns], rows[:SHOWN], words=words, note=note, more=more)


def _heading(column: str) -> str:
    return _HEADINGS.get(column, clean(column).replace("_", " "))


def _column(name: str, values: pd.Series) -> list[str]:
    dtype = values.dtype
    if pd.api.types.is_bool_dtype(dtype):
        return ["yes" if value else "no" for value in values]
    if pd.api.types.is_numeric_dtype(dtype):
        numbers = values.to_numpy(float, na_value=math.nan)
        places = _places(name, numbers, pd.api.types.is_integer_dtype(dtype))
        return [number(float(value), places) for value in numbers]
    return [_cell(value) for value in values]


def _places(name: str, values: np.ndarray, whole: bool) -> int:
    if whole:
        return 0
    if name in _DECIMALS:
        return _DECIMALS[name]
    finite = np.abs(values[np.isfinite(values)])
    if not finite.size or finite.max() == 0:
        return 0
    if np.array_equal(finite, np.round(finite)):
        return 0
    return max(0, min(4, 2 - math.floor(math.log10(finite.max()))))


def _cell(value: Any) -> str:
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, int | np.integer):
        return count(int(value))
    if isinstance(value, float | np.floating):
        return number(float(value), _places("", np.array([float(value)]), False))
    return clean(value)
