"""The context of a check: a fit with what several checks need of it, computed once and only when asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd
import xarray as xr

from alliance_bayes.checks.leave_one_out import LooPredictions, loo_predictions
from alliance_bayes.checks.people import LeftOut, leave_people_out
from alliance_bayes.checks.subsample import FEWEST_OF_POPULATION, heaviest, looked_at, proxies
from alliance_bayes.diagnostics import diagnose
from alliance_bayes.errors import UsageError
from alliance_bayes.fit import FittedModel
from alliance_bayes.model import Family, Outcome, Scale
from alliance_bayes.remedies import argument, call
from alliance_bayes.rounding import grid_step

__all__ = ["Context", "Draws", "Grouping", "diagnosed", "in_turn", "in_unit", "rounding_step"]

# Rows that are looked at one by one, by leave-one-out predictions and residuals: of more, a random sample.
MOST_ROWS = 10_000
# Draws x rows that leave-one-out predictions weigh (3 seconds): of more draws, some at even distances.
WEIGHED = 50_000_000
# Replicates x rows (doubles) that the checks of residuals keep: 80 MB, and 1,000 replicates of so many rows.
KEPT = 10_000_000
# Replicates x rows in memory at once where they are not kept: 8 MB.
BLOCK = 1_000_000
# Replicates x rows that are simulated (4 seconds): of more rows, as few replicates as the rate allows.
SIMULATED = 100_000_000
# Levels with fewer rows are counted but have no statistics of their own.
FEWEST_ROWS = 20
#: Correlation, or multiple R2, from which on a column is taken for one that was made of the outcome.
SAME = 0.999
# Numbers with so few values are compared as levels.
FEW_LEVELS = 6
#: Most persons whose residuals are compared, where the model leaves them out: a column of numbers each.
MOST_PERSONS = 500
# Thousands of elements take a while, and one fit is checked with every table that is made of it.
_DIAGNOSED: WeakKeyDictionary[Draws, pd.DataFrame] = WeakKeyDictionary()


class Draws(Protocol):
    """A fit of any kind: its draws, and what their sampler says of them."""

    @property
    def posterior(self) -> xr.Dataset:
        """The draws, dims chain and draw first."""

    @property
    def sample_stats(self) -> xr.Dataset:
        """What the sampler says of itself, dims (chain, draw)."""

    @property
    def shape(self) -> tuple[int, int]:
        """Number of chains and of draws in each."""

    @property
    def info(self) -> Mapping[str, Any]:
        """How the draws came about."""


def in_turn(fit: FittedModel) -> tuple[np.ndarray, np.ndarray]:
    """Rows of a person that follow each other in time, of a fit that has persons: the first ones and the next ones."""
    people, when = fit.people, None if fit.beside is None else fit.beside.when
    assert people is not None
    order = np.lexsort((np.arange(people.size) if when is None else when, people))
    same = people[order[1:]] == people[order[:-1]]
    return order[:-1][same], order[1:][same]


def diagnosed(fit: Draws) -> pd.DataFrame:
    """Convergence diagnostics of every element of every posterior variable of a fit; see :func:`diagnose`."""
    table = _DIAGNOSED.get(fit)
    if table is None:
        table = _DIAGNOSED[fit] = diagnose(fit.posterior)
    return table


@dataclass(frozen=True, eq=False)
class Grouping:
    """A categorical column (or a combination of columns) over the analysed rows.

    Parameters
    ----------
    name
        Name of the factor or column.
    levels
        Level labels.
    codes
        Level number of every row, shape (n,).
    role
        ``pooled`` for a factor of the model, ``residual`` for one that only the residual SD differs by, ``column`` for
        another categorical column of its formula, ``left out`` for a column beside it.
    weights
        Participants that each row stands for, shape (n,); None where each row is one.
    """

    name: str
    levels: tuple[str, ...]
    codes: np.ndarray
    role: str
    weights: np.ndarray | None = None

    @property
    def counts(self) -> np.ndarray:
        """Participants of each level."""
        counts = np.bincount(self.codes, weights=self.weights, minlength=len(self.levels))
        return counts if self.weights is None else np.rint(counts).astype(np.int64)

    @property
    def indicators(self) -> np.ndarray:
        """One column a level, shape (n, n_levels)."""
        return np.eye(len(self.levels))[self.codes]


@dataclass(frozen=True, eq=False)
class Context:
    """A fit as the checks see it.

    Parameters
    ----------
    fit
        The fit.
    effects
        Table of reported quantities with columns ``rhat``, ``ess_bulk`` and ``ess_tail``: they must have converged too.
    extra
        Further columns of the analysed rows, in their order, that the model leaves out. Give only what came before
        the outcome: a column made from the outcome is related to the residuals by construction.
    rate
        Share of well-specified fits in which a check may fire.
    replicates
        How many replicated data sets are simulated, each from one posterior draw.
    seed
        Seed of everything simulated.

    Raises
    ------
    UsageError
        A rate outside (0, 0.5), too few replicates for the rate, a negative seed, or extra columns with another number
        of rows.
    """

    fit: FittedModel
    effects: pd.DataFrame | None = None
    extra: pd.DataFrame | None = None
    rate: float = 0.01
    replicates: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.rate < 0.5:
            raise UsageError(f"rate should be in the interval (0, 0.5) but got {self.rate!r}.")
        if isinstance(self.replicates, bool) or not isinstance(self.replicates, int) or self.replicates < self._least:
            raise UsageError(
                f"replicates should be a whole number of at least {self._least} for a rate of {self.rate:g} but got "
                f"{self.replicates!r}."
            )
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or self.seed < 0:
            raise UsageError(f"{argument('seed')} should be a whole number of at least 0 but got {self.seed!r}.")
        if self.effects is not None:
            lacking = [name for name in ("rhat", "ess_bulk", "ess_tail") if name not in self.effects.columns]
            if lacking:
                raise UsageError(
                    f"effects lacks the column(s) {', '.join(lacking)}. Give the table that {call('effects')} returns."
                )
        if self.extra is not None and self.fit.moments is not None:
            raise UsageError(
                "extra columns go with the analysed rows, and this fit was made from moments. Leave them out."
            )
        if self.extra is not None and len(self.extra) != self.fit.design.rows.n:
            raise UsageError(
                f"extra has {len(self.extra)} rows but the fit has {self.fit.design.rows.n}. Give the analysed rows, "
                "in their order."
            )

    @property
    def _least(self) -> int:
        """Fewest replicates: the smallest p-value that R can give is 1 / (R + 1); twice that leaves room to fire."""
        return int(np.ceil(2 / self.rate))

    def generator(self, stream: int) -> np.random.Generator:
        """A generator that depends on the seed and the stream only, not on which checks ran before."""
        return np.random.default_rng([self.seed, stream])

    @cached_property
    def which(self) -> np.ndarray:
        """Stacked draws behind the replicates, evenly spaced; some serve twice when there are fewer draws."""
        chains, draws = self.fit.shape
        return np.linspace(0, chains * draws - 1, self.replicates).round().astype(int)

    @cached_property
    def parameters(self) -> Mapping[str, np.ndarray]:
        """The family's parameters in those draws, for the analysed rows."""
        return self.fit.parameters_at(self.which)

    @cached_property
    def eta(self) -> np.ndarray:
        """Linear predictor, shape (replicates, n)."""
        return self.fit.linear_predictor(which=self.which)

    @cached_property
    def expected(self) -> np.ndarray:
        """Expected outcome, shape (replicates, n)."""
        return self.fit.design.family.expectation(self.eta, self.parameters, self.fit.design.outcome)

    @cached_property
    def simulated(self) -> np.ndarray:
        """Replicated outcomes, shape (replicates, n)."""
        design = self.fit.design
        return np.asarray(
            design.family.simulate(self.eta, self.parameters, design.outcome, self.generator(1)), dtype=float
        )

    @cached_property
    def mean_squares(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean squares of the observed and of the replicated residuals, shape (replicates,) each.

        Sums of residuals are looked at over their own, as in an F test: a family that has no variance of its own
        (counts that vary more than Poisson ones) would otherwise have too much in every direction, and that is another
        check's to say.
        """
        outcome = self.fit.design.outcome.values
        # Replicate by replicate: all residuals at once would be as much again as what is kept.
        rows = zip(self.simulated, self.expected, strict=True)
        both = [(np.mean((outcome - mean) ** 2), np.mean((replicate - mean) ** 2)) for replicate, mean in rows]
        seen, null = np.maximum(np.array(both), np.finfo(float).tiny).T
        return seen, null

    @cached_property
    def which_of_all_rows(self) -> np.ndarray:
        """Stacked draws behind the replicates of all rows: fewer where there are many rows."""
        some = max(self._least, min(self.replicates, SIMULATED // self.fit.design.rows.n))
        if some >= self.replicates:
            return self.which
        return self.which[np.linspace(0, self.replicates - 1, some).round().astype(int)]

    def replicate_blocks(self) -> Iterator[np.ndarray]:
        """Replicated outcomes of all rows, shape (n_block, n): in one block where the replicates are kept anyway."""
        design, n = self.fit.design, self.fit.design.rows.n
        if self.sample is self:
            yield self.simulated
            return
        rng, step = self.generator(1), max(1, BLOCK // n)
        for start in range(0, self.which_of_all_rows.size, step):
            which = self.which_of_all_rows[start : start + step]
            eta, parameters = self.fit.linear_predictor(which=which), self.fit.parameters_at(which)
            yield np.asarray(design.family.simulate(eta, parameters, design.outcome, rng), dtype=float)

    def random_rows(self, most: int) -> np.ndarray:
        """Places of so many rows, drawn at random without replacement, ascending; of all where there are no more."""
        n = self.fit.design.rows.n
        return np.arange(n) if n <= most else np.sort(self.generator(6).choice(n, most, replace=False))

    @cached_property
    def of_population(self) -> Context | None:
        """The context of rows among which each of the population is as likely as any other, all weighing alike.

        Of rows with sampling weights each is kept with a probability in proportion to its weight. None where they are
        fewer than `FEWEST_OF_POPULATION`.
        """
        weights = self.fit.design.rows.weights
        assert weights is not None
        at = np.flatnonzero(self.generator(7).random(weights.size) * weights.max() < weights)
        if at.size < FEWEST_OF_POPULATION:
            return None
        few = self._of_rows(at)
        rows = replace(few.fit.design.rows, weights=None)
        return replace(few, fit=replace(few.fit, design=replace(few.fit.design, rows=rows, weights=None, persons=None)))

    def _of_rows(self, at: np.ndarray) -> Context:
        """The context of some rows."""
        design = self.fit.design
        frame = design.frame.iloc[at].reset_index(drop=True)
        few = replace(design, frame=frame, rows=design.rows.take(at), outcome=design.outcome.take(at))
        extra = None if self.extra is None else self.extra.iloc[at].reset_index(drop=True)
        people = None if self.fit.people is None else self.fit.people[at]
        beside = None if self.fit.beside is None else self.fit.beside.take(at)
        return replace(self, fit=replace(self.fit, design=few, people=people, beside=beside), extra=extra)

    @cached_property
    def sample(self) -> Context:
        """The context of all rows, or of a random sample where there are too many to replicate at once."""
        at = self.random_rows(min(MOST_ROWS, max(2, KEPT // self.replicates)))
        return self if at.size == self.fit.design.rows.n else self._of_rows(at)

    @property
    def sampled(self) -> str:
        """A sentence on the rows that were looked at, after a blank; empty where it was all of them."""
        return self.of_a_sample(self.sample.fit.design.rows.n)

    def of_a_sample(self, size: int) -> str:
        """A sentence on how many rows were looked at, after a blank; empty where it was all of them."""
        n = self.fit.design.rows.n
        return "" if size == n else f" Of {n:,} rows, a random sample of {size:,} was looked at."

    @cached_property
    def step(self) -> float | None:
        """Distance between the levels of a continuous family's outcome, None without levels."""
        design = self.fit.design
        return rounding_step(design.family, design.outcome, design.scales.get(design.outcome.name))

    @cached_property
    def relative_efficiency(self) -> float:
        """Mean effective sample size of the parameters' means over the number of draws; 1 for a single chain."""
        chains, draws = self.fit.shape
        quantities = diagnosed(self.fit)
        relative = quantities["ess_mean"] / (chains * draws)
        moving = relative[~quantities["constant"] & relative.notna()]
        return float(moving.mean()) if chains > 1 and len(moving) else 1.0

    @cached_property
    def every(self) -> int:
        """Of how many draws of a chain one is weighed in leave-one-out predictions; a thousand are left at least."""
        (chains, draws), rows = self.fit.shape, min(self.fit.design.rows.n, MOST_ROWS)
        return max(1, min(-(-chains * draws * rows // WEIGHED), chains * draws // 1000, draws))

    @cached_property
    def loo(self) -> LooPredictions:
        """Leave-one-out predictions, in one pass over blocks of rows."""
        some = self if self.every == 1 else replace(self, fit=self.fit.thinned(self.every))
        fit, drawn = some.fit, self.random_rows(MOST_ROWS)
        known = None if drawn.size == fit.design.rows.n else proxies(fit, self.step)
        looked = looked_at(fit.design.rows.n, drawn, [] if known is None else [heaviest(known)])
        return loo_predictions(fit, looked, known, some.which, self.step, relative_efficiency=some.relative_efficiency)

    @cached_property
    def loo_of_people(self) -> LeftOut:
        """Leave-one-person-out predictions, of a fit with several rows a person."""
        return leave_people_out(self.fit, relative_efficiency=self.relative_efficiency)

    @cached_property
    def pit_bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Leave-one-out probabilities of less than, and of at most, the observed outcomes; shape (n_sampled,) each.

        Of the random sample only: rows that were chosen for their weight are not where others are.
        """
        loo = self.loo
        return loo.below[loo.looked.random], loo.upto[loo.looked.random]

    @cached_property
    def groupings(self) -> tuple[Grouping, ...]:
        """Every factor, categorical column and 0 or 1 of the analysed rows, persons left out, and those of ``extra``.

        A column of ``extra`` with more levels than half the rows (an identifier) is passed over.
        """
        design, frame = self.fit.design, self.fit.design.frame
        weights = design.copies
        levels_of = {factor.name: design.levels_of(factor.name) for factor in design.factors}
        groupings = [Grouping(name, levels, codes, "pooled", weights) for name, (codes, levels) in levels_of.items()]
        names = {grouping.name for grouping in groupings}
        for name in frame.columns:
            # A number that is 0 or 1 for everybody says which of two groups a row is of.
            two = self.fit.moments is None and name in design.formula.columns[1:] and design.is_indicator(name)
            if name not in names and (two or isinstance(frame[name].dtype, pd.CategoricalDtype)):
                role = "column" if name in design.formula.columns else "residual"
                codes, levels = design.levels_of(name)
                groupings.append(Grouping(name, levels, codes, role, weights))
        # Persons whom the model leaves out, by numbers: nobody's name is looked at.
        if self.fit.people is not None and not self.fit.has_person_effects:
            codes = np.unique(self.fit.people, return_inverse=True)[1]
            persons = tuple(str(number) for number in range(1, codes.max() + 2))
            if len(persons) <= min(codes.size / 2, MOST_PERSONS) and self.fit.person not in names:
                groupings.append(Grouping(self.fit.person, persons, codes, "left out"))
        for name, column in self._extra_columns():
            if not _numeric(column):
                # A missing value is a level of its own: who has none may differ too.
                text = column.astype("str").where(column.notna(), "missing")
                codes, labels = pd.factorize(text, sort=True)
                if 2 <= len(labels) <= len(text) / 2:
                    groupings.append(Grouping(name, tuple(map(str, labels)), codes, "left out"))
        return tuple(groupings)

    @cached_property
    def numeric(self) -> Mapping[str, np.ndarray]:
        """Numeric predictors by name, the focal one first, then numeric columns of ``extra`` (which may have gaps)."""
        frame, focal = self.fit.design.frame, self.fit.spec.focal_predictor(self.fit.design)
        names = [name for name in frame.columns if name != self.fit.design.outcome.name and _numeric(frame[name])]
        names.sort(key=lambda name: name != focal)
        columns = {name: frame[name].to_numpy(float) for name in names}
        for name, column in self._extra_columns():
            if _numeric(column):
                values = column.to_numpy(float, na_value=np.nan)
                values = np.where(np.isfinite(values), values, np.nan)
                if np.unique(values[~np.isnan(values)]).size > 1:
                    columns[name] = values
        return columns

    @cached_property
    def unused(self) -> pd.DataFrame:
        """Columns of the table that neither model nor ``extra`` has, of the analysed rows; see `Beside.columns`."""
        if self.fit.beside is None:
            return pd.DataFrame(index=range(self.fit.design.rows.n))
        columns = self.fit.beside.columns
        columns = pd.DataFrame({name: in_unit(column) for name, column in columns.items()}, index=columns.index)
        known = {*self.fit.design.frame.columns, *(() if self.extra is None else map(str, self.extra.columns))}
        return columns[[name for name in columns if name not in known and not self._is_outcome(columns[name])]]

    @cached_property
    def unused_numbers(self) -> Mapping[str, np.ndarray]:
        """The numbers among the unused columns (which may have gaps)."""
        return {str(name): column.to_numpy(float) for name, column in self.unused.items() if _numeric(column)}

    def _is_outcome(self, column: pd.Series) -> bool:
        """Whether a column says what the outcome is: in its order, or as a sum of it and of numbers of the model."""
        frame, outcome = self.fit.design.frame, self.fit.design.outcome.values
        if pd.api.types.is_datetime64_dtype(column.dtype):
            return False
        numeric = _numeric(column)
        values = column.to_numpy(float) if numeric else column.cat.codes.to_numpy(float)
        known = np.isfinite(values) if numeric else values >= 0
        y, x = outcome[known], values[known]
        if y.size < FEWEST_ROWS or np.ptp(y) == 0 or np.ptp(x) == 0:
            return False
        if not numeric or np.unique(x).size <= FEW_LEVELS:
            # Levels that each have a stretch of the outcome to themselves.
            stretches = pd.DataFrame({"x": x, "y": y}).groupby("x")["y"].agg(["min", "max"]).sort_values("min")
            return bool((stretches["min"].to_numpy()[1:] > stretches["max"].to_numpy()[:-1]).all())
        ranks = [pd.Series(part).rank().to_numpy(float) for part in (x, y)]
        if abs(float(np.asarray(np.corrcoef(ranks))[0, 1])) > SAME:
            return True
        others = [frame[name].to_numpy(float)[known] for name in frame if _numeric(frame[name])]
        columns = np.column_stack([np.ones(y.size), *others])
        columns = columns / np.maximum(np.abs(columns).max(axis=0), 1e-300)
        x = x / np.abs(x).max()
        away = x - columns @ np.linalg.lstsq(columns, x)[0]
        return float(away @ away) < (1 - SAME) * float(np.square(x - x.mean()).sum())

    def _extra_columns(self) -> list[tuple[str, pd.Series]]:
        if self.extra is None:
            return []
        return [
            (str(name), self.extra[name]) for name in self.extra.columns if name not in self.fit.design.frame.columns
        ]


def _numeric(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype)


def in_unit(column: pd.Series) -> pd.Series:
    """Numbers in units of their largest, where their squares would be beyond what a computer has; else as they are."""
    if not _numeric(column) or 1e-100 < (size := float(column.abs().max())) < 1e100:
        return column
    return column / size if size > 0 else column


def rounding_step(family: Family, outcome: Outcome, scale: Scale | None) -> float | None:
    """Distance between the levels that a continuous family's outcome is recorded on.

    Parameters
    ----------
    family, outcome
        The family and what it was fitted to.
    scale
        The outcome's scale, where it is known.

    Returns
    -------
    float or None
        The scale's step when most values lie on its levels; else the smallest gap between values when values repeat
        and all gaps are multiples of it; None for an outcome without levels and for discrete families, which know
        their levels.
    """
    if family.discrete:
        return None
    if scale is not None and scale.step is not None and scale.lower is not None:
        places = (outcome.values - scale.lower) / scale.step
        if np.mean(np.abs(places - np.round(places)) < 1e-6) > 0.5:
            return scale.step
    distinct = np.unique(outcome.values)
    return None if distinct.size > outcome.values.size / 2 else grid_step(distinct)
