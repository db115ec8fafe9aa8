"""Counts of people by level, shown so that no small group can be told."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from alliance_bayes.fit import FittedModel
from alliance_bayes.report.text import count, percent

__all__ = ["FEW", "SMALL", "level_counts", "shown_counts"]

#: Counts below this are not shown.
SMALL = 5
FEW = f"< {SMALL}"


def level_counts(fit: FittedModel, factor: str) -> dict[str, int]:
    """People analysed in each level of a pooled factor or of a categorical column, in the levels' order."""
    for pooled in fit.design.factors:
        if pooled.name == factor:
            return _counted(fit, fit.design.rows.index[factor], pooled.levels)
    column = fit.design.frame[factor].cat
    return _counted(fit, column.codes.to_numpy(np.intp), tuple(map(str, column.categories)))


def _counted(fit: FittedModel, numbers: np.ndarray, levels: tuple[str, ...]) -> dict[str, int]:
    sizes = np.bincount(numbers, weights=fit.design.weights, minlength=len(levels))
    return {level: round(float(size)) for level, size in zip(levels, sizes, strict=True)}


def shown_counts(counts: Mapping[str, int]) -> dict[str, tuple[str, str]]:
    """Counts and shares of one factor's levels, as text.

    Parameters
    ----------
    counts
        People by level.

    Returns
    -------
    dict
        Level to (count, share). A count from 1 to 4 is "< 5". Where there is one, every other count of the factor is
        rounded to a multiple of five ("about 120"), since the total would give the small one away.
    """
    total = sum(counts.values())
    if not any(0 < size < SMALL for size in counts.values()):
        return {level: (count(size), percent(size / total, 1)) for level, size in counts.items()}
    shown = {}
    for level, size in counts.items():
        rounded = max(SMALL, SMALL * round(size / SMALL))
        shown[level] = (FEW, "–") if size < SMALL else (f"about {count(rounded)}", percent(rounded / total))
    return shown
