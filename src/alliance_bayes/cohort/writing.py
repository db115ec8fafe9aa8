"""Tables to CSV files, whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from alliance_bayes.atomic import replacing
from alliance_bayes.cohort.cohort import Cohort

__all__ = ["write_cohort", "write_csv"]


def write_cohort(cohort: Cohort, path: str | Path) -> Path:
    """Write a cohort's one-row table as `read_cohort` reads it.

    Parameters
    ----------
    cohort
        Any cohort.
    path
        Name of the CSV file; replaced if it is there. Its directory must exist.

    Returns
    -------
    pathlib.Path
        The file: UTF-8, a header, commas, missing values as empty cells. The order of a factor's levels is not in it.
        Texts are as they are, so that they read back: one that begins with "=" is a formula to a spreadsheet, which
        should import such a column as text. (Tables saved from a page are for spreadsheets, and have an apostrophe.)

    Raises
    ------
    UsageError
        When the path is a directory, or its directory is not there.
    WriteError
        When the system refuses; an earlier file is then as it was.
    """
    target = Path(path)
    write_csv({target: cohort.data})
    return target


def write_csv(tables: Mapping[Path, pd.DataFrame]) -> None:
    """Tables to their files: UTF-8, a header, commas, dates as YYYY-MM-DD; all of them or none."""
    with replacing(*tables) as drafts:
        for draft, table in zip(drafts, tables.values(), strict=True):
            table.to_csv(draft, index=False, encoding="utf-8", lineterminator="\n", date_format="%Y-%m-%d")
