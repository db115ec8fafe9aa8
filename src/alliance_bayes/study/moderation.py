"""The exploratory question: whether the association differs by provider type, baseline or sessions."""

from __future__ import annotations

from typing import Any

from alliance_bayes.effects import EffectTable
from alliance_bayes.effects.equivalence import DECIDED
from alliance_bayes.report.rows import rows_of
from alliance_bayes.report.text import derived, percent
from alliance_bayes.report.verdicts import Tally
from alliance_bayes.study.declared import DeclaredPart, chosen_rows
from alliance_bayes.study.part import Part
from alliance_bayes.study.runner import StudyRunner

__all__ = ["moderation"]


def moderation(runner: StudyRunner) -> Part:
    """Interactions as estimates, each with the probability that it is too small to matter."""
    part = DeclaredPart("moderation", runner)
    block = part.show("differences", part.block("differences"))
    if not block.withheld:
        pairs = chosen_rows(block.rows, "pairs")
        part.find("overall", (f"{block.name}/{row}" for row in pairs.index), **_settled(pairs))
    part.tell("differences", block)
    return part.part()


def _settled(pairs: EffectTable) -> dict[str, Any]:
    """How many differences are settled, and how many are small enough to count as none."""
    tally = Tally.of(rows_of(pairs))
    return {
        "n": tally.n,
        "types": (pairs["factor"] == "provider_type").any(),
        "clear": tally.clear,
        "same": tally.inside,
        "different": tally.beyond,
        "open": tally.undecided,
        "rope": derived(float(pairs["rope_high"].max())),
        "decided": percent(DECIDED),
    }
