"""From answers to scores: reversal, totals, subscales, and the rule for missing items."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pandas as pd

from alliance_bayes.errors import UsageError
from alliance_bayes.instruments.definition import Instrument
from alliance_bayes.instruments.items import item_frame, item_values

__all__ = ["recode", "score"]


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
    prorate: float | None = None,
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
        to be the mean of the person's own answers to that scale.
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
        When `items` has the wrong shape, or `prorate` is not a share in (0, 1].
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
    frame = item_frame(items, instrument)
    recoded = recode(item_values(frame, instrument, source=source), instrument)
    factor = 4 if instrument.total == "sum x 4" else 1
    mean = instrument.total == "mean"
    columns: dict[str, npt.NDArray[np.float64] | npt.NDArray[np.int64]] = {
        "total": _scale(recoded, prorate=prorate, factor=factor, mean=mean)
    }
    for name, members in instrument.subscale_items:
        columns[name] = _scale(recoded[:, [item - 1 for item in members]], prorate=prorate, factor=1, mean=mean)
    columns["answered"] = np.sum(~np.isnan(recoded), axis=1, dtype=np.int64)
    return pd.DataFrame(columns, index=frame.index)


def _scale(
    recoded: npt.NDArray[np.float64], *, prorate: float | None, factor: int, mean: bool
) -> npt.NDArray[np.float64]:
    """Score one scale; NaN where too few of its items are answered."""
    size = recoded.shape[1]
    answered = np.sum(~np.isnan(recoded), axis=1)
    # The tolerance keeps 0.28 of 25 items at 7: the product comes out a hair above.
    needed = size if prorate is None else max(1, math.ceil(prorate * size - 1e-9))
    sums = np.nansum(recoded, axis=1)
    divisor = np.maximum(answered, 1)
    if mean:
        return np.where(answered >= needed, sums / divisor, np.nan)
    # Multiplying before the one division keeps scores exact wherever they can be.
    scores = np.where(answered == size, sums * factor, sums * (size * factor) / divisor)
    return np.where(answered >= needed, scores, np.nan)


def _check_prorate(prorate: float | None) -> None:
    if prorate is None:
        return
    # True is a number to Python, and a share of 1 would quietly mean "complete answers only".
    number = isinstance(prorate, (int, float, np.number)) and not isinstance(prorate, bool)
    if not number or not 0 < prorate <= 1:
        raise UsageError(
            f"prorate should be in the interval (0, 1] but got {prorate!r}. Pass the smallest share of items that must "
            "be answered (0.8, say), or None to score complete answers only."
        )
