"""Shares of people whose outcome is at least some value, or exceeds their own baseline, as it would be observed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, Unpack, override

import numpy as np
import numpy.typing as npt

from alliance_bayes.effects.analysis import Analysis
from alliance_bayes.effects.counterfactual import row_mask
from alliance_bayes.effects.estimand import Estimand
from alliance_bayes.effects.means import later_first, levels_to_compare
from alliance_bayes.effects.options import AtOptions, make_options, with_common_options
from alliance_bayes.effects.summary import Difference, Estimate
from alliance_bayes.effects.table import EffectTable, Measure
from alliance_bayes.effects.tabulated import Tabulated
from alliance_bayes.errors import UsageError
from alliance_bayes.fit import FittedModel
from alliance_bayes.foreign import shown
from alliance_bayes.kinds import is_number
from alliance_bayes.model import Family, Outcome
from alliance_bayes.model.families import Draws
from alliance_bayes.model.families.continuous import Continuous
from alliance_bayes.readonly import ReadOnly
from alliance_bayes.remedies import argument

__all__ = [
    "RESPONDERS",
    "AtLeast",
    "AtMost",
    "Step",
    "cut_below",
    "cut_for",
    "outcome_ends",
    "refuse_shares",
    "responders",
    "row_beyond",
]

type Step = float | Literal["default"] | None

# How far, in steps, rounding may put a value off a multiple of the step.
_ROUNDING = 1e-6
# Points of a table of a standard CDF.
_POINTS = 1024


@with_common_options
def responders(
    fit: FittedModel,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    factor: str | Sequence[str] | None = None,
    levels: Sequence[str] | None = None,
    among: npt.ArrayLike | None = None,
    step: Step = "default",
    rope: tuple[float, float] | None = None,
    **options: Unpack[AtOptions],
) -> EffectTable:
    """Probability that the outcome, as it would be observed, is at least some value, or at most.

    Parameters
    ----------
    fit
        The fitted model, of any family.
    at_least
        The smallest outcome that counts: 10 for a change of the WHO-5 that counts as improvement, 32 for a follow-up
        score above 28, which is recovery in people who were at or below 28 at baseline. A Bernoulli fit has the event,
        1, by default; every other needs a value.
    at_most
        The largest outcome that counts, in place of ``at_least``, where less is better: 9 for a PHQ-9 below 10.
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
    rope
        Region of practical equivalence of the risk differences, as two probabilities; none by default.

    Returns
    -------
    EffectTable
        ``share_at_least`` (``share_at_most``) for everybody; then, factor by factor, the same for everybody at each
        level and ``risk_difference`` for every pair of levels, ``level`` minus ``versus``, the later minus the earlier.
        In probabilities; the column ``term`` says which values count ("who5_followup >= 32", "who5_followup >= 32 among
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
    specific = {
        "at_least": at_least,
        "at_most": at_most,
        "factor": factor,
        "levels": levels,
        "among": among,
        "step": step,
    }
    return RESPONDERS(fit, **specific, rope=rope, **options)


class Responders(Estimand):
    """See :func:`responders`."""

    name = "responders"
    title = "shares of responders"
    options = AtOptions
    needs_rows = "the share of responders"
    measures = ReadOnly(
        {
            "share_at_least": Measure("Share with {term}", "probability"),
            "share_at_most": Measure("Share with {term}", "probability"),
            "risk_difference": Measure(
                "Share with {term}: {level} minus {versus}",
                "probability",
                subject="the probability of {term}",
                difference=True,
            ),
        }
    )

    @override
    def estimates(
        self,
        analysis: Analysis,
        *,
        at_least: float | None = None,
        at_most: float | None = None,
        factor: str | Sequence[str] | None = None,
        levels: Sequence[str] | None = None,
        among: npt.ArrayLike | None = None,
        step: Step = "default",
        rope: tuple[float, float] | None = None,
    ) -> Iterator[Estimate]:
        fit, design = analysis.fit, analysis.fit.design
        limits = make_options(fit, rope=rope).rope
        if at_least is not None and at_most is not None:
            raise UsageError(f"{argument('at_least')} and {argument('at_most')} are two events. Give one of them.")
        below = at_most is not None
        cut = cut_for(fit, at_least, step) if at_most is None else cut_below(fit, at_most, step)
        mark = at_least if at_most is None else at_most
        mark = 1.0 if mark is None else float(mark)
        factors = () if factor is None else (factor,) if isinstance(factor, str) else tuple(dict.fromkeys(factor))
        if not factors and levels is not None:
            raise UsageError(
                f"levels are those of a factor, but none is given. Add {argument('factor', ...)} or leave levels out."
            )
        if len(factors) > 1 and levels is not None:
            raise UsageError("levels are those of one factor, but several are given. Give one factor, or no levels.")
        event = f"{design.outcome.name} {'<=' if below else '=' if design.family.event else '>='} {mark:g}"
        places = None
        if among is not None:
            places = np.flatnonzero(row_mask(design, "among", among))
            event += f" among {places.size:,} of {design.rows.n:,}"
        beyond = below and cut == row_beyond(fit, mark)
        corrected = (
            "" if cut == mark or beyond else f"cut at {cut:g}, in the middle between two values that can be observed"
        )
        named = "share_at_most" if below else "share_at_least"
        shares = analysis.of((AtMost if below else AtLeast)([cut], single=True), among=places)
        everybody = shares.counterfactuals.of(analysis.options.population)
        row = partial(self.row, analysis, term=event)
        yield row(named, shares.averages([everybody])[:, 0], note=everybody.problem or corrected)
        for name in factors:
            labels, block, problems = shares.by_level(name)
            for label, draws, problem in zip(labels, block, problems, strict=True):
                yield row(named, draws, factor=name, level=label, note=problem or corrected)
            # A new level, or the only one, has nothing to be compared with.
            if levels is None and len(labels) < 2:
                continue
            compared = levels_to_compare(shares, name, levels)
            for (first, label), (second, versus) in later_first(compared):
                yield row(
                    "risk_difference",
                    Difference(block, first, second),
                    factor=name,
                    level=label,
                    versus=versus,
                    rope=limits,
                    note=problems[first] or problems[second] or corrected,
                )


RESPONDERS = Responders()


@dataclass(frozen=True, eq=False)
class AtLeast:
    """Probability of an outcome of at least some values, given the linear predictor.

    Parameters
    ----------
    cuts
        The values, on the outcome's scale, shape (n_cuts,); (n_rows, n_cuts) where every row has its own.
    single
        Whether there is one value, and no axis for it.

    Notes
    -----
    A Gaussian, a Student t and the inside of a censored Gaussian have no probability at a single value. The censored
    one has some at the ends of its scale: every outcome is at least the lower end, none is above the upper. A discrete
    family counts its levels from the first that is not below the value.
    """

    cuts: npt.ArrayLike
    single: bool = False

    def __call__(self, family: Family, eta: np.ndarray, parameters: Draws, outcome: Outcome) -> np.ndarray:
        """Probabilities, of the shape of ``eta`` with one more axis for the values unless there is a single one."""
        cuts = np.asarray(self.cuts, dtype=float)
        if isinstance(family, Continuous):
            probabilities = family.exceedance(eta, parameters, outcome, cuts, partial(_standard, family))
        else:
            codes = outcome.first_code(cuts) if family.discrete else cuts
            probabilities = family.exceedance(eta, parameters, outcome, codes)
        return np.asarray(probabilities[..., 0] if self.single else probabilities)


@dataclass(frozen=True, eq=False)
class AtMost(AtLeast):
    """Probability of an outcome below some values, given the linear predictor; see :class:`AtLeast`."""

    @override
    def __call__(self, family: Family, eta: np.ndarray, parameters: Draws, outcome: Outcome) -> np.ndarray:
        """One minus the probability of at least those values."""
        return 1 - super().__call__(family, eta, parameters, outcome)


def outcome_ends(fit: FittedModel) -> tuple[float, float]:
    """Between which values every outcome is: its levels, or the ends of its scale."""
    levels, scale = fit.design.outcome.levels, fit.design.scales.get(fit.design.outcome.name)
    if levels is not None:
        return float(levels[0]), float(levels[-1])
    lowest = -np.inf if scale is None or scale.lower is None else scale.lower
    highest = np.inf if scale is None or scale.upper is None else scale.upper
    return lowest, highest


def row_beyond(fit: FittedModel, value: float) -> float:
    """A value just above another, in units of a thousandth of the outcome's step: what is not at most that much."""
    scale = fit.design.scales.get(fit.design.outcome.name)
    return value + (1e-3 if scale is None or scale.step is None else scale.step) * 1e-3


def cut_below(fit: FittedModel, at_most: float, step: Step) -> float:
    """Where a fit's outcome is cut so that what is below are the observed values of at most so much; see `cut_for`.

    Raises
    ------
    UsageError
        As there.
    """
    if not is_number(at_most):
        raise UsageError(f"at_most should be a finite number but got {shown(at_most)}.")
    design, scale = fit.design, fit.design.scales.get(fit.design.outcome.name)
    levels = design.outcome.levels
    ends = (None, None) if scale is None else (scale.lower, scale.upper)
    lowest, highest = ends if levels is None else (float(levels[0]), float(levels[-1]))
    for bad, everybody, end in (
        (highest is not None and at_most >= highest, "everybody", highest),
        (lowest is not None and at_most < lowest, "nobody", lowest),
    ):
        if bad:
            raise UsageError(
                f"{argument('at_most', float(at_most))} counts {everybody}: '{design.outcome.name}' is never "
                f"{'above' if everybody == 'everybody' else 'below'} {end:g}. Give another value."
            )
    return cut_for(fit, row_beyond(fit, float(at_most)), step)


def refuse_shares(fit: FittedModel) -> None:
    """Refuse a share of trials, of which no value can be had by everybody.

    Raises
    ------
    UsageError
        The outcome is one.
    """
    if fit.design.family.has_trials:
        raise UsageError(
            f"the outcome is a share of trials ('{fit.design.outcome.name}' of '{fit.design.trials}'), so how probable "
            "a value is depends on the number of trials, which differs between people. Ask for adjusted means: they "
            "are the expected shares."
        )


def cut_for(fit: FittedModel, at_least: float | None, step: Step) -> float:
    """Where a fit's outcome is cut so that what is above are the observed values of at least so much.

    Parameters
    ----------
    fit
        The fitted model.
    at_least
        The smallest value that counts, on the outcome's scale; None for the event of a Bernoulli outcome.
    step
        Distance between the values that can be observed. ``"default"``: that of the outcome's scale. None: every value
        can be.

    Returns
    -------
    float
        For a continuous family and an outcome in steps, the middle between the smallest value that counts and the one
        below it (continuity correction); the value itself otherwise.

    Raises
    ------
    UsageError
        A share of trials, no value or one that is not finite, a step that is not above 0 or that a discrete family is
        given, or a value that every outcome reaches or none.
    """
    design = fit.design
    refuse_shares(fit)
    name, discrete, scale = design.outcome.name, design.family.discrete, design.scales.get(design.outcome.name)
    if at_least is None:
        if not design.family.event:
            raise UsageError(
                f"{argument('at_least')} should be the smallest value of '{name}' that counts as a response. For "
                f"example {argument('at_least', 10)} for a change of the WHO-5, {argument('at_least', 32)} for a score "
                "above 28."
            )
        at_least = 1.0
    if not is_number(at_least):
        raise UsageError(f"at_least should be a finite number but got {shown(at_least)}. Give it in units of '{name}'.")
    if not (step is None or is_number(step) or (isinstance(step, str) and step == "default")):
        raise UsageError(f"step should be a finite number greater than 0, or None, but got {shown(step)}.")
    if step != "default" and discrete and step is not None:
        raise UsageError(
            f"step is for continuous families, but family '{design.family.name}' knows the levels of '{name}'. "
            "Leave it out."
        )
    if is_number(step) and step <= 0:
        raise UsageError(f"step should be a finite number greater than 0, or None, but got {step!r}.")
    lowest, highest = outcome_ends(fit)
    if at_least <= lowest:
        raise UsageError(
            f"{argument('at_least', float(at_least))} counts everybody: '{name}' is never below {lowest:g}. "
            "Give a higher value."
        )
    if at_least > highest:
        raise UsageError(
            f"{argument('at_least', float(at_least))} counts nobody: '{name}' is never above {highest:g}. "
            "Give a lower value."
        )
    if step == "default":
        step = None if scale is None else scale.step
    if discrete or step is None:
        return float(at_least)
    origin = lowest if np.isfinite(lowest) else 0.0
    return float(origin + step * (np.ceil((at_least - origin) / step - _ROUNDING) - 0.5))


def _standard(family: Continuous, z: np.ndarray, parameters: Draws) -> np.ndarray:
    """Standard CDF of a continuous family, shape of ``z`` (n_draws, n, n_cuts)."""
    flat = z.reshape(len(z), -1)
    if flat.shape[1] <= 2 * _POINTS:
        return family.standard_cdf(z, parameters)
    # Thousands of values a draw: a table of the CDF, interpolated, takes a fifth of the time, for a Student t a
    # thirtieth. It errs by less than 1e-7 where z spans 50.
    low, high = flat.min(axis=1), flat.max(axis=1)
    step = np.maximum(high - low, 1e-6) / _POINTS
    start = low - 2 * step
    grid = start[:, None] + step[:, None] * np.arange(_POINTS + 5)
    table = Tabulated(start, step, family.standard_cdf(grid, parameters)[:, None])
    return table(flat, np.zeros(flat.shape[1], dtype=np.intp)).reshape(z.shape)
