"""Rows that are not those analysed: held to what a model knows, with all that is wrong told at once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pandas as pd

from alliance_bayes.cohort.row_names import row_name
from alliance_bayes.errors import ModelError
from alliance_bayes.model.design_rows import Rows
from alliance_bayes.model.formula import Formula
from alliance_bayes.model.levels import new_labels
from alliance_bayes.model.nobody import filled
from alliance_bayes.model.windows import completed

__all__ = ["check_defined", "conformed"]

# Rows that a message names.
_MOST_NAMED = 5


def conformed(
    frame: pd.DataFrame,
    analysed: pd.DataFrame,
    formula: Formula,
    *,
    needed: Sequence[str],
    fixed: Collection[str],
    persons: Sequence[str],
    of_residual: Collection[str],
    trials: str | None,
    given: bool,
) -> pd.DataFrame:
    """Other rows as the analysed ones are coded.

    Parameters
    ----------
    frame
        The rows.
    analysed
        The analysed rows.
    formula
        The model's.
    needed
        Columns that they have to have.
    fixed
        Those of which an unseen level cannot be predicted.
    persons
        Columns whose levels are persons.
    of_residual
        Columns that the residual SD depends on.
    trials
        The column of trials, if any.
    given
        Whether they come from outside, so that their numbers are looked at, too.

    Raises
    ------
    ModelError
        Whatever of them cannot be predicted, all at once.
    """
    twice = [name for name in needed if isinstance(frame.get(name), pd.DataFrame)]
    if twice:
        raise ModelError(
            f"the new rows have several columns called {', '.join(map(repr, twice))}. Keep one, or rename the others."
        )
    if formula.windows:
        frame = completed(frame, formula.windows, analysed, persons)
    missing = [name for name in needed if name not in frame.columns]
    if missing:
        raise ModelError(f"the new rows lack the column(s) {', '.join(missing)}. The model uses {', '.join(needed)}.")
    names = frame.index
    out = filled(frame.loc[:, list(needed)], formula, of_residual).reset_index(drop=True)
    problems: list[str] = []
    for name in needed:
        try:
            out[name] = _column(out[name], analysed[name].dtype, names, fixed=name in fixed)
            if given and not isinstance(analysed[name].dtype, pd.CategoricalDtype):
                _check_numbers(out[name], names, trials=name == trials)
        except ModelError as error:
            problems.append(str(error))
    if problems:
        raise ModelError("\n".join(problems))
    return out


def check_defined(rows: Rows, labels: Mapping[str, Sequence[str]], names: pd.Index) -> None:
    """Refuse rows in which a term is not a finite number: the logarithm of zero, the root of a negative number.

    Parameters
    ----------
    rows
        Design arrays of new rows.
    labels
        What their columns are called: of the common terms under ``""``, of what a factor pools under its name.
    names
        What the rows are called.

    Raises
    ------
    ModelError
        With all such terms and their rows.
    """
    problems = []
    arrays = {"": rows.x, **rows.z}
    for whose, array in arrays.items():
        for label, values in zip(labels[whose], array.T, strict=True):
            if not np.isfinite(values).all():
                problems.append(_undefined(f"'{label}'", values, names))
    for subject, values in (("the offset", rows.offset), ("a term of the residual SD", rows.sigma)):
        if values is not None and not np.isfinite(values).all():
            problems.append(_undefined(subject, values.reshape(rows.n, -1).sum(axis=1), names))
    if problems:
        raise ModelError("\n".join(dict.fromkeys(problems)))


def _undefined(subject: str, values: np.ndarray, names: pd.Index) -> str:
    return (
        f"{subject} is not a finite number in {_rows(~np.isfinite(values), names)} of the new rows. Give values "
        "for which it is defined, or drop these rows."
    )


def _rows(some: np.ndarray, names: pd.Index) -> str:
    """Which rows, by their labels: "row(s) 0, 3"."""
    places = np.flatnonzero(some)
    more = f" and {places.size - _MOST_NAMED:,} more" if places.size > _MOST_NAMED else ""
    return f"row(s) {', '.join(str(row_name(names, place)) for place in places[:_MOST_NAMED])}{more}"


def _column(values: pd.Series, dtype: object, names: pd.Index, *, fixed: bool) -> pd.Series:
    """One column, with the levels of the analysed rows."""
    name = values.name
    if values.isna().any():
        raise ModelError(
            f"the new rows have missing values in '{name}', in {_rows(values.isna().to_numpy(), names)}. Fill or "
            "drop them first."
        )
    if not isinstance(dtype, pd.CategoricalDtype):
        types = pd.api.types
        if not types.is_numeric_dtype(values) or types.is_bool_dtype(values) or types.is_complex_dtype(values):
            raise ModelError(
                f"'{name}' is numeric in the model, but the new rows have it as {values.dtype}. Convert it to numbers."
            )
        return values
    if values.dtype == dtype:
        return values
    text, new = new_labels(values, list(map(str, dtype.categories)))
    if new and fixed:
        raise ModelError(
            f"the new rows hold level(s) {', '.join(map(repr, new))} of '{name}', in "
            f"{_rows(np.isin(text, new), names)}, of which the model knows {', '.join(map(repr, dtype.categories))}. "
            "An unseen level of it cannot be predicted."
        )
    return pd.Series(pd.Categorical(text, categories=[*dtype.categories, *new], ordered=True), name=name)


def _check_numbers(column: pd.Series, names: pd.Index, *, trials: bool) -> None:
    values = column.to_numpy(float)
    if not np.isfinite(values).all():
        raise ModelError(
            f"the new rows have infinite values in '{column.name}', in {_rows(~np.isfinite(values), names)}. Give "
            "numbers, or drop these rows."
        )
    wrong = (values < 1) | (values != np.floor(values))
    if trials and wrong.any():
        raise ModelError(
            f"the new rows have numbers of trials in '{column.name}' that are no whole numbers from 1, in "
            f"{_rows(wrong, names)}. Correct them, or drop these rows."
        )
