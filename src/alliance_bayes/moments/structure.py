"""The design columns that a formula makes, before any row is evaluated."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from formulae.environment import Environment
from formulae.matrices import DesignMatrices

from alliance_bayes.errors import ModelError
from alliance_bayes.model import Column, Formula, described
from alliance_bayes.model.columns import describe
from alliance_bayes.model.evaluation import check_width
from alliance_bayes.model.grammar import shown
from alliance_bayes.model.nodes import Node, columns_of
from alliance_bayes.moments.terms import (
    arithmetic,
    base_components,
    calls,
    component_names,
    evaluate,
    refuse_offsets,
    split_label,
)

__all__ = ["Structure", "expressions_of", "structure_of"]


@dataclass(frozen=True, eq=False)
class Structure:
    """Columns of a design.

    Parameters
    ----------
    common, pooled
        Columns of the common terms, and of the pooled terms of all factors.
    base
        Numeric columns that products and squares are made of and that are no design column.
    parts
        Components of every column by label, the outcome and the intercept left out.
    numeric
        Those components that are numeric, by label, sorted.
    expressions
        The arithmetic behind each component that is a call.
    """

    common: tuple[Column, ...]
    pooled: tuple[Column, ...]
    base: tuple[str, ...]
    parts: Mapping[str, tuple[str, ...]]
    numeric: Mapping[str, tuple[str, ...]]
    expressions: Mapping[str, Any]

    @property
    def products(self) -> tuple[tuple[str, ...], ...]:
        """Every product of numeric components that a column needs, each once; single components too."""
        return tuple(dict.fromkeys(names for names in self.numeric.values() if names))

    @property
    def components(self) -> tuple[str, ...]:
        """Every numeric component, each once."""
        return tuple(dict.fromkeys(name for names in self.products for name in names))

    def component(self, name: str, column: Callable[[str], Any]) -> Any:
        """A component, not centred, worked out on whatever ``column`` gives for a column's name."""
        return evaluate(self.expressions[name], column) if name in self.expressions else column(name)


def expressions_of(formula: Formula) -> dict[str, Node]:
    """The arithmetic in a formula by component.

    Raises
    ------
    ModelError
        A call that is not plain arithmetic.
    """
    refuse_offsets(formula)
    expressions = {}
    for name, call in calls(formula).items():
        if (expression := arithmetic(call)) is None:
            raise ModelError(
                f"formula {shown(formula.text)}: '{name}' cannot be worked out where the table is. There, a formula "
                "may have columns, products (a:b, a*b), and I(...) of sums, products and powers up to 6 of columns. "
                "Make a column of it first and name that in the formula."
            )
        expressions[name] = expression
    return expressions


def structure_of(formula: Formula, numeric: Sequence[str], levels: Mapping[str, Sequence[str]]) -> Structure:
    """The columns of a formula for columns of known kinds.

    Parameters
    ----------
    formula
        The parsed formula.
    numeric
        Names of the numeric predictors.
    levels
        Levels of each categorical predictor in order.

    Raises
    ------
    ModelError
        A call that is not plain arithmetic of numeric columns.

    Notes
    -----
    The formula is applied to a few made-up rows that have every level, so that categorical terms are coded as they are
    for real rows.
    """
    expressions = expressions_of(formula)
    for name, expression in expressions.items():
        text = [column for column in columns_of(expression) if column not in numeric]
        if text:
            raise ModelError(
                f"formula {shown(formula.text)}: '{name}' is arithmetic, but {', '.join(map(repr, text))} holds levels."
            )
    check_width(formula, {key: len(labels) for key, labels in levels.items()})
    description = described(formula)
    coded = component_names(formula)
    # A factor with thousands of levels that are nowhere coded would make a row and an indicator of each.
    coding = {key: list(levels[key]) if key in coded else ["0", "1"] for key in levels}
    n = max([4, *map(len, coding.values())])
    rows: dict[str, Any] = {formula.outcome: np.arange(n, dtype=float)}
    for place, name in enumerate(numeric):
        rows[name] = np.cos(np.arange(n) * (place + 1.0))
    for key, labels in coding.items():
        rows[key] = pd.Categorical(np.resize(np.array(labels, dtype=object), n), categories=labels, ordered=True)
    model = DesignMatrices(description, pd.DataFrame(rows), Environment([{}])).model
    common = tuple(column for term in model.common_terms for column in describe(term))
    pooled = tuple(column for term in model.group_terms for column in describe(term.expr))
    by_label = {column.label: column for column in (*common, *pooled) if column.label != "Intercept"}
    base = base_components(by_label, [column.numeric for column in by_label.values()], expressions, numeric)
    parts, products = {}, {}
    for label, column in by_label.items():
        known = set(column.numeric) | {f"{key}[{level}]" for key in levels for level in levels[key]}
        parts[label] = split_label(label, known.__contains__)
        products[label] = tuple(sorted(column.numeric))
    parts |= {name: (name,) for name in base}
    products |= {name: (name,) for name in base}
    return Structure(common, pooled, base, parts, products, expressions)
