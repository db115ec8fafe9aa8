"""Canonical column names of a cohort, and how each is spoken of."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

__all__ = [
    "ANALYSIS_COLUMNS",
    "CHANGE",
    "FACTORS",
    "ID",
    "ITEMS",
    "LEVELS_FIRST",
    "LISTED_LEVELS",
    "MANY_LEVELS",
    "MISSING_REASONS",
    "MODALITIES",
    "NUMBERS",
    "PROVIDER_TYPES",
    "SESSION_PROVIDER_TYPES",
    "SURVEY_ITEMS",
    "TABLE_NUMBER",
    "in_order",
    "level_key",
    "rows_of",
]

#: The column by which mice's long format numbers completed tables; 0 is the one with gaps.
TABLE_NUMBER = ".imp"
_NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,15})?")

ID = "participant_id"
CHANGE = "who5_change"

#: Score column -> the item columns it is computed from.
ITEMS: dict[str, tuple[str, ...]] = {
    "alliance": ("alliance_goal", "alliance_bond"),
    "who5_baseline": tuple(f"who5_baseline_{item}" for item in range(1, 6)),
    "who5_followup": tuple(f"who5_followup_{item}" for item in range(1, 6)),
}

#: Items of one WHO-5 survey, in a table of surveys.
SURVEY_ITEMS = tuple(f"who5_{item}" for item in range(1, 6))

FACTORS = ("sex", "country", "provider_type", "modality")
NUMBERS = ("age", "alliance", "n_sessions", "days_in_care", "who5_baseline", "who5_followup")

#: What the default analysis needs, in the order in which people are left out.
ANALYSIS_COLUMNS = (
    "who5_baseline",
    "who5_followup",
    "alliance",
    "age",
    "sex",
    "country",
    "provider_type",
    "days_in_care",
)

#: Levels of `provider_type` in a table of sessions, and those derived for a participant.
SESSION_PROVIDER_TYPES = ("coach", "therapist")
PROVIDER_TYPES = ("coach", "therapist", "both")

MODALITIES = ("video", "in_person")
#: Levels of a factor that come first, in this order, where all of them occur.
LEVELS_FIRST = {"modality": MODALITIES, "provider_type": PROVIDER_TYPES}

#: A factor with more levels than this (provider ids, free text) may have more than are written in two ways.
MANY_LEVELS = 50
#: A factor with more levels than this is counted, not listed.
LISTED_LEVELS = 20

MISSING_REASONS = {
    "who5_baseline": "no baseline WHO-5",
    "who5_followup": "no follow-up WHO-5",
    "alliance": "no alliance rating",
    CHANGE: "no WHO-5 change",
    "age": "age unknown",
    "sex": "sex unknown",
    "country": "country unknown",
    "provider_type": "provider type unknown",
    "modality": "modality unknown",
    "days_in_care": "days in care unknown",
    "n_sessions": "number of sessions unknown",
}


def level_key(level: str) -> tuple[float, str]:
    """What levels that nobody ordered are sorted by: numbers by value, padded or not, and before text."""
    return (float(level) if _NUMBER.fullmatch(level) else math.inf, level)


def in_order(levels: Iterable[str], first: Sequence[str] = ()) -> list[str]:
    """Levels that nobody declared: sorted, but for those that come first where all of them occur."""
    ordered = sorted(levels, key=level_key)
    known = list(first) if set(first) <= set(ordered) else []
    return known + [level for level in ordered if level not in known]


def rows_of(n: float) -> str:
    """A number of rows in words: "1 row", "2,000 rows"."""
    return "1 row" if n == 1 else f"{n:,.0f} rows"
