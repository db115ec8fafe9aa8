"""The kinds of columns that a cohort's tables may have: checked, copied, and put in order."""

from __future__ import annotations

import numpy as np
import pandas as pd

from alliance_bayes.cohort.names import CHANGE, ID
from alliance_bayes.errors import UsageError

__all__ = ["canonical_data", "canonical_sessions"]

#: Columns that a table of sessions must have, and those that it may have, which are factors.
_NEEDED = (ID, "date", "goal", "bond")
_FACTORS = ("provider_id", "provider_type")
_NUMBERS = ("goal", "bond")


def canonical_data(data: pd.DataFrame) -> pd.DataFrame:
    """Copy a table of participants with kinds checked, rows renumbered and the change score in place.

    Parameters
    ----------
    data
        One row a participant.

    Returns
    -------
    pandas.DataFrame
        `participant_id` str, every other column float64 or categorical with str levels.

    Raises
    ------
    UsageError
        When a column is neither of these kinds, or two columns share a name.
    """
    out = _named(data, "Cohort: ").reset_index(drop=True)
    for name in out.columns:
        out[name] = _column(name, out[name], "Cohort: ", "Use read_cohort.")
    if {"who5_baseline", "who5_followup"} <= set(out.columns):
        out[CHANGE] = out["who5_followup"] - out["who5_baseline"]
    return out


def canonical_sessions(sessions: pd.DataFrame, data: pd.DataFrame) -> pd.DataFrame:
    """Copy a table of sessions with kinds checked: those of the people in `data`, in their order and that of dates.

    Parameters
    ----------
    sessions
        One row a session; see `alliance_bayes.cohort.cohort.Cohort`.
    data
        What `canonical_data` returned.

    Returns
    -------
    pandas.DataFrame
        Columns `participant_id` (str), `provider_id` and `provider_type` where given (categorical), `date`
        (datetime64[us]), `goal`, `bond` (float64), then any further ones; rows renumbered from 0. Two sessions of
        one person at one time keep the order they came in. Levels of `provider_id` are those that occur.

    Raises
    ------
    UsageError
        When a column is missing or of another kind, or `data` does not tell people apart.
    """
    where, remedy = "Cohort: sessions: ", "Use read_tables."
    table = _named(sessions, where)
    lacking = [name for name in _NEEDED if name not in table]
    if lacking:
        raise UsageError(f"{where}no column {', '.join(map(repr, lacking))}. {remedy}")
    if ID not in data or data[ID].duplicated().any():
        raise UsageError(f"{where}the table of participants should have one row for each {ID!r}. {remedy}")
    first = [ID, *(name for name in _FACTORS if name in table), *_NEEDED[1:]]
    out = table[[*first, *(name for name in table.columns if name not in first)]].reset_index(drop=True)
    for name in out.columns:
        out[name] = _date(out[name], where, remedy) if name == "date" else _column(name, out[name], where, remedy)
        is_factor = isinstance(out[name].dtype, pd.CategoricalDtype)
        if (name in _FACTORS and not is_factor) or (name in _NUMBERS and is_factor):
            kind = "categorical" if name in _FACTORS else "numeric"
            raise UsageError(f"{where}column {name!r} has dtype {out[name].dtype}; it should be {kind}. {remedy}")
    place = pd.Index(data[ID]).get_indexer(pd.Index(out[ID]))
    out = out.assign(**{"place of the person": place})[place >= 0]
    # By several columns, pandas always sorts stably.
    out = out.sort_values(["place of the person", "date"], ignore_index=True)
    out = out.drop(columns="place of the person")
    if "provider_id" in out:
        # An id names one provider and no kind of one: those of people left out are nobody here.
        out["provider_id"] = out["provider_id"].cat.remove_unused_categories()
    return out


def _named(table: pd.DataFrame, where: str) -> pd.DataFrame:
    names = [str(name) for name in table.columns]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(f"{where}columns named more than once: {', '.join(twice)}. Rename one of each.")
    return table.set_axis(names, axis="columns")


def _date(column: pd.Series, where: str, remedy: str) -> pd.Series:
    # A column of datetimes with a time zone has another dtype, and is refused too.
    if not pd.api.types.is_datetime64_dtype(column.dtype) or column.isna().any():
        raise UsageError(
            f"{where}'date' should be local dates or times without gaps but has dtype {column.dtype}. {remedy}"
        )
    return column.astype("datetime64[us]")


def _column(name: str, column: pd.Series, where: str, remedy: str) -> pd.Series:
    dtype = column.dtype
    if name == ID:
        if not pd.api.types.is_string_dtype(dtype) or column.isna().any():
            raise UsageError(f"{where}{ID!r} should be text without gaps but has dtype {dtype}. {remedy}")
        return column.astype("str")
    if isinstance(dtype, pd.CategoricalDtype):
        if not all(isinstance(level, str) for level in dtype.categories):
            raise UsageError(f"{where}the levels of {name!r} should be text. {remedy}")
        return column
    if pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_bool_dtype(dtype):
        return column.astype(np.float64)
    raise UsageError(f"{where}column {name!r} has dtype {dtype}; it should be numeric or categorical. {remedy}")
