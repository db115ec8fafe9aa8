"""From tables to a cohort: reading, validating, scoring, and who was left out."""

from __future__ import annotations

from alliance_bayes.cohort.cohort import Cohort, single_level_columns
from alliance_bayes.cohort.flow import Flow, FlowStep
from alliance_bayes.cohort.imputed import ImputedTables, read_imputed
from alliance_bayes.cohort.read import read_cohort
from alliance_bayes.cohort.sessions import session_cohort, with_alliance_parts
from alliance_bayes.cohort.tables import read_tables
from alliance_bayes.cohort.writing import write_cohort

__all__ = [
    "Cohort",
    "Flow",
    "FlowStep",
    "ImputedTables",
    "read_cohort",
    "read_imputed",
    "read_tables",
    "session_cohort",
    "single_level_columns",
    "with_alliance_parts",
    "write_cohort",
]
