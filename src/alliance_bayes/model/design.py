"""Design: a formula applied to rows, with centring and declared levels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from alliance_bayes.cohort.doubts import is_identifier
from alliance_bayes.cohort.weights import effective_size
from alliance_bayes.errors import ModelError
from alliance_bayes.model.columns import (
    Column,
    centring,
    check_products,
    column_sizes,
    describe,
    numeric_parts,
    refuse_constant,
    term_block,
    values_of,
)
from alliance_bayes.model.complete import term_columns
from alliance_bayes.model.derivative import component_change, term_change
from alliance_bayes.model.design_rows import PooledFactor, Rows
from alliance_bayes.model.evaluation import evaluate_terms
from alliance_bayes.model.families import Family, Outcome
from alliance_bayes.model.formula import Formula
from alliance_bayes.model.grammar import in_formula, shown
from alliance_bayes.model.levels import NOBODY, ordered_levels, present_levels
from alliance_bayes.model.new_rows import conformed
from alliance_bayes.model.nobody import idle_levels, in_turn
from alliance_bayes.model.residual import ResidualFactor, residual_factor
from alliance_bayes.model.roles import Role, role_of
from alliance_bayes.model.scales import Scale, check_size, is_measured, sample_scale, scale_of, two_values
from alliance_bayes.model.sigma import SigmaModel, sigma_model
from alliance_bayes.model.smooth import Smooth, build_smooth
from alliance_bayes.model.trials import trials_of
from alliance_bayes.remedies import argument, setting

__all__ = ["INDICATED", "Design", "build_design"]

# SDs that a column may lie from its centring value where cutpoints, or a residual SD, have their prior there.
_FAR = 10.0
#: The levels of a column of 0 and 1.
INDICATED = ("0", "1")


@dataclass(frozen=True, eq=False)
class Design:
    """A formula applied to rows.

    Attributes
    ----------
    formula, family, outcome
        What was asked, and the outcome as the family sees it.
    frame
        The analysed rows of every model column; categorical columns ordered as declared, without unused levels.
    columns
        Common design columns, in the order of ``beta``.
    factors
        Pooled factors, in the formula's order.
    residual
        The factor by whose levels the residual SD differs; None where one is everybody's.
    smooths
        Smooths, in the formula's order; their straight lines are among ``columns``.
    centres
        Value subtracted from each numeric component before anything is multiplied.
    scales
        Reference scale of each column (numeric components and the outcome) that has one.
    rows
        The design arrays of ``frame``.
    weights
        What each row counts in averages, shape (n_rows,): as many participants as a point stands for, or its sampling
        weight, with a mean of 1. None where each row is one participant, and all count alike.
    trials
        Name of the column of trials; None where the family has none.
    points
        Whether the rows are points that stand for moments, and none is a participant.
    persons
        Number of the person of each row, shape (n_rows,), where rows with sampling weights are several of one.
    sigma
        The columns along which the residual SD differs; None where it does along none.
    """

    formula: Formula
    family: Family
    outcome: Outcome
    frame: pd.DataFrame
    columns: tuple[Column, ...]
    factors: tuple[PooledFactor, ...]
    residual: ResidualFactor | None
    smooths: tuple[Smooth, ...]
    centres: Mapping[str, float]
    scales: Mapping[str, Scale]
    rows: Rows
    _common: tuple[Any, ...] = field(repr=False)
    _pooled: tuple[Any, ...] = field(repr=False)
    _offsets: tuple[Any, ...] = field(repr=False)
    weights: np.ndarray | None = None
    trials: str | None = None
    points: bool = False
    persons: np.ndarray | None = None
    sigma: SigmaModel | None = None

    @property
    def copies(self) -> np.ndarray | None:
        """Participants that each point stands for, shape (n_rows,); None where a row is one of a participant."""
        return self.weights if self.points else None

    @property
    def information_weights(self) -> np.ndarray | None:
        """What each row counts in the likelihood, shape (n_rows,); sampling weights together as much as they tell."""
        if self.weights is None or self.points:
            return self.weights
        return self.weights * (effective_size(self.weights) / self.weights.sum())

    @property
    def terms(self) -> tuple[str, ...]:
        """Labels of the common columns: the coordinate of the ``term`` dimension."""
        return tuple(column.label for column in self.columns)

    @property
    def predictors(self) -> tuple[str, ...]:
        """Every column that an expected outcome may depend on: those of the formula, then of the residual SD."""
        return tuple(name for name in self.frame.columns if name not in (self.outcome.name, self.trials))

    @property
    def needed(self) -> tuple[str, ...]:
        """Every column besides the outcome: the predictors, and the trials where the family has them."""
        return tuple(name for name in self.frame.columns if name != self.outcome.name)

    @property
    def n(self) -> int:
        """Number of participants analysed."""
        return self.rows.n if self.copies is None else round(float(self.copies.sum()))

    def average(self, values: np.ndarray) -> np.ndarray:
        """Mean over participants of something that each row has, shape (n_rows, ...)."""
        return np.asarray(np.average(values, axis=0, weights=self.weights))

    def sd(self, column: str) -> float:
        """Standard deviation (n - 1) of a numeric column, or of the outcome, over participants."""
        outcome = column == self.outcome.name
        return self.sd_of(self.outcome.values if outcome else self.frame[column].to_numpy(float))

    def sd_of(self, values: np.ndarray) -> float:
        """The same of other values of the rows, shape (n_rows,)."""
        # Counted from one of them first, because the mean of numbers far from zero is rounded.
        away = values - values[0]
        if self.weights is None:
            return float(away.std(ddof=1))
        away = away - self.average(away)
        return float(np.sqrt(self.weights @ away**2 / (self.n - 1)))

    @property
    def of_residual(self) -> frozenset[str]:
        """Columns that the residual SD differs by, or along."""
        if self.sigma is not None:
            return self.sigma.variables
        return frozenset() if self.residual is None else frozenset({self.residual.name})

    @property
    def residual_shares(self) -> np.ndarray:
        """Share of the participants by level of the residual factor, shape (n_levels,); [1.] without one."""
        if self.rows.residual is None:
            return np.ones(1)
        counts = np.bincount(self.rows.residual, weights=self.weights)
        return np.asarray(counts / counts.sum())

    def factor(self, name: str) -> PooledFactor:
        """A pooled factor by name.

        Raises
        ------
        ModelError
            Unknown name; the message lists the model's factors.
        """
        for factor in self.factors:
            if factor.name == name:
                return factor
        known = ", ".join(factor.name for factor in self.factors) or "none"
        raise ModelError(f"'{name}' is not a pooled factor of this model. Its pooled factors: {known}.")

    def components(self) -> dict[str, np.ndarray]:
        """Values of every numeric component in the analysed rows before centring, by name, shape (n_rows,) each.

        Of a call, points that stand for moments have a value where it is a column of its own only.
        """
        parts = [*numeric_parts([*self._common, *(term.expr for term in self._pooled)]), *self._offsets]
        components = {name: values for part in parts for name, values in values_of(part).items()}
        if not self.points:
            return components
        places = {column.label: k for k, column in enumerate(self.columns) if column.order == 1 and column.numeric}
        called = {name: self.rows.x[:, places[name]] + self.centres[name] for name in components if name in places}
        return {name: values for name, values in components.items() if name in self.frame} | called

    def is_centred(self, component: str) -> bool:
        """Whether a component, or a column of one, is centred where the analyst states no value."""
        of_sigma = () if self.sigma is None else self.sigma.terms
        parts = [*numeric_parts([*self._common, *(term.expr for term in self._pooled), *of_sigma]), *self._offsets]
        whole = {name: str(part.name) for part in parts for name in values_of(part)}
        return _is_centred(
            whole.get(component, component), self.formula, None if self.sigma is None else self.sigma.formula
        )

    def is_indicator(self, name: str) -> bool:
        """Whether a numeric column is 0 or 1 for everybody, and so says which of two groups people are in."""
        if name not in self.frame or not pd.api.types.is_numeric_dtype(self.frame[name]):
            return False
        return two_values(self.frame[name].to_numpy(float), self.copies) == (0.0, 1.0)

    def level_labels(self, name: str) -> tuple[str, ...]:
        """The levels of a categorical column, in their order, or "0" and "1" of an indicator."""
        if self.is_indicator(name):
            return INDICATED
        return tuple(map(str, self.frame[name].cat.categories))

    def levels_of(self, name: str) -> tuple[np.ndarray, tuple[str, ...]]:
        """Level number of each analysed row, shape (n_rows,), and the levels, of a pooled factor or categorical column.

        Or of an indicator, whose levels are 0 and 1; points that stand for moments have none. Rows without a level of a
        pooled factor have one more, the last.
        """
        for factor in self.factors:
            if factor.name == name:
                codes = np.asarray(self.rows.index[name], dtype=np.intp)
                if name not in self.rows.lacking:
                    return codes, factor.levels
                nobody = factor.idle[0] if len(factor.idle) == 1 else NOBODY
                return np.where(self.rows.lacking[name], len(factor.levels), codes), (*factor.levels, nobody)
        if self.is_indicator(name):
            return self.frame[name].to_numpy(np.intp), INDICATED
        return self.frame[name].cat.codes.to_numpy(np.intp), self.level_labels(name)

    def evaluate(self, frame: pd.DataFrame, *, counterfactual: bool = False) -> Rows:
        """Design arrays of other rows, with this design's centring, levels and bases.

        Parameters
        ----------
        frame
            Must hold every predictor column of the formula, and the residual factor, without missing values.
        counterfactual
            Whether combinations of known levels that no analysed row has are let through where their factor is
            exhaustive, for the caller to judge.

        Raises
        ------
        ModelError
            A column is missing, stands twice, has missing or infinite values or those of another kind, or a level may
            not be predicted (a new level of an exhaustive factor, of a categorical common term or of the residual
            factor): all of them at once.
        """
        frame = self._conform(frame, given=not counterfactual)
        rows = _assemble(
            self._common,
            self._pooled,
            self.factors,
            frame,
            self.centres,
            analysed=self.rows,
            counterfactual=counterfactual,
        )
        for factor in self.factors:
            if factor.exhaustive and not counterfactual and factor.name in rows.unseen:
                raise ModelError(
                    f"the new rows hold level(s) {', '.join(map(repr, rows.unseen[factor.name]))} of "
                    f"'{factor.name}', which no analysed row has. An unseen level of it cannot be predicted."
                )
        trials = None if self.trials is None else frame[self.trials].to_numpy(float)
        rows = _completed(rows, self.residual, self.smooths, frame, self._offset(frame), trials)
        return rows if self.sigma is None else replace(rows, sigma=self.sigma.evaluate(frame, self.centres))

    def change(self, frame: pd.DataFrame, column: str, rows: Rows) -> Rows:
        """Exact derivatives of the design arrays of some rows with respect to a numeric column.

        Parameters
        ----------
        frame
            The rows.
        column
            A numeric predictor.
        rows
            What :meth:`evaluate` made of them; its level numbers are kept.

        Raises
        ------
        RoughnessError
            The column enters somewhere by a step, or some row lies at a corner.
        """
        frame = self._conform(frame)

        def block(terms: Sequence[Any]) -> np.ndarray:
            changes = [term_change(term, frame, self.centres, column) for term in terms]
            return np.hstack([np.zeros((len(frame), 0)), *changes])

        pooled = {factor.name: terms_of(self._pooled, factor.name) for factor in self.factors}
        offsets = [component_change(part, frame, column)[:, 0] for part in self._offsets if column in part.var_names]
        return replace(
            rows,
            x=block(self._common),
            z={name: block([term.expr for term in terms]) for name, terms in pooled.items()},
            basis={
                smooth.name: smooth.change(frame[smooth.column].to_numpy(float))
                if smooth.column == column
                else np.zeros_like(rows.basis[smooth.name])
                for smooth in self.smooths
            },
            offset=None if rows.offset is None else np.sum([np.zeros(len(frame)), *offsets], axis=0),
            sigma=None if self.sigma is None else self.sigma.change(frame, self.centres, column),
        )

    def _offset(self, frame: pd.DataFrame) -> np.ndarray | None:
        """The offsets of other rows, added up."""
        if not self._offsets:
            return None
        values = [part.eval_new_data(frame) - self.centres[part.name] for part in self._offsets]
        return np.asarray(np.sum(values, axis=0), dtype=float)

    def _conform(self, frame: pd.DataFrame, *, given: bool = False) -> pd.DataFrame:
        """Other rows as the analysed ones are coded; ``given`` ones are held to be defined, too."""
        persons = [part for factor in self.factors if factor.role.role == "person" for part in factor.name.split(":")]
        fixed = {part for factor in self.factors if factor.exhaustive for part in factor.name.split(":")}
        fixed |= {name for term in (*self._common, *(t.expr for t in self._pooled)) for name in term.var_names}
        return conformed(
            frame,
            self.frame,
            self.formula,
            needed=self.needed,
            fixed=fixed | self.of_residual,
            persons=persons,
            of_residual=self.of_residual,
            trials=self.trials,
            given=given,
        )


def _refuse_identifiers(frame: pd.DataFrame, names: Iterable[str]) -> None:
    """Refuse a column with a level for nearly every row as a common term: a coefficient a row says nothing."""
    for name in names:
        if isinstance(frame[name].dtype, pd.CategoricalDtype) and is_identifier(frame[name]):
            raise ModelError(
                f"'{name}' has {frame[name].nunique():,} levels in {len(frame):,} analysed rows, so that nearly every "
                "row would have a coefficient of its own: it seems to name rows, or to be text. Remove the term; if "
                f"the levels are numbers, read the column as numbers ({argument('numeric')}); if they are what rows "
                f"are grouped by, pool over them by (1 | {in_formula(name)})."
            )


def build_design(
    formula: Formula,
    family: Family,
    frame: pd.DataFrame,
    *,
    exhaustive: tuple[str, ...] = (),
    centre: Mapping[str, float] | None = None,
    scales: Mapping[str, Scale] | None = None,
    autoscale: bool = True,
    roles: Mapping[str, Role] | None = None,
    residual_by: str | None = None,
    weights: np.ndarray | None = None,
    smooths: tuple[Smooth, ...] | None = None,
    trials: str | None = None,
    points: bool = False,
    sigma: Formula | None = None,
) -> Design:
    """Apply a formula to complete rows.

    Parameters
    ----------
    formula, family
        The parsed formula and the observation family.
    frame
        Complete rows, one a participant, shape (n, >= n_columns).
    exhaustive
        Factors whose levels are all there are.
    centre
        Centring values by numeric component; means of the rows where not given.
    scales
        Declared reference scales, added to the built-in ones.
    autoscale
        Whether a column without a reference scale gets one from the rows themselves.
    roles
        Declared roles of pooled factors.
    residual_by
        Name of the categorical column by whose levels the residual SD differs.
    weights
        Participants that each point stands for, or sampling weights of the rows, shape (n_rows,); all alike by default.
    smooths
        The formula's smooths, where they are known; made from the rows by default.
    trials
        Name of the column of trials, of a family that has them.
    points
        Whether the rows are points that stand for moments.
    sigma
        Formula of the residual SD, as `parse_sigma` has it.

    Raises
    ------
    ModelError
        Fewer than two rows; a constant column or a factor with one level; a term that cannot be evaluated; a residual
        factor that is numeric; a smooth of a column with levels or with too few distinct values.
    DataError
        Outcomes that the family cannot produce, numbers of trials that are none, terms that are no finite numbers.
    """
    declared = dict(scales or {})
    if weights is not None and not points:
        weights = weights * (len(weights) / weights.sum())
    if len(frame) < 2:
        raise ModelError(
            f"the model needs at least 2 complete rows but got {len(frame)}. The participant flow tells why."
        )
    beside = [name for name in (residual_by, trials) if name is not None]
    needed = dict.fromkeys([*formula.columns, *beside, *(() if sigma is None else sigma.columns)])
    frame = ordered_levels(frame.loc[:, list(needed)].reset_index(drop=True), formula)
    for name in (*term_columns(formula), *(() if sigma is None else term_columns(sigma))):
        if isinstance(frame[name].dtype, pd.CategoricalDtype) and len(frame[name].cat.categories) < 2:
            raise ModelError(
                f"'{name}' has only the level {frame[name].cat.categories[0]!r} in the analysed rows, so its "
                "coefficient cannot be estimated. Remove the term or check the table."
            )
    _refuse_identifiers(frame, term_columns(formula))
    residual = None if residual_by is None else residual_factor(residual_by, frame)
    values = frame[formula.outcome]
    if isinstance(values.dtype, pd.CategoricalDtype):
        raise ModelError(f"the outcome '{formula.outcome}' is text. {family.of_text}")
    outcome_scale = scale_of(formula.outcome, declared)
    counted = None if trials is None else trials_of(frame, trials)
    numbers = values.to_numpy(float)
    if np.isfinite(numbers).all():
        check_size(numbers, f"the outcome '{formula.outcome}'")
    if outcome_scale is None and autoscale and is_measured(formula.outcome) and np.isfinite(numbers).all():
        # Families with levels need the instrument's, though its mean and SD are the rows'.
        outcome_scale = sample_scale(numbers, weights, formula.outcome)
    outcome = family.prepare(formula.outcome, numbers, outcome_scale, counted)
    if outcome_scale is None and autoscale and family.predictor_sd(None) is None:
        outcome_scale = sample_scale(outcome.values, weights)

    common, pooled, offsets = evaluate_terms(formula, frame)
    if family.own_intercepts:
        # The cutpoints are an ordinal model's intercepts; one more would not be identified.
        common = tuple(term for term in common if type(term).__name__ != "Intercept")
    terms = [*common, *(term.expr for term in pooled)]
    of_sigma = None if sigma is None else sigma_model(sigma, frame)
    centres, known = centring(
        [*terms, *(() if of_sigma is None else of_sigma.terms)],
        dict(centre or {}),
        declared,
        autoscale,
        weights,
        offsets=offsets,
        is_centred=lambda component: _is_centred(component, formula, sigma),
    )
    _refuse_far(formula if family.own_intercepts else None, sigma, terms, of_sigma, centres, family)
    if outcome_scale is not None:
        known[formula.outcome] = outcome_scale
    columns = tuple(column for term in common for column in describe(term))
    factors = _factors(formula, pooled, frame, exhaustive, roles or {})
    rows = _assemble(common, pooled, factors, frame, centres)
    idle = [_idle(factor, rows) for factor in factors]
    if any(some.any() for some in idle):
        factors = tuple(
            _without(factor, some) if some.any() else factor for factor, some in zip(factors, idle, strict=True)
        )
        rows = _assemble(common, pooled, factors, frame, centres)
    check_products(columns, rows.x)
    for factor in factors:
        check_products(factor.columns, rows.z[factor.name])
    refuse_constant(rows.x, columns, column_sizes(common, centres))
    if smooths is None:
        smooths = tuple(build_smooth(term, frame) for term in formula.smooths)
    offset = [np.asarray(part.value, dtype=float) - centres[part.name] for part in offsets]
    rows = _completed(rows, residual, smooths, frame, np.sum(offset, axis=0) if offset else None, counted)
    rows = replace(rows, weights=None if points else weights)
    if of_sigma is not None:
        rows = replace(rows, sigma=of_sigma.of_rows(frame, centres))
    return Design(
        formula,
        family,
        outcome,
        frame,
        columns,
        factors,
        residual,
        smooths,
        centres,
        known,
        rows,
        common,
        pooled,
        offsets,
        weights,
        trials,
        points,
        sigma=of_sigma,
    )


def _is_centred(component: str, formula: Formula, sigma: Formula | None) -> bool:
    """Whether a component is centred by all that has it: the formula, and that of the residual SD."""
    return all(
        each.is_centred(component) for each in (formula, sigma) if each is not None and component in each.components
    )


def _refuse_far(
    formula: Formula | None,
    sigma: Formula | None,
    terms: Sequence[Any],
    of_sigma: SigmaModel | None,
    centres: Mapping[str, float],
    family: Family,
) -> None:
    """Refuse columns that are not centred and far from zero, where what has its prior at zero is no coefficient."""
    whole = [*terms, *(() if of_sigma is None else of_sigma.terms)]
    for part in numeric_parts(whole):
        for name, values in values_of(part).items():
            away = abs(float(values.mean()) - centres[name])
            if away <= _FAR * float(values.std()):
                continue
            affected = [
                phrase
                for each, phrase in ((formula, f"the cutpoints of family '{family.name}'"), (sigma, "the residual SD"))
                if each is not None and str(part.name) in each.components
            ]
            if affected:
                raise ModelError(
                    f"'{name}' is not centred in this model, and {' and '.join(affected)} would have the prior at "
                    f"{centres[name]:g}, far from its values ({values.min():g} to {values.max():g}), which draws its "
                    "coefficient to nothing. Subtract a constant from the column in the table, or state one: "
                    f"{setting('centre', {name: round(float(values.mean()), 3)})}."
                )


def _factors(
    formula: Formula,
    pooled: tuple[Any, ...],
    frame: pd.DataFrame,
    exhaustive: tuple[str, ...],
    roles: Mapping[str, Role],
) -> tuple[PooledFactor, ...]:
    factors = []
    for chunk in formula.groups:
        terms = terms_of(pooled, chunk.factor)
        levels, _ = present_levels(frame, chunk.factor.split(":"))
        if len(levels) < 2:
            raise ModelError(
                f"the factor '{chunk.factor}' has only the level {levels[0]!r} in the analysed rows, so nothing "
                "can be pooled over it. "
                "Remove it from the formula."
            )
        columns = tuple(column for term in terms for column in describe(term.expr))
        for term in terms:
            if str(term.expr.name) in chunk.joint and len(describe(term.expr)) > 1:
                raise ModelError(
                    f"formula {shown(formula.text)}: '{term.expr.name}' makes several columns, which '|' correlates "
                    f"with each other but not with the rest that '{chunk.factor}' pools. Put all into one group "
                    "term, with '|' where all are correlated and '||' where none is."
                )
        correlated = chunk.correlated and len(columns) > 1
        role = role_of(chunk.factor, roles)
        factors.append(PooledFactor(chunk.factor, levels, columns, chunk.factor in exhaustive, correlated, role))
    return tuple(factors)


def terms_of(pooled: Sequence[Any], factor: str) -> list[Any]:
    """The terms pooled over a factor, the intercept first."""
    terms = [term for term in pooled if term.factor.name == factor]
    return sorted(terms, key=lambda term: type(term.expr).__name__ != "Intercept")


def _assemble(
    common: tuple[Any, ...],
    pooled: tuple[Any, ...],
    factors: tuple[PooledFactor, ...],
    frame: pd.DataFrame,
    centres: Mapping[str, float],
    *,
    analysed: Rows | None = None,
    counterfactual: bool = False,
) -> Rows:
    """Design arrays of the analysed rows, or of others (``analysed`` are then those that were analysed)."""
    new = analysed is not None
    blocks = [term_block(term, frame, centres, new=new) for term in common]
    z, index, unseen, lacking = {}, {}, {}, {}
    for factor in factors:
        terms = terms_of(pooled, factor.name)
        z[factor.name] = np.hstack([term_block(term.expr, frame, centres, new=new) for term in terms])
        labels, number = present_levels(frame, factor.name.split(":"))
        place = pd.Index(factor.levels).get_indexer(pd.Index(labels))
        # Rows without a level get one of those in the data where something is to be pooled for them all the same;
        # of rows to predict, that is a new level.
        idle = np.isin(labels, factor.idle)[number]
        if new and not counterfactual:
            idle &= ~z[factor.name].any(axis=1)
        here = np.isin(np.arange(len(labels)), number[~idle])
        absent = np.flatnonzero((place < 0) & here)
        if absent.size:
            place[absent] = -1 - np.arange(absent.size)
            unseen[factor.name] = tuple(labels[k] for k in absent)
        index[factor.name] = place[number]
        if idle.any():
            levels = (
                index[factor.name][~idle]
                if analysed is None
                else analysed.index[factor.name][~analysed.lacking[factor.name]]
            )
            counts = np.bincount(levels, minlength=len(factor.levels))
            index[factor.name][idle] = in_turn(counts, int(idle.sum()))
            lacking[factor.name] = idle
    x = np.hstack(blocks) if blocks else np.empty((len(frame), 0))
    return Rows(x, z, index, unseen=unseen, lacking=lacking)


def _idle(factor: PooledFactor, rows: Rows) -> np.ndarray:
    """Whether the rows of each level have nothing to pool, shape (n_levels,)."""
    if "Intercept" in factor.terms:
        return np.zeros(len(factor.levels), dtype=bool)
    return idle_levels(rows.z[factor.name], rows.index[factor.name], len(factor.levels))


def _without(factor: PooledFactor, idle: np.ndarray) -> PooledFactor:
    """The factor without the levels whose rows have nothing to pool."""
    levels = np.array(factor.levels, dtype=object)
    left = tuple(levels[~idle])
    if len(left) < 2:
        raise ModelError(
            f"{' and '.join(map(repr, factor.terms))} is zero in all analysed rows but those of "
            f"{len(left) or 'no'} level of '{factor.name}', so nothing can be pooled over it. Remove it from the "
            "formula."
        )
    return replace(factor, levels=left, idle=tuple(levels[idle]))


def _completed(
    rows: Rows,
    residual: ResidualFactor | None,
    smooths: tuple[Smooth, ...],
    frame: pd.DataFrame,
    offset: np.ndarray | None,
    trials: np.ndarray | None,
) -> Rows:
    """Rows with the levels of the residual factor, the basis columns of the smooths, the offset and the trials."""
    return replace(
        rows,
        residual=None if residual is None else residual.numbers(frame),
        basis={smooth.name: smooth.evaluate(frame[smooth.column].to_numpy(float)) for smooth in smooths},
        offset=offset,
        trials=trials,
    )
