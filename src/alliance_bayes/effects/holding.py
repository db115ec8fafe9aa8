"""Which terms of a model hold a column, and with which others."""

from __future__ import annotations

from dataclasses import dataclass

from alliance_bayes.model import Design, described
from alliance_bayes.model.grammar import columns_of

__all__ = ["Holding", "holding"]


@dataclass(frozen=True)
class Holding:
    """A term that holds a column.

    Parameters
    ----------
    name
        The term as the formula has it: "alliance:who5_baseline", "alliance|country", "s(alliance)".
    others
        The columns it multiplies the column with, in the formula's order.
    common
        Whether it is a common term.
    """

    name: str
    others: tuple[str, ...]
    common: bool


def holding(design: Design, column: str) -> tuple[Holding, ...]:
    """The terms of a model that hold a column: common ones, then pooled ones, then smooths."""
    description = described(design.formula)
    found = [(term.name, term.var_names, True) for term in description.common_terms]
    found += [(term.name, term.expr.var_names, False) for term in description.group_terms]
    terms = [
        Holding(name, tuple(other for other in design.predictors if other in columns and other != column), common)
        for name, columns, common in found
        if column in columns
    ]
    terms += [
        Holding(offset.name, tuple(name for name in columns_of(offset) if name != column), True)
        for offset in design.formula.offsets
        if column in columns_of(offset)
    ]
    return (*terms, *(Holding(smooth.title, (), False) for smooth in design.smooths if smooth.column == column))
