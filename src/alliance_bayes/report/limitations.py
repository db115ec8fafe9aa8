"""What the results do not say and what must not be concluded, drawn from data, model and the checks that were run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from alliance_bayes.fit import FittedModel, seen
from alliance_bayes.model.grammar import windowed_named
from alliance_bayes.model.scales import is_who5
from alliance_bayes.model.windows import lagged_outcome
from alliance_bayes.report.adjustment import after_care_began
from alliance_bayes.report.checked import CAUTIONS
from alliance_bayes.report.confounding import unmeasured_limitation
from alliance_bayes.report.drawn import auxiliary_of, error_of, is_given, lacking, unmeasured, values_drawn
from alliance_bayes.report.privacy import ShownFlow
from alliance_bayes.report.sections import Section
from alliance_bayes.report.small_counts import analysed_words, one_value_each, unit_words
from alliance_bayes.report.text import (
    capital,
    clean,
    column_name,
    count,
    derived,
    exact,
    factor_name,
    join,
    levels_of,
    percent,
)
from alliance_bayes.report.tipping import shifted, shifted_limitation
from alliance_bayes.wording import Wording

if TYPE_CHECKING:
    from alliance_bayes.report.view import View

__all__ = [
    "at_the_end",
    "is_simulated",
    "limitations",
    "limits_of_data",
    "limits_of_measures",
    "not_to_conclude",
    "parts_of",
]

SENTENCES = Wording("alliance_bayes.report", "sentences/limitations.toml")
#: Share of people at an end of a scale from which the end is a ceiling or a floor (Terwee et al. 2007, Journal of
#: Clinical Epidemiology 60:34-42, doi 10.1016/j.jclinepi.2006.03.012).
AT_THE_END = 0.15


@Section.last("limitations")
def limitations(view: View) -> Section:
    """The section."""
    fit = view.fit
    judged = [item for item in view.checked.items if item.verdict in CAUTIONS]
    of_data = (shifted_limitation(view), unmeasured_limitation(view))
    parts = [
        ("The data", [*limits_of_data(fit, view.small), *filter(None, of_data)]),
        ("What was measured", [*limits_of_measures(fit, view.small), *_unknown_change(view)]),
        ("The model", _of_model(view)),
    ]
    context = {
        "parts": [(title, sentences) for title, sentences in parts if sentences],
        "judged": [(item, view.redact(item.check.meaning)) for item in judged],
        "linked": "checks" in view.order,
        "checked": bool(view.checked.items),
        "undone": [capital(sentence) for sentence in _undone(view)],
    }
    numbers = {
        "limitations": {
            "sentences": [sentence for _, sentences in parts for sentence in sentences],
            "checks": [item.name for item in judged],
            "not_done": context["undone"],
        }
    }
    return Section("limitations", "Limitations", "limitations.html", context, numbers)


def limits_of_data(fit: FittedModel, small: int) -> list[str]:
    """What follows from where the data come from and who is in them."""
    flow = ShownFlow.of(fit.flow, small)
    return SENTENCES.all(
        "data",
        simulated=is_simulated(fit.info.get("cohort_source")),
        arms=_arms(fit),
        provider_types="provider_type" in fit.design.formula.columns,
        complete=flow.left == 0,
        units=unit_words(fit, "participants"),
        left="" if flow.left is None else count(flow.left),
        total="" if flow.total is None else count(flow.total),
        share=percent(flow.left / flow.total, 1) if flow.left and flow.total else "",
        moments=fit.moments is not None,
        weighted=fit.design.rows.weights is not None,
        imputed=values_drawn(fit, small) is not None,
        given=is_given(fit),
        beside=join([column_name(name) for name in auxiliary_of(fit)]),
    )


def limits_of_measures(fit: FittedModel, small: int) -> list[str]:
    """What follows from how outcome and focal predictor were measured, as far as columns and scales tell."""
    focal, outcome = fit.spec.focal_predictor(fit.design), fit.design.outcome.name
    ends = [
        SENTENCES("end", column=column_name(name), upper=end == "upper", share=percent(share))
        for name in dict.fromkeys(filter(None, (focal, outcome)))
        for end, share in at_the_end(fit, name, small).items()
    ]
    of = focal if focal is None or (windowed := windowed_named(focal)) is None else windowed.source
    rated = of is not None and (of.partition("_")[0] == "alliance" or fit.spec.alliance in (of, focal))
    sentences = SENTENCES.all(
        "measures",
        same_raters=rated and is_who5(fit.design.scales.get(outcome)),
        alliance=focal == "alliance" and one_value_each(fit, focal),
        # When a row is stands in a calendar.
        focal=None if focal is None or focal == time_of(fit) else column_name(focal),
        error="" if focal is None or focal not in error_of(fit) else derived(error_of(fit)[focal]),
    )
    return [*ends, *filter(None, [after_care_began(fit)]), *sentences]


def time_of(fit: FittedModel) -> str | None:
    """The column that says when a row of a person is; None where rows are people."""
    return dict(fit.info.get("long") or {}).get("time")


def _unknown_change(view: View) -> Iterable[str]:
    """A request for the smallest relevant change, where none is known of an outcome in points."""
    design, table = view.fit.design, view.estimates.table
    if not (view.withheld or design.family.event or design.family.has_trials or table["relevant"].notna().any()):
        yield SENTENCES("unknown_change", outcome=column_name(design.outcome.name))


def at_the_end(fit: FittedModel, column: str, small: int) -> dict[str, float]:
    """Share of those analysed at the `lower` and `upper` end of a column's scale, where it is a ceiling or a floor.

    Nothing is said where fewer than `small` people are at the end, or elsewhere.
    """
    scale = fit.design.scales.get(column)
    # The points that stand for moments are nobody's values.
    if scale is None or fit.moments is not None or column not in fit.design.frame:
        return {}
    places = np.flatnonzero(seen(fit, column))
    values = fit.design.frame[column].to_numpy(float)[places]
    ends = {"lower": scale.lower, "upper": scale.upper}
    masks = {end: values == limit for end, limit in ends.items() if limit is not None}

    def people(at: np.ndarray) -> int:
        return fit.count_people(np.isin(np.arange(len(fit.design.frame)), places[at]))

    return {
        end: float(at.mean())
        for end, at in masks.items()
        if at.size and at.mean() >= AT_THE_END and min(map(people, (at, ~at))) >= small
    }


def _of_model(view: View) -> list[str]:
    design = view.fit.design
    scale = design.scales.get(design.outcome.name)
    limits = () if scale is None or not design.family.linear else (scale.lower, scale.upper)
    ends = [exact(end) for end in limits if end is not None]
    lagged, levels, ordinal = lagged_outcome(design), design.outcome.levels, design.family.link == "cumulative_logit"
    curved = {smooth.column for smooth in design.smooths} | {offset.name for offset in design.formula.offsets}
    return SENTENCES.all(
        "model",
        ends=" and ".join(ends) if len(ends) == 2 else "",
        outcome=column_name(design.outcome.name),
        levels="" if levels is None or not ordinal else " to ".join(map(exact, (levels[0], levels[-1]))),
        cut=design.family.normal and not design.family.linear,
        step="" if scale is None or scale.step is None else exact(scale.step),
        # Between two values any line is straight.
        straight=join(
            [column_name(name) for name in design.centres if name not in curved and not design.is_indicator(name)]
        ),
        pooled=join([factor_name(factor.name) for factor in design.factors]),
        dependent="" if view.fit.has_person_effects else analysed_words(view.fit),
        units=unit_words(view.fit),
        uneven=_uneven(view.fit),
        person=clean(view.fit.person),
        parts=parts_of(view.fit),
        lagged=None if lagged is None else join([column_name(name) for name in lagged.names]),
        occasions="" if lagged is None else f"{lagged.occasions:.1f}",
        withheld=view.withheld,
        hidden=join([factor_name(name) for name in view.estimates.hidden]),
    )


def _uneven(fit: FittedModel) -> bool:
    """Whether some people have more rows than others."""
    if fit.people is None:
        return False
    rows = np.bincount(fit.people, weights=fit.design.copies)
    return float(np.ptp(rows[rows > 0])) > 0.5


def parts_of(fit: FittedModel) -> list[dict[str, str]]:
    """What was split into parts within and between levels, with the analysed rows a level, where that is known."""
    parts: dict[tuple[str, str], dict[str, str]] = {}
    for window in fit.design.formula.windows:
        if window.function == "lag":
            continue
        by = "" if window.by is None else window.by.name
        codes = fit.people if window.by is None else fit.design.frame.get(by)
        rows = "" if codes is None or fit.moments is not None else f"{len(codes) / len(np.unique(codes)):.1f}"
        whose, singular = ("persons", "person") if not by else (levels_of(by), column_name(by))
        parts[window.of.name, by] = {"what": column_name(window.of.name), "whose": whose, "one": singular, "rows": rows}
    return list(parts.values())


def _undone(view: View) -> Iterable[str]:
    """What a careful reader would want and this page does not have."""
    fit, run = view.fit, [item.check for item in view.checked.items]
    for check in view.checked.not_completed:
        out_of_reach = fit.moments is not None and check in run
        yield check.looks_at + (", for which the rows are needed." if out_of_reach else ".")
    focal = fit.spec.focal_predictor(fit.design)
    yield from SENTENCES.all(
        "not_done",
        left_out=fit.flow.analysed < fit.flow.participants,
        imputed=bool(lacking(fit) or unmeasured(fit)) and not ("missing" in view.order and shifted(view)),
        unmeasured=(focal is not None or bool(_arms(fit))) and "confounding" not in view.order,
        what="association" if focal is not None else "difference",
    )


def _arms(fit: FittedModel) -> str:
    """The factor, or the column of 0 and 1, whose levels the page compares; empty where it is about something else."""
    factor, focal = fit.spec.focal_factor(fit.design), fit.spec.focal_predictor(fit.design)
    if focal is not None and fit.design.is_indicator(focal):
        return column_name(focal)
    return "" if factor is None else factor_name(factor)


def is_simulated(source: object) -> bool:
    """Whether a cohort's source says that it comes from the simulator."""
    return str(source).startswith(("simulated", "sessions of simulated"))


def not_to_conclude(fit: FittedModel, small: int) -> tuple[str, ...]:
    """What the findings of a fit must not be taken to say; counts below `small` are not given away."""
    focal, lagged = fit.spec.focal_predictor(fit.design), lagged_outcome(fit.design)
    sentences = SENTENCES.all(
        "not_to_conclude",
        focal=None if focal is None or fit.design.is_indicator(focal) else column_name(focal),
        time=focal is not None and focal == time_of(fit),
        alliance=focal in ("alliance", fit.spec.alliance),
        arms=_arms(fit),
        provider_types="provider_type" in fit.design.formula.columns,
        lagged=None if lagged is None else join([column_name(name) for name in lagged.names]),
        occasions="" if lagged is None else f"{lagged.occasions:.1f}",
        left_out=ShownFlow.of(fit.flow, small, unit=unit_words(fit)).sentence,
        dependent="" if fit.has_person_effects else analysed_words(fit),
        units=unit_words(fit),
    )
    return tuple(sentences)
