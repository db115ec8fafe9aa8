"""The study's model cards, and how they bend to a table that lacks a factor."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd

from alliance_bayes.api import Model
from alliance_bayes.cohort import Cohort
from alliance_bayes.cohort.names import CHANGE
from alliance_bayes.errors import FileFormatError
from alliance_bayes.imputation.table import MOST_LEVELS
from alliance_bayes.model.card import card_arguments
from alliance_bayes.model.formula import parse_formula
from alliance_bayes.model.shipped import shipped_cards
from alliance_bayes.study.options import StudyOptions

__all__ = ["COLUMNS", "imputing", "study_card", "without_factors"]

#: Columns that the study needs.
COLUMNS = (
    "alliance",
    "who5_baseline",
    "who5_followup",
    "age",
    "sex",
    "country",
    "provider_type",
    "days_in_care",
    "n_sessions",
)


def study_card(name: str) -> dict[str, Any]:
    """The arguments of one of the study's models.

    Parameters
    ----------
    name
        Of the card, without ``.toml``.

    Returns
    -------
    dict
        For :class:`alliance_bayes.Model`.

    Raises
    ------
    FileFormatError
        There is no such card; the message lists those there are.
    """
    known = shipped_cards()
    if name not in known:
        raise FileFormatError(f"the study has no card {name!r}. Cards: {', '.join(known)}.")
    return card_arguments(known[name].read_text(encoding="utf-8"), source=f"model card '{name}.toml'")


def imputing(model: Model, cohort: Cohort, options: StudyOptions) -> Model:
    """The model with its missing values drawn, given the study's other columns too; itself where nothing is missing.

    Parameters
    ----------
    model
        One of the Gaussian family.
    cohort
        Whom it is fitted to.
    options
        Of the study.
    """
    data = cohort.data
    if not data[list(model.columns)].isna().any(axis=None):
        return model
    # The change is made of both scores: beside the baseline it tells the follow-up exactly.
    changes = {"who5_followup"} if CHANGE in model.columns else {CHANGE}
    columns = [name for name in COLUMNS if name not in (*model.columns, *changes) and _tells(data[name])]
    further = [name for name in options.auxiliary if name not in (*model.columns, *columns, *changes)]
    return replace(model, missing="impute", auxiliary=(*columns, *further))


def _tells(values: pd.Series) -> bool:
    """Whether a column can tell something of others: it varies, and has no more levels than are worked with."""
    categorical = isinstance(values.dtype, pd.CategoricalDtype)
    return 2 <= values.nunique() <= (MOST_LEVELS if categorical else len(values))


def without_factors(formula: str, factors: tuple[str, ...]) -> str:
    """A formula without its pooled terms over some factors.

    Parameters
    ----------
    formula
        A formula of a card.
    factors
        Names of factors; those that it does not pool are ignored.
    """
    outcome, _, right = formula.partition("~")
    remaining = [term.strip() for term in _terms(right) if not any(_pools(term, factor) for factor in factors)]
    shorter = f"{outcome.strip()} ~ {' + '.join(remaining) or '1'}"
    parse_formula(shorter)
    return shorter


def _terms(text: str) -> list[str]:
    """The terms of a sum, brackets kept whole."""
    terms, depth = [""], 0
    for character in text:
        depth += (character == "(") - (character == ")")
        if character == "+" and depth == 0:
            terms.append("")
        else:
            terms[-1] += character
    return terms


def _pools(term: str, factor: str) -> bool:
    inside = term.strip()
    return inside.startswith("(") and "|" in inside and inside.rstrip(")").rpartition("|")[2].strip() == factor
