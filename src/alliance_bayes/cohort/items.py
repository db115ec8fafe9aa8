"""Scores from item columns, by the instruments' own scoring."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from alliance_bayes.errors import UsageError
from alliance_bayes.instruments import ALLIANCE2, WHO5, Instrument, score
from alliance_bayes.remedies import argument

__all__ = ["INSTRUMENT_OF", "check_prorate", "item_score"]

#: The instrument behind each score column of a cohort.
INSTRUMENT_OF: dict[str, Instrument] = {"alliance": ALLIANCE2, "who5_baseline": WHO5, "who5_followup": WHO5}


def item_score(
    data: pd.DataFrame, items: Sequence[str], instrument: Instrument, *, prorate: float | None = None
) -> pd.Series:
    """Score one instrument from its item columns.

    Parameters
    ----------
    data
        Table that holds the items as float64, NaN where unanswered.
    items
        Their columns, in the instrument's order.
    instrument
        Whose scoring to use.
    prorate
        Least share of items that must be answered, in (0, 1]; None scores complete answers only.

    Returns
    -------
    pandas.Series of float
        Totals in the instrument's points, index of `data`; missing where they cannot be scored.
    """
    return score(data[list(items)], instrument, prorate=prorate)["total"]


def check_prorate(prorate: float | None) -> None:
    """Raise UsageError unless this is None or a share of items, before any file is read."""
    number = isinstance(prorate, (int, float)) and not isinstance(prorate, bool)
    if prorate is not None and not (number and 0 < prorate <= 1):
        raise UsageError(
            f"{argument('prorate')} should be a share of items in the interval (0, 1], or left out for all, but got "
            f"{prorate!r}. Pass the smallest share that must be answered, as in {argument('prorate', 0.8)}."
        )
