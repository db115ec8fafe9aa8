"""What complete rows alone would say of what a model with imputed values is asked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from alliance_bayes.checks.refits import focal, refitted
from alliance_bayes.effects import EffectTable
from alliance_bayes.effects.options import make_options
from alliance_bayes.effects.summary import summarise
from alliance_bayes.errors import AllianceBayesError
from alliance_bayes.fit import FittedModel, seen
from alliance_bayes.report.codings import decided
from alliance_bayes.report.drawn import error_of, lacking
from alliance_bayes.report.text import column_name
from alliance_bayes.report.verdicts import claim

if TYPE_CHECKING:
    from alliance_bayes.report.view import View

__all__ = ["Comparison", "compared_with", "of_complete_rows"]

# Rows, and a share of them, without which a model of complete rows is another one.
_LEAST = 20


@dataclass(frozen=True, eq=False)
class Comparison:
    """The association by complete rows beside that of all rows.

    Parameters
    ----------
    rows
        That of complete rows.
    what
        What it is.
    complete, own
        Either as it is printed.
    verdict
        "pass" where both say the same of its direction, else "warn".
    """

    rows: EffectTable
    what: str
    complete: str
    own: str
    verdict: str


def of_complete_rows(fit: FittedModel, *, prob: float) -> EffectTable | None:
    """The focal slope fitted to the rows without a missing value; None where it cannot be, or all are complete."""
    known = decided(fit)
    if ("complete rows", prob) not in known:
        known["complete rows", prob] = _fitted(fit, prob)
    table: EffectTable | None = known["complete rows", prob]
    return table


def _fitted(fit: FittedModel, prob: float) -> EffectTable | None:
    names = [name for name in lacking(fit) if name in fit.spec.columns]
    if not names or error_of(fit) or fit.spec.focal_predictor(fit.design) is None:
        return None
    keep = seen(fit, *names)
    if keep.sum() < _LEAST:
        return None
    try:
        other = refitted(fit, keep=keep)
    except AllianceBayesError:
        return None
    other = replace(other, people=None if fit.people is None else fit.people[keep])
    return summarise([focal(other)], make_options(other, prob=prob))


def compared_with(view: View, *, section: str = "missing") -> Comparison | None:
    """Complete rows beside all rows; None where it may not be told, or nothing is to be compared.

    Parameters
    ----------
    view
        Of a fit whose missing values were drawn.
    section
        Id in the manifest of the rows of complete rows.
    """
    table = of_complete_rows(view.fit, prob=view.prob)
    if table is None or not len(table):
        return None
    shown, estimates = view.estimated(section, table), view.estimates
    row, other = shown.first("slope"), estimates.first("slope")
    if row is None or other is None or not _alike(row, other) or np.isnan(float(row["mean"])):
        return None
    return Comparison(
        table,
        f"slope of {column_name(str(row['term']))}",
        shown.printed(row),
        estimates.printed(other),
        "pass" if claim(row).agrees(claim(other)) else "warn",
    )


def _alike(row: pd.Series, other: pd.Series) -> bool:
    """Whether two rows are of one quantity, under whatever name a page has them."""
    return all(row[name] == other[name] for name in ("estimand", "term", "unit", "population"))
