"""Columns named after an instrument: "phq9", "phq9_followup", "gad7_t2", "core_om_change", "wai_baseline_goal"."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from alliance_bayes.instruments.catalogue import known_as
from alliance_bayes.instruments.definition import Instrument

__all__ = ["NOT_SCORED", "Named", "called", "named_after"]

_OCCASION = re.compile(r"^(?P<what>.+?)_(?P<when>baseline|followup|pre|post|first|early|last|mean|change|\d+)$")
_CALLED: Mapping[str, str] = {
    "": "{}",
    "baseline": "baseline {}",
    "followup": "follow-up {}",
    "pre": "{} before",
    "post": "{} after",
    "change": "change in {}",
    "first": "first {}",
    "early": "early {}",
    "last": "last {}",
    "mean": "mean {}",
}
_TIMES: Mapping[str, str] = {"t": "t", "w": "week ", "week": "week ", "m": "month ", "month": "month "}
_TIME = re.compile(rf"^(?P<what>.+?)_?(?P<unit>{'|'.join(_TIMES)})_?(?P<at>\d+)$")
# Longer names, which a hostile table may have, are nobody's.
_LONGEST = 100
#: Occasions that are made of several scores, so that no items belong to them.
NOT_SCORED = ("mean", "change")


@dataclass(frozen=True, slots=True)
class Named:
    """What a column's name says that it holds.

    Parameters
    ----------
    instrument
        The instrument.
    when
        The occasion: "baseline", "followup", "3", "t2", "week 12", ...; empty where there is none.
    subscale
        The subscale whose score it is; empty for the total.
    """

    instrument: Instrument
    when: str = ""
    subscale: str = ""

    @property
    def score_range(self) -> tuple[float, float]:
        """Lowest and highest possible value, of a change from the one to the other and back."""
        low, high = map(float, self.instrument.range_of(self.subscale))
        return (low - high, high - low) if self.when == "change" else (low, high)


@lru_cache(maxsize=4096)
def named_after(column: str) -> Named | None:
    """What a column is named after; None where that is no instrument of the catalogue."""
    if len(column) > _LONGEST:
        return None
    if (total := _total(column)) is not None:
        return total
    for place in (at for at, sign in enumerate(column) if sign == "_"):
        whole, subscale = _total(column[:place]), column[place + 1 :]
        if whole is not None and subscale in whole.instrument.subscales:
            return Named(whole.instrument, whole.when, subscale)
    return None


def _total(column: str) -> Named | None:
    entry = known_as(column)
    if entry is not None:
        return Named(entry)
    if (match := _OCCASION.match(column)) and (entry := known_as(match["what"])) is not None:
        return Named(entry, match["when"])
    if (match := _TIME.match(column)) and (entry := known_as(match["what"])) is not None:
        return Named(entry, f"{_TIMES[match['unit']]}{match['at']}")
    return None


def called(column: str) -> str | None:
    """What a sentence calls a column named after an instrument ("follow-up PHQ-9", "GAD-7 at t2"); None for another."""
    if len(column) > _LONGEST:
        return None
    named = named_after(column)
    if named is None or named.subscale:
        return None
    how = _CALLED.get(named.when) or f"{{}} at {'time ' if named.when.isdigit() else ''}{named.when}"
    return how.format(named.instrument.name)
