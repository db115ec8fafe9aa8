"""What design columns are made of: components, indicators and arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from alliance_bayes.errors import ModelError
from alliance_bayes.model import Formula, described

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
    "variables",
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
    found = []
    for part in parts:
        key = next((key for key in levels if part.startswith(f"{key}[") and part.endswith("]")), None)
        if key is None:
            return None
        found.append((key, part[len(key) + 1 : -1]))
    return tuple(found)


def component_names(formula: Formula) -> frozenset[str]:
    """Names of every component of a formula's terms, common and pooled."""
    return frozenset(
        str(component.name)
        for term in described(formula).terms
        for component in getattr(getattr(term, "expr", term), "components", ())
    )


def calls(formula: Formula) -> dict[str, Any]:
    """Every call in a formula's terms by the name of its component: "I(age ** 2)" and the call behind it."""
    found: dict[str, Any] = {}
    for term in described(formula).terms:
        for component in getattr(getattr(term, "expr", term), "components", ()):
            if type(component).__name__ == "Call":
                found[str(component.name)] = component.call
    return found


def refuse_offsets(formula: Formula) -> None:
    """Refuse offsets by name: moments are of the outcome as it is.

    Raises
    ------
    ModelError
        The formula has an offset.
    """
    if formula.offsets:
        raise ModelError(
            f"formula {formula.text!r}: moments do not hold {formula.offsets[0]}. Subtract it from the outcome in the "
            "table, name that column as the outcome, and reduce the table again."
        )


def arithmetic(call: Any) -> Any:
    """The expression in ``I(...)`` if it is a polynomial in columns, else None.

    Allowed are columns, numbers, ``+``, ``-``, ``*``, division by a number and powers from 1 to 6.
    """
    if call.callee != "I" or len(call.args) != 1 or call.kwargs:
        return None
    return call.args[0] if _is_polynomial(call.args[0]) else None


def _is_polynomial(node: Any) -> bool:
    kind = type(node).__name__
    if kind == "LazyVariable":
        return True
    if kind == "LazyValue":
        return _is_number(node)
    if kind != "LazyOperator" or not all(_is_polynomial(part) for part in node.args):
        return False
    last = node.args[-1]
    if node.symbol == "**":
        return _is_number(last) and last.value in range(1, _MAX_POWER + 1)
    if node.symbol == "/":
        return _is_number(last) and last.value != 0
    return node.symbol in ("+", "-", "*")


def _is_number(node: Any) -> bool:
    return type(node).__name__ == "LazyValue" and type(node.value) in (int, float)


def evaluate(node: Any, column: Callable[[str], Any]) -> Any:
    """Work an expression of `arithmetic` out on whatever ``column`` gives for a name: arrays or database columns."""
    kind = type(node).__name__
    if kind == "LazyVariable":
        return column(str(node.name))
    if kind == "LazyValue":
        return float(node.value)
    if node.symbol == "**":
        # Products, because databases differ in what a power of a negative number is.
        base = evaluate(node.args[0], column)
        out = base
        for _ in range(int(node.args[1].value) - 1):
            out = out * base
        return out
    return node.op(*(evaluate(part, column) for part in node.args))


def variables(node: Any) -> tuple[str, ...]:
    """Names of the columns in an expression of `arithmetic`, each once."""
    if type(node).__name__ == "LazyVariable":
        return (str(node.name),)
    return tuple(dict.fromkeys(name for part in getattr(node, "args", ()) for name in variables(part)))


def base_components(
    columns: Collection[str], numeric: Iterable[Sequence[str]], expressions: Mapping[str, Any], plain: Collection[str]
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
        found = (component,) if component in plain else variables(expressions.get(component))
        out |= dict.fromkeys(name for name in found if name in plain and name not in columns)
    return tuple(out)
