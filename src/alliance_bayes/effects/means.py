"""Means of the outcome by level of a factor, standardised over the analysed sample; ranks and differences of levels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from typing import Any, Literal, Unpack, override

import numpy as np

from alliance_bayes.effects.analysis import Analysis
from alliance_bayes.effects.at import compared_cells
from alliance_bayes.effects.estimand import MOST_LEVELS, Estimand
from alliance_bayes.effects.options import (
    DENOMINATORS,
    AtOptions,
    EffectAtOptions,
    EffectOptions,
    with_common_options,
)
from alliance_bayes.effects.summary import Difference, Estimate
from alliance_bayes.effects.table import EffectTable, Measure
from alliance_bayes.errors import UsageError
from alliance_bayes.fit import FittedModel
from alliance_bayes.foreign import shown
from alliance_bayes.kinds import check_name, chosen, is_text_list
from alliance_bayes.readonly import ReadOnly
from alliance_bayes.remedies import argument
from alliance_bayes.rounding import ROUNDING

__all__ = [
    "ADJUSTED_MEANS",
    "CONTRASTS",
    "OVERALL_MEAN",
    "RANKS",
    "adjusted_means",
    "contrasts",
    "judged_if_change",
    "later_first",
    "levels_to_compare",
    "overall_mean",
    "ranks",
]

# 100 levels are 4,950 pairs, about 20 seconds; ten times as many levels are half a million pairs, which nobody reads.
_MOST_COMPARED = 100
# Levels whose pairs are in a table that did not name their factor.
_MOST_UNNAMED = 60
# Differences and differences of differences in one table, at all values of `at`: as many as 100 levels make pairs.
_MOST_ROWS = 5_000


@with_common_options
def adjusted_means(fit: FittedModel, factor: str, **options: Unpack[AtOptions]) -> EffectTable:
    """Average expected outcome with everybody in the analysed sample at each level of a factor (estimand ``mean``).

    Parameters
    ----------
    fit
        The fitted model.
    factor
        A pooled factor ("country", "country:sex") or a categorical column of a common term. Of combinations of
        columns, those that have rows. With population ``"new"``, a sampled one has one row, its new level; the
        population is otherwise over the other factors.

    Returns
    -------
    EffectTable
        One row a level, in units of the outcome.

    Raises
    ------
    UsageError
        An option is outside what is accepted, the factor is not one of the model's, or population ``"new"`` without a
        sampled factor.

    References
    ----------
    .. [1] Robins (1986). A new approach to causal inference in mortality studies with a sustained exposure period.
       Mathematical Modelling 7. doi 10.1016/0270-0255(86)90088-6
    """
    return ADJUSTED_MEANS(fit, factor=factor, **options)


class AdjustedMeans(Estimand):
    """See :func:`adjusted_means`."""

    name = "adjusted_means"
    title = "means"
    options = AtOptions
    most_levels = MOST_LEVELS
    measures = ReadOnly({"mean": Measure("{factor}: {level}", lead="adjusted mean")})

    @override
    def estimates(self, analysis: Analysis, factor: str) -> Iterator[Estimate]:
        for label, draws, problem in zip(*analysis.by_level(factor), strict=True):
            yield self.row(analysis, "mean", draws, factor=factor, level=label, note=problem)


ADJUSTED_MEANS = AdjustedMeans()


@with_common_options
def overall_mean(fit: FittedModel, **options: Unpack[EffectOptions]) -> EffectTable:
    """Average expected outcome of everybody in the analysed sample as they are (estimand ``overall_mean``).

    With some of their predictors set to given values it is :func:`predictions`.

    Parameters
    ----------
    fit
        The fitted model.
    rope, relevant
        Region of practical equivalence and smallest relevant change in points of the outcome, for an outcome whose
        zero means "no effect": one whose scale has zero between its ends, as a change has. Those of the WHO-5 for a
        change of the WHO-5 by default, none for others.

    Returns
    -------
    EffectTable
        One row, in units of the outcome.

    Raises
    ------
    UsageError
        An option is outside what is accepted, or population ``"new"`` without a sampled factor.
    """
    return OVERALL_MEAN(fit, **options)


class OverallMean(Estimand):
    """See :func:`overall_mean`."""

    name = "overall_mean"
    title = "overall mean"
    measures = ReadOnly({"overall_mean": Measure("Mean of everybody", judged=True)})

    @override
    def estimates(self, analysis: Analysis) -> Iterator[Estimate]:
        everybody = analysis.counterfactuals.of(analysis.options.population)
        draws = analysis.averages([everybody])[:, 0]
        yield self.row(analysis, "overall_mean", draws, note=everybody.problem, **judged_if_change(analysis.fit))


OVERALL_MEAN = OverallMean()


def judged_if_change(fit: FittedModel) -> dict[str, Any]:
    """Facts of a row that is a mean of the outcome: zero means "no effect" where the outcome is a change alone."""
    scale = fit.design.scales.get(fit.design.outcome.name)
    ends = (None, None) if scale is None else (scale.lower, scale.upper)
    # A change has zero between the ends of its scale.
    signed = ends[0] is not None and ends[1] is not None and ends[0] < 0 < ends[1]
    return {"signed": True} if signed else {"rope": None, "relevant": None}


@with_common_options
def ranks(
    fit: FittedModel,
    factor: str,
    *,
    of: Literal["mean", "slope"] = "mean",
    predictor: str | None = None,
    **options: Unpack[AtOptions],
) -> EffectTable:
    """Rank of each level of a factor, 1 for the highest (estimands ``rank_of_mean``, ``rank_of_slope``).

    Parameters
    ----------
    fit
        The fitted model.
    factor
        A pooled factor or a categorical column of a common term. With population ``"new"``, nothing of a sampled one
        is left to rank.
    of
        ``"mean"`` or ``"slope"``.
    predictor
        For slopes: a numeric predictor; the model's focal one by default.

    Returns
    -------
    EffectTable
        One row a level.

    Raises
    ------
    UsageError
        As :func:`adjusted_means`.

    Notes
    -----
    Levels with few rows are shrunk towards the others, so their ranks are drawn to the middle; tied levels share
    their average rank. A mean rank is not the rank of the mean: the intervals say how little one sample tells about
    the order.
    """
    return RANKS(fit, factor=factor, of=of, predictor=predictor, **options)


class Ranks(Estimand):
    """See :func:`ranks`."""

    name = "ranks"
    title = "ranks"
    options = AtOptions
    most_levels = MOST_LEVELS
    measures = ReadOnly(
        {
            f"rank_of_{of}": Measure(
                f"{{factor}}: rank of the {of} of {{level}}",
                "rank among {n}",
                lead="rank of the adjusted mean" if of == "mean" else "",
            )
            for of in ("mean", "slope")
        }
    )

    @override
    def estimates(
        self, analysis: Analysis, factor: str, *, of: str = "mean", predictor: str | None = None
    ) -> Iterator[Estimate]:
        # All of its distributions are made when it is imported, which takes longer than this.
        from scipy import stats

        chosen("of", of, ("mean", "slope"))
        name = analysis.predictor(predictor) if of == "slope" else None
        labels, draws, problems = analysis.by_level(factor, predictor=name)
        # One level that cannot be placed leaves every level without a place.
        problem = next(filter(None, problems), "")
        row = partial(self.row, analysis, f"rank_of_{of}", term=name, factor=factor, words={"n": len(labels)})
        for label, values in zip(labels, stats.rankdata(-draws, axis=0, nan_policy="propagate"), strict=True):
            yield row(values, level=label, note=problem)


RANKS = Ranks()


@with_common_options
def contrasts(
    fit: FittedModel,
    factor: str,
    *,
    of: Literal["mean", "slope"] = "mean",
    levels: Sequence[str] | None = None,
    denominator: Literal["residual_sd", "total_sd"] = "residual_sd",
    predictor: str | None = None,
    **options: Unpack[EffectAtOptions],
) -> EffectTable:
    """All pairwise differences between a factor's levels, in points and as Cohen's d.

    Parameters
    ----------
    fit
        The fitted model.
    factor
        A pooled factor or a categorical column of a common term.
    of
        ``"mean"`` (adjusted means, as :func:`adjusted_means`) or ``"slope"`` (as :func:`slopes_by_level`).
    levels
        Which levels, in an order of their own; all in their declared order by default.
    denominator
        What Cohen's d is divided by, draw by draw. ``"residual_sd"``: square root of the average variance of the
        outcome around its expectation (for a Student t, sigma times the square root of nu / (nu - 2), which is its
        SD; sigma is not), averaged over the analysed rows; ``"total_sd"``: square root of explained plus residual
        variance.
    predictor
        For slopes: a numeric predictor; the model's focal one by default.

    Returns
    -------
    EffectTable
        For every pair a row in points (``contrast_of_means`` or ``contrast_of_slopes``; of the factor that the model is
        asked about also ``contrast_in_sample``, of population ``"sample"``, beside one of ``"average"`` where a sampled
        factor makes the two differ), then for every pair a row in SDs (``cohens_d_of_means``, ``cohens_d_of_slopes``).
        Every row is ``level`` minus ``versus``, the later level minus the earlier.

        With several values in ``at``, these are of each combination of values. Then come the differences between them,
        a row for every pair of levels and every two combinations that differ in one predictor, in points:
        ``interaction_contrast_of_means`` or ``interaction_contrast_of_slopes``, ``level`` minus ``versus`` at the later
        value minus the same at the earlier ("month = 12 minus month = 2"): a difference in differences. Of a predictor
        that is itself a factor it is the interaction contrast of the two factors.

    Raises
    ------
    UsageError
        An option is outside what is accepted, the factor or a level is not one of the model's, there are too many
        levels to compare all, or the population leaves a sampled factor without levels.

    Notes
    -----
    The levels of a pooled factor are estimated together and shrunk towards each other, so the differences need no
    correction for their number [1]_. For slopes, ``p_rope_prior`` is the prior's probability of lying within the ROPE:
    how much of an equivalence is the prior's.

    The SD that Cohen's d is divided by is of the analysed rows as they are, whatever ``at`` says.

    The ROPE and the smallest relevant change are in points and apply to the rows in points. A difference of slopes is
    judged over the step from the predictor's 10th to its 90th percentile (one unit where they are the same or unknown),
    against half of the ROPE; the row has these limits per unit, and no smallest relevant change.

    References
    ----------
    .. [1] Gelman, Hill, Yajima (2012). Why we (usually) don't have to worry about multiple comparisons. Journal of
       Research on Educational Effectiveness 5(2). doi 10.1080/19345747.2011.618213
    """
    return CONTRASTS(fit, factor=factor, of=of, levels=levels, denominator=denominator, predictor=predictor, **options)


class Contrasts(Estimand):
    """See :func:`contrasts`; in a table with others, of means and of slopes unless one of them is asked for."""

    name = "contrasts"
    title = "contrasts"
    options = EffectAtOptions
    most_levels = _MOST_UNNAMED
    instead = "contrasts(levels=...)"
    compares = True
    measures = ReadOnly(
        {
            "contrast_of_means": Measure(
                "{level} minus {versus}",
                subject="the adjusted mean",
                sentence="{outcome} was {word} {way} for {factor} “{level}” than for “{versus}”, by {size}{points}"
                "{over}{given}",
                unsettled="Whether {outcome} was higher or lower for {factor} “{level}” than for “{versus}” is not "
                "settled{leaning}: the estimate of “{level}” minus “{versus}” is {mean}{points}{over}{given}",
                difference=True,
                judged=True,
                lead="difference of adjusted means",
            ),
            "contrast_in_sample": Measure(
                "{level} minus {versus}, over the levels in the data",
                subject="the adjusted mean",
                difference=True,
                judged=True,
            ),
            "cohens_d_of_means": Measure(
                "{level} minus {versus}",
                "SD",
                subject="the adjusted mean",
                difference=True,
                lead="standardised difference of adjusted means",
            ),
            "contrast_of_slopes": Measure(
                "{level} minus {versus}",
                "{outcome} per {unit}",
                subject="the slope of {term}",
                difference=True,
                judged=True,
                lead="difference of slopes",
                tells="spread",
            ),
            "cohens_d_of_slopes": Measure(
                "{level} minus {versus}",
                "SD per {unit}",
                subject="the slope of {term}",
                difference=True,
                lead="standardised difference of slopes",
                tells="spread",
            ),
            "interaction_contrast_of_means": Measure(
                "Difference in differences: {level} minus {versus}",
                subject="the adjusted mean",
                difference=True,
                judged=True,
            ),
            "interaction_contrast_of_slopes": Measure(
                "Difference in differences: {level} minus {versus}",
                "{outcome} per {unit}",
                subject="the slope of {term}",
                difference=True,
                judged=True,
                tells="spread",
            ),
        }
    )

    @override
    def estimates(
        self,
        analysis: Analysis,
        factor: str,
        *,
        of: str = "mean",
        levels: Sequence[str] | None = None,
        denominator: str = "residual_sd",
        predictor: str | None = None,
    ) -> Iterator[Estimate]:
        chosen("of", of, ("mean", "slope"))
        chosen("denominator", denominator, DENOMINATORS)
        if predictor is not None:
            check_name("predictor", predictor)
        name = analysis.predictor(predictor) if of == "slope" else None
        compared = levels_to_compare(analysis, factor, levels)
        _, block, problems = analysis.by_level(factor, predictor=name, apart=True)
        variance = analysis.spread.residual if denominator == "residual_sd" else analysis.spread.total
        sd = analysis.shaped(np.sqrt(variance))
        judged: dict[str, Any] = {} if name is None else analysis.slope_margins(name)
        before = None
        if judged.get("rope") is not None:
            before = analysis.prior.by_level(factor, predictor=name)[1]
        row = partial(self.row, analysis, term=name, factor=factor)
        pairs = later_first(compared)
        for (first, level), (second, versus) in pairs:
            prior = None if before is None else Difference(before, first, second)
            yield row(
                f"contrast_of_{of}s",
                Difference(block, first, second),
                level=level,
                versus=versus,
                prior=prior,
                note=problems[first] or problems[second],
                **judged,
            )
        if name is None and factor == analysis.focal_factor:
            yield from self._in_sample(analysis, factor, block, pairs)
        for (first, level), (second, versus) in pairs:
            yield row(
                f"cohens_d_of_{of}s",
                Difference(block, first, second, sd),
                level=level,
                versus=versus,
                denominator=DENOMINATORS[denominator],
                note=problems[first] or problems[second] or analysis.infinite_variance,
            )

    def _in_sample(
        self, analysis: Analysis, factor: str, block: np.ndarray, pairs: Sequence[tuple[Any, Any]]
    ) -> Iterator[Estimate]:
        """The differences over the levels of sampled factors in the data, where those over all that could be differ."""
        if analysis.options.population != "average":
            return
        options = replace(analysis.options, population="sample")
        _, in_sample, problems = replace(analysis, options=options, _by_level={}, _at={}).by_level(factor, apart=True)
        if np.allclose(
            in_sample - in_sample[:1], block - block[:1], rtol=1e-9, atol=1e-9 * np.abs(block).max(), equal_nan=True
        ):
            return
        for (first, level), (second, versus) in pairs:
            yield self.row(
                analysis,
                "contrast_in_sample",
                Difference(in_sample, first, second),
                factor=factor,
                level=level,
                versus=versus,
                note=problems[first] or problems[second],
                population="sample",
            )

    @override
    def at_cells(self, analyses: Sequence[Analysis], given: Mapping[str, Any]) -> Iterator[Estimate]:
        compared = levels_to_compare(analyses[0], given["factor"], given.get("levels"))
        if reason := _too_many(analyses[0], given["factor"], len(compared)):
            raise UsageError(reason)
        yield from super().at_cells(analyses, given)
        if cells := list(compared_cells([analysis.cell for analysis in analyses])):
            yield from self._interactions(analyses, cells, **given)

    @override
    def too_many(self, analysis: Analysis, factor: str) -> str:
        return _too_many(analysis, factor, len(analysis.levels(factor)))

    def _interactions(
        self,
        analyses: Sequence[Analysis],
        cells: Sequence[tuple[int, int, str]],
        *,
        factor: str,
        of: str = "mean",
        levels: Sequence[str] | None = None,
        predictor: str | None = None,
        **others: Any,
    ) -> Iterator[Estimate]:
        """Differences between two combinations of values in the differences between two levels."""
        name = analyses[0].predictor(predictor) if of == "slope" else None
        judged: dict[str, Any] = {} if name is None else analyses[0].slope_margins(name)
        blocks = [analysis.by_level(factor, predictor=name, apart=True)[1:] for analysis in analyses]
        cells_at = [analysis.cell for analysis in analyses]
        before = None
        if judged.get("rope") is not None:
            before = [analysis.prior.by_level(factor, predictor=name)[1] for analysis in analyses]
        for later, earlier, at in cells:
            (block, problems), (other, more) = blocks[later], blocks[earlier]
            note = "; ".join(dict.fromkeys(filter(None, (cells_at[k].note for k in (earlier, later)))))
            for (first, level), (second, versus) in later_first(levels_to_compare(analyses[0], factor, levels)):
                prior = None if before is None else _OfDifferences(before[later], before[earlier], first, second)
                problem = problems[first] or problems[second] or more[first] or more[second]
                draws = _OfDifferences(block, other, first, second)
                if not draws().any():
                    changed = ", ".join(column for column, _ in {*cells_at[later].values} - {*cells_at[earlier].values})
                    problem = f"zero by the model, in which no term lets this difference depend on {changed}"
                yield self.row(
                    analyses[later],
                    f"interaction_contrast_of_{of}s",
                    draws,
                    term=name,
                    factor=factor,
                    level=level,
                    versus=versus,
                    at=at,
                    prior=prior,
                    note="; ".join(filter(None, (problem, note))),
                    **judged,
                )

    @override
    def heading(self, given: Mapping[str, Any]) -> str:
        return f"contrasts of {given['of']}s"

    @override
    def among_others(self, analysis: Analysis, given: Mapping[str, Any]) -> Iterator[Estimate]:
        factor = analysis.focal_factor
        kinds = [given["of"]] if "of" in given else ["mean", "slope"]
        if "of" not in given and given.get("predictor") is None and (reason := analysis.no_slopes):
            kinds = ["mean"]
            analysis.leave_out(reason)
        for of in kinds:
            yield from super().among_others(analysis, {**given, "of": of})
        fixed = {name for cell in analysis.options.at for name in cell.columns}
        if kinds != ["mean"] or "of" in given or factor is None or fixed & set(factor.split(":")):
            return
        if given.get("factor", factor) == factor:
            # How the differences that the model is asked about vary with what their factor is multiplied with.
            for name in (predictor for predictor in analysis.multiplied(factor) if predictor not in fixed):
                yield from super().among_others(analysis, {**given, "of": "slope", "predictor": name, "factor": factor})


CONTRASTS = Contrasts()


def _too_many(analysis: Analysis, factor: str, n_levels: int) -> str:
    """Why so many levels at several values make more differences than a table holds; empty where they do not."""
    n_cells, n_compared = len(analysis.options.at), len(list(compared_cells(analysis.options.at)))
    count = n_levels * (n_levels - 1) // 2 * (2 * n_cells + n_compared)
    if n_cells < 2 or count <= _MOST_ROWS:
        return ""
    return (
        f"{n_levels} levels of '{factor}' at {n_cells} combinations of values make {count:,} differences, and at most "
        f"{_MOST_ROWS:,} are in one table. Name fewer values, or fewer levels: {argument('levels', ...)}"
    )


@dataclass(frozen=True, eq=False)
class _OfDifferences:
    """The difference of two levels in one block of draws minus that in another, computed when asked for."""

    block: np.ndarray
    other: np.ndarray
    first: int
    second: int

    def __call__(self) -> np.ndarray:
        """Return the draws, shape (chain, draw)."""
        sides = np.stack([Difference(block, self.first, self.second)() for block in (self.block, self.other)])
        scale = max(np.abs(block[[self.first, self.second]]).max() for block in (self.block, self.other))
        difference = sides[0] - sides[1]
        # What the model holds equal may still differ by rounding.
        return np.zeros_like(difference) if np.abs(difference).max() <= ROUNDING * scale else difference


def levels_to_compare(analysis: Analysis, factor: str, levels: Sequence[str] | None) -> list[tuple[int, str]]:
    """Numbers and labels of the levels to compare; all by default.

    Raises
    ------
    UsageError
        Unknown, repeated or too many levels, or a population that leaves the factor without any.
    """
    known = analysis.levels(factor)
    if levels is None:
        if len(known) > _MOST_COMPARED:
            pairs = len(known) * (len(known) - 1) // 2
            raise UsageError(
                f"factor '{factor}' has {len(known):,} levels, which make {pairs:,} pairs; "
                f"at most {_MOST_COMPARED} levels are compared at once. Name them: {argument('levels', ...)}"
            )
        levels = list(known)
    if not is_text_list(levels) or len(set(levels)) < 2 or len(set(levels)) < len(levels):
        raise UsageError(f"levels should be two or more different levels of '{factor}' but got {shown(levels)}.")
    unknown = [level for level in levels if level not in known]
    if unknown:
        raise UsageError(
            f"'{factor}' has no level {', '.join(map(repr, unknown))}. Its levels: {', '.join(map(repr, known))}."
        )
    if len(levels) > _MOST_COMPARED:
        raise UsageError(
            f"levels names {len(levels)} levels, but at most {_MOST_COMPARED} are compared at once. Name fewer."
        )
    if analysis.has_new_level(factor):
        raise UsageError(
            f"population 'new' puts one new level in place of those of the sampled factor '{factor}', so there is "
            f"nothing to compare. Use {argument('population', 'sample')} or 'equal'."
        )
    return [(known.index(level), level) for level in levels]


def later_first[T](compared: Sequence[T]) -> list[tuple[T, T]]:
    """Every pair of what is compared: the later one, and the earlier one that is taken from it."""
    return [(later, earlier) for earlier, later in combinations(compared, 2)]
