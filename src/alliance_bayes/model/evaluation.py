"""A formula's terms evaluated on rows by formulae, without the indicator matrices of pooled factors."""

from __future__ import annotations

import operator
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
from alliance_bayes.model.grammar import FUNCTIONS, Call, Column, Node, Number, columns_of

__all__ = ["described", "evaluate_terms"]

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
        return Term(*(_component(calls[part]) if part in calls else Variable(part) for part in name.split(":")))

    common = [term(name) for name in formula.common]
    pooled = [
        GroupSpecificTerm(term(name), Term(*(Variable(part) for part in group.factor.split(":"))))
        for group in formula.groups
        for name in group.terms
    ]
    return Model(*common, *pooled, response=Response(Term(Variable(formula.outcome))))


def _component(call: Call) -> Any:
    made = FormulaeCall(_lazy(call))
    # formulae's own name leaves parentheses away, so that two different calls may share it.
    made.name = call.name
    return made


def _lazy(node: Node) -> Any:
    if isinstance(node, Column):
        return LazyVariable(node.name)
    if isinstance(node, Number):
        # As floats: whole numbers of any size would cost any time, and wrap around in a column of them.
        return LazyValue(float(node.value), str(node))
    if isinstance(node, Call):
        options = {name: LazyValue(value, repr(value)) for name, value in node.options}
        return LazyCall(node.function, [_lazy(part) for part in node.arguments], options)
    return LazyOperator(operator.neg if len(node.parts) == 1 else _OPERATORS[node.symbol], *map(_lazy, node.parts))


def _evaluate_offsets(formula: Formula, frame: pd.DataFrame) -> tuple[Any, ...]:
    """Components of the offsets, evaluated, each with its name in the formula; see :func:`evaluate_terms`."""
    made = []
    for offset in formula.offsets:
        component = FormulaeCall(LazyCall("I", [_lazy(offset.arguments[0])], {}))
        component.name = offset.name
        component.set_type(frame, Environment([_NAMESPACE]))
        component.set_data()
        made.append(component)
    return tuple(made)


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
                    f"formula {formula.text!r}: {call.name} needs numbers, and '{name}' holds levels. Write the "
                    "column itself as a term; where it is also a grouping factor, give its numbers a column of "
                    "their own."
                )
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
    except (KeyError, ValueError, TypeError, AttributeError, NotImplementedError, ArithmeticError) as error:
        raise ModelError(f"formula {formula.text!r} cannot be applied to the table: {error}.") from error
    for term, factor in zip(model.group_terms, factors, strict=True):
        term.factor = factor
    return tuple(model.common_terms), tuple(model.group_terms), offsets
