"""Which columns people lack together: patterns by frequency, of which none tells how few people have one."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog

__all__ = ["MOST_COLUMNS", "Pattern", "patterns_of", "safe", "shown_patterns"]

#: Columns that patterns are made of: those that most people lack.
MOST_COLUMNS = 6


@dataclass(frozen=True)
class Pattern:
    """Some rows that lack the same columns.

    Parameters
    ----------
    lacks
        Which columns they lack; None of those of several patterns together.
    n
        How many rows.
    """

    lacks: tuple[str, ...] | None
    n: int


def patterns_of(places: Mapping[str, np.ndarray], n: int) -> dict[tuple[str, ...], int]:
    """Rows by the columns that they lack.

    Parameters
    ----------
    places
        Rows that lack each column.
    n
        How many rows there are.
    """
    lacks = np.zeros((n, len(places)), dtype=bool)
    for k, rows in enumerate(places.values()):
        lacks[rows, k] = True
    unique, counts = np.unique(lacks, axis=0, return_counts=True)
    names = list(places)
    return {
        tuple(name for name, absent in zip(names, row, strict=True) if absent): int(size)
        for row, size in zip(unique, counts, strict=True)
    }


def shown_patterns(
    patterns: Mapping[tuple[str, ...], int],
    totals: Mapping[str, int | None],
    small: int,
    unions: Mapping[tuple[str, ...], int] | None = None,
) -> list[Pattern]:
    """Patterns that may be shown, the most frequent first, and the others together; none where too few may be.

    Parameters
    ----------
    patterns
        Rows by the columns that they lack.
    totals
        Rows that lack each column, as they are told elsewhere; None where they are not told.
    small
        Fewest rows that a shown count stands for.
    unions
        Rows that lack any of some of the columns, as they are told elsewhere.

    Returns
    -------
    list of Pattern
        Whoever knows them, all rows, the totals and the unions finds that a pattern of few rows may have any number of
        them from 1 to ``small - 1``, and that the others together are so many of each column's, or none.
    """
    ordered = sorted((key for key, size in patterns.items() if size >= small), key=lambda key: (-patterns[key], key))
    while ordered:
        rest = {key: size for key, size in patterns.items() if key not in ordered}
        if safe(patterns, ordered, totals, small, unions):
            shown = [Pattern(key, patterns[key]) for key in ordered]
            return [*shown, Pattern(None, sum(rest.values()))] if rest else shown
        ordered.pop()
    return []


def safe(
    patterns: Mapping[tuple[str, ...], int],
    shown: list[tuple[str, ...]],
    totals: Mapping[str, int | None],
    small: int,
    unions: Mapping[tuple[str, ...], int] | None = None,
) -> bool:
    """Whether no pattern of few rows can be solved for from those that are shown; see `shown_patterns`."""
    columns, unions = list(totals), unions or {}
    rest = {key: size for key, size in patterns.items() if key not in shown}
    whole = sum(rest.values())
    if not whole:
        return True
    # The sums over the others are counts like any other.
    groups = [(name,) for name, total in totals.items() if total is not None] + list(unions)
    sums = [sum(size for key, size in rest.items() if {*key} & {*group}) for group in groups]
    if any(0 < size < small for size in (whole, *sums, *(whole - size for size in sums))):
        return False
    every = [key for r in range(len(columns) + 1) for key in itertools.combinations(columns, r) if key not in shown]
    members = [[bool({*key} & {*group}) for key in every] for group in groups]
    equal = np.array([np.ones(len(every)), *members], dtype=float)
    sides = np.array([whole, *sums], dtype=float)
    for key, size in rest.items():
        if size < small:
            goal = np.array([pattern == key for pattern in every], dtype=float)
            ends = [
                sign * float(linprog(sign * goal, A_eq=equal, b_eq=sides, bounds=(0, None)).fun or 0.0)
                for sign in (1.0, -1.0)
            ]
            # More than one number in any case, though "fewer than 2" would be 1.
            if ends[0] > 1 + 1e-6 or ends[1] < max(small - 1, 2) - 1e-6:
                return False
    return True
