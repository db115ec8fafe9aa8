"""The columns of a table in every chain, each explained by those before it: the density that values are drawn from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from alliance_bayes.imputation.linked import Gaps
from alliance_bayes.imputation.persons import PersonMeans
from alliance_bayes.imputation.regressions import Factor, NormalRegression, ProbitRegression
from alliance_bayes.imputation.shares import Shares, explained_by
from alliance_bayes.imputation.table import Column

__all__ = ["ExplainedColumns"]


class ExplainedColumns:
    """What columns have in every chain, and what each says of values of the others, the model's outcome aside.

    Parameters
    ----------
    columns
        The model's, those that parts of it are made of, and then the auxiliary ones, by name.
    frame
        All rows, with some value in place of those that were not observed.
    outcome
        The model's; it is explained by the model, and explains auxiliary columns.
    auxiliary
        Names of these.
    gaps
        What the values hang together by.
    analysed
        Whether each row is analysed, shape (n_rows,).
    chains
        How many go on side by side.
    """

    def __init__(
        self,
        columns: Mapping[str, Column],
        frame: pd.DataFrame,
        outcome: str,
        auxiliary: Sequence[str],
        gaps: Gaps,
        analysed: np.ndarray,
        chains: int,
    ) -> None:
        self.by_name, self.outcome, self.chains = columns, outcome, chains
        self._gaps, self._analysed = gaps, analysed
        #: Numbers in SDs, and level numbers, by column, shape (chains, n_rows).
        self.standard: dict[str, np.ndarray] = {}
        self.codes: dict[str, np.ndarray] = {}
        for name, column in columns.items():
            if column.levels is not None:
                self.codes[name] = np.tile(column.coded(frame[name]), (chains, 1))
            if column.numeric:
                self.standard[name] = np.tile(column.standard(frame[name].to_numpy(float)), (chains, 1))
        predictors = [name for name in columns if name not in (outcome, *auxiliary)]
        # Those with the fewest unknown values first, so that most is known of what explains the others; of persons
        # before those of rows, so that no mean of a person has unknown values in it but for auxiliary columns.
        unknown = sorted((name for name in predictors if columns[name].unknown.size), key=self._n_unknown)
        unknown.sort(key=lambda name: columns[name].whose is None)
        known = [name for name in predictors if not columns[name].unknown.size]
        #: Predictors with values that were not observed, in the order in which they are explained.
        self.unknown = unknown
        self.regressions: dict[str, NormalRegression | ProbitRegression | Shares] = {}
        given = [name for name in known if columns[name].shared]
        if shared := [name for name in unknown if columns[name].shared]:
            for name in shared:
                self.regressions[name] = self._shares(name, given)
                given.append(name)
            for name in known:
                if name not in given:
                    if not gaps.of_persons or name != gaps.person:
                        self.regressions[name] = self._regression(name, given)
                    given.append(name)
            known = given
        for name in unknown:
            if name not in shared:
                self.regressions[name] = self._regression(name, known)
                known = [*known, name]
        for place, name in enumerate(auxiliary):
            self.regressions[name] = self._regression(name, [*predictors, outcome, *auxiliary[:place]])

    def _n_unknown(self, name: str) -> int:
        return int(self.by_name[name].unknown.size)

    @property
    def n_rows(self) -> int:
        """Number of all rows, analysed or not."""
        return len(next(iter(self.by_name.values())).values)

    @cached_property
    def _first(self) -> np.ndarray:
        """The first row of each row's person."""
        return PersonMeans(self._gaps.whose, np.ones(self.n_rows, dtype=bool)).first

    def _regression(self, name: str, others: Sequence[str]) -> NormalRegression | ProbitRegression:
        parts, places, factors, start = [np.ones((self.chains, self.n_rows, 1))], {}, {}, 1
        # What was not analysed has no outcome by the model that an auxiliary column could tell of.
        counts = self._analysed.astype(float) if self.outcome in others else np.ones(self.n_rows)
        of_persons, person = self._gaps.of_persons, self._gaps.person
        means, averaged = None, {}
        if name in of_persons:
            means = PersonMeans(self._gaps.whose, counts > 0)
            counts = means.counts
            # Levels that differ between rows, as persons do, have no mean.
            others = [one for one in others if one in of_persons or not (one == person or self.by_name[one].pooled)]
        for other in others:
            column = self.by_name[other]
            if column.pooled:
                assert column.levels is not None
                factors[other] = Factor(self.codes[other], len(column.levels))
                continue
            part = self.standard[other][..., None] if column.numeric else column.by_level[self.codes[other]]
            places[other] = slice(start, start + part.shape[2])
            start += part.shape[2]
            if means is not None and other not in of_persons:
                averaged[other], part = part.copy(), means.of(part)
            parts.append(part)
        persons = [person] if of_persons and person is not None else []
        for by in dict.fromkeys((*self._gaps.factors(name), *persons)):
            if by == person and means is not None:
                continue
            # Persons differ in what is usual for them, whether or not the model pools over them.
            if by not in others:
                codes = self._gaps.codes(by)
                levels = int(codes.max(initial=0)) + 1
                factors[by] = Factor(np.tile(np.where(codes < 0, levels, codes), (self.chains, 1)), levels + 1)
        x, column = np.concatenate(parts, axis=2), self.by_name[name]
        of: dict[str, Any] = {"means": means, "averaged": averaged}
        if column.levels is None:
            return NormalRegression(name, places, x, factors, counts, self.standard[name], **of)
        return ProbitRegression(name, places, x, factors, counts, self.codes[name], len(column.levels), **of)

    def _shares(self, name: str, others: Sequence[str]) -> Shares:
        column, codes = self.by_name[name], self.codes[name]
        assert column.levels is not None
        levels = len(column.levels)
        counts, columns = None, {other: self.by_name[other] for other in others}
        if column.whose is not None:
            counts = PersonMeans(column.whose, np.ones(self.n_rows, dtype=bool)).counts
            columns = {name: column, **{other: one for other, one in columns.items() if one.whose is not None}}
            columns = {one: own.of_rows(np.flatnonzero(counts)) for one, own in columns.items()}
            column = columns.pop(name)
        by = explained_by(column, list(columns.values()))
        if by is None:
            return Shares(name, codes, levels, None, np.zeros_like(codes), 1, counts)
        groups = self.by_name[by].levels
        assert groups is not None
        return Shares(name, codes, levels, by, self.codes[by], len(groups), counts)

    def _children(self, name: str) -> Iterator[NormalRegression | ProbitRegression | Shares]:
        """The regressions that a column is a regressor of."""
        for regression in self.regressions.values():
            if name in regression.columns or name in regression.factors:
                yield regression

    def is_averaged(self, name: str) -> bool:
        """Whether a mean over rows of persons explains another column, so that values of a person hang together."""
        return any(not isinstance(child, Shares) and name in child.averaged for child in self._children(name))

    def given(self, name: str, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Precision, and precision times mean, of a number given all but the model, shapes (chains, n)."""
        regression = self.regressions[name]
        assert isinstance(regression, NormalRegression)
        precision = regression.counts[rows] / regression.variance[:, None]
        return self.told(name, rows, precision, regression.mean(rows) * precision)

    def told(
        self, name: str, rows: np.ndarray, precision: np.ndarray, sums: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """A Normal density of a number times what the columns that it explains and its measurement say of it."""
        column = self.by_name[name]
        precision, sums = self.pulled(name, rows, precision, sums)
        if column.error:
            seen = ~column.missing[rows]
            if column.whose is not None:
                # A person's value was measured once, in however many rows it stands.
                seen = seen & (self._first[rows] == rows)
            weight = seen * (column.scale / column.error) ** 2
            precision = precision + weight
            sums = sums + weight * np.where(seen, column.standard(column.values.to_numpy(float)[rows]), 0.0)
        return precision, sums

    def pulled(
        self, name: str, rows: np.ndarray, precision: np.ndarray, sums: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """A Normal density of a number times what the columns that it explains say of it."""
        for child in self._children(name):
            # Shares are of levels by levels, which no number explains.
            assert not isinstance(child, Shares)
            more, pull = child.pulls(name, rows)
            precision, sums = precision + more, sums + pull
        return precision, sums

    def log_mass(self, name: str, rows: np.ndarray) -> np.ndarray:
        """Log mass of each level of a column given all but the model, shape (chains, n, n_levels)."""
        regression, column = self.regressions[name], self.by_name[name]
        assert isinstance(regression, ProbitRegression | Shares)
        assert column.levels is not None
        log_mass = regression.log_mass(rows)
        if column.whose is not None:
            assert regression.counts is not None
            log_mass = log_mass * regression.counts[rows, None]
        for child in self._children(name):
            log_mass = log_mass + child.log_density(name, rows, column.by_level, range(len(column.levels)))
        return log_mass

    def put(self, name: str, at: np.ndarray, value: np.ndarray) -> None:
        """Put drawn values (in SDs, or level numbers) wherever the column stands."""
        column = self.by_name[name]
        if column.levels is None:
            columns = value[..., None]
            self.standard[name][:, at] = value
        else:
            self.codes[name][:, at] = value
            columns = column.by_level[value]
            if column.numeric:
                self.standard[name][:, at] = columns[..., 0]
        for child in self._children(name):
            if not isinstance(child, Shares) and name in child.columns:
                child.put(name, at, columns)
