"""What a study is made of: parts that answer a question, each of blocks of numbers from one model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import pandas as pd

from alliance_bayes.effects import EffectTable
from alliance_bayes.report.finding import Finding
from alliance_bayes.report.svg import Picture
from alliance_bayes.report.tables import Table

__all__ = ["Block", "Part"]


@dataclass(frozen=True, eq=False)
class Block:
    """Numbers of one model, or of several side by side, with the verdict on their draws.

    Parameters
    ----------
    name
        Unique in the study.
    title
        Heading.
    rows
        What is estimated. Empty when withheld.
    withheld
        Why the numbers are withheld, one sentence a reason; empty when they are shown.
    text
        What a reader has to know before the numbers.
    tables, pictures
        As the page shows them.
    models
        Names of the models behind the numbers; none where they are of the observed data.
    of
        Names of the models whose people a table or a figure is about, by its name, where they are not all of the
        block's; under the empty name, of those that are not named.
    """

    name: str
    title: str
    rows: EffectTable
    withheld: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    pictures: tuple[Picture, ...] = ()
    models: tuple[str, ...] = ()
    of: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def models_of(self, name: str) -> tuple[str, ...]:
        """Names of the models whose people a table or a figure is about.

        Parameters
        ----------
        name
            Of the table or the figure.

        Returns
        -------
        tuple of str
            In their order.
        """
        return self.of.get(name) or self.of.get("") or self.models

    def with_page(
        self,
        *,
        text: Iterable[str] = (),
        tables: Iterable[Table] = (),
        pictures: Iterable[Picture] = (),
        of: Mapping[str, tuple[str, ...]] | None = None,
    ) -> Block:
        """The block with what the page shows of it.

        Parameters
        ----------
        text
            Paragraphs.
        tables
            Tables.
        pictures
            Figures.
        of
            Models by table and figure, besides those that the block has.

        Returns
        -------
        Block
            With the same rows.
        """
        of = {**self.of, **(of or {})}
        return replace(self, text=tuple(text), tables=tuple(tables), pictures=tuple(pictures), of=of)


@dataclass(frozen=True, eq=False)
class Part:
    """The answer to one of the study's questions.

    Parameters
    ----------
    name
        Unique in the study.
    title, question
        Heading, and what is asked.
    blocks
        The numbers, in order.
    findings
        What they say.
    limits
        What they must not be taken to say.
    left_out
        What was not computed, and why.
    numbers
        What else there is, by name.
    """

    name: str
    title: str
    question: str
    blocks: tuple[Block, ...]
    findings: tuple[Finding, ...] = ()
    limits: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    numbers: Mapping[str, object] = field(default_factory=dict)

    @property
    def withheld(self) -> tuple[str, ...]:
        """Why numbers of this part are withheld; empty when none are."""
        return tuple(f"{block.title}: {reason}" for block in self.blocks for reason in block.withheld)

    def table(self) -> pd.DataFrame:
        """All rows with a column ``block``, to the left of the columns of an effects table.

        Returns
        -------
        pandas.DataFrame
            With the draws' summaries.
        """
        frames = [pd.DataFrame(block.rows).assign(block=block.name) for block in self.blocks if len(block.rows)]
        if not frames:
            return pd.DataFrame(columns=["block"])
        out = pd.concat(frames)
        return out[["block", *(name for name in out.columns if name != "block")]]
