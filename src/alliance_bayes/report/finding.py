"""A finding: its sentence, the rows that its numbers come from, and what it claims; all of a page's by topic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from alliance_bayes.report.checked import Item
from alliance_bayes.report.tables import Table
from alliance_bayes.report.text import percent
from alliance_bayes.report.verdicts import SCALE, UNSETTLED, Claim
from alliance_bayes.wording import Wording

if TYPE_CHECKING:
    from alliance_bayes.report.answer import Answer
    from alliance_bayes.report.summary import SummaryRow

__all__ = ["Finding", "Findings", "Topic", "scale_words"]

SENTENCES = Wording("alliance_bayes.report", "sentences/finding.toml")


def scale_words() -> str:
    """The words for certainty and their rule, as a page states them."""
    scale = "; ".join(f"“{word}”: {percent(limit)} or more" for limit, word in SCALE)
    return SENTENCES("certainty", scale=scale, unsettled=UNSETTLED, least=SCALE[-1][1])


@dataclass(frozen=True)
class Finding:
    """A sentence or more, with the rows of the effects table that its numbers come from.

    Parameters
    ----------
    text
        What is said, after the lead.
    rows
        Ids of rows; of a study as ``block/row``.
    name
        What it is about, for the JSON.
    lead
        The first words, set off from the rest; may be empty.
    claims
        What is said of the direction of some of the rows.
    key
        Whether it belongs to the key findings, above the first section.
    """

    text: str
    rows: tuple[str, ...] = ()
    name: str = ""
    lead: str = ""
    claims: tuple[Claim, ...] = ()
    key: bool = True

    @property
    def sentence(self) -> str:
        """Lead and text."""
        return f"{self.lead}: {self.text}" if self.lead else self.text


@dataclass(frozen=True)
class Topic:
    """Findings under one heading, and the checks that warn about them; `repeated` are given in full further up."""

    title: str
    findings: tuple[Finding, ...]
    cautions: tuple[Item, ...]
    repeated: tuple[Item, ...] = ()


@dataclass(frozen=True)
class Findings:
    """Everything above the first section.

    Parameters
    ----------
    withheld
        Whether conclusions are withheld.
    reasons
        Why, one sentence each.
    topics
        The findings by heading; none when withheld.
    limits
        What must not be concluded.
    simulated
        Whether the data come from a simulator.
    certainty
        What the words for certainty mean; empty where none is used.
    answer
        What the page says first; None where it has no answer.
    summary
        The summary of findings; None without one.
    questions
        Its rows.
    """

    withheld: bool
    reasons: tuple[str, ...]
    topics: tuple[Topic, ...]
    limits: tuple[str, ...]
    simulated: bool
    certainty: str = ""
    answer: Answer | None = None
    summary: Table | None = None
    questions: tuple[SummaryRow, ...] = ()

    @property
    def sentences(self) -> tuple[str, ...]:
        """The findings, or why there are none."""
        if self.withheld:
            return ("Conclusions are withheld: the draws did not pass the checks.", *self.reasons)
        return tuple(finding.sentence for topic in self.topics for finding in topic.findings)

    def numbers(self) -> list[dict[str, Any]]:
        """The findings for the JSON."""
        return [
            {
                "name": finding.name,
                "text": finding.sentence,
                "rows": list(finding.rows),
                "claims": [
                    {"row": claim.row, "certainty": claim.word, "above": claim.above, "settled": claim.settled}
                    for claim in finding.claims
                ],
                "cautions": [item.name for item in (*topic.cautions, *topic.repeated)],
            }
            for topic in self.topics
            for finding in topic.findings
        ]
