"""Regression to the mean: how much of the change of people who start low would be expected without any cause."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Literal, Unpack, override

import numpy as np
import numpy.typing as npt

from alliance_bayes.effects.analysis import Analysis
from alliance_bayes.effects.counterfactual import Counterfactual, Grid, row_mask, terms_with
from alliance_bayes.effects.estimand import Estimand
from alliance_bayes.effects.options import RopeOptions, with_common_options
from alliance_bayes.effects.summary import Estimate
from alliance_bayes.effects.table import EffectTable, Measure
from alliance_bayes.errors import UsageError
from alliance_bayes.fit import FittedModel, seen
from alliance_bayes.instruments import WHO5
from alliance_bayes.kinds import chosen, is_number
from alliance_bayes.model import Design
from alliance_bayes.model.scales import BUILT_IN, SampleScale
from alliance_bayes.readonly import ReadOnly
from alliance_bayes.remedies import argument

__all__ = ["EVERYBODY", "POPULATION_MEAN", "REGRESSION_TO_MEAN", "regression_to_mean"]

type Kind = Literal["default", "change", "followup"]
type PopulationMean = float | tuple[float, float] | Literal["default"] | None

#: What all analysed people are called in the column ``level``.
EVERYBODY = "everybody"
#: What stands between the people and the mean there.
POPULATION_MEAN = ", population mean "


@with_common_options
def regression_to_mean(
    fit: FittedModel,
    *,
    baseline: str = "who5_baseline",
    at_most: float | None = None,
    selected: npt.ArrayLike | None = None,
    population_mean: PopulationMean = "default",
    retest: float | None = None,
    outcome: Kind = "default",
    **options: Unpack[RopeOptions],
) -> EffectTable:
    """Split mean changes into what regression to the population's mean would bring, and the rest.

    Parameters
    ----------
    fit
        A model of the change, or of the follow-up, of everybody (not of the selected alone), of a family whose
        expected outcome is its linear predictor, with the baseline as a plain common term.
    baseline
        The predictor that was measured before.
    at_most
        The selected are those with a baseline of at most this; where missing baselines were drawn, an observed one.
    selected
        Whether each analysed row is selected, shape (n_rows,), in the order of ``fit.design.frame``; in place of
        ``at_most``.
    population_mean
        Mean of the baseline's scale among the people that the analysed rows came from, one number or the two ends of a
        range: everybody who might have come, not those who did. The data cannot tell it. ``"default"``: for a WHO-5
        score the range of the means of European countries, 47 to 70 [3]_; an error for any other scale, of which no
        mean is known here. None: mean changes only.
    retest
        Correlation in that population of two measurements as far apart as these, in [0, 1], where it is known. By
        default the slope of the follow-up on the baseline among the analysed rows stands for it.
    outcome
        ``"change"`` or ``"followup"``: what the model's outcome is. ``"default"``: a change where the outcome's scale
        reaches below zero, a follow-up where it is the baseline's scale.

    Returns
    -------
    EffectTable
        First two rows:

        ``mean_change``
            Expected change of everybody, averaged over the analysed rows.
        ``mean_change_selected``
            The same over the selected rows. Its note has the mean that was observed: where the two differ by more than
            the interval allows, the straight line is wrong for the selected.

        Then three rows for each population mean m, of everybody and of the selected; ``level`` says which:

        ``regression_to_mean``
            (1 - b) (m - mean baseline of those people), b being the slope of the follow-up on the baseline (of a model
            of the change, b - 1 is its slope), or ``retest``.
        ``change_beyond_regression``
            Their mean change minus that part. Without other terms in the model it is the expected change of somebody
            whose baseline is m, for everybody and the selected alike; with others it also holds what they predict to
            be different about these people.
        ``share_of_regression``
            The part divided by their mean change, draw by draw. It may exceed 1: the mean then lies so far above their
            baseline that more change would have been expected than came.

    Raises
    ------
    UsageError
        An option is outside what is accepted, no population mean is known, the selection does not split the rows, the
        baseline is not a plain common term or is in any other term, the family is not linear, or the fit was made from
        moments.

    Notes
    -----
    The ROPE and the smallest relevant change are about the mean changes and their parts. Everything is of the analysed
    rows as they are.

    Let two measurements of a population in which nobody changes have the mean m, equal SDs and the correlation r. Then
    E[y2 - y1 | y1] = (1 - r) (m - y1) [1]_ [2]_: who is measured low scores nearer to the population's mean the next
    time, treated or not. That people come, or are chosen, because of a low y1 does not alter that expectation given y1,
    so it does not alter the slope of y2 on y1 either, however much it lowers the correlation among those who came. But
    it does lower their mean: all of them are expected to return towards m, and not towards the mean of those who came.

    Nothing here separates an artefact from a cure, and the part is neither its least nor its most. It rests on m. It
    takes a low score as the reason for coming: people who came for lasting trouble return to a mean of their own, which
    is nearer, and then the part is smaller. The slope also holds what people with low scores truly gained more than
    others, which makes the part larger, unless ``retest`` is given.

    References
    ----------
    .. [1] Barnett, van der Pols, Dobson (2005). Regression to the mean: what it is and how to deal with it.
       International Journal of Epidemiology 34(1). doi 10.1093/ije/dyh299
    .. [2] Davis (1976). The effect of regression to the mean in epidemiologic and clinical studies. American Journal
       of Epidemiology 104(5). doi 10.1093/oxfordjournals.aje.a112289
    .. [3] European Quality of Life Survey 2007.
    """
    return REGRESSION_TO_MEAN(
        fit,
        baseline=baseline,
        at_most=at_most,
        selected=selected,
        population_mean=population_mean,
        retest=retest,
        outcome=outcome,
        **options,
    )


class RegressionToMean(Estimand):
    """See :func:`regression_to_mean`."""

    name = "regression_to_mean"
    title = "regression to the mean"
    options = RopeOptions
    needs_rows = "regression to the mean"
    measures = ReadOnly(
        {
            "mean_change": Measure("Mean change of everybody", signed=True, judged=True),
            "mean_change_selected": Measure("Mean change of those with a {term} of {level}", signed=True, judged=True),
            "regression_to_mean": Measure(
                "part expected from regression to a population mean of {level}", signed=True, judged=True
            ),
            "change_beyond_regression": Measure(
                "rest of the change, with a population mean of {level}", signed=True, judged=True
            ),
            "share_of_regression": Measure(
                "share expected from regression to a population mean of {level}", "share of change"
            ),
        }
    )

    @override
    def estimates(
        self,
        analysis: Analysis,
        *,
        baseline: str = "who5_baseline",
        at_most: float | None = None,
        selected: npt.ArrayLike | None = None,
        population_mean: PopulationMean = "default",
        retest: float | None = None,
        outcome: Kind = "default",
    ) -> Iterator[Estimate]:
        fit, design = analysis.fit, analysis.fit.design
        change = _kind(fit, baseline, outcome) == "change"
        _refuse_other_terms(analysis, baseline)
        mask, label = _selection(analysis, baseline, at_most, selected)
        means = _population_means(fit, baseline, population_mean)
        if retest is not None and not 0 <= retest <= 1:
            raise UsageError(f"retest should be a correlation in the interval [0, 1] but got {retest!r}.")
        start = analysis.values(baseline)
        people = [Counterfactual((Grid(rows, {}),)) for rows in (design.rows, design.rows.take(np.flatnonzero(mask)))]
        everybody, those = analysis.averages(people).T
        slope = fit.stacked["beta"][:, design.terms.index(baseline)]
        whole, selected_mean = _mean_of(fit, baseline, start), _average(design, start, mask)
        both = mask & _seen(fit, design.outcome.name)
        observed = _average(design, design.outcome.values, both)
        if not change:
            everybody, those, slope = everybody - whole, those - selected_mean, slope - 1
            observed -= _average(design, start, both)
        if retest is not None:
            slope = np.full_like(slope, retest - 1)
        row = partial(self.row, analysis, term=baseline, population="sample")
        yield row("mean_change", everybody)
        # No numbers of people: beside those of a model of other rows they may be a count of a few.
        yield row("mean_change_selected", those, factor=baseline, level=label, note=f"observed {observed:.4g}")
        for who, words, changes, mean_start in (
            (EVERYBODY, EVERYBODY, everybody, whole),
            (label, "the selected", those, selected_mean),
        ):
            unstable = _unstable(changes, words, analysis.options.prob)
            for mean in means:
                expected = slope * (mean_start - mean)
                with np.errstate(divide="ignore", invalid="ignore"):
                    share = expected / changes
                part = partial(row, factor=baseline, level=f"{who}{POPULATION_MEAN}{mean:g}")
                yield part("regression_to_mean", expected)
                yield part("change_beyond_regression", changes - expected)
                yield part("share_of_regression", share, note=unstable)


REGRESSION_TO_MEAN = RegressionToMean()


def _seen(fit: FittedModel, name: str) -> np.ndarray:
    """Whether each analysed row has a value of a column that was observed, if with an error, shape (n_rows,)."""
    return seen(fit, *({name} - fit.spec.inexact))


def _average(design: Design, values: np.ndarray, whose: np.ndarray) -> float:
    """Mean over some of the people analysed, or over those whom they stand for."""
    weights = design.rows.weights
    return float(np.average(values[whose], weights=None if weights is None else weights[whose]))


def _mean_of(fit: FittedModel, baseline: str, values: np.ndarray) -> np.ndarray | float:
    """Mean of the baseline over the rows: of one whose missing values were drawn, with those of each draw."""
    if fit.imputation is None or baseline not in fit.imputation.places:
        return float(fit.design.average(values))
    place = fit.design.terms.index(baseline)
    means = fit.imputation.column_means.reshape(-1, len(fit.design.terms))[:, place]
    return np.asarray(means - fit.design.rows.x[:, place].mean() + values.mean())


def _unstable(changes: np.ndarray, who: str, prob: float) -> str:
    """Why a share of some changes means little; empty where it means something."""
    low, high = (float(limit) for limit in np.quantile(changes, ((1 - prob) / 2, (1 + prob) / 2)))
    if not low <= 0 <= high:
        return ""
    return (
        f"the change of {who} may be zero ({prob:.0%} interval {low:.3g} to {high:.3g}), so that a share of it means "
        "little"
    )


def _population_means(fit: FittedModel, baseline: str, population_mean: PopulationMean) -> tuple[float, ...]:
    """The means to regress to, ascending: none, one, or the ends of a range."""
    scale = fit.design.scales.get(baseline)
    if population_mean is None:
        return ()
    if population_mean == "default":
        if scale != BUILT_IN["who5"] or WHO5.population_means is None:
            raise UsageError(
                "people who start low regress to the mean of the population that they come from, and none is known for "
                f"'{baseline}'. Give {argument('population_mean', ...)}, one number or the two ends of a range, or "
                "None for the mean changes alone."
            )
        return WHO5.population_means
    means = tuple(population_mean) if isinstance(population_mean, tuple | list) else (population_mean,)
    if not (all(map(is_number, means)) and len(means) in (1, 2) and list(means) == sorted(set(means))):
        raise UsageError(
            "population_mean should be a finite number, the two ends of a range with the lower first, 'default' or "
            f"None, but got {population_mean!r}."
        )
    ends = (None, None) if scale is None else (scale.lower, scale.upper)
    if any((ends[0] is not None and mean < ends[0]) or (ends[1] is not None and mean > ends[1]) for mean in means):
        raise UsageError(
            f"population_mean should lie on the scale of '{baseline}', {ends[0]:g} to {ends[1]:g}, but got "
            f"{population_mean!r}."
        )
    return tuple(map(float, means))


def _kind(fit: FittedModel, baseline: str, outcome: str) -> str:
    chosen("outcome", outcome, ("default", "change", "followup"))
    if not fit.design.family.linear:
        raise UsageError(
            "regression to the mean is read off a linear regression, but the expected outcome of family "
            f"'{fit.spec.family}' is not linear. Fit family 'gaussian' or 'student_t'."
        )
    if outcome != "default":
        return outcome
    after, before = (fit.design.scales.get(name) for name in (fit.design.outcome.name, baseline))
    if after is not None and after.lower is not None and after.lower < 0:
        return "change"
    # Mean and SD of two columns of one instrument may be those of the rows of each.
    if after is not None and before is not None and before.lower is not None:
        before = replace(before, mean=after.mean, sd=after.sd)
    known = after is not None and not (isinstance(after, SampleScale) and after.lower is None)
    if known and after == before:
        return "followup"
    raise UsageError(
        f"nothing tells whether '{fit.design.outcome.name}' is a change or a follow-up score on the scale of "
        f"'{baseline}'. Say {argument('outcome', 'change')} or {argument('outcome', 'followup')}."
    )


def _refuse_other_terms(analysis: Analysis, baseline: str) -> None:
    analysis.predictor(baseline)
    terms = terms_with(analysis.fit.design, baseline)
    if baseline not in analysis.fit.design.terms:
        reason = f"'{baseline}' is not a common term of its own"
    elif others := [term.name for term in terms if term.name != baseline]:
        reason = f"'{baseline}' is also in {', '.join(map(repr, others))}"
    else:
        return
    raise UsageError(
        f"regression to the mean is one slope times a difference of means, but in this model {reason}. "
        f"Fit a model with '{baseline}' as a plain common term only."
    )


def _selection(
    analysis: Analysis, baseline: str, at_most: float | None, selected: npt.ArrayLike | None
) -> tuple[np.ndarray, str]:
    """Who is selected, shape (n_rows,), and how to call them."""
    if (at_most is None) == (selected is None):
        raise UsageError(
            "give either at_most, the highest baseline that is selected, or selected, a mask of the analysed rows."
        )
    if at_most is not None:
        # Of whom no baseline was observed it is not known.
        mask = (analysis.values(baseline) <= at_most) & _seen(analysis.fit, baseline)
        label = f"at most {at_most:g}"
    else:
        assert selected is not None
        mask, label = row_mask(analysis.fit.design, "selected", selected), "selected"
    if mask.all() or not mask.any():
        raise UsageError(
            f"the selection has {'all' if mask.all() else 'none'} of the {mask.size:,} analysed rows, so there is "
            "nothing to split. The model is of everybody, and the selected are some of them."
        )
    return mask, label
