"""Responders: the share of people whose outcome is at least some value, by level of a factor, and risk differences."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from alliance_bayes.effects.analysis import Analysis
from alliance_bayes.effects.contrasts import levels_to_compare
from alliance_bayes.effects.counterfactual import row_mask
from alliance_bayes.effects.exceedance import AtLeast, Step, cut_for
from alliance_bayes.effects.options import make_options
from alliance_bayes.effects.summary import Difference, Estimate, Fixed, summarise
from alliance_bayes.effects.table import EffectTable
from alliance_bayes.errors import UsageError
from alliance_bayes.fit import FittedModel
from alliance_bayes.remedies import argument

__all__ = ["responder_quantities", "responders"]


def responders(
    fit: FittedModel,
    *,
    at_least: float | None = None,
    factor: str | Sequence[str] | None = None,
    levels: Sequence[str] | None = None,
    among: npt.ArrayLike | None = None,
    step: Step = "default",
    population: str = "sample",
    prob: float = 0.89,
    interval: str = "eti",
    rope: tuple[float, float] | None = None,
    seed: int = 0,
) -> EffectTable:
    """Probability that the outcome, as it would be observed, is at least some value.

    Parameters
    ----------
    fit
        The fitted model, of any family.
    at_least
        The smallest outcome that counts: 10 for a change of the WHO-5 that counts as improvement, 32 for a follow-up
        score above 28, which is recovery in people who were at or below 28 at baseline. A Bernoulli fit has the event,
        1, by default; every other needs a value.
    factor
        A pooled factor ("country", "country:sex") or a categorical column of a common term, by whose levels the share
        is given and compared, or several; nothing by default.
    levels
        Which levels of a single factor are compared, in an order of their own; all in their declared order by default.
    among
        Whose share it is: True or False for each analysed row, shape (n_rows,), in the order of ``fit.design.frame``;
        everybody's by default. Recovery by a model of everybody is
        ``responders(fit, at_least=32, among=fit.design.frame["who5_baseline"] <= 28)``.
    step
        Distance between the values that can be observed. A continuous family gives every value between them some
        probability, so where the outcome moves in steps it is cut in the middle between the smallest value that counts
        and the one below it (continuity correction): a WHO-5 score moves in steps of 4, so at least 32 is taken as
        above 30, and a change of at least 10 (12, 16, ...) as above 10. ``"default"``: the step of the outcome's
        scale. None: no correction. Discrete families know their levels.
    population
        Over the levels of the factors: ``"sample"``, ``"equal"`` or ``"new"``, as in :func:`adjusted_means`.
    prob, interval
        Probability and kind of the intervals: ``"eti"`` (equal tails) or ``"hdi"`` (highest density).
    rope
        Region of practical equivalence of the risk differences, as two probabilities; none by default.
    seed
        Seed for the effects of new levels.

    Returns
    -------
    EffectTable
        ``share_at_least`` for everybody; then, factor by factor, ``share_at_least`` for everybody at each level and
        ``risk_difference`` for every pair of levels, ``level`` minus ``versus``, the later minus the earlier. In
        probabilities; the column ``term`` says which values count ("who5_followup >= 32", "who5_followup >= 32 among
        835 of 3,087"), and the note where it was cut.

    Raises
    ------
    UsageError
        An option is outside what is accepted, every outcome or none is at least so much, the factor or a level is not
        one of the model's, or the fit was made from moments, which do not tell how predictions are distributed.

    Notes
    -----
    The share is the average over the analysed rows of P(outcome >= value | row), draw by draw: standardisation exactly
    as in :func:`adjusted_means`, of a probability in place of an expectation. Everybody at a level by which the
    residual SD differs has that level's. For a Bernoulli fit the shares are the adjusted means, so what a model of the
    score implies and what a model of the event itself says are computed alike and can be put side by side.

    Probabilities are interpolated between the points of a grid of the linear predictor, with an error below 1e-8 where
    the linear predictor spans less than 30 residual SDs. Beyond 20 million rows x draws, rows that are nearly alike are
    joined, and each share lies within 0.02 of its posterior SD of that of every row (root mean square over 16 draws in
    which every row is computed); where it does not, every row is computed in every draw.
    """
    options = make_options(fit, prob=prob, interval=interval, rope=rope, population=population, seed=seed)
    cut = cut_for(fit, at_least, step)
    fit.need_rows("the share of responders")
    places = None if among is None else np.flatnonzero(row_mask(fit.design, "among", among))
    analysis = Analysis(fit, options, AtLeast([cut], single=True), among=places)
    smallest = 1.0 if at_least is None else float(at_least)
    factors = () if factor is None else (factor,) if isinstance(factor, str) else tuple(dict.fromkeys(factor))
    return summarise(responder_quantities(analysis, smallest, cut, factors, levels), options)


def responder_quantities(
    analysis: Analysis,
    at_least: float,
    cut: float,
    factors: Sequence[str] = (),
    levels: Sequence[str] | None = None,
) -> Iterator[Estimate]:
    """Quantities of :func:`responders`."""
    options = analysis.options
    if not factors and levels is not None:
        raise UsageError(
            f"levels are those of a factor, but none is given. Add {argument('factor', ...)} or leave levels out."
        )
    if len(factors) > 1 and levels is not None:
        raise UsageError("levels are those of one factor, but several are given. Give one factor, or no levels.")
    outcome = analysis.fit.design.outcome
    event = f"{outcome.name} {'=' if analysis.fit.design.family.event else '>='} {at_least:g}"
    if analysis.among is not None:
        event += f" among {analysis.among.size:,} of {analysis.fit.design.rows.n:,}"
    corrected = "" if cut == at_least else f"cut at {cut:g}, in the middle between two values that can be observed"
    counterfactual = analysis.counterfactuals.of(options.population)
    everybody = analysis.with_chains(analysis.averages([counterfactual])[:, 0])

    def quantity(estimand: str, draws: Callable[[], np.ndarray], problem: str, **more: Any) -> Estimate:
        own: dict[str, Any] = {"term": event, "population": options.population, "note": problem or corrected}
        return Estimate(estimand, draws, "probability", **own, **more)

    yield quantity("share_at_least", Fixed(everybody), counterfactual.problem)
    for factor in factors:
        labels, block, problems = analysis.by_level(factor)
        for label, draws, problem in zip(labels, block, problems, strict=True):
            yield quantity("share_at_least", Fixed(draws), problem, factor=factor, level=label)
        # A new level, or the only one, has nothing to be compared with.
        if levels is None and len(labels) < 2:
            continue
        compared = levels_to_compare(analysis, factor, levels)
        for (first, label), (second, versus) in ((b, a) for a, b in combinations(compared, 2)):
            yield quantity(
                "risk_difference",
                Difference(block, first, second),
                problems[first] or problems[second],
                factor=factor,
                level=label,
                versus=versus,
                signed=True,
                rope=options.rope,
            )
