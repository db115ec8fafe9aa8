"""Whether an association bends: a straight line against a curve, by what each predicts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pandas as pd

from alliance_bayes.checks.comparison import SMALL_DIFFERENCE
from alliance_bayes.report.text import number, percent
from alliance_bayes.report.verdicts import SENTENCES as VERDICTS

__all__ = ["CURVE", "Bend", "bend_of"]

#: What the curve is called in the comparison.
CURVE = "spline"


@dataclass(frozen=True)
class Bend:
    """What a comparison says of a bend.

    Parameters
    ----------
    gap, se
        By how much the better of the two predicts better (expected log score), and its standard error.
    ahead
        Whether that is the curve.
    weight
        Of the curve in the mixture of the two that predicts best.
    verdict
        "open" where the gap is small or within two standard errors, else which predicts better.
    """

    gap: float
    se: float
    ahead: bool
    weight: float
    verdict: Literal["open", "line", "curve"]

    @property
    def words(self) -> str:
        """In a few words."""
        return VERDICTS("bend_short", verdict=self.verdict)

    @property
    def weight_of_better(self) -> float:
        """The weight of whichever predicts better, which a row names."""
        return self.weight if self.ahead else 1.0 - self.weight

    @property
    def sentence(self) -> str:
        """With its figures."""
        gap, se = number(self.gap, 1), number(self.se, 1)
        return VERDICTS("bend", verdict=self.verdict, ahead=self.ahead, gap=gap, se=se, weight=percent(self.weight))


def bend_of(comparison: pd.DataFrame) -> Bend:
    """Read a comparison.

    Parameters
    ----------
    comparison
        Table of a comparison of two models, the better first, of which one is called :data:`CURVE`.
    """
    second, ahead = comparison.iloc[1], comparison["model"].iloc[0] == CURVE
    gap, se = abs(float(second["elpd_difference"])), float(second["se_difference"])
    weight = float(comparison.loc[comparison["model"] == CURVE, "weight"].iloc[0])
    alike = gap < SMALL_DIFFERENCE or gap < 2 * se
    return Bend(gap, se, ahead, weight, "open" if alike else "curve" if ahead else "line")
