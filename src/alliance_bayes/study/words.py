"""Sentences from rows: direction, size and certainty are those of the row, whatever it holds."""

from __future__ import annotations

from functools import partial
from typing import Any

import pandas as pd

from alliance_bayes.effects.equivalence import DECIDED, standing_of
from alliance_bayes.model import Design
from alliance_bayes.report.rows import Estimates, condition, text_of
from alliance_bayes.report.text import MINUS, claim, column_name, derived, exact, over_words, percent, units

__all__ = ["more_or_less", "share_words", "slope_sentence", "spoken", "within_margin"]


def slope_sentence(
    estimates: Estimates, row: pd.Series, *, predictor: str, outcome: str, who: str, over: str = ""
) -> str:
    """What one more unit of a predictor goes with.

    Parameters
    ----------
    estimates, row
        A slope in points of the outcome.
    predictor, outcome
        Columns.
    who
        Among whom: "everybody", "those with elevated symptoms".
    over
        Over which levels of sampled factors it is an average, as `over_words` says it.
    """
    unit, _, per = text_of(row, "unit").partition(" per ")
    direction = claim(row)
    way = direction.pick("higher", "lower")
    if direction.settled:
        amount = estimates.mean(row).removeprefix(MINUS)
        text = (
            f"among {who}, {column_name(outcome)} was {direction.word} {way}, by {amount} {units(unit)} for each "
            f"additional {per}{f' on average{over}' if over else ''}"
        )
    else:
        leaning = f", though it was {direction.word} {way}" if direction.leaning else ""
        text = (
            f"among {who}, it is not settled whether {column_name(outcome)} was higher or lower with more "
            f"{column_name(predictor)}{leaning}: the estimate is {estimates.mean(row)} {units(unit)} per {per}{over}"
        )
    return f"{text} ({estimates.spoken(row)}; {estimates.direction_spoken(row)})"


def more_or_less(estimates: Estimates, row: pd.Series, *, unit: str) -> str:
    """A difference with its interval, and whether its sign is settled."""
    value, inside = estimates.mean(row), f"({estimates.spoken(row)}; {estimates.direction_spoken(row)})"
    direction = claim(row)
    way = direction.pick("higher", "lower")
    if direction.settled:
        return f"{direction.word} {way}, by {value.removeprefix(MINUS)} {unit} {inside}"
    leaning = f", though {direction.word} {way}" if direction.leaning else ""
    return f"neither clearly higher nor clearly lower{leaning}: {value} {unit} {inside}"


def share_words(estimates: Estimates, row: pd.Series) -> str:
    """A share as a percentage with its interval: "41% (89% equal-tailed interval 39% to 43%)"."""
    # A tenth of a percentage point is as much as anybody reads of a share.
    places = min(1, max(0, estimates.places(row) - 2))
    ends = f"{percent(float(row['lower']), places)} to {percent(float(row['upper']), places)}"
    return f"{percent(float(row['mean']), places)} ({estimates.spoken(row).split(' interval ')[0]} interval {ends})"


def within_margin(estimates: Estimates, row: pd.Series, *, margin: float, unit: str) -> str:
    """What a difference's probability of lying within a margin says, undecided included."""
    inside = estimates.share_spoken(row, "p_rope")
    before = "" if pd.isna(row["p_rope_prior"]) else f" (before the data {estimates.share_spoken(row, 'p_rope_prior')})"
    what = f"The probability that it is smaller than {derived(margin)} {unit} is {inside}{before}"
    match standing_of(row):
        case "inside":
            return f"{what}: equivalent by that margin."
        case "undecided":
            return f"{what}, which decides neither for equivalence nor for a difference."
        case side:
            return f"{what}; it lies {side} that margin with a probability of {exact(DECIDED)} or more."


def spoken(estimates: Estimates, row: pd.Series, design: Design | None = None) -> dict[str, Any]:
    """What the sentences of a part's file may say of a row, as ``{{ row.mean }}``; the design is that of its model."""
    over = "" if design is None else over_words(design, str(row["population"]))
    return {
        "mean": estimates.mean(row),
        "interval": estimates.spoken(row),
        "share": share_words(estimates, row),
        "in_rope": estimates.share_spoken(row, "p_rope"),
        "level": condition(str(row["level"])),
        "versus": condition(str(row["versus"])),
        "more_or_less": partial(more_or_less, estimates, row),
        "slope": partial(slope_sentence, estimates, row, over=over),
        "within_margin": partial(within_margin, estimates, row, margin=float(row["rope_high"])),
    }
