"""Regression to the mean: how much of the change of people selected on a low baseline needs no other explanation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from alliance_bayes.effects.analysis import Analysis
from alliance_bayes.effects.averages import is_linear
from alliance_bayes.effects.holding import holding
from alliance_bayes.effects.masks import mask_of_rows
from alliance_bayes.effects.options import Relevant, Rope, chosen, make_options
from alliance_bayes.effects.quantity import Quantity
from alliance_bayes.effects.scenes import Piece, Scene
from alliance_bayes.effects.summary import summarise
from alliance_bayes.effects.table import EffectTable
from alliance_bayes.errors import UsageError
from alliance_bayes.fit import FittedModel

__all__ = ["regression_quantities", "regression_to_mean"]

type Kind = Literal["default", "change", "followup"]


def regression_to_mean(
    fit: FittedModel,
    *,
    predictor: str = "who5_baseline",
    at_most: float | None = None,
    selected: npt.ArrayLike | None = None,
    outcome: Kind = "default",
    prob: float = 0.89,
    interval: str = "eti",
    rope: Rope = "default",
    relevant: Relevant = "default",
) -> EffectTable:
    """Split the mean change of people selected on their baseline into regression to the mean and the rest.

    Parameters
    ----------
    fit
        A model of the change, or of the follow-up, of everybody (not of the selected alone), of a family whose
        expected outcome is its linear predictor, with the baseline as a plain common term.
    predictor
        The baseline's column.
    at_most
        The selected are those with a baseline of at most this.
    selected
        Whether each analysed row is selected, shape (n_rows,), in the order of ``fit.design.frame``; in place of
        ``at_most``.
    outcome
        ``"change"`` or ``"followup"``: what the model's outcome is. ``"default"``: a change where the outcome's scale
        reaches below zero, a follow-up where it is the baseline's scale.
    prob, interval
        Probability and kind of the intervals: ``"eti"`` (equal tails) or ``"hdi"`` (highest density).
    rope, relevant
        As in :func:`slopes`; they apply to the mean changes and their parts.

    Returns
    -------
    EffectTable
        One row for each of these estimands, ``level`` saying who was selected:

        ``mean_change``
            Expected change of everybody, averaged over the analysed rows.
        ``mean_change_selected``
            The same over the selected rows. Its note has the mean that was observed: where the two differ by more than
            the interval allows, the straight line is wrong for the selected.
        ``regression_to_mean``
            (b - 1) x (mean baseline of the selected - mean baseline of everybody), b being the slope of the follow-up
            on the baseline; of a model of the change, b - 1 is its slope.
        ``change_beyond_regression``
            Mean change of the selected minus that part. Without other terms in the model it is the mean change of
            everybody; with others it also holds what they predict to be different about the selected.
        ``share_of_regression``
            Regression to the mean divided by the mean change of the selected, draw by draw.

    Raises
    ------
    UsageError
        An option is outside what is accepted, the selection does not split the rows, the baseline is not a plain common
        term or is in any other term, the family is not linear, or the fit was made from moments.

    Notes
    -----
    Who is selected for a low score has, on average, a measurement that fell below their usual one, and scores closer to
    the mean when measured again, treated or not [1]_. With a linear regression of the follow-up on the baseline, the
    expected size of that is the row ``regression_to_mean`` [2]_. The means of the baseline are taken as they are in the
    analysed rows.

    There is no control arm in such data, so nothing tells a slope b below 1 that is noise from one that comes from
    people with low scores gaining more. What the low-scoring group really gained beyond the others is counted as
    regression as well: the row is an upper bound of the artefact, not an estimate of it.

    References
    ----------
    .. [1] Barnett, van der Pols, Dobson (2005). Regression to the mean: what it is and how to deal with it.
       International Journal of Epidemiology 34(1). doi 10.1093/ije/dyh299
    .. [2] Davis (1976). The effect of regression to the mean in epidemiologic and clinical studies. American Journal
       of Epidemiology 104(5). doi 10.1093/oxfordjournals.aje.a112289
    """
    options = make_options(fit, prob=prob, interval=interval, rope=rope, relevant=relevant)
    change = _kind(fit, predictor, outcome) == "change"
    fit.need_rows("regression to the mean")
    analysis = Analysis(fit, options)
    _refuse_other_terms(analysis, predictor)
    mask, label = _selection(analysis, predictor, at_most, selected)
    return summarise(regression_quantities(analysis, predictor, mask, label, change=change), options)


def regression_quantities(
    analysis: Analysis, predictor: str, mask: np.ndarray, label: str, *, change: bool
) -> Iterator[Quantity]:
    """Quantities of :func:`regression_to_mean`.

    Parameters
    ----------
    analysis
        Of a model with the baseline as a plain common term only.
    predictor
        The baseline's column.
    mask, label
        Who is selected, shape (n_rows,), and how to call them.
    change
        Whether the outcome is the change itself.
    """
    design, options = analysis.fit.design, analysis.options
    baseline = analysis.values(predictor)
    scenes = [Scene((Piece(rows, {}),)) for rows in (design.rows, design.rows.take(np.flatnonzero(mask)))]
    everybody, those = analysis.averages(scenes).T
    slope = analysis.fit.stacked["beta"][:, design.terms.index(predictor)]
    observed = design.outcome.values[mask].mean()
    if not change:
        everybody, those, slope = everybody - baseline.mean(), those - baseline[mask].mean(), slope - 1
        observed = observed - baseline[mask].mean()
    expected = slope * (baseline[mask].mean() - baseline.mean())
    points = analysis.outcome_unit

    def quantity(estimand: str, draws: np.ndarray, unit: str = points, **more: Any) -> Quantity:
        own: dict[str, Any] = {"term": predictor, "population": "sample", "factor": predictor, "level": label}
        if unit == points:
            own |= {"signed": True, "rope": options.rope, "relevant": options.relevant}
        return Quantity(estimand, analysis.fixed(draws), unit, **(own | more))

    # No numbers of people: beside those of a model of other rows they may be a count of a few.
    seen = f"observed: {observed:.4g}"
    yield quantity("mean_change", everybody, factor=None, level=None)
    yield quantity("mean_change_selected", those, note=seen)
    yield quantity("regression_to_mean", expected)
    yield quantity("change_beyond_regression", those - expected)
    tails = ((1 - options.prob) / 2, (1 + options.prob) / 2)
    low, high = (float(limit) for limit in np.quantile(those, tails))
    unstable = (
        f"the change of the selected may be zero ({options.prob:.0%} interval {low:.3g} to {high:.3g}), "
        "so that a share of it means little"
        if low <= 0 <= high
        else ""
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        share = expected / those
    yield quantity("share_of_regression", share, "share of change", note=unstable)


def _kind(fit: FittedModel, predictor: str, asked: str) -> str:
    chosen("outcome", asked, ("default", "change", "followup"))
    if not is_linear(fit):
        raise UsageError(
            "regression to the mean is read off a linear regression, but the expected outcome of family "
            f"'{fit.spec.family}' is not linear. Fit family 'gaussian' or 'student_t'."
        )
    if asked != "default":
        return asked
    own, baseline = (fit.design.scales.get(name) for name in (fit.design.outcome.name, predictor))
    if own is not None and own.lower is not None and own.lower < 0:
        return "change"
    if own is not None and own == baseline:
        return "followup"
    raise UsageError(
        f"nothing tells whether '{fit.design.outcome.name}' is a change or a follow-up score on the scale of "
        f"'{predictor}'. Say outcome='change' or outcome='followup'."
    )


def _refuse_other_terms(analysis: Analysis, predictor: str) -> None:
    analysis.predictor(predictor)
    terms = holding(analysis.fit.design, predictor)
    if predictor not in analysis.fit.design.terms:
        what = f"'{predictor}' is not a common term of its own"
    elif others := [term.name for term in terms if term.name != predictor]:
        what = f"'{predictor}' is also in {', '.join(map(repr, others))}"
    else:
        return
    raise UsageError(
        f"regression to the mean is one slope times a difference of means, but in this model {what}. "
        f"Fit a model with '{predictor}' as a plain common term only."
    )


def _selection(
    analysis: Analysis, predictor: str, at_most: float | None, selected: npt.ArrayLike | None
) -> tuple[np.ndarray, str]:
    """Who is selected, shape (n_rows,), and how to call them."""
    if (at_most is None) == (selected is None):
        raise UsageError(
            "give either at_most, the highest baseline that is selected, or selected, a mask of the analysed rows."
        )
    if at_most is not None:
        mask, label = analysis.values(predictor) <= at_most, f"at most {at_most:g}"
    else:
        assert selected is not None
        mask, label = mask_of_rows(analysis.fit.design, "selected", selected), "selected"
    if mask.all() or not mask.any():
        raise UsageError(
            f"the selection has {'all' if mask.all() else 'none'} of the {mask.size:,} analysed rows, so there is "
            "nothing to split. The model is of everybody, and the selected are some of them."
        )
    return mask, label
