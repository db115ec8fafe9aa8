"""Which questions are asked, in which order."""

from __future__ import annotations

from collections.abc import Callable

from alliance_bayes.study.association import association
from alliance_bayes.study.bench import Bench
from alliance_bayes.study.change import change
from alliance_bayes.study.course import course
from alliance_bayes.study.families import families
from alliance_bayes.study.latent import latent
from alliance_bayes.study.modality import FACTOR, modality
from alliance_bayes.study.moderation import moderation
from alliance_bayes.study.part import Part
from alliance_bayes.study.populations import populations
from alliance_bayes.study.ratings import ratings

__all__ = ["answer"]

NO_SESSIONS = (
    "the table has one row a participant. Give the three tables (a folder on the command line, read_tables in Python) "
    "for what needs single sessions."
)


def answer(bench: Bench) -> list[Part]:
    """Answer every question that was asked for and that the table allows."""
    people = populations(bench)
    parts = [ratings(bench), change(bench, people), association(bench, people), moderation(bench)]
    if FACTOR in bench.cohort.data and bench.cohort.data[FACTOR].nunique() > 1:
        parts.append(modality(bench))
    if bench.options.full:
        parts.append(families(bench))
        parts.append(_with_sessions(bench, latent, "latent", "Latent alliance"))
        parts.append(_with_sessions(bench, course, "time", "Alliance over time and between providers"))
    return parts


def _with_sessions(bench: Bench, make: Callable[[Bench], Part], name: str, title: str) -> Part:
    if bench.cohort.sessions is not None:
        return make(bench)
    return Part(
        name, title, "This part needs the ratings of single sessions.", (), left_out=(f"{title}: {NO_SESSIONS}",)
    )
