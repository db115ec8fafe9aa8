"""One fit under analysis: what the estimands share, computed once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from alliance_bayes.effects.at import AS_THEY_ARE, Cell
from alliance_bayes.effects.averages import average, slope
from alliance_bayes.effects.counterfactual import Counterfactual, Counterfactuals, NumericSetting
from alliance_bayes.effects.explained import Spread, outcome_spread
from alliance_bayes.effects.options import Options
from alliance_bayes.effects.tabulated import Expected, Tabulations, expectation
from alliance_bayes.engines.prior import sample_prior
from alliance_bayes.errors import UsageError
from alliance_bayes.fit import FittedModel
from alliance_bayes.kinds import check_name
from alliance_bayes.model.levels import NEW_LEVEL
from alliance_bayes.model.roles import is_of_persons
from alliance_bayes.model.scales import unit_of
from alliance_bayes.remedies import argument, call

__all__ = ["NO_SLOPES", "PRIOR_DRAWS", "Analysis", "prior_fit"]

#: Why a table has no slopes that nobody asked for by name.
NO_SLOPES = "slopes: the model has no numeric predictor"
# Levels times combinations of values (`at`) in one table; fewer where each has a whole distribution.
_MOST_AT, _MOST_DISTRIBUTIONS = 5_000, 200


@dataclass(frozen=True, eq=False)
class Analysis:
    """A fit, checked options, and the intermediate results that several estimands need.

    Parameters
    ----------
    fit
        The fitted model.
    options
        What the rows of the table share.
    function
        What is expected of each row: the outcome itself by default, or the probability of an event.
    n_functions
        How many things ``function`` gives at once; None for one without an axis of its own.
    among
        Places of the analysed rows that averages are over; all by default.
    cell
        Values that everybody is set to in every average; see :meth:`at`.
    left_out
        What is not computed, and why; see :meth:`leave_out`.
    """

    fit: FittedModel
    options: Options
    function: Expected = expectation
    n_functions: int | None = None
    among: np.ndarray | None = None
    cell: Cell = AS_THEY_ARE
    left_out: list[str] = field(default_factory=list, repr=False)
    _whole: Analysis | None = field(default=None, repr=False)
    _at: dict[Cell, Analysis] = field(default_factory=dict, repr=False)
    _by_level: dict[tuple[str, str | None, bool], tuple[list[str], np.ndarray, list[str]]] = field(
        default_factory=dict, repr=False
    )

    def of(self, function: Expected, *, n_functions: int | None = None, among: np.ndarray | None = None) -> Analysis:
        """The same fit and options with something else expected of each row, or of some rows."""
        return Analysis(self.fit, self.options, function, n_functions, among, self.cell)

    def at(self, cell: Cell) -> Analysis:
        """The same analysis with everybody set to some values; it shares what does not depend on them."""
        if not cell.values:
            return self
        if cell not in self._at:
            self._at[cell] = replace(self, cell=cell, _whole=self, _at={}, _by_level={})
        return self._at[cell]

    def refuse_set(self, column: str, what: str) -> None:
        """Refuse to set a column that an estimand varies by itself.

        Raises
        ------
        UsageError
            ``at`` sets the column, or one of a combination's.
        """
        if taken := [part for part in column.split(":") if part in self.cell.columns]:
            raise UsageError(f"{argument('at')} sets '{taken[0]}', {what}. Leave it out of {argument('at')}.")

    def leave_out(self, reason: str) -> None:
        """Note that something is not computed, and why: once."""
        if reason not in self.left_out:
            self.left_out.append(reason)

    @cached_property
    def counterfactuals(self) -> Counterfactuals:
        """Maker of counterfactual settings."""
        return Counterfactuals(
            self.fit.design,
            spread=self.function is not expectation,
            among=self.among,
            numeric=self.cell.numeric,
            fixed=self.cell.fixed,
        )

    @cached_property
    def tables(self) -> Tabulations:
        """Expected outcomes of families that are not linear, or whatever ``function`` gives."""
        if self._whole is not None:
            return self._whole.tables
        return Tabulations(self.fit, self.function, self.n_functions)

    @property
    def spread(self) -> Spread:
        """Explained and residual variance of the outcome."""
        return outcome_spread(self.fit, tables=self.tables if self.tables.of_outcome else None)

    @cached_property
    def prior(self) -> Analysis:
        """The same of the prior's draws."""
        if self._whole is not None:
            return self._whole.prior.at(self.cell)
        return Analysis(prior_fit(self.fit, seed=self.options.seed), self.options)

    def slope_rope(self, predictor: str) -> tuple[float, float] | None:
        """Limits within which two slopes count as the same, per unit of the predictor; None without a ROPE.

        The ROPE is about the outcome over a declared contrast; a difference of slopes is judged over that contrast (one
        unit where its ends are the same, or where there are no rows to tell them), against half of it.
        """
        if self.options.rope is None:
            return None
        ends = self.contrast_ends(predictor)
        span = 1.0 if ends is None else float(ends[1] - ends[0]) or 1.0
        return self.options.rope[0] / 2 / span, self.options.rope[1] / 2 / span

    def slope_margins(self, predictor: str) -> dict[str, Any]:
        """Margins of a difference of slopes; the smallest relevant change is one of points, and no slope is."""
        return {"rope": self.slope_rope(predictor), "relevant": None}

    def contrast_ends(self, predictor: str) -> tuple[float, float] | None:
        """The low and the high value of a predictor that are compared.

        Those that the model declares of its focal one; else the 10th and the 90th percentile of the analysed rows, and
        None where there are no rows to tell them.
        """
        declared = self.fit.spec.declared_contrast(self.fit.design, predictor)
        if declared is not None or self.fit.moments is not None:
            return declared
        low, high = self.fit.quantiles(predictor, (0.1, 0.9))
        return low, high

    @property
    def no_slopes(self) -> str:
        """Why there are no slopes where none is named by its predictor; empty where there are."""
        focal, factor = self.fit.spec.focal_predictor(self.fit.design), self.focal_factor
        if focal is None and factor is not None and self._numeric:
            kind = "0 or 1, whose difference is its slope" if self._is_indicator(factor) else "a factor"
            return f"slopes: the predictor of interest, '{factor}', is {kind}; name a numeric one for its slopes"
        if focal is None:
            return NO_SLOPES
        taken = any(focal in cell.columns for cell in self.options.at)
        return f"slopes: everybody is set to the same value of '{focal}'" if taken else ""

    @property
    def focal_factor(self) -> str | None:
        """The factor that the model is asked about, whose levels are compared; None where it is a slope, or nothing."""
        return self.fit.spec.focal_factor(self.fit.design)

    @property
    def _numeric(self) -> list[str]:
        """Numeric predictors of the model."""
        frame = self.fit.design.frame
        return [name for name in self.fit.design.predictors if pd.api.types.is_numeric_dtype(frame[name])]

    @property
    def n_draws(self) -> int:
        """Number of draws over all chains."""
        return prod(self.fit.shape)

    @cached_property
    def infinite_variance(self) -> str:
        """A note where the outcome's variance is infinite in some draws; empty where it never is."""
        share = float(np.isinf(self.spread.residual).mean())
        return (
            f"the residual variance is infinite (nu <= 2) in {share:.1%} of the draws, which count as 0"
            if share
            else ""
        )

    @property
    def outcome_unit(self) -> str:
        """What one unit of the outcome is called."""
        if self.fit.design.family.event:
            return "probability"
        return self.unit_of(self.fit.design.outcome.name)

    def unit_of(self, column: str) -> str:
        """What one unit of a column is called: its scale's word, else "unit of <column>"."""
        return unit_of(column, self.fit.spec.scales)

    def predictor(self, asked: str | None) -> str:
        """The numeric predictor whose slope is asked for, the model's focal one by default.

        Raises
        ------
        UsageError
            There is none, it is not a numeric predictor of the model, or it does not vary.
        """
        frame, names = self.fit.design.frame, self._numeric
        if asked is not None:
            check_name("predictor", asked)
        name = self.fit.spec.focal_predictor(self.fit.design) if asked is None else asked
        if name is None and self.focal_factor in names:
            name = self.focal_factor
        if name is None and self.focal_factor is not None and names:
            raise UsageError(
                f"the predictor of interest, {self.focal_factor!r}, is a factor, which has no slope: its levels are "
                f"compared by {call('contrasts')}. For a slope name one of the numeric predictors: {', '.join(names)}."
            )
        if name is None or name not in names:
            reason = "the model has no numeric predictor, so it has no slope" if name is None else ""
            factor = (
                f" but a factor, whose levels are compared by {call('contrasts')}" if name in self.factors() else ""
            )
            raise UsageError(
                f"{reason or f'{name!r} is not a numeric predictor of this model{factor}'}. "
                f"Numeric predictors: {', '.join(names) or 'none'}."
            )
        if frame[name].nunique() < 2:
            raise UsageError(
                f"'{name}' has the same value in all analysed rows, so it has no slope. Choose another predictor."
            )
        self.refuse_set(name, "whose slope is asked for")
        return name

    def multiplied(self, factor: str) -> list[str]:
        """Numeric predictors that a factor is multiplied with, or whose slope it pools, in the formula's order."""
        terms = [term.split(":") for term in self.fit.design.formula.common]
        pooled = [grouping for grouping in self.fit.design.factors if grouping.name == factor]
        terms += [[factor, *column.term.split(":")] for grouping in pooled for column in grouping.columns]
        names = [name for name in self._numeric if name != factor]
        return [name for name in names if any(factor in parts and name in parts for parts in terms)]

    def values(self, predictor: str) -> np.ndarray:
        """The predictor in the analysed rows, shape (n_rows,)."""
        return self.fit.design.frame[predictor].to_numpy(float)

    def factors(self) -> list[str]:
        """Pooled factors in the formula's order, then those categorical columns of common terms that are not pooled.

        An indicator that the model is asked about is the last.
        """
        pooled = [factor.name for factor in self.fit.design.factors]
        focal = () if self.focal_factor is None else (self.focal_factor,)
        return list(dict.fromkeys([*pooled, *self.counterfactuals.in_common, *focal]))

    def is_of_persons(self, factor: str) -> bool:
        """Whether the levels of a pooled factor are single persons, or look like it."""
        n_rows = self.fit.design.rows.n
        return any(grouping.name == factor and is_of_persons(grouping, n_rows) for grouping in self.fit.design.factors)

    def levels(self, factor: str) -> list[str]:
        """Labels of a factor's levels in their declared order.

        Raises
        ------
        UsageError
            Not a factor of the model.
        """
        check_name("factor", factor)
        for pooled in self.fit.design.factors:
            if pooled.name == factor:
                return list(pooled.levels)
        if factor not in self.counterfactuals.in_common and not self._is_indicator(factor):
            number = (
                f" '{factor}' is a number: {call('predictions')} says what is expected at values of it; for "
                f"differences between two of them read it as a factor, {argument('categorical', [factor])}."
                if factor in self._numeric
                else ""
            )
            raise UsageError(
                f"{factor!r} is not a factor of this model. Its factors: {', '.join(self.factors()) or 'none'}.{number}"
            )
        return list(self.fit.design.level_labels(factor))

    def _is_indicator(self, name: str) -> bool:
        """Whether a predictor is a number that is 0 or 1 for everybody."""
        return name in self._numeric and self.fit.design.is_indicator(name)

    def has_new_level(self, factor: str) -> bool:
        """Whether the population puts one new level in place of the factor's own: of a sampled one only."""
        sampled = [pooled.name for pooled in self.fit.design.factors if not pooled.exhaustive]
        return self.options.population == "new" and factor in sampled

    def settings(self, factor: str) -> list[dict[str, str]]:
        """What each level of a factor is in terms of columns, in the order of :meth:`levels`."""
        for pooled in self.fit.design.factors:
            if pooled.name == factor:
                return self.counterfactuals.level_columns(pooled)
        return [{factor: level} for level in self.levels(factor)]

    def averages(self, counterfactuals: Sequence[Counterfactual], *, apart: bool = False) -> np.ndarray:
        """Average expected outcomes, shape (n_draws, n_counterfactuals); see `alliance_bayes.effects.averages`."""
        return average(self.fit, counterfactuals, seed=self.options.seed, tables=self.tables, apart=apart)

    def slopes(
        self, predictor: str, settings: Iterable[dict[str, str]], *, at: Sequence[NumericSetting] = ()
    ) -> tuple[np.ndarray, list[str]]:
        """Average slopes of the expected outcome on a predictor.

        Parameters
        ----------
        predictor
            A numeric column.
        settings
            Categorical columns and levels to fix, one mapping a slope; an empty one for the population as it is.
        at
            Other numeric columns to set.

        Returns
        -------
        tuple
            Shape (n_draws, n_settings), in outcome units per unit of the predictor; and why a slope is NaN (empty
            where it is not).
        """
        placed = [
            self.counterfactuals.of(self.options.population, numeric=tuple(at), fixed=fixed, along=predictor)
            for fixed in settings
        ]
        problems = [counterfactual.problem for counterfactual in placed]
        return slope(self.fit, placed, seed=self.options.seed, tables=self.tables), problems

    def by_level(
        self, factor: str, *, predictor: str | None = None, apart: bool = False
    ) -> tuple[list[str], np.ndarray, list[str]]:
        """Means (or slopes on ``predictor``) with everybody at each level of a factor; ``apart`` for their differences.

        Returns
        -------
        tuple
            Labels; draws of shape (n_levels, chain, draw), or with an axis of functions at the end; and why a level's
            are NaN (empty where they are not). Population "new" has one new level in place of a sampled factor's.
        """
        check_name("factor", factor)
        self.refuse_set(factor, f"but the levels of '{factor}' are asked for, one after the other")
        key = (factor, predictor, apart)
        if key not in self._by_level:
            labels, settings = self.levels(factor), self.settings(factor)
            if self.has_new_level(factor):
                labels, settings = [NEW_LEVEL], [{}]
            if reason := self.too_many(factor):
                raise UsageError(reason)
            subset, note = self._of_rows_with(factor)
            if subset is None:
                draws, problems = np.full((self.n_draws, len(labels)), np.nan), [note] * len(labels)
            elif predictor is None:
                placed = [subset.counterfactuals.of(self.options.population, fixed=fixed) for fixed in settings]
                draws = subset.averages(placed, apart=apart)
                problems = [counterfactual.problem or note for counterfactual in placed]
            else:
                draws, problems = subset.slopes(predictor, settings)
                problems = [problem or note for problem in problems]
            self._by_level[key] = labels, self._levels_first(draws), problems
        return self._by_level[key]

    def of_everybody(self, factor: str) -> np.ndarray:
        """Average expected outcome of those who have a level of a factor, as they are: what its means lie around.

        Shape (n_draws,); NaN where moments do not tell who has one.
        """
        subset, _ = self._of_rows_with(factor)
        if subset is None:
            return np.full(self.n_draws, np.nan)
        return np.asarray(subset.averages([subset.counterfactuals.of(self.options.population)])[:, 0])

    def _of_rows_with(self, factor: str) -> tuple[Analysis | None, str]:
        """The analysis of the rows that have a level of a factor, and a note where not all of them do."""
        design = self.fit.design
        lacking = design.rows.lacking.get(factor)
        if lacking is None:
            return self, ""
        if design.points:
            return None, f"is averaged over the rows that have a level of '{factor}', which moments do not tell apart"
        places = np.arange(design.rows.n) if self.among is None else self.among
        having = places[~lacking[places]]
        # Without their number, which would tell how many have none.
        return replace(self, among=having, _by_level={}, _at={}), f"averaged over rows with a level of '{factor}'"

    def too_many(self, factor: str) -> str:
        """Why a factor's levels at several values are more than a table holds; empty where they are not.

        They are fewer where each has a whole distribution, which memory holds.
        """
        n_levels, n_cells = len(self.levels(factor)), len(self.options.at)
        most = _MOST_AT if self.n_functions is None else _MOST_DISTRIBUTIONS
        if n_cells < 2 or n_levels * n_cells <= most:
            return ""
        return (
            f"the {n_levels:,} levels of '{factor}' at {n_cells} combinations of values make {n_levels * n_cells:,} "
            f"averages, and at most {most:,} are computed at once. Give {argument('at')} fewer values."
        )

    def _levels_first(self, draws: np.ndarray) -> np.ndarray:
        """Stacked draws (n_draws, n_levels, ...) as (n_levels, chain, draw, ...)."""
        return np.stack([self.fit.with_chains(draws[:, level]) for level in range(draws.shape[1])])

    def shaped(self, draws: np.ndarray | float) -> np.ndarray:
        """Draws of the fit, stacked (n_draws,) or one number for all, as (chain, draw)."""
        values = np.asarray(draws, dtype=float)
        if values.shape == self.fit.shape:
            return values
        if values.shape not in ((), (self.n_draws,)):
            raise UsageError(
                f"an estimate should have one number a draw, an array of shape ({self.n_draws},) or {self.fit.shape}, "
                f"but got one of shape {values.shape}."
            )
        return self.fit.with_chains(np.broadcast_to(values, (self.n_draws,)))


#: Draws behind a probability that the prior gives: its standard error is below .016, and averages of families that are
#: not linear take their time.
PRIOR_DRAWS = 1000


def prior_fit(fit: FittedModel, *, draws: int = PRIOR_DRAWS, seed: int = 0) -> FittedModel:
    """The same model with independent draws from its prior, in one chain.

    Parameters
    ----------
    fit
        The fitted model, for its design and priors.
    draws, seed
        Number of draws, and their seed.
    """
    tree = xr.DataTree.from_dict({"posterior": sample_prior(fit.design, fit.priors, draws=draws, seed=seed)})
    return replace(fit, tree=tree)
