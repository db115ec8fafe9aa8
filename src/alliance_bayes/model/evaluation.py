"""A formula's terms evaluated on rows by formulae, without the indicator matrices of pooled factors."""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from formulae.environment import Environment
from formulae.matrices import DesignMatrices
from formulae.terms import Call as FormulaeCall
from formulae.terms import Intercept, Model, Response, Term, Variable
from formulae.terms.call_resolver import LazyCall, LazyOperator, LazyValue, LazyVariable
from formulae.terms.terms import GroupSpecificTerm

from alliance_bayes.errors import ModelError
from alliance_bayes.model.formula import Formula
from alliance_bayes.model.grammar import FUNCTIONS, shown
from alliance_bayes.model.nodes import COMPARISONS, Call, Column, Node, Number, columns_of

__all__ = ["check_width", "described", "evaluate_terms"]


class _Numbers(LazyVariable):  # type: ignore[misc]  # formulae is not typed
    """A column of the table, nothing else of that name, as doubles: NumPy computes with bytes in half precision."""

    def eval(self, data_mask: pd.DataFrame, env: Environment) -> Any:
        return data_mask[self.name].astype("float64")


class _Comparison(LazyOperator):  # type: ignore[misc]
    """A comparison as 0. and 1."""

    def eval(self, data_mask: pd.DataFrame, env: Environment) -> Any:
        return super().eval(data_mask, env) * 1.0


# Design columns of the common terms, and of what one factor pools.
_MOST_COLUMNS = 2_000

_NAMESPACE: dict[str, Any] = {name: getattr(np, name) for name in FUNCTIONS}
_OPERATORS = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "**": operator.pow,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def described(formula: Formula) -> Model:
    """Formulae's description of a formula, made of its tree: formulae reads no text.

    Returns
    -------
    formulae.terms.Model
        A new one each time, because evaluating changes it. Offsets are not in it.
    """
    calls = {call.name: call for call in formula.calls}

    def term(name: str) -> Any:
        if name == "Intercept":
            return Intercept()
        return Term(
            *(_Component(part, _lazy(calls[part])) if part in calls else Variable(part) for part in name.split(":"))
        )

    common = [term(name) for name in formula.common]
    pooled = [
        GroupSpecificTerm(term(name), Term(*(Variable(part) for part in group.factor.split(":"))))
        for group in formula.groups
        for name in group.terms
    ]
    return Model(*common, *pooled, response=Response(Term(Variable(formula.outcome))))


class _Component(FormulaeCall):  # type: ignore[misc]  # formulae is not typed
    """A call that is known by its name in the formula.

    formulae's own name leaves parentheses away, so that two different calls may share it, and its comparison of calls
    ends in an error where one has a call for an argument and the other a column.
    """

    def __init__(self, name: str, call: Any) -> None:
        super().__init__(call)
        self.name = name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Component) and self.name == other.name

    def __hash__(self) -> int:
        return hash(self.name)


def _lazy(node: Node) -> Any:
    if isinstance(node, Column):
        return _Numbers(node.name)
    if isinstance(node, Number):
        # As floats: whole numbers of any size would cost any time, and wrap around in a column of them.
        return LazyValue(float(node.value), str(node))
    if isinstance(node, Call):
        options = {name: LazyValue(value, repr(value)) for name, value in node.options}
        return LazyCall(node.function, [_lazy(part) for part in node.arguments], options)
    parts = [_lazy(part) for part in node.parts]
    kind = _Comparison if node.symbol in COMPARISONS else LazyOperator
    return kind(operator.neg if len(parts) == 1 else _OPERATORS[node.symbol], *parts)


def _evaluate_offsets(formula: Formula, frame: pd.DataFrame) -> tuple[Any, ...]:
    """Components of the offsets, evaluated, each with its name in the formula; see :func:`evaluate_terms`."""
    components = []
    for offset in formula.offsets:
        component = _Component(offset.name, LazyCall("I", [_lazy(offset.arguments[0])], {}))
        component.set_type(frame, Environment([_NAMESPACE]))
        component.set_data()
        components.append(component)
    return tuple(components)


def check_width(formula: Formula, levels: Mapping[str, int]) -> None:
    """Refuse more design columns than anybody means, before one of them is made.

    Parameters
    ----------
    formula
        The parsed formula.
    levels
        Number of levels of each categorical column.

    Raises
    ------
    ModelError
        The common terms, or what one factor pools, make more columns than are worked with.
    """
    size = {call.name: _width(call) for call in formula.calls}
    for where, names in (("the common terms", formula.common), *((f"'{g.factor}'", g.terms) for g in formula.groups)):
        widths = {name: math.prod(size.get(part, levels.get(part, 1)) for part in name.split(":")) for name in names}
        if sum(widths.values()) > _MOST_COLUMNS:
            widest = max(widths, key=lambda name: widths[name])
            raise ModelError(
                f"formula {shown(formula.text)}: {where} make {sum(widths.values()):,} columns, of which '{widest}' "
                f"alone makes {widths[widest]:,}, and at most {_MOST_COLUMNS:,} are worked with. Pool over a column "
                f"with many levels, as in '(1 | {widest})', or leave the term out."
            )


def _width(call: Call) -> int:
    """Number of columns that a call makes, or a few more."""
    options = dict(call.options)
    if call.function not in ("bs", "poly"):
        return 1
    knots, degree = options.get("knots", ()), options.get("degree", 3)
    assert isinstance(knots, tuple)
    assert isinstance(degree, int)
    width = options.get("df", len(knots) + degree) if call.function == "bs" else degree
    assert isinstance(width, int)
    return width


def evaluate_terms(formula: Formula, frame: pd.DataFrame) -> tuple[tuple[Any, ...], tuple[Any, ...], tuple[Any, ...]]:
    """Evaluate a formula's common and pooled terms and its offsets.

    Parameters
    ----------
    formula
        The parsed formula.
    frame
        Complete rows.

    Returns
    -------
    tuple
        formulae's common terms, its group-specific terms, and one component an offset, evaluated.

    Raises
    ------
    ModelError
        A term that cannot be evaluated; the message names it where one column of it is not numeric.

    Notes
    -----
    formulae spreads a pooled factor over one indicator column a level, dense, which ten thousand levels make larger
    than any memory. Only the pooled expressions are wanted here, so each factor is evaluated as a constant.
    """
    for call in (*formula.calls, *formula.offsets):
        for name in columns_of(call):
            if not pd.api.types.is_numeric_dtype(frame[name]):
                raise ModelError(
                    f"formula {shown(formula.text)}: {call.name} needs numbers, and '{name}' holds levels. Write the "
                    "column itself as a term; where it is also a grouping factor, give its numbers a column of "
                    "their own."
                )
    coded = [name for name in formula.columns if isinstance(frame[name].dtype, pd.CategoricalDtype)]
    check_width(formula, {name: frame[name].cat.categories.size for name in coded})
    try:
        description = described(formula)
        factors = [term.factor for term in description.group_terms]
        names = list(dict.fromkeys(str(factor.name) for factor in factors))
        # No column is called so: names do not hold colons.
        constant = {name: f":{number}" for number, name in enumerate(names)}
        stand_ins = {name: Term(Variable(constant[name])) for name in names}
        for term in description.group_terms:
            term.factor = stand_ins[str(term.factor.name)]
        # Ordered, or formulae would sort its values to find its levels.
        level = pd.Categorical.from_codes(
            np.zeros(len(frame), dtype=np.int64), categories=pd.Index(["all"]), ordered=True
        )
        # A logarithm of zero shows up as an infinite column, which is refused by name later.
        with np.errstate(all="ignore"):
            model = DesignMatrices(
                description, frame.assign(**dict.fromkeys(constant.values(), level)), Environment([_NAMESPACE])
            ).model
            offsets = _evaluate_offsets(formula, frame)
    except IndexError as error:
        # formulae codes each categorical term by what it adds to those before it, and has no code for nothing.
        raise ModelError(
            f"formula {shown(formula.text)}: a categorical term adds nothing to the interactions before it. Write the "
            "terms of single columns before their interactions."
        ) from error
    except (KeyError, ValueError, TypeError, AttributeError, NotImplementedError, ArithmeticError) as error:
        raise ModelError(f"formula {shown(formula.text)} cannot be applied to the table: {error}.") from error
    for term, factor in zip(model.group_terms, factors, strict=True):
        term.factor = factor
    return tuple(model.common_terms), tuple(model.group_terms), offsets
