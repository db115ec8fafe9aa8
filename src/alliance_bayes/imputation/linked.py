"""Values that change other rows: of columns with parts within and between persons, lags, and those of whole groups."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from scipy import sparse

from alliance_bayes.cohort import Cohort
from alliance_bayes.errors import ModelError
from alliance_bayes.imputation.persons import numbers_of_persons
from alliance_bayes.model import ModelSpec
from alliance_bayes.model.grammar import shown
from alliance_bayes.model.nodes import Windowed
from alliance_bayes.model.windows import of_rows
from alliance_bayes.remedies import setting

__all__ = ["Gaps", "Touch", "made_here", "touches", "with_stand_ins"]

# Most pairs of an unknown value and a row that it changes.
_MOST_PAIRS = 5_000_000


@dataclass(frozen=True, eq=False)
class Gaps:
    """Rows with missing values, and how they hang together.

    Parameters
    ----------
    frame
        All rows in which values are drawn: beside the analysed ones those that parts of these are made of.
    analysed
        Places of the analysed rows, shape (n,), ascending.
    parts
        Columns that follow from incomplete ones, each after what it is made of.
    person, time
        Columns that say whose a row is, and when.
    of_persons
        Columns of which every person has one value, known or not.
    """

    frame: pd.DataFrame
    analysed: np.ndarray
    parts: tuple[Windowed, ...] = ()
    person: str | None = None
    time: str | None = None
    of_persons: tuple[str, ...] = ()

    @classmethod
    def of(cls, frame: pd.DataFrame, person: str | None = None, of_persons: tuple[str, ...] = ()) -> Gaps:
        """Of rows that are all analysed, none of which changes another but by values of persons."""
        return cls(frame, np.arange(len(frame)), person=person, of_persons=of_persons)

    @cached_property
    def whose(self) -> np.ndarray:
        """Number of each row's person, shape (rows,); a row of nobody is one of its own."""
        return numbers_of_persons(self.frame[self.person])

    @property
    def sources(self) -> tuple[str, ...]:
        """The incomplete columns that parts are made of."""
        return tuple(dict.fromkeys(made.source for made in self.parts))

    def by(self, made: Windowed) -> str:
        """The column whose levels share a mean, or an order of occasions."""
        name = made.whose(self.person)
        assert name is not None
        return name

    def factors(self, source: str) -> list[str]:
        """The columns whose levels share a mean, or an order of occasions, of a column."""
        return list(dict.fromkeys(self.by(made) for made in self.parts if made.source == source))

    def codes(self, name: str) -> np.ndarray:
        """Number of each row's level of a column, shape (rows,); -1 where it has none."""
        return np.asarray(pd.factorize(self.frame[name])[0], dtype=np.int64)

    def with_parts(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The rows with the parts that follow from the values that they have."""
        for made in self.parts:
            frame = frame.assign(**{made.name: of_rows(made, frame, self.by(made), self.time)})
        return frame

    def followed(self, source: str, units: sparse.csr_matrix, filled: pd.DataFrame) -> dict[str, sparse.csr_matrix]:
        """How much each part of a column changes with its unknown values, shape (rows, units), by name.

        Parameters
        ----------
        source
            The column.
        units
            1 where a row has an unknown value, shape (rows, units).
        filled
            The rows with some value in each gap, and parts of these.
        """
        found = {source: units}
        for made in self.parts:
            if made.source == source:
                found[made.name] = self._step(made, found[made.of.name], filled)
        return {name: matrix for name, matrix in found.items() if name != source}

    def _step(self, made: Windowed, of: sparse.csr_matrix, filled: pd.DataFrame) -> sparse.csr_matrix:
        by, n = self.by(made), len(filled)
        there = filled[made.of.name].notna().to_numpy()
        if made.function == "lag":
            # Where the value of the row before stands, by looking up places in the place of values.
            rows = filled.assign(**{made.of.name: np.where(there, np.arange(n), np.nan)})
            before = of_rows(made, rows, by, self.time).to_numpy(float)
            own = np.flatnonzero(~np.isnan(before))
            at = before[own].astype(np.int64)
            return sparse.csr_matrix((np.ones(len(own)), (own, at)), shape=(n, n)) @ of
        codes = self.codes(by)
        shape = (n, int(codes.max(initial=0)) + 1)
        inside, counted = np.flatnonzero(codes >= 0), np.flatnonzero((codes >= 0) & there)
        member = sparse.csr_matrix((np.ones(len(inside)), (inside, codes[inside])), shape=shape)
        part = sparse.csr_matrix((np.ones(len(counted)), (counted, codes[counted])), shape=shape)
        sums = (part.T @ of).tocsr()
        pairs = int(np.diff(sums.indptr) @ np.bincount(codes[inside], minlength=shape[1]))
        if pairs > _MOST_PAIRS:
            raise ModelError(
                f"{shown(made.source)}: a missing value is in the mean of all rows of its level of {shown(by)}, which "
                f"makes {pairs:,} rows to change, and at most {_MOST_PAIRS:,} are worked with. Leave incomplete rows "
                f"out ({setting('missing', 'drop')})."
            )
        mean = member @ (sparse.diags(1 / np.maximum(1, np.bincount(codes[counted], minlength=shape[1]))) @ sums)
        if made.function == "between":
            return mean.tocsr()
        return (sparse.diags(((codes >= 0) & there).astype(float)) @ (of - mean)).tocsr()


def with_stand_ins(spec: ModelSpec, cohort: Cohort) -> Cohort:
    """The cohort with the parts of incomplete columns in every row that there is something to make them of.

    In place of what was not observed is the mean of what was; the incomplete columns themselves stay as they are. A
    part is missing then where the row before is, or whose a row is, and nowhere else.

    Parameters
    ----------
    spec
        The model.
    cohort
        As `derive` gives it, with the column of persons.

    Raises
    ------
    ModelError
        Parts that were not made of the rows that there are.
    """
    wanted = made_here(spec, cohort.data)
    if not wanted:
        return cohort
    if faults := list(_faults(spec, cohort, wanted)):
        raise ModelError(" ".join(faults))
    data = cohort.data.copy()
    gaps = Gaps(data, np.zeros(0), wanted, cohort.person, cohort.time)
    filled = gaps.with_parts(data.assign(**{name: data[name].fillna(data[name].mean()) for name in gaps.sources}))
    return dataclasses.replace(cohort, data=data.assign(**{made.name: filled[made.name] for made in wanted}))


def made_here(spec: ModelSpec, data: pd.DataFrame) -> tuple[Windowed, ...]:
    """The parts of columns with values to draw."""
    return tuple(made for made in spec.parsed.windows if _has_gaps(spec, data, made))


def _has_gaps(spec: ModelSpec, data: pd.DataFrame, made: Windowed) -> bool:
    """Whether a part is made of a column with values to draw."""
    source = made.source
    return source in data and (bool(data[source].isna().any()) or source in spec.inexact)


def _faults(spec: ModelSpec, cohort: Cohort, wanted: Sequence[Windowed]) -> Iterator[str]:
    drop = setting("missing", "drop")
    of_outcome = [made for made in wanted if made.source == spec.parsed.outcome]
    others = [made for made in wanted if made not in of_outcome]
    if of_outcome:
        yield (
            f"{_names(of_outcome)}: a lag of an outcome that some rows lack is not imputed. Leave incomplete rows "
            f"out ({drop}), or give tables that were imputed elsewhere by a model of persons (mice's 2l.pan, jomo), of "
            "each of which the parts are made."
        )
    if measured := [made for made in others if made.name in spec.inexact]:
        sources = ", ".join(dict.fromkeys(shown(made.source) for made in measured))
        yield (
            f"{_names(measured)}: an error of measurement is that of {sources}, of which these are made and values are "
            f"missing. Take them out of {setting('error')} and {setting('reliability')}, or leave incomplete rows out "
            f"({drop})."
        )
    if spec.among and others:
        yield (
            f"{_names(others)}: missing values of what these are made of cannot be drawn where {setting('among')} "
            f"takes some rows of a person only. Leave incomplete rows out ({drop}), or leave out {setting('among')}."
        )
        return
    for made in others:
        by = made.whose(cohort.person)
        own = cohort.data[made.name]
        if by is None or not np.array_equal(
            own, of_rows(made, cohort.data, by, cohort.time).to_numpy(), equal_nan=True
        ):
            yield (
                f"{shown(made.name)} is a column of the table and not made of its {shown(made.source)}, so that it "
                f"does not follow from missing values that are drawn. Take the column out of the table, or leave "
                f"incomplete rows out ({drop})."
            )


def _names(several: Sequence[Windowed]) -> str:
    return ", ".join(shown(made.name) for made in several)


@dataclass(frozen=True, eq=False)
class Touch:
    """Unknown values of a column that can be drawn at once, since no row changes with two of them.

    Parameters
    ----------
    own, own_unit
        Rows that have an unknown value, and which it is, shape (n_own,) each: ascending by unit.
    inside, unit
        Changing rows of the model, by place among these, that a value changes, and which, shape (pairs,) each.
    by
        What a unit more of the value adds to each design column, by its name, shape (pairs,).
    plain
        Whether a value stands in its own rows alone, and as it is.
    """

    own: np.ndarray
    own_unit: np.ndarray
    inside: np.ndarray
    unit: np.ndarray
    by: Mapping[str, np.ndarray]
    plain: bool

    @cached_property
    def first(self) -> np.ndarray:
        """The first row that has each unknown value, shape (n,)."""
        return self.own[np.unique(self.own_unit, return_index=True)[1]]

    @property
    def n(self) -> int:
        """How many values."""
        return len(self.first)

    def over_own(self, values: np.ndarray) -> np.ndarray:
        """Sums of what rows that have a value say of it: of shape (chains, n_own, ...) that of (chains, n, ...)."""
        return _sums(values, self.own_unit, self.n)

    def gathered(self, values: np.ndarray) -> np.ndarray:
        """Sums of what changing rows say of a value: of shape (chains, pairs, ...) that of (chains, n, ...)."""
        return _sums(values, self.unit, self.n)

    def spread(self, values: np.ndarray) -> np.ndarray:
        """What belongs to values, shape (chains, n), in each changing row, shape (chains, pairs)."""
        return np.asarray(values[:, self.unit])


def _sums(values: np.ndarray, unit: np.ndarray, n: int) -> np.ndarray:
    if len(unit) == n and (unit == np.arange(n)).all():
        return values
    flat = values.reshape(*values.shape[:2], -1)
    sums = [[np.bincount(unit, flat[c, :, k], minlength=n) for k in range(flat.shape[2])] for c in range(len(flat))]
    return np.moveaxis(np.array(sums), 1, 2).reshape(len(values), n, *values.shape[2:])


def touches(
    units: sparse.csr_matrix,
    by: Mapping[str, sparse.csr_matrix],
    places: np.ndarray,
    *,
    plain: bool,
    apart: np.ndarray | None = None,
) -> list[Touch]:
    """The unknown values of a column in groups that are drawn one after the other.

    Parameters
    ----------
    units
        1 where a row has an unknown value, shape (rows, values).
    by
        How the design columns change with each, shape (rows, values) each.
    places
        Place of each row among the changing rows of the model, -1 of others, shape (rows,).
    plain
        Whether every value stands in its own rows alone, and as it is.
    apart
        Numbers of values that are not drawn at once where they differ, shape (values,).
    """
    first, *others = (abs(matrix) for matrix in by.values())
    pattern = sum(others, first).tocsc()
    whose, groups, out = units.tocsc(), _groups(pattern, places, plain=plain), []
    if apart is not None:
        groups = np.unique(groups * (int(apart.max(initial=0)) + 1) + apart, return_inverse=True)[1]
    for one in range(int(groups.max(initial=-1)) + 1):
        chosen = np.flatnonzero(groups == one)
        own, pairs = whose[:, chosen].tocoo(), pattern[:, chosen].tocoo()
        order, kept = np.argsort(own.col, kind="stable"), np.flatnonzero(places[pairs.row] >= 0)
        row, unit = pairs.row[kept], pairs.col[kept].astype(np.int64)
        moved = {name: np.asarray(matrix[row, chosen[unit]]).ravel() for name, matrix in by.items()}
        rows = own.row[order].astype(np.int64), own.col[order].astype(np.int64)
        out.append(Touch(*rows, places[row], unit, moved, plain))
    return out


def _groups(pattern: sparse.csc_matrix, places: np.ndarray, *, plain: bool) -> np.ndarray:
    """Number of the first group in which no other value changes any of the same rows, by value."""
    found = np.zeros(pattern.shape[1], dtype=np.int64)
    taken = [0] * (0 if plain else len(places))
    for unit in range(0 if plain else pattern.shape[1]):
        rows = pattern.indices[pattern.indptr[unit] : pattern.indptr[unit + 1]]
        rows, used = rows[places[rows] >= 0], 0
        for row in rows:
            used |= taken[row]
        free = ~used & (used + 1)
        found[unit] = free.bit_length() - 1
        for row in rows:
            taken[row] |= free
    return found
