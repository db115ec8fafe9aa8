"""How many numeric columns a design column multiplies: moments know averages of products of two."""

from __future__ import annotations

from typing import Any

from alliance_bayes.model import Column, Design
from alliance_bayes.moments.terms import arithmetic, calls

__all__ = ["HIGHEST", "high_degree"]

# Products of two columns are what means and cross-products determine.
HIGHEST = 2


def high_degree(design: Design, most: int = HIGHEST) -> frozenset[str]:
    """Labels of the design columns that multiply more numeric columns than some number."""
    called = {name: _degree(arithmetic(call)) for name, call in calls(design.formula).items()}

    def degree(column: Column) -> int:
        return sum(called.get(name, 1) for name in column.numeric)

    columns = (*design.columns, *(column for factor in design.factors for column in factor.columns))
    return frozenset(column.label for column in columns if degree(column) > most)


def _degree(node: Any) -> int:
    """Degree of a polynomial in columns."""
    kind = type(node).__name__
    if kind == "LazyVariable":
        return 1
    if kind == "LazyValue":
        return 0
    degrees = [_degree(part) for part in node.args]
    match node.symbol:
        case "**":
            return degrees[0] * int(node.args[1].value)
        case "*":
            return sum(degrees)
    return max(degrees)
