"""What the results do not say and what must not be concluded, drawn from data, model and the checks that were run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from alliance_bayes.fit import FittedModel
from alliance_bayes.model.scales import is_who5
from alliance_bayes.report.checked import CAUTIONS
from alliance_bayes.report.privacy import ShownFlow
from alliance_bayes.report.sections import Section
from alliance_bayes.report.small_counts import people_in
from alliance_bayes.report.text import capital, column_name, count, exact, factor_name, join, percent

if TYPE_CHECKING:
    from alliance_bayes.report.view import View

__all__ = [
    "at_the_end",
    "is_simulated",
    "limitations",
    "limits_of_data",
    "limits_of_measures",
    "not_to_conclude",
]

#: Share of people at an end of a scale from which the end is a ceiling or a floor (Terwee et al. 2007, Journal of
#: Clinical Epidemiology 60:34-42, doi 10.1016/j.jclinepi.2006.03.012).
AT_THE_END = 0.15


@Section.last("limitations")
def limitations(view: View) -> Section:
    """The section."""
    fit = view.fit
    judged = [item for item in view.checked.items if item.verdict in CAUTIONS]
    parts = [
        ("The data", limits_of_data(fit, view.small)),
        ("What was measured", list(limits_of_measures(fit, view.small))),
        ("The model", list(_of_model(view))),
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
    said = []
    if is_simulated(fit.info.get("cohort_source")):
        said.append("The data are simulated. Nothing here is evidence about patients.")
    said.append(
        "The data are observational: nobody was assigned to anything. An association may have causes that were not "
        "measured, and no difference here is the effect of changing something."
    )
    if "provider_type" in fit.design.formula.columns:
        said.append(
            "Provider types were chosen, not assigned: people who see a coach, a therapist or both differed before "
            "care began, and adjusting for what was measured need not remove that."
        )
    flow = ShownFlow.of(fit.flow, small)
    if flow.left != 0:
        who = (
            "Some participants"
            if flow.left is None or flow.total is None
            else f"{count(flow.left)} of {count(flow.total)} participants ({percent(flow.left / flow.total, 1)})"
        )
        said.append(
            f"{who} were left out because a value is missing or cannot be used. Nothing was imputed, and whether they "
            "would have changed the results was not examined."
        )
    if fit.moments is not None:
        said.append(
            "The fit was made from moments, which hold no rows: distributions, percentiles, predictions for single "
            "people and residuals could not be looked at."
        )
    return said


def limits_of_measures(fit: FittedModel, small: int) -> Iterable[str]:
    """What follows from how outcome and focal predictor were measured, as far as columns and scales tell."""
    design, focal = fit.design, fit.spec.focal_predictor(fit.design)
    outcome = design.outcome.name
    for name in dict.fromkeys(filter(None, (focal, outcome))):
        for end, share in at_the_end(fit, name, small).items():
            way = "highest" if end == "upper" else "lowest"
            effect = "ceiling" if end == "upper" else "floor"
            yield (
                f"{capital(column_name(name))} has a {effect}: {percent(share)} of those analysed have the {way} value "
                "of its scale. Differences between them cannot be seen, and associations may look weaker than they are."
            )
    rated = focal is not None and focal.partition("_")[0] == "alliance"
    if rated and is_who5(design.scales.get(outcome)):
        yield (
            "The same people rated the alliance and their well-being, so a common tendency to rate high or low adds to "
            "the association."
        )
    if focal == "alliance":
        yield (
            "The alliance is an average over the whole time in care: later ratings may follow from getting better "
            "rather than precede it."
        )
    if focal is not None:
        yield (
            f"{capital(column_name(focal))} is taken as measured without error. As a rule, error in it makes its slope "
            "smaller and leaves part of its association to the other predictors."
        )


def at_the_end(fit: FittedModel, column: str, small: int) -> dict[str, float]:
    """Share of those analysed at the `lower` and `upper` end of a column's scale, where it is a ceiling or a floor.

    Nothing is said where fewer than `small` people are at the end, or elsewhere.
    """
    scale = fit.design.scales.get(column)
    # The points that stand for moments are nobody's values.
    if scale is None or fit.moments is not None or column not in fit.design.frame:
        return {}
    values = fit.design.frame[column].to_numpy(float)
    ends = {"lower": scale.lower, "upper": scale.upper}
    there = {end: values == limit for end, limit in ends.items() if limit is not None}
    return {
        end: float(at.mean())
        for end, at in there.items()
        if at.mean() >= AT_THE_END and min(people_in(fit, at), people_in(fit, ~at)) >= small
    }


def _of_model(view: View) -> Iterable[str]:
    fit = view.fit
    design = fit.design
    scale = design.scales.get(design.outcome.name)
    if fit.design.family.linear and scale is not None and scale.lower is not None and scale.upper is not None:
        yield (
            f"The outcome has ends ({exact(scale.lower)} and {exact(scale.upper)}"
            + (f", in steps of {exact(scale.step)}" if scale.step is not None else "")
            + "), and the family has none: predictions near the ends may lie beyond them."
        )
    bent = {smooth.column for smooth in design.smooths}
    known = {offset.name for offset in design.formula.offsets}
    straight = [column_name(name) for name in design.centres if name not in bent | known]
    if straight:
        yield f"The association with {join(straight)} is taken as a straight line on the scale of the linear predictor."
    if design.factors:
        names = join([factor_name(factor.name) for factor in design.factors])
        yield (
            f"Estimates for the levels of {names} are drawn towards their common value. Differences between small "
            "groups look smaller than they may be, which is the price for fewer false ones."
        )
    if view.withheld:
        yield "All estimates are withheld, because the draws did not pass the checks."
    elif view.estimates.hidden:
        hidden = join([factor_name(name) for name in view.estimates.hidden])
        yield f"Estimates for single levels of {hidden} are not shown, because a level may be one person."


def _undone(view: View) -> Iterable[str]:
    """What a careful reader would want and this page does not have."""
    run = [item.check for item in view.checked.items]
    for check in view.checked.not_completed:
        out_of_reach = view.fit.moments is not None and check in run
        yield check.looks_at + (", which needs the rows." if out_of_reach else ".")
    if view.fit.flow.analysed < view.fit.flow.participants:
        yield "imputation of missing values, or a tipping-point analysis of those left out."
    if view.fit.spec.focal_predictor(view.fit.design) is not None and "confounding" not in view.order:
        yield "how strong an unmeasured cause would have to be to explain the association away."


def is_simulated(source: object) -> bool:
    """Whether a cohort's source says that it comes from the simulator."""
    return str(source).startswith(("simulated", "sessions of simulated"))


def not_to_conclude(fit: FittedModel, small: int) -> tuple[str, ...]:
    """What the findings of a fit must not be taken to say; counts below `small` are not given away."""
    focal = fit.spec.focal_predictor(fit.design)
    limits = []
    if focal is not None:
        reason = (
            " Ratings were gathered while people were in care, so feeling better may also have raised them."
            if focal == "alliance"
            else ""
        )
        limits.append(
            f"That raising {column_name(focal)} would change the outcome. This is an association among people who were "
            f"observed; what was not measured may lie behind it.{reason}"
        )
    if "provider_type" in fit.design.formula.columns:
        limits.append(
            "That one provider type works better than another. People chose their provider type or were guided to it, "
            "so those groups differed from the start."
        )
    if sentence := ShownFlow.of(fit.flow, small).sentence:
        limits.append(sentence)
    limits.append(
        "That an interval which includes zero shows that there is no difference. It shows that the data do not settle "
        "the matter."
    )
    return tuple(limits)
