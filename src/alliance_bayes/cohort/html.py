"""A cohort as a notebook shows it: counts and columns, and nothing of any participant."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from alliance_bayes.cohort.doubts import remarks
from alliance_bayes.cohort.flow import plural
from alliance_bayes.notebook import number, overview, table

if TYPE_CHECKING:
    from alliance_bayes.cohort.cohort import Cohort

__all__ = ["cohort_html"]

# A notebook is passed on with what it shows: of fewer values no mean is told, and levels have no counts at all. More
# levels than some are not named either: without a model, nobody has said whether they are persons.
_FEW, _NAMED = 10, 4
_HEADINGS = ("column", "n", "missing", "mean (SD)", "median, or levels")


def cohort_html(cohort: Cohort) -> str:
    """HTML of a cohort: who is in it, and every column by its mean or its levels."""
    codes = cohort.persons
    people = len(cohort) if codes is None else np.unique(codes).size
    left_out = sum(step.n for step in cohort.excluded)
    facts = [
        ("participants", f"{people:,}"),
        (plural(cohort.unit), "" if codes is None else f"{len(cohort):,}"),
        ("sessions", "" if cohort.sessions is None else f"{len(cohort.sessions):,}"),
        ("left out before", f"{left_out:,}" if left_out else ""),
        ("not read", ", ".join(cohort.aside)),
        *remarks(cohort.data, cohort.notes).items(),
    ]
    rows = [_row(str(name), group) for name, group in cohort.summary().groupby("variable", sort=False)]
    return overview(f"Cohort {cohort.source}", facts, table(_HEADINGS, rows, words=(0, 4)))


def _row(name: str, group: pd.DataFrame) -> tuple[str, ...]:
    """A column: its rows of the summary are one, or one a level."""
    first, present = group.iloc[0], int(group["n"].sum())
    counts = (name, f"{present:,}", f"{int(first['missing']):,}")
    if isinstance(first["level"], str):
        # What has many levels, or dates, says so in brackets.
        if pd.isna(first.get("share")) and len(group) == 1:
            return *counts, "", first["level"].strip("()")
        listed = len(group) <= _NAMED and int(group["n"].min()) >= _FEW
        return *counts, "", ", ".join(map(str, group["level"])) if listed else f"{len(group)} levels"
    if present < _FEW:
        return *counts, "", ""
    mean, sd, median = (number(float(first[key])) for key in ("mean", "sd", "median"))
    return *counts, f"{mean} ({sd})", median
