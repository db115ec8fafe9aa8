"""Counts of people by level, shown so that no small group can be told."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from alliance_bayes.cohort.summary import MANY_LEVELS
from alliance_bayes.fit import FittedModel
from alliance_bayes.report.text import count, percent

__all__ = ["FEW", "SMALL", "level_counts", "listed", "shown_counts"]

#: Counts below this are not shown.
SMALL = 5
FEW = f"< {SMALL}"


def level_counts(fit: FittedModel, factor: str) -> dict[str, int]:
    """People analysed in each level of a pooled factor, in the levels' order."""
    levels = fit.design.factor(factor).levels
    sizes = np.bincount(fit.design.rows.index[factor], minlength=len(levels))
    return {level: int(size) for level, size in zip(levels, sizes, strict=True)}


def shown_counts(counts: Mapping[str, int]) -> dict[str, tuple[str, str]]:
    """Counts and shares of one factor's levels, as text.

    Parameters
    ----------
    counts
        People by level.

    Returns
    -------
    dict
        Level to (count, share). A count from 1 to 4 is "< 5". Where there is one, every other count of the factor is rounded to a
        multiple of five ("about 120"), since the total would give the small one away.
    """
    total = sum(counts.values())
    if not any(0 < size < SMALL for size in counts.values()):
        return {level: (count(size), percent(size / total, 1)) for level, size in counts.items()}
    shown = {}
    for level, size in counts.items():
        rounded = max(SMALL, SMALL * round(size / SMALL))
        shown[level] = (FEW, "–") if size < SMALL else (f"about {count(rounded)}", percent(rounded / total))
    return shown


def listed(fit: FittedModel, factor: str) -> bool:
    """Whether a factor's levels may be named: not when a level may be one person, and not when there are too many to read."""
    if "participant_id" in factor.split(":"):
        return False
    counts = level_counts(fit, factor)
    return len(counts) <= MANY_LEVELS and float(np.median(list(counts.values()))) >= SMALL
