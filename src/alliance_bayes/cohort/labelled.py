"""Codes and what they stand for: value labels as levels, and codes of missing values in columns of numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd

from alliance_bayes.cohort.cells import CellError, is_number, level_label
from alliance_bayes.errors import Problem
from alliance_bayes.remedies import argument

__all__ = ["with_labels", "without_marks"]

type Pairs = Sequence[tuple[float | str, str]]

_SHOWN = 40


def with_labels(
    cells: pd.Series, pairs: Pairs, name: str, *, wanted: bool, declared: Sequence[str] | None = None
) -> tuple[pd.Series, Problem | None]:
    """The levels that a column's codes stand for, where they are names.

    Parameters
    ----------
    cells
        Codes.
    pairs
        Code and label, in the order of the file.
    name
        The column's name, for notes.
    wanted
        Whether the column is to be a factor; else it is one where every code that occurs has a label.
    declared
        Levels that the caller declares.

    Returns
    -------
    cells : pandas.Series
        Categorical, its levels those of the file that occur, by code (texts by place); or as it was.
    note : Problem or None
        That only some codes have labels, or that all labels are numbers, and the column is read as its codes.
    """
    labels = {code: level_label(" ".join(label.split())) for code, label in pairs if label.strip()}
    text = not pd.api.types.is_numeric_dtype(cells.dtype)
    present = [cell for cell in pd.unique(cells.dropna()).tolist() if not (isinstance(cell, str) and not cell.strip())]
    if not labels or not present:
        return cells, None
    codes = {level_label(_written(code)) for code in labels}
    if declared is not None and set(declared) <= codes and not set(declared) <= set(labels.values()):
        return cells, None
    # Numbers that stand for numbers name nothing.
    if not wanted and all(is_number(label) for label in labels.values()):
        return cells, _of_numbers({code: labels[code] for code in present if code in labels}, name)
    bare = [cell for cell in present if cell not in labels]
    if bare and not wanted:
        if len(bare) == len(present):
            return cells, None
        code, label = next((code, label) for code, label in labels.items() if code in present)
        kind = "text" if text else "numbers"
        what = f"has labels for some of its values only ({_written(code)} = {label[:_SHOWN]!r}), and is read as {kind}"
        return cells, Problem(name, None, None, what, f"If it is a factor, pass {argument('categorical', [name])}.")
    order = list(labels) if text else sorted(labels)
    order += [cell for cell in (present if text else sorted(present)) if cell not in labels]
    if not text:
        order.sort()
    shown = _distinct({code: labels.get(code, level_label(_written(code))) for code in order})
    used = [shown[code] for code in order if code in set(present)]
    levels = pd.CategoricalDtype(used)
    return cells.map(shown, na_action="ignore").astype(object).where(cells.notna(), None).astype(levels), None


def _written(code: float | str) -> str:
    try:
        return code if isinstance(code, str) else level_label(code)
    except CellError:
        return repr(code)


def _of_numbers(labels: dict[float | str, str], name: str) -> Problem | None:
    """That numbers stand for other numbers, which a column of codes does not say."""
    other = next(((code, label) for code, label in labels.items() if level_label(_written(code)) != label), None)
    if other is None:
        return None
    what = f"is read as its codes: its value labels are numbers, too ({_written(other[0])} = {other[1][:_SHOWN]!r})"
    remedy = (
        f"To have the labels as levels, pass {argument('categorical', [name])}; to have them as numbers, recode the "
        "column in the program that wrote the file."
    )
    return Problem(name, None, None, what, remedy)


def _distinct(shown: dict[float | str, str]) -> dict[float | str, str]:
    """Two codes of one name remain two levels."""
    counts = Counter(shown.values())
    taken = {label for label, n in counts.items() if n == 1}
    unique = {}
    for code, label in shown.items():
        if counts[label] > 1:
            label += f" ({_written(code)})"
            while label in taken:
                label += f" ({_written(code)})"
            taken.add(label)
        unique[code] = label
    return unique


def without_marks(cells: pd.Series, missing: Collection[str]) -> pd.Series:
    """A column of numbers without those that stand for a missing value, as their texts do in a text."""
    if not pd.api.types.is_numeric_dtype(cells.dtype) or pd.api.types.is_bool_dtype(cells.dtype):
        return cells
    marks = [float(mark) for mark in missing if is_number(mark)]
    if not marks:
        return cells
    marked = np.isin(cells.to_numpy(dtype=np.float64, na_value=np.nan), marks)
    return cells.mask(marked) if marked.any() else cells
