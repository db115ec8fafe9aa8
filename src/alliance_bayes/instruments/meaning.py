"""What scores and changes mean: named bands, thresholds, recovery and improvement."""

from __future__ import annotations

from typing import overload

import numpy as np
import numpy.typing as npt
import pandas as pd

from alliance_bayes.errors import DataError, Problem, UsageError
from alliance_bayes.instruments.catalogue import INSTRUMENTS
from alliance_bayes.instruments.definition import Instrument

__all__ = ["band", "improved", "meets", "recovered"]

type Floats = npt.NDArray[np.float64]


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


@overload
def recovered(baseline: pd.Series, followup: pd.Series, *, threshold: float = ...) -> pd.Series: ...
@overload
def recovered(baseline: npt.ArrayLike, followup: npt.ArrayLike, *, threshold: float = ...) -> pd.Series | Floats: ...
def recovered(
    baseline: pd.Series | npt.ArrayLike, followup: pd.Series | npt.ArrayLike, *, threshold: float = 28
) -> pd.Series | Floats:
    """Clinical recovery: at or below the threshold at baseline, above it at follow-up.

    Parameters
    ----------
    baseline, followup
        Scores on a scale where higher is better; arrays of any shapes that broadcast (people, or draws x people), or
        two Series with the same index. NaN where missing.
    threshold
        Score, in points, at or below which a person is a case; 28 is the depression screen of the WHO-5.

    Returns
    -------
    ndarray of float, or Series when either argument is one
        1.0 recovered, 0.0 still at or below the threshold, NaN where either score is missing, and NaN where the
        person was not a case at baseline: who was never ill cannot recover, so the mean over the values that are
        there is the share recovered among those who could.

    Raises
    ------
    UsageError
        When scores are not numbers, Series differ in their index, shapes do not broadcast, or the threshold is not
        finite.
    """
    _finite("threshold", threshold)
    (before, after), index = _numeric(baseline=baseline, followup=followup)
    possible = (before <= threshold) & ~np.isnan(after)
    result = np.where(possible, (after > threshold).astype(np.float64), np.nan)
    return result if index is None else pd.Series(result, index=index, name="recovered")


@overload
def improved(change: pd.Series, *, points: float = ...) -> pd.Series: ...
@overload
def improved(change: npt.ArrayLike, *, points: float = ...) -> pd.Series | Floats: ...
def improved(change: pd.Series | npt.ArrayLike, *, points: float = 10) -> pd.Series | Floats:
    """Clinical improvement: a gain of at least so many points.

    Parameters
    ----------
    change
        Follow-up minus baseline on a scale where higher is better (the other way round where lower is better); any
        shape. NaN where missing.
    points
        Smallest change that counts, in points; 10 is the smallest relevant change of the WHO-5.

    Returns
    -------
    ndarray of float, or Series when `change` is one
        1.0 improved, 0.0 not, NaN where the change is missing.

    Raises
    ------
    UsageError
        When changes are not numbers, or `points` is not a finite number above 0.
    """
    _finite("points", points)
    if points <= 0:
        raise UsageError(f"points should be above 0 but got {points!r}. Pass the smallest gain that counts.")
    (values,), index = _numeric(change=change)
    # Differences of pro-rated scores may miss a whole number of points by rounding alone.
    result = np.where(np.isnan(values), np.nan, (values >= points * (1 - 1e-9)).astype(np.float64))
    return result if index is None else pd.Series(result, index=index, name="improved")


def _numeric(**arguments: pd.Series | npt.ArrayLike) -> tuple[list[Floats], pd.Index | None]:
    """Arguments as float arrays of one shape, and the index they share if any of them is a Series."""
    index: pd.Index | None = None
    arrays: list[Floats] = []
    for name, argument in arguments.items():
        try:
            if isinstance(argument, pd.Series):
                arrays.append(argument.to_numpy(dtype=np.float64, na_value=np.nan))
            else:
                arrays.append(np.asarray(argument, dtype=np.float64))
        except (TypeError, ValueError) as error:
            raise UsageError(f"{name} must hold numbers. Score the items first.") from error
        if isinstance(argument, pd.Series):
            if index is not None and not index.equals(argument.index):
                raise UsageError(
                    f"{' and '.join(arguments)} differ in their index. Align them before comparing people."
                )
            index = argument.index
    try:
        arrays = list(np.broadcast_arrays(*arrays))
    except ValueError as error:
        shapes = " and ".join(str(array.shape) for array in arrays)
        raise UsageError(f"{' and '.join(arguments)} have shapes {shapes}. Pass one score a person in each.") from error
    if index is not None and arrays[0].shape != (len(index),):
        raise UsageError(
            f"{' and '.join(arguments)} broadcast to shape {arrays[0].shape}, but the Series has {len(index)} rows. "
            "Pass arrays where shapes differ."
        )
    return arrays, index


def _finite(name: str, value: float) -> None:
    if not np.isfinite(value):
        raise UsageError(f"{name} should be a finite number but got {value!r}. Pass a score in points.")
