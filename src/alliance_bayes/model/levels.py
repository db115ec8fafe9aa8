"""Levels of categorical columns: their labels, declared ones, their order, combinations of columns, and new ones."""

from __future__ import annotations

import math
import re
from collections.abc import Hashable, Iterable, Mapping, Sequence
from decimal import Decimal

import numpy as np
import pandas as pd

from alliance_bayes.cohort.cells import MISSING, CellError, is_code, is_missing, is_number, level_label, spelling
from alliance_bayes.cohort.names import in_order
from alliance_bayes.errors import DataError, ModelError, Place, Problem
from alliance_bayes.kinds import is_several
from alliance_bayes.model.formula import Formula
from alliance_bayes.remedies import setting

__all__ = [
    "NEW_LEVEL",
    "NOBODY",
    "check_declared",
    "declare_levels",
    "joined_level",
    "labels_of",
    "lies_within",
    "new_labels",
    "ordered_levels",
    "present_levels",
    "split_level",
]

# Label of a level that the data do not have, where it has none of its own.
NEW_LEVEL = "(new level)"
#: Label of rows that have no level of a factor and need none; see `alliance_bayes.model.nobody`.
NOBODY = "(nobody)"


def labels_of(column: pd.Series) -> pd.Categorical:
    """The labels of a column without missing values (see :func:`alliance_bayes.cohort.cells.level_label`).

    Levels that a categorical column declares keep their order, others are sorted; those that no value has are left
    out.

    Raises
    ------
    ModelError
        A value that is no level, by the column's name.
    """
    # Equal values may be different levels (1 and True), and distinct ones the same (1 and "1.0").
    codes: np.ndarray
    values: Sequence[Hashable]
    if isinstance(column.dtype, pd.CategoricalDtype):
        used = column.cat.remove_unused_categories().cat
        codes, values = used.codes.to_numpy(), list(np.asarray(used.categories))
    elif column.dtype == object:
        number: dict[tuple[type, Hashable], int] = {}
        cells = column.tolist()
        codes = np.array([number.setdefault((type(cell), _hashable(cell)), len(number)) for cell in cells], dtype=int)
        values = [cell for _, cell in number]
    else:
        codes, uniques = pd.factorize(column)
        values = list(np.asarray(uniques))
    try:
        labels = [level_label(value) for value in values]
    except CellError as bad:
        raise ModelError(
            f"a value of '{column.name}' {bad.what}, and the model needs its levels. {bad.remedy}"
        ) from bad
    distinct = list(dict.fromkeys(labels))
    order = distinct if isinstance(column.dtype, pd.CategoricalDtype) else in_order(distinct)
    place = {label: code for code, label in enumerate(order)}
    moved = np.array([place[label] for label in labels], dtype=np.int64)
    # formulae sorts the levels of an unordered categorical, so their order has to be made explicit.
    return pd.Categorical.from_codes(moved[codes], categories=pd.Index(order, dtype=object), ordered=True)


def _hashable(cell: object) -> Hashable:
    return cell if isinstance(cell, Hashable) else id(cell)


def joined_level(labels: Iterable[str]) -> str:
    r"""The label of a combination of levels: "a:b", a colon within a level written as ``\:``."""
    parts = list(labels)
    if len(parts) == 1:
        return parts[0]
    return ":".join(part.replace("\\", "\\\\").replace(":", "\\:") for part in parts)


def split_level(label: str) -> list[str]:
    """The labels that :func:`joined_level` joined (two or more)."""
    parts = re.findall(r"(?:^|:)((?:[^:\\]|\\.)*)", label, flags=re.DOTALL)
    return [re.sub(r"\\(.)", r"\1", part, flags=re.DOTALL) for part in parts]


def new_labels(column: pd.Series, known: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """Labels of new rows, and those that no analysed row has.

    Parameters
    ----------
    column
        The new rows' values, none missing.
    known
        Labels of the analysed rows.

    Returns
    -------
    text : numpy.ndarray
        Label of each row, shape (n,).
    new : list of str
        Labels that are not known, sorted.

    Raises
    ------
    ModelError
        A value that is no level, a text that stands for a missing value, or a label that differs from a known one
        only in case, spaces, Unicode form or the way a number is written: it is more likely the same level misspelt.
    """
    labels = labels_of(column)
    new = [str(label) for label in labels.categories if label not in set(known)]
    if gaps := [label for label in new if is_missing(label, MISSING)]:
        raise ModelError(
            f"the new rows have missing values in '{column.name}' ({', '.join(map(repr, gaps))}). Fill or drop them "
            "first."
        )
    if new:
        alike = {form: label for label in reversed(known) for form in _forms(label)}
        taken = [(label, alike[form]) for label in new for form in _forms(label) if form in alike]
        if taken:
            pairs = ", ".join(f"{label!r} in place of {meant!r}" for label, meant in dict(taken).items())
            raise ModelError(
                f"the new rows write known levels of '{column.name}' in another way: {pairs}. Levels are compared "
                "character by character, so write them as in the analysed rows; a level that is really another needs "
                "a name of its own."
            )
    return np.asarray(labels, dtype=object), new


def _forms(label: str) -> tuple[Hashable, ...]:
    """What another spelling of a label shares with it."""
    text = label.strip()
    # Digits beyond those of any code or measurement are not read: the text alone then says what it is.
    number = (is_number(text) or is_code(text)) and re.fullmatch(r"[^eE]{1,60}([eE][+-]?[0-9]{1,3})?", text)
    return (spelling(label), Decimal(text)) if number else (spelling(label),)


def check_declared(levels: Mapping[str, Sequence[object]]) -> dict[str, tuple[str, ...]]:
    """Declared levels as labels.

    Raises
    ------
    ModelError
        A declaration that is no list, names a level twice or none, or something that is no level.
    """
    out: dict[str, tuple[str, ...]] = {}
    for name, listed in levels.items():
        if not is_several(listed):
            raise ModelError(f"{setting('levels')} of '{name}' should be listed, as in ('a', 'b'), but got {listed!r}.")
        try:
            labels = tuple(level_label(level) for level in listed)
        except CellError as bad:
            raise ModelError(f"{setting('levels')} of '{name}': one {bad.what}. {bad.remedy}") from bad
        if not labels or len(set(labels)) != len(labels):
            raise ModelError(
                f"{setting('levels')} of '{name}' should be distinct and at least one but got {list(listed)}."
            )
        out[name] = labels
    return out


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
        See :func:`check_declared` and :func:`labels_of`.
    DataError
        Every row whose level was not declared.
    """
    problems: list[Problem] = []
    declared = {}
    for name, allowed in check_declared(levels).items():
        if name not in frame:
            continue
        labels = labels_of(frame[name])
        allowed = (*allowed, *(NOBODY for label in labels.categories if label == NOBODY))
        remedy = f"Declared levels: {', '.join(map(repr, allowed))}. Correct the value or declare the level."
        unknown = np.flatnonzero(~np.isin(labels.codes, np.flatnonzero(labels.categories.isin(allowed))))
        problems += [Problem(name, Place(row), labels[row], "is not a declared level", remedy) for row in unknown]
        declared[name] = labels.set_categories(list(allowed))
    if problems:
        raise DataError(problems, source=Place.source)
    return frame.assign(**declared)


def ordered_levels(frame: pd.DataFrame, formula: Formula) -> pd.DataFrame:
    """The frame with every categorical or grouping column as an ordered categorical without unused levels."""
    grouping = formula.grouping
    for name in frame.columns:
        if name in grouping or not pd.api.types.is_numeric_dtype(frame[name]):
            frame[name] = labels_of(frame[name])
    return frame


def lies_within(inner: np.ndarray, outer: np.ndarray) -> bool:
    """Whether each level of a column has rows of one level of another only; level numbers by row, shape (n,)."""
    return len(np.unique(np.column_stack([inner, outer]), axis=0)) == np.unique(inner).size


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
        Those that have rows (see :func:`joined_level` for a cross), in declared order with the last column's varying
        fastest.
    number : numpy.ndarray
        Level number of each row, shape (n,).
    """
    columns = [frame[part].cat for part in parts]
    sizes = [max(len(column.categories), 1) for column in columns]
    code = np.ravel_multi_index([column.codes.to_numpy(np.int64) for column in columns], sizes)
    present, number = _numbered(code, math.prod(sizes))
    labels = [
        np.array([str(level) for level in column.categories], dtype=object)[codes]
        for column, codes in zip(columns, np.unravel_index(present, sizes), strict=True)
    ]
    return tuple(map(joined_level, zip(*labels, strict=True))), number


def _numbered(code: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The codes below ``size`` that occur, ascending, and the place of each row's among them."""
    if size > code.size:
        distinct, number = np.unique(code, return_inverse=True)
        return distinct, number
    # By counting where codes are few, not by sorting all rows.
    present = np.bincount(code, minlength=size) > 0
    return np.flatnonzero(present), (np.cumsum(present) - 1)[code]
