"""What must not be concluded, as far as the model and the people analysed tell."""

from __future__ import annotations

from alliance_bayes.fit import FittedModel
from alliance_bayes.report.privacy import ShownFlow
from alliance_bayes.report.text import column_name

__all__ = ["is_simulated", "not_to_conclude"]


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
