"""What design columns are made of: components, indicators and arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import reduce
from operator import mul
from typing import Any

from alliance_bayes.errors import ModelError
from alliance_bayes.model import Formula
from alliance_bayes.model.grammar import shown
from alliance_bayes.model.nodes import Call, Column, Node, Number, Operation, columns_of

__all__ = [
    "SMALL",
    "arithmetic",
    "base_components",
    "calls",
    "component_names",
    "evaluate",
    "indicators",
    "refuse_offsets",
    "split_label",
]

#: Level that stands for all levels of a key whose cells were too small.
SMALL = "(small cells)"

_MAX_POWER = 6


def split_label(label: str, atoms: Callable[[str], bool]) -> tuple[str, ...]:
    """The components of a column, from its label.

    Parameters
    ----------
    label
        For example "sex[male]:age". Levels may hold colons and brackets themselves.
    atoms
        Whether a piece of text is a component.

    Returns
    -------
    tuple of str
        The components in order; the label itself where it cannot be split.
    """

    def split(text: str) -> tuple[str, ...] | None:
        if atoms(text):
            return (text,)
        for place, character in enumerate(text):
            if character == ":" and atoms(text[:place]) and (rest := split(text[place + 1 :])) is not None:
                return (text[:place], *rest)
        return None

    return split(label) or (label,)


def indicators(parts: Iterable[str], levels: Mapping[str, Collection[str]]) -> tuple[tuple[str, str], ...] | None:
    """Key and level of each component "key[level]"; None when a component is no indicator of a known key."""
    pairs = []
    for part in parts:
        key = next((key for key in levels if part.startswith(f"{key}[") and part.endswith("]")), None)
        if key is None:
            return None
        pairs.append((key, part[len(key) + 1 : -1]))
    return tuple(pairs)


def component_names(formula: Formula) -> frozenset[str]:
    """Names of every component of a formula's terms, common and pooled."""
    terms = (*formula.common, *(name for group in formula.groups for name in group.terms))
    return frozenset(part for name in terms if name != "Intercept" for part in name.split(":"))


def calls(formula: Formula) -> dict[str, Call]:
    """Every call in a formula's terms by the name of its component: "I(age ** 2)" and the call behind it."""
    return {call.name: call for call in formula.calls}


def refuse_offsets(formula: Formula) -> None:
    """Refuse offsets by name: moments are of the outcome as it is.

    Raises
    ------
    ModelError
        The formula has an offset.
    """
    if formula.offsets:
        raise ModelError(
            f"formula {shown(formula.text)}: moments do not hold {formula.offsets[0]}. Subtract it from the outcome in "
            "the table, name that column as the outcome, and reduce the table again."
        )


def arithmetic(call: Call) -> Node | None:
    """The expression in ``I(...)`` if it is a polynomial in columns, else None.

    Allowed are columns, numbers, ``+``, ``-``, ``*``, division by a number and powers from 1 to 6.
    """
    return call.arguments[0] if call.function == "I" and _is_polynomial(call.arguments[0]) else None


def _is_polynomial(node: Node) -> bool:
    match node:
        case Column() | Number():
            return True
        case Operation("**", (base, Number(value))):
            return value in range(1, _MAX_POWER + 1) and _is_polynomial(base)
        case Operation("/", (above, Number(value))):
            return value != 0 and _is_polynomial(above)
        case Operation("+" | "-" | "*", parts):
            return all(map(_is_polynomial, parts))
    return False


def evaluate(node: Node, column: Callable[[str], Any]) -> Any:
    """Work an expression of `arithmetic` out on whatever ``column`` gives for a name: arrays or database columns."""
    if isinstance(node, Column):
        return column(node.name)
    if isinstance(node, Number):
        return float(node.value)
    assert isinstance(node, Operation)
    first, *rest = (evaluate(part, column) for part in node.parts)
    match node.symbol:
        case "**":
            assert isinstance(node.parts[1], Number)
            # Products, because databases differ in what a power of a negative number is.
            return reduce(mul, [first] * int(node.parts[1].value))
        case "*":
            return first * rest[0]
        case "/":
            return first / rest[0]
        case "+":
            return first + rest[0]
    return first - rest[0] if rest else -first


def base_components(
    columns: Collection[str],
    numeric: Iterable[Sequence[str]],
    expressions: Mapping[str, Node | None],
    plain: Collection[str],
) -> tuple[str, ...]:
    """Columns that products and squares are made of and that are no design column themselves.

    Parameters
    ----------
    columns
        Labels of the design columns.
    numeric
        Numeric components of each of them.
    expressions
        Expression of each component that is arithmetic.
    plain
        Names of the table's numeric predictors.
    """
    out: dict[str, None] = {}
    for component in (name for names in numeric for name in names):
        expression = expressions.get(component)
        bases = (component,) if component in plain else () if expression is None else columns_of(expression)
        out |= dict.fromkeys(name for name in bases if name in plain and name not in columns)
    return tuple(out)
