"""Slopes of the expected outcome: on average in every unit, by level of a factor, and by value of a moderator."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Unpack, override

import numpy as np

from alliance_bayes.effects.analysis import Analysis
from alliance_bayes.effects.at import beyond_rows
from alliance_bayes.effects.counterfactual import NumericSetting, is_bent, is_straight, terms_with
from alliance_bayes.effects.estimand import MOST_LEVELS, Estimand
from alliance_bayes.effects.explained import unique_variance
from alliance_bayes.effects.options import EffectAtOptions, with_common_options
from alliance_bayes.effects.summary import Estimate
from alliance_bayes.effects.table import EffectTable, Measure
from alliance_bayes.errors import UsageError
from alliance_bayes.fit import FittedModel, seen
from alliance_bayes.foreign import shown
from alliance_bayes.kinds import is_pair
from alliance_bayes.readonly import ReadOnly
from alliance_bayes.remedies import argument
from alliance_bayes.wording import ends_of

__all__ = [
    "CONTRASTED",
    "MODERATION",
    "SLOPES",
    "SLOPES_BY_LEVEL",
    "averages_at",
    "contrast_between",
    "moderation",
    "slopes",
    "slopes_by_level",
]

#: Differences between two values of a predictor, that which the model declares first.
CONTRASTED = ("slope_contrast", "slope_p10_p90")

type Span = tuple[float, float]

_SLOPE = "the slope of {term}"
_PER = "{outcome} per {unit}"


@with_common_options
def slopes(fit: FittedModel, *, predictor: str | None = None, **options: Unpack[EffectAtOptions]) -> EffectTable:
    """Average slope of a predictor in every unit.

    Parameters
    ----------
    fit
        The fitted model.
    predictor
        A numeric predictor; the model's focal one by default.

    Returns
    -------
    EffectTable
        One row for each of these estimands:

        ``slope``
            Average over the analysed rows of the derivative of the expected outcome (g-computation; exact in the design
            columns), in outcome units per unit of the predictor. Missing, as what follows from it, where the predictor
            enters by a step (``I(alliance >= 4.5)``) or some of the rows lie at a corner or where the slope is
            infinite: ``slope_p10_p90`` then says what goes with it.
        ``slope_in_sample``
            The same of population ``"sample"``, beside one of ``"average"`` where a sampled factor makes the two
            differ.
        ``slope_per_sd``
            The first times the predictor's sample SD.
        ``slope_contrast``
            Average expected outcome with everybody at the higher of the two values that the model compares
            (``contrast``), minus that at the lower. Only where the model declares them.
        ``slope_p10_p90``
            Average expected outcome with everybody at the predictor's 90th percentile, minus that at its 10th. Missing
            for a fit made from moments, which do not tell percentiles.
        ``slope_standardised``
            The slope times the predictor's sample SD divided by the outcome's, both of the analysed rows. A column of 0
            and 1 has none of these three: there is one step, and how often either is there is no measure of it.
        ``partial_correlation``
            Of the predictor and the outcome given the other terms, with the sign of the slope; see Notes.
        ``delta_r2``
            Share of the outcome's variance that goes with the average slope: what R2 loses without it; see Notes.
        ``points_needed``
            Smallest relevant change divided by the slope: how much more of the predictor goes with it, by
            straight-line extrapolation. Infinite in draws whose slope is zero or points the other way, so that the
            median and the limits are those of all draws, and missing where infinite; the mean then does not exist.
            Only where there is a smallest relevant change, and the model has the association as a straight line:
            along a curve no number of units goes with it from every value.

    Raises
    ------
    UsageError
        An option is outside what is accepted, the predictor is not a numeric predictor of the model, or population
        ``"new"`` without a sampled factor.

    Notes
    -----
    The ROPE and the smallest relevant change are two margins for one contrast, which alone carries a verdict:
    ``slope_contrast`` where it is declared, else ``slope_p10_p90`` (``slope`` of a column of 0 and 1; ``slope_per_sd``
    of a fit made from moments). Partial correlation and delta R2 describe the analysed
    rows as they are, so they are there for populations ``"average"`` and ``"sample"`` only, with the slope of either,
    and not with ``at``.

    With b the average slope and v the variance of the predictor given the other common terms, at the level at which it
    varies (`explained.unique_variance`), delta R2 is b^2 v divided by the explained plus the residual variance, and the
    partial correlation is the root of b^2 v / (b^2 v + unexplained variance) with the sign of b. What a slope that
    differs between groups, a product or a bend adds is no part of them, so that they are nothing where the average
    slope is. With flat priors and many rows they are those of least squares. For families that are not linear, the
    slope and the variances are on the outcome's scale.

    Delta R2 is the size of something with a sign: where the interval of the slope holds 0, its interval begins at 0 and
    ends at the quantile of the table's probability.

    References
    ----------
    .. [1] Gelman, Pardoe (2007). Average predictive comparisons for models with nonlinearity, interactions, and
       variance components. Sociological Methodology 37. doi 10.1111/j.1467-9531.2007.00181.x
    .. [2] Gelman, Goodrich, Gabry, Vehtari (2019). R-squared for Bayesian regression models. The American Statistician
       73(3). doi 10.1080/00031305.2018.1549100
    """
    return SLOPES(fit, predictor=predictor, **options)


class Slopes(Estimand):
    """See :func:`alliance_bayes.effects.slopes`."""

    name = "slopes"
    title = "slopes"
    options = EffectAtOptions
    needs_predictor = True
    measures = ReadOnly(
        {
            "slope": Measure(
                "Per {unit}",
                _PER,
                short="per {unit}",
                subject=_SLOPE,
                sentence="For each additional {unit}, {outcome} was {word} {way}, by {size}{points} on average{over}"
                "{given}",
                unsettled="Whether {outcome} was higher or lower with more {term} is not settled{leaning}: for each "
                "additional {unit} the estimate is {mean}{points}{over}{given}",
                signed=True,
                lead="slope",
            ),
            "slope_in_sample": Measure(
                "Per {unit}, over the levels in the data",
                _PER,
                short="per {unit}, levels in the data",
                signed=True,
                lead="slope",
            ),
            "slope_per_sd": Measure(
                "Per SD of {term}",
                "{outcome} per SD of {term}",
                short="per SD",
                signed=True,
                lead="difference",
                tells="spread",
            ),
            "slope_contrast": Measure(
                "From {change}",
                "{outcome}{where}",
                short="{change}",
                sentence="Between {who} at {span} of {term}, {outcome} was {word} {way} at the latter, by {size}"
                "{points}{over} ({interval}).",
                unsettled="Between {who} at {span} of {term}, {outcome} differed by {mean}{points}{over} ({interval}).",
                signed=True,
                judged=True,
                lead="difference",
            ),
            "slope_p10_p90": Measure(
                "From the 10th to the 90th percentile of {term}",
                "{outcome}{where}",
                short="10th to 90th percentile",
                sentence="Between {who} at the 10th and at the 90th percentile of {term} ({span}), {outcome} was "
                "{word} {way} at the latter, by {size}{points}{over} ({interval}).",
                unsettled="Between {who} at the 10th and at the 90th percentile of {term} ({span}), {outcome} "
                "differed by {mean}{points}{over} ({interval}).",
                signed=True,
                judged=True,
                lead="difference",
                tells="spread",
            ),
            "slope_standardised": Measure(
                "Standardised slope", "SD per SD", short="standardised", signed=True, tells="spread"
            ),
            "partial_correlation": Measure(
                "Partial correlation", "correlation", short="partial correlation", signed=True, tells="spread"
            ),
            "delta_r2": Measure(
                "ΔR²: share of the variance that goes with the average slope of {term}",
                "share of variance",
                tells="spread",
            ),
            "points_needed": Measure(
                "{units} that go with {change} (median)",
                "{unit} for {change}",
                sentence="A difference of {change}, the smallest that is relevant, goes with {mean} {units} (median; "
                "{interval}){further}, if the association is a straight line.",
                unbounded=True,
            ),
        }
    )

    @override
    def estimates(self, analysis: Analysis, *, predictor: str | None = None) -> Iterator[Estimate]:
        name = analysis.predictor(predictor)
        options, design, outcome = analysis.options, analysis.fit.design, analysis.fit.design.outcome
        unit, points = analysis.unit_of(name), analysis.outcome_unit
        draws, (problem,) = analysis.slopes(name, [{}])
        slope = draws[:, 0]
        sd_x, sd_y = analysis.fit.sd(name), analysis.fit.sd(outcome.name)
        row = partial(self.row, analysis, term=name)
        # One contrast carries the verdict on what is negligible and what is relevant; of 0 and 1 it is the slope.
        judged: dict[str, Any] = {"rope": options.rope, "relevant": options.relevant}
        not_judged: dict[str, Any] = {"rope": None, "relevant": None}
        limits = judged if design.is_indicator(name) else not_judged
        yield row("slope", slope, denominator=f"1 {unit}", note=problem, **limits)
        if options.population == "average":
            draws, (why,) = replace(analysis, options=replace(options, population="sample")).slopes(name, [{}])
            if not np.allclose(draws[:, 0], slope, rtol=1e-9, atol=0, equal_nan=True):
                yield row("slope_in_sample", draws[:, 0], denominator=f"1 {unit}", note=why, population="sample")
        declared = analysis.fit.spec.declared_contrast(design, name)
        if declared is not None:
            span, why, where = contrast_between(analysis, name, declared)
            ends = f"{' to '.join(ends_of(*declared))} of {name}"
            beyond = beyond_rows(analysis.fit, [(name, value) for value in declared])
            yield row("slope_contrast", span, words={"where": where}, denominator=ends, note=why or beyond)
        if not design.is_indicator(name):
            # Between 0 and 1 there is one step only, and how often each is there is no measure of it.
            # Where there are no rows to tell percentiles, a step of an SD stands for the contrast.
            alone = declared is None and analysis.fit.moments is not None
            per_sd = f"sample SD of {name}, {sd_x:.4g}"
            yield row(
                "slope_per_sd", slope * sd_x, denominator=per_sd, note=problem, **(judged if alone else not_judged)
            )
            span, why, where = contrast_between(analysis, name)
            percentiles = f"10th to 90th percentile of {name}"
            facts = judged if declared is None else not_judged
            yield row("slope_p10_p90", span, words={"where": where}, denominator=percentiles, note=why, **facts)
            both = f"sample SDs of {name}, {sd_x:.4g}, and {outcome.name}, {sd_y:.4g}"
            yield row("slope_standardised", slope * sd_x / sd_y, denominator=both, note=problem)
        if options.population in ("average", "sample") and not analysis.cell.values:
            unique = unique_variance(analysis.fit, name, tables=analysis.tables)
            spread, why = analysis.spread, problem or analysis.infinite_variance
            explained = slope**2 * unique.variance
            partial_correlation = np.sign(slope) * np.sqrt(explained / (explained + unique.left + spread.residual))
            level = "" if unique.level is None else f", between levels of {unique.level}"
            parts = f"explained by the slope + unexplained variance{level}"
            yield row("partial_correlation", partial_correlation, denominator=parts, note=why)
            parts = "explained + residual variance"
            yield row("delta_r2", explained / spread.total, denominator=parts, note=why, size_of=slope)
        if options.relevant is not None and not is_bent(design, name):
            needed, why = _needed(analysis, slope, options.relevant, name)
            change = _counted(options.relevant, points, fewer=options.better == "lower")
            words = {"change": change}
            yield row("points_needed", needed, words=words, denominator=change, note=problem or why)


SLOPES = Slopes()


@with_common_options
def slopes_by_level(
    fit: FittedModel, factor: str, *, predictor: str | None = None, **options: Unpack[EffectAtOptions]
) -> EffectTable:
    """Average slope of a predictor with everybody at each level of a factor (estimand ``slope_by_level``).

    Parameters
    ----------
    fit
        The fitted model.
    factor
        A pooled factor ("country", "country:sex") or a categorical column of a common term. With population ``"new"``,
        a sampled one has one row, its new level; the population is otherwise over the other factors.
    predictor
        A numeric predictor; the model's focal one by default.

    Returns
    -------
    EffectTable
        One row a level, as ``slope`` of :func:`alliance_bayes.effects.slopes`.

    Raises
    ------
    UsageError
        As :func:`alliance_bayes.effects.slopes`; or the factor is not one of the model's.
    """
    return SLOPES_BY_LEVEL(fit, factor=factor, predictor=predictor, **options)


class SlopesByLevel(Estimand):
    """See :func:`slopes_by_level`."""

    name = "slopes_by_level"
    title = "slopes by level"
    options = EffectAtOptions
    needs_predictor = True
    most_levels = MOST_LEVELS
    measures = ReadOnly(
        {"slope_by_level": Measure("{factor}: {level}", _PER, subject=_SLOPE, signed=True, lead="slope")}
    )

    @override
    def estimates(self, analysis: Analysis, factor: str, *, predictor: str | None = None) -> Iterator[Estimate]:
        name = analysis.predictor(predictor)
        for label, draws, problem in zip(*analysis.by_level(factor, predictor=name), strict=True):
            denominator = f"1 {analysis.unit_of(name)}"
            yield self.row(
                analysis,
                "slope_by_level",
                draws,
                term=name,
                factor=factor,
                level=label,
                denominator=denominator,
                note=problem,
            )


SLOPES_BY_LEVEL = SlopesByLevel()


@with_common_options
def moderation(
    fit: FittedModel,
    *,
    predictor: str | None = None,
    moderators: Sequence[str] | Mapping[str, Span] | None = None,
    quantiles: Span = (0.1, 0.9),
    **options: Unpack[EffectAtOptions],
) -> EffectTable:
    """Slope of a predictor with everybody at a low and at a high value of each numeric moderator.

    Parameters
    ----------
    fit
        The fitted model.
    predictor
        A numeric predictor; the model's focal one by default.
    moderators
        Numeric columns that a common term multiplies the predictor with ("alliance:who5_baseline"); all of them by
        default. A mapping gives the low and the high value of each, in its own unit, in place of quantiles.
    quantiles
        Which quantiles of a moderator in the analysed rows are its low and its high value.

    Returns
    -------
    EffectTable
        For every moderator ``slope_at`` its low and its high value, then ``difference_in_slope``, high (``level``)
        minus low (``versus``); ``factor`` names the moderator and the levels read "who5_baseline = 64". ``left_out``
        names moderators whose two quantiles are the same value.

    Raises
    ------
    UsageError
        An option is outside what is accepted, the predictor has no numeric moderator or a column is none, its two
        values are the same, or quantiles are asked of a fit made from moments, which do not tell them.

    Notes
    -----
    Slopes are averages over the analysed rows of the derivative of the expected outcome, as in :func:`slopes
    <alliance_bayes.effects.slopes>`, with the moderator set to the value for everybody. In a linear model the
    difference is the coefficient of the product times the distance of the two values. Differences between the levels
    of a factor are those of ``contrasts(fit, factor, of="slope")``.

    A difference of slopes is judged against half of the ROPE over the contrast that the model declares, by default the
    step from the predictor's 10th to its 90th percentile, as in :func:`contrasts`. The slopes themselves are per unit
    of the predictor, and are not judged.
    """
    return MODERATION(fit, predictor=predictor, moderators=moderators, quantiles=quantiles, **options)


class Moderation(Estimand):
    """See :func:`moderation`."""

    name = "moderation"
    title = "moderation"
    options = EffectAtOptions
    needs_predictor = True
    measures = ReadOnly(
        {
            "slope_at": Measure("Slope at {level}", _PER, subject=_SLOPE, signed=True, tells="ends"),
            "difference_in_slope": Measure(
                "Slope at {level} minus that at {versus}",
                _PER,
                subject=_SLOPE,
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
        *,
        predictor: str | None = None,
        moderators: Sequence[str] | Mapping[str, Span] | None = None,
        quantiles: Span = (0.1, 0.9),
    ) -> Iterator[Estimate]:
        if not (len(quantiles) == 2 and 0 <= quantiles[0] < quantiles[1] <= 1):
            raise UsageError(
                f"quantiles should be two numbers between 0 and 1, the lower first, but got {quantiles!r}."
            )
        name = analysis.predictor(predictor)
        for moderator, span in _spans(analysis, name, moderators, quantiles).items():
            slopes, problems = [], []
            for value in span:
                draws, (problem,) = analysis.slopes(name, [{}], at=(NumericSetting(moderator, value),))
                slopes.append(draws[:, 0])
                problems.append(problem)
            labels = [f"{moderator} = {value}" for value in ends_of(*span)]
            row, denominator = partial(self.row, analysis, term=name, factor=moderator), f"1 {analysis.unit_of(name)}"
            for label, slope, problem in zip(labels, slopes, problems, strict=True):
                yield row("slope_at", slope, level=label, denominator=denominator, note=problem)
            judged = analysis.slope_margins(name)
            if judged["rope"] is not None:
                judged["prior"] = partial(_before, analysis.prior, name, moderator, span)
            difference, problem = slopes[1] - slopes[0], problems[0] or problems[1]
            low, high = labels
            yield row("difference_in_slope", difference, level=high, versus=low, note=problem, **judged)


MODERATION = Moderation()


def _counted(number: float, unit: str, *, fewer: bool = False) -> str:
    """A number of units in words: "10 WHO-5 points", "5 fewer PHQ-9 points", "a probability of 0.1"."""
    if unit == "probability":
        return f"a probability of {number:g}"
    head, of, tail = unit.partition(" of ")
    return f"{number:g}{' fewer' if fewer else ''} {head}{'' if number == 1 else 's'}{of}{tail}"


def contrast_between(analysis: Analysis, name: str, ends: Span | None = None) -> tuple[np.ndarray, str, str]:
    """Average expected outcome with everybody at the higher value minus that at the lower; why it is NaN; and where.

    The values are by default the 10th and the 90th percentile, which moments do not tell.
    """
    nothing = np.full(analysis.n_draws, np.nan)
    if ends is None and analysis.fit.moments is not None:
        return nothing, f"percentiles of {name} need the analysed rows, and this fit was made from moments", ""
    low, high = ends or analysis.fit.quantiles(name, (0.1, 0.9))
    where = f" from {name} {' to '.join(ends_of(low, high))}"
    if low == high:
        return nothing, f"the 10th and the 90th percentile of {name} are both {low:.4g}", where
    if analysis.fit.design.family.linear and is_straight(analysis.fit.design, name):
        # Not of two expected outcomes: a column of very different sizes moves none of them by a digit that they have.
        slopes, (problem,) = analysis.slopes(name, [{}])
        return slopes[:, 0] * (high - low), problem, where
    averages, problem = averages_at(analysis, name, (low, high), apart=True)
    return averages[:, 1] - averages[:, 0], problem, where


def averages_at(analysis: Analysis, name: str, ends: Span, *, apart: bool = False) -> tuple[np.ndarray, str]:
    """Average expected outcomes with everybody at either value of a predictor, (n_draws, 2), and why they are NaN."""
    counterfactuals = [
        analysis.counterfactuals.of(analysis.options.population, numeric=NumericSetting(name, value)) for value in ends
    ]
    return analysis.averages(counterfactuals, apart=apart), counterfactuals[0].problem or counterfactuals[1].problem


def _needed(analysis: Analysis, slope: np.ndarray, relevant: float, name: str) -> tuple[np.ndarray, str]:
    """Units of the predictor that go with the smallest relevant improvement, infinite where none; and a note."""
    change = relevant if analysis.options.better == "higher" else -relevant
    with np.errstate(divide="ignore", over="ignore"):
        needed = np.where(slope * change > 0, change / slope, np.inf)
    needed = np.where(np.isnan(slope), np.nan, needed)
    # The range of a predictor is known where its rows are. Values that were drawn are no observed ones.
    values, known = analysis.values(name), seen(analysis.fit, name)
    whole = "whole observed range" if known.any() else "whole range"
    span = float(np.ptp(values[known] if known.any() else values)) if analysis.fit.moments is None else np.inf
    never, beyond = float(np.isinf(needed).mean()), float((needed > span).mean())
    notes = []
    if never:
        notes.append(
            f"in {_part(never)} draws no increase is enough, because the slope is zero or points the other way"
        )
    if beyond:
        scale = analysis.fit.design.scales.get(name)
        # Ends other than those of the scale are single persons' values.
        size = f" of {span:.4g}" if scale is not None and scale.range == span else ""
        notes.append(f"in {_part(beyond)} draws it is more than the predictor's {whole}{size}")
    return needed, "; ".join(notes)


def _part(share: float) -> str:
    """A share of the draws, above zero; none is called all, or none, that is not."""
    if share == 1:
        return "all"
    if not 0.001 <= share <= 0.999:
        return f"{'less than 0.1' if share < 0.5 else 'more than 99.9'}% of the"
    return f"{share:.1%} of the"


def _before(prior: Analysis, predictor: str, moderator: str, span: Span) -> np.ndarray:
    """Draws of the difference of slopes from the prior."""
    low, high = (prior.slopes(predictor, [{}], at=(NumericSetting(moderator, value),))[0][:, 0] for value in span)
    return high - low


def _spans(
    analysis: Analysis,
    predictor: str,
    moderators: Sequence[str] | Mapping[str, Span] | None,
    quantiles: Span,
) -> dict[str, Span]:
    """Low and high value of each moderator."""
    design = analysis.fit.design
    numeric = [term.others for term in terms_with(design, predictor) if term.common]
    categorical = analysis.counterfactuals.categorical
    known = list(dict.fromkeys(name for others in numeric for name in others if name not in categorical))
    if moderators is None and (left := [name for name in known if name not in analysis.cell.columns]):
        known = left
    for name in known if moderators is None else moderators:
        analysis.refuse_set(name, "the moderator whose values are compared")
    if not known:
        raise UsageError(
            f"no common term multiplies '{predictor}' with another numeric column, so it has no numeric moderator. Add "
            f"one to the formula ('{predictor}:who5_baseline'); for factors use contrasts(fit, factor, of='slope')."
        )
    if isinstance(moderators, str):
        raise UsageError(f"moderators should be a sequence of names but got {moderators!r}. Write [{moderators!r}].")
    names = known if moderators is None else list(dict.fromkeys(moderators))
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise UsageError(
            f"moderators should be columns that a common term multiplies '{predictor}' with, but got "
            f"{', '.join(map(repr, unknown)) or 'none'}. "
            f"Numeric moderators of '{predictor}': {', '.join(known)}."
        )
    if isinstance(moderators, Mapping):
        for name, span in moderators.items():
            if not is_pair(span) or span[0] >= span[1]:
                raise UsageError(
                    f"the values of '{name}' should be two finite numbers, the lower first, but got {shown(span)}."
                )
        return {name: (float(low), float(high)) for name, (low, high) in moderators.items()}
    if analysis.fit.moments is not None:
        raise UsageError(
            "quantiles need the analysed rows, and this fit was made from moments. Give two values of "
            f"{names[0]!r} instead, the lower first: {argument('moderators', ...)}"
        )
    spans = {}
    for name in names:
        low, high = analysis.fit.quantiles(name, quantiles)
        same = f"both quantiles of '{name}', {quantiles[0]:g} and {quantiles[1]:g}, are {low:.4g}"
        if low < high:
            spans[name] = (low, high)
        elif moderators is not None:
            raise UsageError(f"{same}. Give two values instead: {argument('moderators', ...)}")
        else:
            analysis.leave_out(f"moderation by '{name}': {same}")
    return spans
