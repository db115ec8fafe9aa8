"""Numbers and labels as a reader sees them: digits above Monte Carlo error, true minus signs, no control characters."""

from __future__ import annotations

import math
import re
import unicodedata
from decimal import ROUND_HALF_UP, Decimal

__all__ = [
    "MINUS",
    "capital",
    "clean",
    "count",
    "decimals",
    "derived",
    "exact",
    "interval_kind",
    "interval_name",
    "join",
    "number",
    "percent",
    "probability",
    "range_of",
    "shortened",
    "typeset",
]

MINUS = "\N{MINUS SIGN}"
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
    """A sentence with true minus signs and percentages as the rest of the page has them."""
    return re.sub(r"(?<=\d) %", "%", re.sub(r"(?<![\w.,)\]-])-(?=\d)", MINUS, text))


def capital(text: str) -> str:
    """Text with its first letter large."""
    return text[:1].upper() + text[1:]


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
        0 to 6: the last digit is worth at least one Monte Carlo standard error of the mean.
    """
    if not (math.isfinite(sd) and sd > 0):
        return 2
    places = 1 - math.floor(math.log10(sd))
    if math.isfinite(mcse) and mcse > 0:
        places = min(places, math.floor(-math.log10(mcse)))
    return max(0, min(6, places))


def number(value: float | None, places: int) -> str:
    """A number with thousands separated and a true minus sign; a dash where there is none."""
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return f"{MINUS}∞" if value < 0 else "∞"
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


def count(value: int) -> str:
    """A number of people, rows or draws."""
    return f"{value:,}"


def range_of(lower: float, upper: float, places: int) -> str:
    """The ends of an interval in brackets."""
    return f"[{number(lower, places)}, {number(upper, places)}]"


def percent(value: float, places: int = 0) -> str:
    """A share as a percentage."""
    return "–" if math.isnan(value) else f"{number(100 * value, places)}%"


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
