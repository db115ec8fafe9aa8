"""Rows without a level of a factor: what is pooled over it is zero for them (therapists in one arm of a trial, say)."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from alliance_bayes.errors import ModelError
from alliance_bayes.model.formula import Formula, GroupChunk
from alliance_bayes.model.levels import NOBODY, labels_of

if TYPE_CHECKING:
    from alliance_bayes.model.design import Design

__all__ = ["filled", "idle_levels", "in_turn", "lone_levels"]


def _may_lack_levels(formula: Formula, of_residual: Collection[str] = ()) -> Iterator[GroupChunk]:
    """Factors of one column that nothing else uses and over which no intercept is pooled."""
    elsewhere = {part for name in formula.common for part in name.split(":")} | {*of_residual}
    for chunk in formula.groups:
        others = [group.factor for group in formula.groups if group is not chunk]
        used = elsewhere.union(*(name.split(":") for name in others))
        if "Intercept" not in chunk.terms and ":" not in chunk.factor and chunk.factor not in used:
            yield chunk


def filled(data: pd.DataFrame, formula: Formula, of_residual: Collection[str] = ()) -> pd.DataFrame:
    """The rows, with the level `NOBODY` where a factor has none and nothing to pool: every term has a zero in it.

    Parameters
    ----------
    data
        Rows, with missing values.
    formula
        The model's.
    of_residual
        Columns that its residual SD depends on.
    """
    for chunk in _may_lack_levels(formula, of_residual):
        if chunk.factor not in data:
            continue
        empty = data[chunk.factor].isna().to_numpy()
        idle = empty & np.logical_and.reduce([_is_zero(data, term) for term in chunk.terms])
        if idle.any():
            known = labels_of(data.loc[~empty, chunk.factor])
            if NOBODY in known.categories:
                raise ModelError(
                    f"'{chunk.factor}' has a level '{NOBODY}', which is what rows without a level are called. "
                    "Rename it."
                )
            labels = np.full(len(data), None, dtype=object)
            labels[~empty], labels[idle] = np.asarray(known, dtype=object), NOBODY
            levels = dict.fromkeys([*map(str, known.categories), NOBODY])
            data = data.assign(**{chunk.factor: pd.Categorical(labels, categories=list(levels))})
    return data


def _is_zero(data: pd.DataFrame, term: str) -> np.ndarray:
    """Where one of a term's own columns is zero, and the term with it."""
    parts = [data[part] for part in term.split(":") if part in data and pd.api.types.is_numeric_dtype(data[part])]
    return np.logical_or.reduce([np.zeros(len(data), dtype=bool), *((part == 0).to_numpy(bool) for part in parts)])


def idle_levels(z: np.ndarray, number: np.ndarray, n_levels: int) -> np.ndarray:
    """Whether all rows of a level have nothing to pool, so that they tell nothing of it; shape (n_levels,).

    Parameters
    ----------
    z
        Pooled columns, shape (n_rows, n_terms).
    number
        Level number of each row, shape (n_rows,).
    n_levels
        Number of levels, each of which has rows.
    """
    # Points of moments may be a rounding error away from zero.
    nothing = np.abs(z) <= 1e-9 * np.abs(z).max(axis=0, initial=0.0)
    return np.bincount(number[~nothing.all(axis=1)], minlength=n_levels) == 0


def in_turn(counts: np.ndarray, n: int) -> np.ndarray:
    """Level numbers of ``n`` rows, each level as often as its share of ``counts``, shape (n,).

    They are dealt out by chance, the same in every run, so that no predictor that rows are sorted by goes with them.
    """
    reached = np.cumsum(counts)
    dealt = np.searchsorted(reached, (np.arange(n) + 0.5) * reached[-1] / max(n, 1), side="right")
    return np.random.default_rng(n).permutation(dealt)


def lone_levels(design: Design) -> Iterator[str]:
    """Advice where all rows with one of two values of a predictor are of one level of a factor, the others of several.

    People without a therapist, say, who were given one level: what they share with each other is then taken for what
    the patients of a therapist share.
    """
    for factor in design.factors:
        if "Intercept" not in factor.terms or factor.exhaustive or len(factor.levels) < 3:
            continue
        index = design.rows.index[factor.name]
        for name in design.formula.columns[1:]:
            values, code = np.unique(design.frame[name].to_numpy(), return_inverse=True)
            if name in factor.name.split(":") or len(values) != 2:
                continue
            of_value = [np.unique(index[code == k]) for k in range(2)]
            sizes = [len(levels) for levels in of_value]
            if min(sizes) == 1 < max(sizes) and not np.intersect1d(of_value[0], of_value[1]).size:
                value = values[int(np.argmin(sizes))]
                shown = f"{value:g}" if isinstance(value, int | float | np.number) else repr(str(value))
                yield (
                    f"all rows with '{name}' = {shown} are of one level of '{factor.name}', and the others of several. "
                    f"Where that level stands for people who have no '{factor.name}', leave their cells empty and pool "
                    f"over it what only the others get, as in '(0 + treated | {factor.name})', with a column 'treated' "
                    "that is 1 for these and 0 for those: as written, how far the levels differ bears on how sure the "
                    "difference between the two is."
                )
