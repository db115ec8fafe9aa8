"""Tables to CSV files, whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from alliance_bayes.atomic import make_folder, replacing
from alliance_bayes.cohort.cohort import Cohort
from alliance_bayes.cohort.simulate import SimulatedCohort
from alliance_bayes.errors import UsageError

__all__ = ["write_cohort", "write_tables"]


def write_tables(cohort: SimulatedCohort, directory: str | Path) -> tuple[Path, ...]:
    """Write a simulated cohort's three tables as `read_tables` reads them.

    Parameters
    ----------
    cohort
        What `simulate_cohort` returned.
    directory
        Where to; made if it is not there. Files of the same names are replaced.

    Returns
    -------
    tuple of pathlib.Path
        participants.csv, sessions.csv and surveys.csv: UTF-8, a header, commas, dates as YYYY-MM-DD.

    Raises
    ------
    UsageError
        When the cohort has no tables, or the directory is a file.
    WriteError
        When the system refuses; earlier files of these names are then as they were, unless it refuses between the
        renames at the very end.
    """
    if not isinstance(cohort, SimulatedCohort) or not cohort.tables:
        raise UsageError("write_tables needs the tables of a simulated cohort. Write any other one with write_cohort.")
    folder = Path(directory)
    make_folder(folder)
    paths = {folder / f"{name}.csv": table for name, table in cohort.tables.items()}
    _write(paths)
    return tuple(paths)


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

    Raises
    ------
    UsageError
        When the path is a directory, or its directory is not there.
    WriteError
        When the system refuses; an earlier file is then as it was.
    """
    target = Path(path)
    _write({target: cohort.data})
    return target


def _write(tables: Mapping[Path, pd.DataFrame]) -> None:
    with replacing(*tables) as drafts:
        for draft, table in zip(drafts, tables.values(), strict=True):
            table.to_csv(draft, index=False, encoding="utf-8", lineterminator="\n", date_format="%Y-%m-%d")
