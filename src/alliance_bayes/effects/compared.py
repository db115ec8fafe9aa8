"""The slope of one predictor beside that of another in the same unit, such as between and within providers."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Unpack, override

import numpy as np

from alliance_bayes.effects.analysis import Analysis
from alliance_bayes.effects.estimand import Estimand
from alliance_bayes.effects.options import EffectAtOptions, with_common_options
from alliance_bayes.effects.summary import Estimate
from alliance_bayes.effects.table import EffectTable, Measure
from alliance_bayes.errors import UsageError
from alliance_bayes.fit import FittedModel
from alliance_bayes.readonly import ReadOnly
from alliance_bayes.remedies import argument, setting

__all__ = ["COMPARED_SLOPES", "compared_slopes"]

_PER = "{outcome} per {unit}"
_SLOPE = "the slope of {term}"
_MINUS_FOCAL = "slope of {term} minus that of the predictor of interest"


@with_common_options
def compared_slopes(
    fit: FittedModel, *, against: str | None = None, predictor: str | None = None, **options: Unpack[EffectAtOptions]
) -> EffectTable:
    """Average slope of another predictor, and how much it differs from that of the predictor of interest.

    Parameters
    ----------
    fit
        The fitted model.
    against
        A numeric predictor in the unit of the predictor of interest; by default the one that the model names
        (``against``).
    predictor
        The predictor of interest; the model's focal one by default.

    Returns
    -------
    EffectTable
        ``compared_slope``, the average slope of ``against`` as ``slope`` of :func:`alliance_bayes.effects.slopes` is
        that of the predictor of interest, and ``slope_minus_focal``, this slope minus that one, draw by draw.

    Raises
    ------
    UsageError
        An option is outside what is accepted, the model names no such predictor, or the two are the same, or in
        different units, so that their slopes have no difference.

    Notes
    -----
    With the parts of a score within and between providers as predictors, the difference between minus within is the
    contextual effect [1]_. A difference of slopes is judged against half of the ROPE over the step from the 10th to the
    90th percentile of ``against``, as in :func:`contrasts`. The slopes themselves are per unit, and are not judged.

    References
    ----------
    .. [1] Enders & Tofighi (2007), Psychological Methods 12(2):121-138, doi 10.1037/1082-989X.12.2.121.
    """
    return COMPARED_SLOPES(fit, against=against, predictor=predictor, **options)


class ComparedSlopes(Estimand):
    """See :func:`compared_slopes`."""

    name = "compared_slopes"
    title = "compared slopes"
    options = EffectAtOptions
    needs_predictor = True
    measures = ReadOnly(
        {
            "compared_slope": Measure(
                "Slope of {term}",
                _PER,
                subject=_SLOPE,
                sentence="For each additional {step}, {outcome} was {word} {way}, by {size}{points} on "
                "average{over} ({interval}).",
                unsettled="Whether {outcome} was higher or lower with more {term} is not settled: for each additional "
                "{step} the estimate is {mean}{points}{over} ({interval}).",
                signed=True,
            ),
            "slope_minus_focal": Measure(
                _MINUS_FOCAL.capitalize(),
                _PER,
                subject=f"the {_MINUS_FOCAL}",
                sentence="The slope of {term} was {word} {way} than that of the predictor of interest, by "
                "{size}{points} for each {unit}{over} ({interval}).",
                unsettled="Whether the slope of {term} was higher or lower than that of the predictor of interest is "
                "not settled: the difference is {mean}{points} for each {unit}{over} ({interval}).",
                signed=True,
                judged=True,
                tells="spread",
            ),
        }
    )

    @override
    def estimates(
        self, analysis: Analysis, *, against: str | None = None, predictor: str | None = None
    ) -> Iterator[Estimate]:
        focal, comparator = analysis.predictor(predictor), against or analysis.fit.spec.against
        if comparator is None:
            raise UsageError(
                f"the model names no predictor to compare with that of {focal!r}. Name it: "
                f"{argument('against', ...)}, or {setting('against')} of the model."
            )
        name = analysis.predictor(comparator)
        unit = analysis.unit_of(name)
        if name == focal or unit != analysis.unit_of(focal):
            raise UsageError(
                f"the slopes of {name!r} (per {unit}) and {focal!r} (per {analysis.unit_of(focal)}) have no "
                f"difference. Compare two predictors in one unit, which {setting('scales')} may name."
            )
        row, denominator = partial(self.row, analysis, term=name), f"1 {unit}"
        (slope, why), (of_focal, problem) = _slope(analysis, name), _slope(analysis, focal)
        yield row("compared_slope", slope, denominator=denominator, note=why)
        judged = analysis.slope_margins(name)
        if judged["rope"] is not None:
            judged["prior"] = partial(_before, analysis.prior, name, focal)
        than = f"{denominator}; minus the slope of {focal}"
        yield row("slope_minus_focal", slope - of_focal, denominator=than, note=why or problem, **judged)


COMPARED_SLOPES = ComparedSlopes()


def _slope(analysis: Analysis, name: str) -> tuple[np.ndarray, str]:
    """Draws of the average slope, and why there are none."""
    draws, (problem,) = analysis.slopes(name, [{}])
    return draws[:, 0], problem


def _before(prior: Analysis, name: str, focal: str) -> np.ndarray:
    """Draws of the difference from the prior."""
    return _slope(prior, name)[0] - _slope(prior, focal)[0]
