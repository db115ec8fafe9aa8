"""Exact derivatives of design columns with respect to one column, and where there is none."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import pandas as pd
from formulae.terms.call_resolver import LazyCall, LazyOperator, LazyVariable
from scipy.interpolate import splev

from alliance_bayes.model.columns import component_block, multiply

__all__ = ["RoughnessError", "component_change", "term_change"]

_SMOOTH: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "log": lambda x: 1 / x,
    "log1p": lambda x: 1 / (1 + x),
    "log2": lambda x: 1 / (x * np.log(2)),
    "log10": lambda x: 1 / (x * np.log(10)),
    "exp": np.exp,
    "sqrt": lambda x: 0.5 / np.sqrt(x),
}


class RoughnessError(Exception):
    """Why there is no derivative."""


@dataclass(frozen=True)
class _Dual:
    """A value and its derivative, each of shape (n,) or (n, k)."""

    value: np.ndarray
    change: np.ndarray


def term_change(term: Any, frame: pd.DataFrame, centres: Mapping[str, float], column: str) -> np.ndarray:
    """Derivatives of a term's columns, shape (n, n_columns), in the order of :func:`term_block`.

    Parameters
    ----------
    term
        An evaluated term.
    frame
        Rows to evaluate it on, numbers and levels as the design has them.
    centres
        Centring value by numeric component.
    column
        The numeric column that the derivative is along.

    Raises
    ------
    RoughnessError
        The column enters by a comparison or another step, or some row lies where the term has a corner.
    """
    parts = getattr(term, "components", ())
    if not parts:
        return np.zeros((len(frame), 1))
    values = [component_block(part, frame, centres, new=True) for part in parts]
    total = np.zeros_like(reduce(multiply, values))
    # The product rule: one component changes at a time.
    for place, part in enumerate(parts):
        if column in part.var_names:
            total += reduce(multiply, [*values[:place], component_change(part, frame, column), *values[place + 1 :]])
    return total


def component_change(part: Any, frame: pd.DataFrame, column: str) -> np.ndarray:
    """Derivative of one component that holds the column, shape (n, n_columns).

    Raises
    ------
    RoughnessError
        See :func:`term_change`.
    """
    if part.kind != "numeric":
        raise RoughnessError(f"'{part.name}' makes levels of '{column}'")
    if not hasattr(part, "call"):
        return np.ones((len(frame), 1))
    # Where something is not finite, the rows that follow say so.
    with np.errstate(all="ignore"):
        change = _Rules(part, frame, column).of(part.call).change
    return change if change.ndim == 2 else change[:, None]


@dataclass(frozen=True)
class _Rules:
    """Rules of differentiation over one component's tree."""

    part: Any
    frame: pd.DataFrame
    column: str

    def of(self, node: Any) -> _Dual:
        if isinstance(node, LazyVariable):
            values = self.frame[str(node.name)].to_numpy(float)
            return _Dual(values, np.full(len(values), float(node.name == self.column)))
        if isinstance(node, LazyOperator):
            return self.arithmetic(node.op, [self.of(part) for part in node.args])
        if isinstance(node, LazyCall):
            return self.call(node, [self.of(part) for part in node.args])
        return _Dual(np.full(len(self.frame), float(node.value)), np.zeros(len(self.frame)))

    def arithmetic(self, op: Any, parts: list[_Dual]) -> _Dual:
        value = np.asarray(op(*(part.value for part in parts)), dtype=float)
        if not any(part.change.any() for part in parts):
            return _Dual(value, np.zeros_like(value))
        if op is operator.neg:
            return _Dual(value, -parts[0].change)
        a, b = parts
        if op is operator.add:
            return _Dual(value, a.change + b.change)
        if op is operator.sub:
            return _Dual(value, a.change - b.change)
        if op is operator.mul:
            return _Dual(value, a.change * b.value + a.value * b.change)
        if op is operator.truediv:
            return _Dual(value, (a.change - value * b.change) / b.value)
        if op is operator.pow and not b.change.any():
            return _Dual(value, np.where(b.value == 0, 0.0, b.value * a.value ** (b.value - 1)) * a.change)
        raise RoughnessError(f"'{self.part.name}' compares '{self.column}', so that it jumps")

    def call(self, node: Any, parts: list[_Dual]) -> _Dual:
        name, inner = str(node.callee), parts[0]
        state = node.stateful_transform
        if name == "I":
            return inner
        if name in ("bs", "poly"):
            return _Dual(inner.value, (_splines if name == "bs" else _polynomials)(self, state, inner))
        value = np.asarray(state(inner.value) if state else getattr(np, name)(*(part.value for part in parts)), float)
        if not any(part.change.any() for part in parts):
            return _Dual(value, np.zeros_like(value))
        if name == "center":
            return _Dual(value, inner.change)
        if name == "scale":
            return _Dual(value, inner.change / state.std)
        if name in _SMOOTH:
            return _Dual(value, _SMOOTH[name](inner.value) * inner.change)
        if name == "abs":
            self.corner((inner.value == 0) & (inner.change != 0))
            return _Dual(value, np.sign(inner.value) * inner.change)
        if name in ("minimum", "maximum"):
            a, b = parts
            self.corner((a.value == b.value) & (a.change != b.change))
            first = a.value < b.value if name == "minimum" else a.value > b.value
            return _Dual(value, np.where(first, a.change, b.change))
        raise RoughnessError(f"'{self.part.name}' does not say how it changes with '{self.column}'")

    def corner(self, at: np.ndarray) -> None:
        """Refuse rows that lie where the slope to the left is not that to the right."""
        if at.any():
            raise RoughnessError(f"'{self.part.name}' has a corner where {int(at.sum()):,} of the rows lie")


def _splines(rules: _Rules, state: Any, inner: _Dual) -> np.ndarray:
    """Derivatives of the basis that ``bs`` made, shape (n, n_columns)."""
    knots, degree = state._knots, state._degree
    if degree == 1:
        rules.corner(np.isin(inner.value, knots[2:-2]) & (inner.change != 0))
    basis = np.eye(len(knots) - degree - 1)
    change = np.column_stack([splev(inner.value, (knots, coefficients, degree), der=1) for coefficients in basis])
    if state._center:
        change = change @ state._centering_matrix
    return np.asarray(change * inner.change[:, None])


def _polynomials(rules: _Rules, state: Any, inner: _Dual) -> np.ndarray:
    """Derivatives of the orthogonal polynomials that ``poly`` made, shape (n, degree)."""
    x, width = inner.value, state.degree + 1
    value, change = np.zeros((len(x), width)), np.zeros((len(x), width))
    value[:, 0] = 1.0
    for i in range(1, width):
        # The recursion that made them, and its derivative.
        value[:, i] = (x - state.alpha[i - 1]) * value[:, i - 1]
        change[:, i] = value[:, i - 1] + (x - state.alpha[i - 1]) * change[:, i - 1]
        if i >= 2:
            beta = state.norms2[i - 1] / state.norms2[i - 2]
            value[:, i] -= beta * value[:, i - 2]
            change[:, i] -= beta * change[:, i - 2]
    norms = np.sqrt([state.norms2[k] for k in range(width)])
    return np.asarray((change / norms)[:, 1:] * inner.change[:, None])
