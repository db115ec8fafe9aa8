"""Columns that are the same in all rows of a person: one unknown of each person who lacks such a value.

Where nobody has several rows, the same goes for a level of a factor that the model pools over: a site and its size.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from scipy import sparse

from alliance_bayes.model import ModelSpec

__all__ = ["PersonMeans", "columns_of_persons", "filled_in", "numbers_of_persons", "ranks", "whose_values"]

#: Persons with a value in two rows at least who have to agree with themselves, all of them.
LEAST_PERSONS = 10


def columns_of_persons(spec: ModelSpec, data: pd.DataFrame, person: str | None, time: str | None) -> tuple[str, ...]:
    """Columns of a model, and auxiliary ones, of which every person has one value; none where none lacks values.

    Parameters
    ----------
    spec
        The model.
    data
        The rows, with missing values.
    person, time
        Columns that say whose a row is, and when.
    """
    if person is None or person not in data or not data[person].duplicated().any():
        return ()
    beside = {spec.parsed.outcome, spec.trials, person, time, *(made.name for made in spec.parsed.windows)}
    sources = [made.source for made in spec.parsed.windows]
    names = [name for name in dict.fromkeys((*spec.columns, *sources, *spec.auxiliary)) if name in data]
    found = tuple(name for name in names if name not in beside and _is_of_persons(data[name], data[person]))
    return found if any(data[name].isna().any() or name in spec.inexact for name in found) else ()


def whose_values(spec: ModelSpec, data: pd.DataFrame, person: str | None, time: str | None = None) -> str | None:
    """The column that tells rows apart which share values: whose they are, or a factor's level.

    Of several factors it is the one with the most columns of this kind. Where persons have several rows, a factor takes
    their place if whatever lacks values, but for the outcome, is the same at each of its levels.
    """
    if spec.parsed.windows:
        return person
    names = dict.fromkeys(group.factor for group in spec.parsed.groups if group.factor != person)
    found = {
        name: set(columns_of_persons(spec, data, name, time))
        for name in names
        if name in data and data[name].notna().all()
    }
    if person is not None and person in data and data[person].duplicated().any():
        known = (name for name in (*spec.columns, *spec.auxiliary) if name in data and name != spec.parsed.outcome)
        lacking = {name for name in known if data[name].isna().any() or name in spec.inexact}
        found = {name: columns for name, columns in found.items() if lacking <= columns}
    best = max(found, key=lambda name: len(found[name]), default=None)
    return best if best is not None and found[best] else person


def _is_of_persons(values: pd.Series, whose: pd.Series) -> bool:
    own = values.groupby(whose, observed=True)
    several = own.count() >= 2
    return int(several.sum()) >= LEAST_PERSONS and bool((own.nunique()[several] == 1).all())


def filled_in(
    spec: ModelSpec, data: pd.DataFrame, person: str | None, time: str | None = None
) -> tuple[pd.DataFrame, dict[str, str | None]]:
    """The rows with what other rows of the person, or of the level, say; and by which column each column gained.

    Parameters
    ----------
    spec
        The model.
    data, person, time
        As in :func:`columns_of_persons`.
    """
    gained: dict[str, str | None] = {}
    # With what persons tell filled in, it may be a factor whose levels share all that is lacking still.
    for first in (True, False):
        whose, new = person if first else whose_values(spec, data, person, time), {}
        for name in columns_of_persons(spec, data, whose, time):
            own = data[name]
            known = own.groupby(data[whose], observed=True).transform("first").astype(own.dtype)
            filled = own.where(own.notna(), known)
            if (own.isna() & filled.notna()).any():
                new[name] = filled
        data, gained = data.assign(**new) if new else data, gained | dict.fromkeys(new, whose)
    return data, gained


def numbers_of_persons(whose: pd.Series) -> np.ndarray:
    """Number of each row's person, shape (rows,); a row of nobody is one of its own."""
    codes = np.asarray(pd.factorize(whose)[0], dtype=np.int64)
    alone = codes < 0
    codes[alone] = codes.max(initial=-1) + 1 + np.arange(int(alone.sum()))
    return codes


@dataclass(frozen=True, eq=False)
class PersonMeans:
    """Means over rows of persons, as a regression with a row for each person sees columns that differ between these.

    Parameters
    ----------
    whose
        Number of each row's person, shape (rows,).
    inside
        Whether a row is in the mean, shape (rows,).
    """

    whose: np.ndarray
    inside: np.ndarray

    @cached_property
    def share(self) -> np.ndarray:
        """How much of its person's mean a row is, shape (rows,)."""
        return self.inside / np.maximum(1, np.bincount(self.whose, self.inside))[self.whose]

    @cached_property
    def first(self) -> np.ndarray:
        """The row that stands for the person of each row: the first in the mean, shape (rows,)."""
        out, rows = np.zeros(int(self.whose.max()) + 1, dtype=np.int64), np.arange(len(self.whose))
        for some in (rows, rows[self.inside]):
            out[self.whose[some[::-1]]] = some[::-1]
        return out[self.whose]

    @cached_property
    def counts(self) -> np.ndarray:
        """1 in the row that stands for its person, 0 in the others, shape (rows,)."""
        return (self.inside & (self.first == np.arange(len(self.whose)))).astype(float)

    @cached_property
    def _sums(self) -> sparse.csr_matrix:
        shape = int(self.whose.max()) + 1, len(self.whose)
        return sparse.csr_matrix((self.share, (self.whose, np.arange(shape[1]))), shape=shape)

    def of(self, values: np.ndarray) -> np.ndarray:
        """Means of columns in each row of the person, of shape (chains, rows, k) those of the same shape."""
        return np.stack([(self._sums @ own)[self.whose] for own in values])


def ranks(whose: np.ndarray) -> np.ndarray:
    """Which of its person's each is, from 0, shape (n,)."""
    return pd.Series(whose).groupby(whose).cumcount().to_numpy(np.int64)
