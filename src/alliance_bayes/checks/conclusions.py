"""What every family of a comparison concludes about what the model is asked, and whether the choice matters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from alliance_bayes.checks.comparison import check_same_rows
from alliance_bayes.effects import contrasts, slopes
from alliance_bayes.effects.equivalence import DECIDED, standing_of
from alliance_bayes.effects.options import Rope
from alliance_bayes.effects.slopes import CONTRASTED
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
    """One conclusion a family; of a factor, one a family and pair of levels.

    Parameters
    ----------
    table
        One row a fit: ``model``, ``family``, ``term`` (the predictor; of a factor the pair of levels that is compared,
        a row each), ``unit``, the slope's or difference's ``mean, sd, median, lower, upper,
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
    """What the model is asked, of every fit in the same unit, and what may be said of it.

    That is the average slope of the expected outcome or, where the first fit's focal predictor is a factor, the
    differences of its levels' adjusted means.

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
    first = next(iter(fits.values()))
    factor = first.spec.focal_factor(first.design) if predictor is None else None
    if predictor is None and factor is None:
        predictor = first.spec.focal_predictor(first.design)
        if predictor is None:
            raise UsageError(f"the first fit has no numeric predictor. Give {argument('predictor', ...)}")
    rows = []
    for name, fit in fits.items():
        if factor is None:
            assert predictor is not None
            stated = {predictor: _contrast(slopes(fit, predictor=predictor, prob=prob, rope=rope))}
        else:
            pairs = contrasts(fit, factor, prob=prob, rope=rope)
            pairs = pairs[pairs["estimand"] == "contrast_of_means"]
            stated = {f"{factor}: {row['level']} - {row['versus']}": row for _, row in pairs.iterrows()}
        for term, row in stated.items():
            direction, relevance = _direction(row), _relevance(row)
            rows.append(
                {"model": name, "family": fit.design.family.name, "term": term, "unit": row["unit"]}
                | {column: row[column] for column in (*_KEPT, "ess_bulk", "rhat")}
                | {"direction": direction, "relevance": relevance}
                | {"verdict": direction if relevance is None else f"{direction}; {relevance}"}
            )
    table = pd.DataFrame(rows)
    of_each = [group for _, group in table.groupby("term", sort=False)]
    changing = [group["verdict"].nunique() > 1 for group in of_each]
    kind = "difference along" if factor is None else "difference of"
    sentences = [_sentence(group, changes, kind) for group, changes in zip(of_each, changing, strict=True)]
    return Conclusions(table, any(changing), " ".join(sentences))


def _contrast(estimates: pd.DataFrame) -> pd.Series:
    """The row of the contrast that carries the verdict; where there is none, of the slope."""
    for estimand in (*CONTRASTED, "slope_per_sd", "slope"):
        rows = estimates[(estimates["estimand"] == estimand) & estimates["mean"].notna()]
        if len(rows) and (estimand == "slope" or rows["p_rope"].notna().any() or estimates["p_rope"].isna().all()):
            return rows.iloc[0]
    return estimates.iloc[0]


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


def _sentence(table: pd.DataFrame, changes: bool, kind: str) -> str:
    unit, term = table["unit"].iloc[0], table["term"].iloc[0]
    low, high = table["mean"].min(), table["mean"].max()
    span = f"The {kind} {term} is {low:.2f} to {high:.2f} {unit} in the {len(table)} models"
    if not changes:
        return f"{span}, and the choice between them changes no conclusion: {table['verdict'].iloc[0]} in all."
    groups: dict[str, list[str]] = {}
    for model, verdict in zip(table["model"], table["verdict"], strict=True):
        groups.setdefault(verdict, []).append(f"'{model}'")
    verdicts = ", ".join(f"{verdict} in {' and '.join(models)}" for verdict, models in groups.items())
    return f"{span}, and the choice between them changes a conclusion: {verdicts}."
