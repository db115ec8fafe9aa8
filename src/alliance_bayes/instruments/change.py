"""Recovery and improvement from one survey to the next."""

from __future__ import annotations

from typing import overload

import numpy as np
import numpy.typing as npt
import pandas as pd

from alliance_bayes.errors import UsageError

__all__ = ["improved", "recovered"]

type Floats = npt.NDArray[np.float64]


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
