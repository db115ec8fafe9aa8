"""What every family of a comparison concludes about the focal predictor, and whether the choice matters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from alliance_bayes.checks.comparison import check_same_rows
from alliance_bayes.effects import slopes
from alliance_bayes.effects.equivalence import DECIDED, standing_of
from alliance_bayes.effects.options import Rope
from alliance_bayes.errors import UsageError
from alliance_bayes.fit import FittedModel
from alliance_bayes.remedies import argument

__all__ = ["DIRECTION", "ROPE", "Conclusions", "conclusions"]

# Probabilities from which a direction is stated, and firmly stated; and from which a slope lies within the ROPE, above
# it, or below it.
DIRECTION, ROPE = (0.95, 0.975), DECIDED
_KEPT = ("mean", "sd", "median", "lower", "upper", "interval", "prob", "p_direction", "rope_low", "rope_high", "p_rope")


@dataclass(frozen=True, eq=False)
class Conclusions:
    """One conclusion a family.

    Parameters
    ----------
    table
        One row a fit: ``model``, ``family``, ``term``, ``unit``, the slope's ``mean, sd, median, lower, upper,
        interval, prob, p_direction, rope_low, rope_high, p_rope``, its ``ess_bulk`` and ``rhat``, ``direction`` (what
        may be said of its sign), ``relevance`` (of the ROPE; missing without one) and ``verdict`` (both).
    changes
        Whether the families disagree in a verdict.
    sentence
        What the table says.
    """

    table: pd.DataFrame
    changes: bool
    sentence: str


def conclusions(
    fits: Mapping[str, FittedModel], *, predictor: str | None = None, prob: float = 0.89, rope: Rope = "default"
) -> Conclusions:
    """The average slope of the expected outcome in every fit, in the same unit, and what may be said of it.

    Parameters
    ----------
    fits
        Fits by name, all of one outcome in the same rows.
    predictor
        A numeric predictor of all fits; the first fit's focal one by default.
    prob
        Probability of the (equal-tailed) intervals.
    rope
        Region of practical equivalence per unit of the predictor, in points of the outcome; see
        :func:`alliance_bayes.effects.slopes`.

    Returns
    -------
    Conclusions
        A direction is stated from a probability of .95 and firmly from .975; a slope is negligible when it lies in the
        ROPE with a probability of at least .95, and not negligible when it lies above it, or below it, with at least
        that (not the two together: a direction is part of a size).

    Raises
    ------
    UsageError
        The fits differ in outcome or rows, or lack the predictor.

    Notes
    -----
    Families link predictors and outcome in different ways, so their coefficients have different units. The average
    over the analysed rows of the slope of the expected outcome is in points of the outcome in all of them.
    """
    check_same_rows(fits, what="comparing conclusions")
    if predictor is None:
        first = next(iter(fits.values()))
        predictor = first.spec.focal_predictor(first.design)
        if predictor is None:
            raise UsageError(f"the first fit has no numeric predictor. Give {argument('predictor', ...)}")
    rows = []
    for name, fit in fits.items():
        found = slopes(fit, predictor=predictor, prob=prob, rope=rope)
        # Where there is no slope, the difference that goes with a step stands in its place.
        rows_of = found[found["estimand"].isin(["slope", "slope_p10_p90"])]
        slope = rows_of[rows_of["mean"].notna()].iloc[0] if rows_of["mean"].notna().any() else rows_of.iloc[0]
        direction, relevance = _direction(slope), _relevance(slope)
        rows.append(
            {"model": name, "family": fit.design.family.name, "term": predictor, "unit": slope["unit"]}
            | {column: slope[column] for column in (*_KEPT, "ess_bulk", "rhat")}
            | {"direction": direction, "relevance": relevance}
            | {"verdict": direction if relevance is None else f"{direction}; {relevance}"}
        )
    table = pd.DataFrame(rows)
    changes = bool(table["verdict"].nunique() > 1)
    return Conclusions(table, changes, _sentence(table, changes))


def _direction(slope: pd.Series) -> str:
    usual, firm = DIRECTION
    if not slope["p_direction"] >= usual:
        return "direction open"
    sign = "positive" if slope["median"] > 0 else "negative"
    return f"{sign} (P at least {firm:g})" if slope["p_direction"] >= firm else f"{sign} (P at least {usual:g})"


def _relevance(slope: pd.Series) -> str | None:
    if np.isnan(slope["p_rope"]):
        return None
    where = standing_of(slope)
    return {"inside": "negligible", "undecided": "size open"}.get(where, "not negligible")


def _sentence(table: pd.DataFrame, changes: bool) -> str:
    unit, term = table["unit"].iloc[0], table["term"].iloc[0]
    low, high = table["mean"].min(), table["mean"].max()
    span = f"The average slope on {term} is {low:.2f} to {high:.2f} {unit} in the {len(table)} models"
    if not changes:
        return f"{span}, and the choice between them changes no conclusion: {table['verdict'].iloc[0]} in all."
    groups: dict[str, list[str]] = {}
    for model, verdict in zip(table["model"], table["verdict"], strict=True):
        groups.setdefault(verdict, []).append(f"'{model}'")
    said = ", ".join(f"{verdict} in {' and '.join(models)}" for verdict, models in groups.items())
    return f"{span}, and the choice between them changes a conclusion: {said}."
