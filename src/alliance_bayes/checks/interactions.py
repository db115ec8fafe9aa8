"""Whether the model misses products of its columns."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
import pandas as pd

from alliance_bayes.checks.check import Check, CheckResult, percent
from alliance_bayes.checks.context import Context
from alliance_bayes.checks.lack_of_fit import discrepancies, judged, spline_basis, tangent
from alliance_bayes.checks.residuals import fired_of, named
from alliance_bayes.wording import Wording

__all__ = ["MOST_CELLS", "MOST_LEVELS", "MOST_PAIRS", "Interactions"]

SENTENCES = Wording("alliance_bayes.checks", "sentences/interactions.toml")
#: Most pairs of columns that are looked at, those with the predictor of interest first.
MOST_PAIRS = 60
#: Most levels of a factor, and most combinations of levels of two factors.
MOST_LEVELS = 50
MOST_CELLS = 60
_COLUMNS = ["column", "with", "kind", "df", "share", "p"]


class Interactions(Check):
    """Compare what the residuals have along products of two columns of the model with replicates.

    ``warn`` when a pair's test fires. Of two numbers, the test looks along their product; of a number and a factor of
    up to 50 levels, at the number's slope in every level; of two factors, at all combinations of levels, of which there
    may be 60. What the two columns do alone, the numbers along curves, is taken out first, so that a bend is not taken
    for an interaction. The table has one row a pair: ``column``, ``with``, ``kind`` (``numbers``, ``slopes`` or
    ``levels``), ``df``, ``share`` (of the residual variance, beyond chance) and ``p``, adjusted for the number of
    pairs.

    Notes
    -----
    A product that the model has among its common terms has nothing left to test (p is 1). Slopes that a factor pools
    are tested: the check fires where the pooling prior holds them together too strongly.
    """

    name = "interactions"
    title = "Two-way interactions"
    looks_at = "two-way interactions of the model's columns"
    meaning = "A slope, or a difference between groups, is an average of different ones, which the model does not tell."
    concerns = ("effects", "groups")
    needs_rows = "What residuals have along products of columns"

    def examine(self, context: Context) -> CheckResult:
        """Compare what the residuals have along products of two columns with replicates."""
        looked_at, context = context.sampled, context.sample
        numbers, factors = _numbers(context), _factors(context)
        pairs = list(_pairs(context, numbers, factors))
        if not pairs:
            return self.result("info", SENTENCES("none") + looked_at, nothing=True)
        alone = [spline_basis(values) for values in numbers.values()] + list(factors.values())
        known = tangent(context, np.hstack(alone))
        bases = {(one, other): _product(one, other, numbers, factors) for one, other in pairs[:MOST_PAIRS]}
        tests = judged(
            discrepancies(context, {f"{one} and {other}": basis for (one, other), basis in bases.items()}, known)
        )
        rows = [
            (one, other, _kind(one, other, numbers), test.df, test.share, test.p)
            for (one, other), test in zip(bases, tests.values(), strict=True)
        ]
        table = pd.DataFrame(rows, columns=_COLUMNS)
        fired = fired_of(tests, context.rate)
        passed_over = SENTENCES("passed_over", n=len(pairs) - MOST_PAIRS) if len(pairs) > MOST_PAIRS else ""
        if fired:
            one, other = dict(zip(tests, bases, strict=True))[fired[0]]
            sentence = SENTENCES("fired", pairs=named(fired, tests), remedy=_remedy(context, one, other, numbers))
        else:
            sentence = SENTENCES("level", n=len(tests), share=percent(1 - context.rate))
        text = " ".join(filter(None, [sentence, passed_over]))
        return self.result("warn" if fired else "pass", text + looked_at, table)


def _numbers(context: Context) -> dict[str, np.ndarray]:
    predictors = context.fit.design.predictors
    return {name: values for name, values in context.numeric.items() if name in predictors}


def _factors(context: Context) -> dict[str, np.ndarray]:
    """Indicators of the levels of every factor of the model that is a column with few levels, shape (n, n_levels)."""
    return {
        grouping.name: np.asarray(grouping.indicators, dtype=float)
        for grouping in context.groupings
        if grouping.role != "left out"
        and isinstance(context.fit.design.frame.get(grouping.name, pd.Series(dtype=float)).dtype, pd.CategoricalDtype)
        and 2 <= len(grouping.levels) <= MOST_LEVELS
    }


def _pairs(
    context: Context, numbers: dict[str, np.ndarray], factors: dict[str, np.ndarray]
) -> Iterator[tuple[str, str]]:
    """Pairs of columns, those with the predictor of interest first."""
    design = context.fit.design
    focal = context.fit.spec.focal_predictor(design) or context.fit.spec.focal_factor(design)
    names = sorted([*numbers, *factors], key=lambda name: name != focal)
    for one, other in combinations(names, 2):
        if one in factors and other in factors and factors[one].shape[1] * factors[other].shape[1] > MOST_CELLS:
            continue
        # The number first, whose slope may differ.
        yield (other, one) if one in factors and other in numbers else (one, other)


def _kind(one: str, other: str, numbers: dict[str, np.ndarray]) -> str:
    return "numbers" if other in numbers else "slopes" if one in numbers else "levels"


def _product(one: str, other: str, numbers: dict[str, np.ndarray], factors: dict[str, np.ndarray]) -> np.ndarray:
    parts = [_centred(numbers[name])[:, None] if name in numbers else factors[name] for name in (one, other)]
    return np.asarray((parts[0][:, :, None] * parts[1][:, None, :]).reshape(len(parts[0]), -1))


def _centred(values: np.ndarray) -> np.ndarray:
    away = values - values.mean()
    return np.asarray(away / max(float(np.abs(away).max()), 1e-300))


def _remedy(context: Context, one: str, other: str, numbers: dict[str, np.ndarray]) -> str:
    """What to write into the formula."""
    if _kind(one, other, numbers) == "numbers":
        return SENTENCES("product", one=one, other=other)
    groups = {group.factor: group for group in context.fit.design.formula.groups}
    if _kind(one, other, numbers) == "levels":
        return SENTENCES("cells", one=one, other=other)
    if other in groups and one in groups[other].terms:
        return SENTENCES("pooled", one=one, other=other)
    return SENTENCES("slopes", one=one, other=other, common=other not in groups)
