"""Complete rows, and the columns that leaving out the others would empty."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from alliance_bayes.cohort.cells import level_label
from alliance_bayes.errors import ModelError
from alliance_bayes.model.formula import Formula
from alliance_bayes.model.grammar import shown
from alliance_bayes.model.levels import joined_level, labels_of
from alliance_bayes.model.nodes import columns_of

__all__ = ["Emptied", "refuse", "refuse_as_predictors", "refuse_emptied", "term_columns", "too_few"]

# Levels and columns that a message names before it counts.
_MOST_NAMED = 5


@dataclass(frozen=True)
class Emptied:
    """A column, or a combination of columns, that has one value in all complete rows.

    Parameters
    ----------
    name
        Column, or "a:b".
    value
        The value that is left, as it is printed.
    others
        Its other values, of rows that were left out.
    n_others
        Number of those rows.
    lacking
        How many of those rows have no value, by column.
    levels
        Whether its values are levels.
    """

    name: str
    value: str
    others: tuple[str, ...]
    n_others: int
    lacking: Mapping[str, int]
    levels: bool = True

    def __str__(self) -> str:
        subject = f"'{self.name}' has only the {'level' if self.levels else 'value'} {self.value}"
        if not self.n_others:
            return f"{subject} in the table"
        named = [*self.others[:_MOST_NAMED], *(["..."] if len(self.others) > _MOST_NAMED else [])]
        rows = "the 1 row" if self.n_others == 1 else f"all {self.n_others:,} rows"
        ranked = sorted(self.lacking.items(), key=lambda item: -item[1])
        return (
            f"{subject} in the complete rows, because {rows} with {', '.join(named)} lack{'s' * (self.n_others == 1)} "
            f"a value elsewhere: {', '.join(_counted(name, n) for name, n in ranked)}"
        )


def refuse(emptied: Sequence[Emptied], formula: Formula) -> None:
    """Raise ModelError, with all of them, where there are any."""
    if emptied:
        remedy = "Take it out of the model, or check the table."
        if any(column.n_others for column in emptied):
            nested = [hint for column in emptied for hint in _partly_nested(column, formula)][:1]
            instead = "" if nested else " give people without one a level of their own (such as 'none'),"
            remedy = f"Fill the missing values in,{instead} or take a column out of the model."
            remedy = " ".join([remedy, *nested])
        raise ModelError(f"nothing can be estimated of what does not vary: {'; '.join(map(str, emptied))}. {remedy}")


def _partly_nested(emptied: Emptied, formula: Formula) -> Iterator[str]:
    """How a factor is pooled over of which some people have no level, such as therapists in one arm of a trial."""
    zero = not emptied.levels and emptied.others == ("0",)
    for group in formula.groups:
        name, pooled = group.factor, {part for term in group.terms for part in term.split(":")}
        # Moments are of rows with a level, however it is pooled.
        nested = zero and "Intercept" not in pooled and emptied.name in pooled
        if name in emptied.lacking and name != emptied.name and not nested:
            column = emptied.name if zero else "treated"
            addition = (
                "" if zero else f" with a column {column!r} that is 1 for those who have one and 0 for the others"
            )
            yield (
                f"Where the others have no '{name}' (therapists in one arm of a trial), pool over it what only those "
                f"who have one get: '(0 + {column} | {name})'{addition}; empty cells of '{name}' are then right."
            )


def too_few(n: int, complete: int, lacking: Mapping[str, int]) -> ModelError:
    """The error for fewer than two complete rows, with how many of the ``n`` rows lack a value of each column."""
    ranked = sorted(lacking.items(), key=lambda item: -item[1])
    why = f": {', '.join(_counted(name, count) for name, count in ranked if count)}" if any(lacking.values()) else ""
    return ModelError(
        f"the model needs at least 2 complete rows but got {complete} of {n:,}{why}. Fill the missing values in, or "
        "take a column out of the model."
    )


def term_columns(formula: Formula) -> tuple[str, ...]:
    """Columns that the design columns are made of, in the order of the formula."""
    calls = {call.name: call for call in formula.calls}
    names = [*formula.common, *(term for group in formula.groups for term in group.terms)]
    parts = [part for name in names if name != "Intercept" for part in name.split(":")]
    used = {column for part in parts for column in (columns_of(calls[part]) if part in calls else (part,))}
    return tuple(name for name in formula.columns[1:] if name in used)


def refuse_as_predictors(formula: Formula, person: str, time: str | None, data: pd.DataFrame) -> None:
    """Refuse persons and dates in the terms of a formula, which have no coefficients that a page could show.

    Parameters
    ----------
    formula
        The model's.
    person, time
        Columns that say whose and when a row is.
    data
        All rows.

    Raises
    ------
    ModelError
        A coefficient for each person by name, or a column of dates.
    """
    used = term_columns(formula)
    if person in used:
        raise ModelError(
            f"{shown(person)} says whose a row is, and as a predictor would have a coefficient for each person by "
            f"name. Pool over persons, as in (1 | {person}); for slopes within persons, write within(x)."
        )
    for name in used:
        if person not in data or not isinstance(data[name].dtype, pd.CategoricalDtype):
            continue
        if data.groupby(name, observed=True)[person].nunique().max() == 1 < data[person].nunique():
            raise ModelError(
                f"each level of {shown(name)} has rows of one person only, so that as a predictor it would name "
                f"persons. Pool over it, as in (1 | {name}), or take it out of the model."
            )
    if time is not None and time in formula.columns and pd.api.types.is_datetime64_dtype(data[time].dtype):
        raise ModelError(
            f"{shown(time)} holds dates, which have no slope. Make a column of numbers, such as days or weeks since "
            "the first, and use that."
        )


def refuse_emptied(
    data: pd.DataFrame,
    columns: Sequence[str],
    formula: Formula,
    residual_by: str | None,
    sigma: Formula | None = None,
) -> None:
    """Refuse a model of which the complete rows leave a column without anything to differ.

    Parameters
    ----------
    data
        All rows, with missing values.
    columns
        Columns of the model, in which a complete row has a value.
    formula, residual_by, sigma
        The model.

    Raises
    ------
    ModelError
        Fewer than two complete rows; or every factor, categorical predictor and residual factor with one level in them,
        and every number that only leaving rows out made constant, each with the columns whose missing values did it.
    """
    missing = data[list(columns)].isna()
    complete = ~missing.any(axis=1).to_numpy()
    if complete.sum() < 2:
        raise too_few(len(data), int(complete.sum()), {str(name): int(gaps.sum()) for name, gaps in missing.items()})
    refuse(list(_emptied(data, missing, complete, formula, residual_by, sigma)), formula)


def _emptied(
    data: pd.DataFrame,
    missing: pd.DataFrame,
    complete: np.ndarray,
    formula: Formula,
    residual_by: str | None,
    sigma: Formula | None,
) -> Iterator[Emptied]:
    grouping = {*formula.grouping, residual_by}
    factors = [group.factor for group in formula.groups] + ([] if residual_by is None else [residual_by])
    of_sigma = () if sigma is None else term_columns(sigma)
    for name in dict.fromkeys([*factors, *term_columns(formula), *of_sigma, formula.outcome]):
        parts = [name] if name in data else name.split(":")
        # A combination has one level where each of its parts has.
        if any(data.loc[complete, part].nunique() > 1 for part in parts):
            continue
        levels = name in factors or name in grouping or not pd.api.types.is_numeric_dtype(data[name])
        if levels:
            # What is no level is told as that, and not as a column without others.
            for part in parts:
                labels_of(data[part].dropna())
        present = ~missing[parts].any(axis=1).to_numpy()
        only = data.loc[complete, parts].iloc[0]
        others = present & (data[parts] != only).any(axis=1).to_numpy()
        if not (levels or others.any()):
            # A column that is constant in the whole table is told by the design, which knows its terms.
            continue
        distinct = data.loc[others, parts].drop_duplicates()
        named = sorted(_printed(row, levels) for row in distinct.itertuples(index=False))
        lacking = {str(column): int(gaps[others].sum()) for column, gaps in missing.items() if gaps[others].any()}
        yield Emptied(name, _printed(only, levels), tuple(named), int(others.sum()), lacking, levels)


def _printed(values: Sequence[object] | pd.Series, levels: bool) -> str:
    return repr(joined_level(map(level_label, values))) if levels else ", ".join(f"{value:.6g}" for value in values)


def _counted(name: str, n: int) -> str:
    return f"'{name}' is missing in {n:,}"
