"""Whom the study's models are fitted to, and what they are called in a sentence."""

from __future__ import annotations

from alliance_bayes.cohort import Cohort
from alliance_bayes.model.derivations import only_among
from alliance_bayes.study.options import StudyOptions

__all__ = ["population", "population_words"]


def population(name: str, cohort: Cohort, options: StudyOptions) -> Cohort:
    """The rows of a population of the study; who has no baseline score is not among the elevated."""
    match name:
        case "everybody":
            return cohort
        case "elevated":
            return only_among(cohort, "who5_baseline", {"at_most": options.elevated})
    raise KeyError(f"the study has no population {name!r}")


def population_words(name: str, options: StudyOptions) -> str:
    """A population after "among"."""
    elevated = f"those with elevated symptoms (baseline WHO-5 of {options.elevated:g} or less)"
    return {"everybody": "everybody", "elevated": elevated}[name]
