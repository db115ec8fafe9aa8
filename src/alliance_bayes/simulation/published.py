"""The published study's figures as data: value, precision, standing and source of each."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from alliance_bayes.errors import UsageError

__all__ = [
    "ARTICLE",
    "CONFERENCE",
    "PARTICIPANTS",
    "PUBLISHED",
    "TABLE_2",
    "PublishedFigure",
    "published",
    "published_table",
]

ARTICLE = (
    "Sagui-Henson et al. (2022), Journal of Technology in Behavioral Science 7(4):439-450, "
    "doi 10.1007/s41347-022-00263-5, abstract"
)
TABLE_2 = ARTICLE.removesuffix("abstract") + "Table 2"
CONFERENCE = "Sagui-Henson et al. (2022), Psychosomatic Medicine 84(5):A136, conference abstract"

PARTICIPANTS = 3087


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedFigure:
    """One figure of the study.

    Parameters
    ----------
    key
        Name, the same that `replicate` uses.
    value
        As printed, or as computed from what is printed.
    rounding
        Unit of the last digit printed: 0.01 for 4.88. For a derived figure, how far the value is uncertain because of
        the rounding of what it was computed from.
    se
        Standard error, printed or from a printed interval, or that of a share or mean by its formula. None where
        neither is possible.
    status
        "published" or "derived".
    source
        Where it is printed, or how it was derived.
    """

    key: str
    value: float
    rounding: float
    se: float | None
    status: Literal["published", "derived"]
    source: str


def _share(key: str, count: float, rounding: float, source: str) -> PublishedFigure:
    value = count / PARTICIPANTS
    se = math.sqrt(value * (1 - value) / PARTICIPANTS)
    return PublishedFigure(key=key, value=value, rounding=rounding, se=se, status="published", source=source)


def _printed(key: str, value: float, rounding: float, se: float | None, source: str) -> PublishedFigure:
    return PublishedFigure(key=key, value=value, rounding=rounding, se=se, status="published", source=source)


def _derived(key: str, value: float, rounding: float, how: str, se: float | None = None) -> PublishedFigure:
    return PublishedFigure(key=key, value=value, rounding=rounding, se=se, status="derived", source=how)


def _interval(low: float, high: float) -> float:
    """Standard error from a 95 % interval."""
    return (high - low) / (2 * 1.959964)


PUBLISHED: tuple[PublishedFigure, ...] = (
    _printed("age_mean", 36, 1, 9 / math.sqrt(PARTICIPANTS), ARTICLE),
    _printed("age_sd", 9, 1, 9 / math.sqrt(2 * PARTICIPANTS), ARTICLE),
    _share("share_female", 0.54 * PARTICIPANTS, 0.01, ARTICLE),
    _share("share_coach", 2003, 1 / PARTICIPANTS, ARTICLE),
    _share("share_therapist", 555, 1 / PARTICIPANTS, ARTICLE),
    _share("share_both", 529, 1 / PARTICIPANTS, ARTICLE),
    _share("share_elevated", 835, 1 / PARTICIPANTS, ARTICLE),
    _printed("sessions_median", 3, 1, None, CONFERENCE),
    _printed("days_median", 28, 1, None, CONFERENCE),
    # Feldt's (1965) sampling theory: two items, 3,087 persons.
    _printed("alpha", 0.72, 0.01, (1 - 0.72) * math.sqrt(4 / PARTICIPANTS), ARTICLE),
    _printed("alliance_median", 4.8, 0.1, None, ARTICLE),
    _printed("alliance_median_women", 4.88, 0.01, None, CONFERENCE),
    _printed("alliance_median_men", 4.67, 0.01, None, CONFERENCE),
    _printed("alliance_median_coach", 4.83, 0.01, None, CONFERENCE),
    _printed("alliance_median_other", 4.75, 0.01, None, CONFERENCE),
    # Two-sided P of .01 and .004 as normal deviates; the rounding is that of P (.005-.015 and .0035-.0045).
    _derived("alliance_z_sex", 2.58, 0.37, "rank test of women against men, P = .01: " + CONFERENCE, se=1.0),
    _derived("alliance_z_coach", 2.88, 0.08, "rank test of coaching against the rest, P = .004: " + CONFERENCE, se=1.0),
    _derived("alliance_sd", 0.7, 0.1, "b, beta and SE of alliance in Table 2 give .7-.8; that of 2.17 gives about .5"),
    _printed("change_mean", 4.14, 0.01, _interval(3.44, 4.83), CONFERENCE),
    _printed("change_d", 0.22, 0.01, _interval(3.44, 4.83) * 0.22 / 4.14, CONFERENCE + "; read as mean / SD of change"),
    _derived("change_se", 0.355, 0.003, "half the interval 3.44-4.83 over 1.96"),
    _printed("slope", 2.17, 0.01, _interval(1.07, 3.28), CONFERENCE),
    _printed("r2", 0.22, 0.01, 2 * math.sqrt(0.22) * 0.78 / math.sqrt(PARTICIPANTS), CONFERENCE),
    _derived("baseline_mean", 41, 2, "4.14 is a 10 % improvement (9.5-10.5 %: 39.4-43.6)"),
    _derived("baseline_sd", 19, 0.5, "4.14 / 0.22 (0.215-0.225: 18.4-19.3)"),
    _derived("followup_sd", 17.5, 0.5, "SD of change, baseline SD and correlation give 17-18"),
    _derived("correlation", 0.46, 0.02, "square root of R2 less the share of alliance"),
    _printed("elevated_n", 675, 1, math.sqrt(675 * (1 - 675 / PARTICIPANTS)), TABLE_2),
    _printed("elevated_intercept", 12.60, 0.01, 5.83, TABLE_2),
    _printed("elevated_age", 0.03, 0.01, 0.08, TABLE_2),
    _printed("elevated_male", 0.04, 0.01, 1.50, TABLE_2),
    _printed("elevated_days", -0.01, 0.01, 0.01, TABLE_2),
    _printed("elevated_baseline", 0.66, 0.01, 0.10, TABLE_2),
    _printed("elevated_alliance", 2.04, 0.01, 0.99, TABLE_2),
    _printed("elevated_r2", 0.06, 0.01, 2 * math.sqrt(0.06) * 0.94 / math.sqrt(675), TABLE_2),
    _derived("elevated_sigma", 19.5, 0.7, "SE 1.50 of male and .10 of baseline, n = 675"),
    _derived("elevated_days_sd", 75, 25, "SE .01 of days in care, n = 675, residual SD 19.5"),
)


def published(key: str) -> PublishedFigure:
    """Look a figure up.

    Raises
    ------
    UsageError
        When there is none of that name.
    """
    for figure in PUBLISHED:
        if figure.key == key:
            return figure
    raise UsageError(f"no published figure {key!r}. Figures: {', '.join(figure.key for figure in PUBLISHED)}.")


def published_table() -> pd.DataFrame:
    """Return the figures as a table: columns `key, value, rounding, se, status, source`."""
    names = ("key", "value", "rounding", "se", "status", "source")
    return pd.DataFrame([[getattr(figure, name) for name in names] for figure in PUBLISHED], columns=list(names))
