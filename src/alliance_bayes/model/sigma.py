"""A residual SD that differs along columns: its logarithm is linear in them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from alliance_bayes.errors import ModelError
from alliance_bayes.model.columns import Column, check_products, column_sizes, describe, refuse_constant, term_block
from alliance_bayes.model.derivative import term_change
from alliance_bayes.model.evaluation import evaluate_terms
from alliance_bayes.model.families import FAMILIES, Family
from alliance_bayes.model.formula import Formula, parse_formula
from alliance_bayes.model.grammar import shown
from alliance_bayes.remedies import setting

__all__ = [
    "GAMMA",
    "SIGMA_DIM",
    "SigmaModel",
    "able_families",
    "check_sigma",
    "parse_sigma",
    "sigma_model",
    "sigma_text",
]

#: The coefficients of the logarithm of the residual SD, in the posterior and among the priors; their dim.
GAMMA, SIGMA_DIM = "gamma", "sigma_term"
_LEFT = re.compile(r"\s*(?:sigma\s*)?~")


@dataclass(frozen=True, eq=False)
class SigmaModel:
    """The columns of a residual SD that differs along them.

    The SD of a row is ``sigma``, that at the centring values, times the exponential of these columns with ``gamma``.

    Parameters
    ----------
    formula
        As :func:`parse_sigma` has it.
    columns
        Design columns, in the order of ``gamma``; none is an intercept.
    terms
        The evaluated terms that they are made of.
    """

    formula: Formula
    columns: tuple[Column, ...]
    terms: tuple[Any, ...] = field(repr=False)

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels of the columns: the coordinate of ``gamma``."""
        return tuple(column.label for column in self.columns)

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the coefficients among the priors: ``gamma[<column>]``."""
        return tuple(f"{GAMMA}[{label}]" for label in self.labels)

    @property
    def variables(self) -> frozenset[str]:
        """Columns of the table that the residual SD depends on."""
        return frozenset(self.formula.columns[1:])

    def of_rows(self, frame: pd.DataFrame, centres: Mapping[str, float]) -> np.ndarray:
        """The columns of the analysed rows, shape (n, n_columns); ModelError where one does not vary."""
        rows = np.hstack([term_block(term, frame, centres, new=False) for term in self.terms])
        check_products(self.columns, rows)
        refuse_constant(rows, self.columns, column_sizes(self.terms, centres))
        return rows

    def evaluate(self, frame: pd.DataFrame, centres: Mapping[str, float]) -> np.ndarray:
        """The columns of other rows, shape (n, n_columns)."""
        return np.hstack([term_block(term, frame, centres, new=True) for term in self.terms])

    def change(self, frame: pd.DataFrame, centres: Mapping[str, float], column: str) -> np.ndarray:
        """Derivatives of the columns along a numeric column, shape (n, n_columns); see `term_change`."""
        return np.hstack([term_change(term, frame, centres, column) for term in self.terms])


def able_families() -> str:
    """Families that have a residual SD, for messages."""
    return ", ".join(known.name for known in FAMILIES.values() if "sigma" in known.parameters)


def sigma_text(text: object) -> str:
    """What was given as the model of the residual SD as it is kept and written: ``"~ alliance"``.

    Raises
    ------
    ModelError
        Not a text, or an empty one.
    """
    if not isinstance(text, str) or not _LEFT.sub("", text, count=1).strip():
        raise ModelError(
            f"{setting('sigma')} should be the right side of a formula but got {text!r:.100}. Write "
            f"{setting('sigma', '~ alliance')}, for example."
        )
    return f"~ {_LEFT.sub('', text, count=1).strip()}"


def check_sigma(text: str, weights_kind: str | None) -> None:
    """Refuse what does not go together with a residual SD that differs along columns.

    Raises
    ------
    ModelError
        Sampling weights.
    """
    written = setting("sigma", text)
    if weights_kind == "sampling":
        raise ModelError(
            f"{written} and {setting('weights_kind', 'sampling')} do not go together: the width that unequal weights "
            f"make is known for residual SDs of levels only. Use {setting('residual_by')}, or take one of them out."
        )


def parse_sigma(text: str, formula: Formula, family: Family, residual_by: str | None) -> Formula:
    """The formula of the residual SD, with the outcome in place of the SD.

    Parameters
    ----------
    text
        As :func:`sigma_text` has it.
    formula, family, residual_by
        Of the model.

    Raises
    ------
    ModelError
        It cannot be read, has something else than terms of columns, or the family has no residual SD.
    """
    written = setting("sigma", text)
    if "sigma" not in family.parameters:
        raise ModelError(
            f"{written}: family '{family.name}' has no residual SD that could differ. Families that have one: "
            f"{able_families()}."
        )
    if residual_by is not None:
        raise ModelError(
            f"{written} and {setting('residual_by', residual_by)} are two ways for the residual SD to differ. Take one "
            f"of them out; the levels may be a term of the other: {setting('sigma', f'{text} + {residual_by}')}."
        )
    parsed = parse_formula(f"sigma {text}")
    if parsed.groups:
        factor = parsed.groups[0].factor
        raise ModelError(
            f"{written} pools over '{factor}', which the model of a residual SD does not. Write the column itself "
            f"({setting('sigma', f'~ {factor}')}), or give each level an SD of its own: "
            f"{setting('residual_by', factor)}."
        )
    if parsed.smooths:
        column = parsed.smooths[0].column
        raise ModelError(
            f"{written} has the smooth s({column}), which the model of a residual SD does not. Write the column "
            f"itself, or a spline without a penalty: {setting('sigma', f'~ bs({column}, df=4)')}."
        )
    if parsed.offsets:
        raise ModelError(f"{written} has {parsed.offsets[0]}, which the model of a residual SD does not. Take it out.")
    if not parsed.has_intercept:
        raise ModelError(
            f"{written} has no intercept, so that everybody's SD would be 1 at zero. Take '0 +' or '- 1' out."
        )
    if parsed.common == ("Intercept",):
        raise ModelError(
            f"{written} has no column, so that the residual SD is everybody's. Leave {setting('sigma')} out."
        )
    if formula.outcome in parsed.columns[1:]:
        raise ModelError(
            f"{written} has the outcome '{formula.outcome}' itself, which is not known before it is observed. Name "
            "predictors."
        )
    absent = [window.name for window in parsed.windows if window not in formula.windows]
    if absent:
        raise ModelError(
            f"{written} has {', '.join(absent)}, made of several rows, which the formula has not. Put it into the "
            f"formula too, or take it out of {setting('sigma')}. The formula is {shown(formula.text)}."
        )
    return replace(parsed, outcome=formula.outcome, columns=(formula.outcome, *parsed.columns[1:]))


def sigma_model(formula: Formula, frame: pd.DataFrame) -> SigmaModel:
    """The model of a residual SD on complete rows.

    Raises
    ------
    ModelError
        A term that cannot be evaluated; see `evaluate_terms`.
    """
    common, _, _ = evaluate_terms(formula, frame)
    terms = tuple(term for term in common if type(term).__name__ != "Intercept")
    return SigmaModel(formula, tuple(column for term in terms for column in describe(term)), terms)
