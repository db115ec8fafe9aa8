"""Columns that are made of several rows: parts within and between persons, and values of earlier occasions."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from alliance_bayes.cohort import Cohort
from alliance_bayes.cohort.cells import level_label
from alliance_bayes.cohort.names import ID
from alliance_bayes.cohort.row_names import row_name
from alliance_bayes.errors import ModelError, UsageError
from alliance_bayes.model.grammar import LONGEST_LAG
from alliance_bayes.model.nodes import Windowed
from alliance_bayes.model.roles import Role, is_of_persons, person_column
from alliance_bayes.remedies import argument

if TYPE_CHECKING:
    from alliance_bayes.model.design import Design

__all__ = [
    "LaggedOutcome",
    "completed",
    "dates_as_times",
    "lagged_outcome",
    "no_person",
    "no_time",
    "number_occasions",
    "of_rows",
    "with_windows",
]


@dataclass(frozen=True)
class LaggedOutcome:
    """A lagged outcome beside pooled effects of persons, which it is related to by construction.

    Parameters
    ----------
    names
        Lags of the outcome.
    factor
        The pooled factor of persons.
    occasions
        Analysed rows a person, on average.
    """

    names: tuple[str, ...]
    factor: str
    occasions: float

    @property
    def warning(self) -> str:
        """What to expect of it, for whoever fits the model."""
        return (
            f"{', '.join(self.names)} is the outcome itself on an earlier occasion and holds the person's own level, "
            f"which the effects of '{self.factor}' hold, too. With T occasions a person (here {self.occasions:.1f} on "
            "average) its coefficient is biased by about 1/T: too small where the effects of persons are left free "
            "(Nickell 1981), and too large, with few occasions by more than that, where they are pooled, as here, and "
            "taken as unrelated to the first occasion. The SD of persons and other slopes are biased with it. Change "
            "within persons from one occasion to the next is the subject of another model, which has the first "
            "occasion in it."
        )


def lagged_outcome(design: Design) -> LaggedOutcome | None:
    """The lags of the outcome in a model that pools over persons; None without either."""
    outcome = design.outcome.name
    names = [
        window.name for window in design.formula.windows if window.source == outcome and window.name in design.frame
    ]
    persons = [factor for factor in design.factors if is_of_persons(factor, design.rows.n)]
    if not names or not persons:
        return None
    return LaggedOutcome(tuple(names), persons[0].name, design.n / len(persons[0].levels))


def with_windows(
    cohort: Cohort, windows: Sequence[Windowed], factors: Sequence[str], roles: Mapping[str, Role]
) -> Cohort:
    """Add the columns that are made of several rows.

    Means are over all rows with a value, whether or not a row lacks something else that a model needs, and a lag is
    looked up among all rows. A column that the table has under such a name is used as it is.

    Parameters
    ----------
    cohort
        With every row that there is.
    windows
        What is to be made, each after what it is made of.
    factors, roles
        Pooled factors and their declared roles, which may say who is a person where the cohort does not.

    Returns
    -------
    Cohort
        With these columns as numbers.

    Raises
    ------
    UsageError
        A column that is not there, or holds no numbers; nobody to be within or between; no time, or times that are no
        whole numbers or that a person has twice; a part within persons that is 0 for everybody, or a lag that nobody
        has. All of the first kinds at once.
    DataError
        A column that could not be read.
    """
    wanted = [window for window in windows if window.name not in cohort.data]
    if not wanted:
        return cohort
    person = cohort.person
    if person is None:
        repeated = ID in cohort.data and cohort.data[ID].duplicated().any()
        person = ID if repeated else person_column(factors, cohort.data, roles)
    windowed = {window.name for window in wanted}
    cohort.complete([window.of.name for window in wanted if window.of.name not in windowed])
    cohort.complete([window.by.name for window in wanted if window.by is not None])
    if problems := list(dict.fromkeys(_problems(cohort, wanted, person))):
        raise UsageError(f"{cohort.source}: {' '.join(problems)}")
    data = cohort.data.copy()
    for window in wanted:
        by = window.whose(person)
        assert by is not None
        data[window.name] = of_rows(window, data, by, cohort.time)
        if not data[window.name].notna().any() or (
            window.function == "within" and not data[window.name].fillna(0).any()
        ):
            raise UsageError(f"{cohort.source}: {_nothing(window, data, by, cohort.time)}")
    return dataclasses.replace(cohort, data=data)


def _problems(cohort: Cohort, wanted: Iterable[Windowed], person: str | None) -> Iterator[str]:
    for window in wanted:
        if window.of.name in cohort.data and not pd.api.types.is_numeric_dtype(cohort.data[window.of.name]):
            yield f"{window} needs numbers, and '{window.of.name}' holds levels."
        if window.by is None and person is None:
            yield no_person(window)
        elif window.function == "lag":
            yield from _problems_of_time(window, cohort, person)


def no_person(window: Windowed) -> str:
    """What to say where nothing tells whose a row is."""
    if window.function == "lag":
        return (
            f"{window} is a person's value on an earlier occasion, and every row is somebody else's. Say whose a row "
            f"is ({argument('person')}), and when it was ({argument('time')})."
        )
    return (
        f"{window} is of the rows of a person, and every row is somebody else's. Say whose a row is "
        f"({argument('person')}), or name the column whose levels share a mean, as in within(x, provider_id)."
    )


def no_time(window: Windowed) -> str:
    """What to say where nothing tells when a row was."""
    return f"{window} is a value of an earlier occasion, and nothing says when a row was ({argument('time')})."


def number_occasions() -> str:
    """What to do where times do not count occasions."""
    return f"Number the occasions in a column (0, 1, 2, ...) and give that as {argument('time')}."


def dates_as_times(window: Windowed, time: str) -> str:
    """What to say where times are dates."""
    return (
        f"{window} counts occasions, and '{time}' holds dates, which do not say what the occasion before is. "
        f"{number_occasions()}"
    )


def _problems_of_time(window: Windowed, cohort: Cohort, person: str | None) -> Iterator[str]:
    """Why the rows of a person have no order of occasions."""
    if cohort.time is None:
        yield no_time(window)
        return
    times = cohort.data[cohort.time]
    if not pd.api.types.is_numeric_dtype(times):
        yield dates_as_times(window, cohort.time)
        return
    broken = np.flatnonzero((times.notna() & (times != times.round())).to_numpy())
    if broken.size:
        yield (
            f"{window} counts occasions, so the times in '{cohort.time}' should be whole numbers, but {broken.size:,} "
            f"are not, such as {times.iloc[broken[0]]:g} in row {row_name(cohort.row_names, broken[0])}. "
            f"{number_occasions()}"
        )
    complete = cohort.data[[person, cohort.time]].dropna()
    if (twice := complete.duplicated()).any():
        at = row_name(cohort.row_names, twice[twice].index[0])
        yield (
            f"{window} is not one value, because a person has two rows at one time in '{cohort.time}' "
            f"({int(twice.sum()):,} rows, such as row {at}). Leave one of them out. {number_occasions()}"
        )


def of_rows(window: Windowed, data: pd.DataFrame, by: str, time: str | None) -> pd.Series:
    """Values of one column, missing where there are none."""
    values = data[window.of.name].astype("float64")
    codes = pd.Series(pd.factorize(data[by])[0], index=data.index, dtype="float64")
    codes = codes.where(codes >= 0)
    if window.function == "lag":
        assert time is not None
        earlier = pd.DataFrame({"code": codes, "time": data[time] + window.steps, "value": values}).dropna()
        keys = pd.MultiIndex.from_arrays([codes, data[time]])
        lagged = earlier.set_index(["code", "time"])["value"].reindex(keys)
        return pd.Series(lagged.to_numpy(), index=data.index)
    means = values.groupby(codes).transform("mean")
    return means if window.function == "between" else values - means


def _nothing(window: Windowed, data: pd.DataFrame, by: str, time: str | None) -> str:
    """Why a column holds nothing."""
    if not data[window.of.name].notna().any():
        return f"'{window.of.name}' has no value in any row, so there is no {window}."
    if window.function != "lag":
        return (
            f"{window} is 0 in every row, because no level of '{by}' has two different values of '{window.of.name}'. "
            f"Write {window.of} itself, or name the column whose levels share a mean."
        )
    assert time is not None
    by_level = data.dropna(subset=[by, time, window.of.name]).sort_values(time).groupby(by, observed=True)[time]
    gaps = [after - before for _, times in by_level for before, after in pairwise(times)]
    least = min(gaps, default=0)
    hint = (
        ""
        if least <= window.steps
        else f" A person's times are at least {least:g} apart, so write lag({window.of}, {least:g})."
        if least <= LONGEST_LAG and float(least).is_integer()
        else f" A person's times are at least {least:g} apart: number the occasions 1, 2, 3 in a column of the table."
    )
    return (
        f"{window} has no value in any row, because no row of a person is {window.steps} after another with a value."
        f"{hint}"
    )


def completed(
    frame: pd.DataFrame, windows: Sequence[Windowed], known: pd.DataFrame, persons: Sequence[str]
) -> pd.DataFrame:
    """New rows with the parts between and within that can be told: a known level's mean is that of the fit.

    Parameters
    ----------
    frame
        The new rows; columns that they have are left as they are, but for means that are missing.
    windows
        Columns made of several rows that the model has.
    known
        The analysed rows of the model's columns.
    persons
        Columns whose levels may be persons.

    Raises
    ------
    ModelError
        A column that neither the new rows nor the fit tell, with what to give.
    """
    lacking = []
    for window in windows:
        if window.function == "between" and window.name in known:
            frame = _with_means(frame, window, known, persons)
    for window in windows:
        if window.name in frame or window.name not in known:
            continue
        other = Windowed.made("between", window.of, window.by, 1, 0).name
        if window.function == "within" and {window.of.name, other} <= set(frame):
            frame = frame.assign(**{window.name: frame[window.of.name] - frame[other]})
        elif window.function == "within":
            lacking.append(f"'{window.name}', or '{window.of.name}' and '{other}'")
        else:
            lacking.append(f"'{window.name}'")
    if lacking:
        raise ModelError(
            f"the new rows lack columns that are made of several rows: {'; '.join(lacking)}. Give them their values; "
            "the fit knows the mean of a person, or of another level, only where the model has both that column, as a "
            "factor, and the mean as a predictor."
        )
    return frame


def _with_means(frame: pd.DataFrame, window: Windowed, known: pd.DataFrame, persons: Sequence[str]) -> pd.DataFrame:
    """New rows with the means of the levels that the fit has seen, where the rows do not give them."""
    if window.name in frame and frame[window.name].notna().all():
        return frame
    of = _means(window, known, persons if window.by is None else [window.by.name])
    name = next((name for name in of if name in frame), None)
    if name is None:
        return frame
    stated = frame[window.name] if window.name in frame else pd.Series(np.nan, index=frame.index)
    means = frame[name].map(lambda value: of[name].get(level_label(value)), na_action="ignore").astype("float64")
    if gaps := int((stated.isna() & means.isna()).sum()):
        raise ModelError(
            f"the fit has not seen the levels of '{name}' of {gaps:,} new row(s), so it does not know their "
            f"'{window.name}'. Give it as a column of the new rows; it may be missing where the level is known."
        )
    return frame.assign(**{window.name: stated.fillna(means)})


def _means(window: Windowed, known: pd.DataFrame, names: Iterable[str]) -> dict[str, dict[str, float]]:
    """By factor whose levels have one mean each: the mean of each level."""
    means = {}
    for name in names:
        if name in known and isinstance(known[name].dtype, pd.CategoricalDtype):
            groups = known[window.name].groupby(known[name], observed=True)
            if (groups.nunique() == 1).all() and groups.ngroups < len(known):
                means[name] = {str(level): float(value) for level, value in groups.first().items()}
    return means
