"""Scores put into named bands, and who meets a threshold."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from alliance_bayes.errors import DataError, Problem, UsageError
from alliance_bayes.instruments.catalogue import INSTRUMENTS
from alliance_bayes.instruments.definition import Instrument

__all__ = ["band", "meets"]


def band(scores: pd.Series | npt.ArrayLike, instrument: Instrument) -> pd.Series:
    """Put totals into the instrument's bands.

    Parameters
    ----------
    scores
        Totals, one a person; NaN where missing.
    instrument
        Whose bands to use. Every possible score, pro-rated ones included, falls into exactly one of them.

    Returns
    -------
    Series of ordered categorical
        Labels from the lowest scores to the highest, all of them declared as categories; missing where the score is.
        Index and name of `scores` when it is a Series.

    Raises
    ------
    UsageError
        When the instrument has no bands (the message lists those that have), or `scores` is not one-dimensional.
    DataError
        When a score lies outside the instrument's range: one Problem for each.
    """
    if not instrument.bands:
        having = ", ".join(entry.name for entry in INSTRUMENTS if entry.bands)
        raise UsageError(f"{instrument.name} has no bands. Instruments that have: {having}.")
    values, series = _totals(scores, instrument)
    codes = np.full(len(values), -1, dtype=np.int64)
    for code, piece in enumerate(instrument.bands):
        within = values <= piece.upper if piece.closed else values < piece.upper
        codes[within & (codes == -1)] = code
    labels = pd.Categorical.from_codes(
        codes, categories=pd.Index([piece.label for piece in instrument.bands]), ordered=True
    )
    return pd.Series(labels, index=series.index, name=series.name)


def meets(scores: pd.Series | npt.ArrayLike, instrument: Instrument, threshold: str) -> pd.Series:
    """Say who meets one of the instrument's thresholds.

    Parameters
    ----------
    scores
        Totals, one a person; NaN where missing.
    instrument
        Whose thresholds to use.
    threshold
        Name of the threshold: "depression_screen".

    Returns
    -------
    Series of float
        1.0 where the threshold is met, 0.0 where it is not, NaN where the score is missing. Index and name of
        `scores` when it is a Series.

    Raises
    ------
    UsageError
        When there is no such threshold (the message lists those there are), or `scores` is not one-dimensional.
    DataError
        When a score lies outside the instrument's range: one Problem for each.
    """
    rule = instrument.threshold(threshold)
    values, series = _totals(scores, instrument)
    if rule.direction == "at or below":
        met = values <= rule.value
    elif rule.direction == "below":
        met = values < rule.value
    else:
        met = values >= rule.value
    return pd.Series(np.where(np.isnan(values), np.nan, met), index=series.index, name=series.name)


def _totals(scores: pd.Series | npt.ArrayLike, instrument: Instrument) -> tuple[npt.NDArray[np.float64], pd.Series]:
    if not isinstance(scores, pd.Series):
        array = np.asarray(scores)
        if array.ndim != 1:
            raise UsageError(f"scores must have one dimension, but has {array.ndim}. Pass one score a person.")
        scores = pd.Series(array)
    try:
        values = scores.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise UsageError(f"scores must be numbers, but its type is {scores.dtype}. Score the items first.") from error
    low, high = instrument.score_range
    bad = np.flatnonzero((values < low) | (values > high))
    if bad.size:
        what = f"is outside the range {low:g} to {high:g} of {instrument.name} totals"
        name = "scores" if scores.name is None else str(scores.name)
        labels = scores.index[bad].tolist()
        raise DataError(
            [
                Problem(
                    name,
                    label if isinstance(label, (int, str)) else str(label),
                    float(values[row]),
                    what,
                    "Correct the score, or leave it missing.",
                )
                for row, label in zip(bad, labels, strict=True)
            ],
            source="scores",
        )
    return values, scores
