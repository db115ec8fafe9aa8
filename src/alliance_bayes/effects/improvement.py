"""Shares of people whose outcome exceeds their own baseline by so much, as it would be observed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from math import prod
from typing import Any, Unpack, override

import numpy as np
import numpy.typing as npt
import pandas as pd

from alliance_bayes.effects.analysis import Analysis
from alliance_bayes.effects.counterfactual import row_mask
from alliance_bayes.effects.estimand import Estimand
from alliance_bayes.effects.joined import joined_average
from alliance_bayes.effects.means import later_first, levels_to_compare
from alliance_bayes.effects.options import IntervalAtOptions, make_options, with_common_options
from alliance_bayes.effects.responders import AtLeast, cut_for, outcome_ends, row_beyond
from alliance_bayes.effects.summary import Difference, Estimate, summarise
from alliance_bayes.effects.table import EffectTable, Measure
from alliance_bayes.errors import UsageError
from alliance_bayes.fit import FittedModel
from alliance_bayes.foreign import shown
from alliance_bayes.kinds import check_name, is_number
from alliance_bayes.machine import processors
from alliance_bayes.model import Design, Rows
from alliance_bayes.model.grammar import windowed_named
from alliance_bayes.readonly import ReadOnly
from alliance_bayes.remedies import argument

__all__ = ["IMPROVEMENT", "Better", "baseline_of", "improvement", "improvement_of"]


@with_common_options
def improvement(
    fit: FittedModel,
    *,
    baseline: str | None = None,
    by: float | None = None,
    share: float | None = None,
    to: float | None = None,
    among: npt.ArrayLike | None = None,
    factor: str | None = None,
    **options: Unpack[IntervalAtOptions],
) -> EffectTable:
    """Probability that the outcome, as it would be observed, is better than a person's own baseline by some amount.

    Parameters
    ----------
    fit
        A fit of a score at follow-up with the same score at baseline among its predictors.
    baseline
        The predictor on the outcome's scale; by default the one that is a score of the outcome's instrument.
    by
        The smallest difference that counts, in points; where neither ``share`` nor ``to`` is given, by default the
        smallest relevant change of the outcome's scale (10 for the WHO-5, 5 for the PHQ-9).
    share
        The smallest part of the baseline by which a score of symptoms must be lower: 0.5 for a response.
    to
        The score that must be reached or left behind on the better side: 9 for a PHQ-9 below 10, 32 for a WHO-5 above
        28. With ``by`` it makes a clinically significant change.
    among
        Whose share it is: True or False for each analysed row, shape (n_rows,); everybody's by default.
    factor
        A factor of the model by whose levels the share is given and compared, everybody being at each level in turn;
        nothing by default.

    Returns
    -------
    EffectTable
        ``share_improved``, a probability: the average over those people of P(outcome >= baseline + by), or of
        P(outcome <= baseline - by) on a scale where lower is better, draw by draw; of several conditions all must
        hold. ``term`` says what counts. With a factor, the same with everybody at each level, and
        ``difference_improved`` of every pair, the later minus the earlier.

    Raises
    ------
    UsageError
        The baseline is not a numeric predictor of the model or is what everybody is set to, an option is outside what
        is accepted, no smallest relevant change is known and none is given, or the fit was made from moments.

    Notes
    -----
    A continuous family is cut in the middle between two values that can be observed, as in :func:`responders`. Who
    cannot improve by so much, being too close to the good end of the scale, counts as not improved. Of a model of the
    change (``who5_change``) the change itself counts, and ``to`` is the score that it leads to. Very many rows are
    joined as there. Whose scores are of the sample's own levels (population ``"sample"``).
    """
    specific: dict[str, Any] = {"by": by, "share": share, "to": to, "among": among, "factor": factor}
    return IMPROVEMENT(fit, baseline=baseline, **specific, **options)


def baseline_of(design: Design) -> str | None:
    """The predictor that is a score of the outcome's instrument: of several the one that is called a baseline.

    Parameters
    ----------
    design
        Of a model.

    Returns
    -------
    str or None
        None where there is none, or several and none is called so.
    """
    scale = design.scales.get(design.outcome.name)
    if scale is None or not scale.instrument:
        return None
    same = [
        name
        for name in design.predictors
        if windowed_named(name) is None
        and (candidate := design.scales.get(name)) is not None
        and (candidate.instrument, candidate.lower) == (scale.instrument, scale.score_ends[0])
    ]
    called = [name for name in same if name.endswith("_baseline")]
    return same[0] if len(same) == 1 else called[0] if len(called) == 1 else None


@dataclass(frozen=True, slots=True)
class Better:
    """What counts as better than at baseline: all that is given must hold.

    Parameters
    ----------
    by
        Points.
    share
        Part of the baseline, of a score of symptoms.
    to
        A score.
    """

    by: float | None = None
    share: float | None = None
    to: float | None = None

    def goals(self, starts: np.ndarray, *, higher: bool, changed: bool = False) -> np.ndarray:
        """The least good score that counts for each baseline, or, where that is the outcome, the change to it."""
        goals = []
        # By as much as is asked and not by what rounding makes of it, where the change itself is the outcome.
        origin = np.zeros(starts.shape) if changed else starts
        if self.by is not None:
            goals.append(origin + self.by if higher else origin - self.by)
        if self.share is not None:
            goals.append(origin - self.share * starts)
        if self.to is not None:
            goals.append(self.to - (starts - origin))
        return np.max(goals, axis=0) if higher else np.min(goals, axis=0)

    def said(self, outcome: str, baseline: str, *, higher: bool, changed: bool = False) -> str:
        """What counts, as the table's term."""
        sign, parts = ">=" if higher else "<=", []
        if self.by is not None:
            better, worse = (outcome, baseline) if higher else (baseline, outcome)
            parts.append(
                f"{outcome} {sign} {self.by if higher else -self.by:g}"
                if changed
                else f"{better} - {worse} >= {self.by:g}"
            )
        score = f"{outcome} + {baseline}" if changed else outcome
        if self.share is not None:
            parts.append(f"{score} <= {1 - self.share:.4g} x {baseline}")
        if self.to is not None:
            parts.append(f"{score} {sign} {self.to:g}")
        return " and ".join(parts)


class Improvement(Estimand):
    """See :func:`improvement`."""

    name = "improvement"
    title = "shares of people who improve"
    options = IntervalAtOptions
    needs_rows = "the share of people who improve"
    measures = ReadOnly(
        {
            "share_improved": Measure("Share with {term}", "probability"),
            "difference_improved": Measure(
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
        baseline: str | None = None,
        by: float | None = None,
        share: float | None = None,
        to: float | None = None,
        among: npt.ArrayLike | None = None,
        factor: str | None = None,
    ) -> Iterator[Estimate]:
        rule = _rule(analysis, by, share, to)
        yield from self.of_groups(analysis, [among], baseline=baseline, rule=rule)
        if factor is not None:
            yield from self.by_level(analysis, factor, among, baseline=baseline, rule=rule)

    def of_groups(
        self, analysis: Analysis, groups: Sequence[npt.ArrayLike | None], *, baseline: str | None, rule: Better
    ) -> Iterator[Estimate]:
        """The share in several groups (None: everybody) in one pass; their sizes, which name the rows, differ."""
        fit, design = analysis.fit, analysis.fit.design
        starts, term = self._starts(analysis, baseline, rule)
        masks = [
            np.ones(design.rows.n, dtype=bool) if group is None else row_mask(design, "among", group)
            for group in groups
        ]
        members = np.stack(masks, axis=1)
        rows, problem = self._placed(analysis)
        if rows is None:
            reached = np.full((prod(fit.shape), len(groups)), np.nan)
        else:
            reached = _reached(fit, rows, starts, rule, members) / _sizes(rows, members)
        for number, group in enumerate(groups):
            criterion = term if group is None else _among(term, members[:, number])
            facts: dict[str, Any] = {"population": "sample"} | ({"note": problem} if problem else {})
            yield self.row(analysis, "share_improved", reached[:, number], term=criterion, **facts)

    def by_level(
        self, analysis: Analysis, factor: str, among: npt.ArrayLike | None, *, baseline: str | None, rule: Better
    ) -> Iterator[Estimate]:
        """The share with everybody of a group at each level of a factor, and its differences."""
        design = analysis.fit.design
        check_name("factor", factor)
        starts, term = self._starts(analysis, baseline, rule)
        chosen = np.ones(design.rows.n, dtype=bool) if among is None else row_mask(design, "among", among)
        criterion = term if among is None else _among(term, chosen)
        if (lacking := design.rows.lacking.get(factor)) is not None:
            chosen = chosen & ~lacking
        block, problems = [], []
        for fixed in analysis.settings(factor):
            rows, problem = self._placed(analysis, fixed)
            draws = np.full(prod(analysis.fit.shape), np.nan)
            if rows is not None:
                draws = _reached(analysis.fit, rows, starts, rule, chosen[:, None])[:, 0] / _sizes(
                    rows, chosen[:, None]
                )
            block.append(analysis.shaped(draws))
            problems.append(problem)
        labels = analysis.levels(factor)
        for label, draws, problem in zip(labels, block, problems, strict=True):
            facts: dict[str, Any] = {"factor": factor, "level": label, "population": "sample", "note": problem}
            yield self.row(analysis, "share_improved", draws, term=criterion, **facts)
        if len(labels) < 2:
            return
        stacked = np.stack(block)
        for (first, label), (second, versus) in later_first(levels_to_compare(analysis, factor, None)):
            facts = {"factor": factor, "level": label, "versus": versus, "population": "sample"}
            facts["note"] = problems[first] or problems[second]
            difference = Difference(stacked, first, second)
            yield self.row(analysis, "difference_improved", difference, term=criterion, **facts)

    def _placed(self, analysis: Analysis, fixed: Mapping[str, str] | None = None) -> tuple[Rows | None, str]:
        """The analysed rows with what everybody is set to; None where they cannot be had, and why."""
        design = analysis.fit.design
        if fixed is None and not analysis.cell.values:
            return design.rows, ""
        counterfactual = analysis.of(AtLeast([0.0], single=True)).counterfactuals.of("sample", fixed=fixed)
        (grid,) = counterfactual.grids
        if counterfactual.problem or any(len(levels) != 1 for levels in grid.levels.values()):
            return None, counterfactual.problem
        index = {name: np.full(design.rows.n, levels[0]) for name, levels in grid.levels.items()}
        return replace(grid.rows, index={**grid.rows.index, **index}), ""

    def _starts(self, analysis: Analysis, baseline: str | None, rule: Better) -> tuple[np.ndarray, str]:
        """Everybody's baseline, and what counts as better."""
        design, frame = analysis.fit.design, analysis.fit.design.frame
        name = baseline_of(design) if baseline is None else baseline
        if name is not None:
            check_name("baseline", name)
        if name is None:
            raise UsageError(
                f"the model has no baseline of '{design.outcome.name}' that its name or scale tells, so nobody's "
                f"improvement is known. Name the predictor: {argument('baseline', ...)}, or fit a model of the change."
            )
        if name not in design.predictors or not pd.api.types.is_numeric_dtype(frame[name]):
            raise UsageError(
                f"'{name}' is not a numeric predictor of this model, so nobody's improvement is known. Name the "
                "outcome's own baseline, or fit a model of the change."
            )
        analysis.refuse_set(name, "the baseline that everybody's outcome is compared with")
        of_baseline, scale = design.scales.get(name), design.scales.get(design.outcome.name)
        instruments = {each.instrument for each in (of_baseline, scale) if each is not None and each.instrument}
        if len(instruments) > 1:
            raise UsageError(
                f"'{name}' is a score of another instrument than '{design.outcome.name}', so nobody's improvement is "
                "their difference. Name the outcome's own baseline, or fit a model of the change."
            )
        changed = scale is not None and scale.is_change
        criterion = rule.said(design.outcome.name, name, higher=_higher_is_better(analysis.fit), changed=changed)
        return frame[name].to_numpy(float), criterion


IMPROVEMENT = Improvement()


def improvement_of(
    fit: FittedModel,
    groups: Sequence[npt.ArrayLike | None],
    *,
    baseline: str | None = None,
    by: float | None = None,
    share: float | None = None,
    to: float | None = None,
    **options: Unpack[IntervalAtOptions],
) -> EffectTable:
    """:func:`improvement` of several groups (None: everybody) in one pass; their sizes, which name the rows, differ."""
    fit.need_rows(IMPROVEMENT.needs_rows)
    analysis = Analysis(fit, make_options(fit, **options))
    rule = _rule(analysis, by, share, to)
    return summarise(IMPROVEMENT.of_groups(analysis, groups, baseline=baseline, rule=rule), analysis.options)


def _rule(analysis: Analysis, by: float | None, share: float | None, to: float | None) -> Better:
    """What counts, with its default."""
    design = analysis.fit.design
    scale = design.scales.get(design.outcome.name)
    if by is None and share is None and to is None:
        by = None if scale is None else scale.smallest_relevant_change
        if by is None:
            raise UsageError(
                f"no smallest relevant change of '{design.outcome.name}' is known, so nothing tells what counts as "
                f"improved. Give it in points: {argument('by', ...)}"
            )
    if by is not None and not (is_number(by) and by > 0):
        raise UsageError(f"by should be a finite number of points greater than 0 but got {shown(by)}.")
    if share is not None:
        if not is_number(share) or not 0 < share < 1:
            raise UsageError(f"share should be in the interval (0, 1) but got {shown(share)}. Give 0.5 for half.")
        if _higher_is_better(analysis.fit) or scale is None or scale.score_ends[0] != 0:
            raise UsageError(
                f"share is a part of a score of symptoms that begins at 0, and '{design.outcome.name}' is none. "
                f"Give the points that count: {argument('by', ...)}"
            )
    low, high = (None, None) if scale is None else scale.score_ends
    if to is not None and not (is_number(to) and (low is None or to >= low) and (high is None or to <= high)):
        raise UsageError(f"to should be a score on the scale of '{design.outcome.name}' but got {shown(to)}.")
    return Better(by, share, to)


def _among(term: str, chosen: np.ndarray) -> str:
    return f"{term} among {int(chosen.sum()):,} of {chosen.size:,}"


def _higher_is_better(fit: FittedModel) -> bool:
    """Whether more of the outcome is better."""
    scale = fit.design.scales.get(fit.design.outcome.name)
    return scale is None or scale.higher_is_better


def _sizes(rows: Rows, members: np.ndarray) -> np.ndarray:
    """People, or the sum of their weights, in each group of rows (n_rows, n_groups), shape (n_groups,)."""
    counted = members if rows.weights is None else members * rows.weights[:, None]
    return np.asarray(counted.sum(axis=0), dtype=float)


def _reached(fit: FittedModel, rows: Rows, starts: np.ndarray, rule: Better, chosen: np.ndarray) -> np.ndarray:
    """Expected number of people who improve in each group of rows (n_rows, n_groups), shape (n_draws, n_groups)."""
    scale = fit.design.scales.get(fit.design.outcome.name)
    bottom, top = (None, None) if scale is None else scale.score_ends
    higher = _higher_is_better(fit)
    aims = rule.goals(starts, higher=higher, changed=scale is not None and scale.is_change)
    # Who is asked for the good end or less far, whatever the outcome is, always improves.
    scores = rule.goals(starts, higher=higher)
    possible = (
        scores <= (np.inf if top is None else top) if higher else scores >= (-np.inf if bottom is None else bottom)
    )
    lowest, highest = outcome_ends(fit)
    # A baseline that was drawn may be so far beyond the bad end that every outcome is better by enough.
    surely = possible & ((aims <= lowest) if higher else (aims >= highest))
    sure = _sizes(rows, chosen & surely[:, None])
    places = np.flatnonzero(chosen.any(axis=1) & possible & ~surely)
    values, which_value = np.unique(aims[places], return_inverse=True)
    # At most so much is not at least what comes next.
    cuts = np.array([_cut(fit, float(value), higher=higher) for value in values])
    design = fit.design
    rows, groups = rows.take(places), chosen[places].T
    counting = rows.weights
    # What the chance depends on besides the linear predictor: the level of the residual factor, or the row where each
    # has an SD of its own, and the goal.
    whose = rows.strata if design.sigma is None else np.arange(places.size)
    strata = whose * values.size + which_value

    def chances_at(eta: np.ndarray, which: slice | np.ndarray, strata: np.ndarray) -> np.ndarray:
        level, value = np.divmod(strata, values.size)
        parameters = fit.parameters_at(which, *([] if design.sigma is None else [rows.take(level)]), residual=level)
        chances = AtLeast(cuts[value, None], single=True)(design.family, eta, parameters, design.outcome)
        return chances if higher else 1 - chances

    reached, left = np.empty((prod(fit.shape), len(groups))), []
    for number, group in enumerate(groups):
        average = joined_average(fit, rows.take(np.flatnonzero(group)), strata[group], chances_at)
        if average is None:
            left.append(number)
        else:
            reached[:, number] = group.sum() * average

    def in_block(which: slice) -> None:
        chances = chances_at(fit.linear_predictor(rows, which=which), which, strata)
        for number in left:
            weight = groups[number] if counting is None else groups[number] * counting
            reached[which, number] = chances @ weight

    if left:
        # What takes time releases the interpreter's lock.
        with ThreadPoolExecutor(processors()) as pool:
            list(pool.map(in_block, fit.blocks(places.size)))
    return reached + sure


def _cut(fit: FittedModel, aim: float, *, higher: bool) -> float:
    """Where the outcome is cut for a goal."""
    return cut_for(fit, aim if higher else row_beyond(fit, aim), "default")
