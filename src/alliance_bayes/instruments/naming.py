"""Columns named after an instrument: "phq9", "phq9_followup", "core_om_change", "wai_baseline_goal"."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from alliance_bayes.instruments.catalogue import known_as
from alliance_bayes.instruments.definition import Instrument

__all__ = ["NOT_SCORED", "Named", "called", "named_after"]

_OCCASION = re.compile(r"^(?P<what>.+?)_(?P<when>baseline|followup|first|early|last|mean|change|\d+)$")
_CALLED: Mapping[str, str] = {
    "": "{}",
    "baseline": "baseline {}",
    "followup": "follow-up {}",
    "change": "change in {}",
    "first": "first {}",
    "early": "early {}",
    "last": "last {}",
    "mean": "mean {}",
}
# Times that many tables have, after which no score is named: they are words of a sentence only.
_TIMES: Mapping[str, str] = {"t": "t", "w": "week ", "week": "week ", "m": "month ", "month": "month ", "": "time "}
_TIME = re.compile(rf"^(?P<what>.+?)_?(?P<unit>{'|'.join(filter(None, _TIMES))})_?(?P<at>\d+)$")
_BEFORE_AFTER: Mapping[str, str] = {"pre": "{} before", "post": "{} after"}
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
        The occasion: "baseline", "followup", "3", ...; empty where there is none.
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
    if (found := _total(column)) is not None:
        return found
    for place in (at for at, sign in enumerate(column) if sign == "_"):
        whole, subscale = _total(column[:place]), column[place + 1 :]
        if whole is not None and subscale in whole.instrument.subscales:
            return Named(whole.instrument, whole.when, subscale)
    return None


def _total(column: str) -> Named | None:
    entry = known_as(column)
    if entry is not None:
        return Named(entry)
    match = _OCCASION.match(column)
    entry = None if match is None else known_as(match["what"])
    return None if entry is None or match is None else Named(entry, match["when"])


def called(column: str) -> str | None:
    """What a sentence calls a column named after an instrument ("follow-up PHQ-9", "GAD-7 at t2"); None for another."""
    if len(column) > _LONGEST:
        return None
    found = named_after(column)
    if found is not None and not found.subscale:
        how = _CALLED.get(found.when) or f"{{}} at {_TIMES['']}{found.when}"
        return how.format(found.instrument.name)
    if found is None and (match := _TIME.match(column)) and (entry := known_as(match["what"])) is not None:
        return f"{entry.name} at {_TIMES[match['unit']]}{match['at']}"
    what, _, when = column.rpartition("_")
    if found is None and when in _BEFORE_AFTER and (entry := known_as(what)) is not None:
        return _BEFORE_AFTER[when].format(entry.name)
    return None
