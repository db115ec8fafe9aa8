"""A cohort's Table 1."""

from __future__ import annotations

import pandas as pd

from alliance_bayes.cohort.names import ID

__all__ = ["MANY_LEVELS", "summarise"]

#: A factor with more levels than this (provider ids, free text) is counted, not listed: a level may be one person.
MANY_LEVELS = 50

_COLUMNS = ["variable", "level", "n", "missing", "share", "mean", "sd", "median", "min", "max"]


def summarise(data: pd.DataFrame) -> pd.DataFrame:
    """Describe every column but the participant's id.

    Parameters
    ----------
    data
        A cohort's table.

    Returns
    -------
    pandas.DataFrame
        One row a numeric column (`n` present, `missing`, `mean`, `sd` with n - 1, `median`, `min`, `max`, in the
        column's own unit) and one row a level of each factor (`n`, and `share` of those present; `missing` concerns the
        factor). A factor with more than 50 levels has one row whose `level` says how many.
    """
    rows: list[dict[str, object]] = []
    for name in data.columns:
        if name == ID:
            continue
        column = data[name]
        present, missing = int(column.notna().sum()), int(column.isna().sum())
        if isinstance(column.dtype, pd.CategoricalDtype):
            counts = column.value_counts(sort=False)
            if len(counts) > MANY_LEVELS:
                used = int((counts > 0).sum())
                rows.append({"variable": name, "level": f"({used} levels)", "n": present, "missing": missing})
                continue
            rows += [
                {
                    "variable": name,
                    "level": level,
                    "n": int(n),
                    "missing": missing,
                    "share": n / present if present else float("nan"),
                }
                for level, n in counts.items()
            ]
        else:
            rows.append(
                {
                    "variable": name,
                    "level": None,
                    "n": present,
                    "missing": missing,
                    "mean": column.mean(),
                    "sd": column.std(),
                    "median": column.median(),
                    "min": column.min(),
                    "max": column.max(),
                }
            )
    return pd.DataFrame(rows, columns=_COLUMNS)
