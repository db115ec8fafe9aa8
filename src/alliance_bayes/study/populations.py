"""Whom the study's models are fitted to, and what they are called in a sentence."""

from __future__ import annotations

from alliance_bayes.cohort import Cohort, session_cohort, with_alliance_parts
from alliance_bayes.cohort.flow import FlowStep
from alliance_bayes.study.options import StudyOptions

__all__ = ["population", "population_words"]


def population(name: str, cohort: Cohort, options: StudyOptions) -> Cohort:
    """The rows of a population of the study; who has no baseline score is not among the elevated."""
    match name:
        case "everybody":
            return cohort
        case "elevated":
            low = cohort.data["who5_baseline"] <= options.elevated
            step = FlowStep(f"baseline WHO-5 above {options.elevated:g}, or missing", int((~low).sum()))
            excluded = (*cohort.excluded, step)
            return Cohort(cohort.data[low], cohort.source, excluded, why_missing=cohort.why_missing, aside=cohort.aside)
        case "sessions":
            return session_cohort(cohort)
        case "with parts of the alliance":
            return with_alliance_parts(cohort)
    raise KeyError(f"the study has no population {name!r}")


def population_words(name: str, options: StudyOptions) -> str:
    """A population after "among"."""
    elevated = f"those with elevated symptoms (baseline WHO-5 of {options.elevated:g} or less)"
    return {"everybody": "everybody", "elevated": elevated}[name]
