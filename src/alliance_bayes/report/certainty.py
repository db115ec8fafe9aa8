"""How sure a sentence may be of a direction: one scale of words for every finding, and the rule behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from alliance_bayes.report.text import percent

__all__ = ["SCALE", "UNSETTLED", "Claim", "Row", "claim", "excludes_zero", "scale_words"]

# A row of an effects table; a mapping where there are thousands of them.
type Row = pd.Series | Mapping[Any, Any]

#: Probability of direction from which a word is used. The limits are those of three of the calibrated terms of the IPCC
#: ("virtually certain", "extremely likely", "very likely"; Mastrandrea et al. 2010, Guidance note on consistent
#: treatment of uncertainties); the words are plainer.
SCALE = ((0.99, "almost certainly"), (0.95, "very probably"), (0.90, "probably"))
#: What is said of everything below the scale.
UNSETTLED = "not settled"


@dataclass(frozen=True)
class Claim:
    """What may be said of the direction of an estimate.

    Parameters
    ----------
    row
        Id of its row in the effects table.
    word
        One of the words of `SCALE`, or `UNSETTLED`.
    above
        Whether the estimate is above zero.
    settled
        Whether the interval excludes zero and a word of the scale applies. Without it no finding states a direction
        as found.
    """

    row: str
    word: str
    above: bool
    settled: bool

    @property
    def leaning(self) -> bool:
        """Whether a direction is probable though it is not settled."""
        return not self.settled and self.word != UNSETTLED

    def pick(self, above: str, below: str) -> str:
        """One of two words, by the side of zero on which the estimate is."""
        return above if self.above else below


def claim(row: pd.Series) -> Claim:
    """The claim that a row allows.

    Parameters
    ----------
    row
        A row of an effects table with `mean`, `median`, `lower`, `upper` and `p_direction`.

    Notes
    -----
    The word is that of the probability of direction. While the interval includes zero it is never more than the lowest
    word of the scale, whatever the interval's probability; and where mean and median lie on different sides of zero
    there is none.
    """
    median, mean, direction = (float(row[name]) for name in ("median", "mean", "p_direction"))
    apart = mean * median < 0
    word = next((word for limit, word in SCALE if direction >= limit and not apart), UNSETTLED)
    clear = excludes_zero(row)
    if word != UNSETTLED and not clear:
        word = SCALE[-1][1]
    return Claim(str(row.name), word, median >= 0, clear and word != UNSETTLED)


def excludes_zero(row: Row) -> bool:
    """Whether a row's interval is on one side of zero."""
    return bool(float(row["lower"]) > 0 or float(row["upper"]) < 0)


def scale_words() -> str:
    """The scale and its rule, as a page states them."""
    words = "; ".join(f"“{word}”: {percent(limit)} or more" for limit, word in SCALE)
    return (
        f"How sure a sentence is of a direction follows from the posterior probability of that direction: {words}; "
        f"less: “{UNSETTLED}”. While an interval includes zero, no more than “{SCALE[-1][1]}” is said, and the "
        f"direction counts as {UNSETTLED}. The words are about the model and these data; they do not cover what the "
        "model leaves out."
    )
