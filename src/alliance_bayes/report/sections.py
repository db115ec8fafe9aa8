"""What a section of the page is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup

from alliance_bayes.effects import EffectTable
from alliance_bayes.report.tables import Table

__all__ = ["Picture", "Section", "linked"]


@dataclass(frozen=True)
class Picture:
    """A drawn figure with its words and, where given, its data."""

    title: str
    caption: str
    markup: Markup
    data: Table | None = None


@dataclass(frozen=True)
class Section:
    """One numbered section.

    Parameters
    ----------
    id
        Anchor in the page: small letters, digits and hyphens.
    title
        Heading.
    template
        File under ``templates/``.
    context
        What the template shows, as `s`.
    numbers
        What the section adds to the report's JSON, by name.
    rows
        Rows of an effects table that the section has beside those of the report, for the manifest.
    maker
        Name under which the package makes it; empty for a section of the analyst's own.
    """

    id: str
    title: str
    template: str
    context: Mapping[str, Any]
    numbers: Mapping[str, Any] = field(default_factory=dict)
    rows: EffectTable | None = None
    maker: str = ""

    @classmethod
    def of(
        cls, id: str, title: str, *content: str | Table | Picture, numbers: Mapping[str, Any] | None = None
    ) -> Section:
        """A section of paragraphs, tables and pictures, from top to bottom.

        Parameters
        ----------
        id, title
            Anchor and heading.
        *content
            Paragraphs as plain text, tables and pictures; see :class:`alliance_bayes.report.View` for making them.
        numbers
            What the section adds to the report's JSON, by name.
        """
        kinds = {Table: "table", Picture: "picture"}
        items = [(kinds.get(type(item), "text"), item) for item in content]
        return cls(id, title, "content.html", {"items": items}, numbers or {})


def linked(order: Sequence[str], *sections: str) -> Markup:
    """Where sections stand in a page, each number a link: "Section 3", "Sections 3, 4"; else "not in this page".

    Parameters
    ----------
    order
        Ids of the page's sections, in order.
    *sections
        Ids; those that the page lacks are passed over.
    """
    there = [(name, number) for number, name in enumerate(order, 1) if name in sections]
    if not there:
        return Markup("not in this page")
    links = [Markup('<a href="#{}">{}</a>').format(name, number) for name, number in there]
    return Markup("Section {}").format(links[0]) if len(links) == 1 else Markup("Sections ") + Markup(", ").join(links)
