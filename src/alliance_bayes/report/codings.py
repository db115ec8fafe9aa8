"""Levels by which people are counted: those of factors, and the values of numbers that have few of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd
from scipy.optimize import Bounds, LinearConstraint, milp

from alliance_bayes.fit import FittedModel
from alliance_bayes.model.scales import two_values

__all__ = [
    "FEW_VALUES",
    "Coding",
    "cells_of",
    "coding_of",
    "crossed",
    "decided",
    "few_valued",
    "level_counts",
    "numbers_of",
    "off_the_commonest",
    "solvable",
    "tally",
]

#: Values of a number by which people are counted as by the levels of a factor: mean and SD tell how many have each.
FEW_VALUES = 3
# Of a number with so many values it is worked out whether mean, SD and quartiles tell how many people have one.
_SOME_VALUES = 16
# Sum of squares, and nodes of the search for a second solution, up to which that is done.
_MOST_SUM, _MOST_NODES = 1e10, 2_000
# Values that points which stand for moments may have had, whose mean and SD are what there is of them.
_THREE = ((0.0, 1.0, 2.0), (1.0, 2.0, 3.0), (-1.0, 0.0, 1.0))
_WHOLE = 1e-4

# What is decided of a fit's columns is decided once: every section asks, and some ask for every level.
_DECIDED: WeakKeyDictionary[FittedModel, dict[object, Any]] = WeakKeyDictionary()


def decided(fit: FittedModel) -> dict[object, Any]:
    """What was decided of a fit before."""
    return _DECIDED.setdefault(fit, {})


@dataclass(frozen=True, eq=False)
class Coding:
    """Which level or value each analysed row has.

    Parameters
    ----------
    levels
        What they are called, in order.
    codes
        Number of each row's level, shape (n,).
    shares
        In place of the codes of a number of which there are only moments: how much of each point is at each value,
        shape (n, n_levels), so that sums over points are those over rows.
    """

    levels: tuple[str, ...]
    codes: np.ndarray | None = None
    shares: np.ndarray | None = None


def coding_of(fit: FittedModel, name: str) -> Coding:
    """The levels of a pooled factor or a categorical column, or the values of a number that has few."""
    if (known := few_valued(fit).get(name)) is not None:
        return known
    codes, levels = fit.design.levels_of(name)
    return Coding(levels, codes)


def numbers_of(fit: FittedModel) -> dict[str, np.ndarray]:
    """Values of every numeric column and every numeric component of the formula in the analysed rows."""
    known = decided(fit)
    if "numbers" not in known:
        frame = fit.design.frame
        columns = {str(name): frame[name] for name in frame.columns}
        known["numbers"] = {
            name: column.to_numpy(float)
            for name, column in columns.items()
            if not isinstance(column.dtype, pd.CategoricalDtype)
        } | {name: values for name, values in fit.design.components().items() if name not in columns}
    return dict(known["numbers"])


def few_valued(fit: FittedModel) -> Mapping[str, Coding]:
    """Numbers with two or three values, as the levels that these are."""
    known = decided(fit)
    if "few" not in known:
        codings = {name: _few(values, fit.design.copies) for name, values in numbers_of(fit).items()}
        known["few"] = {name: coding for name, coding in codings.items() if coding is not None}
    few: Mapping[str, Coding] = known["few"]
    return few


def _few(values: np.ndarray, weights: np.ndarray | None) -> Coding | None:
    if weights is None:
        start = np.unique(values[:64])
        unique = np.unique(values) if start.size <= FEW_VALUES else start
        if not 1 < unique.size <= FEW_VALUES:
            return None
        return Coding(tuple(f"{value:g}" for value in unique), np.searchsorted(unique, values))
    if (two := two_values(values, weights)) is not None:
        low, high = two
        upper = (values - low) / (high - low)
        return Coding((f"{low:g}", f"{high:g}"), shares=np.column_stack([1 - upper, upper]))
    return next((coding for three in _THREE if (coding := _three(values, weights, three)) is not None), None)


def _three(values: np.ndarray, weights: np.ndarray, three: Sequence[float]) -> Coding | None:
    """Shares of three values by which points have their mean and SD; None where no numbers of people do."""
    # Lagrange's polynomials are 1 at one of the values and 0 at the others.
    shares = np.column_stack([np.prod([(values - b) / (a - b) for b in three if b != a], axis=0) for a in three])
    counts = weights @ shares
    whole = np.abs(counts - np.rint(counts)) <= _WHOLE * max(1.0, weights.sum() * 1e-6)
    if not whole.all() or (np.rint(counts) < 0).any():
        return None
    return Coding(tuple(f"{value:g}" for value in three), shares=shares)


def level_counts(fit: FittedModel, factor: str) -> dict[str, int]:
    """People analysed at each level of a factor or value of a number of few, in order."""
    coding, weights = coding_of(fit, factor), fit.design.copies
    if coding.codes is None:
        assert coding.shares is not None
        assert weights is not None
        sizes = _people_at(fit, weights[:, None] * coding.shares)
    else:
        sizes = tally(fit, coding.codes, len(coding.levels))
    return dict(zip(coding.levels, sizes.tolist(), strict=True))


def tally(fit: FittedModel, codes: np.ndarray, n_cells: int) -> np.ndarray:
    """People by cell, of the cells that the analysed rows are in: codes from 0, shape (n,); below 0 is in none."""
    weights, inside = fit.design.copies, codes >= 0
    if fit.people is not None:
        # Each person once a cell, however many rows.
        codes = np.unique(np.column_stack([codes, fit.people])[inside], axis=0)[:, 0]
        return np.bincount(codes, minlength=n_cells)
    sizes = np.bincount(codes[inside], weights=None if weights is None else weights[inside], minlength=n_cells)
    return np.rint(sizes).astype(int)


def crossed(fit: FittedModel, first: str, second: str) -> np.ndarray:
    """People by the levels of two of them, shape (n_first, n_second)."""
    a, b = coding_of(fit, first), coding_of(fit, second)
    if a.codes is not None and b.codes is not None:
        width = len(b.levels)
        return tally(fit, a.codes * width + b.codes, len(a.levels) * width).reshape(len(a.levels), width)
    if a.codes is not None:
        return crossed(fit, second, first).T
    assert a.shares is not None
    assert fit.design.copies is not None
    weighted = fit.design.copies[:, None] * a.shares
    if b.codes is None:
        assert b.shares is not None
        other = b.shares
    else:
        other = (b.codes[:, None] == np.arange(len(b.levels))).astype(float)
    return np.array([_people_at(fit, part[:, None] * other) for part in weighted.T])


def _people_at(fit: FittedModel, rows: np.ndarray) -> np.ndarray:
    """People by level, of how many rows of points are at each, shape (n_points, n_levels); each once a level."""
    if fit.people is None:
        return np.rint(rows.sum(axis=0)).astype(int)
    _, whose = np.unique(fit.people, return_inverse=True)
    # Half a row is none but for rounding.
    return np.array([np.count_nonzero(np.bincount(whose, column) > 0.5) for column in rows.T], dtype=int)


def cells_of(fit: FittedModel, first: str, second: str) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of levels of two of them that have people in common, shape (n_cells, 2), and how many, shape (n_cells,)."""
    a, b = coding_of(fit, first), coding_of(fit, second)
    if a.codes is None or b.codes is None:
        table = crossed(fit, first, second)
        return np.argwhere(table), table[table > 0]
    cells, number = np.unique(a.codes * len(b.levels) + b.codes, return_inverse=True)
    return np.column_stack(np.divmod(cells, len(b.levels))), tally(fit, number, cells.size)


def off_the_commonest(fit: FittedModel, values: np.ndarray) -> int:
    """People with another value of a number than its commonest."""
    if fit.design.copies is not None:
        return fit.count_people()
    unique, codes, counts = np.unique(values, return_inverse=True, return_counts=True)
    # Where nearly every value is another one, nobody's is common.
    if unique.size > counts.max():
        return fit.count_people()
    return fit.count_people(codes != counts.argmax())


def solvable(
    values: np.ndarray, small: int, *, people: np.ndarray | None = None, quartiles: Sequence[float] = ()
) -> bool:
    """Whether number, mean, SD and quartiles of some rows leave one solution of how few people have some value.

    Parameters
    ----------
    values
        A number, shape (n,), whose values anybody may know, as those of a count or a scale of few steps.
    small
        Fewest people that a shown count stands for.
    people
        Number of the person of each row, where some have several.
    quartiles
        Probabilities of the quantiles that are told, too.
    """
    unique, codes, counts = np.unique(values, return_inverse=True, return_counts=True)
    if not 1 < unique.size <= _SOME_VALUES:
        return False
    sizes = counts
    if people is not None:
        sizes = np.bincount(np.unique(np.column_stack([codes, people]), axis=0)[:, 0], minlength=unique.size)
    few = np.flatnonzero(sizes < small)
    steps = (unique - unique[0]) / np.diff(unique).min()
    whole = np.rint(steps)
    if not few.size or np.abs(steps - whole).max() > 1e-6:
        # Numbers that are no multiples of a step are somebody's own: nobody knows which to look for.
        return False
    if whole[-1] ** 2 * values.size > _MOST_SUM:
        return True
    rows: list[np.ndarray] = [np.ones(unique.size), whole, whole**2]
    low = [float(row @ counts) for row in rows]
    high = list(low)
    ordered, n = np.repeat(np.arange(unique.size), counts), values.size
    for p in quartiles:
        for place in {int(np.floor((n - 1) * p)), int(np.ceil((n - 1) * p))}:
            at = int(ordered[place])
            # More than so many have this value or a lower one, and at most so many a lower one.
            rows += [(np.arange(unique.size) <= at).astype(float), (np.arange(unique.size) < at).astype(float)]
            low, high = [*low, place + 1.0, 0.0], [*high, float(n), float(place)]
    constraint = LinearConstraint(np.array(rows), low, high)
    places = [int(place) for place in few if not _moved(constraint, counts, int(place), whole.astype(int))]
    return any(_one_solution(constraint, counts, place) for place in places)


def _moved(constraint: LinearConstraint, counts: np.ndarray, place: int, values: np.ndarray) -> bool:
    """Whether people can be moved between this and three other values: most second solutions are found so at once."""
    four = np.array([some for some in combinations(range(counts.size), 4) if place in some], dtype=int).reshape(-1, 4)
    # A third difference leaves what is constant, linear or quadratic as it is: number, sum and sum of squares.
    threes = [np.delete(values[four], k, axis=1) for k in range(4)]
    signs, others = (1, -1, 1, -1), (three.T for three in threes)
    moves = np.column_stack([sign * (b - a) * (c - a) * (c - b) for sign, (a, b, c) in zip(signs, others, strict=True)])
    moves //= np.gcd.reduce(moves, axis=1, keepdims=True)
    change = np.zeros((len(four), counts.size), dtype=int)
    np.put_along_axis(change, four, moves, axis=1)
    moved = counts + np.concatenate([change, -change])
    sums = moved @ np.asarray(constraint.A).T
    return bool(((moved >= 0).all(axis=1) & ((sums >= constraint.lb) & (sums <= constraint.ub)).all(axis=1)).any())


def _one_solution(constraint: LinearConstraint, counts: np.ndarray, place: int) -> bool:
    """Whether no other whole number than this one can be in a place; True, too, where the search takes too long."""
    goal = np.zeros(counts.size)
    for sign in (1.0, -1.0):
        goal[place] = sign
        optimum = milp(
            goal,
            constraints=[constraint],
            bounds=Bounds(0, float(counts.sum())),
            integrality=np.ones(counts.size, dtype=int),
            options={"node_limit": _MOST_NODES},
        )
        if optimum.x is not None and round(float(optimum.x[place])) != counts[place]:
            return False
    return True
