"""Slope of the expected outcome on one predictor, in every unit a reader may ask for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from alliance_bayes.effects.analysis import Analysis
from alliance_bayes.effects.counterfactual import NumericSetting
from alliance_bayes.effects.explained import unique_variance
from alliance_bayes.effects.options import Relevant, Rope, make_options
from alliance_bayes.effects.summary import Estimate, Fixed, summarise
from alliance_bayes.effects.table import EffectTable
from alliance_bayes.fit import FittedModel

__all__ = ["level_slope_quantities", "slope_quantities", "slopes", "slopes_by_level"]


def slopes(
    fit: FittedModel,
    *,
    predictor: str | None = None,
    population: str = "sample",
    prob: float = 0.89,
    interval: str = "eti",
    rope: Rope = "default",
    relevant: Relevant = "default",
    seed: int = 0,
) -> EffectTable:
    """Average slope of a predictor in every unit.

    Parameters
    ----------
    fit
        The fitted model.
    predictor
        A numeric predictor; the model's focal one by default.
    population
        ``"sample"``: existing levels of the factors by their share; ``"equal"``: every level the same; ``"new"``: a
        new level of every sampled factor.
    prob, interval
        Probability and kind of the intervals: ``"eti"`` (equal tails) or ``"hdi"`` (highest density).
    rope
        Region of practical equivalence in points of the outcome; -2 to 2 for a WHO-5 outcome by default, none for
        others.
    relevant
        Smallest relevant change in points of the outcome; 10 for a WHO-5 outcome by default, none for others.
    seed
        Seed for the effects of new levels.

    Returns
    -------
    EffectTable
        One row for each of these estimands:

        ``slope``
            Average over the analysed rows of the derivative of the expected outcome (g-computation; exact in the design
            columns), in outcome units per unit of the predictor. Missing, as what follows from it, where the predictor
            enters by a step (``I(alliance >= 4.5)``) or some of the rows lie at a corner or where the slope is
            infinite: ``slope_p10_p90`` then says what goes with it.
        ``slope_per_sd``
            The same times the predictor's sample SD.
        ``slope_p10_p90``
            Average expected outcome with everybody at the predictor's 90th percentile, minus that at its 10th. Missing
            for a fit made from moments, which do not tell percentiles.
        ``slope_standardised``
            The slope times the predictor's sample SD divided by the outcome's, both of the analysed rows.
        ``partial_correlation``
            Of the predictor and the outcome given the other terms, with the sign of the slope; see Notes.
        ``delta_r2``
            Share of the outcome's variance that goes with the average slope: what R2 loses without it; see Notes.
        ``points_needed``
            Smallest relevant change divided by the slope: how much more of the predictor goes with it, by
            straight-line extrapolation. Infinite in draws whose slope is zero or points the other way, so that the
            median and the limits are those of all draws, and missing where infinite; the mean then does not exist.
            Only where there is a smallest relevant change.

    Raises
    ------
    UsageError
        An option is outside what is accepted, the predictor is not a numeric predictor of the model, or population
        ``"new"`` without a sampled factor.

    Notes
    -----
    The ROPE and the smallest relevant change apply to the rows in points of the outcome: to the difference that goes
    with one unit, one SD, or the step between the percentiles. Partial correlation and delta R2 describe the analysed
    rows, so they are there for population ``"sample"`` only.

    With b the average slope and v the variance of the predictor given the other common terms, at the level at which it
    varies (:func:`unique_variance`), delta R2 is b^2 v divided by the explained plus the residual variance, and the
    partial correlation is the root of b^2 v / (b^2 v + unexplained variance) with the sign of b. What a slope that
    differs between groups, a product or a bend adds is no part of them, so that they are nothing where the average
    slope is. With flat priors and many rows they are those of least squares. For families that are not linear, the
    slope and the variances are on the outcome's scale.

    Delta R2 is the size of something with a sign: where the interval of the slope holds 0, its interval begins at 0 and
    ends at the quantile of the table's probability.

    References
    ----------
    .. [1] Gelman, Pardoe (2007). Average predictive comparisons for models with nonlinearity, interactions, and
    variance
       components. Sociological Methodology 37. doi 10.1111/j.1467-9531.2007.00181.x
    .. [2] Gelman, Goodrich, Gabry, Vehtari (2019). R-squared for Bayesian regression models. The American Statistician
       73(3). doi 10.1080/00031305.2018.1549100
    """
    options = make_options(
        fit, prob=prob, interval=interval, rope=rope, relevant=relevant, population=population, seed=seed
    )
    return summarise(slope_quantities(Analysis(fit, options), predictor), options)


def slopes_by_level(
    fit: FittedModel,
    factor: str,
    *,
    predictor: str | None = None,
    population: str = "sample",
    prob: float = 0.89,
    interval: str = "eti",
    rope: Rope = "default",
    relevant: Relevant = "default",
    seed: int = 0,
) -> EffectTable:
    """Average slope of a predictor with everybody at each level of a factor (estimand ``slope_by_level``).

    Parameters
    ----------
    fit
        The fitted model.
    factor
        A pooled factor ("country", "country:sex") or a categorical column of a common term.
    predictor, population, prob, interval, rope, relevant, seed
        As in :func:`slopes`; the population is over the other factors. With ``"new"``, a sampled ``factor`` has one
        row, its new level.

    Raises
    ------
    UsageError
        As :func:`slopes`; or the factor is not one of the model's.
    """
    options = make_options(
        fit, prob=prob, interval=interval, rope=rope, relevant=relevant, population=population, seed=seed
    )
    return summarise(level_slope_quantities(Analysis(fit, options), factor, predictor), options)


def slope_quantities(analysis: Analysis, predictor: str | None = None) -> Iterator[Estimate]:
    """Quantities of :func:`slopes`."""
    name = analysis.predictor(predictor)
    options, design, outcome = analysis.options, analysis.fit.design, analysis.fit.design.outcome
    unit, points = analysis.unit_of(name), analysis.outcome_unit
    draws, (problem,) = analysis.slopes(name, [{}])
    slope = draws[:, 0]
    sd_x, sd_y = design.sd(name), design.sd(outcome.name)

    def quantity(estimand: str, draws: np.ndarray, unit: str, denominator: str, note: str, **more: Any) -> Estimate:
        own: dict[str, Any] = {"term": name, "population": options.population, "signed": True}
        return Estimate(estimand, analysis.fixed(draws), unit, denominator=denominator, note=note, **(own | more))

    limits: dict[str, Any] = {"rope": options.rope, "relevant": options.relevant}
    yield quantity("slope", slope, f"{points} per {unit}", f"1 {unit}", problem, **limits)
    per_sd = f"sample SD of {name}, {sd_x:.4g}"
    yield quantity("slope_per_sd", slope * sd_x, f"{points} per SD of {name}", per_sd, problem, **limits)
    span, why, where = _between(analysis, name)
    step = f"{points}{where}"
    yield quantity("slope_p10_p90", span, step, f"10th to 90th percentile of {name}", why, **limits)
    both = f"sample SDs of {name}, {sd_x:.4g}, and {outcome.name}, {sd_y:.4g}"
    yield quantity("slope_standardised", slope * sd_x / sd_y, "SD per SD", both, problem)
    if options.population == "sample":
        unique = unique_variance(analysis.fit, name, tables=analysis.tables)
        spread, why = analysis.spread, problem or analysis.infinite_variance
        explained = slope**2 * unique.variance
        partial = np.sign(slope) * np.sqrt(explained / (explained + unique.left + spread.residual))
        where = "" if unique.level is None else f", between levels of {unique.level}"
        parts = f"explained by the slope + unexplained variance{where}"
        yield quantity("partial_correlation", partial, "correlation", parts, why)
        share, parts = explained / spread.total, "explained + residual variance"
        yield quantity("delta_r2", share, "share of variance", parts, why, signed=False, size_of=slope)
    if options.relevant is not None:
        needed, why = _needed(analysis, slope, options.relevant, name)
        change = _counted(options.relevant, points)
        yield quantity("points_needed", needed, f"{unit} for {change}", change, problem or why, signed=False)


def level_slope_quantities(analysis: Analysis, factor: str, predictor: str | None = None) -> Iterator[Estimate]:
    """Quantities of :func:`slopes_by_level`."""
    name, options = analysis.predictor(predictor), analysis.options
    labels, draws, problems = analysis.by_level(factor, predictor=name)
    unit = analysis.unit_of(name)
    for label, values, problem in zip(labels, draws, problems, strict=True):
        yield Estimate(
            "slope_by_level",
            Fixed(values),
            f"{analysis.outcome_unit} per {unit}",
            term=name,
            factor=factor,
            level=label,
            denominator=f"1 {unit}",
            population=options.population,
            signed=True,
            rope=options.rope,
            relevant=options.relevant,
            note=problem,
        )


def _counted(number: float, unit: str) -> str:
    """A number of units in words: "10 WHO-5 points", "10 units of score", "a probability of 0.1"."""
    if unit == "probability":
        return f"a probability of {number:g}"
    head, of, tail = unit.partition(" of ")
    return f"{number:g} {head}{'' if number == 1 else 's'}{of}{tail}"


def _between(analysis: Analysis, name: str) -> tuple[np.ndarray, str, str]:
    """Average expected outcome with everybody at the 90th percentile minus that at the 10th; why it is NaN; and where.

    Moments do not tell percentiles.
    """
    nothing = np.full(analysis.n_draws, np.nan)
    if analysis.fit.moments is not None:
        return nothing, f"percentiles of {name} need the analysed rows, and this fit was made from moments", ""
    low, high = (float(value) for value in np.quantile(analysis.values(name), (0.1, 0.9)))
    where = f" from {name} {low:.4g} to {high:.4g}"
    if low == high:
        return nothing, f"the 10th and the 90th percentile of {name} are both {low:.4g}", where
    counterfactuals = [
        analysis.counterfactuals.of(analysis.options.population, numeric=NumericSetting(name, value))
        for value in (low, high)
    ]
    averages = analysis.averages(counterfactuals)
    return averages[:, 1] - averages[:, 0], counterfactuals[0].problem or counterfactuals[1].problem, where


def _needed(analysis: Analysis, slope: np.ndarray, relevant: float, name: str) -> tuple[np.ndarray, str]:
    """Units of the predictor that go with the smallest relevant improvement, infinite where none; and a note."""
    scale = analysis.fit.design.scales.get(analysis.fit.design.outcome.name)
    change = relevant if scale is None or scale.higher_is_better else -relevant
    with np.errstate(divide="ignore", over="ignore"):
        needed = np.where(slope * change > 0, change / slope, np.inf)
    needed = np.where(np.isnan(slope), np.nan, needed)
    # The range of a predictor is known where its rows are.
    span = float(np.ptp(analysis.values(name))) if analysis.fit.moments is None else np.inf
    never, beyond = float(np.isinf(needed).mean()), float((needed > span).mean())
    notes = []
    if never:
        notes.append(
            f"in {never:.1%} of the draws no increase is enough, because the slope is zero or points the other way"
        )
    if beyond:
        notes.append(f"in {beyond:.1%} of the draws it is more than the predictor's whole observed range of {span:.4g}")
    return needed, "; ".join(notes)
