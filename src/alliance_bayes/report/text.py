"""What a reader sees of numbers, labels, columns and models, and how sure a sentence may be of a direction."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from decimal import ROUND_HALF_UP, Decimal
from types import MappingProxyType
from typing import Any

import pandas as pd

from alliance_bayes.model import Column, Design, PooledFactor, Smooth
from alliance_bayes.model.grammar import windowed_named
from alliance_bayes.model.nodes import Windowed
from alliance_bayes.model.roles import RoleOf
from alliance_bayes.model.scales import called
from alliance_bayes.wording import capital, ends_of

__all__ = [
    "MINUS",
    "PROBABILITY",
    "Row",
    "calling",
    "capital",
    "clean",
    "column_name",
    "count",
    "decimals",
    "derived",
    "ends_of_interval",
    "ends_words",
    "equations",
    "exact",
    "factor_name",
    "family_sentence",
    "interval_name",
    "is_probability",
    "join",
    "levels_of",
    "meaning",
    "middle_of",
    "number",
    "percent",
    "percent_unit",
    "pooling_sentence",
    "probability",
    "proportion",
    "range_of",
    "said_once",
    "shortened",
    "smooth_sentence",
    "step_of",
    "term_name",
    "typeset",
    "unit_of",
    "units",
    "varying",
]

MINUS = "\N{MINUS SIGN}"
# Decimals beyond which, and size from which, a number is written with a power of ten.
_MOST_DECIMALS, _LARGE = 12, 1e15
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_KINDS = {"eti": "equal-tailed", "hdi": "highest-density"}
# Control characters break SVG; overrides of the writing direction make a label read as something else.
_UNWANTED = {"Cc", "Cs", "Co", "Cn"}
_OVERRIDES = set("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")


def clean(text: object) -> str:
    """Text from data that can be shown anywhere: white space becomes a blank, other control characters U+FFFD.

    Parameters
    ----------
    text
        A level, a column's name, a title.
    """
    whole = str(text)
    # Nothing that is printable is unwanted: only other texts need a closer look.
    if whole.isprintable():
        return whole

    def shown(character: str) -> str:
        if character.isspace():
            return " "
        bad = character in _OVERRIDES or unicodedata.category(character) in _UNWANTED
        return _REPLACEMENT if bad else character

    return "".join(map(shown, whole))


def typeset(text: str) -> str:
    """A sentence with true signs and percentages as the rest of the page has them."""
    signs = re.sub(r"(?<![\w.,)\]-])-(?=[\d.∞])", MINUS, text.replace("+/- ", "±"))
    return re.sub(r"(?<=\d) %", "%", re.sub(r"\bR2\b", "R²", signs))


def shortened(text: object, width: int = 28) -> str:
    """Clean text cut to `width` characters, with an ellipsis where something is missing."""
    whole = clean(text)
    return whole if len(whole) <= width else whole[: width - 1].rstrip() + "…"


def join(items: list[str] | tuple[str, ...]) -> str:
    """Items as a sentence lists them: "a, b and c"."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}" if items else ""


def decimals(mcse: float, sd: float) -> int:
    """Decimals to print of an estimate and of the ends of its interval.

    Parameters
    ----------
    mcse
        Monte Carlo standard error of the mean; NaN where unknown.
    sd
        Posterior standard deviation; two digits of it are enough, however long the chains.

    Returns
    -------
    int
        From 0 on: the last digit is worth at least one Monte Carlo standard error of the mean.
    """
    if not (math.isfinite(sd) and sd > 0):
        return 2
    places = 1 - math.floor(math.log10(sd))
    if math.isfinite(mcse) and mcse > 0:
        places = min(places, math.floor(-math.log10(mcse)))
    return max(0, places)


def number(value: float | None, places: int) -> str:
    """A number with thousands separated and a true minus sign; a dash where there is none.

    Very small and very large ones have a power of ten: that of the decimals asked for, so that those of one column
    have the same, or their own.
    """
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return f"{MINUS}∞" if value < 0 else "∞"
    power = 0
    if abs(value) >= _LARGE:
        power = math.floor(math.log10(abs(value)))
    elif places > _MOST_DECIMALS:
        # What is large beside its last digit has no use for a power.
        power, places = (1 - places, places) if abs(value) < 10.0 ** (12 - places) else (0, _MOST_DECIMALS)
    if power:
        mantissa = float(Decimal(value).scaleb(-power))
        return f"{number(mantissa, 1 if power < 0 else 2)} × 10{str(power).translate(_SUPERSCRIPTS)}"
    # Half of a last digit, which is common for means of whole numbers, goes up, whatever the last bits are.
    short = f"{value:.13g}"
    rounded = (
        Decimal(short).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP) if abs(value) < 1e12 else Decimal(short)
    )
    text = f"{rounded:,.{places}f}"
    if float(text.replace(",", "")) == 0:
        text = text.lstrip("-")
    return text.replace("-", MINUS)


def exact(value: float) -> str:
    """A number that was chosen, not estimated (a prior's scale, a limit): as short as it can be written."""
    return f"{value:.5g}".replace("-", MINUS)


def derived(value: float) -> str:
    """A number that follows from chosen ones and from the data (a margin over a contrast), with three digits."""
    return exact(float(f"{value:.3g}"))


def ends_words(low: float, high: float) -> tuple[str, str]:
    """Two values that are compared, with as many decimals."""
    first, second = ends_of(low, high)
    return first.replace("-", MINUS), second.replace("-", MINUS)


def count(value: int) -> str:
    """A number of people, rows or draws."""
    return f"{value:,}"


def range_of(lower: float, upper: float, places: int) -> str:
    """The ends of an interval in brackets: "(1.6 to 2.9)"."""
    if math.isnan(lower) and math.isnan(upper):
        return "–"
    low, high = ends_of_interval(lower, upper, places)
    return f"({low} to {high})"


def ends_of_interval(lower: float, upper: float, places: int) -> tuple[str, str]:
    """The ends of an interval; one on the side of zero that the other is on has the decimals that tell it from zero.

    Whether an interval includes zero is what words of certainty follow from.
    """

    def shown(end: float) -> str:
        digits = (number(end, digits) for digits in range(places, places + 3))
        return next((text for text in digits if lower * upper <= 0 or text.strip("0.")), number(end, places))

    return shown(lower), shown(upper)


def percent(value: float, places: int = 0) -> str:
    """A share as a percentage."""
    return "–" if math.isnan(value) else f"{number(100 * value, places)}%"


def proportion(value: float, places: int = 0) -> str:
    """A share as a percentage, which says of none that is neither nothing nor all that it is."""
    step = 10.0**-places
    if 0 < value < 1 and percent(value, places) == percent(0.0, places):
        return f"< {step:.{places}f}%"
    if 0 < value < 1 and percent(value, places) == percent(1.0, places):
        return f"> {100 - step:.{places}f}%"
    return percent(value, places)


def probability(value: float, ess: float = math.nan) -> str:
    """A posterior probability as a percentage with no digit below its Monte Carlo error.

    Parameters
    ----------
    value
        A share of draws.
    ess
        Effective number of draws; 400, the least a reported quantity may have, where unknown.
    """
    if math.isnan(value):
        return "–"
    size = ess if math.isfinite(ess) and ess > 1 else 400.0
    # One draw more or less: a share of 0 or 1 does not mean that the probability is.
    error = math.sqrt(max(value * (1 - value), 1 / size) / size)
    places = 1 if error < 0.001 else 0
    floor = 0.001 if places else 0.01
    if value < floor:
        return f"< {100 * floor:g}%"
    if value > 1 - floor:
        return f"> {100 * (1 - floor):g}%"
    return percent(value, places)


def interval_kind(kind: object) -> str:
    """An interval's kind in words."""
    return _KINDS.get(str(kind), str(kind))


def interval_name(kind: object, prob: float) -> str:
    """An interval's probability and kind, as every table's heading and every sentence gives it."""
    return f"{100 * prob:g}% {interval_kind(kind)} interval"


_NAMED_INTERVAL = re.compile(rf"\d+(?:\.\d+)?% (?:{'|'.join(_KINDS.values())}) interval (?=[{MINUS}\d])")


def said_once(texts: Iterable[str]) -> list[str]:
    """Sentences that stand below each other, of which only the first to give an interval of a kind names that kind."""
    known: set[str] = set()

    def name(match: re.Match[str]) -> str:
        first = match[0] not in known
        known.add(match[0])
        return match[0] if first else ""

    return [_NAMED_INTERVAL.sub(name, text) for text in texts]


PROBABILITY = "probability"
_NAMES: Mapping[str, str] = {
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


#: What columns are called on the page that is being written, where its data say so.
_LABELS: ContextVar[Mapping[str, str]] = ContextVar("labels", default=MappingProxyType({}))
#: Most characters of such a label, which stands in sentences, headings and figures.
_LONGEST_LABEL = 60


@contextmanager
def calling(labels: Mapping[str, str]) -> Iterator[None]:
    """Call columns what a fit's data call them, while a page of the fit is written."""
    token = _LABELS.set({name: shortened(label.strip(), _LONGEST_LABEL) for name, label in labels.items()})
    try:
        yield
    finally:
        _LABELS.reset(token)


def column_name(name: str) -> str:
    """A column as a sentence calls it: as its data do, else unknown names with their underscores as blanks."""
    if label := _LABELS.get().get(name):
        return label
    if (windowed := windowed_named(name)) is not None:
        return _windowed_words(windowed)
    known = _NAMES.get(name) or called(name)
    return known or clean(name).replace("_", " ").strip() or clean(name)


def _windowed_words(windowed: Windowed) -> str:
    """A column that is made of several rows of another: "alliance within persons", "alliance 2 occasions before"."""
    inner, by = column_name(windowed.of.name), "" if windowed.by is None else windowed.by.name
    if windowed.function == "lag":
        return f"{inner} {'one occasion' if windowed.steps == 1 else f'{windowed.steps} occasions'} before"
    whose = levels_of(by) if by else "persons"
    return f"{inner} within {whose}" if windowed.function == "within" else f"mean {inner} of {whose}"


def factor_name(name: str) -> str:
    """A pooled factor as a sentence calls it; "a:b" are combinations."""
    return " × ".join(column_name(part) for part in name.split(":"))


_PLURALS = {"country": "countries", "site": "sites", "provider_id": "providers"}


def levels_of(column: str) -> str:
    """What the levels of a column are called: "countries", "levels of ward"."""
    return _PLURALS.get(column, f"levels of {column_name(column)}")


def levels_words(factors: Iterable[PooledFactor]) -> str:
    """What the levels of some pooled factors are called: "countries", "persons and levels of ward"."""
    words = [
        _PLURALS.get(factor.name)
        or ("persons" if factor.role == RoleOf("person", known=True) else "")
        or ("providers" if factor.role.role == "provider" else f"levels of {factor_name(factor.name)}")
        for factor in factors
    ]
    return join(words)


def over_words(design: Design, population: str, factor: str | None = None) -> str:
    """Over which levels of the sampled factors, besides one, an average is, after "on average"; empty without any."""
    sampled = levels_words([one for one in design.factors if not one.exhaustive and one.name != factor])
    if not sampled:
        return ""
    return {
        "average": f" over all {sampled} that there could be",
        "sample": f" over the {sampled} in the data",
        "equal": f" over the {sampled} in the data, each counting the same",
        "new": f" in one further level of each of the {sampled}",
    }.get(population, "")


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
        windowed = windowed_named(column)
        return f"unit of {column_name(column if windowed is None else windowed.source)}"
    return clean(scale.unit)


def middle_of(design: Design, component: str) -> float:
    """What was subtracted from a component: zero where rounding alone keeps the mean of its values from it."""
    value = design.centres[component]
    spread = design.sd(component) if component in design.frame else 0.0
    return 0.0 if abs(value) <= 1e-9 * spread else value


def step_of(design: Design, column: str) -> str:
    """One unit of a predictor, and of what: "alliance point", "year of time", "point of working alliance"."""
    unit, name = unit_of(design, column), column_name(column)
    if name in unit:
        return unit
    if unit.startswith("unit of "):
        # Of no known scale: the column's own name says of what.
        return f"unit of {name}"
    # A label that says itself what the points are of.
    of, _, point = unit.rpartition(" ")
    return f"{point if of and of.casefold() in name.casefold() else unit} of {name}"


def units(unit: str) -> str:
    """The plural of a unit, of what stands before "of", "per" or "from"; a probability has none."""
    if not unit or is_probability(unit):
        return unit
    head, between, rest = re.match(r"(.*?)( of | per | from |$)(.*)", unit, re.DOTALL).groups()  # type: ignore[union-attr]
    return f"{head}s{between}{rest}"


def is_probability(unit: str) -> bool:
    """Whether a unit is one of probability, or of it per or from something: it is printed in per cent."""
    return unit.partition(" ")[0] == PROBABILITY


def percent_unit(unit: str, *, share: bool = False) -> str:
    """A unit as figures and tables have it: percentage points of a probability, and percent where it is a share."""
    if not is_probability(unit):
        return unit
    return "percent" if share and unit == PROBABILITY else f"percentage points{unit.removeprefix(PROBABILITY)}"


def family_sentence(design: Design) -> str:
    """How an outcome varies around its expectation."""
    sentence = design.family.sentence
    if design.sigma is not None:
        along = [column_name(name) for name in design.sigma.formula.columns[1:]]
        which = "it" if len(along) == 1 else "them"
        return f"{sentence}; σ differs with {join(along)}: its logarithm is linear in {which}"
    if design.residual is None:
        return sentence
    levels, column = len(design.residual.levels), column_name(design.residual.name)
    return f"{sentence}; σ differs between the {levels} levels of {column}, each of which has a prior of its own"


def varying(design: Design, term: str) -> str:
    """What a pooled column other than the intercept is: the slope of a number, or the difference of a level.

    Of a column of 0 and 1 it is the difference between these.
    """
    return f"{'difference' if '[' in term or design.is_indicator(term) else 'slope'} of {term_name(term)}"


def pooling_sentence(design: Design, factor: PooledFactor) -> str:
    """What is pooled over a factor, and what kind of factor it is."""
    what = join(
        ["the level of the outcome" if term == "Intercept" else f"the {varying(design, term)}" for term in factor.terms]
    )
    together = " (with a correlation between them)" if factor.correlated else ""
    kind = (
        "its levels are all there are, so their effects sum to zero"
        if factor.exhaustive
        else "its levels are a sample of more, so a level that was not seen could be predicted"
    )
    return (
        f"{what}{together} may differ between {len(factor.levels)} levels, each drawn towards the common value; {kind}"
        + ("; people to whom it does not apply have none" if factor.idle else "")
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


_LINEAR = "the linear predictor"


def equations(design: Design, *, untold: Collection[str] = ()) -> tuple[str, ...]:
    """Lines of plain text: likelihood, linear predictor, distribution of every factor's and smooth's effects.

    Parameters
    ----------
    design
        The model's design.
    untold
        Predictors of which the mean that is subtracted is not written as a number. Beside each other, the means over
        rows of models that share most of them give the sum over the others.
    """
    sigma = "σ" if design.residual is None else f"σ[{clean(design.residual.name)}]"
    lines = [
        design.family.equation.format(y=clean(design.outcome.name), sigma=sigma, trials=clean(design.trials or ""))
    ]
    parts = [f"β[{clean(c.label)}]{_columns(c, design, untold)}" for c in design.columns]
    parts += [
        f"u[{clean(f.name)}, {clean(c.label)}]{_columns(c, design, untold)}" for f in design.factors for c in f.columns
    ]
    for smooth in design.smooths:
        column = clean(smooth.column)
        parts.append(f"Σₖ u[s({column}), k] · Bₖ({column})")
    for offset in design.formula.offsets:
        parts.append(_less(offset.name, design, untold))
    lines.append("η = " + " + ".join(parts))
    if design.sigma is not None:
        slopes = [f"γ[{clean(c.label)}]{_columns(c, design, untold)}" for c in design.sigma.columns]
        lines.append(f"σ = σ₀ · exp({' + '.join(slopes)})")
    for factor in design.factors:
        name = clean(factor.name)
        how = (
            f"Normal(0, τ[{name}])"
            if not factor.correlated
            else f"MultivariateNormal(0, τ[{name}], correlation ρ[{name}])"
        )
        total = ", summing to zero over the levels" if factor.exhaustive else ""
        lines.append(f"u[{name}] ~ {how} for each of {len(factor.levels)} levels{total}")
    for smooth in design.smooths:
        name = f"s({clean(smooth.column)})"
        lines.append(f"u[{name}] ~ Normal(0, τ[{name}]) for each of {smooth.size} natural cubic splines Bₖ")
    return tuple(lines)


def _columns(column: Column, design: Design, untold: Collection[str]) -> str:
    """What a coefficient multiplies: nothing for an intercept, centred columns, indicators of levels."""
    if column.order == 0:
        return ""
    return "".join(
        f" · {_less(part, design, untold)}" if part in column.numeric else f" · 1[{clean(part)}]"
        for part in _split(column)
    )


def _less(part: str, design: Design, untold: Collection[str]) -> str:
    """A numeric component less its centring value."""
    value, shown = middle_of(design, part), part not in untold
    if value == 0.0 and (shown or not design.is_centred(part)):
        return clean(part)
    if not shown:
        return f"({clean(part)} {MINUS} mean {clean(part)})"
    return f"({clean(part)} {'+' if value < 0 else MINUS} {exact(abs(value))})"


def _split(column: Column) -> list[str]:
    return column.label.split(":") if column.order > 1 else [column.label]


def meaning(design: Design, parameter: str) -> str:
    """One clause for a parameter as the prior table names it."""
    identity, outcome = design.family.link == "identity", column_name(design.outcome.name)
    unit = units(unit_of(design, design.outcome.name)) if identity else "units of the linear predictor"
    expected = outcome if identity else _LINEAR
    fixed = {name: of.meaning.format(unit=unit) for name, of in design.family.parameters.items()}
    known = {
        column.label: f"difference in {expected} {_step(design, column.numeric[0])}"
        for column in design.columns
        if len(column.numeric) == column.order == 1
    }
    for smooth in design.smooths:
        along = f"the departure from a straight line along {column_name(smooth.column)}"
        known[f"tau_{smooth.name}"] = f"SD of {along}, {unit}"
    for factor in design.factors:
        for term in factor.terms:
            differs = "the outcome’s level" if term == "Intercept" else f"the {varying(design, term)}"
            known[f"tau_{factor.name}[{term}]"] = f"SD of {differs} over {factor_name(factor.name)}"
        known[f"corr_{factor.name}"] = f"correlation between the effects of a {factor_name(factor.name)}"
    known |= fixed
    if (residual := design.residual) is not None:
        by = column_name(residual.name)
        for name, level in zip(residual.parameters, residual.levels, strict=True):
            known.setdefault(name, f"{fixed['sigma']}; {by}: {clean(level)}")
        if parameter.startswith("sigma "):
            known[parameter] = f"{fixed['sigma']}, at some levels of {by}"
    if design.sigma is not None:
        fixed_at = "at the centring values and first levels"
        known["sigma"] = f"{fixed['sigma']}, {fixed_at} of what it differs along (σ₀)"
        for name, column in zip(design.sigma.parameters, design.sigma.columns, strict=True):
            simple = len(column.numeric) == column.order == 1
            step = f" {_step(design, column.numeric[0])}" if simple else f", {term_name(column.label)}"
            known[name] = f"difference in the logarithm of the residual SD{step}"
    of_centre = f"expected {outcome} at the centring values, {unit}"
    known["Intercept"] = of_centre if identity else f"{_LINEAR} at the centring values"
    return known.get(parameter, f"coefficient of {term_name(parameter)}")


def _step(design: Design, column: str) -> str:
    """What a coefficient of a number goes with: one unit, or the step from 0 to 1."""
    if design.is_indicator(column):
        return f"between 1 and 0 of {column_name(column)}"
    return f"per {unit_of(design, column)}"


# A row of an effects table; a mapping where there are thousands of them.
type Row = pd.Series | Mapping[Any, Any]
