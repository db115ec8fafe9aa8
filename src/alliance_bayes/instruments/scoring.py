"""From answers to scores: answers checked and read as numbers, reversal, totals, subscales, and missing items."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from alliance_bayes.errors import DataError, Problem, UsageError
from alliance_bayes.instruments.definition import Instrument

__all__ = ["item_frame", "item_problems", "item_values", "needed_items", "recode", "score"]

_REMEDY = "Correct the entry, or leave it empty if the item was not answered."


def item_frame(items: pd.DataFrame | npt.ArrayLike, instrument: Instrument | None = None) -> pd.DataFrame:
    """Bring answers into one shape: a row a person, a column an item, in the instrument's order.

    Parameters
    ----------
    items
        DataFrame or two-dimensional array (people x items). Columns are taken by position; an array's are named
        item_1, item_2, ...
    instrument
        When given, the number and the order of the columns are checked against it.

    Returns
    -------
    DataFrame
        The table itself, or a table made of the array.

    Raises
    ------
    UsageError
        When it is not two-dimensional, has the wrong number of columns, or has column names that end in item numbers
        which are out of order (item_1, item_10, item_2: sorted as text).
    """
    if isinstance(items, pd.DataFrame):
        frame = items
    else:
        array = np.asarray(items)
        if array.ndim != 2:
            raise UsageError(
                f"items must be a table of people by items, but it has {array.ndim} "
                f"dimension{'' if array.ndim == 1 else 's'}. Pass a DataFrame or a two-dimensional array."
            )
        frame = pd.DataFrame(array, columns=[f"item_{number + 1}" for number in range(array.shape[1])])
    if instrument is None:
        return frame
    if frame.shape[1] != instrument.n_items:
        raise UsageError(
            f"{instrument.name} has {instrument.n_items} items, but the table has {frame.shape[1]} "
            f"column{'' if frame.shape[1] == 1 else 's'}. Pass exactly its item columns, in item order."
        )
    numbers = [re.search(r"(\d+)$", str(name)) for name in frame.columns]
    order = [int(match.group(1)) for match in numbers if match]
    if order != sorted(order) and sorted(order) == list(range(1, instrument.n_items + 1)):
        raise UsageError(
            f"the {instrument.name} item columns are out of order: their names end in {', '.join(map(str, order))}. "
            f"Pass them in item order, 1 to {instrument.n_items}."
        )
    return frame


def item_problems(
    items: pd.DataFrame | npt.ArrayLike,
    instrument: Instrument | None = None,
    *,
    rows: Sequence[int | str] | None = None,
) -> tuple[Problem, ...]:
    """List every answer that breaks the rules, in column and row order.

    Parameters
    ----------
    items
        People x items, as in `item_frame`. Text that reads as a number counts as that number; truth values do not.
    instrument
        When given, answers must lie in its item range and on its steps. Otherwise they need only be finite numbers.
    rows
        How to name the rows in the problems (a spreadsheet's row numbers, say); the index labels by default.

    Returns
    -------
    tuple of Problem
        Empty when all is well. A missing answer is no problem here.

    Raises
    ------
    UsageError
        As `item_frame`.
    """
    frame = item_frame(items, instrument)
    return _read(frame, instrument, rows)[1]


def item_values(
    items: pd.DataFrame | npt.ArrayLike, instrument: Instrument | None = None, *, source: str = "items"
) -> npt.NDArray[np.float64]:
    """Read answers as numbers, or refuse them with everything that is wrong.

    Parameters
    ----------
    items
        People x items, as in `item_frame`.
    instrument
        As in `item_problems`.
    source
        Name of the table in the error.

    Returns
    -------
    ndarray of float, people x items
        Answers as given (nothing reversed); NaN where missing.

    Raises
    ------
    UsageError
        As `item_frame`.
    DataError
        With one Problem for each answer that breaks the rules.
    """
    values, problems = _read(item_frame(items, instrument), instrument, None)
    if problems:
        raise DataError(problems, source=source)
    return values


def _read(
    frame: pd.DataFrame, instrument: Instrument | None, rows: Sequence[int | str] | None
) -> tuple[npt.NDArray[np.float64], tuple[Problem, ...]]:
    labels = [_plain(label) for label in (frame.index if rows is None else rows)]
    if len(labels) != len(frame):
        raise UsageError(f"rows names {len(labels)} rows, but the table has {len(frame)}. Pass one name for each row.")
    values = np.full(frame.shape, np.nan)
    problems: list[Problem] = []
    for position in range(frame.shape[1]):
        column = frame.iloc[:, position]
        name = str(frame.columns[position])
        if not _may_hold_numbers(column):
            what = f"holds values of type {column.dtype}, not numbers"
            problems.append(Problem(name, None, None, what, "Pass the answers as numbers."))
            continue
        values[:, position], unreadable = _numbers(column)
        for row, what in _broken(values[:, position], unreadable, instrument):
            problems.append(Problem(name, labels[row], _plain(column.iloc[row]), what, _REMEDY))
    return values, tuple(problems)


def _broken(
    values: npt.NDArray[np.float64], unreadable: npt.NDArray[np.bool_], instrument: Instrument | None
) -> list[tuple[int, str]]:
    """Row position and broken rule of each bad answer of one column, by row; the first broken rule only."""
    rules = [(unreadable, "is not a number"), (np.isinf(values), "is infinite")]
    if instrument is not None:
        low, high = instrument.item_range
        outside = (values < low) | (values > high)
        rules.append((outside, f"is outside the range {low:g} to {high:g} of {instrument.name} items"))
        if instrument.item_step is not None:
            steps = np.where(np.isfinite(values), values - low, 0.0) / instrument.item_step
            what = f"is not on the steps of {instrument.item_step:g} from {low:g} of {instrument.name} items"
            rules.append((np.abs(steps - np.round(steps)) > 1e-9, what))
    first: dict[int, str] = {}
    for mask, what in rules:
        for row in np.flatnonzero(mask):
            first.setdefault(int(row), what)
    return sorted(first.items())


def _may_hold_numbers(column: pd.Series) -> bool:
    if pd.api.types.is_bool_dtype(column.dtype) or pd.api.types.is_complex_dtype(column.dtype):
        return False
    text = pd.api.types.is_object_dtype(column.dtype) or pd.api.types.is_string_dtype(column.dtype)
    return text or pd.api.types.is_numeric_dtype(column.dtype) or isinstance(column.dtype, pd.CategoricalDtype)


def _numbers(column: pd.Series) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Values as floats (NaN where missing or unreadable) and where a value is there that is no number."""
    if pd.api.types.is_numeric_dtype(column.dtype):
        return column.to_numpy(dtype=np.float64, na_value=np.nan), np.zeros(len(column), dtype=bool)
    cells = column.astype(object)
    missing = cells.isna().to_numpy()
    # pandas reads True as 1; an answer is never a truth value.
    truth = np.array([isinstance(cell, (bool, np.bool_)) for cell in cells], dtype=bool)
    parsed = pd.to_numeric(cells.mask(truth), errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    return parsed, np.isnan(parsed) & ~missing


def _plain(value: Any) -> Any:
    """NumPy scalars as Python's own, so that messages read 7.0 and not np.float64(7.0)."""
    value = value.item() if isinstance(value, np.generic) else value
    return value if isinstance(value, (int, float, str, bool)) else str(value)


def recode(values: npt.ArrayLike, instrument: Instrument) -> npt.NDArray[np.float64]:
    """Turn reversed items round: lowest + highest - answer.

    Parameters
    ----------
    values
        Answers, people x items in the instrument's order; NaN where missing. Not checked.
    instrument
        Whose key to use.

    Returns
    -------
    ndarray of float, people x items
        Every item pointing the same way. Recoding twice gives the answers back.
    """
    recoded = np.array(values, dtype=np.float64)
    low, high = instrument.item_range
    columns = [item - 1 for item in instrument.reversed_items]
    recoded[:, columns] = low + high - recoded[:, columns]
    return recoded


def score(
    items: pd.DataFrame | npt.ArrayLike,
    instrument: Instrument,
    *,
    prorate: float | Literal["instrument"] | None = None,
    source: str = "items",
) -> pd.DataFrame:
    """Score an instrument: total, subscales, and how many items each person answered.

    Parameters
    ----------
    items
        DataFrame or two-dimensional array, people x items, the answers as given (reversed items not yet recoded),
        columns in item order. Missing answers are NaN or NA.
    instrument
        What was answered.
    prorate
        What to do about missing items. None (default): a scale is scored only where all of its items are answered.
        A share in (0, 1]: it is scored where at least that share of its items is answered, each missing item taken
        to be the mean of the person's own answers to that scale. "instrument": the same where no more items are missing
        than the instrument's own rule allows (`Instrument.missing`), complete answers only where none is known.
    source
        Name of the table in errors.

    Returns
    -------
    DataFrame
        A row a person, the index of `items`. Columns: "total" (points of the total), one for each subscale (sum, or
        mean where the total is a mean, of its items), and "answered" (int, number of items answered). NaN where no
        score can be given.

    Raises
    ------
    UsageError
        When `items` has the wrong shape, `prorate` is none of these, or the instrument's key is not known.
    DataError
        When any answer is not a number, is infinite, out of range or off the steps: one Problem for each.

    Notes
    -----
    The share is taken scale by scale, so a total may be given where a subscale is not, and pro-rated subscales need
    not add up to the pro-rated total. A pro-rated score is not rounded and may fall between two possible scores: a
    WHO-5 answered 2, 2, 2 and 3 with one item missing scores 45, which is not a multiple of 4. Such scores serve
    continuous models; where scores must be on the instrument's grid (`Instrument.on_grid`), leave them missing.
    """
    _check_prorate(prorate)
    if not instrument.scored:
        raise UsageError(
            f"which items of {instrument.name} are reversed is not known here, so they cannot be scored. Score them by "
            "the authors' manual, and use the totals."
        )
    frame = item_frame(items, instrument)
    recoded = recode(item_values(frame, instrument, source=source), instrument)
    factor = {"sum x 4": 4, "mean x 10": 10}.get(instrument.total, 1)
    mean = instrument.total.startswith("mean")
    columns: dict[str, npt.NDArray[np.float64] | npt.NDArray[np.int64]] = {
        "total": _scale(recoded, needed=needed_items(instrument, prorate), factor=factor, mean=mean)
    }
    for name, members in instrument.subscale_items:
        needed = needed_items(instrument, prorate, name)
        columns[name] = _scale(recoded[:, [item - 1 for item in members]], needed=needed, factor=1, mean=mean)
    columns["answered"] = np.sum(~np.isnan(recoded), axis=1, dtype=np.int64)
    return pd.DataFrame(columns, index=frame.index)


def needed_items(instrument: Instrument, prorate: float | Literal["instrument"] | None, subscale: str = "") -> int:
    """Fewest items that must be answered for a score.

    Parameters
    ----------
    instrument
        What was answered.
    prorate
        As in `score`.
    subscale
        Whose score; the total by default.
    """
    size = len(instrument.subscales[subscale]) if subscale else instrument.n_items
    if prorate == "instrument":
        rule = instrument.missing
        return size if rule is None else size - (dict(rule.subscales).get(subscale, 0) if subscale else rule.most)
    # The tolerance keeps 0.28 of 25 items at 7: the product comes out a hair above.
    return size if prorate is None else max(1, math.ceil(prorate * size - 1e-9))


def _scale(recoded: npt.NDArray[np.float64], *, needed: int, factor: int, mean: bool) -> npt.NDArray[np.float64]:
    """Score one scale; NaN where too few of its items are answered."""
    size = recoded.shape[1]
    answered = np.sum(~np.isnan(recoded), axis=1)
    sums = np.nansum(recoded, axis=1)
    divisor = np.maximum(answered, 1)
    if mean:
        return np.where(answered >= needed, sums * factor / divisor, np.nan)
    # Multiplying before the one division keeps scores exact wherever they can be.
    scores = np.where(answered == size, sums * factor, sums * (size * factor) / divisor)
    return np.where(answered >= needed, scores, np.nan)


def _check_prorate(prorate: Any) -> None:
    if prorate is None or (isinstance(prorate, str) and prorate == "instrument"):
        return
    # True is a number to Python, and a share of 1 would quietly mean "complete answers only".
    number = isinstance(prorate, (int, float, np.number)) and not isinstance(prorate, bool)
    if not number or not 0 < prorate <= 1:
        raise UsageError(
            f"prorate should be in the interval (0, 1] but got {prorate!r}. Pass the smallest share of items that must "
            "be answered (0.8, say), 'instrument' for the instrument's own rule, or None to score complete answers "
            "only."
        )
