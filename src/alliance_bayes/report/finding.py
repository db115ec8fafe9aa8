"""What a finding is, and the findings of a page: sentences with the rows and the claims behind them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from alliance_bayes.report.certainty import Claim
from alliance_bayes.report.checking import Item

__all__ = ["Finding", "Findings", "Topic"]


@dataclass(frozen=True)
class Finding:
    """A sentence or more, with the rows of the effects table that its numbers come from.

    Parameters
    ----------
    name
        What it is about, for the JSON.
    lead
        The first words, set off from the rest; may be empty.
    text
        The rest.
    rows
        Ids of rows.
    claims
        What is said of the direction of some of them.
    """

    name: str
    lead: str
    text: str
    rows: tuple[str, ...]
    claims: tuple[Claim, ...] = ()

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
    """

    withheld: bool
    reasons: tuple[str, ...]
    topics: tuple[Topic, ...]
    limits: tuple[str, ...]
    simulated: bool
    certainty: str = ""

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
                    {"row": said.row, "certainty": said.word, "above": said.above, "settled": said.settled}
                    for said in finding.claims
                ],
                "cautions": [item.name for item in (*topic.cautions, *topic.repeated)],
            }
            for topic in self.topics
            for finding in topic.findings
        ]
