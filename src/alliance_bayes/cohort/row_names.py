"""What errors call rows: as the file numbers them that they came from, or by the labels of a DataFrame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, SupportsIndex

import numpy as np
import pandas as pd

from alliance_bayes.errors import DataError, Place

if TYPE_CHECKING:
    from alliance_bayes.cohort.cohort import Cohort

__all__ = ["label_of", "names_of", "row_name", "telling_rows"]


def label_of(label: object) -> int | str:
    """The label of a row of a DataFrame as a message has it."""
    return label if isinstance(label, (int, str)) else str(label)


def names_of(rows: pd.DataFrame, known: pd.Index | None) -> pd.Index:
    """What some rows are called, of which a table may know it by their places in it; by their labels otherwise."""
    if known is None or not pd.api.types.is_integer_dtype(rows.index):
        return rows.index
    if rows.index.size and not 0 <= rows.index.min() <= rows.index.max() < len(known):
        # Of another table.
        return rows.index
    return known[rows.index.to_numpy()]


def row_name(names: pd.Index | None, place: SupportsIndex) -> int | str:
    """What one row is called, by its place."""
    assert names is not None
    return label_of(names[[int(place)]].tolist()[0])


@contextmanager
def telling_rows(cohort: Cohort, columns: Sequence[str]) -> Iterator[None]:
    """Let errors about rows that are complete name them as the cohort's table does, each once.

    Parameters
    ----------
    cohort
        The cohort.
    columns
        In which complete rows have a value; see `Cohort.complete`.
    """
    try:
        yield
    except DataError as error:
        if not any(isinstance(problem.row, Place) for problem in error.problems):
            raise
        at = np.flatnonzero(cohort.data[list(columns)].notna().all(axis=1))
        problems = (
            replace(problem, row=row_name(cohort.row_names, at[problem.row]))
            if isinstance(problem.row, Place)
            else problem
            for problem in error.problems
        )
        raise DataError(dict.fromkeys(problems), source=cohort.source) from None
