"""A cohort's Table 1."""

from __future__ import annotations

import pandas as pd

from alliance_bayes.cohort.names import ID

__all__ = ["LISTED_LEVELS", "MANY_LEVELS", "summarise"]

#: A factor with more levels than this (provider ids, free text) may have more than are written in two ways.
MANY_LEVELS = 50
#: A factor with more levels than this is counted, not listed.
LISTED_LEVELS = 20

_COLUMNS = ["variable", "level", "n", "missing", "share", "mean", "sd", "median", "min", "max"]
_OF_MANY = ["levels", "largest", "n_largest", "n_single"]


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
        factor). A factor with more than 20 levels has one row, whose `level` says how many; only where there is such a
        factor there are columns for it: how many `levels` are in use, the `largest`, and in how many rows it is
        (`n_largest`), and how many levels are in one row only (`n_single`).
    """
    rows: list[dict[str, object]] = []
    for name in data.columns:
        if name == ID:
            continue
        column = data[name]
        present, missing = int(column.notna().sum()), int(column.isna().sum())
        if isinstance(column.dtype, pd.CategoricalDtype):
            counts = column.value_counts(sort=False)
            if len(counts) > LISTED_LEVELS:
                used = int((counts > 0).sum())
                about = {"variable": name, "level": f"({used} levels)", "n": present, "missing": missing}
                if used:
                    largest = {"largest": counts.idxmax(), "n_largest": int(counts.max())}
                    about |= {"levels": used, **largest, "n_single": int((counts == 1).sum())}
                rows.append(about)
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
    table = pd.DataFrame(rows, columns=[*_COLUMNS, *_OF_MANY])
    if table["levels"].isna().all():
        return table[_COLUMNS]
    return table.astype({name: "Int64" for name in _OF_MANY if name != "largest"})
