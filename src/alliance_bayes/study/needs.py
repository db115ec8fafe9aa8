"""What a table must hold for the study, told before anything is fitted."""

from __future__ import annotations

import pandas as pd

from alliance_bayes.cohort import Cohort, with_alliance_parts
from alliance_bayes.errors import UsageError
from alliance_bayes.remedies import argument
from alliance_bayes.study.options import StudyOptions

__all__ = ["COLUMNS", "check_columns", "same_people"]

COLUMNS = (
    "alliance",
    "who5_baseline",
    "who5_followup",
    "age",
    "sex",
    "country",
    "provider_type",
    "days_in_care",
    "n_sessions",
)
# What the models of early ratings, and of ratings within and between providers, need besides.
_OF_SESSIONS = ("alliance_early", "alliance_first", "alliance_provider")
# Fewer leave nothing to estimate a residual SD and a handful of slopes from.
FEWEST = 20


def check_columns(cohort: Cohort, options: StudyOptions) -> None:
    """Refuse a cohort that the study cannot be run on.

    Raises
    ------
    UsageError
        Columns that are missing, or too few people with all of them; everything at once.
    """
    missing = [name for name in COLUMNS if name not in cohort.data]
    if missing:
        raise UsageError(
            f"{cohort.source}: the study needs the columns {', '.join(COLUMNS)}, and this table has no "
            f"{', '.join(missing)}. Add them (rename columns with {argument('columns', ...)}), or fit single models "
            "with 'alliance-bayes fit'."
        )
    complete = cohort.data[list(COLUMNS)].dropna()
    elevated = int((complete["who5_baseline"] <= options.elevated).sum())
    limit = f"{options.elevated:g}"
    faults = [
        f"{count} {who} a value in every column"
        for count, who in (
            (len(complete), "people have"),
            (elevated, f"people with a baseline WHO-5 of {limit} or less have"),
            # Without them there is no mean that the others could regress to.
            (len(complete) - elevated, f"people with a baseline WHO-5 above {limit} have"),
        )
        if count < FEWEST
    ]
    if faults:
        raise UsageError(
            f"{cohort.source}: {', '.join(faults)}, and the study needs {FEWEST} of each. Fit single models with "
            "'alliance-bayes fit' instead."
        )


def same_people(cohort: Cohort, *, full: bool) -> Cohort:
    """Those of a cohort who have a value in every column of all the study's models.

    Parameters
    ----------
    cohort
        With the columns that the study needs.
    full
        Whether the models of early and of single ratings are fitted too.
    """
    names = [*COLUMNS, *(["modality"] if cohort.data.get("modality", pd.Series(dtype=object)).nunique() > 1 else [])]
    beside = None
    if full and cohort.sessions is not None:
        beside = with_alliance_parts(cohort).data
        names += [name for name in _OF_SESSIONS if name in beside and beside[name].notna().any()]
    return cohort.same_people(names, beside=beside)
