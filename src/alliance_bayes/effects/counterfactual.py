"""Counterfactuals for standardisation (g-computation): everybody in the sample at some value or level."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product

import numpy as np
import numpy.typing as npt
import pandas as pd

from alliance_bayes.errors import UsageError
from alliance_bayes.model import Column, Design, PooledFactor, Rows, described, nodes
from alliance_bayes.model.derivative import RoughnessError
from alliance_bayes.model.levels import NEW_LEVEL, joined_level
from alliance_bayes.model.nodes import Node, Number, Operation, columns_of
from alliance_bayes.moments.terms import arithmetic, calls
from alliance_bayes.remedies import argument

__all__ = [
    "Counterfactual",
    "Counterfactuals",
    "Grid",
    "NumericSetting",
    "TermWith",
    "is_bent",
    "is_straight",
    "row_mask",
    "terms_with",
]


# Settings whose evaluated rows are kept for the next estimand, and rows in all of them: for 3,087 rows some 300 KB a
# setting. Of more rows the latest setting is kept.
_MOST_CACHED, _MOST_ROWS = 64, 300_000
_NONE = np.empty(0, dtype=int)


@dataclass(frozen=True)
class NumericSetting:
    """A numeric column set to ``value`` for everybody."""

    column: str
    value: float


@dataclass(frozen=True, eq=False)
class Grid:
    """Rows, with the levels of some pooled factors replaced.

    Parameters
    ----------
    rows
        Design arrays.
    levels
        By factor, the level numbers that everybody gets, each with the same weight; -1 is a new level. Factors not
        named keep the rows' own levels.
    unseen
        By factor, the label of that new level.
    problem
        Why an average over the rows is not what it seems; empty where it is.
    change
        Derivatives of the design arrays along a column, where asked for.
    averaged
        Sampled factors whose effects are integrated out: everybody gets all the levels that there could be.
    """

    rows: Rows
    levels: Mapping[str, np.ndarray]
    unseen: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""
    change: Rows | None = None
    averaged: tuple[str, ...] = ()

    def new_labels(self, factor: str) -> tuple[str, ...]:
        """Labels of a factor's levels that the fit has not seen: number -1 - k is the k-th."""
        if factor in self.averaged:
            return ()
        if factor in self.levels:
            return (self.unseen[factor],) if factor in self.unseen else ()
        return self.rows.unseen.get(factor, ())


@dataclass(frozen=True, eq=False)
class Counterfactual:
    """Grids of equal weight, over which the expected outcome is averaged.

    Parameters
    ----------
    grids
        At least one.
    problem
        Why the average is not defined; empty where it is.
    """

    grids: tuple[Grid, ...]
    problem: str = ""


@dataclass(frozen=True, eq=False)
class Counterfactuals:
    """Makes counterfactuals out of the analysed rows.

    Four populations: ``"average"``, the analysed rows, each at every level that a sampled factor could have, so that
    its effects are integrated over Normal(0, tau); ``"sample"``, the analysed rows as they are, so that existing levels
    count by their share; ``"equal"``, the same rows with every level of every factor (pooled, or categorical in a term)
    counting the same, factors crossed with each other; ``"new"``, the same rows at one new level of every sampled
    factor, whose effects are drawn from Normal(0, tau). A factor that a counterfactual fixes stays fixed in all of
    them. People at another level keep the residual SD of their own.

    Parameters
    ----------
    design
        The design of the fit.
    spread
        Whether more of a row counts than the mean of its distribution, so that its residual SD does. Where the
        residual SD differs by a factor, a counterfactual that sets the factor then sets the residual SD too.
    among
        Places of the analysed rows that averages are over; all by default. Points are not looked at apart.
    numeric, fixed
        Numeric columns, and levels of categorical ones, that everybody is set to in every counterfactual.
    """

    design: Design
    spread: bool = False
    among: np.ndarray | None = None
    numeric: tuple[NumericSetting, ...] = ()
    fixed: Mapping[str, str] = field(default_factory=dict)
    _cache: dict[object, tuple[Rows, str, Rows | None]] = field(default_factory=dict, repr=False)

    @cached_property
    def categorical(self) -> tuple[str, ...]:
        """Categorical columns, in the formula's order; then the residual factor where the formula does not have it."""
        frame = self.design.frame
        return tuple(name for name in self.design.predictors if isinstance(frame[name].dtype, pd.CategoricalDtype))

    @cached_property
    def _variables(self) -> tuple[frozenset[str], frozenset[str]]:
        """Columns of the common terms, and of the pooled terms."""
        description = described(self.design.formula)
        common = frozenset(name for term in description.common_terms for name in term.var_names)
        return common, frozenset(name for term in description.group_terms for name in term.expr.var_names)

    @cached_property
    def in_common(self) -> tuple[str, ...]:
        """Categorical columns of the common terms."""
        return tuple(name for name in self.categorical if name in self._variables[0])

    @cached_property
    def in_terms(self) -> frozenset[str]:
        """Categorical columns that a row's expected outcome depends on, besides choosing a pooled level.

        Design columns are made of them, or the residual SD differs by them and what is averaged with it.
        """
        columns = frozenset.union(*self._variables)
        if self.spread or self.design.family.mean_needs_sigma:
            columns |= self.design.of_residual
        return columns & frozenset(self.categorical)

    def of(
        self,
        population: str = "sample",
        *,
        numeric: NumericSetting | Sequence[NumericSetting] | None = None,
        fixed: Mapping[str, str] | None = None,
        along: str | None = None,
    ) -> Counterfactual:
        """Everybody in the analysed sample, with some columns set.

        Parameters
        ----------
        population
            ``"average"``, ``"sample"``, ``"equal"`` or ``"new"``; see the class.
        numeric
            A numeric column to set, or several.
        fixed
            Categorical columns, or indicators, and the level that everybody gets.
        along
            A numeric column along which the design arrays' derivatives are wanted, too.

        Raises
        ------
        UsageError
            Population ``"new"`` without a sampled factor.
        """
        fixed = {**self.fixed, **(fixed or {})}
        settings = () if numeric is None else (numeric,) if isinstance(numeric, NumericSetting) else tuple(numeric)
        settings = (*self.numeric, *settings)
        # The levels of an indicator are its values.
        indicated = [name for name in fixed if self.design.is_indicator(name)]
        settings += tuple(NumericSetting(name, float(fixed.pop(name))) for name in indicated)
        if population == "new" and all(factor.exhaustive for factor in self.design.factors):
            pooled = ", ".join(f"'{factor.name}'" for factor in self.design.factors)
            raise UsageError(
                "population 'new' averages over a new level of the sampled factors, but "
                + (
                    f"all levels of {pooled} are in the data (exhaustive)"
                    if pooled
                    else "this model pools over no factor"
                )
                + f". Use {argument('population', 'sample')} or 'equal'."
            )
        crossed: list[dict[str, str]] = [{}]
        if population == "equal":
            free = [name for name in self.categorical if name in self.in_terms and name not in fixed]
            levels = (self.design.frame[name].cat.categories for name in free)
            crossed = [dict(zip(free, combination, strict=True)) for combination in product(*levels)]
        grids = tuple(self._grid(population, settings, fixed | extra, along) for extra in crossed)
        return Counterfactual(grids, next(filter(None, map(self._problem, grids)), ""))

    def _grid(
        self, population: str, numeric: tuple[NumericSetting, ...], fixed: Mapping[str, str], along: str | None
    ) -> Grid:
        touched = [factor for factor in self.design.factors if _parts(factor) & set(fixed)]
        # Where fixed columns do nothing but choose whole levels of pooled factors, no row has to be evaluated again.
        whole = not set(fixed) & self.in_terms and all(_parts(factor) <= set(fixed) for factor in touched)
        rows, problem, change = self._evaluate(numeric, {} if whole else fixed, along)
        levels: dict[str, np.ndarray] = {}
        averaged: list[str] = []
        for factor in self.design.factors:
            if _parts(factor) <= set(fixed) or population == "equal":
                levels[factor.name] = self._compatible(factor, fixed)
            elif population == "average" and not factor.exhaustive:
                averaged.append(factor.name)
            elif population == "new" and not factor.exhaustive:
                levels[factor.name] = np.array([-1])
        unseen = {f.name: _new_label(f, fixed) for f in self.design.factors if (levels.get(f.name, _NONE) < 0).any()}
        return Grid(rows, levels, unseen, problem, change, tuple(averaged))

    def _evaluate(
        self, numeric: tuple[NumericSetting, ...], fixed: Mapping[str, str], along: str | None
    ) -> tuple[Rows, str, Rows | None]:
        """Rows, why an average over them is not what it seems, and their derivatives along a column."""
        if not numeric and not fixed and along is None:
            return self._own, "", None
        key = (numeric, tuple(sorted(fixed.items())), along)
        if key in self._cache:
            return self._cache[key]
        frame = self.design.frame if self.among is None else self.design.frame.iloc[self.among]
        frame = frame.reset_index(drop=True)
        for setting in numeric:
            frame[setting.column] = np.full(len(frame), setting.value)
        for name, level in fixed.items():
            frame[name] = pd.Series([level]).astype(frame[name].dtype).array.repeat(len(frame))
        rows, problem, change = self._own, "", None
        if numeric or fixed:
            # A transformation may be undefined there (the square root below zero); _problem says so.
            with np.errstate(all="ignore"):
                rows = self.design.evaluate(frame, counterfactual=True)
            rows = replace(rows, weights=self._own.weights)
            if self.design.points:
                rows, problem = self._weighted(rows)
        if along is not None:
            try:
                change = self.design.change(frame, along, rows)
            except RoughnessError as rough:
                problem = problem or str(rough)
            else:
                problem = problem or self._lost_in_moments(change)
        self._cache[key] = rows, problem, change
        while len(self._cache) > max(1, min(_MOST_CACHED, _MOST_ROWS // len(frame))):
            del self._cache[next(iter(self._cache))]
        return rows, problem, change

    @cached_property
    def _own(self) -> Rows:
        """The analysed rows that averages are over, as they are."""
        return self.design.rows if self.among is None else self.design.rows.take(self.among)

    @cached_property
    def _plain(self) -> Rows:
        """The formula evaluated on weighted points as they are."""
        return self.design.evaluate(self.design.frame)

    def _weighted(self, rows: Rows) -> tuple[Rows, str]:
        """Rows evaluated on weighted points, and why averages over them are not those over participants.

        A product evaluated on points has the right average where it is of two columns. What a setting does not touch
        keeps the design's own columns, which are right throughout.
        """
        analysed, plain, design = self.design.rows, self._plain, self.design
        high, problem = _above_degree(design, _MOST_KNOWN), ""

        def restored(labels: Sequence[str], new: np.ndarray, old: np.ndarray, exact: np.ndarray) -> np.ndarray:
            nonlocal problem
            same = (new == old).all(axis=0)
            # A column that is held where it is zero has no average to get wrong.
            zero = np.abs(new).max(axis=0, initial=0.0) <= 1e-9 * np.abs(old).max(axis=0, initial=0.0)
            problem = problem or _many_columns(labels, ~(same | zero), high)
            return np.where(same, exact, new)

        x = restored(design.terms, rows.x, plain.x, analysed.x)
        z = {f.name: restored(f.terms, rows.z[f.name], plain.z[f.name], analysed.z[f.name]) for f in design.factors}
        basis = {
            smooth.name: restored(
                smooth.labels, rows.basis[smooth.name], plain.basis[smooth.name], analysed.basis[smooth.name]
            )
            for smooth in design.smooths
        }
        return replace(rows, x=x, z=z, basis=basis), problem

    def _lost_in_moments(self, change: Rows) -> str:
        """Why the average derivatives are not those over participants, where there are only weighted points."""
        design = self.design
        if not design.points:
            return ""
        # A derivative is a product of one column less.
        high = _above_degree(design, _MOST_KNOWN + 1)
        arrays = [(design.terms, change.x), *((f.terms, change.z[f.name]) for f in design.factors)]
        reasons = [_many_columns(labels, array.any(axis=0), high) for labels, array in arrays]
        reasons += [
            f"it averages the slope of {smooth.title} over its values, which moments do not hold"
            for smooth in design.smooths
            if change.basis[smooth.name].any()
        ]
        return next(filter(None, reasons), "")

    def level_columns(self, factor: PooledFactor) -> list[dict[str, str]]:
        """Columns and values that make each level of a pooled factor (``{"country": "DE", "sex": "male"}``)."""
        index, _ = self.design.levels_of(factor.name)
        first = np.zeros(index.max() + 1, dtype=int)
        first[index[::-1]] = np.arange(len(index))[::-1]
        parts = {name: self.design.frame[name].astype(str).to_numpy()[first] for name in factor.name.split(":")}
        return [{name: str(labels[number]) for name, labels in parts.items()} for number in range(len(factor.levels))]

    def _compatible(self, factor: PooledFactor, fixed: Mapping[str, str]) -> np.ndarray:
        """Numbers of the factor's levels that agree with the fixed columns; -1, a new level, where there is none."""
        relevant = {name: fixed[name] for name in _parts(factor) & set(fixed)}
        if not relevant:
            return np.arange(len(factor.levels))
        if set(relevant) == {factor.name}:
            return np.array([factor.levels.index(relevant[factor.name])])
        agreeing = [n for n, columns in enumerate(self.level_columns(factor)) if relevant.items() <= columns.items()]
        return np.array(agreeing or [-1])

    def _problem(self, grid: Grid) -> str:
        if grid.problem:
            return grid.problem
        for factor in self.design.factors:
            if self.design.points and factor.name in grid.rows.lacking and factor.name not in grid.levels:
                pooled = grid.rows if grid.change is None else grid.change
                lacking = grid.rows.lacking[factor.name]
                if factor.name not in grid.averaged and pooled.z[factor.name][lacking].any():
                    return f"needs levels of '{factor.name}' for rows that have none, which moments do not hold"
            index = grid.levels.get(factor.name, grid.rows.index[factor.name])
            if factor.exhaustive and (index < 0).any():
                return f"needs a level of the exhaustive factor '{factor.name}' that no analysed row has"
        if not _finite(grid.rows):
            return "a term of the formula is not finite there"
        if grid.change is not None and not _finite(grid.change):
            return "the slope of a term is not finite in some of the rows"
        return ""


def _finite(rows: Rows) -> bool:
    of_sigma = () if rows.sigma is None else (rows.sigma,)
    return all(np.isfinite(array).all() for array in (rows.known, *rows.z.values(), *rows.basis.values(), *of_sigma))


def _many_columns(labels: Sequence[str], used: np.ndarray, high: Collection[str]) -> str:
    """Why averages of some columns cannot be known from means and cross-products; empty where they can."""
    lost = [label for label, uses in zip(labels, used, strict=True) if uses and label in high]
    return f"it averages products of more columns than two ('{lost[0]}'), which moments do not hold" if lost else ""


def _new_label(factor: PooledFactor, fixed: Mapping[str, str]) -> str:
    """What a new level is called: two combinations with different fixed parts are two levels."""
    parts = factor.name.split(":")
    if not set(parts) & set(fixed):
        return NEW_LEVEL
    return joined_level(fixed.get(part, NEW_LEVEL) for part in parts)


def _parts(factor: PooledFactor) -> set[str]:
    """The columns whose levels make up a factor's levels."""
    return set(factor.name.split(":"))


# Products of two columns are what means and cross-products determine.
_MOST_KNOWN = 2


def _above_degree(design: Design, most: int) -> frozenset[str]:
    """Labels of the design columns that multiply more numeric columns than some number."""
    called = {name: _polynomial_degree(arithmetic(call)) for name, call in calls(design.formula).items()}

    def degree(column: Column) -> int:
        return sum(called.get(name, 1) for name in column.numeric)

    columns = (*design.columns, *(column for factor in design.factors for column in factor.columns))
    return frozenset(column.label for column in columns if degree(column) > most)


def _polynomial_degree(node: Node | None) -> int:
    """Degree of a polynomial in columns."""
    match node:
        case nodes.Column():
            return 1
        case Operation("**", (base, Number(value))):
            return _polynomial_degree(base) * int(value)
        case Operation("*", parts):
            return sum(map(_polynomial_degree, parts))
        case Operation(_, parts):
            return max(map(_polynomial_degree, parts))
    return 0


@dataclass(frozen=True)
class TermWith:
    """A term that holds a column.

    Parameters
    ----------
    name
        The term as the formula has it: "alliance:who5_baseline", "alliance|country", "s(alliance)".
    others
        The columns it multiplies the column with, in the formula's order.
    common
        Whether it is a common term.
    """

    name: str
    others: tuple[str, ...]
    common: bool


def terms_with(design: Design, column: str) -> tuple[TermWith, ...]:
    """The terms of a model that hold a column: common ones, then pooled ones, then smooths."""
    description = described(design.formula)
    candidates = [(term.name, term.var_names, True) for term in description.common_terms]
    candidates += [(term.name, term.expr.var_names, False) for term in description.group_terms]
    terms = [
        TermWith(name, tuple(other for other in design.predictors if other in columns and other != column), common)
        for name, columns, common in candidates
        if column in columns
    ]
    terms += [
        TermWith(offset.name, tuple(name for name in columns_of(offset) if name != column), True)
        for offset in design.formula.offsets
        if column in columns_of(offset)
    ]
    return (*terms, *(TermWith(smooth.title, (), False) for smooth in design.smooths if smooth.column == column))


def is_bent(design: Design, predictor: str) -> bool:
    """Whether an association may be no straight line on the scale of the linear predictor: a smooth, a square, a log.

    Products with other columns are straight along it.
    """
    if any(smooth.column == predictor for smooth in design.smooths):
        return True
    return any(term.common and not term.others and term.name != predictor for term in terms_with(design, predictor))


def is_straight(design: Design, predictor: str) -> bool:
    """Whether every design column is a straight line along a predictor: it enters by itself, and in products."""
    calls = (*design.formula.calls, *design.formula.offsets)
    bent = any(smooth.column == predictor for smooth in design.smooths)
    return not bent and not any(predictor in columns_of(call) for call in calls)


def row_mask(design: Design, name: str, values: npt.ArrayLike) -> np.ndarray:
    """A mask of the analysed rows, shape (n_rows,).

    Parameters
    ----------
    design
        The design of the fit.
    name
        What the argument is called.
    values
        True or False for each analysed row.

    Raises
    ------
    UsageError
        Something else, or a mask of no row.
    """
    n, mask = design.rows.n, np.asarray(values)
    if mask.shape != (n,) or mask.dtype != bool:
        raise UsageError(
            f"{name} should be {n:,} values True or False, one for each analysed row, but got an array of "
            f"{mask.dtype} of shape {mask.shape}."
        )
    if not mask.any():
        raise UsageError(f"{name} picks none of the {n:,} analysed rows. Pick at least one.")
    return mask
