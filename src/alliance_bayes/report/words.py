"""What columns, terms and units are called in a sentence."""

from __future__ import annotations

from collections.abc import Mapping

from alliance_bayes.model import Design, PooledFactor, Smooth
from alliance_bayes.report.text import clean, exact, join

__all__ = [
    "PROBABILITY",
    "column_name",
    "factor_name",
    "family_sentence",
    "pooling_sentence",
    "smooth_sentence",
    "term_name",
    "unit_of",
    "units",
]

PROBABILITY = "probability"
_NAMES: Mapping[str, str] = {
    "who5_baseline": "baseline WHO-5",
    "who5_followup": "follow-up WHO-5",
    "who5_change": "change in WHO-5",
    "alliance": "alliance",
    "age": "age",
    "sex": "sex",
    "country": "country",
    "provider_type": "provider type",
    "provider_id": "provider",
    "participant_id": "participant",
    "days_in_care": "days in care",
    "n_sessions": "number of sessions",
    "modality": "modality",
}


def column_name(name: str) -> str:
    """A column as a sentence calls it; unknown names with their underscores as blanks."""
    return _NAMES.get(name, clean(name).replace("_", " ").strip() or clean(name))


def factor_name(name: str) -> str:
    """A pooled factor as a sentence calls it; "a:b" are combinations."""
    return " × ".join(column_name(part) for part in name.split(":"))


def term_name(term: str) -> str:
    """A coefficient's label: "sex[male]" is "sex: male", and an interaction is written with ×."""
    if term == "Intercept":
        return "intercept"
    parts = []
    for part in term.split(":"):
        head, bracket, level = part.partition("[")
        parts.append(
            f"{column_name(head)}: {clean(level.removesuffix(']'))}" if bracket and level else column_name(part)
        )
    return " × ".join(parts)


def unit_of(design: Design, column: str) -> str:
    """One unit of a column: "WHO-5 point", "year", "probability" of an event, its name where no scale is known."""
    if column == design.outcome.name and design.family.event:
        return PROBABILITY
    scale = design.scales.get(column)
    if scale is None or scale.unit == "unit":
        return f"unit of {column_name(column)}"
    return clean(scale.unit)


def units(unit: str) -> str:
    """The plural of a unit; a probability has none."""
    if unit == PROBABILITY:
        return unit
    head, of, rest = unit.partition(" of ")
    return f"{head}s{of}{rest}"


def family_sentence(design: Design) -> str:
    """How an outcome varies around its expectation."""
    sentence = design.family.sentence
    if design.residual is None:
        return sentence
    levels, what = len(design.residual.levels), column_name(design.residual.name)
    return f"{sentence}; σ differs between the {levels} levels of {what}, each of which has a prior of its own"


def pooling_sentence(factor: PooledFactor) -> str:
    """What is pooled over a factor, and what kind of factor it is."""
    what = join(
        [
            "the level of the outcome" if term == "Intercept" else f"the slope of {term_name(term)}"
            for term in factor.terms
        ]
    )
    together = " (with a correlation between them)" if factor.correlated else ""
    kind = (
        "its levels are all there are, so their effects sum to zero"
        if factor.exhaustive
        else "its levels are a sample of more, so a level that was not seen could be predicted"
    )
    return (
        f"{what}{together} may differ between {len(factor.levels)} levels, each drawn towards the common value; {kind}"
    )


def smooth_sentence(smooth: Smooth) -> str:
    """What a smooth adds to a straight line; knots that are quantiles may be somebody's values and are not named."""
    where = (
        f"at {join([exact(knot) for knot in smooth.knots])}"
        if smooth.declared
        else "at equally spaced quantiles of its values"
    )
    knots = "1 knot" if smooth.size == 1 else f"{smooth.size} knots"
    return (
        f"the association may bend: a straight line, plus a smooth departure from it with {knots} {where}, which is "
        "drawn towards zero and is straight again beyond the values observed"
    )
