"""Means of the outcome by level of a factor, standardised over the analysed sample, and the levels' ranks."""

from __future__ import annotations

from collections.abc import Iterator

from alliance_bayes.effects.analysis import Analysis
from alliance_bayes.effects.options import Relevant, Rope, chosen, make_options
from alliance_bayes.effects.summary import Estimate, Fixed, summarise
from alliance_bayes.effects.table import EffectTable
from alliance_bayes.fit import FittedModel

__all__ = ["adjusted_means", "mean_quantities", "overall_mean", "overall_quantity", "rank_quantities", "ranks"]


def adjusted_means(
    fit: FittedModel,
    factor: str,
    *,
    population: str = "sample",
    prob: float = 0.89,
    interval: str = "eti",
    seed: int = 0,
) -> EffectTable:
    """Average expected outcome with everybody in the analysed sample at each level of a factor (estimand ``mean``).

    Parameters
    ----------
    fit
        The fitted model.
    factor
        A pooled factor ("country", "country:sex") or a categorical column of a common term. Of combinations of
        columns, those that have rows.
    population
        Over the other factors. ``"sample"``: their existing levels by share; ``"equal"``: every level the same;
        ``"new"``: a new level of every sampled factor. With ``"new"``, a sampled ``factor`` has one row, its new
        level.
    prob, interval
        Probability and kind of the intervals: ``"eti"`` (equal tails) or ``"hdi"`` (highest density).
    seed
        Seed for the effects of new levels.

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
    options = make_options(fit, prob=prob, interval=interval, population=population, seed=seed)
    return summarise(mean_quantities(Analysis(fit, options), factor), options)


def overall_mean(
    fit: FittedModel,
    *,
    population: str = "sample",
    prob: float = 0.89,
    interval: str = "eti",
    rope: Rope = "default",
    relevant: Relevant = "default",
    seed: int = 0,
) -> EffectTable:
    """Average expected outcome of everybody in the analysed sample (estimand ``overall_mean``).

    Parameters
    ----------
    fit
        The fitted model.
    population
        Over the levels of the factors, as in :func:`adjusted_means`.
    prob, interval, seed
        As in :func:`adjusted_means`.
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
    options = make_options(
        fit, prob=prob, interval=interval, rope=rope, relevant=relevant, population=population, seed=seed
    )
    return summarise([overall_quantity(Analysis(fit, options))], options)


def overall_quantity(analysis: Analysis) -> Estimate:
    """Estimate of :func:`overall_mean`."""
    options, scale = analysis.options, analysis.fit.design.scales.get(analysis.fit.design.outcome.name)
    ends = (None, None) if scale is None else (scale.lower, scale.upper)
    signed = ends[0] is not None and ends[1] is not None and ends[0] < 0 < ends[1]
    counterfactual = analysis.counterfactuals.of(options.population)
    return Estimate(
        "overall_mean",
        Fixed(analysis.with_chains(analysis.averages([counterfactual])[:, 0])),
        analysis.outcome_unit,
        population=options.population,
        signed=signed,
        rope=options.rope if signed else None,
        relevant=options.relevant if signed else None,
        note=counterfactual.problem,
    )


def mean_quantities(analysis: Analysis, factor: str) -> Iterator[Estimate]:
    """Quantities of :func:`adjusted_means`."""
    labels, draws, problems = analysis.by_level(factor)
    for label, values, problem in zip(labels, draws, problems, strict=True):
        yield Estimate(
            "mean",
            Fixed(values),
            analysis.outcome_unit,
            factor=factor,
            level=label,
            population=analysis.options.population,
            note=problem,
        )


def ranks(
    fit: FittedModel,
    factor: str,
    *,
    of: str = "mean",
    predictor: str | None = None,
    population: str = "sample",
    prob: float = 0.89,
    interval: str = "eti",
) -> EffectTable:
    """Rank of each level of a factor, 1 for the highest (estimands ``rank_of_mean``, ``rank_of_slope``).

    Parameters
    ----------
    fit
        The fitted model.
    factor
        A pooled factor or a categorical column of a common term.
    of
        ``"mean"`` or ``"slope"``.
    predictor
        For slopes: a numeric predictor; the model's focal one by default.
    population, prob, interval
        As in :func:`adjusted_means`; ``"new"`` leaves nothing of a sampled factor to rank.

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
    chosen("of", of, ("mean", "slope"))
    options = make_options(fit, prob=prob, interval=interval, population=population)
    return summarise(rank_quantities(Analysis(fit, options), factor, of=of, predictor=predictor), options)


def rank_quantities(
    analysis: Analysis, factor: str, *, of: str = "mean", predictor: str | None = None
) -> Iterator[Estimate]:
    """Quantities of :func:`ranks`."""
    # All of its distributions are made when it is imported, which takes longer than this.
    from scipy import stats

    name = analysis.predictor(predictor) if of == "slope" else None
    labels, draws, problems = analysis.by_level(factor, predictor=name)
    # One level that cannot be placed leaves every level without a place.
    problem = next(filter(None, problems), "")
    for label, values in zip(labels, stats.rankdata(-draws, axis=0, nan_policy="propagate"), strict=True):
        yield Estimate(
            f"rank_of_{of}",
            Fixed(values),
            f"rank among {len(labels)}",
            term=name,
            factor=factor,
            level=label,
            population=analysis.options.population,
            note=problem,
        )
