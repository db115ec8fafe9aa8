"""Who was left out: how they differ from those analysed in what was observed of both."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from alliance_bayes.cohort.cohort import Cohort
from alliance_bayes.cohort.names import ID, LISTED_LEVELS

__all__ = ["COMPARED", "compared", "is_told", "records", "standardised_difference"]

#: Columns of a table of comparisons.
COMPARED = (
    *("column", "level", "n_analysed", "n_left_out", "analysed", "sd_analysed", "left_out", "sd_left_out"),
    *("difference", "least"),
)
# Numbers with so few values are compared level by level.
_FEW_VALUES = 5


def standardised_difference(first: np.ndarray, second: np.ndarray) -> float:
    """Difference of two groups' means, in the root of the average of their variances.

    Parameters
    ----------
    first, second
        Values of either group, without gaps; 0 and 1 for a share.

    Returns
    -------
    float
        First minus second; NaN where a group has no value or neither varies.

    References
    ----------
    Austin (2009). Balance diagnostics for comparing the distribution of baseline covariates between treatment groups in
    propensity-score matched samples. Statistics in Medicine 28(25). doi 10.1002/sim.3697
    """
    if min(first.size, second.size) < 2:
        return float("nan")
    spread = np.sqrt((first.var(ddof=1) + second.var(ddof=1)) / 2)
    return float((first.mean() - second.mean()) / spread) if spread > 0 else float("nan")


def compared(cohort: Cohort, analysed: np.ndarray, without: Collection[str] = ()) -> pd.DataFrame:
    """Those who were left out beside those who were analysed, on every column that was observed of both.

    Parameters
    ----------
    cohort
        Everybody.
    analysed
        Which rows were analysed, shape (n_rows,). A person of several rows was, if one of them was; what is compared
        is the first value that is known of a person.
    without
        Columns that are passed over, besides those that say whose or when a row is and those of more than 20 levels.

    Returns
    -------
    pandas.DataFrame
        A row for each number, and each level of a factor or of a number with up to five values: `column`, `level`;
        people of either group with a value (`n_analysed`, `n_left_out`); their means (shares of a level) and SDs;
        the standardised `difference`, left out minus analysed; and `least`, the fewest people that what is told rests
        on: of any level of the column in a group, of those off the commonest value of a number, or of those of a group
        who lack a value where others have one, since mean and SD of the others tell how many these are.
    """
    frame, included = _people(cohort, analysed)
    passed = {ID, cohort.person, cohort.time, *without}
    rows = [row for name in frame if name not in passed for row in _rows(str(name), frame[name], included)]
    return pd.DataFrame(rows, columns=list(COMPARED))


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """A comparison as JSON values; what is not a number is None."""
    plain = table.astype(object).where(table.notna(), None)
    return [dict(zip(COMPARED, row, strict=True)) for row in plain.itertuples(index=False)]


def is_told(value: object) -> bool:
    """Whether something from a file is what `records` gives."""
    return isinstance(value, list) and all(
        isinstance(record, dict)
        and tuple(record) == COMPARED
        and isinstance(record["column"], str)
        and isinstance(record["level"], str | None)
        and all(isinstance(record[name], int | float | None) for name in COMPARED[2:])
        for record in value
    )


def _people(cohort: Cohort, analysed: np.ndarray) -> tuple[pd.DataFrame, np.ndarray]:
    """A row for each person, and whether the person was analysed."""
    codes = cohort.persons
    if codes is None:
        return cohort.data, analysed
    frame = cohort.data.groupby(codes, sort=True).first()
    return frame.reset_index(drop=True), np.bincount(np.unique(codes, return_inverse=True)[1], analysed) > 0


def _rows(name: str, column: pd.Series, included: np.ndarray) -> Iterator[dict[str, Any]]:
    if pd.api.types.is_datetime64_dtype(column.dtype) or pd.api.types.is_string_dtype(column.dtype):
        return
    known = column.notna().to_numpy()
    groups = known & included, known & ~included
    if min(group.sum() for group in groups) < 2:
        return
    gaps = [int((~known & group).sum()) for group in (included, ~included)]
    lacking = [size for size in gaps if size]
    about = {"column": name, "n_analysed": int(groups[0].sum()), "n_left_out": int(groups[1].sum())}
    levels = _levels(column)
    if levels is None:
        values = [column.to_numpy(float)[group] for group in groups]
        least = min(value.size - int(np.unique(value, return_counts=True)[1].max()) for value in values)
        yield about | {"level": None, **_figures(*values), "least": min([least, *lacking])}
        return
    if len(levels) > LISTED_LEVELS or len(levels) < 2:
        return
    text = column.astype("str").to_numpy() if isinstance(column.dtype, pd.CategoricalDtype) else column.to_numpy()
    counts = [[int((text[group] == level).sum()) for level in levels] for group in groups]
    least = min([count for by_level in counts for count in by_level] + lacking)
    # Two levels say the same.
    for level in levels[1:] if len(levels) == 2 else levels:
        values = [(text[group] == level).astype(float) for group in groups]
        label = str(level) if isinstance(level, str) else f"{level:g}"
        yield about | {"level": label, **_figures(*values), "least": least}


def _levels(column: pd.Series) -> Sequence[Any] | None:
    """Levels of a factor, or values of a number that has few; None of other numbers."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        used = np.unique(column.cat.codes.to_numpy())
        return column.cat.categories[used[used >= 0]].tolist()
    values = np.unique(column.dropna().to_numpy(float))
    return values.tolist() if values.size <= _FEW_VALUES else None


def _figures(analysed: np.ndarray, left_out: np.ndarray) -> dict[str, float]:
    return {
        "analysed": float(analysed.mean()),
        "sd_analysed": float(analysed.std(ddof=1)),
        "left_out": float(left_out.mean()),
        "sd_left_out": float(left_out.std(ddof=1)),
        "difference": standardised_difference(left_out, analysed),
    }
