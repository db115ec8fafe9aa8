"""All pairwise differences between the levels of a factor: of adjusted means and of slopes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np

from alliance_bayes.effects.analysis import Analysis
from alliance_bayes.effects.options import DENOMINATORS, Relevant, Rope, chosen, make_options
from alliance_bayes.effects.summary import Difference, Estimate, summarise
from alliance_bayes.effects.table import EffectTable
from alliance_bayes.errors import UsageError
from alliance_bayes.fit import FittedModel
from alliance_bayes.remedies import argument

__all__ = ["MOST_COMPARED", "contrast_quantities", "contrasts", "levels_to_compare"]

# 100 levels are 4,950 pairs, about 20 seconds; ten times as many levels are half a million pairs, which nobody reads.
MOST_COMPARED = 100
_IN_WORDS = {"residual_sd": "residual SD", "total_sd": "total SD"}


def contrasts(
    fit: FittedModel,
    factor: str,
    *,
    of: str = "mean",
    levels: Sequence[str] | None = None,
    denominator: str = "residual_sd",
    predictor: str | None = None,
    population: str = "sample",
    prob: float = 0.89,
    interval: str = "eti",
    rope: Rope = "default",
    relevant: Relevant = "default",
    seed: int = 0,
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
    population, prob, interval, rope, relevant, seed
        As in :func:`slopes`. The ROPE and the smallest relevant change are in points and apply to the rows in points.
        A difference of slopes is judged over the step from the predictor's 10th to its 90th percentile (one unit where
        they are the same or unknown), against half of the ROPE; the row has these limits per unit.

    Returns
    -------
    EffectTable
        For every pair a row in points (``contrast_of_means`` or ``contrast_of_slopes``), then for every pair a row in
        SDs (``cohens_d_of_means``, ``cohens_d_of_slopes``). Every row is ``level`` minus ``versus``, the later level
        minus the earlier.

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

    References
    ----------
    .. [1] Gelman, Hill, Yajima (2012). Why we (usually) don't have to worry about multiple comparisons. Journal of
    Research
       on Educational Effectiveness 5(2). doi 10.1080/19345747.2011.618213
    """
    chosen("of", of, ("mean", "slope"))
    chosen("denominator", denominator, DENOMINATORS)
    options = make_options(
        fit, prob=prob, interval=interval, rope=rope, relevant=relevant, population=population, seed=seed
    )
    analysis = Analysis(fit, options)
    quantities = contrast_quantities(
        analysis, factor, of=of, levels=levels, denominator=denominator, predictor=predictor
    )
    return summarise(quantities, options)


def contrast_quantities(
    analysis: Analysis,
    factor: str,
    *,
    of: str = "mean",
    levels: Sequence[str] | None = None,
    denominator: str = "residual_sd",
    predictor: str | None = None,
) -> Iterator[Estimate]:
    """Quantities of :func:`contrasts`."""
    name = analysis.predictor(predictor) if of == "slope" else None
    chosen_levels = levels_to_compare(analysis, factor, levels)
    _, block, problems = analysis.by_level(factor, predictor=name)
    variance = analysis.spread.residual if denominator == "residual_sd" else analysis.spread.total
    sd = analysis.with_chains(np.sqrt(variance))
    per = "" if name is None else f" per {analysis.unit_of(name)}"
    rope = analysis.options.rope if name is None else analysis.slope_rope(name)
    before = None if name is None or rope is None else analysis.prior.by_level(factor, predictor=name)[1]
    for divisor in (None, sd):
        options = analysis.options
        for (first, label), (second, versus) in ((b, a) for a, b in combinations(chosen_levels, 2)):
            note = problems[first] or problems[second]
            yield Estimate(
                f"{'contrast' if divisor is None else 'cohens_d'}_of_{of}s",
                Difference(block, first, second, divisor),
                f"{analysis.outcome_unit if divisor is None else 'SD'}{per}",
                term=name,
                factor=factor,
                level=label,
                versus=versus,
                denominator=None if divisor is None else _IN_WORDS[denominator],
                population=options.population,
                signed=True,
                prior=None if before is None or divisor is not None else Difference(before, first, second),
                rope=rope if divisor is None else None,
                relevant=options.relevant if divisor is None else None,
                note=note if divisor is None else note or analysis.infinite_variance,
            )


def levels_to_compare(analysis: Analysis, factor: str, asked: Sequence[str] | None) -> list[tuple[int, str]]:
    """Numbers and labels of the levels to compare; all by default.

    Raises
    ------
    UsageError
        Unknown, repeated or too many levels, or a population that leaves the factor without any.
    """
    known = analysis.levels(factor)
    chosen_levels = _chosen_levels(factor, known, asked)
    if analysis.options.population == "new" and analysis.is_sampled(factor):
        raise UsageError(
            f"population 'new' puts one new level in place of those of the sampled factor '{factor}', so there is "
            f"nothing to compare. Use {argument('population', 'sample')} or 'equal'."
        )
    return chosen_levels


def _chosen_levels(factor: str, known: list[str], asked: Sequence[str] | None) -> list[tuple[int, str]]:
    if asked is None:
        if len(known) > MOST_COMPARED:
            pairs = len(known) * (len(known) - 1) // 2
            raise UsageError(
                f"factor '{factor}' has {len(known):,} levels, which make {pairs:,} pairs; "
                f"at most {MOST_COMPARED} levels are compared at once. Name them: {argument('levels', ...)}"
            )
        asked = known
    if isinstance(asked, str) or len(set(asked)) < 2 or len(set(asked)) < len(asked):
        raise UsageError(f"levels should be two or more different levels of '{factor}' but got {asked!r}.")
    unknown = [level for level in asked if level not in known]
    if unknown:
        raise UsageError(
            f"'{factor}' has no level {', '.join(map(repr, unknown))}. Its levels: {', '.join(map(repr, known))}."
        )
    if len(asked) > MOST_COMPARED:
        raise UsageError(
            f"levels names {len(asked)} levels, but at most {MOST_COMPARED} are compared at once. Name fewer."
        )
    return [(known.index(level), level) for level in asked]
