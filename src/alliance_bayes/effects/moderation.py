"""Moderation by numeric columns: the slope of a predictor where a moderator is low and high, and their difference."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from alliance_bayes.effects.analysis import Analysis
from alliance_bayes.effects.counterfactual import NumericSetting, terms_with
from alliance_bayes.effects.options import Relevant, Rope, make_options
from alliance_bayes.effects.summary import Estimate, summarise
from alliance_bayes.effects.table import EffectTable
from alliance_bayes.errors import UsageError
from alliance_bayes.fit import FittedModel
from alliance_bayes.remedies import argument

__all__ = ["moderation", "moderation_quantities"]

type Span = tuple[float, float]


def moderation(
    fit: FittedModel,
    *,
    predictor: str | None = None,
    moderators: Sequence[str] | Mapping[str, Span] | None = None,
    quantiles: Span = (0.1, 0.9),
    population: str = "sample",
    prob: float = 0.89,
    interval: str = "eti",
    rope: Rope = "default",
    relevant: Relevant = "default",
    seed: int = 0,
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
    population, prob, interval, seed
        As in :func:`slopes`.
    rope, relevant
        As in :func:`slopes`, in points of the outcome: they apply to the difference that goes with one unit of the
        predictor. A difference of slopes is judged against half of the ROPE over the step from the predictor's 10th to
        its 90th percentile, as in :func:`contrasts`.

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
    Slopes are averages over the analysed rows of the derivative of the expected outcome, as in :func:`slopes`, with the
    moderator set to the value for everybody. In a linear model the difference is the coefficient of the product times
    the distance of the two values. Differences between the levels of a factor are those of
    ``contrasts(fit, factor, of="slope")``.
    """
    options = make_options(
        fit, prob=prob, interval=interval, rope=rope, relevant=relevant, population=population, seed=seed
    )
    if not (len(quantiles) == 2 and 0 <= quantiles[0] < quantiles[1] <= 1):
        raise UsageError(f"quantiles should be two numbers between 0 and 1, the lower first, but got {quantiles!r}.")
    analysis = Analysis(fit, options)
    name = analysis.predictor(predictor)
    left_out: list[str] = []
    spans = _spans(analysis, name, moderators, quantiles, left_out)
    return summarise(moderation_quantities(analysis, name, spans), options, left_out=left_out)


def moderation_quantities(analysis: Analysis, predictor: str, spans: Mapping[str, Span]) -> Iterator[Estimate]:
    """Quantities of :func:`moderation`, for the low and the high value of each moderator."""
    options, unit = analysis.options, analysis.unit_of(predictor)
    for moderator, span in spans.items():
        slopes, problems = [], []
        for value in span:
            draws, (problem,) = analysis.slopes(predictor, [{}], at=(NumericSetting(moderator, value),))
            slopes.append(draws[:, 0])
            problems.append(problem)
        labels = [f"{moderator} = {value:.4g}" for value in span]
        own: dict[str, Any] = {
            "term": predictor,
            "factor": moderator,
            "population": options.population,
            "signed": True,
            "rope": options.rope,
            "relevant": options.relevant,
        }
        points = f"{analysis.outcome_unit} per {unit}"
        for label, draws, problem in zip(labels, slopes, problems, strict=True):
            yield Estimate(
                "slope_at", analysis.fixed(draws), points, level=label, denominator=f"1 {unit}", note=problem, **own
            )
        difference = analysis.fixed(slopes[1] - slopes[0])
        problem = problems[0] or problems[1]
        own["rope"] = analysis.slope_rope(predictor)
        own["prior"] = None if own["rope"] is None else partial(_before, analysis.prior, predictor, moderator, span)
        yield Estimate(
            "difference_in_slope", difference, points, level=labels[1], versus=labels[0], note=problem, **own
        )


def _before(prior: Analysis, predictor: str, moderator: str, span: Span) -> np.ndarray:
    """Draws of the difference of slopes from the prior."""
    low, high = (prior.slopes(predictor, [{}], at=(NumericSetting(moderator, value),))[0][:, 0] for value in span)
    return high - low


def _spans(
    analysis: Analysis,
    predictor: str,
    asked: Sequence[str] | Mapping[str, Span] | None,
    quantiles: Span,
    left_out: list[str],
) -> dict[str, Span]:
    """Low and high value of each moderator."""
    design = analysis.fit.design
    numeric = [term.others for term in terms_with(design, predictor) if term.common]
    categorical = analysis.counterfactuals.categorical
    known = list(dict.fromkeys(name for others in numeric for name in others if name not in categorical))
    if not known:
        raise UsageError(
            f"no common term multiplies '{predictor}' with another numeric column, so it has no numeric moderator. Add "
            f"one to the formula ('{predictor}:who5_baseline'); for factors use contrasts(fit, factor, of='slope')."
        )
    if isinstance(asked, str):
        raise UsageError(f"moderators should be a sequence of names but got {asked!r}. Write [{asked!r}].")
    names = known if asked is None else list(dict.fromkeys(asked))
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise UsageError(
            f"moderators should be columns that a common term multiplies '{predictor}' with, but got "
            f"{', '.join(map(repr, unknown)) or 'none'}. "
            f"Numeric moderators of '{predictor}': {', '.join(known)}."
        )
    if isinstance(asked, Mapping):
        for name, span in asked.items():
            if not (len(span) == 2 and all(map(math.isfinite, span)) and span[0] < span[1]):
                raise UsageError(
                    f"the values of '{name}' should be two finite numbers, the lower first, but got {span!r}."
                )
        return {name: (float(low), float(high)) for name, (low, high) in asked.items()}
    if analysis.fit.moments is not None:
        raise UsageError(
            "quantiles need the analysed rows, and this fit was made from moments. Give two values of "
            f"{names[0]!r} instead, the lower first: {argument('moderators', ...)}"
        )
    spans = {}
    for name in names:
        low, high = (float(value) for value in np.quantile(analysis.values(name), quantiles))
        same = f"both quantiles of '{name}', {quantiles[0]:g} and {quantiles[1]:g}, are {low:.4g}"
        if low < high:
            spans[name] = (low, high)
        elif asked is not None:
            raise UsageError(f"{same}. Give two values instead: {argument('moderators', ...)}")
        else:
            left_out.append(f"moderation by '{name}': {same}")
    return spans
