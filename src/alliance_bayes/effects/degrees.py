"""How many numeric columns a design column multiplies: moments know averages of products of two."""

from __future__ import annotations

from alliance_bayes.model import Column, Design, grammar
from alliance_bayes.model.grammar import Node, Number, Operation
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


def _degree(node: Node | None) -> int:
    """Degree of a polynomial in columns."""
    match node:
        case grammar.Column():
            return 1
        case Operation("**", (base, Number(value))):
            return _degree(base) * int(value)
        case Operation("*", parts):
            return sum(map(_degree, parts))
        case Operation(_, parts):
            return max(map(_degree, parts))
    return 0
