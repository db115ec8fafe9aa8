"""What a table holds beside the columns and the rows of a model, as far as the checks of a fit look at it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import pandas as pd

from alliance_bayes.cohort.cohort import Cohort
from alliance_bayes.cohort.doubts import dates_of, is_identifier, names_codes
from alliance_bayes.cohort.names import ID, ITEMS

__all__ = ["MOST_COLUMNS", "MOST_LACKING", "Beside"]

#: Most columns that are looked at, the factors and dates among them first.
MOST_COLUMNS = 60
# Most cells of them (doubles: 80 MB), and most people who were not analysed of whom something is kept.
_MOST_CELLS, _MOST_ABSENT = 10_000_000, 10_000
#: Most rows that were left out which are kept as they are.
MOST_LACKING = 20_000
# Names of columns that were measured at the end: whatever the outcome, they came with it or after it.
_LAST = re.compile(r"(.*_)?(follow_?ups?|fu|post|discharge|end|final|change|outcome)([0-9]*|_.*)")


@dataclass(frozen=True, eq=False)
class Beside:
    """Columns that a model does not use, the order of its rows, and the people who were not analysed.

    It stays in memory with a fit and is kept in no file.

    Parameters
    ----------
    columns
        The analysed rows of the other columns, in the table's order: categorical (factors, and numbers that are codes),
        datetime64 or float64. Without those that say whose a row is, name rows, or have one value; without the
        outcome's items, and what was, by its name, measured at the end (``who5_followup``, ``phq9_post``) or is a
        change.
    place
        Place of each analysed row in the table, ascending, shape (n,).
    absent
        A row for each person of whom no row was analysed, of the model's columns and the others, without the outcome
        and what was measured at the end; of very many, some.
    when
        When each analysed row was, as a number, shape (n,); None where the table does not say.
    passed_over
        How many columns there were no room for.
    lacking
        The rows that were left out, of the model's columns, as far as these have values; None where they are very
        many, or not known.
    """

    columns: pd.DataFrame
    place: np.ndarray
    absent: pd.DataFrame
    when: np.ndarray | None = None
    passed_over: int = 0
    lacking: pd.DataFrame | None = None

    @classmethod
    def of(cls, rows: Cohort, used: Sequence[str], outcome: str, *, complete: Sequence[str] | None = None) -> Self:
        """What a cohort has beside a model.

        Parameters
        ----------
        rows
            The cohort that the model was applied to.
        used, outcome
            The model's columns, and the one among them that is explained.
        complete
            Columns in which the analysed rows have a value; those that the model uses by default.
        """
        data, person = rows.data, rows.person or ID
        row_mask = data[list(dict.fromkeys(used if complete is None else complete))].notna().all(axis=1).to_numpy()
        place = np.flatnonzero(row_mask)
        not_looked_at = {person, ID, *used, *ITEMS.get(outcome, ())}
        analysed = {
            str(name): column
            for name in data.columns
            if name not in not_looked_at
            and not _LAST.fullmatch(str(name).casefold())
            and (column := _looked_at(data[name].iloc[place])) is not None
        }
        # A factor that was left out is the commoner fault, so numbers give way.
        ordered = sorted(analysed, key=lambda name: pd.api.types.is_float_dtype(analysed[name].dtype))
        room = min(MOST_COLUMNS, _MOST_CELLS // max(1, place.size))
        names = [name for name in data.columns if name in ordered[:room]]
        columns = pd.DataFrame({name: analysed[name] for name in names}, index=data.index[place]).reset_index(drop=True)
        when = None if rows.time is None else _numbers(data[rows.time].iloc[place])
        predictors = [name for name in used if name in data and name not in (outcome, person)]
        compared = [name for name in predictors if not _LAST.fullmatch(str(name).casefold())] + names
        absent = _absent(rows, row_mask, list(dict.fromkeys(compared)))
        few = data.shape[0] - place.size <= MOST_LACKING and set(used) <= set(data.columns)
        lacking = data.loc[~row_mask, list(dict.fromkeys(used))].reset_index(drop=True) if few else None
        return cls(columns, place, absent, when, len(analysed) - len(names), lacking)

    def take(self, at: np.ndarray) -> Self:
        """That of some of the analysed rows, in ascending order."""
        when = None if self.when is None else self.when[at]
        columns = self.columns.iloc[at].reset_index(drop=True)
        return replace(self, columns=columns, place=self.place[at], when=when, lacking=None)


def _looked_at(column: pd.Series) -> pd.Series | None:
    """A column as checks compare it; None for one that names rows, is text or does not differ."""
    dates = column if pd.api.types.is_datetime64_dtype(column.dtype) else dates_of(column)
    if dates is not None:
        return dates if dates.nunique() > 1 else None
    distinct = column.nunique()
    if distinct < 2 or is_identifier(column):
        return None
    if isinstance(column.dtype, pd.CategoricalDtype) or names_codes(str(column.name), column):
        if 2 * distinct > int(column.notna().sum()):
            return None
        return column.astype("category").cat.remove_unused_categories()
    finite = column.where(np.isfinite(column))
    return finite if finite.nunique() > 1 else None


def _numbers(column: pd.Series) -> np.ndarray:
    """Times as numbers: of dates, days."""
    if pd.api.types.is_datetime64_dtype(column.dtype):
        column = (column - column.min()) / pd.Timedelta(days=1)
    return column.to_numpy(float)


def _absent(rows: Cohort, row_mask: np.ndarray, names: list[str]) -> pd.DataFrame:
    """First known values of everybody of whom no row was analysed."""
    data, persons = rows.data, rows.persons
    if persons is None:
        gone = np.flatnonzero(~row_mask)
    else:
        gone = np.flatnonzero(~np.isin(persons, np.unique(persons[row_mask])))
    most = _MOST_ABSENT
    if persons is None:
        # At even distances, so that the order of the table is no choice.
        gone = gone[np.unique(np.linspace(0, gone.size - 1, min(most, gone.size)).round().astype(int))]
        return data[names].iloc[gone].reset_index(drop=True)
    people = np.unique(persons[gone])
    some = people[np.unique(np.linspace(0, people.size - 1, min(most, people.size)).round().astype(int))]
    gone = gone[np.isin(persons[gone], some)]
    return pd.DataFrame(dict(_first(data[names].iloc[gone], persons[gone])))


def _first(data: pd.DataFrame, persons: np.ndarray) -> Iterator[tuple[str, pd.Series]]:
    for name in data:
        yield str(name), data[name].groupby(persons).first().reset_index(drop=True)
