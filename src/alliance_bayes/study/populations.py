"""Whom the study speaks of: everybody, and those with elevated depressive symptoms at baseline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from alliance_bayes.cohort import Cohort
from alliance_bayes.study.runner import StudyRunner

__all__ = ["Population", "Populations", "populations"]


@dataclass(frozen=True)
class Population:
    """Rows, and what they are called in a sentence."""

    cohort: Cohort
    words: str


type Populations = Mapping[str, Population]


def populations(runner: StudyRunner) -> Populations:
    """Everybody, and the elevated. Whoever has no baseline score is in neither's analysis."""
    limit = runner.options.elevated
    baseline = runner.cohort.data["who5_baseline"]
    elevated = runner.subset(runner.cohort, baseline <= limit, f"baseline WHO-5 above {limit:g}, or missing")
    return {
        "everybody": Population(runner.cohort, "everybody"),
        "elevated": Population(elevated, f"those with elevated symptoms (baseline WHO-5 of {limit:g} or less)"),
    }
