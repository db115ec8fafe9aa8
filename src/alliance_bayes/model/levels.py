"""Levels of categorical columns: declared ones, their order, and combinations of columns."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from alliance_bayes.errors import DataError, ModelError, Problem
from alliance_bayes.model.formula import Formula

__all__ = ["declare_levels", "ordered_levels", "present_levels"]


def declare_levels(frame: pd.DataFrame, levels: Mapping[str, tuple[str, ...]]) -> pd.DataFrame:
    """The frame with declared levels, in their order.

    Parameters
    ----------
    frame
        Complete rows.
    levels
        Levels by column; columns that the frame lacks are ignored.

    Raises
    ------
    ModelError
        A declaration that names a level twice or none.
    DataError
        Every row whose level was not declared.
    """
    problems: list[Problem] = []
    declared = {}
    for name, allowed in levels.items():
        if not allowed or len(set(allowed)) != len(allowed):
            raise ModelError(f"levels of '{name}' should be distinct and at least one but got {list(allowed)}.")
        if name not in frame:
            continue
        text = declared[name] = frame[name].astype(str)
        remedy = f"Declared levels: {', '.join(map(repr, allowed))}. Correct the value or declare the level."
        unknown = (~text.isin(allowed)).to_numpy().nonzero()[0]
        problems += [Problem(name, int(row), text.iloc[row], "is not a declared level", remedy) for row in unknown]
    if problems:
        raise DataError(problems, source="model levels (rows as analysed, from 0)")
    made = {name: pd.Categorical(text, categories=list(levels[name]), ordered=True) for name, text in declared.items()}
    return frame.assign(**made)


def ordered_levels(frame: pd.DataFrame, formula: Formula) -> pd.DataFrame:
    """The frame with every categorical or grouping column as an ordered categorical without unused levels."""
    # formulae sorts the levels of an unordered categorical, so declared order has to be made explicit.
    grouping = {part for group in formula.groups for part in group.factor.split(":")}
    for name in frame.columns:
        column = frame[name]
        if isinstance(column.dtype, pd.CategoricalDtype):
            used = column.cat.remove_unused_categories().cat
            labels = pd.Index([str(level) for level in used.categories])
            frame[name] = pd.Categorical.from_codes(used.codes.to_numpy(), categories=labels, ordered=True)
        elif name in grouping or not pd.api.types.is_numeric_dtype(column):
            whole = pd.api.types.is_float_dtype(column) and bool((column % 1 == 0).all())
            source = column.astype("int64") if whole else column
            levels = [str(level) for level in sorted(source.unique())]
            frame[name] = pd.Categorical(source.astype(str), categories=levels, ordered=True)
    return frame


def present_levels(frame: pd.DataFrame, parts: list[str]) -> tuple[tuple[str, ...], np.ndarray]:
    """Levels of the cross of some categorical columns.

    Parameters
    ----------
    frame
        Rows whose columns ``parts`` are categorical, without missing values.
    parts
        Column names.

    Returns
    -------
    levels : tuple of str
        Those that have rows, "a:b" for a cross, in declared order with the last column's varying fastest.
    number : numpy.ndarray
        Level number of each row, shape (n,).
    """
    columns = [frame[part].cat for part in parts]
    sizes = [max(len(column.categories), 1) for column in columns]
    code = np.ravel_multi_index([column.codes.to_numpy(np.int64) for column in columns], sizes)
    found, number = np.unique(code, return_inverse=True)
    labels = [
        np.array([str(level) for level in column.categories], dtype=object)[codes]
        for column, codes in zip(columns, np.unravel_index(found, sizes), strict=True)
    ]
    return tuple(":".join(combination) for combination in zip(*labels, strict=True)), number
